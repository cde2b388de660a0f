"""A count and a seed come in; the numbers below the count go out in random order, any part of it at once.

An order of a billion examples would take eight gigabytes of memory; this one is computed where it is needed.
"""

import numpy as np
import numpy.typing as npt

ROUNDS = 4  # a Feistel network of four rounds shuffles well (Luby and Rackoff 1988)


def generator(seed: int, *counters: int) -> np.random.Generator:
    """A random generator that is a pure function of its arguments."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, *counters))))


class Shuffled:
    """A permutation of 0 … count - 1: a Feistel network over the next power of four, walked until inside the count."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self._count = count
        self._half = np.uint64(max(1, (max(1, count - 1).bit_length() + 1) // 2))  # bits of each half
        self._keys = random.integers(0, 2**64, ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        return self._count

    def take(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """The places ``start`` … ``stop - 1`` of the order."""
        numbers = self._scrambled(np.arange(start, min(stop, self._count), dtype=np.uint64))
        while (outside := np.flatnonzero(numbers >= self._count)).size:  # fewer than three walks on average
            numbers[outside] = self._scrambled(numbers[outside])
        return numbers.astype(np.int64)

    def _scrambled(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        mask = (np.uint64(1) << self._half) - np.uint64(1)
        left, right = numbers >> self._half, numbers & mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        return (left << self._half) | right


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014), modulo 2^64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))

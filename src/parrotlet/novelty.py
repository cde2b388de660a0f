"""The training text comes in; whether a piece of new text copies N characters of it in one piece goes out.

The idea is markovify's (https://github.com/jsvine/markovify): refuse output that repeats its source. All N-character
spans of the text are kept as sorted 64-bit polynomial hashes, 8 bytes a character, so that one look-up is a binary
search. Two different spans share a hash with a chance of about 1 in 10^19 per pair; what then happens is that a token
is drawn again without need. A copy is never missed.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from parrotlet.errors import whole_number

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus

Hashes = npt.NDArray[np.uint64]
LONGEST = 10_000  # characters of a span
BLOCK = 1 << 18  # characters hashed at a time
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
INVERSE = pow(BASE, -1, 1 << 64)


class Novelty:
    """Knows every span of ``n`` characters of a text.

    ``pieces`` are the text in order, in the normal form of the tokenizer that will write. Raises UsageError where
    ``n`` is not within 1 to 10,000.
    """

    def __init__(self, pieces: Iterable[str], n: int) -> None:
        self._set_length(n)
        self._hashes = _sorted(self._hash_text(pieces))

    @classmethod
    def from_corpus(cls, corpus: "Corpus", normalise: Callable[[str], str], n: int) -> "Novelty":
        """Know the spans of each document of ``corpus``; a span never runs from one document into the next."""
        novelty = cls((), n)
        novelty._hashes = _sorted(
            block for document in corpus.documents() for block in novelty._hash_text(map(normalise, document.pieces))
        )
        return novelty

    def _set_length(self, n: int) -> None:
        self.n = n = whole_number("novel", n, 1, LONGEST)
        self._powers = powers(BASE, BLOCK + n)
        self._inverses = powers(INVERSE, BLOCK + n)

    def copies(self, text: str, new: int) -> bool:
        """Whether a span that ends within the last ``new`` characters of ``text`` stands in the known text."""
        tail = text[-(self.n - 1 + new) :] if new else ""
        return any(self._knows(hashes) for hashes in self._hash_text([tail]))

    def _knows(self, hashes: Hashes) -> bool:
        if not len(self._hashes):
            return False
        places = np.searchsorted(self._hashes, hashes)
        return bool((self._hashes[np.minimum(places, len(self._hashes) - 1)] == hashes).any())

    def _hash_text(self, pieces: Iterable[str]) -> Iterator[Hashes]:
        """The hashes of all spans of one text, a block at a time."""
        kept = ""  # the last n-1 characters: spans reach from one block into the next
        for piece in pieces:
            for start in range(0, len(piece), BLOCK):
                text = kept + piece[start : start + BLOCK]
                if len(text) >= self.n:
                    yield self._hash_block(text)
                kept = text[-(self.n - 1) :] if self.n > 1 else ""

    def _hash_block(self, text: str) -> Hashes:
        sums = prefix_sums(text, self._powers)
        return span_hashes(sums[: -self.n], sums[self.n :], self._inverses)


def powers(base: int, count: int) -> Hashes:
    """The powers 0 to ``count`` - 1 of a base, modulo 2^64."""
    found = np.full(count, base, dtype=np.uint64)
    found[:1] = 1
    return np.cumprod(found, dtype=np.uint64)


def prefix_sums(text: str, bases: Hashes) -> Hashes:
    """The sum of symbol[i] * BASE^i over all i before each place of a text and its end, modulo 2^64: (T + 1,)."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    sums = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum(_mix(points) * bases[: len(points)], out=sums[1:])
    return sums


def span_hashes(before: Hashes, after: Hashes, inverses: Hashes) -> Hashes:
    """The hashes of spans, from the sums before and after each and BASE^-i of the place i where it begins: (S,).

    It is the sum over j of symbol[i + j] * BASE^j, mixed, so that it does not depend on the place.
    """
    spans: Hashes = (after - before) * inverses[: len(before)]
    return _mix(spans)


def _mix(values: Hashes) -> Hashes:
    """The finisher of SplitMix64 (Steele, Lea, Flood 2014): close values come far apart."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _sorted(blocks: Iterable[Hashes]) -> Hashes:
    found = list(blocks)
    if not found:
        return np.zeros(0, dtype=np.uint64)
    hashes = np.concatenate(found)
    hashes.sort()
    return hashes

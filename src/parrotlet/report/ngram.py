"""Documents of token ids come in; an interpolated modified Kneser-Ney model goes out that scores and writes others.

Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98 (1998), equations 25-27:

    p(w | h) = (c(hw) - D(c(hw))) / N(h)  +  left(h) * p(w | h without its first token)

The highest order counts occurrences, lower orders count the distinct tokens seen before (their continuations), except
that n-grams which begin a document keep their occurrences, since nothing can stand before them. The recursion ends in
the uniform distribution, so every token has a probability and each distribution sums to one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from parrotlet.sampling import uniforms

Ids = Sequence[int] | npt.NDArray[np.integer]
IdArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

FALLBACK = (0.5, 1.0, 1.5)  # as KenLM's, where a small table has too few rare n-grams to estimate discounts from
DRAWS = 4096  # random numbers taken at a time


@dataclass(frozen=True)
class Level:
    """The n-grams of one length, after C contexts, each the number of the tokens before the last one.

    ``contexts`` (C,): ascending keys, each the number of the context without its first token * V + that token.
    ``grams`` (G,): ascending keys, each the context's number * V + last token. ``starts`` (C + 1,): where each
    context's n-grams begin. ``share`` (G + 1,): discounted count over its context's total; ``left`` (C + 1,): the
    probability that each context leaves to the shorter one. Their last entries, reached by -1, stand for what was never
    seen: share 0, everything left. ``sums`` (G + 1,): of the shares of all n-grams before.
    """

    contexts: IdArray
    grams: IdArray
    starts: IdArray
    share: FloatArray
    left: FloatArray
    sums: FloatArray


def find(keys: IdArray, wanted: IdArray) -> IdArray:
    """The index of each wanted key, -1 where it is not there."""
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[index] == wanted, index, -1)


class NGram:
    """An n-gram model over ids below ``vocabulary``; documents begin with ``stop``, and end with it if ``closing``.

    Raises ValueError where the documents hold no tokens.
    """

    def __init__(self, documents: Iterable[Ids], vocabulary: int, stop: int, order: int, closing: bool) -> None:
        self.vocabulary, self.stop, self.order, self.closing = vocabulary, stop, order, closing
        windows, occurrences = self._distinct(self._windows(documents))
        self.levels = self._levels(windows, occurrences)

    def bits(self, documents: Iterable[Ids]) -> tuple[float, int]:
        """The bits of all tokens of the documents, their closing ``stop`` included if ``closing``, and the tokens."""
        probability = self._probability(self._windows(documents))
        return float(-np.log2(probability).sum()), len(probability)

    def distribution(self, context: Sequence[int]) -> FloatArray:
        """Probabilities (V,) of the token after ``context``, the tokens of a document so far."""
        before = [*context[::-1], *[self.stop] * self.order][: self.order - 1]
        tokens = np.arange(self.vocabulary)
        return self._probability(np.stack([tokens, *(np.full_like(tokens, token) for token in before)]))

    def write(self, seed: int, banned: Collection[int] = ()) -> Iterator[int]:
        """Tokens without end, drawn one after another; where it closes documents ``stop`` ends one and begins the next.

        ``banned`` tokens are drawn again; so is ``stop`` in a model that does not close.
        """
        never = {*banned} if self.closing else {*banned, self.stop}
        tables = [_Table(level) for level in self.levels]
        beginning = [self.stop] * (self.order - 1)
        before = beginning  # the last tokens, the latest first
        for draw in _draws(seed):
            token = self._draw(tables, before, draw)
            if token in never:
                continue
            yield token
            before = beginning if token == self.stop else [token, *before[: self.order - 2]][: self.order - 1]

    def _draw(self, tables: "Sequence[_Table]", before: Sequence[int], draw: float) -> int:
        """The token at ``draw`` in [0, 1): the longest context that was seen takes its share, the rest is left."""
        context, seen = 0, [0]
        for table, token in zip(tables[1:], before, strict=True):
            key = context * self.vocabulary + token
            context = bisect_left(table.contexts, key)
            if context == len(table.contexts) or table.contexts[context] != key:
                break
            seen.append(context)
        for table, context in zip(reversed(tables[: len(seen)]), reversed(seen), strict=True):
            left = table.left[context]
            if draw >= left:
                first, end = table.starts[context], table.starts[context + 1]
                place = bisect_right(table.sums, table.sums[first] + draw - left, first + 1, end) - 1
                return int(table.grams[place] - context * self.vocabulary)
            draw /= left
        return int(draw * self.vocabulary)

    def _windows(self, documents: Iterable[Ids]) -> IdArray:
        """Each token to be predicted and the order - 1 before it, the latest first: (order, N)."""
        parts = [np.asarray(document, np.int64) for document in documents]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts)) + self.closing
        if not lengths.sum():
            raise ValueError("there are no tokens")
        ends = np.cumsum(lengths + self.order - 1)
        places = np.repeat(ends - np.cumsum(lengths), lengths) + np.arange(lengths.sum())  # what is to be predicted
        row = np.full(ends[-1], self.stop, np.int32)
        row[np.delete(places, np.cumsum(lengths) - 1) if self.closing else places] = np.concatenate(parts)
        return np.stack([row[places - back] for back in range(self.order)])

    def _distinct(self, windows: IdArray) -> tuple[IdArray, IdArray]:
        """The distinct windows (order, D) and how often each occurs (D,)."""
        number = np.zeros(windows.shape[1], np.int64)
        if self.vocabulary**self.order >= 2**63:
            for tokens in windows:
                number = np.unique(number * self.vocabulary + tokens, return_inverse=True)[1]
            _, first, occurrences = np.unique(number, return_index=True, return_counts=True)
            return windows[:, first], occurrences
        for tokens in windows:
            number = number * self.vocabulary + tokens
        number, occurrences = np.unique(number, return_counts=True)
        digits = [number // self.vocabulary**place % self.vocabulary for place in range(self.order)]
        return np.stack(digits[::-1]), occurrences

    def _levels(self, windows: IdArray, occurrences: IdArray) -> list[Level]:
        """The counts of every length, then their discounted shares."""
        context = np.zeros(windows.shape[1], np.int64)
        contexts = np.zeros(1, np.int64)
        counted = []
        for length in range(1, self.order + 1):
            if length > 1:
                contexts, context = np.unique(context * self.vocabulary + windows[length - 1], return_inverse=True)
            grams, first, gram = np.unique(
                context * self.vocabulary + windows[0], return_index=True, return_inverse=True
            )
            counted.append((contexts, grams, first, gram))
        levels = []
        for length, (contexts, grams, first, gram) in enumerate(counted, start=1):
            times = np.bincount(gram, occurrences).astype(np.int64)
            if length < self.order:
                continuations = np.bincount(gram[counted[length][2]], minlength=len(grams))
                begins = (windows[length - 1, first] == self.stop) & (length > 1)
                times = np.where(begins, times, continuations)
            levels.append(self._level(contexts, grams, times))
        return levels

    def _level(self, contexts: IdArray, grams: IdArray, times: IdArray) -> Level:
        discount = np.array([0.0, *discounts(times)])[np.minimum(times, 3)]
        context = grams // self.vocabulary
        total = np.bincount(context, times)
        share = (times - discount) / total[context]
        left = np.bincount(context, discount) / total
        starts = np.searchsorted(context, np.arange(len(contexts) + 1))
        sums = np.concatenate([np.zeros(1), np.cumsum(share)])
        return Level(contexts, grams, starts, np.append(share, 0.0), np.append(left, 1.0), sums)

    def _probability(self, windows: IdArray) -> FloatArray:
        """Of the first token of each window (order, N) after the others: (N,)."""
        context = np.zeros(windows.shape[1], np.int64)
        probability = np.full(windows.shape[1], 1 / self.vocabulary)
        for level, before in zip(self.levels, [None, *windows[1:]], strict=True):
            if before is not None:  # an unseen context is -1, and its keys are negative
                context = find(level.contexts, context * self.vocabulary + before)
            gram = find(level.grams, context * self.vocabulary + windows[0])
            probability = level.share[gram] + level.left[context] * probability
        return probability


class _Table:
    """A level as Python reads it fastest one number at a time."""

    def __init__(self, level: Level) -> None:
        self.contexts, self.grams, self.starts = level.contexts.data, level.grams.data, level.starts.data
        self.left, self.sums = level.left.data, level.sums.data


def _draws(seed: int) -> Iterator[float]:
    """Random numbers in [0, 1), a pure function of the seed."""
    for block in count():
        yield from uniforms(seed, 0, block * DRAWS, DRAWS).tolist()


def discounts(times: IdArray) -> tuple[float, float, float]:
    """What is taken from n-grams counted once, twice and more often (equation 26); FALLBACK where it is no estimate."""
    once, twice, thrice, four = (int((times == number).sum()) for number in (1, 2, 3, 4))
    if not (once and twice and thrice):
        return FALLBACK
    base = once / (once + 2 * twice)
    estimate = (1 - 2 * base * twice / once, 2 - 3 * base * thrice / twice, 3 - 4 * base * four / thrice)
    sound = all(0 < value <= number for number, value in enumerate(estimate, start=1))
    return estimate if sound else FALLBACK

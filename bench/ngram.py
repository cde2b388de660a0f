"""Documents of token ids come in; an interpolated modified Kneser-Ney model goes out that scores other documents.

Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", TR-10-98 (1998), equations 25-27:

    p(w | h) = (c(hw) - D(c(hw))) / N(h)  +  left(h) * p(w | h without its first token)

The highest order counts occurrences, lower orders count the distinct tokens seen before (their continuations), except
that n-grams which begin a document keep their occurrences, since nothing can stand before them. The recursion ends in
the uniform distribution, so every token has a probability and each distribution sums to one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IdArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

FALLBACK = (0.5, 1.0, 1.5)  # as KenLM's, where a small table has too few rare n-grams to estimate discounts from


@dataclass(frozen=True)
class Level:
    """All n-grams of one length. A context is the index of an n-gram one shorter.

    ``keys`` (G,): context * V + last token, ascending. ``share`` (G + 1,): discounted count over its context's total.
    ``left`` (C + 1,): the probability that each context leaves to the shorter one. The last entries, reached by
    index -1, stand for what was never seen: share 0, everything left.
    """

    keys: IdArray
    share: FloatArray
    left: FloatArray

    def find(self, wanted: IdArray) -> IdArray:
        """The index of each key, -1 where it is not there."""
        index = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[index] == wanted, index, -1)


@dataclass(frozen=True)
class Counts:
    """The n-grams of one length in a text, each array (G,); ``suffix`` is the index of what follows the first token."""

    keys: IdArray
    occurrences: IdArray
    suffix: IdArray
    first: IdArray


class NGram:
    """An n-gram model over ids below ``vocabulary``; documents begin with ``stop``, and end with it if ``closing``."""

    def __init__(
        self, documents: Iterable[Sequence[int] | IdArray], vocabulary: int, stop: int, order: int, closing: bool
    ) -> None:
        self.vocabulary, self.stop, self.order, self.closing = vocabulary, stop, order, closing
        counts = self._count(*self._lay_out(documents))
        contexts = 1
        self.levels: list[Level] = []
        for length, grams in enumerate(counts, start=1):
            longer = counts[length] if length < order else None
            self.levels.append(self._level(grams, longer, contexts, length))
            contexts = len(grams.keys)

    def bits(self, documents: Iterable[Sequence[int] | IdArray]) -> tuple[float, int]:
        """The bits of all tokens of the documents, their closing ``stop`` included if ``closing``, and the tokens."""
        ids, predicted = self._lay_out(documents)
        gram = np.zeros(len(ids), np.int64)
        probability = np.full(len(ids), 1 / self.vocabulary)
        for level in self.levels:
            gram, probability = self._longer(level, np.roll(gram, 1), ids, probability)
        return float(-np.log2(probability[predicted]).sum()), int(predicted.sum())

    def distribution(self, context: Sequence[int]) -> FloatArray:
        """Probabilities (V,) of the token after ``context``, the tokens of a document so far."""
        before = np.array([self.stop] * (self.order - 1) + list(context), np.int64)
        probability = np.full(self.vocabulary, 1 / self.vocabulary)
        for length, level in enumerate(self.levels, start=1):
            index = self._index(before[len(before) - length + 1 :])
            following = np.full(self.vocabulary, index)
            _, probability = self._longer(level, following, np.arange(self.vocabulary), probability)
        return probability

    def _index(self, tokens: IdArray) -> int:
        """The index of an n-gram among those of its length, -1 if it was not seen."""
        index = np.zeros(1, np.int64)
        for level, token in zip(self.levels, tokens, strict=False):
            index = level.find(index * self.vocabulary + token)
        return int(index[0])

    def _longer(
        self, level: Level, context: IdArray, ids: IdArray, probability: FloatArray
    ) -> tuple[IdArray, FloatArray]:
        """Indices and probabilities of n-grams from those one shorter."""
        gram = level.find(context * self.vocabulary + ids)  # an unseen context is -1, and its keys are negative
        return gram, level.share[gram] + level.left[context] * probability

    def _lay_out(self, documents: Iterable[Sequence[int] | IdArray]) -> tuple[IdArray, npt.NDArray[np.bool_]]:
        """All documents in one row, each after order - 1 stops, and which positions are to be predicted."""
        padding = np.full(self.order - 1, self.stop, np.int64)
        end = np.full(int(self.closing), self.stop, np.int64)
        parts, predicted = [], []
        for document in documents:
            tokens = np.concatenate([np.asarray(document, np.int64), end])
            parts += [padding, tokens]
            predicted += [np.zeros(len(padding), bool), np.ones(len(tokens), bool)]
        if not parts:
            raise ValueError("there are no documents")
        return np.concatenate(parts), np.concatenate(predicted)

    def _count(self, ids: IdArray, predicted: npt.NDArray[np.bool_]) -> list[Counts]:
        """Every n-gram of every length. The row is read as a ring; what runs over its end is never predicted."""
        gram = np.zeros(len(ids), np.int64)
        counts = []
        for length in range(1, self.order + 1):
            shorter = gram
            key = np.roll(shorter, 1) * self.vocabulary + ids
            keys, place, gram = np.unique(key, return_index=True, return_inverse=True)
            occurrences = np.bincount(gram[predicted], minlength=len(keys))
            counts.append(Counts(keys, occurrences, shorter[place], ids[place - length + 1]))
        return counts

    def _level(self, grams: Counts, longer: Counts | None, contexts: int, length: int) -> Level:
        count = grams.occurrences
        if longer is not None:
            continuations = np.bincount(longer.suffix[longer.occurrences > 0], minlength=len(count))
            begins = (grams.first == self.stop) & (length > 1)
            count = np.where(begins, count, continuations)
        discount = np.array([0.0, *discounts(count)])[np.minimum(count, 3)]
        context = grams.keys // self.vocabulary
        total = np.bincount(context, count, minlength=contexts)
        taken = np.bincount(context, discount, minlength=contexts)
        known = np.maximum(total, 1)
        left = np.where(total > 0, taken / known, 1.0)
        return Level(grams.keys, np.append((count - discount) / known[context], 0.0), np.append(left, 1.0))


def discounts(count: IdArray) -> tuple[float, float, float]:
    """What is taken from n-grams counted once, twice and more often (equation 26); FALLBACK where it is no estimate."""
    once, twice, thrice, four = (int((count == times).sum()) for times in (1, 2, 3, 4))
    if not (once and twice and thrice):
        return FALLBACK
    base = once / (once + 2 * twice)
    estimate = (1 - 2 * base * twice / once, 2 - 3 * base * thrice / twice, 3 - 4 * base * four / thrice)
    sound = all(0 < value <= times for times, value in enumerate(estimate, start=1))
    return estimate if sound else FALLBACK

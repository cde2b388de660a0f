"""An encoded corpus comes in; what of it is learned from and what is held back to choose the best state by goes out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.dataset.encoded import DOCUMENTS_AT_ONCE, Encoded, IdArray, Ranges
from parrotlet.dataset.shuffle import generator

EXCERPT_TRIES = 1000
MOST_PIECES, LEAST_PIECE = 10, 1000  # of each long text that are held back, and the tokens of each


@dataclass(frozen=True)
class Split:
    """Which positions train and which validate.

    Long text: ``train`` and ``validation`` are (n, 2) ranges of positions [start, stop), in order, none of them empty
    and none across two documents (see :func:`split`). Short documents: those whose hash is below ``threshold``
    validate, so that duplicates fall on one side; the ranges are empty and the batches ask :meth:`Split.validates`
    shard by shard.
    """

    train: Ranges
    validation: Ranges
    threshold: np.uint64

    def validates(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        return hashes < self.threshold

    def around(self, places: IdArray) -> Ranges:
        """The training range that each position of a long text lies in, or one beside it if it is held back: (B, 2)."""
        return self.train[np.maximum(np.searchsorted(self.train[:, 0], places, side="right") - 1, 0)]


def split(encoded: Encoded, share: float) -> Split:
    """Hold back ``share`` of the tokens to choose the best state by.

    Of long texts pieces that are spread evenly over all of them: what follows a text is most like its end, so the end
    is there to learn from. Where there is too little for two pieces, the end is held back. A piece in which a text
    begins begins with it, so that of texts shorter than a piece whole ones are held back.
    """
    empty = np.empty((0, 2), np.int64)
    if encoded.form == "lines":
        return Split(empty, empty, _threshold(encoded, share))
    starts, held = np.asarray(encoded.starts), int(encoded.tokens * share)
    count = max(1, min(held // LEAST_PIECE, MOST_PIECES * encoded.documents))
    part, size = (np.arange(count + 1) * total // count for total in (encoded.tokens, held))  # up to each: (P + 1,)
    room = np.diff(part) - np.diff(size)  # (P,), the rest of the part that the piece is taken from
    begin = part[:-1] + (room // 2 if count > 1 else room)
    first = starts[np.searchsorted(starts, begin)]  # the first document that begins from there on: (P,)
    begin = np.where(first < begin + np.diff(size), np.minimum(first, part[1:] - np.diff(size)), begin)
    end = begin + np.diff(size)
    borders = np.unique(np.concatenate([starts, begin, end]))
    ranges = np.stack([borders[:-1], borders[1:]], axis=1)  # (R, 2), each in one document
    piece = np.searchsorted(begin, ranges[:, 0], side="right") - 1  # (R,), the last one that begins before it
    inside = (piece >= 0) & (ranges[:, 0] < end[piece])
    return Split(ranges[~inside], ranges[inside], np.uint64(0))


def trained(encoded: Encoded, division: Split, places: IdArray, documents: IdArray) -> npt.NDArray[np.bool_]:
    """Which of these positions, each in its document, are not held back: (B,)."""
    if encoded.form == "lines":
        return ~division.validates(encoded.hashes[documents])
    start, stop = division.around(places).T  # (B,)
    return np.asarray((start <= places) & (places < stop))


def any_trained(encoded: Encoded, division: Split) -> bool:
    """Whether any document is not held back."""
    starts = range(0, encoded.documents, DOCUMENTS_AT_ONCE)
    return any(not division.validates(encoded.hashes[start : start + DOCUMENTS_AT_ONCE]).all() for start in starts)


def excerpt(encoded: Encoded, division: Split, length: int, seed: int, number: int) -> IdArray:
    """At most ``length`` ids (T,) of one document, from a random place of what is trained on; ``<s>`` is not in it."""
    random = generator(seed, number)
    places = random.integers(0, encoded.tokens, EXCERPT_TRIES)
    documents = np.searchsorted(encoded.starts, places, side="right") - 1
    firsts = (encoded.starts[documents] if encoded.form == "lines" else division.around(places)[:, 0]) + 1
    found = np.flatnonzero(trained(encoded, division, places, documents) & (places >= firsts))
    if not len(found):
        return encoded.ids[:0]
    first, last = int(firsts[found[0]]), int(places[found[0]])
    return encoded.ids[max(first, last - length + 1) : last + 1]


def held_back(encoded: Encoded, division: Split) -> Iterator[IdArray]:
    """The ids that validation predicts, range by range or document by document, each without its ``<s>``."""
    for start, stop in division.validation:
        yield encoded.ids[start + 1 : stop + 1]
    if encoded.form == "lines":
        for document in np.flatnonzero(division.validates(encoded.hashes)):
            yield encoded.ids[encoded.starts[document] + 1 : encoded.starts[document + 1]]


def _threshold(encoded: Encoded, share: float) -> np.uint64:
    """Hashes below it validate. At least one distinct document does and one does not, where there are two."""
    if share == 0 or encoded.documents < 2:
        return np.uint64(0)
    threshold = np.uint64(share * 2.0**64)
    lowest = min(_extreme(encoded.hashes, np.min))
    highest = max(_extreme(encoded.hashes, np.max))
    if lowest == highest:  # one document, repeated
        return np.uint64(0)
    return min(max(threshold, lowest + np.uint64(1)), highest)


def _extreme(hashes: npt.NDArray[np.uint64], pick: Any) -> Iterator[np.uint64]:
    for start in range(0, len(hashes), DOCUMENTS_AT_ONCE):
        yield pick(hashes[start : start + DOCUMENTS_AT_ONCE])

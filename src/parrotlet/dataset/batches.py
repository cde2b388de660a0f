"""Encoded ids come in; numbered batches go out, each a pure function of (seed, epoch, index).

``StreamBatches`` reads long text: every row walks through its own part of the text, its state carried from window to
window. ``LineBatches`` reads short documents: rows of similar length side by side, each from a fresh state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from parrotlet.dataset.division import Split
from parrotlet.dataset.encoded import DOCUMENTS_AT_ONCE, Encoded, Ranges
from parrotlet.dataset.shuffle import generator

NOTHING = -1  # the target of a position that is padding: nothing to predict there
MOST_ROWS = 1024  # of very short documents side by side
FOUND_AT_ONCE = 128  # batches of long text whose places are found together


@dataclass(frozen=True)
class Batch:
    """What one optimizer step reads.

    ``inputs``, ``targets``: (B, T) int64, the target of each position being the id after it, or NOTHING;
    ``fresh``: (B,) bool, rows that begin from a new state; the others go on from the batch before.
    ``context``: (B, W) int64, for windows the ids before the inputs, the vocabulary's size where there is none;
    ``labels``: (B, K) or (B, T, K) int64, where documents have labels the number of each column's label;
    ``padding``: (B, T) bool, targets that only pad a document, though they are learned;
    ``usual``: how many targets a batch has on the average, where that is far from what some have.
    """

    inputs: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    fresh: npt.NDArray[np.bool_]
    context: npt.NDArray[np.int64] | None = None
    labels: npt.NDArray[np.int64] | None = None
    padding: npt.NDArray[np.bool_] | None = None
    usual: float | None = None


class Batches(Protocol):
    """Batches by number, so that a run can go on at any of them."""

    def length(self, epoch: int) -> int:
        """How many batches this epoch has."""

    def batch(self, epoch: int, index: int) -> Batch:
        """Batch ``index`` of this epoch."""


class StreamBatches:
    """Truncated windows over long text; ``rows`` equal parts are read side by side.

    A window ends early (the rest is padding) where a document ends, and the next one begins there from a zero state.
    With ``shuffle`` each epoch shifts all parts by a random number of tokens, so that windows fall differently.
    """

    def __init__(self, encoded: Encoded, ranges: Ranges, rows: int, window: int, seed: int, shuffle: bool = True):
        self._encoded, self._window, self._seed, self._shuffle = encoded, window, seed, shuffle
        self._ranges = ranges[ranges[:, 1] > ranges[:, 0]]
        self._ends = np.cumsum(self._ranges[:, 1] - self._ranges[:, 0])
        self._tokens = int(self._ends[-1]) if len(self._ends) else 0
        self._rows = max(1, min(rows, self._tokens))
        self._plan = lru_cache(maxsize=2)(self._make_plan)
        self._places = lru_cache(maxsize=2)(self._make_places)

    def length(self, epoch: int) -> int:
        return max((int(windows[-1]) for _, windows in self._plan(epoch)), default=0)

    def batch(self, epoch: int, index: int) -> Batch:
        part, place = divmod(index, FOUND_AT_ONCE)
        starts, sizes, fresh = (each[place] for each in self._places(epoch, part))  # (B,) each
        width = max(1, int(sizes.max()))
        inputs, targets = _cut_out(self._encoded, starts, sizes, width)
        documents = np.searchsorted(self._encoded.starts, starts, side="right") - 1  # (B,)
        labels = self._encoded.labels_at(documents, starts[:, None] + np.arange(width))
        return Batch(inputs, targets, fresh, labels=labels)

    def _make_places(
        self, epoch: int, part: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Of some batches: where each row begins in the id file, how many ids it reads, and whether it is fresh."""
        indices = np.arange(part * FOUND_AT_ONCE, min((part + 1) * FOUND_AT_ONCE, self.length(epoch)))  # (N,)
        starts, sizes = (np.zeros((len(indices), self._rows), np.int64) for _ in range(2))  # (N, B)
        fresh = np.zeros(starts.shape, np.bool_)
        for row, (pieces, windows) in enumerate(self._plan(epoch)):
            there = slice(int(np.searchsorted(indices, windows[-1])))  # the others have come to their end
            piece = np.searchsorted(windows, indices[there], side="right")  # (n,)
            within = indices[there] - np.concatenate([[0], windows])[piece]
            starts[there, row] = pieces[piece, 0] + within * self._window
            sizes[there, row] = np.minimum(self._window, pieces[piece, 1] - starts[there, row])
            fresh[there, row] = within == 0
        return starts, sizes, fresh

    def _make_plan(self, epoch: int) -> list[tuple[Ranges, npt.NDArray[np.int64]]]:
        """For each row its pieces (n, 2) of unbroken text and the running count (n,) of their windows."""
        most = min(self._window, self._tokens // (self._rows * 4))
        shift = int(generator(self._seed, epoch).integers(most + 1)) if self._shuffle else 0
        borders = shift + np.arange(self._rows + 1) * (self._tokens - shift) // self._rows
        plan = []
        for first, last in pairwise(borders):
            pieces = self._pieces(int(first), int(last))
            counts = -(-(pieces[:, 1] - pieces[:, 0]) // self._window)
            plan.append((pieces, np.cumsum(counts)))
        return plan

    def _pieces(self, first: int, last: int) -> Ranges:
        """The training positions [first, last), counted through all ranges, as ranges of the id file: (n, 2)."""
        begin, end = np.searchsorted(self._ends, [first, last - 1], side="right")
        pieces = self._ranges[begin : end + 1].copy()
        pieces[0, 0] = self._ranges[begin, 1] - (self._ends[begin] - first)
        pieces[-1, 1] = self._ranges[end, 1] - (self._ends[end] - last)
        return pieces


def _cut_out(
    encoded: Encoded, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of ``sizes`` (B,) ids from the places ``starts`` (B,) on, and the ids after them: (B, T) each.

    Beyond its size a row is filled with ``<s>``, and nothing is to be foreseen.
    """
    steps = np.arange(width)
    inside = steps < sizes[:, None]  # (B, T)
    places = np.where(inside, starts[:, None] + steps, 0)
    inputs, targets = (encoded.ids[each].astype(np.int64) for each in (places, places + 1))
    if not inside.all():
        inputs[~inside], targets[~inside] = encoded.stop, NOTHING
    return inputs, targets


class LineBatches:
    """Short documents; each batch holds documents of similar length, each row one document from its ``<s>`` on.

    A batch has about ``rows * window`` positions: many short documents or few long ones; documents longer than the
    window are read in several batches with the state carried. Documents are shuffled shard by shard.
    """

    def __init__(
        self, encoded: Encoded, split: Split, rows: int, window: int, seed: int, validation: bool = False
    ) -> None:
        self._encoded, self._split, self._validation = encoded, split, validation
        self._rows, self._window, self._seed = rows, window, seed
        self._shards = -(-encoded.documents // DOCUMENTS_AT_ONCE)
        self._shard = lru_cache(maxsize=2)(self._make_shard)
        self._borders = lru_cache(maxsize=2)(self._make_borders)

    def length(self, epoch: int) -> int:
        return int(self._borders(epoch)[-1])

    @cached_property
    def _usual(self) -> float:
        """Targets of a batch on the average: the last windows of long documents hold few, and all of their ends."""
        tokens = sum(int(self._lengths(self._documents(shard)).sum()) for shard in range(self._shards))
        return max(1.0, tokens / max(1, self.length(0)))

    def batch(self, epoch: int, index: int) -> Batch:
        borders = self._borders(epoch)
        place = int(np.searchsorted(borders, index, side="right"))
        groups = self._shard(epoch, int(self._order(epoch)[place]))
        return self._cut(*groups[index - (int(borders[place - 1]) if place else 0)])

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        if self._validation:
            return np.arange(self._shards)
        return generator(self._seed, epoch).permutation(self._shards)

    def _make_borders(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.cumsum([len(self._shard(epoch, int(shard))) for shard in self._order(epoch)])

    def _documents(self, shard: int) -> npt.NDArray[np.int64]:
        first = shard * DOCUMENTS_AT_ONCE
        chosen = self._split.validates(self._encoded.hashes[first : first + DOCUMENTS_AT_ONCE])
        return first + np.flatnonzero(chosen == self._validation)

    def _lengths(self, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.asarray(self._encoded.starts[documents + 1] - self._encoded.starts[documents])

    def _make_shard(self, epoch: int, shard: int) -> list[tuple[Sequence[int], int]]:
        """The batches of one shard: (documents, offset of the window within them)."""
        documents = self._documents(shard)
        lengths = self._lengths(documents)
        random = generator(self._seed, epoch, 1 + shard)
        # Jitter lets documents of nearly equal length meet other neighbours in every epoch.
        jitter = 1.0 if self._validation else 1 + 0.2 * random.random(len(documents))
        by_length = np.argsort(lengths * jitter, kind="stable")
        groups = self._group(documents[by_length], lengths[by_length])
        order = range(len(groups)) if self._validation else random.permutation(len(groups))
        return [
            (groups[group][0].tolist(), offset)
            for group in order
            for offset in range(0, groups[group][1], self._window)
        ]

    def _group(
        self, documents: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> list[tuple[npt.NDArray[np.int64], int]]:
        """Cut documents, about sorted by length, into groups of rows * window positions: (documents, longest)."""
        groups, begin = [], 0
        while begin < len(documents):
            size, fits = 2 * MOST_ROWS, MOST_ROWS
            while fits < size:  # a group that holds a longer document has room for fewer
                size = fits
                longest = int(lengths[begin : begin + size].max())
                fits = max(1, self._rows * self._window // min(self._window, longest))
            groups.append((documents[begin : begin + size], longest))
            begin += size
        return groups

    def _cut(self, documents: Sequence[int], offset: int) -> Batch:
        starts = self._encoded.starts[documents] + offset
        sizes = np.clip(self._encoded.starts[np.add(documents, 1)] - starts, 0, self._window)
        width = int(sizes.max())
        inputs, targets = _cut_out(self._encoded, starts, sizes, width)
        labels = self._encoded.labels_at(np.asarray(documents), starts[:, None] + np.arange(width))
        return Batch(inputs, targets, np.full(len(documents), offset == 0), labels=labels, usual=self._usual)


def validation_batches(encoded: Encoded, split: Split, window: int = 256) -> Batches | None:
    """The batches that were held back, in a fixed order; None where nothing was.

    Long text is read in up to 16 rows of at least 2,048 tokens, each from a zero state, which makes its figure a
    little higher than one pass with the state carried all the way.
    """
    if encoded.form == "lines":
        lines = LineBatches(encoded, split, 32, window, 0, validation=True)
        return lines if lines.length(0) else None
    tokens = int((split.validation[:, 1] - split.validation[:, 0]).sum())
    rows = max(1, min(16, tokens // 2048))
    return StreamBatches(encoded, split.validation, rows, window, 0, shuffle=False) if tokens else None

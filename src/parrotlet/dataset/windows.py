"""Encoded ids come in; batches of windows with one target each, or of whole cut or padded documents, go out.

This is how the lessons and textgenrnn learn: every example stands for itself and is drawn in random order.
"""

from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from parrotlet.dataset.batches import Batch
from parrotlet.dataset.division import Split, any_trained, trained
from parrotlet.dataset.encoded import Encoded
from parrotlet.dataset.shuffle import Shuffled, generator

IdArray = npt.NDArray[np.int64]
LOOKED_AT_ONCE = 1 << 16  # positions


class WindowBatches:
    """Windows of ``context`` ids, each with the id after it as its one target; one every ``stride`` positions.

    A batch has ``rows`` windows, fewer where some of them fall on text that was held back. In long text every window is
    full, where the text has as many ids; a short document's windows begin with places that are empty.
    """

    def __init__(
        self, encoded: Encoded, split: Split, vocabulary: int, rows: int, context: int, stride: int, seed: int
    ) -> None:
        self._encoded, self._split, self._empty = encoded, split, vocabulary
        self._rows, self._context, self._stride, self._seed = rows, context, stride, seed
        self._examples = -(-encoded.tokens // stride) if self._any_teaches(stride) else 0
        self._at_once = max(1, LOOKED_AT_ONCE // rows)  # batches whose positions are found together
        self._order = lru_cache(maxsize=2)(self._make_order)
        self._places = lru_cache(maxsize=2)(self._make_places)

    def _any_teaches(self, stride: int) -> bool:
        for start in range(0, self._encoded.tokens, stride * LOOKED_AT_ONCE):
            chosen = np.arange(start, min(start + stride * LOOKED_AT_ONCE, self._encoded.tokens), stride)
            if self._teaches(chosen, self._documents(chosen)).any():
                return True
        return False

    def _documents(self, chosen: IdArray) -> IdArray:
        """The document that each of these positions lies in: (B,)."""
        return np.searchsorted(self._encoded.starts, chosen, side="right") - 1

    def length(self, epoch: int) -> int:
        return -(-self._examples // self._rows)

    def batch(self, epoch: int, index: int) -> Batch:
        chosen, document = self._places(epoch, index // self._at_once)[index % self._at_once]  # (B,) each
        ids = self._encoded.ids
        return Batch(
            ids[chosen].astype(np.int64)[:, None],  # (B, 1)
            ids[chosen + 1].astype(np.int64)[:, None],  # (B, 1)
            np.ones(len(chosen), np.bool_),
            self._before(chosen, self._encoded.starts[document]),
            self._encoded.labels_at(document, chosen[:, None]),
        )

    def _before(self, chosen: IdArray, begins: IdArray) -> IdArray:
        """The ids before these positions (B,) of documents that begin there (B,), empty places before those: (B, W)."""
        first = chosen - self._context
        if len(first) and (first >= begins).all():
            return np.asarray(self._full_windows[first], np.int64)
        places = first[:, None] + np.arange(self._context)  # (B, W)
        # The type is wide enough for the number of an empty place.
        before = self._encoded.ids[np.maximum(places, 0)].astype(np.int64)
        return np.where(places < begins[:, None], self._empty, before)

    @cached_property
    def _full_windows(self) -> npt.NDArray[np.integer]:
        return np.lib.stride_tricks.sliding_window_view(self._encoded.ids, self._context)

    def _make_order(self, epoch: int) -> Shuffled:
        return Shuffled(self._examples, generator(self._seed, epoch))

    def _make_places(self, epoch: int, part: int) -> list[tuple[IdArray, IdArray]]:
        """For each of some batches in a row its positions, and their documents: (B,) each."""
        size = self._rows * self._at_once
        chosen = self._order(epoch).take(part * size, (part + 1) * size) * self._stride
        document = self._documents(chosen)
        kept = self._teaches(chosen, document)
        batches = (slice(start, start + self._rows) for start in range(0, len(chosen), self._rows))
        return [(chosen[each][kept[each]], document[each][kept[each]]) for each in batches]

    def _teaches(self, chosen: IdArray, document: IdArray) -> npt.NDArray[np.bool_]:
        """Which of these positions, each in its document, are there to learn from: (B,)."""
        kept = trained(self._encoded, self._split, chosen, document)
        if self._encoded.form == "lines":
            return kept
        start, stop = self._split.around(chosen).T  # (B,)
        full = chosen - start >= self._context - 1
        short = (start == self._encoded.starts[document]) & (stop - start <= self._context)
        return np.asarray(kept & (full | short))


class SequenceBatches:
    """Whole documents, cut or padded with ``<s>`` to ``window`` tokens; the padding is a target like every other."""

    def __init__(self, encoded: Encoded, split: Split, rows: int, window: int, seed: int) -> None:
        self._encoded, self._split = encoded, split
        self._rows, self._window, self._seed = rows, window, seed
        self._documents = encoded.documents if any_trained(encoded, split) else 0
        self._order = lru_cache(maxsize=2)(self._make_order)

    def length(self, epoch: int) -> int:
        return -(-self._documents // self._rows)

    def batch(self, epoch: int, index: int) -> Batch:
        documents = self._order(epoch).take(index * self._rows, (index + 1) * self._rows)  # (B,)
        documents = documents[~self._split.validates(self._encoded.hashes[documents])]
        starts, ends = self._encoded.starts[documents], self._encoded.starts[documents + 1]
        places = starts[:, None] + np.arange(self._window + 1)  # (B, T + 1)
        inside = places <= ends[:, None]
        ids = np.where(inside, self._encoded.ids[np.minimum(places, ends[:, None])], self._encoded.stop).astype(
            np.int64
        )
        labels = self._encoded.labels_at(documents, places[:, :-1])
        fresh = np.ones(len(documents), np.bool_)
        return Batch(ids[:, :-1], ids[:, 1:], fresh, labels=labels, padding=~inside[:, 1:])

    def _make_order(self, epoch: int) -> Shuffled:
        return Shuffled(self._documents, generator(self._seed, epoch))

"""A corpus as ids and its split come in; what a report card compares a model's writing with goes out, never large."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.dataset import Encoded, Split, held_back
from parrotlet.tokenizers import Tokenizer

IdArray = npt.NDArray[np.integer[Any]]

LOOKED_AT = 2_000_000  # characters of the training text at most
BLOCKS = 16  # parts of a longer one, spread over all of it, that are looked at
HELD_OUT = 200_000  # tokens at most of the text held back


@dataclass(frozen=True)
class Material:
    """Documents as ids, none of them empty, without ``<s>``.

    ``training``: what is looked at of the text that the model learned from; all of it where ``whole``, else that has
    about ``characters``. ``held_out``: text that it did not learn from, at a cost of ``bits`` per character.
    ``closing``: documents have an end that is written. ``density``: characters of a token; ``length``: of a document.
    """

    training: Sequence[IdArray]
    whole: bool
    characters: int
    held_out: Sequence[IdArray]
    bits: float | None
    closing: bool
    density: float
    writing_density: float
    length: float


def gather(encoded: Encoded, division: Split, bits: float | None, most: int = LOOKED_AT) -> Material:
    """What the report card of a model trained on this split needs; ``most``: characters of the training text."""
    density = encoded.characters / encoded.tokens
    closing = encoded.form == "lines"
    tokens = max(BLOCKS, round(most / density))
    share = _share_of_documents(encoded, division) if closing else _share_of_text(encoded, division)
    blocks = _blocks(encoded.tokens if closing else round(share * encoded.tokens), tokens)
    parts = (_documents if closing else _ranges)(encoded, division, blocks)
    return Material(
        training=[ids for ids in parts if len(ids)],
        whole=len(blocks) == 1,
        characters=round(encoded.characters * share),
        held_out=list(_first(held_back(encoded, division), HELD_OUT)),
        bits=bits,
        closing=closing,
        density=density,
        writing_density=encoded.density,
        length=encoded.characters / encoded.documents,
    )


def characters_of(documents: Iterable[IdArray], tokenizer: Tokenizer, density: float) -> int:
    """Code points that these ids write, at least 1; estimated where unknown words stand for others."""
    if tokenizer.unknown_id is not None:
        return max(1, round(sum(map(len, documents)) * density))
    return max(1, sum(len(tokenizer.decode(ids)) for ids in documents))


def _share_of_text(encoded: Encoded, division: Split) -> float:
    return float((division.train[:, 1] - division.train[:, 0]).sum()) / encoded.tokens


def _share_of_documents(encoded: Encoded, division: Split) -> float:
    return 1 - float(division.validates(encoded.hashes).mean())


def _blocks(total: int, wanted: int) -> list[tuple[int, int]]:
    """Positions [first, last): all of them, or as many as are wanted, in parts spread evenly."""
    if total <= wanted:
        return [(0, total)]
    return [(total * part // BLOCKS, total * part // BLOCKS + wanted // BLOCKS) for part in range(BLOCKS)]


def _ranges(encoded: Encoded, division: Split, blocks: list[tuple[int, int]]) -> Iterator[IdArray]:
    """Parts of long documents; positions are counted through what of them is trained on."""
    ends = np.cumsum(division.train[:, 1] - division.train[:, 0])
    for first, last in blocks:
        begin, end = np.searchsorted(ends, [first, last - 1], side="right")
        for (start, stop), after in zip(division.train[begin : end + 1], ends[begin : end + 1], strict=True):
            position = after - (stop - start)
            yield encoded.ids[start + max(0, first - position) + 1 : min(stop, start + last - position) + 1]


def _documents(encoded: Encoded, division: Split, blocks: list[tuple[int, int]]) -> Iterator[IdArray]:
    """Short documents that begin in these positions and are trained on, the first one of each block at least."""
    for first, last in blocks:
        begin, end = np.searchsorted(encoded.starts[:-1], [first, last])
        held = division.validates(encoded.hashes[begin : max(end, begin + 1)])
        for document in begin + np.flatnonzero(~held):
            start, stop = encoded.starts[document : document + 2]
            yield encoded.ids[start + 1 : min(stop, start + 1 + last - first)]


def _first(documents: Iterable[IdArray], tokens: int) -> Iterator[IdArray]:
    """Documents until there are so many tokens; none of them empty, the last one cut."""
    for ids in documents:
        if tokens <= 0:
            return
        if len(ids):
            yield ids[:tokens]
        tokens -= len(ids)

"""Documents and a tokenizer come in; a folder of memory-mapped id files, split into training and validation, goes out.

The ids of all documents stand one after the other in one flat file, each document led by ``<s>`` and the last one
followed by ``<s>``: the target of every position is simply the id after it. Two more files hold where each document
starts and a hash of its content. Memory does not grow with the corpus, neither while encoding nor while training.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from parrotlet.corpus import Corpus, Document
from parrotlet.dataset.shuffle import generator
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.tokenizers import Tokenizer

IdArray = npt.NDArray[np.integer[Any]]
Ranges = npt.NDArray[np.int64]

DOCUMENTS_AT_ONCE = 65_536
MOST_LABELS = 10_000  # of one column
PARTS = 16  # into which documents are parted by their lengths
POSITION = "position"  # the column of labels that tell where in its document a token stands
EXCERPT_TRIES = 1000
MOST_PIECES, LEAST_PIECE = 10, 1000  # of a long text that are held back, and the tokens of each


class LabelNumbers:
    """Numbers the labels of each column in order of appearance; the first document says which columns there are.

    Those that are ``known`` already keep their numbers and their columns.
    """

    def __init__(self, known: Mapping[str, Sequence[str]] | None = None) -> None:
        self._numbers: dict[str, dict[str, int]] | None = None
        if known:
            self._numbers = {column: {label: n for n, label in enumerate(labels)} for column, labels in known.items()}

    def of(self, labels: Mapping[str, str]) -> npt.NDArray[np.int32]:
        """The numbers of one document's labels, (K,); raises ParrotletError for too many, or for other columns."""
        if self._numbers is None:
            self._numbers = {column: {} for column in labels}
        if labels.keys() != self._numbers.keys():
            wanted, found = (", ".join(map(repr, columns)) or "none" for columns in (self._numbers, labels))
            raise ParrotletError(f"a document has labels for {found}, those before for {wanted}: all need the same")
        for column, known in self._numbers.items():
            if known.setdefault(labels[column], len(known)) >= MOST_LABELS:
                raise ParrotletError(f"column {column!r} has more than {MOST_LABELS} different labels: is it a label?")
        return np.array([known[labels[column]] for column, known in self._numbers.items()], np.int32)

    @property
    def names(self) -> dict[str, list[str]]:
        return {column: list(known) for column, known in (self._numbers or {}).items()}


@dataclass(frozen=True)
class Encoded:
    """A corpus as ids on disk.

    ``ids``: (N + 1,) the flat ids; ``starts``: (D + 1,) where each document's ``<s>`` stands, then N;
    ``hashes``: (D,) uint64, a hash of each document's ids; ``characters``: code points of the normalised text;
    ``labels``: (D, K) int32, the number of each document's label in each of K columns, or None where there are none;
    ``label_names``: for each column its labels, by number. ``parts``: of each document, which the last of these columns
    tells apart; 0: none does.
    """

    ids: IdArray
    starts: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    form: Literal["text", "lines"]
    stop: int
    characters: int
    labels: npt.NDArray[np.int32] | None = None
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: int = 0

    def labels_at(self, documents: IdArray, places: IdArray) -> npt.NDArray[np.int64] | None:
        """The numbers of the labels of documents (B,) at places (B, T) of the id file, or None where there are none.

        (B, K), or (B, T, K) where the parts of a document are told apart.
        """
        if self.labels is None and not self.parts:
            return None
        of_documents = np.zeros((len(documents), 0), np.int64) if self.labels is None else self.labels[documents]
        if not self.parts:
            return of_documents.astype(np.int64)
        begin, end = self.starts[documents][:, None], self.starts[np.add(documents, 1)][:, None]  # (B, 1)
        part = np.clip((places - begin) * self.parts // np.maximum(end - begin, 1), 0, self.parts - 1)  # (B, T)
        each = np.repeat(of_documents[:, None], part.shape[1], axis=1)  # (B, T, K)
        return np.concatenate([each, part[:, :, None]], axis=2).astype(np.int64)

    @property
    def tokens(self) -> int:
        """Tokens to predict: every id but the first ``<s>``."""
        return len(self.ids) - 1

    @property
    def density(self) -> float:
        """Characters that a token writes; ends of documents write none and are left out."""
        return self.characters / max(1, self.tokens - self.documents)

    @cached_property
    def usual_lengths(self) -> tuple[int, ...]:
        """Tokens of its documents: the shortest, those between parts of equally many, the longest; none of a text."""
        if self.form != "lines":
            return ()
        places = np.linspace(0, self.documents - 1, PARTS + 1).round().astype(np.int64)
        return tuple(np.sort(np.diff(self.starts) - 1)[places].tolist())

    @property
    def documents(self) -> int:
        return len(self.hashes)


def smallest_type(size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned integer type that holds the ids 0 … size - 1."""
    return np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.uint32


def encode_corpus(
    corpus: Corpus,
    tokenizer: Tokenizer,
    folder: Path,
    check: Callable[[], None] = lambda: None,
    known_labels: Mapping[str, Sequence[str]] | None = None,
    parts: int = 0,
) -> Encoded:
    """Write the ids, where documents start, their hashes and labels, and ``encoded.json`` into ``folder``; open them.

    ``known_labels``: of a model that is gone on from, by number; ``parts``: see Encoded. ``check`` is called at each
    piece and may raise, to end it early. Raises ParrotletError when nothing is left to learn from, or when the disk is
    full. Whatever is raised, nothing is left on the disk.
    """
    numbers = LabelNumbers(known_labels)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tokens, characters = _write(corpus, tokenizer, folder, check, numbers)
        facts = {
            "type": np.dtype(smallest_type(len(tokenizer))).name,
            "form": corpus.form,
            "stop": tokenizer.stop,
            "characters": characters,
            "labels": numbers.names,
            "parts": parts,
        }
        (folder / "encoded.json").write_text(json.dumps(facts), encoding="utf-8")
        if parts and POSITION in numbers.names:
            raise UsageError(
                f"corpus.position = {parts}: there is a column of labels {POSITION!r}; leave one of them out"
            )
        if tokens < 2:
            raise ParrotletError(f"{corpus.name} holds too little text to learn from: a few tokens at least are needed")
    except BaseException as error:
        remove_encoded(folder)
        if isinstance(error, OSError):
            raise ParrotletError(f"cannot write the encoded text to {folder}: {error.strerror or error}") from error
        raise
    return open_encoded(folder)


def _write(
    corpus: Corpus, tokenizer: Tokenizer, folder: Path, check: Callable[[], None], numbers: LabelNumbers
) -> tuple[int, int]:
    """The files of ids, starts, hashes and labels; how many tokens, without any ``<s>``, and characters they hold."""
    kind = smallest_type(len(tokenizer))
    position = characters = documents = 0
    with (
        open(folder / "ids.bin", "wb") as ids_file,
        open(folder / "starts.bin", "wb") as starts_file,
        open(folder / "hashes.bin", "wb") as hashes_file,
        open(folder / "labels.bin", "wb") as labels_file,
    ):
        for document in corpus.documents():
            digest = blake2b(digest_size=8)
            starts_file.write(np.int64(position).tobytes())
            ids_file.write(kind(tokenizer.stop).tobytes())
            position += 1
            for ids, length in _encode_pieces(document, tokenizer, kind):
                check()
                data = ids.tobytes()
                ids_file.write(data)
                digest.update(data)
                position += len(ids)
                characters += length
            hashes_file.write(digest.digest())
            labels_file.write(numbers.of(document.labels).tobytes())
            documents += 1
        starts_file.write(np.int64(position).tobytes())
        ids_file.write(kind(tokenizer.stop).tobytes())
    return position - documents, characters


def open_encoded(folder: Path) -> Encoded:
    """Map the files that :func:`encode_corpus` wrote; raises ParrotletError when they are missing or do not fit."""
    try:
        facts = json.loads((folder / "encoded.json").read_text(encoding="utf-8"))
        ids = np.memmap(folder / "ids.bin", dtype=facts["type"], mode="r")
        starts = np.memmap(folder / "starts.bin", dtype=np.int64, mode="r")
        hashes = np.memmap(folder / "hashes.bin", dtype=np.uint64, mode="r")
        names = {column: tuple(values) for column, values in facts["labels"].items()}
        labels = np.memmap(folder / "labels.bin", dtype=np.int32, mode="r") if names else None
        parts = int(facts["parts"])
        form, stop, characters = facts["form"], int(facts["stop"]), int(facts["characters"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParrotletError(f"the encoded text in {folder} is missing or damaged: {error}") from error
    fit = len(starts) == len(hashes) + 1 and starts[-1] == len(ids) - 1
    if not fit or (labels is not None and len(labels) != len(hashes) * len(names)):
        raise ParrotletError(f"the encoded text in {folder} is damaged: its files do not fit together")
    table = None if labels is None else labels.reshape(len(hashes), len(names))  # (D, K)
    if parts:
        names[POSITION] = tuple(str(part + 1) for part in range(parts))
    return Encoded(ids, starts, hashes, form, stop, characters, table, names, parts)


def remove_encoded(folder: Path) -> None:
    """Delete the files of :func:`encode_corpus`, those that can be (Windows keeps what is still mapped)."""
    for name in ("ids.bin", "starts.bin", "hashes.bin", "labels.bin", "encoded.json"):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _encode_pieces(
    document: Document, tokenizer: Tokenizer, kind: type[np.unsignedinteger[Any]]
) -> Iterator[tuple[IdArray, int]]:
    for piece in document.pieces:
        normal = tokenizer.normalise(piece)
        yield tokenizer.encode(normal).astype(kind), len(normal)


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

    Of a long text pieces that are spread evenly over it: what follows a text is most like its end, so the end is there
    to learn from. Where there is too little for two pieces, the end is held back.
    """
    empty = np.empty((0, 2), np.int64)
    if encoded.form == "lines":
        return Split(empty, empty, _threshold(encoded, share))
    starts, lengths = np.asarray(encoded.starts), np.diff(encoded.starts)  # (D + 1,), (D,)
    held = np.diff(np.floor(starts * share)).astype(np.int64)  # (D,), rounded over all documents
    pieces = np.clip(held // LEAST_PIECE, 1, MOST_PIECES)  # (D,)
    document = np.repeat(np.arange(len(held)), pieces)  # of each piece: (P,)
    index = np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # within its document: (P,)
    (first, length), (_, size) = (_part(total[document], index, pieces[document]) for total in (lengths, held))
    room = length - size  # (P,), the rest of the part that the piece is taken from
    begin = starts[document] + first + np.where(pieces[document] > 1, room // 2, room)
    validation = np.stack([begin, begin + size], axis=1)  # (P, 2)
    validation = validation[validation[:, 1] > begin]
    borders = np.unique(np.concatenate([starts, validation.ravel()]))
    ranges = np.stack([borders[:-1], borders[1:]], axis=1)
    return Split(ranges[~np.isin(borders[:-1], validation[:, 0])], validation, np.uint64(0))


def _part(totals: Ranges, index: Ranges, parts: Ranges) -> tuple[Ranges, Ranges]:
    """Where part ``index`` of so many equal parts of each total begins, and how long it is: (P,) each."""
    first = totals * index // parts
    return first, totals * (index + 1) // parts - first


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


def longer_documents(encoded: Encoded, tokens: int) -> int:
    """How many documents have more tokens than that."""
    found = 0
    for start in range(0, encoded.documents, DOCUMENTS_AT_ONCE):
        found += int((np.diff(encoded.starts[start : start + DOCUMENTS_AT_ONCE + 1]) - 1 > tokens).sum())
    return found


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

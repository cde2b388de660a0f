"""Documents and a tokenizer come in; a folder of memory-mapped id files goes out.

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

from parrotlet.corpus import Corpus, Document, plain
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.tokenizers import Tokenizer

IdArray = npt.NDArray[np.integer[Any]]
Ranges = npt.NDArray[np.int64]

DOCUMENTS_AT_ONCE = 65_536
MOST_LABELS = 10_000  # of one column
PARTS = 16  # into which documents are parted by their lengths
POSITION = "position"  # the column of labels that tell where in its document a token stands


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
        labels = {column: plain(label) for column, label in labels.items()}
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
    tells apart; 0: none does. ``empty``: documents of which the tokenizer left nothing, and which are not among them.
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
    empty: int = 0

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
        tokens, characters, empty = _write(corpus, tokenizer, folder, check, numbers)
        facts = {
            "type": np.dtype(smallest_type(len(tokenizer))).name,
            "form": corpus.form,
            "stop": tokenizer.stop,
            "characters": characters,
            "labels": numbers.names,
            "parts": parts,
            "empty": empty,
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
) -> tuple[int, int, int]:
    """The files of ids, starts, hashes and labels; how many tokens, without any ``<s>``, and characters they hold, and
    how many documents hold none."""
    kind = smallest_type(len(tokenizer))
    position = characters = documents = empty = 0
    with (
        open(folder / "ids.bin", "wb") as ids_file,
        open(folder / "starts.bin", "wb") as starts_file,
        open(folder / "hashes.bin", "wb") as hashes_file,
        open(folder / "labels.bin", "wb") as labels_file,
    ):
        for document in corpus.documents():
            digest = blake2b(digest_size=8)
            start = position
            for ids, length in _encode_pieces(document, tokenizer, kind):
                check()
                if not len(ids):
                    continue
                if position == start:
                    ids_file.write(kind(tokenizer.stop).tobytes())
                    position += 1
                data = ids.tobytes()
                ids_file.write(data)
                digest.update(data)
                position += len(ids)
                characters += length
            if position == start:
                empty += 1
                continue
            starts_file.write(np.int64(start).tobytes())
            hashes_file.write(digest.digest())
            labels_file.write(numbers.of(document.labels).tobytes())
            documents += 1
        starts_file.write(np.int64(position).tobytes())
        ids_file.write(kind(tokenizer.stop).tobytes())
    return position - documents, characters, empty


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
        empty = int(facts.get("empty", 0))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParrotletError(f"the encoded text in {folder} is missing or damaged: {error}") from error
    fit = len(starts) == len(hashes) + 1 and starts[-1] == len(ids) - 1
    if not fit or (labels is not None and len(labels) != len(hashes) * len(names)):
        raise ParrotletError(f"the encoded text in {folder} is damaged: its files do not fit together")
    table = None if labels is None else labels.reshape(len(hashes), len(names))  # (D, K)
    if parts:
        names[POSITION] = tuple(str(part + 1) for part in range(parts))
    return Encoded(ids, starts, hashes, form, stop, characters, table, names, parts, empty)


def remove_encoded(folder: Path) -> None:
    """Delete the files of :func:`encode_corpus`, those that can be (Windows keeps what is still mapped)."""
    for name in ("ids.bin", "starts.bin", "hashes.bin", "labels.bin", "encoded.json"):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _encode_pieces(
    document: Document, tokenizer: Tokenizer, kind: type[np.unsignedinteger[Any]]
) -> Iterator[tuple[IdArray, int]]:
    """The ids of each piece, and the characters of its normal form.

    Where that loses the blank at which a long line was cut, the next piece is read with the last word before it.
    """
    before = ""
    for piece in document.pieces:
        normal = tokenizer.normalise(before + piece)
        ids, length = tokenizer.encode(normal), len(normal)
        if before:
            known = tokenizer.normalise(before)
            ids, length = ids[len(tokenizer.encode(known)) :], length - len(known)
        yield ids.astype(kind), length
        lost = piece[-1:] in (" ", "\t") and not normal.endswith(piece[-1])
        before = f"{piece.split()[-1]} " if lost and not piece.isspace() else ""


def longer_documents(encoded: Encoded, tokens: int) -> int:
    """How many documents have more tokens than that."""
    found = 0
    for start in range(0, encoded.documents, DOCUMENTS_AT_ONCE):
        found += int((np.diff(encoded.starts[start : start + DOCUMENTS_AT_ONCE + 1]) - 1 > tokens).sum())
    return found

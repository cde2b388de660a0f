"""Records (rows, JSON objects) come in; their texts and labels, by column or template, come out."""

import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from parrotlet.corpus.documents import Document, LeftOut, Shape, cut, whole
from parrotlet.errors import ParrotletError, UsageError, nearest
from parrotlet.settings import CorpusSettings

Record = Mapping[str, object]

LOOKED_AT = 100
"""Records that are looked at to learn the fields."""
LARGEST_RECORD = 1 << 24
"""Characters that one record may have: beyond it a quote or a bracket was never closed."""

_TEXT_NAMES = ("text", "tweet", "content", "body", "message", "sentence", "lyrics", "poem", "quote")


class Chooser:
    """Finds the text and the labels of a record; ``told`` says how, for the notes.

    A column is named by its name, or by its place counted from 1. A template holds fields in braces
    ("Recipe for {title} | {directions}", ``{{`` is a brace, ``\\n`` a line end). Lists are joined by blanks.
    Raises UsageError, with the nearest name, for a field that no record looked at has.
    """

    def __init__(self, name: str, samples: Sequence[Record], settings: CorpusSettings) -> None:
        self._name = name
        self._fields = list(dict.fromkeys(field for record in samples for field in record))
        if not self._fields:
            raise ParrotletError(f"{name}: its records have no fields")
        self._labels = [self._resolve("labels", label) for label in settings.labels]
        if settings.template is not None and settings.column is not None:
            raise UsageError(f"column {settings.column!r} and template {settings.template!r}: give one of the two")
        if settings.template is not None:
            self._parts = self._parse(settings.template)
            self.told = f"text by the template {settings.template!r}"
        elif settings.column is not None:
            self._parts = [("", self._resolve("column", settings.column))]
            self.told = f"text from {self._parts[0][1]!r}"
        else:
            self._parts = [("", self._guess(samples))]
            others = "" if len(self._fields) == 1 else f" (of {_some(self._fields)}; --column or --template decides)"
            self.told = f"text from {self._parts[0][1]!r}{others}"
        if self._labels:
            self.told += f", labels from {_some(self._labels)}"

    @property
    def columns(self) -> list[str]:
        """Every field that is used."""
        return list(dict.fromkeys([field for _, field in self._parts if field is not None] + self._labels))

    def document(self, record: Record, left_out: LeftOut) -> Document | None:
        """The record as a document; None, counted, where a field or all text is lacking."""
        written = []
        for literal, field in self._parts:
            written.append(literal)
            if field is None:
                continue
            value = as_text(record.get(field))
            if value is None:
                left_out[f"{{n}} record{{s}} without {field!r} left out"] += 1
                return None
            written.append(value)
        text = "".join(written)
        if not text.strip():
            left_out["{n} record{s} without text left out"] += 1
            return None
        labels = {}
        for field in self._labels:
            value = as_text(record.get(field))
            if value is None:
                left_out[f"{{n}} record{{s}} without the label {field!r}, which is then empty"] += 1
            labels[field] = value or ""
        return Document(whole(text), labels)

    def _resolve(self, setting: str, wanted: str) -> str:
        if wanted in self._fields:
            return wanted
        if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) <= len(self._fields):
            return self._fields[int(wanted) - 1]
        hint = nearest(wanted, self._fields) if len(self._fields) <= 30 else _some(self._fields)
        if self._fields == ["1"]:
            hint = "it is no table (.csv, .tsv, .json, .jsonl, .parquet), or one of a single column without a header"
            raise NoTable(f"{setting} {wanted!r}: {self._name} has no such field; {hint}")
        raise UsageError(f"{setting} {wanted!r}: {self._name} has no such field; {hint}")

    def _parse(self, template: str) -> list[tuple[str, str | None]]:
        parts: list[tuple[str, str | None]] = []
        try:
            for literal, field, spec, conversion in string.Formatter().parse(template):
                if spec or conversion:
                    raise ValueError("only plain fields such as {title} are known")
                literal = literal.replace("\\n", "\n").replace("\\t", "\t")
                parts.append((literal, None if field is None else self._resolve("template", field)))
        except ValueError as error:
            raise UsageError(f"template {template!r}: {error}") from None
        if all(field is None for _, field in parts):
            raise UsageError(f"template {template!r}: it names no field; {nearest('', self._fields)}")
        return parts

    def _guess(self, samples: Sequence[Record]) -> str:
        """A column with the name of a text, else the one with the longest values that are no addresses."""
        left = [field for field in self._fields if field not in self._labels] or self._fields
        for known in _TEXT_NAMES:
            for field in left:
                if field.strip().lower() == known:
                    return field

        def length(field: str) -> int:
            values = [as_text(record.get(field)) or "" for record in samples]
            return sum(len(value) for value in values if not value.startswith(("http:", "https:")))

        return max(left, key=length)


class NoTable(UsageError):
    """A column was asked of what has no columns."""


def no_table(name: str, settings: CorpusSettings) -> None:
    """Raises UsageError where columns are asked of what has none."""
    for setting in ("column", "template", "labels"):
        if value := getattr(settings, setting):
            raise UsageError(f"{setting} = {value!r}: {name} is no table; leave it out")


def as_text(value: object) -> str | None:
    """A field as text: lists joined by blanks, numbers as written; None and objects are none, nor is a list of them."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (Mapping, bytes)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        parts = [part for part in map(as_text, value) if part is not None]
        return " ".join(parts) if parts or not value else None
    return str(value)


def record_of(value: object) -> Record:
    """A JSON value as a record: an array has fields 1, 2, ...; anything that is not an object is the field 'text'."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(place): part for place, part in enumerate(value, 1)}
    return {"text": value}


def reader_of(
    records: Callable[[LeftOut], Iterable[Record]], chooser: Chooser, form: str
) -> tuple[Shape, Callable[[LeftOut], Iterator[Document]]]:
    """Records as documents, or, with form ``text``, as one long text with a line end after each."""

    def separate(left_out: LeftOut) -> Iterator[Document]:
        for record in records(left_out):
            document = chooser.document(record, left_out)
            if document is not None:
                yield document

    def joined(left_out: LeftOut) -> Iterator[Document]:
        yield Document(_Joined(separate, left_out))

    return ("text", joined) if form == "text" else ("lines", separate)


class _Joined:
    """All documents as the pieces of one text; what they lack is counted the first time."""

    def __init__(self, read: Callable[[LeftOut], Iterator[Document]], left_out: LeftOut) -> None:
        self._read = read
        self._left_out = left_out

    def __iter__(self) -> Iterator[str]:
        left_out, self._left_out = self._left_out, Counter()
        return cut(piece for document in self._read(left_out) for piece in (*document.pieces, "\n"))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

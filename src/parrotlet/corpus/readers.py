"""A Source comes in; a Reading by the reader of its kind comes out; plain text is read here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parrotlet.corpus.documents import Document, LeftOut, Reading, cut, lines_of
from parrotlet.corpus.encodings import Encoding, NotText, decoded, detect
from parrotlet.corpus.forms import SAMPLE, Verdict, decide, looks_like_header
from parrotlet.corpus.json_records import read_json, read_jsonl
from parrotlet.corpus.parquet import read_parquet
from parrotlet.corpus.sources import Source
from parrotlet.corpus.tables import read_csv, read_tsv
from parrotlet.corpus.tunes import read_abc
from parrotlet.settings import CorpusSettings

Reader = Callable[[Source, CorpusSettings], Reading]

_KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".abc": "abc",
}


@dataclass(frozen=True)
class Pieces:
    """The text of a plain file in pieces, read anew each time."""

    source: Source
    encoding: Encoding

    def __iter__(self) -> Iterator[str]:
        return cut(decoded(self.source.name, self.source.open, self.encoding))


def read_text(source: Source, settings: CorpusSettings) -> Reading:
    """Plain text: one long text, or a document a line (blank lines are counted and left out)."""
    encoding = detect(source.name, source.open, settings.encoding)
    pieces = Pieces(source, encoding)
    sample = _beginning(pieces)
    if not sample.strip() and len(sample) < SAMPLE:
        raise NotText(f"{source.name}: it is empty" + (" (blanks only)" if sample else ""))
    verdict = decide(sample) if settings.form == "auto" else Verdict(settings.form, "as told")
    name, first = source.name, sample.partition("\n")[0]
    if verdict.form == "text":
        other = "; --form lines makes each line a document" if settings.form == "auto" else ""
        note = f"{name}: {encoding.told}, one long text ({verdict.reason}{other})"
        return Reading(name, "text", [note], lambda _: iter([Document(pieces)]), source.bytes)
    other = "; --form text makes it one text" if settings.form == "auto" else ""
    notes = [f"{name}: {encoding.told}, a document a line ({verdict.reason}{other})"]
    skip = settings.header is True
    if skip:
        notes.append(f"{name}: the first line {first[:60]!r} is left out as a header")
    elif looks_like_header(first):
        notes.append(f"{name}: the first line {first[:60]!r} reads like a header and is kept (--header leaves it out)")

    def read(left_out: LeftOut) -> Iterator[Document]:
        for place, line in enumerate(lines_of(pieces)):
            if not isinstance(line, tuple) or line[0].strip():
                if place or not skip:
                    yield Document(line)
            else:
                left_out["{n} blank line{s} left out"] += 1

    return Reading(name, "lines", notes, read, source.bytes)


READERS: dict[str, Reader] = {
    "text": read_text,
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "abc": read_abc,
}


def kind_of(source: Source, settings: CorpusSettings) -> str:
    """The reader's name: by suffix, or, where a column is asked of something else, by its first character."""
    kind = _KINDS.get(source.suffix)
    if kind == "abc" and settings.form == "text":
        return "text"
    if kind is not None:
        return kind
    if settings.column is None and settings.template is None and not settings.labels:
        return "text"
    with source.open() as file:
        head = file.read(1000).replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return "json" if head[:1] in (b"[", b"{") else "csv"


def _beginning(pieces: Pieces) -> str:
    sample = ""
    for piece in pieces:
        sample += piece[: SAMPLE - len(sample)]
        if len(sample) >= SAMPLE:
            break
    return sample

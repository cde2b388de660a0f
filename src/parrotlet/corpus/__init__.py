"""What a user names (files, folders, globs, "-", URLs, corpora by name) comes in; a Corpus of Documents comes out."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from parrotlet.corpus.cleaning import cleaned
from parrotlet.corpus.dialogues import read_dialogue
from parrotlet.corpus.documents import (
    PIECE,
    Corpus,
    Document,
    LeftOut,
    Reading,
    Shape,
    from_texts,
    plain,
    told_once,
    whole,
)
from parrotlet.corpus.encodings import NotText
from parrotlet.corpus.named import MANUAL, NAMED, NamedCorpus, fetch, manual
from parrotlet.corpus.readers import READERS, Reader, kind_of
from parrotlet.corpus.records import NoTable, no_table
from parrotlet.corpus.sources import Source, find
from parrotlet.errors import UsageError
from parrotlet.settings import CorpusSettings, check

__all__ = [
    "MANUAL",
    "NAMED",
    "PIECE",
    "READERS",
    "Corpus",
    "Document",
    "NamedCorpus",
    "PathName",
    "Reader",
    "Sources",
    "as_read",
    "from_texts",
    "open_corpus",
    "open_like",
    "plain",
]


PathName = str | os.PathLike[str]
Sources = PathName | Sequence[PathName] | Corpus
PLAIN = {".txt", ".text", ".md"}
Looked = tuple[Source | None, Reading]  # a plain file and how it would be read, or a reading that stands


def open_corpus(
    sources: Sequence[PathName] | PathName,
    settings: CorpusSettings | None = None,
    *,
    plain: CorpusSettings | None = None,
) -> Corpus:
    """Looks at each source (its kind, encoding, form, columns) and returns the Corpus that will read them.

    A name that is no path may be a key of NAMED or "manual". Files found in a folder or by a pattern that are binary
    or empty are passed by and told. ``plain``: other settings, of plain text files. Raises ParrotletError for what can
    not be read, UsageError for a wrong setting.
    """
    wanted = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    if not wanted:
        raise UsageError("no source is given: name a file, a folder, '-', an address or a corpus")
    settings = settings or CorpusSettings()
    looked_at: list[Looked] = []
    passed_by: list[tuple[str, str]] = []
    for one in wanted:
        looked_at += _look(os.fspath(one), settings, plain or settings, passed_by)
    readings = _same_form(looked_at, settings)
    form = _agree(readings)
    name = Path(os.fspath(wanted[0])).name or os.fspath(wanted[0])
    if len(wanted) > 1:
        name = f"{len(readings)} files"
    elif len(readings) == 1:
        name = readings[0].name
    return Corpus(readings, name, form, told_once(passed_by), settings)


def as_read(sources: Sources, settings: CorpusSettings, asked: CorpusSettings) -> tuple[Corpus, CorpusSettings]:
    """What ``sources`` lists, or a corpus as it is, and the settings that it is read by.

    ``asked``: those of ``settings`` that somebody gave; raises UsageError where an open corpus is read otherwise.
    """
    if not isinstance(sources, Corpus):
        return open_corpus(sources, settings), settings
    for name, value in asked.model_dump(exclude_defaults=True, exclude={"position", "labels"}).items():
        if value != (sources.form if name == "form" else getattr(sources.settings, name)):
            raise UsageError(f"corpus.{name} = {value!r}: this corpus is open already, and is not read so")
    own = {"position": settings.position, "labels": settings.labels or sources.settings.labels}
    return sources, sources.settings.model_copy(update=own)


def open_like(
    sources: Sequence[PathName] | PathName,
    learned: CorpusSettings,
    form: str,
    header: bool | None = None,
    labels: Sequence[str] = (),
) -> Corpus:
    """Sources read as the text was that a model learned from: the same form, conversations as such, of a table the same
    column. A plain text has no columns, whatever the table had.

    ``form``: what "auto" was found to be, or another; ``header``, ``labels``: of these sources.
    """
    given = learned.model_dump(exclude_defaults=True, exclude={"labels", "position"}) | {"form": form}
    given |= {"labels": tuple(labels)} if labels else {}
    of_tables = {"column", "template", "header"} if learned.column or learned.template else set()
    plain = {name: value for name, value in given.items() if name not in of_tables}
    own = {} if header is None else {"header": header}
    tables, plain_texts = (check(CorpusSettings, each | own, "corpus") for each in (given, plain))
    return open_corpus(sources, tables, plain=plain_texts)


def _look(word: str, settings: CorpusSettings, plain: CorpusSettings, passed_by: list[tuple[str, str]]) -> list[Looked]:
    """What a word names, each looked at; the Source only of what may be read in another form."""
    path_exists = os.path.exists(os.path.expanduser(word))
    if word == MANUAL and not path_exists:
        return [(None, _manual(plain))]
    if word in NAMED and not path_exists:
        own = NAMED[word].settings
        given = {field: getattr(settings, field) for field in settings.model_fields_set}
        return [(None, _looked_at(fetch(word), own.model_copy(update=given)))]
    found = find(word, [*NAMED, MANUAL])
    readings: list[Looked] = []
    for source in found:
        own = plain if source.suffix in PLAIN else settings
        try:
            as_text = not own.dialogue and kind_of(source, own) == "text"
            readings.append((source if as_text else None, _looked_at(source, own)))
        except NoTable:  # standard input, of which no name tells what it is
            if own == plain:
                raise
            readings.append((source, _looked_at(source, plain)))
        except NotText as error:
            if len(found) == 1:
                raise
            passed_by.append((source.name, f"{error}; left out"))
    if not readings:
        raise NotText(f"{word}: it holds no text ({len(found):,} files are empty or binary)")
    return readings


def _looked_at(source: Source, settings: CorpusSettings) -> Reading:
    read = read_dialogue if settings.dialogue else READERS[kind_of(source, settings)]
    reading = read(source, settings)
    return cleaned(reading, settings.clean) if settings.clean else reading


def _same_form(looked_at: Sequence[Looked], settings: CorpusSettings) -> list[Reading]:
    """Plain texts of one call are read alike, as most of their bytes ask for."""
    sizes: dict[Shape, int] = {"text": 0, "lines": 0}
    for source, reading in looked_at:
        if source is not None:
            sizes[reading.form] += reading.bytes or 0
    common: Shape = "text" if sizes["text"] >= sizes["lines"] else "lines"
    alike = []
    for source, reading in looked_at:
        if source is not None and settings.form == "auto" and reading.form != common:
            reading = _looked_at(source, settings.model_copy(update={"form": common}))
            reading.notes = [note.replace("(as told)", "(like most of the files)") for note in reading.notes]
        alike.append(reading)
    return alike


def _agree(readings: Sequence[Reading]) -> Shape:
    """The form of the whole: short documents as soon as one source has them."""
    return "lines" if any(reading.form == "lines" for reading in readings) else "text"


def _manual(settings: CorpusSettings) -> Reading:
    no_table(MANUAL, settings)
    text = manual()
    form: Shape = "lines" if settings.form == "lines" else "text"
    note = f"{MANUAL}: the language manual of this Python, {len(text):,} characters"
    return Reading(MANUAL, form, [note], partial(_manual_documents, text, form), len(text.encode()))


def _manual_documents(text: str, form: Shape, _: LeftOut) -> Iterator[Document]:
    parts = [line for line in text.split("\n") if line.strip()] if form == "lines" else [text]
    return (Document(whole(part)) for part in parts)

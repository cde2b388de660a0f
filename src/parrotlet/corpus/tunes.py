"""A book of tunes in ABC notation comes in; its tunes, a document each, with what makes music kept, come out.

ABC is a standard of text (abcnotation.com, 2.1): fields such as ``K:D``, the key, which ends the head of a tune, then
the notes. Tunes begin with ``X:`` and are parted by empty lines.
"""

import re
from collections.abc import Iterable, Iterator

from parrotlet.corpus.documents import Document, LeftOut, Reading, whole
from parrotlet.corpus.encodings import decoded_lines, detect
from parrotlet.corpus.records import no_table
from parrotlet.corpus.sources import Source
from parrotlet.settings import CorpusSettings

FIELD = re.compile(r"([A-Za-z]):(.*)")
KEPT = frozenset("TMLQRPKV")  # title, metre, length of a note, speed, rhythm, parts, key, voice
LONGEST = 100_000  # characters of a tune: more is no tune


def read_abc(source: Source, settings: CorpusSettings) -> Reading:
    """Tunes without their number, comments, sources and words; lines that a backslash joins are one."""
    no_table(source.name, settings)
    encoding = detect(source.name, source.open, settings.encoding)

    def read(left_out: LeftOut) -> Iterator[Document]:
        for lines in _tunes(decoded_lines(source.name, source.open, encoding)):
            tune = tune_of(lines)
            if tune is None or len(tune) > LONGEST:
                left_out["{n} part{s} without a key and notes left out"] += 1
            else:
                yield Document(whole(tune))

    note = f"{source.name}: {encoding.told}, a tune in ABC notation a document (--form text makes it one text)"
    return Reading(source.name, "lines", [note], read, source.bytes)


def _tunes(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each part between empty lines or before the next ``X:``, without those that say nothing."""
    tune: list[str] = []
    for line in lines:
        if (not line.strip() or line.startswith("X:")) and tune:
            yield tune
            tune = []
        if line.strip() and not line.startswith("%"):
            tune.append(line.rstrip())
    if tune:
        yield tune


def tune_of(lines: Iterable[str]) -> str | None:
    """A tune as the network reads it: its fields and notes; None where it has no key or no notes."""
    kept: list[str] = []
    joins = False
    for line in lines:
        text = line.partition("%")[0].strip()
        field = FIELD.fullmatch(text)
        if field and field[1] not in KEPT:
            continue
        if field:
            text = f"{field[1]}:{field[2].strip()}"
        if not text:
            continue
        if joins and not field:
            kept[-1] += text.removesuffix("\\").rstrip()
        else:
            kept.append(text.removesuffix("\\").rstrip())
        joins = text.endswith("\\")
    keys = [place for place, line in enumerate(kept) if line.startswith("K:")]
    has_notes = any(not FIELD.fullmatch(line) for line in kept[keys[0] + 1 :]) if keys else False
    return "\n".join(kept) if has_notes else None

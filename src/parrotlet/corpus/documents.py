"""Texts come in as strings of any length; Documents, cut into pieces that fit in memory, and the Corpus come out."""

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import regex

from parrotlet.errors import ParrotletError, UsageError, nearest
from parrotlet.settings import CorpusSettings

PIECE = 1 << 20
"""Most characters of one piece."""

_LOOK = 256
"""Characters around a cut in which the border of a cluster (a letter with its accents, an emoji) is looked for."""

MOST_NOTES, LONGEST_NAME = 200, 1000
"""Lines that a corpus tells of itself, and characters of its name."""

Shape = Literal["text", "lines"]
LeftOut = Counter[str]
"""What a pass over a source left out: in the key ``{n}`` stands for the count and ``{s}`` for a plural's s."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text: ``pieces`` in order, each of at most PIECE characters, as often as wanted; labels by column."""

    pieces: Iterable[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole text in memory."""
        return "".join(self.pieces)


@dataclass
class Reading:
    """One source that was looked at: how it is read, what was decided, and a way to read it from the start."""

    name: str
    form: Shape
    notes: list[str]
    read: Callable[[LeftOut], Iterator[Document]]
    bytes: int | None = None
    _told: bool = False

    def documents(self) -> Iterator[Document]:
        """Every document; when the first pass ends, the notes gain a line for each kind of thing left out."""
        left_out: LeftOut = Counter()
        yield from self.read(left_out)
        if not self._told:
            self._told = True
            self.notes += [f"{self.name}: {_counted(what, n)}" for what, n in left_out.items()]


class Corpus:
    """Documents from one or more sources, read as they are asked for and as often as asked.

    ``form`` says whether they are long texts or short documents; ``notes`` tells what was decided by looking, and
    gains the counts of what was left out (blank lines, records without text) when the first pass ends; ``bytes`` is
    the size on disk where it is known; ``settings`` are those that it is read by.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        name: str,
        form: Shape,
        notes: Sequence[str] = (),
        settings: CorpusSettings | None = None,
    ) -> None:
        self.name = plain(name)[:LONGEST_NAME]
        self.form: Shape = form
        self.settings = settings or CorpusSettings()
        self._readings = list(readings)
        self._notes = list(notes)

    @property
    def notes(self) -> list[str]:
        """What was decided by looking, one line each."""
        of_readings = told_once((reading.name, note) for reading in self._readings for note in reading.notes)
        notes = [plain(note) for note in (*self._notes, *of_readings)]
        more = len(notes) - MOST_NOTES
        return notes if more <= 0 else [*notes[:MOST_NOTES], f"{more:,} further remarks are left out"]

    @property
    def bytes(self) -> int | None:
        """Size on disk (compressed where it is), or None."""
        sizes = [reading.bytes for reading in self._readings]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def documents(self) -> Iterator[Document]:
        """Every document of every source in order. Raises ParrotletError where a source can not be read."""
        empty = True
        for reading in self._readings:
            for document in reading.documents():
                empty = False
                yield document
        if empty:
            raise ParrotletError(f"{self.name}: there is no text in it" + self._why_empty())

    def _why_empty(self) -> str:
        counts = [note for reading in self._readings for note in reading.notes if "left out" in note]
        return f" ({counts[-1]})" if counts else ""


def _counted(what: str, n: int) -> str:
    return what.replace("{n}", f"{n:,}").replace("{s}", "" if n == 1 else "s")


def told_once(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Remarks, each led by the name of its file: what is said of several files is said once."""
    alike: dict[str, list[str]] = {}
    for name, note in notes:
        alike.setdefault(note.removeprefix(f"{name}: "), []).append(name)
    return [f"{_listed(names)}: {note}" for note, names in alike.items()]


def plain(text: str) -> str:
    """A name or a label as it can be written down: file names of other encodings hold what UTF-8 has not."""
    return text.encode("utf-8", "replace").decode()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names):,} files ({names[0]}, {names[1]}, ...)"


def from_texts(
    texts: Iterable[str],
    form: Shape = "lines",
    name: str = "texts",
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Corpus:
    """A corpus of Python strings, one document each. Line ends become ``\\n``; blank texts are counted and left out.

    ``labels``: for each column of labels one label a text.
    """
    if isinstance(texts, (str, bytes)):
        raise UsageError("texts: a list of strings is wanted, not one string; put it in a list: [text]")
    if form not in ("text", "lines"):
        raise UsageError(f"form {form!r} is not known; {nearest(str(form), ['text', 'lines'])}")
    kept = list(texts)
    for place, text in enumerate(kept):
        if not isinstance(text, str):
            raise UsageError(f"texts: item {place} is {type(text).__name__}, not str")
    if not any(text.strip() for text in kept):
        raise ParrotletError(f"{name}: there is no text in it")
    columns = {column: list(values) for column, values in (labels or {}).items()}
    for column, values in columns.items():
        if len(values) != len(kept):
            raise UsageError(f"labels: column {column!r} has {len(values)} labels for {len(kept)} texts")

    def read(left_out: LeftOut) -> Iterator[Document]:
        for place, text in enumerate(kept):
            if text.strip():
                yield Document(whole(text), {column: str(values[place]) for column, values in columns.items()})
            else:
                left_out["{n} blank text{s} left out"] += 1

    return Corpus([Reading(name, form, [], read)], name, form)


def whole(text: str) -> Sequence[str]:
    """A text in memory as pieces, line ends normalised."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return (text,) if len(text) <= PIECE else tuple(cut([text]))


def cut(blocks: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of at most PIECE characters.

    A piece ends right after a line end, else after a blank, else at the border of a cluster (``\\X`` of UAX 29), so
    that normalising the pieces one by one equals normalising the whole; a cluster longer than 256 characters is cut.
    """
    buffer = ""
    for block in blocks:
        buffer += block
        start = 0
        while len(buffer) - start > PIECE + _LOOK:
            end = _place_to_cut(buffer, start)
            yield buffer[start:end]
            start = end
        buffer = buffer[start:]
    start = 0
    while len(buffer) - start > PIECE:
        end = _place_to_cut(buffer, start)
        yield buffer[start:end]
        start = end
    if start < len(buffer):
        yield buffer[start:]


def _place_to_cut(buffer: str, start: int) -> int:
    limit = start + PIECE
    line_end = buffer.rfind("\n", start, limit) + 1
    if line_end > start:
        return line_end
    blank = max(buffer.rfind(" ", start, limit), buffer.rfind("\t", start, limit)) + 1
    if blank > start and _ends_cluster(buffer, blank - 1, blank):
        return blank
    best = limit
    for cluster in regex.finditer(r"\X", buffer, pos=max(start, limit - _LOOK), endpos=limit + _LOOK):
        if cluster.end() > limit:
            break
        best = cluster.end()
    return best


def _ends_cluster(buffer: str, start: int, end: int) -> bool:
    cluster = regex.match(r"\X", buffer, pos=start, endpos=end + _LOOK)
    return cluster is not None and cluster.end() == end


class Scratch:
    """The path of a file in a temporary folder of its own; the folder goes when this object goes."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="parrotlet-")
        self.path = Path(folder) / "content"
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


class Spool:
    """Text too long for memory, kept in a temporary file that goes when the spool goes; re-iterable."""

    def __init__(self) -> None:
        self._scratch = Scratch()

    def add(self, text: str) -> None:
        """Append text. Raises ParrotletError when the disk is full."""
        try:
            with self._scratch.path.open("a", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
        except OSError as error:
            raise ParrotletError(f"{self._scratch.path}: {error.strerror or error}, copying a long line") from None

    def __iter__(self) -> Iterator[str]:
        with self._scratch.path.open(encoding="utf-8", errors="surrogatepass", newline="") as file:
            yield from cut(iter(lambda: file.read(PIECE), ""))


def lines_of(pieces: Iterable[str]) -> Iterator[Sequence[str] | Spool]:
    """The lines of a text in pieces, without their line ends; a line longer than PIECE is spooled to disk."""
    begun: str | Spool = ""  # a line that may go on in the next piece
    for piece in pieces:
        lines = piece.split("\n")
        last = lines.pop()
        if lines and begun:
            yield _as_pieces(_longer(begun, lines.pop(0)))
            begun = ""
        for line in lines:
            yield (line,)
        begun = _longer(begun, last)
    if begun:
        yield _as_pieces(begun)


def _as_pieces(line: str | Spool) -> Sequence[str] | Spool:
    return (line,) if isinstance(line, str) else line


def _longer(line: str | Spool, text: str) -> str | Spool:
    """A line and what follows in it; on disk from PIECE characters on."""
    if isinstance(line, str):
        if len(line) + len(text) <= PIECE:
            return line + text
        spool = Spool()
        spool.add(line)
        line = spool
    line.add(text)
    return line

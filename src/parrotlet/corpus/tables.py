"""CSV and TSV text comes in; its rows as records, with the delimiter, the quotes and the header told, come out."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from parrotlet.corpus.documents import Reading
from parrotlet.corpus.encodings import NotText, decoded_lines, detect
from parrotlet.corpus.records import LARGEST_RECORD, LOOKED_AT, Chooser, Record, reader_of
from parrotlet.corpus.sources import Source
from parrotlet.errors import ParrotletError
from parrotlet.settings import CorpusSettings

_NAMES = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|", "colon": ":"}
_NOTHING = "\x1f"
"""The delimiter of a table of one column: a control character that texts do not hold."""
_HEADER_WORDS = (
    "text texts title titles name names label labels id tweet tweets author category class url date "
    "content message body sentence headline user username language sentiment context_label question answer score"
)
_HEADERS = frozenset(_HEADER_WORDS.split())
_MANY_LINES = 200


@dataclass(frozen=True)
class Dialect:
    """How the cells of a row are parted."""

    delimiter: str
    quoted: bool


def read_csv(source: Source, settings: CorpusSettings) -> Reading:
    """A table whose delimiter is looked for among comma, tab, semicolon and bar."""
    return _read(source, settings, ",")


def read_tsv(source: Source, settings: CorpusSettings) -> Reading:
    """A table parted by tabs, unless it is plainly parted by something else."""
    return _read(source, settings, "\t")


@dataclass(frozen=True)
class Table:
    """A table that was looked at: its columns, some records, how it is read in words, and all records, as often."""

    columns: list[str]
    sample: list[Record]
    told: str
    records: Callable[[Counter[str]], Iterator[Record]]


def open_table(source: Source, settings: CorpusSettings, usual: str = ",") -> Table:
    """Looks at a table: its encoding, its delimiter, whether its first row names the columns."""
    encoding = detect(source.name, source.open, settings.encoding)

    def read_lines() -> Iterator[str]:
        return (line + "\n" for line in decoded_lines(source.name, source.open, encoding))

    lines = list(islice(read_lines(), 5 * LOOKED_AT))
    if not any(line.strip() for line in lines):
        raise NotText(f"{source.name}: it is empty")
    known = source.suffix in (".csv", ".tsv", ".tab")
    dialect = sniff(source.name, lines, usual, ",\t;|" if known else ",\t;|:")
    sample = list(islice(_rows(source.name, lines, dialect, Counter()), LOOKED_AT))
    asked = {settings.column, *settings.labels} - {None}
    header = settings.header
    if header is None:
        header = looks_like_header(sample) or bool(asked & set(sample[0]))
    columns = _columns(sample[0] if header else [], max(map(len, sample)))
    body = sample[1:] if header else sample
    if not body:
        raise ParrotletError(f"{source.name}: the table has a header but no rows")

    def records(left_out: Counter[str]) -> Iterator[Record]:
        rows = _rows(source.name, read_lines(), dialect, left_out)
        return _records(islice(rows, int(header), None), columns, left_out)

    parted = next((f"parted by {name}" for name, one in _NAMES.items() if one == dialect.delimiter), "of one column")
    first = (
        f"the first row names the columns ({', '.join(columns[:8])}; --no-header reads it as a text)"
        if header
        else "the first row is read as a text (--header takes it for names)"
    )
    quotes = "" if dialect.quoted else ", quotes mean nothing"
    told = f"{encoding.told}, table {parted}{quotes}; {first}"
    return Table(columns, list(_records(body, columns, Counter())), told, records)


def _read(source: Source, settings: CorpusSettings, usual: str) -> Reading:
    table = open_table(source, settings, usual)
    chooser = Chooser(source.name, [dict.fromkeys(table.columns), *table.sample], settings)
    form, read = reader_of(table.records, chooser, settings.form)
    return Reading(source.name, form, [f"{source.name}: {table.told}; {chooser.told}"], read, source.bytes)


def sniff(name: str, lines: Sequence[str], usual: str, delimiters: str = ",\t;|") -> Dialect:
    """The delimiter and quoting that give most rows the same number of cells, two or more; else one column.

    The usual delimiter needs half of the rows, the others four fifths.
    """
    best, best_score = None, (0.0, 0)
    for delimiter in sorted(delimiters, key=lambda one: one != usual):
        for quoted in (True, False):
            dialect = Dialect(delimiter, quoted)
            rows = list(islice(_rows(name, lines, dialect, Counter()), 2 * LOOKED_AT))
            rows = rows[:-1] if len(rows) > 2 else rows  # the last one may be cut by the sample's end
            if not rows:
                continue
            cells, often = Counter(map(len, rows)).most_common(1)[0]
            share = often / len(rows)
            score = (round(share, 2) + (0.05 if delimiter == usual else 0.0), cells)
            if cells > 1 and share >= (0.5 if delimiter == usual else 0.8) and score > best_score:
                best, best_score = dialect, score
    return best or Dialect(_NOTHING, _quotes_whole_cells(lines))


def _quotes_whole_cells(lines: Sequence[str]) -> bool:
    """Whether quotes enclose whole lines, rather than being part of a text that begins with one."""
    try:
        for _ in csv.reader(lines, delimiter=_NOTHING, strict=True):
            pass
    except csv.Error as error:
        return "end of data" in str(error)  # the sample ends within a cell
    return True


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: short, distinct, no numbers, and known names or unlike what is below."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if not all(first) or len(set(first)) < len(first):
        return False
    if not rest:
        return all(cell.lower() in _HEADERS for cell in first)
    if any(len(cell) > 40 or "\n" in cell or _is_number(cell) or cell[-1] in ".!?" for cell in first):
        return False
    if any(cell.lower() in _HEADERS for cell in first):
        return True
    for place, cell in enumerate(first):
        below = [row[place] for row in rest if len(row) > place and row[place].strip()]
        if below and (all(map(_is_number, below)) or sum(map(len, below)) / len(below) > 4 * len(cell)):
            return True
    return False


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _columns(header: Sequence[str], width: int) -> list[str]:
    """Distinct names; a column without one is named by its place, from 1."""
    names: list[str] = []
    for place in range(max(width, len(header))):
        name = header[place].strip() if place < len(header) else ""
        names.append(name if name and name not in names else str(place + 1))
    return names


def _records(rows: Iterable[Sequence[str]], columns: Sequence[str], left_out: Counter[str]) -> Iterator[Record]:
    for row in rows:
        if len(row) > len(columns):
            left_out["{n} row{s} with more cells than columns, whose last cells are left out"] += 1
        yield dict(zip(columns, row, strict=False))


def _rows(name: str, lines: Iterable[str], dialect: Dialect, left_out: Counter[str]) -> Iterator[list[str]]:
    """Rows that have a cell; a cell may hold line ends when quoted."""
    csv.field_size_limit(LARGEST_RECORD)
    rows = csv.reader(
        lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    )
    before = 0
    try:
        for row in rows:
            if rows.line_num - before > _MANY_LINES:
                left_out[f"the row at line {before + 1:,} spans {rows.line_num - before:,} lines (a stray quote?)"] = 1
            before = rows.line_num
            if row:
                yield row
            else:
                left_out["{n} blank row{s} left out"] += 1
    except csv.Error as error:
        raise ParrotletError(f"{name}: the row at line {before + 1:,} can not be read ({error})") from None

"""A parquet table comes in, through polars; its rows as records, read in batches, come out."""

from collections.abc import Iterator
from typing import Any

from parrotlet.corpus.documents import LeftOut, Reading
from parrotlet.corpus.encodings import NotText
from parrotlet.corpus.records import LOOKED_AT, Chooser, Record, reader_of
from parrotlet.corpus.sources import Source
from parrotlet.errors import ParrotletError
from parrotlet.settings import CorpusSettings

_BATCH = 8192


def read_parquet(source: Source, settings: CorpusSettings) -> Reading:
    """Rows of a parquet table. Raises ParrotletError where polars is not installed or can not read it."""
    try:
        import polars
    except ImportError:
        raise ParrotletError(f"{source.name}: parquet needs polars: pip install 'parrotlet[data]'") from None

    def batch(columns: list[str] | None, start: int, length: int) -> list[dict[str, Any]]:
        try:
            frame = polars.scan_parquet(source.path)
            rows = frame.select(columns) if columns is not None else frame
            return list(rows.slice(start, length).collect().to_dicts())
        except (polars.exceptions.PolarsError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise ParrotletError(f"{source.name}: it can not be read as parquet ({reason})") from None

    sample = batch(None, 0, LOOKED_AT)
    if not sample:
        raise NotText(f"{source.name}: it is empty")
    chooser = Chooser(source.name, sample, settings)

    def records(left_out: LeftOut) -> Iterator[Record]:
        start = 0
        while rows := batch(chooser.columns, start, _BATCH):
            yield from rows
            start += _BATCH

    form, read = reader_of(records, chooser, settings.form)
    return Reading(source.name, form, [f"{source.name}: parquet table; {chooser.told}"], read, source.bytes)

"""JSON text comes in (an array, or one value after another); its records, read one by one, come out."""

import json
from collections.abc import Iterator
from itertools import islice

from parrotlet.corpus.documents import LeftOut, Reading
from parrotlet.corpus.encodings import NotText, decoded, detect
from parrotlet.corpus.records import LARGEST_RECORD, LOOKED_AT, Chooser, Record, reader_of, record_of
from parrotlet.corpus.sources import Source
from parrotlet.errors import ParrotletError
from parrotlet.settings import CorpusSettings

_BLANKS = " \t\n\r"
_LOOK = 16
"""An error so near the end of what was read so far may only mean that more has to be read."""


def read_json(source: Source, settings: CorpusSettings) -> Reading:
    """An array of records, or records one after another."""
    return _read(source, settings, array_allowed=True)


def read_jsonl(source: Source, settings: CorpusSettings) -> Reading:
    """Records one after another, as a rule one a line."""
    return _read(source, settings, array_allowed=False)


def _read(source: Source, settings: CorpusSettings, array_allowed: bool) -> Reading:
    encoding = detect(source.name, source.open, settings.encoding)

    def records(left_out: LeftOut) -> Iterator[Record]:
        blocks = decoded(source.name, source.open, encoding)
        return map(record_of, values(source.name, blocks, array_allowed))

    sample = list(islice(records(LeftOut()), LOOKED_AT))
    if not sample:
        raise NotText(f"{source.name}: it is empty")
    if not array_allowed and "1" in sample[0] and all(isinstance(value, dict) for value in sample[0].values()):
        raise ParrotletError(
            f"{source.name}: its first line is an array of records: read are a record a line, or an array named .json"
        )
    chooser = Chooser(source.name, sample, settings)
    form, read = reader_of(records, chooser, settings.form)
    return Reading(
        source.name, form, [f"{source.name}: {encoding.told}, JSON records; {chooser.told}"], read, source.bytes
    )


def values(name: str, blocks: Iterator[str], array_allowed: bool = True) -> Iterator[object]:
    """The elements of one array, or values that follow one another, with no more in memory than one of them.

    Raises ParrotletError with the record's number and the place of what is wrong.
    """
    text = _Text(name, blocks)
    if text.next_character() == "[" and array_allowed:
        yield from _elements(text)
        return
    while text.next_character():
        yield text.value()


def _elements(text: "_Text") -> Iterator[object]:
    """Those of an array, which must be whole and stand alone."""
    text.take()
    mark = text.next_character()
    if mark == "]":
        text.take()
    while mark != "]":
        if not text.next_character():
            raise text.wrong("the array is cut short")
        yield text.value()
        mark = text.take()
        if mark not in ("]", ","):
            raise text.wrong("a comma or ] is missing" if mark else "the array is cut short")
    if text.next_character():
        raise text.wrong("something follows the array")


class _Text:
    """The part of a JSON text that is being looked at."""

    def __init__(self, name: str, blocks: Iterator[str]) -> None:
        self._name = name
        self._blocks = blocks
        self._decoder = json.JSONDecoder()
        self._buffer, self._at, self._before = "", 0, 0
        self._ended = False
        self._count = 0

    def next_character(self) -> str:
        """The next character that is not blank, left in place; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANKS:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self) -> str:
        """The next character that is not blank."""
        character = self.next_character()
        self._at += len(character)
        return character

    def value(self) -> object:
        """The next value, reading on for as long as it is not complete."""
        self._count += 1
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return value
                problem = "it is cut short"
            except json.JSONDecodeError as error:
                near_the_end = error.pos > len(self._buffer) - _LOOK or error.msg.startswith("Unterminated")
                if not near_the_end:
                    self._at = error.pos
                    raise self.wrong(error.msg) from None
                problem = error.msg
            except RecursionError:
                raise self.wrong("it is nested too deeply") from None
            except ValueError as error:  # a number of thousands of digits
                raise self.wrong(str(error).partition(";")[0]) from None
            if len(self._buffer) - self._at > LARGEST_RECORD:
                raise self.wrong(f"it has more than {LARGEST_RECORD:,} characters")
            if not self._more() and problem != "it is cut short":
                raise self.wrong(problem)

    def wrong(self, problem: str) -> ParrotletError:
        """An error at the present place."""
        place = self._before + self._at
        return ParrotletError(f"{self._name}: record {self._count:,}: {problem} (character {place:,})")

    def _more(self) -> bool:
        """Doubles what is in memory, so that a long record costs no more than a few times its length."""
        self._before += self._at
        kept = [self._buffer[self._at :]]
        wanted = max(1, len(kept[0]))
        self._at = 0
        while wanted > 0:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                break
            kept.append(block)
            wanted -= len(block)
        self._buffer = "".join(kept)
        return len(kept) > 1

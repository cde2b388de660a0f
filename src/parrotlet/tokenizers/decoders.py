"""Incremental decoders: ids come in, in any number at a time, and the text that they decide goes out."""

import codecs
from collections.abc import Iterable, Mapping, Sequence

from parrotlet.tokenizers.fields import out_of_range
from parrotlet.tokenizers.halfbytes import HalfByteReader

FEW = 64  # ids that are looked at one by one where one of them is special


def listed(ids: Iterable[int]) -> Sequence[int]:
    """Plain ints, whatever held them (numpy and torch arrays know ``tolist``)."""
    if isinstance(ids, (list, tuple)):
        return ids
    values: list[int] = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    return values


def halves(values: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Two halves: ids that hold a special one are halved until it stands among few, so that the rest stays fast."""
    middle = len(values) // 2
    return values[:middle], values[middle:]


class SpellingDecoder:
    """For symbols with one spelling each, beside half-bytes and letters, runs of which spell one symbol more.

    ``separator`` goes between symbols of one line; a letter that is the separator parts two runs.
    """

    def __init__(
        self,
        written: Mapping[int, str],
        stop: int,
        half_bytes: int,
        separator: str = "",
        letters: Mapping[int, str] | None = None,
    ) -> None:
        self._written = written
        self._stop = stop
        self._half_bytes = half_bytes
        self._separator = separator
        self._letters = letters or {}
        self._before = ""  # goes before the next symbol
        self._spelling = False  # inside a run of half-bytes and letters
        self._reader = HalfByteReader()

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids decide."""
        values = listed(ids)
        if not self._spelling:
            # The ordinary case, a symbol for each id, is one join; the look-up fails on the first special id.
            try:
                text = self._separator.join(map(self._written.__getitem__, values))
            except KeyError:
                pass
            else:
                return self._spaced(text) if self._separator else text
        if len(values) > FEW:
            return "".join(map(self.push, halves(values)))
        return "".join([self._piece(id) for id in values])

    def flush(self) -> str:
        """U+FFFD if a spelling was broken off, otherwise nothing."""
        if not self._spelling:
            return ""
        self._spelling = False
        self._before = self._separator
        return self._reader.flush()

    def _spaced(self, text: str) -> str:
        """Symbols that were joined by the separator, without it around line ends, with it after what came before."""
        if not text:
            return ""
        text = text.replace(self._separator + "\n", "\n").replace("\n" + self._separator, "\n")
        before = "" if text[0] == "\n" else self._before
        self._before = "" if text[-1] == "\n" else self._separator
        return before + text

    def _piece(self, id: int) -> str:
        symbol = self._written.get(id)
        if symbol is not None:
            text = self.flush()
            return text + (self._spaced(symbol) if self._separator else symbol)
        if 0 <= id < self._half_bytes:
            before = "" if self._spelling else self._before
            self._spelling = True
            return before + self._reader.push(id)
        if id in self._letters:
            return self._letter(self._letters[id])
        if id != self._stop:
            size = len(self._written) + self._half_bytes + len(self._letters) + (self._stop not in self._written)
            raise out_of_range(id, size)
        text = self.flush()
        self._before = ""
        return text

    def _letter(self, letter: str) -> str:
        """The separator only ends a run, whatever follows it, so that it is never written twice or at a line's end."""
        if letter == self._separator:
            return self.flush()
        before = self._reader.flush() if self._spelling else self._before
        self._spelling = True
        return before + letter


class WordDecoder:
    """For words that carry the space before them; two marks give the next word the other spacing."""

    def __init__(self, written: Mapping[int, str], join: int, space: int) -> None:
        self._written = written
        self._marks = {join: "", space: " "}
        self._mark: str | None = None

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids decide."""
        values = listed(ids)
        if self._mark is None:
            try:
                return "".join(map(self._written.__getitem__, values))
            except KeyError:
                pass
        if len(values) > FEW:
            return "".join(map(self.push, halves(values)))
        return "".join([self._piece(id) for id in values])

    def flush(self) -> str:
        """Nothing: a mark without its word writes nothing."""
        self._mark = None
        return ""

    def _piece(self, id: int) -> str:
        if id in self._marks:
            self._mark = self._marks[id]
            return ""
        text = self._written.get(id)
        if text is None:
            raise out_of_range(id, len(self._written) + len(self._marks))
        mark, self._mark = self._mark, None
        if mark is None or text in ("", "\n"):
            return text
        return mark + text.removeprefix(" ")


class BytesDecoder:
    """For tokens that are bytes: a code point is written when its last byte has come."""

    def __init__(self, written: Mapping[int, bytes], stop: int) -> None:
        self._written = written
        self._stop = stop
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids decide."""
        values = listed(ids)
        try:
            return self._bytes.decode(b"".join(map(self._written.__getitem__, values)))
        except KeyError:
            if len(values) > FEW:
                return "".join(map(self.push, halves(values)))
            return "".join([self._piece(id) for id in values])

    def flush(self) -> str:
        """U+FFFD if a code point was broken off, otherwise nothing."""
        return self._bytes.decode(b"", True)

    def _piece(self, id: int) -> str:
        data = self._written.get(id)
        if data is not None:
            return self._bytes.decode(data)
        if id != self._stop:
            raise out_of_range(id, len(self._written) + 1)
        return self.flush()

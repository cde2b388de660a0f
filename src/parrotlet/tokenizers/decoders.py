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


class Spacing:
    """Whether a blank goes between two tokens, by textgenrnn's rules for written words (its utils.py, 2.0).

    Its rule for a pair of quotation marks looks for the second before it takes out the blank after the first. Text is
    written here as it is decided, so the blank after a first one is left out whether or not a second follows.
    """

    _NOT_BEFORE = frozenset("!%),.:;?@]_}\n\t'")
    _NOT_AFTER = frozenset("$([_\n\t'")
    _OUTSIDE, _AT_MARK, _INSIDE = range(3)  # of quotation marks; at a mark that may be the first of two

    def __init__(self, rules: bool) -> None:
        """Without ``rules`` a blank goes between any two tokens."""
        self._rules = rules
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing goes before the next token."""
        self._last = ""
        self._quotes = self._OUTSIDE

    def joined(self, tokens: Iterable[str]) -> str:
        """The text of all these tokens after those before."""
        if self._rules:
            return "".join([self.piece(token) for token in tokens])
        words = list(tokens)
        before = " " if self._last and words else ""
        self._last = words[-1] if words else self._last
        return before + " ".join(words)

    def piece(self, token: str) -> str:
        """One token with the blank before it, if one belongs there."""
        last, self._last = self._last, token
        space = bool(last)
        if self._rules:
            space = space and token[0] not in self._NOT_BEFORE and last[-1] not in self._NOT_AFTER
            space = self._between_quotes(token, space)
        return " " + token if space else token

    def _between_quotes(self, token: str, space: bool) -> bool:
        """Whether the blank stays; no blank stands just inside a pair of quotation marks of one line."""
        closes = self._quotes == self._INSIDE and space and token[0] == '"'
        opens = self._quotes == self._AT_MARK and space and "\n" not in token
        if opens:
            self._quotes = self._INSIDE
        elif closes or self._quotes == self._AT_MARK or "\n" in token:
            self._quotes = self._OUTSIDE
        if self._quotes == self._OUTSIDE and token[-1] == '"' and not (closes and len(token) == 1):
            self._quotes = self._AT_MARK
        return space and not closes and not opens


class JoiningDecoder:
    """For words that do not carry their blanks; of an empty word only the blank after it is written."""

    def __init__(self, written: Sequence[str], stop: int, spacing: Spacing) -> None:
        self._written = written
        self._stop = stop
        self._spacing = spacing

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids decide."""
        pieces: list[str] = []
        words: list[str] = []
        for id in listed(ids):
            if not 0 <= id < len(self._written):
                raise out_of_range(id, len(self._written))
            if id == self._stop:
                pieces.append(self._spacing.joined(words))
                self._spacing.restart()
                words = []
            elif word := self._written[id]:
                words.append(word)
            else:
                pieces.append(self._spacing.joined(words))
                self._spacing.piece("<unk>")
                words = []
        pieces.append(self._spacing.joined(words))
        return "".join(pieces)

    def flush(self) -> str:
        """Nothing: each word is written as it comes."""
        return ""

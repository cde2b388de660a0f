"""Symbols between blanks (notes, strokes, log fields): each is one id; rare ones are spelt in half-bytes.

Ids: the half-bytes 0 to 15, <s> = 16, the line end = 17, then the symbols. Blanks have no id: one is written between
two symbols of a line. Between two neighbours that are both spelt it is spelt too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.decoders import SpellingDecoder
from parrotlet.tokenizers.fields import flag, out_of_range, require_only, tokens
from parrotlet.tokenizers.halfbytes import HALF_BYTES, UNKNOWN, half_byte_name, spelt_out
from parrotlet.tokenizers.normal import Normalisation, single_spaced
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer
from parrotlet.tokenizers.vocabulary import chosen, count_tokens

STOP = HALF_BYTES
LINE_END = STOP + 1
FIRST = LINE_END + 1
DEFAULT_SIZE = 10_000


class SymbolTokenizer(Tokenizer):
    """One id for each symbol between blanks and for each line end."""

    level: ClassVar[str] = "symbol"

    def __init__(self, symbols: Sequence[str], normalisation: Normalisation | None = None, spelt: bool = True) -> None:
        """Takes distinct symbols without blanks, in the order of their ids; ``spelt`` as in CharTokenizer."""
        self.symbols = tuple(symbols)
        self.normalisation = normalisation or Normalisation()
        self.spelt = spelt
        self.stop = STOP
        self.unwritable = () if spelt else tuple(range(HALF_BYTES))
        self.unknown_id = None
        self._ids = {"\n": LINE_END} | {symbol: id for id, symbol in enumerate(self.symbols, FIRST)}
        self._written = {id: symbol for symbol, id in self._ids.items()}

    def __len__(self) -> int:
        """Vocabulary size V."""
        return FIRST + len(self.symbols)

    def normalise(self, text: str) -> str:
        """Unicode form, letter case, line ends; one space between symbols, none at line starts and ends."""
        return single_spaced(self.normalisation(text))

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids."""
        found = _split(self.normalise(text))
        ids = np.fromiter((self._ids.get(one, UNKNOWN) for one in found), np.int64, len(found))  # (T,)
        missing = np.flatnonzero(ids == UNKNOWN)
        if len(missing) == 0:
            return ids
        neighbour = np.diff(missing, prepend=-2) == 1
        spellings = [
            (" " + found[place] if second else found[place]).encode()
            for place, second in zip(missing.tolist(), neighbour.tolist(), strict=True)
        ]
        return spelt_out(ids, spellings)

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return SpellingDecoder(self._written, STOP, HALF_BYTES, separator=" ")

    def token(self, id: int) -> str:
        """One id as shown to a user."""
        if id in self._written:
            return self._written[id]
        if 0 <= id <= STOP:
            return "<s>" if id == STOP else half_byte_name(id)
        raise out_of_range(id, len(self))

    def unknown(self, text: str) -> list[str]:
        """The distinct symbols that are spelt."""
        return [one for one in dict.fromkeys(_split(self.normalise(text))) if one not in self._ids]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "level": self.level,
            "normalisation": self.normalisation.to_json(),
            "spelt": self.spelt,
            "symbols": list(self.symbols),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation", "spelt", "symbols"))
        symbols = tokens(data, "symbols")
        if any(symbol.split() != [symbol] for symbol in symbols):
            raise ParrotletError("tokenizer field symbols holds a symbol with a blank in it")
        return cls(symbols, Normalisation.from_json(data.get("normalisation")), flag(data, "spelt"))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Takes the most frequent symbols of the texts."""
        return cls((), Normalisation.of(settings), spelt=False).extended(texts, settings)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same symbols and after them the new ones of these texts."""
        counts = count_tokens(_split(self.normalise(text)) for text in texts)
        new = chosen(counts, settings.size or DEFAULT_SIZE, settings.min_count, self._ids)
        known = {*self._ids, *new}
        spelt = self.spelt or any(symbol not in known for symbol in counts)
        return type(self)((*self.symbols, *new), self.normalisation, spelt)


def _split(text: str) -> list[str]:
    """The symbols and line ends of a single-spaced text."""
    return [one for one in text.replace("\n", " \n ").split(" ") if one]

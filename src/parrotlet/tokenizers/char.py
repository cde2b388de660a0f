"""Characters: each code point (or cluster) of a text is one id; symbols outside the alphabet are spelt in half-bytes.

Ids: the half-bytes 0 to 15, <s> = 16, then the alphabet. An imported alphabet may live without half-bytes
(``fallback=False``): then <s> = 0, the alphabet follows, and symbols outside it are skipped; or, with ``unknown``, are
<unk> = 1, which goes before the alphabet.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.clusters import clusters
from parrotlet.tokenizers.decoders import SpellingDecoder
from parrotlet.tokenizers.fields import flag, out_of_range, require_only, tokens
from parrotlet.tokenizers.halfbytes import HALF_BYTES, UNKNOWN, half_byte_name, spelt_out
from parrotlet.tokenizers.normal import Normalisation
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer
from parrotlet.tokenizers.vocabulary import chosen, code_points, count_characters, count_tokens


class CharTokenizer(Tokenizer):
    """One id for each code point, or with ``graphemes`` for each user-perceived character."""

    level: ClassVar[str] = "char"

    def __init__(
        self,
        alphabet: Sequence[str],
        normalisation: Normalisation | None = None,
        graphemes: bool = False,
        fallback: bool = True,
        spelt: bool = True,
        unknown: bool = False,
        stop_learned: bool = True,
    ) -> None:
        """Takes distinct symbols in the order of their ids.

        ``spelt`` says whether the texts of the training were in part spelt in half-bytes: if not, a network knows
        nothing of half-bytes and they are unwritable. ``stop_learned``: see Tokenizer.
        """
        self.alphabet = tuple(alphabet)
        self.normalisation = normalisation or Normalisation()
        self.graphemes = graphemes
        self.fallback = fallback
        self.spelt = spelt
        self.stop = HALF_BYTES if fallback else 0
        self.stop_learned = stop_learned
        self.unknown_id = self.stop + 1 if unknown and not fallback else None
        self.unwritable = tuple(range(HALF_BYTES)) if fallback and not spelt else ()
        self._special = {self.stop: "<s>"}
        if self.unknown_id is not None:
            self.unwritable = (self.unknown_id,)
            self._special[self.unknown_id] = "<unk>"
        self._ids = {symbol: id for id, symbol in enumerate(self.alphabet, self.stop + len(self._special))}
        self._written = dict.fromkeys(self._special, "") | {id: symbol for symbol, id in self._ids.items()}
        self._table = np.full(1, UNKNOWN, dtype=np.int64) if graphemes else _table(self._ids)

    def __len__(self) -> int:
        """Vocabulary size V."""
        return self.stop + len(self._special) + len(self.alphabet)

    def normalise(self, text: str) -> str:
        """Unicode form, letter case and line ends."""
        return self.normalisation(text)

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids."""
        text = self.normalise(text)
        symbols: Sequence[str] = text
        ids: IdArray
        if self.graphemes:
            symbols = clusters(text)
            ids = np.fromiter((self._ids.get(one, UNKNOWN) for one in symbols), np.int64, len(symbols))
        else:
            ids = self._table.take(code_points(text), mode="clip")  # (T,)
        missing = np.flatnonzero(ids == UNKNOWN)
        if len(missing) == 0:
            return ids
        if self.unknown_id is not None:
            ids[missing] = self.unknown_id
            return ids
        if not self.fallback:
            return np.delete(ids, missing)
        return spelt_out(ids, [symbols[place].encode() for place in missing.tolist()])

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return SpellingDecoder(self._written, self.stop, HALF_BYTES if self.fallback else 0)

    def token(self, id: int) -> str:
        """One id as shown to a user."""
        if id in self._special:
            return self._special[id]
        if id in self._written:
            return self._written[id]
        if self.fallback and 0 <= id < HALF_BYTES:
            return half_byte_name(id)
        raise out_of_range(id, len(self))

    def unknown(self, text: str) -> list[str]:
        """The distinct symbols outside the alphabet."""
        text = self.normalise(text)
        return [one for one in dict.fromkeys(clusters(text) if self.graphemes else text) if one not in self._ids]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "level": self.level,
            "normalisation": self.normalisation.to_json(),
            "graphemes": self.graphemes,
            "fallback": self.fallback,
            "spelt": self.spelt,
            "alphabet": list(self.alphabet),
            **({} if self.unknown_id is None else {"unknown": True}),
            **({} if self.stop_learned else {"stop_learned": False}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        optional = {"unknown": False, "stop_learned": True}  # files of earlier versions do not have them
        require_only(data, cls.level, ("normalisation", "graphemes", "fallback", "spelt", "alphabet", *optional))
        data = optional | dict(data)
        alphabet = tokens(data, "alphabet")
        graphemes = flag(data, "graphemes")
        if not graphemes and any(len(symbol) != 1 for symbol in alphabet):
            raise ParrotletError("tokenizer field alphabet holds a symbol of several characters")
        fallback, unknown = flag(data, "fallback"), flag(data, "unknown")
        if fallback and unknown:
            raise ParrotletError("tokenizer field unknown does not go with fallback: all symbols can be spelt")
        normalisation, learned = Normalisation.from_json(data.get("normalisation")), flag(data, "stop_learned")
        return cls(alphabet, normalisation, graphemes, fallback, flag(data, "spelt"), unknown, learned)

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Takes the alphabet of the texts, in the order of code points."""
        fallback = settings.fallback
        empty = cls((), Normalisation.of(settings), settings.graphemes, fallback, spelt=False, unknown=not fallback)
        return empty.extended(texts, settings)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same alphabet and after it the new symbols of these texts."""
        if self.graphemes:
            counts: Mapping[str, int] = count_tokens(clusters(self.normalise(text)) for text in texts)
        else:
            counts = count_characters(texts, self.normalise)
        new = sorted(chosen(counts, settings.size, settings.min_count, self._ids))
        known = {*self._ids, *new}
        spelt = self.spelt or any(symbol not in known for symbol in counts)
        has_unknown = self.unknown_id is not None
        return type(self)((*self.alphabet, *new), self.normalisation, self.graphemes, self.fallback, spelt, has_unknown)


def _table(ids: Mapping[str, int]) -> IdArray:
    """Code point → id; the last place stands for every code point beyond."""
    table = np.full(max((ord(symbol) + 2 for symbol in ids), default=1), UNKNOWN, dtype=np.int64)
    for symbol, id in ids.items():
        table[ord(symbol)] = id
    return table

"""Symbols between blanks (notes, strokes, log fields): each is one id; rare ones are spelt in letters.

Ids: the half-bytes 0 to 15, <s> = 16, the line end = 17, the blank letter = 18, then the vocabulary: letters, which
write one character each, and symbols. A character outside the letters is spelt in half-bytes. Between two symbols of a
line a blank is written without an id, except between two that are both spelt: there the blank letter parts them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.decoders import SpellingDecoder
from parrotlet.tokenizers.fields import flag, out_of_range, require_only, tokens
from parrotlet.tokenizers.halfbytes import HALF_BYTES, UNKNOWN, half_byte_name, put_in
from parrotlet.tokenizers.normal import Normalisation, single_spaced
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer
from parrotlet.tokenizers.vocabulary import FEW, chosen, count_tokens

STOP = HALF_BYTES
LINE_END = STOP + 1
BLANK = LINE_END + 1
FIRST = BLANK + 1
DEFAULT_SIZE = 10_000
MOST_LETTERS = 256
LETTER_MARK = "·"  # before a letter as shown to a user


class SymbolTokenizer(Tokenizer):
    """One id for each symbol between blanks, for each line end and for each letter of what is spelt."""

    level: ClassVar[str] = "symbol"

    def __init__(
        self, vocabulary: Sequence[str], normalisation: Normalisation | None = None, spelt: bool = True
    ) -> None:
        """Takes distinct entries in the order of their ids: " C4" is a symbol, which a blank parts, "C" a letter.

        ``spelt`` as in CharTokenizer: whether characters of the training were spelt in half-bytes.
        """
        self.vocabulary = tuple(vocabulary)
        self.normalisation = normalisation or Normalisation()
        self.spelt = spelt
        self.stop = STOP
        self.unknown_id = None
        entries = list(enumerate(self.vocabulary, FIRST))
        self._ids = {"\n": LINE_END} | {entry[1:]: id for id, entry in entries if entry[0] == " "}
        self._letters = {" ": BLANK} | {entry: id for id, entry in entries if entry[0] != " "}
        self._written = {id: symbol for symbol, id in self._ids.items()}
        self._written_letters = {id: letter for letter, id in self._letters.items()}
        # Nothing was spelt in training, or nothing in half-bytes: then a network knows nothing of these ids.
        parted = spelt or len(self._letters) > 1
        self.unwritable = (*(() if spelt else range(HALF_BYTES)), *(() if parted else (BLANK,)))

    def __len__(self) -> int:
        """Vocabulary size V."""
        return FIRST + len(self.vocabulary)

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
        lengths: list[int] = []
        spelling: list[int] = []  # of all that is missing
        for place, second in zip(missing.tolist(), neighbour.tolist(), strict=True):
            before = len(spelling)
            for letter in " " + found[place] if second else found[place]:
                if (id := self._letters.get(letter)) is not None:
                    spelling.append(id)
                else:
                    spelling.extend(half for byte in letter.encode() for half in (byte >> 4, byte & 15))
            lengths.append(len(spelling) - before)
        return put_in(ids, lengths, np.array(spelling, dtype=np.int64))

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return SpellingDecoder(self._written, STOP, HALF_BYTES, " ", self._written_letters)

    def token(self, id: int) -> str:
        """One id as shown to a user: a symbol C4, a letter ·C of a spelt one, the blank letter '· '."""
        if id in self._written:
            return self._written[id]
        if id in self._written_letters:
            return LETTER_MARK + self._written_letters[id]
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
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation", "spelt", "vocabulary"))
        vocabulary = tokens(data, "vocabulary")
        for entry in vocabulary:
            bare = entry.removeprefix(" ")
            if bare.split() != [bare]:
                raise ParrotletError("tokenizer field vocabulary holds a symbol with a blank in it")
            if len(bare) > 1 and bare == entry:
                raise ParrotletError("tokenizer field vocabulary holds a letter of several characters")
        return cls(vocabulary, Normalisation.from_json(data.get("normalisation")), flag(data, "spelt"))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Takes the most frequent symbols of the texts and the letters of all others."""
        return cls((), Normalisation.of(settings), spelt=False).extended(texts, settings)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same vocabulary and after it the new letters and symbols of these texts."""
        counts = count_tokens(_split(self.normalise(text)) for text in texts)
        least = settings.min_count or _least_count(counts)
        symbols = chosen(counts, settings.size or DEFAULT_SIZE, least, self._ids)
        known = {*self._ids, *symbols}
        spelling: Counter[str] = Counter()  # letter → how often it is written in a spelling
        for symbol, count in counts.items():
            if symbol not in known:
                for letter in symbol:
                    spelling[letter] += count
        letters = chosen(spelling, max(0, MOST_LETTERS + 1 - len(self._letters)), None, self._letters)
        spelt = self.spelt or not spelling.keys() <= {*self._letters, *letters}
        vocabulary = (*self.vocabulary, *letters, *(" " + symbol for symbol in symbols))
        return type(self)(vocabulary, self.normalisation, spelt)


def _least_count(counts: Mapping[str, int]) -> int:
    """How often a symbol must occur for an id of its own, where the user does not say.

    Few symbols are all kept; of many, those that occur twice and at least once in 20,000 symbols. A rarer one hardly
    teaches its own row of weights anything, while its letters are learnt from all spelt symbols together: of 163,313
    pen strokes, 66,210 of them distinct, the 2,779 that occur 8 times are kept, a tenth of those that occur twice.
    """
    return 1 if len(counts) <= FEW else max(2, sum(counts.values()) // 20_000)


def _split(text: str) -> list[str]:
    """The symbols and line ends of a single-spaced text."""
    return [one for one in text.replace("\n", " \n ").split(" ") if one]

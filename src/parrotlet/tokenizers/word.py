"""Words with their own spacing: a token is a string and whether a space stands before it, so text survives exactly.

Ids: <unk> = 0, <s> = 1, <join> = 2, <space> = 3, then the vocabulary, in which " the" and "the" are two entries. Where
only the other spacing of a string is known, <join> or <space> goes before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.breaking import broken_tokens
from parrotlet.tokenizers.clusters import PUNCTUATION, pattern, spaced_tokens
from parrotlet.tokenizers.decoders import WordDecoder
from parrotlet.tokenizers.fields import LONGEST_TOKEN, choice, out_of_range, require_only, text_of, tokens
from parrotlet.tokenizers.normal import Normalisation, single_spaced
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer
from parrotlet.tokenizers.stems import Stemmer
from parrotlet.tokenizers.vocabulary import chosen, count_tokens

Punctuation = Literal["token", "delete"]
Breaker = Literal["none", "icu"]
UNKNOWN, STOP, JOIN, SPACE = range(4)
SPECIAL = ("<unk>", "<s>", "<join>", "<space>")
DEFAULT_SIZE = 10_000


class WordTokenizer(Tokenizer):
    """One id for each word, number, other symbol and line end, with its spacing."""

    level: ClassVar[str] = "word"

    def __init__(
        self,
        vocabulary: Sequence[str],
        normalisation: Normalisation | None = None,
        punctuation: Punctuation = "token",
        stem: str | None = None,
        breaker: Breaker = "none",
    ) -> None:
        """Takes distinct entries in the order of their ids: "the", " the", "\\n"."""
        self.vocabulary = tuple(vocabulary)
        self.normalisation = normalisation or Normalisation()
        self.punctuation = punctuation
        self.stem = stem
        self.breaker = breaker
        self._tokens = broken_tokens if breaker == "icu" else spaced_tokens
        self.stop = STOP
        self.unwritable = (UNKNOWN,)
        self.unknown_id = UNKNOWN
        self._stemmer = None if stem is None else Stemmer(stem, self.normalisation)
        self._ids = {entry: id for id, entry in enumerate(self.vocabulary, len(SPECIAL))}
        self._written = {UNKNOWN: "", STOP: ""} | {id: entry for entry, id in self._ids.items()}

    def __len__(self) -> int:
        """Vocabulary size V."""
        return len(SPECIAL) + len(self.vocabulary)

    def normalise(self, text: str) -> str:
        """Unicode form, letter case, line ends, single spaces; then punctuation deleted and words stemmed."""
        text = single_spaced(self.normalisation(text))
        if self.punctuation == "delete":
            # A blank takes its place: what it parted stays apart, and no mark falls onto the letter before.
            found = self._tokens(text)
            marks = {token for token in set(found) if _is_punctuation(token)}
            text = single_spaced("".join([" " if token in marks else token for token in found]))
        if self._stemmer is not None:
            text = "".join(map(self._stemmer, self._tokens(text)))
        return text

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids."""
        found = self._tokens(self.normalise(text))
        get = self._ids.get
        ids = [get(token, UNKNOWN) for token in found]
        if UNKNOWN in ids:
            ids = [
                id
                for token, known in zip(found, ids, strict=True)
                for id in ((known,) if known != UNKNOWN else self._other_spacing(token))
            ]
        return np.array(ids, dtype=np.int64)  # (T,)

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return WordDecoder(self._written, JOIN, SPACE)

    def token(self, id: int) -> str:
        """One id as shown to a user."""
        if 0 <= id < len(SPECIAL):
            return SPECIAL[id]
        if id in self._written:
            return self._written[id]
        raise out_of_range(id, len(self))

    def unknown(self, text: str) -> list[str]:
        """The distinct tokens that are in the vocabulary with neither spacing, without their space."""
        missing = [token for token in dict.fromkeys(self._tokens(self.normalise(text))) if token not in self._ids]
        lost = [token.removeprefix(" ") for token in missing if self._other_spacing(token) == (UNKNOWN,)]
        return list(dict.fromkeys(lost))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "level": self.level,
            "normalisation": self.normalisation.to_json(),
            "punctuation": self.punctuation,
            "stem": self.stem,
            **({} if self.breaker == "none" else {"breaker": self.breaker}),
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation", "punctuation", "stem", "breaker", "vocabulary"))
        vocabulary = tokens(data, "vocabulary")
        for entry in vocabulary:
            bare = entry.removeprefix(" ")
            if entry != "\n" and bare.split() != [bare]:
                raise ParrotletError("tokenizer field vocabulary holds an entry with a blank in it")
        punctuation = cast(Punctuation, choice(data, "punctuation", ("token", "delete")))
        stem = None if data.get("stem") is None else text_of(data["stem"], "stem")[:LONGEST_TOKEN]
        breaker = cast(Breaker, choice({"breaker": "none", **data}, "breaker", ("none", "icu")))
        return cls(vocabulary, Normalisation.from_json(data.get("normalisation")), punctuation, stem, breaker)

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Takes the most frequent tokens of the texts, counted with their spacing."""
        normalisation = Normalisation.of(settings)
        return cls((), normalisation, settings.punctuation, settings.stem, settings.breaker).extended(texts, settings)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same vocabulary and after it the new tokens of these texts."""
        counts = count_tokens(self._tokens(self.normalise(text)) for text in texts)
        new = chosen(counts, settings.size or DEFAULT_SIZE, settings.min_count or 1, self._ids)
        return type(self)((*self.vocabulary, *new), self.normalisation, self.punctuation, self.stem, self.breaker)

    def _other_spacing(self, token: str) -> tuple[int, ...]:
        """A token that has no id: the other spacing with its mark, or <unk>."""
        if token.startswith(" "):
            mark, other = SPACE, token[1:]
        else:
            mark, other = JOIN, " " + token
        return (mark, self._ids[other]) if other in self._ids else (UNKNOWN,)


def _is_punctuation(token: str) -> bool:
    return not token[-1].isalnum() and pattern(rf" ?{PUNCTUATION}").fullmatch(token) is not None

"""Words as textgenrnn and the Keras lessons cut them: blanks part tokens and are not tokens, so spacing is guessed.

Ids: <s> = 0, <unk> = 1, then the vocabulary. textgenrnn (2.0, utils.py) puts a blank around each punctuation mark,
lowers the case and splits at blanks; written words are joined by blanks, some of which its rules take out again.
Keras' own Tokenizer deletes punctuation; other lessons leave it on its word.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.decoders import JoiningDecoder, Spacing
from parrotlet.tokenizers.fields import choice, flag, out_of_range, require_only, tokens
from parrotlet.tokenizers.normal import Normalisation
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer
from parrotlet.tokenizers.vocabulary import chosen, count_tokens

Punctuation = Literal["token", "delete", "keep"]
STOP, UNKNOWN = 0, 1
SPECIAL = ("<s>", "<unk>")
DEFAULT_SIZE = 10_000
MARKS = re.escape("!\"#$%&()*+,-./:;<=>?@[]^_`{|}~\n\t'‘’“”–—…")  # textgenrnn's, without the backslash
DELETED = re.escape('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n')  # the filters of Keras' Tokenizer; no apostrophe
PIECES: dict[Punctuation, "re.Pattern[str]"] = {
    "token": re.compile(f"[{MARKS}]|[^ {MARKS}]+"),
    "delete": re.compile(f"[^ {DELETED}]+"),
    "keep": re.compile("[^ \t\n]+"),
}


class TextgenrnnWordTokenizer(Tokenizer):
    """One id for each word and, by choice, each punctuation mark and line end."""

    level: ClassVar[str] = "textgenrnn-word"

    def __init__(
        self,
        vocabulary: Sequence[str],
        normalisation: Normalisation | None = None,
        punctuation: Punctuation = "token",
        stop_learned: bool = True,
    ) -> None:
        """Takes distinct words in the order of their ids.

        ``punctuation``: "token" (textgenrnn), "delete" (Keras' Tokenizer) or "keep" (on the word it stands at).
        ``stop_learned``: see Tokenizer.
        """
        self.vocabulary = tuple(vocabulary)
        self.normalisation = normalisation or Normalisation(lowercase=True)
        self.punctuation = punctuation
        self.stop = STOP
        self.stop_learned = stop_learned
        self.unwritable = (UNKNOWN,)
        self.unknown_id = UNKNOWN
        self._ids = {word: id for id, word in enumerate(self.vocabulary, len(SPECIAL))}

    def __len__(self) -> int:
        """Vocabulary size V."""
        return len(SPECIAL) + len(self.vocabulary)

    def normalise(self, text: str) -> str:
        """The tokens of the text, joined as they are when they are written."""
        return Spacing(self.punctuation == "token").joined(self._split(text))

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids."""
        found = self._split(text)
        return np.fromiter((self._ids.get(token, UNKNOWN) for token in found), np.int64, len(found))

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return JoiningDecoder(("", "", *self.vocabulary), STOP, Spacing(self.punctuation == "token"))

    def token(self, id: int) -> str:
        """One id as shown to a user."""
        if not 0 <= id < len(self):
            raise out_of_range(id, len(self))
        return SPECIAL[id] if id < len(SPECIAL) else self.vocabulary[id - len(SPECIAL)]

    def unknown(self, text: str) -> list[str]:
        """The distinct tokens that are not in the vocabulary."""
        return [token for token in dict.fromkeys(self._split(text)) if token not in self._ids]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "level": self.level,
            "normalisation": self.normalisation.to_json(),
            "punctuation": self.punctuation,
            "stop_learned": self.stop_learned,
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation", "punctuation", "stop_learned", "vocabulary"))
        vocabulary = tokens(data, "vocabulary")
        if any(" " in word for word in vocabulary):
            raise ParrotletError("tokenizer field vocabulary holds a word with a blank in it")
        punctuation = cast(Punctuation, choice(data, "punctuation", list(PIECES)))
        normalisation = Normalisation.from_json(data.get("normalisation"))
        return cls(vocabulary, normalisation, punctuation, flag(data, "stop_learned"))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Takes the most frequent tokens of the texts, always in lower case."""
        return cls((), Normalisation(settings.normalisation, True), settings.punctuation).extended(texts, settings)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same vocabulary and after it the new tokens of these texts."""
        counts = count_tokens(map(self._split, texts))
        new = chosen(counts, settings.size or DEFAULT_SIZE, settings.min_count or 1, self._ids)
        return type(self)((*self.vocabulary, *new), self.normalisation, self.punctuation)

    def _split(self, text: str) -> list[str]:
        """The tokens of a text.

        Case is lowered once they stand apart, as textgenrnn does: a capital sigma is final by what follows it.
        """
        pieces = PIECES[self.punctuation]
        found: list[str] = pieces.findall(Normalisation(self.normalisation.form)(text))
        if self.normalisation.lowercase:
            found = pieces.findall(self.normalisation(" ".join(found)))
        return found

"""Byte pair encoding over UTF-8 bytes: frequent runs of bytes inside words become ids, any text can be written.

Ids: the bytes 0 to 255, <s> = 256, then what each merge makes. The ``tokenizers`` library learns the merges and applies
them to words; writing does not need it. Its own file format is never read.
"""

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.byte import BYTES, NEVER, STOP, shown
from parrotlet.tokenizers.clusters import pattern
from parrotlet.tokenizers.decoders import BytesDecoder
from parrotlet.tokenizers.fields import LONGEST_TOKEN, items, out_of_range, require_only
from parrotlet.tokenizers.normal import Normalisation
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer

if TYPE_CHECKING:
    from types import ModuleType

    from tokenizers.models import BPE

DEFAULT_SIZE = 2000
LONGEST_LEARNT = 64  # bytes
MOST_BYTES = 1 << 26  # of all tokens together
CACHED = 1 << 18  # words whose ids are remembered
# Merges never cross a word. Its length is bounded because merging takes more than linear time in it.
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}\p{M}]{1,32}| ?\p{N}{1,4}| ?[^\s\p{L}\p{M}\p{N}]{1,16}|\s{1,16}(?!\S)|\s"
Merge = tuple[int, int]


class BpeTokenizer(Tokenizer):
    """One id for each run of bytes that the training text had often."""

    level: ClassVar[str] = "bpe"

    def __init__(self, merges: Sequence[Merge], normalisation: Normalisation | None = None) -> None:
        """Takes pairs of ids in the order of their learning; two pairs may make the same bytes (and id)."""
        self.merges = tuple(merges)
        self.normalisation = normalisation or Normalisation()
        self.stop = STOP
        self.unwritable = NEVER
        self.unknown_id = None
        self._written = _tokens(self.merges)
        self._model: BPE | None = None
        self._words: dict[str, list[int]] = {}

    def __len__(self) -> int:
        """Vocabulary size V."""
        return len(self._written) + 1

    def normalise(self, text: str) -> str:
        """Unicode form, letter case and line ends."""
        return self.normalisation(text)

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids; needs the tokenizers library."""
        words: list[str] = pattern(WORDS).findall(self.normalise(text))
        known = self._words
        missing = [word for word in dict.fromkeys(words) if word not in known]
        if missing:
            if len(known) > CACHED:
                known = {word: known[word] for word in words if word in known}
            model = self._library_model()
            known |= {word: [token.id for token in model.tokenize(_spelling(word.encode()))] for word in missing}
            self._words = known
        ids = chain.from_iterable(map(known.__getitem__, words))
        return np.fromiter(ids, dtype=np.int64)  # (T,)

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return BytesDecoder(self._written, STOP)

    def bytes_of(self, id: int) -> bytes | None:
        """What a token writes; None for <s>."""
        return self._written.get(id)

    def token(self, id: int) -> str:
        """One id as shown to a user: text, or <c3> for a byte that is part of a character."""
        if id == STOP:
            return "<s>"
        if id not in self._written:
            raise out_of_range(id, len(self))
        return shown(self._written[id])

    def unknown(self, text: str) -> list[str]:
        """Nothing: each byte has its id."""
        return []

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "level": self.level,
            "normalisation": self.normalisation.to_json(),
            "merges": [list(merge) for merge in self.merges],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation", "merges"))
        merges: list[Merge] = []
        for pair in items(data, "merges"):
            if type(pair) is not list or len(pair) != 2 or any(type(id) is not int for id in pair):
                raise ParrotletError(f"tokenizer field merges holds {reprlib.repr(pair)}, not a pair of ids")
            merges.append((pair[0], pair[1]))
        if len(set(merges)) != len(merges):
            raise ParrotletError("tokenizer field merges holds a pair twice")
        return cls(merges, Normalisation.from_json(data.get("normalisation")))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Learns merges until the vocabulary has ``settings.size`` tokens (2000), <s> and the bytes among them."""
        size, least = settings.size or DEFAULT_SIZE, len(BYTES) + 1
        if size < least:
            raise UsageError(f"tokenizer.size = {size} is too small for tokenizer.level = 'bpe': {least} at least")
        library = _library()
        split = library.pre_tokenizers.Split(library.Regex(WORDS), "isolated")
        to_bytes = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        learner = library.Tokenizer(library.models.BPE())
        learner.pre_tokenizer = library.pre_tokenizers.Sequence([split, to_bytes])
        trainer = library.trainers.BpeTrainer(
            vocab_size=size - 1,
            min_frequency=settings.min_count or 2,
            show_progress=False,
            special_tokens=[],
            initial_alphabet=list(_alphabet()),
            max_token_length=LONGEST_LEARNT,
        )
        normalisation = Normalisation.of(settings)
        learner.train_from_iterator(map(normalisation, texts), trainer)
        learnt = json.loads(learner.to_str())["model"]["merges"]
        return cls(_merges(learnt), normalisation)

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same tokenizer: it can already write every text."""
        return type(self)(self.merges, self.normalisation)

    def _library_model(self) -> "BPE":
        """The library's model of these merges, built by the first text."""
        if self._model is None:
            spelt = {id: _spelling(data) for id, data in self._written.items()}
            merges = [(spelt[left], spelt[right]) for left, right in self.merges]
            self._model = _library().models.BPE(vocab={text: id for id, text in spelt.items()}, merges=merges)
        return self._model


def _tokens(merges: Iterable[Merge]) -> dict[int, bytes]:
    """Id → bytes; raises ParrotletError where a merge names an id that does not exist yet."""
    written = dict(enumerate(BYTES))
    ids = {data: id for id, data in written.items()}
    total = 0
    for left, right in merges:
        if left not in written or right not in written:
            raise ParrotletError(f"tokenizer field merges joins {left} and {right} before both exist")
        data = written[left] + written[right]
        total += len(data)
        if len(data) > LONGEST_TOKEN or total > MOST_BYTES:
            raise ParrotletError(f"tokenizer field merges makes a token of {len(data)} bytes; that is too long")
        if data not in ids:
            ids[data] = len(ids) + 1
            written[ids[data]] = data
    return written


def _merges(learnt: Iterable[str | Sequence[str]]) -> list[Merge]:
    """The library's merges, pairs of spelt bytes, as pairs of ids."""
    ids = {data: id for id, data in enumerate(BYTES)}
    value_of = {letter: value for value, letter in enumerate(_alphabet())}
    merges = []
    for pair in learnt:
        left, right = (
            bytes(value_of[letter] for letter in part) for part in (pair.split(" ") if isinstance(pair, str) else pair)
        )
        merges.append((ids[left], ids[right]))
        ids.setdefault(left + right, len(ids) + 1)
    return merges


@cache
def _alphabet() -> str:
    """The letter that stands for each byte in the library: itself where it prints, else one from U+0100 on (GPT-2)."""
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return "".join(chr(value if value in prints else next(others)) for value in range(256))


def _spelling(data: bytes) -> str:
    return data.decode("latin-1").translate(_alphabet())


def _library() -> "ModuleType":
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise ParrotletError("level bpe needs: pip install 'parrotlet[bpe]'") from None
    return tokenizers

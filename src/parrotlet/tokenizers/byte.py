"""Bytes: each UTF-8 byte of a text is one id; 256 is <s>."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.decoders import BytesDecoder
from parrotlet.tokenizers.fields import out_of_range, require_only
from parrotlet.tokenizers.normal import Normalisation
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer

BYTES = tuple(bytes((value,)) for value in range(256))
STOP = 256
NEVER = (0xC0, 0xC1, *range(0xF5, 0x100))  # bytes that no UTF-8 text has


class ByteTokenizer(Tokenizer):
    """One id for each byte; nothing to learn."""

    level: ClassVar[str] = "byte"

    def __init__(self, normalisation: Normalisation | None = None) -> None:
        self.normalisation = normalisation or Normalisation()
        self.stop = STOP
        self.unwritable = NEVER
        self.unknown_id = None

    def __len__(self) -> int:
        """Vocabulary size V."""
        return STOP + 1

    def normalise(self, text: str) -> str:
        """Unicode form, letter case and line ends."""
        return self.normalisation(text)

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids."""
        return np.frombuffer(self.normalise(text).encode(), dtype=np.uint8).astype(np.int64)

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        return BytesDecoder(dict(enumerate(BYTES)), STOP)

    def token(self, id: int) -> str:
        """One id as shown to a user: an ASCII character, or <c3> for a byte that is part of one."""
        if not 0 <= id <= STOP:
            raise out_of_range(id, len(self))
        return "<s>" if id == STOP else shown(BYTES[id])

    def unknown(self, text: str) -> list[str]:
        """Nothing: each byte has its id."""
        return []

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"level": self.level, "normalisation": self.normalisation.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads untrusted data; raises ParrotletError."""
        require_only(data, cls.level, ("normalisation",))
        return cls(Normalisation.from_json(data.get("normalisation")))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Learns nothing; the texts are not read."""
        return cls(Normalisation.of(settings))

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same tokenizer: it already knows every byte."""
        return type(self)(self.normalisation)


def shown(data: bytes) -> str:
    """Bytes as text where they are text, <c3> for each byte elsewhere."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(chr(value) if value < 0x80 else f"<{value:02x}>" for value in data)

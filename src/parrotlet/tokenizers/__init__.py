"""Tokenizers: text and a level come in, ids go out, and back; TOKENIZERS names the levels."""

from collections.abc import Iterable, Mapping
from typing import Any

from parrotlet.errors import ParrotletError, UsageError, nearest
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.bpe import BpeTokenizer
from parrotlet.tokenizers.byte import ByteTokenizer
from parrotlet.tokenizers.char import CharTokenizer
from parrotlet.tokenizers.protocol import Decoder, IdArray, Tokenizer, first_ids
from parrotlet.tokenizers.symbol import SymbolTokenizer
from parrotlet.tokenizers.textgenrnn_word import TextgenrnnWordTokenizer
from parrotlet.tokenizers.word import WordTokenizer

__all__ = ["TOKENIZERS", "Decoder", "IdArray", "Tokenizer", "first_ids", "load_tokenizer", "train_tokenizer"]

TOKENIZERS: dict[str, type[Tokenizer]] = {
    "char": CharTokenizer,
    "word": WordTokenizer,
    "byte": ByteTokenizer,
    "bpe": BpeTokenizer,
    "symbol": SymbolTokenizer,
    "textgenrnn-word": TextgenrnnWordTokenizer,
}


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Learns a tokenizer of the settings' level from pieces of text, read once."""
    if settings.level not in TOKENIZERS:
        raise UsageError(f"tokenizer.level is {settings.level!r}; {nearest(settings.level, TOKENIZERS)}")
    return TOKENIZERS[settings.level].train([texts] if isinstance(texts, str) else texts, settings)


def load_tokenizer(data: Mapping[str, Any]) -> Tokenizer:
    """Rebuilds a tokenizer from its JSON, which may come from anyone; raises ParrotletError."""
    level = data.get("level") if isinstance(data, Mapping) else None
    if not isinstance(level, str):
        raise ParrotletError("this is not a tokenizer: it names no level")
    if level not in TOKENIZERS:
        raise ParrotletError(f"tokenizer level is {level[:40]!r}; {nearest(level[:40], TOKENIZERS)}")
    return TOKENIZERS[level].from_json(data)

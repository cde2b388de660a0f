"""What every tokenizer promises: text comes in and ids go out, and ids come in and text goes out as it is decided."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from parrotlet.settings import TokenizerSettings

IdArray = NDArray[np.int64]


class Decoder(Protocol):
    """Writes ids as text while they arrive.

    It remembers what is not decided yet (half a code point, a blank between symbols), so a writer that continues a
    prompt first pushes the prompt's ids and drops what they write.
    """

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids decide, in any number, after all ids pushed before; an id out of range raises."""
        ...

    def flush(self) -> str:
        """What was still pending at the end; the decoder may be used on."""
        ...


class Tokenizer(Protocol):
    """Text to ids and back.

    Laws: ``decode(encode(t)) == normalise(t)`` for every text without ``unknown`` symbols where ``unknown_id`` is
    set, and for every text where it is None; ``normalise`` is idempotent; the pieces of ``stream`` join to
    ``decode``; ``encode`` accepts any text, gives ids below ``len`` and never the stop id.
    """

    level: ClassVar[str]
    stop: int  # id of <s>: begins and ends each document
    stop_learned: bool = True  # False: an imported model whose training never had <s>
    unwritable: tuple[int, ...]  # ids that must never be drawn; the stop id is not among them
    unknown_id: int | None  # id of <unk>; None where every symbol can be spelt (or is skipped on request)

    def __len__(self) -> int:
        """Vocabulary size V."""
        ...

    def normalise(self, text: str) -> str:
        """The text as the model sees it: Unicode form, letter case, line ends and, by level, blanks."""
        ...

    def encode(self, text: str) -> IdArray:
        """Any text as (T,) int64 ids below V; normalises by itself and adds no stop id."""
        ...

    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text that the ids write; <s> and <unk> write nothing; an id out of range raises ParrotletError."""
        decoder = self.decoder()
        return decoder.push(ids) + decoder.flush()

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """One piece of text for each id (it may be empty) and a last one if something was pending."""
        decoder = self.decoder()
        for one in ids:
            yield decoder.push((one,))
        if last := decoder.flush():
            yield last

    def token(self, id: int) -> str:
        """One id as shown to a user: 'a', ' the', '<s>', '<unk>'; an id out of range raises ParrotletError."""
        ...

    def unknown(self, text: str) -> list[str]:
        """The distinct symbols of a text that have no id of their own, in order of appearance."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data that ``from_json`` reads; the level stands under "level"."""
        ...

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds from untrusted data; anything out of order raises ParrotletError."""
        ...

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Learns from pieces of text, read once and never held together in memory."""
        ...

    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """The same tokenizer with new tokens of these texts at its end; old ids keep their meaning.

        At most ``settings.size`` new tokens are taken; normalisation stays as it was. ``stop_learned`` is true after
        it: the training on these texts reads <s>.
        """
        ...


def first_ids(tokenizer: Tokenizer) -> IdArray:
    """What a network reads before the first token of a text that nothing precedes, (1,) int64.

    This is <s>; where it was never learned <unk>, else a line end, else a space, else the first symbol.
    """
    if tokenizer.stop_learned:
        return np.array([tokenizer.stop], dtype=np.int64)
    if tokenizer.unknown_id is not None:
        return np.array([tokenizer.unknown_id], dtype=np.int64)
    for symbol in ("\n", " "):
        ids = np.asarray(tokenizer.encode(symbol), dtype=np.int64)
        if len(ids) == 1 and tokenizer.decode(ids) == symbol:
            return ids
    special = {tokenizer.stop, *tokenizer.unwritable}
    return np.array([next(id for id in range(len(tokenizer)) if id not in special)], dtype=np.int64)

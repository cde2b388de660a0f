"""A writer and textgenrnn's way to ask for texts come in: a prefix, temperatures in turn, a length; texts go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parrotlet.errors import UsageError, whole_number
from parrotlet.settings import HOTTEST
from parrotlet.writer import Writer

Temperature = float | Sequence[float | None] | None

CYCLE: list[float] = [1.0, 0.5, 0.2, 0.2]
LONGEST = 10_000_000


def random_seed() -> int:
    """A seed from numpy's global numbers, so that ``np.random.seed`` repeats a script's texts as it used to."""
    return int(np.random.randint(0, 2**31 - 1))


def cycle_of(temperature: Temperature) -> list[float]:
    """Temperatures to take in turn; None is 0, as it was. Raises UsageError."""
    told = f"temperature = {temperature!r}"
    given = temperature if isinstance(temperature, Sequence) and not isinstance(temperature, str) else [temperature]
    if not len(given):
        raise UsageError(f"{told} holds none: give a number or a list such as [1.0, 0.5, 0.2, 0.2]")
    try:
        cycle = [0.0 if each is None else float(each) for each in given]
    except (TypeError, ValueError):
        raise UsageError(f"{told} is neither a number nor a list of numbers") from None
    if not all(0 <= each <= HOTTEST for each in cycle):
        raise UsageError(f"{told} is not allowed: a temperature is from 0 to {HOTTEST:g}")
    return cycle


@dataclass(frozen=True)
class Ask:
    """What is asked for, checked. ``max_gen_length`` counts the tokens of a text, its ``<s>`` and prefix included."""

    prefix: str
    cycle: Sequence[float]
    max_gen_length: int

    @classmethod
    def of(cls, prefix: str | None, temperature: Temperature, max_gen_length: int) -> "Ask":
        if not isinstance(prefix, str | None):
            raise UsageError(f"prefix must be a text, not {type(prefix).__name__}")
        max_gen_length = whole_number("max_gen_length", max_gen_length, 0, LONGEST)
        return cls(prefix or "", cycle_of(temperature), max_gen_length)

    def tokens(self, writer: Writer) -> int:
        """How many tokens of the text there are before the first new one, ``<s>`` among them."""
        chars = writer.settings.tokenizer.level == "char"
        known = len(self.prefix) if chars else len(writer.tokenizer.encode(self.prefix))
        return known + (writer.card.form == "lines")

    def left(self, writer: Writer) -> int:
        """How many new tokens there may be."""
        return max(0, self.max_gen_length - self.tokens(writer))

    def rules(self, writer: Writer) -> dict[str, Any]:
        """The temperatures from the first new token on: textgenrnn takes them by the place in the whole text."""
        first = max(0, self.tokens(writer) - 1) % len(self.cycle)
        return {"temperature_cycle": (*self.cycle[first:], *self.cycle[:first])}


def write_texts(writer: Writer, n: int, ask: Ask) -> list[str]:
    """``n`` texts, each with its prefix.

    A model of one long text that begins from nothing has to find its way: as in textgenrnn, what it writes before its
    context is full is left out.
    """
    if n == 0:
        return []
    context = writer.settings.network.context or 1
    unsure = context - 1 if writer.card.form == "text" and not ask.prefix else 0
    length = ask.left(writer) + unsure
    texts = writer.generate(n, ask.prefix, length=length, seed=random_seed(), **ask.rules(writer))
    return [_without(writer, text, unsure) for text in texts]


def _without(writer: Writer, text: str, tokens: int) -> str:
    if not tokens or writer.settings.tokenizer.level == "char":
        return text[tokens:]
    return writer.tokenizer.decode(writer.tokenizer.encode(text)[tokens:])

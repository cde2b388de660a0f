"""Several models come in; texts that they write in turns, each until it ends a word, go out: synthesize."""

import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parrotlet.compat.options import WORD_LEVELS, named
from parrotlet.compat.telling import say
from parrotlet.compat.texts import Ask, Temperature, random_seed
from parrotlet.errors import ParrotletError, UsageError, whole_number
from parrotlet.writer import Writer

if TYPE_CHECKING:
    from parrotlet.compat.textgenrnn import textgenrnn

SYNTHESIS: list[float] = [0.5, 0.2, 0.2]
STOPS: list[str] = [" ", "\n"]
USUAL_TURN = 8  # tokens that most words take


@named()
def synthesize(
    textgens: "Sequence[textgenrnn]",
    n: int = 1,
    return_as_list: bool = False,
    prefix: str = "",
    temperature: Temperature = SYNTHESIS,
    max_gen_length: int = 300,
    progress: bool = True,
    stop_tokens: Sequence[str] | None = STOPS,
) -> list[str] | None:
    """``n`` texts that the models write in turns, in an order drawn anew for each text.

    A turn ends with a token of ``stop_tokens``; at word level, or where there are none, with every token. A model that
    is listed twice has two turns. The models may have different vocabularies. Prints the texts, or returns them.
    """
    if not isinstance(textgens, Sequence) or not textgens:
        raise UsageError("textgens must be a list of at least one model: [textgen_1, textgen_2]")
    writers = [textgen.writer for textgen in textgens]
    texts = []
    for _ in range(whole_number("n", n, 0)):
        order = random.sample(writers, len(writers))
        texts.append(_in_turns(order, Ask.of(prefix, temperature, max_gen_length), tuple(stop_tokens or ())))
        if not return_as_list:
            say(f"{texts[-1]}\n")
    return texts if return_as_list else None


@named("n", "prefix", "temperature", "max_gen_length", "progress", "stop_tokens")
def synthesize_to_file(
    textgens: "Sequence[textgenrnn]", destination_path: str | os.PathLike[str], **kwargs: Any
) -> None:
    """Texts of ``synthesize``, which takes the other options, one a line, in UTF-8."""
    write_lines(destination_path, synthesize(textgens, return_as_list=True, **kwargs) or [])


def write_lines(path: str | os.PathLike[str], texts: Sequence[str]) -> None:
    """One text a line; a text that has line ends of its own takes several, as it did."""
    try:
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{text}\n" for text in texts)
    except OSError as error:
        raise ParrotletError(f"{os.fspath(path)}: it can not be written ({error.strerror or error})") from None


def _in_turns(order: Sequence[Writer], ask: Ask, stops: tuple[str, ...]) -> str:
    turn, ended = 0, False
    while not ended:
        ask, ended = _turn(order[turn % len(order)], ask, stops)
        turn += 1
    return ask.prefix


def _turn(writer: Writer, ask: Ask, stops: tuple[str, ...]) -> tuple[Ask, bool]:
    """The text after a model's turn, and whether it is at its end."""
    left, level = ask.left(writer), writer.settings.tokenizer.level
    end = writer.tokenizer.token(writer.tokenizer.stop)
    if not left:
        return ask, True
    if level == "char":
        stops = tuple(stop for stop in stops if len(stop) == 1)  # others are no token of such a model
    by_token = not stops or level in WORD_LEVELS
    seed, length = random_seed(), 1 if by_token else USUAL_TURN
    while True:
        text = writer.texts(
            1,
            ask.prefix,
            length=min(length, left),
            seed=seed,
            stop=() if by_token else stops,
            probabilities=True,
            **ask.rules(writer),
        )[0]
        last = text.probabilities[-1][0] if text.probabilities else ""
        at_end = text.tokens >= left or last == end
        # A token may write nothing by itself, such as a part of a symbol: then the turn goes on.
        shown = text.text != ask.prefix and not text.text.endswith("\ufffd")
        if at_end or (shown if by_token else text.finish == "stop"):
            break
        length = length + 1 if by_token else 2 * length  # the same seed: it begins with the same tokens
    # A stop string ends a text before it; here it belongs to the text.
    found = [last.find(stop) for stop in stops if stop in last and text.finish == "stop" and last != end]
    return Ask(text.text + (last[min(found) :] if found else ""), ask.cycle, ask.max_gen_length), at_end

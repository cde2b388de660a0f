"""Several models come in; a text that they write in turns goes out, piece by piece."""

import random
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from parrotlet.cowriting import first_sentence
from parrotlet.ensembles import checked_weights
from parrotlet.errors import UsageError, nearest, whole_number
from parrotlet.sampling import Rules
from parrotlet.settings import check
from parrotlet.writer import Writer

TAIL = 2000  # last characters that a model reads before its turn
LONGEST_TURN = 200  # tokens
Turn = Literal["word", "sentence", "line"]
WORD = re.compile(r"\s*\S+\s")


def in_turns(
    writers: Sequence[Writer],
    prompt: str = "",
    *,
    length: int = 300,
    turn: Turn = "word",
    weights: Sequence[float] | None = None,
    seed: int | None = None,
    **rules: Any,
) -> Iterator[str]:
    """The pieces of a text that several models write in turns, the prompt first, each a word, a sentence or a line.

    ``length``: the most new characters. Without ``weights`` each has its turn after the other; with them who is next is
    drawn. The vocabularies may differ. A text ends where the model whose turn it is ends it. ``min_length`` and
    ``temperature_cycle`` count the tokens of the whole text, each as its writer's own. Raises UsageError at once where
    something is wrong.
    """
    shares = checked_weights(writers, weights)
    if turn not in TURNS:
        raise UsageError(f"turn {turn!r} is not known: {nearest(str(turn), TURNS)}")
    length = whole_number("length", length, 0, of="characters")
    check(Rules, {name: value for name, value in rules.items() if name not in ("stop", "novel", "rule")})
    for writer in writers:
        writer.texts(1, prompt[-TAIL:], length=0, seed=seed, **{**rules, "min_length": 0})  # a wrong call fails here
    return _turns(writers, prompt, length, TURNS[turn], None if weights is None else shares, seed, rules)


def _turns(
    writers: Sequence[Writer],
    prompt: str,
    length: int,
    end: Callable[[str], str],
    weights: Sequence[float] | None,
    seed: int | None,
    rules: dict[str, Any],
) -> Iterator[str]:
    seed = secrets.randbits(32) if seed is None else seed
    random_order, text, number, given, tokens = random.Random(seed), prompt, 0, 0, 0
    while (left := length + len(prompt) - len(text)) > 0:
        # Blanks are held back: a model that writes its own before a word takes back those of the one before.
        held = len(text.rstrip(" \t"))
        if given < held:
            yield text[given:held]
            given = held
        ruled = {**rules, "min_length": min(LONGEST_TURN, max(0, rules.get("min_length", 0) - tokens))}
        if cycle := tuple(rules.get("temperature_cycle") or ()):
            ruled["temperature_cycle"] = (*cycle[tokens % len(cycle) :], *cycle[: tokens % len(cycle)])
        who = number % len(writers) if weights is None else random_order.choices(range(len(writers)), weights)[0]
        tail = text[-TAIL:]
        written = writers[who].texts(1, tail, length=LONGEST_TURN, seed=(seed + number) % 2**63, **ruled)[0]
        piece = end(written.new)[:left]
        if not piece:
            break
        before, text = len(text), text[: len(text) - len(tail)] + written.prompt + piece
        number += 1
        tokens += len(writers[who].tokenizer.encode(piece))
        if len(text) <= before:  # a blank that the next model drops and writes again
            break
        if written.finish == "stop" and piece == written.new:
            break
    if given < len(text):
        yield text[given:]


def _word(text: str) -> str:
    """The beginning of a text up to the end of its first word and the blank after it."""
    found = WORD.match(text)
    return found[0] if found else text


def _line(text: str) -> str:
    return text[: text.find("\n", len(text) - len(text.lstrip("\n"))) + 1] or text


TURNS: dict[str, Callable[[str], str]] = {"word": _word, "sentence": first_sentence, "line": _line}

"""A text in tokens comes in; what can be said of each token by looking at the text alone goes out.

A hidden unit that follows one of these has learned it (parrotlet.inside).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def traits(tokens: Sequence[str]) -> dict[str, Floats]:
    """What can be said of each token's last character by looking at the text alone, by name: (T,) each."""
    text = "".join(tokens)
    ends = np.cumsum([len(token) for token in tokens]) - 1
    return {name: np.array(look(text), np.float64)[np.maximum(ends, 0)] for name, look in TRAITS.items()}


def _inside_quotes(text: str) -> list[float]:
    found, inside = [], False
    for sign in text:
        inside = not inside if sign == '"' else (sign == "“" or (inside and sign != "”"))
        found.append(float(inside))
    return found


def _inside_brackets(text: str) -> list[float]:
    found, depth = [], 0
    for sign in text:
        depth = max(0, depth + (sign in "([{") - (sign in ")]}"))
        found.append(float(depth > 0))
    return found


def _since(pattern: str) -> Callable[[str], list[float]]:
    """How many characters ago a sign stood, in steps that grow smaller."""

    def look(text: str) -> list[float]:
        found, count = [], 0
        for sign in text:
            count = 0 if re.match(pattern, sign) else count + 1
            found.append(math.log1p(count))
        return found

    return look


def _where(holds: Callable[[str], bool]) -> Callable[[str], list[float]]:
    return lambda text: [float(holds(sign)) for sign in text]


def _line_end_next(text: str) -> list[float]:
    return [float(sign == "\n") for sign in text[1:]] + [0.0]


def _sentence_end_next(text: str) -> list[float]:
    return [float(sign in ".!?") for sign in text[1:]] + [0.0]


TRAITS: Mapping[str, Callable[[str], list[float]]] = {
    "inside quotes": _inside_quotes,
    "inside brackets": _inside_brackets,
    "at a line end": _where(lambda sign: sign == "\n"),
    "a line end comes next": _line_end_next,
    "how far into the line": _since(r"\n"),
    "how far into the sentence": _since(r"[.!?]"),
    "how far into the word": _since(r"\W"),
    "the end of a sentence comes next": _sentence_end_next,
    "between words": _where(str.isspace),
    "capital letters": _where(str.isupper),
    "digits": _where(str.isdigit),
    "vowels": _where(lambda sign: sign.lower() in "aeiou"),
}

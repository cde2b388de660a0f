"""Patterns over Unicode text: a normalised text comes in, its clusters or its words with their spacing go out.

The clusters are those of Unicode Standard Annex 29 (rules GB3 to GB13), written as one regular expression that takes
linear time: ``\\X`` of the regex library gives the same but counts back over a row of flags, quadratic in its length.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regex import Pattern


def _break(*names: str) -> str:
    return "".join(rf"\p{{GCB={name}}}" for name in names)


_CONTROL = rf"{_break('Control')}\r\n"
_HANGUL = (
    rf"{_break('L')}*+(?:{_break('LV')}{_break('V')}*+|{_break('V')}++|{_break('LVT')}){_break('T')}*+"
    rf"|{_break('L')}++|{_break('T')}++"
)
_PICTURE = r"\p{Extended_Pictographic}"
_PICTURES = rf"{_PICTURE}(?:{_break('Extend')}*+{_break('ZWJ')}{_PICTURE})*+"
_FLAG = rf"{_break('Regional_Indicator')}{{1,2}}+"
_AFTER = rf"[{_break('Extend', 'ZWJ', 'SpacingMark')}]"
_PLAIN = rf"[{_break('Other')}--{_PICTURE}]"
_CORE = rf"(?:{_PLAIN}|{_HANGUL}|{_FLAG}|{_PICTURES})"
CLUSTER = (
    rf"(?:{_PLAIN}{_AFTER}*+|\r\n|[{_CONTROL}]"
    rf"|{_break('Prepend')}*+{_CORE}{_AFTER}*+|{_break('Prepend')}++{_AFTER}*+|{_AFTER}++)"
)

# A word: letters, marks and digits; an apostrophe or hyphen between two letters and a point or comma between two digits
# belong to it. Han and Hiragana are written without blanks, so each of their symbols is a token of its own.
LETTER = r"[[\p{L}\p{M}\p{N}\u200c\u200d]--[\p{Han}\p{Hiragana}]]"
_INNER = r"(?:(?<=[\p{L}\p{M}])['’\-‐‑](?=\p{L})|(?<=\p{Nd})[.,](?=\p{Nd}))"
WORD = rf"{LETTER}++(?:{_INNER}{LETTER}++)*+"
# A space never stays with what stands before it, therefore no symbol begins with a Prepend character.
TOKEN = rf"\n| ?(?:{WORD}|(?!{_break('Prepend')}){CLUSTER}|\S)"
# The same for ASCII, where each symbol is a cluster and the standard library is quicker.
ASCII_TOKEN = re.compile(
    r"\n| ?(?:[A-Za-z0-9]+(?:(?:(?<=[A-Za-z])['-](?=[A-Za-z])|(?<=[0-9])[.,](?=[0-9]))[A-Za-z0-9]+)*|[^ \n])"
)
PUNCTUATION = r"[\p{P}$+<=>\^`|~]"


@cache
def pattern(source: str) -> "Pattern[str]":
    """The compiled pattern; the regex library is loaded with the first one."""
    import regex

    return regex.compile(source, regex.V1)


def clusters(text: str) -> list[str]:
    """The user-perceived characters of a text without ``\\r``; they join to it."""
    return _line_by_line(text, list, pattern(CLUSTER).findall)


def spaced_tokens(text: str) -> list[str]:
    """The tokens of a single-spaced text, each with the space before it; they join to it."""
    return _line_by_line(text, ASCII_TOKEN.findall, pattern(TOKEN).findall)


def _line_by_line(text: str, plain: Callable[[str], list[str]], general: Callable[[str], list[str]]) -> list[str]:
    """What ``general`` finds, by the quicker ``plain`` where a line is ASCII; a line end always stands alone."""
    if text.isascii():
        return plain(text)
    found: list[str] = []
    for line in text.split("\n"):
        found += plain(line) if line.isascii() else general(line)
        found.append("\n")
    return found[:-1]

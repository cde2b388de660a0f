"""Checks of a tokenizer's JSON: untrusted data comes in, values of known type and size or one clear error go out."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from parrotlet.errors import ParrotletError, nearest

MOST_TOKENS = 1 << 20  # of one vocabulary
LONGEST_TOKEN = 256  # characters (bpe: bytes) of one token


def require_only(data: Mapping[str, Any], level: str, names: Sequence[str]) -> None:
    """Refuses data of another level and names that are not known, so that nothing is dropped in silence."""
    if data.get("level") != level:
        raise ParrotletError(f"tokenizer level is {reprlib.repr(data.get('level'))}, not {level!r}")
    for name in data:
        if name != "level" and name not in names:
            raise ParrotletError(f"{level} tokenizer has an unknown field {reprlib.repr(name)}")


def text_of(value: object, name: str) -> str:
    """A string that can be written as UTF-8 (no lone surrogates)."""
    if type(value) is not str:
        raise ParrotletError(f"tokenizer field {name} holds {reprlib.repr(value)}, which is not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ParrotletError(f"tokenizer field {name} holds {reprlib.repr(value)}: not valid Unicode") from None
    return value


def choice(data: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    """One of a few names."""
    value = text_of(data.get(name), name)
    if value not in choices:
        hint = nearest(value[:LONGEST_TOKEN], choices)
        raise ParrotletError(f"tokenizer field {name} is {reprlib.repr(value)}; {hint}")
    return value


def flag(data: Mapping[str, Any], name: str) -> bool:
    """A JSON true or false."""
    value = data.get(name)
    if type(value) is not bool:
        raise ParrotletError(f"tokenizer field {name} is {reprlib.repr(value)}, not true or false")
    return value


def items(data: Mapping[str, Any], name: str) -> list[Any]:
    """A list of at most MOST_TOKENS members."""
    value = data.get(name)
    if type(value) is not list:
        raise ParrotletError(f"tokenizer field {name} is {reprlib.repr(value)}, not a list")
    if len(value) > MOST_TOKENS:
        raise ParrotletError(f"tokenizer field {name} has {len(value)} members; at most {MOST_TOKENS} are allowed")
    return value


def tokens(data: Mapping[str, Any], name: str) -> list[str]:
    """A list of distinct strings of 1 to LONGEST_TOKEN characters."""
    found = [text_of(value, name) for value in items(data, name)]
    for token in found:
        if not 0 < len(token) <= LONGEST_TOKEN:
            raise ParrotletError(f"tokenizer field {name} holds a token of {len(token)} characters")
    if len(set(found)) != len(found):
        raise ParrotletError(f"tokenizer field {name} holds a token twice")
    return found


def out_of_range(id: object, size: int) -> ParrotletError:
    """The error for an id that no token has."""
    return ParrotletError(f"token id {reprlib.repr(id)} is not below the vocabulary size {size}")

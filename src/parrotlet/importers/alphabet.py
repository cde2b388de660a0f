"""The text, alphabet or word index that a Keras model was trained with comes in; what its classes stand for goes out.

The file of a model does not say it, so the number of classes decides between the ways in which the lessons make it.
"""

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from parrotlet.container import open_container, parse_json
from parrotlet.corpus.encodings import detect
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.importers.vocabulary import (
    PADDING_NAMES,
    STOP,
    UNKNOWN_NAMES,
    Meaning,
    are_words,
    counted,
    mostly_words,
    punctuation_of,
)

Path = str | os.PathLike[str]
Alphabet = Path | Sequence[str] | Mapping[str, int]
MOST_BYTES = 1 << 30  # of a text
MOST_ALPHABET_BYTES = 64 << 20


@dataclass(frozen=True)
class Reading:
    """The symbols of a text as one program reads it, with what that program does to the text."""

    symbols: frozenset[str]
    told: str = ""
    lowercase: bool = False
    blank_ends: bool = False


def meaning_of(count: int, file: str, text: Path | None, alphabet: Alphabet | None, masked: bool) -> Meaning:
    """What the ``count`` classes of the model in ``file`` stand for; ``masked``: class 0 is passed over when read.

    Raises UsageError where both a text and an alphabet are given, ParrotletError where neither is or where it has
    another number of symbols.
    """
    if text is not None and alphabet is not None:
        raise UsageError("give --text or --alphabet, not both")
    if text is not None:
        return _of_text(text, count, masked)
    if alphabet is not None:
        return _of_alphabet(alphabet, count, masked)
    raise ParrotletError(
        f"{file} has {count} classes but does not say which symbols they are: give --text FILE (what it was trained "
        f"on) or --alphabet FILE (a JSON list or object of its {counted(count, 'symbol')})"
    )


def read_bytes(path: Path, limit: int = MOST_ALPHABET_BYTES) -> bytes:
    """A file of bounded size."""
    with open_container(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ParrotletError(f"{os.fspath(path)} is larger than {limit >> 20} MB")
    return data


def read_json(path: Path) -> Any:
    """The data of a JSON file of bounded size."""
    return parse_json(read_bytes(path).removeprefix(b"\xef\xbb\xbf"), os.fspath(path))


def _of_text(path: Path, count: int, masked: bool) -> Meaning:
    """The sorted symbols of the text, or of what the lessons make of it, by how many there are."""
    name = os.fspath(path)
    raw = read_bytes(path, MOST_BYTES)
    codec = detect(name, lambda: io.BytesIO(raw)).codec
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        raise ParrotletError(f"{name}: it is not {codec} throughout") from None
    readings = list(_readings(text))
    for blank_ends in (False, True):  # a text as it is goes before what a lesson made of it
        found: dict[int, Reading] = {}
        for each in readings:
            if each.blank_ends == blank_ends:
                found.setdefault(len(each.symbols), each)
        for first in (1,) if masked else (0, 1):
            if reading := found.get(count - first):
                return _as_read(reading, os.path.basename(name), first, masked)
    sizes: dict[int, str] = {}
    for each in readings:
        size = len(each.symbols)
        sizes.setdefault(size, f"{size}{each.told}" if each.told else counted(size, "different symbol"))
    told = ", ".join(sizes.values())
    raise ParrotletError(f"the model has {counted(count, 'class')}, but {name} has {told}: it is another text")


def _as_read(reading: Reading, name: str, first: int, masked: bool) -> Meaning:
    """The sorted symbols from class ``first`` on."""
    notes = [f"the alphabet is the {counted(len(reading.symbols), 'sorted symbol')} of {name}{reading.told}"]
    if reading.blank_ends:
        notes.append("so a line end in a prompt is read as a blank too")
    meaning = _meaning(dict(enumerate(sorted(reading.symbols), first)), masked, tuple(notes))
    return replace(meaning, lowercase=reading.lowercase, blank_ends=reading.blank_ends)


def _readings(text: str) -> Iterator[Reading]:
    """The symbols of a text as different programs read it."""
    for lowercase, told in ((False, ""), (True, " in lower case")):
        marked = frozenset(text.lower() if lowercase else text)
        symbols = marked - {"\ufeff"}
        yield Reading((symbols - {"\r"}) | ({"\n"} if "\r" in symbols else set()), told, lowercase)
        yield Reading(symbols, f"{told} with carriage returns", lowercase)
        yield Reading(marked - {"\r"}, f"{told} with a byte order mark", lowercase)
        yield Reading(marked, f"{told} with a byte order mark and carriage returns", lowercase)
        if symbols & {"\n", "\r"}:  # keras.io's lesson: text.lower().replace("\n", " ")
            blank = symbols - {"\n", "\r"} | {" "}
            yield Reading(blank, f"{told} with line ends made blanks", lowercase, blank_ends=True)


def _of_alphabet(alphabet: Alphabet, count: int, masked: bool) -> Meaning:
    """A list in the order of the classes, or the class of each symbol."""
    name = "the alphabet"
    data: Any = alphabet
    if isinstance(alphabet, str | os.PathLike):
        name = os.path.basename(os.fspath(alphabet))
        raw = read_bytes(alphabet).removeprefix(b"\xef\xbb\xbf")
        is_json = raw.lstrip()[:1] in (b"{", b"[") and len(raw.strip()) > 2
        data = parse_json(raw, name) if is_json else _plain(raw, name, count)
    options: Mapping[str, Any] = {}
    if isinstance(data, Mapping) and data.get("class_name") == "Tokenizer":
        options = data["config"] if isinstance(data.get("config"), Mapping) else {}
        data = parse_json(str(options.get("word_index")), f"the word_index of {name}")
    if isinstance(data, Mapping):
        tokens, notes = _numbered(data, name, count)
    else:
        tokens, notes = _listed(data, name, count)
    meaning = _meaning(tokens, masked, notes)
    if options.get("lower") in (True, False):
        meaning = replace(meaning, lowercase=bool(options["lower"]))
    if meaning.words and options.get("filters") == "":
        meaning = replace(meaning, punctuation="keep")
    return meaning


def _plain(raw: bytes, name: str, count: int) -> list[str]:
    """The symbols of a text file that lists each once, side by side or one a line."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ParrotletError(f"{name}: an alphabet is JSON or UTF-8 text") from None
    for symbols in (list(text), list(text.removesuffix("\n")), text.split("\n"), text.removesuffix("\n").split("\n")):
        if len(symbols) in (count, count - 1) and len(set(symbols)) == len(symbols):
            return symbols
    return list(dict.fromkeys(text))


def _listed(data: Any, name: str, count: int) -> tuple[dict[int, str], tuple[str, ...]]:
    if not isinstance(data, list | tuple) or not all(isinstance(token, str) for token in data):
        raise ParrotletError(f"{name}: an alphabet is a list of symbols or the number of each symbol")
    if len(set(data)) != len(data):
        raise ParrotletError(f"{name} lists a symbol twice")
    if len(data) not in (count, count - 1):
        raise _other_count(count, name, len(data))
    return dict(enumerate(data, count - len(data))), ()


def _numbered(data: Mapping[str, Any], name: str, count: int) -> tuple[dict[int, str], tuple[str, ...]]:
    """The token of each class; of two with the same number the last counts, as when Python turns a dict around."""
    if data and all(isinstance(value, str) for value in data.values()):  # from the number to the symbol
        data = {token: int(key) if re.fullmatch("[0-9]{1,9}", key) else -1 for key, token in data.items()}
    if not data or not all(type(number) is int and number >= 0 for number in data.values()):
        raise ParrotletError(f"{name}: it does not give each symbol a number")
    tokens = {number: token for token, number in sorted(data.items(), key=lambda item: item[1])}
    words = mostly_words(tokens.values())
    if words and min(tokens) == 1 and max(tokens) >= count:  # as num_words of Keras' Tokenizer does
        kept = {number: token for number, token in tokens.items() if number < count}
        return kept, (f"of {counted(len(tokens), 'word')} the first {len(kept)} are the model's",)
    if min(tokens) > 1 or max(tokens) != count - 1:
        raise _other_count(count, name, len(data))
    return tokens, ()


def _other_count(count: int, name: str, found: int) -> ParrotletError:
    return ParrotletError(
        f"the model has {count} classes, but {name} names {counted(found, 'symbol')}: it belongs to another model"
    )


def _meaning(tokens: Mapping[int, str], masked: bool, notes: tuple[str, ...]) -> Meaning:
    """Finds the special classes among the tokens and tells how they are taken."""
    classes = {token: number for number, token in tokens.items()}
    unknown = next((classes[name] for name in UNKNOWN_NAMES if name in classes), None)
    padding = named = next((classes[name] for name in PADDING_NAMES if name in classes), None)
    told = list(notes)
    if 0 not in tokens:
        padding = 0
        if unknown is None and not masked:
            unknown = 0
        told.append(f"class 0 has no symbol: it is taken for padding{' and for unknown symbols' * (unknown == 0)}")
    elif masked and padding != 0:
        raise ParrotletError(f"the model passes over class 0 (mask_zero), which stands for {tokens[0]!r} here")
    stop = classes.get(STOP, padding if padding != unknown else None)
    ends = named is not None and stop == named and not masked
    if ends:
        told.append(f"class {named} is taken for both padding and the end of a text")
    plain = {number: token for number, token in tokens.items() if number not in (unknown, padding, stop)}
    words = are_words(plain)
    punctuation, how = punctuation_of(plain) if words else ("token", "")
    if words:
        told.append(how)
    letters = "".join(plain.values())
    lowercase = letters != letters.upper() and letters == letters.lower()
    return Meaning(plain, stop, unknown, padding, words, lowercase, punctuation, False, ends, tuple(told))

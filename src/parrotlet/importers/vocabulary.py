"""What an old model's classes stand for comes in, from a vocabulary, a text or an alphabet; a tokenizer goes out.

A class is a row of the old output layer. A tokenizer has its own ids: <s> first, then <unk> where there is one, then
the symbols in the order of their classes; ``Vocabulary.classes`` leads from an id back to its class.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers import Tokenizer
from parrotlet.tokenizers.char import CharTokenizer
from parrotlet.tokenizers.fields import LONGEST_TOKEN
from parrotlet.tokenizers.normal import Normalisation
from parrotlet.tokenizers.textgenrnn_word import PIECES, Punctuation, TextgenrnnWordTokenizer

UNKNOWN_NAMES = ("[UNK]", "<unk>", "<UNK>", "<OOV>", "<oov>", "UNK", "OOV")
PADDING_NAMES = ("", "<pad>", "<PAD>", "[PAD]")
STOP = "<s>"
SPECIAL = {*UNKNOWN_NAMES, *PADDING_NAMES, STOP}
NAMELESS = 0xF0000  # the first code point of those that stand for classes without a token; none has a meaning


@dataclass(frozen=True)
class Meaning:
    """What the classes of an old model stand for."""

    tokens: Mapping[int, str]  # by class; the special classes are not among them
    stop: int | None = None  # the class of <s>
    unknown: int | None = None  # the class of all that is not in the vocabulary
    padding: int | None = None  # the class that fills a window
    words: bool = False
    lowercase: bool = False
    punctuation: Punctuation = "token"
    stop_learned: bool = False
    ends: bool = False  # the class of <s> ends short documents
    notes: tuple[str, ...] = ()
    blank_ends: bool = False  # line ends were made blanks before it learned


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, its settings, and for each of its ids the old class, None where there was none."""

    tokenizer: Tokenizer
    settings: TokenizerSettings
    classes: tuple[int | None, ...]
    notes: tuple[str, ...] = field(default=())


def build_vocabulary(meaning: Meaning, count: int) -> Vocabulary:
    """A tokenizer for ``count`` classes. Classes without a token get a symbol that no text has, and are told."""
    special = {meaning.stop, meaning.unknown}
    others = [each for each in range(count) if each not in special]
    if NAMELESS + count > sys.maxunicode and not meaning.words:
        raise ParrotletError(f"the model tells {count:,} classes apart, which is more than there are symbols for")
    symbols, nameless = [], []
    for each in others:
        token = meaning.tokens.get(each)
        if not usable(token, meaning.words):
            token = chr(NAMELESS + each) if not meaning.words else chr(NAMELESS) + str(each)
            nameless.append(each)
        symbols.append(str(token))
    notes = list(meaning.notes)
    if nameless:
        told = ", ".join(map(str, nameless[:5])) + (" …" if len(nameless) > 5 else "")
        notes.append(
            f"no token is known for {counted(len(nameless), 'class')} ({told}): shown as a symbol without meaning"
        )
    if len(set(symbols)) != len(symbols):
        raise ParrotletError("two classes of the model stand for the same symbol")
    normalisation = Normalisation("none", meaning.lowercase, meaning.blank_ends)
    tokenizer: Tokenizer
    if meaning.words:
        tokenizer = TextgenrnnWordTokenizer(symbols, normalisation, meaning.punctuation, meaning.stop_learned)
        classes = (meaning.stop, meaning.unknown, *others)
    else:
        has_unknown = meaning.unknown is not None
        tokenizer = CharTokenizer(
            symbols, normalisation, False, False, False, has_unknown, stop_learned=meaning.stop_learned
        )
        classes = (meaning.stop, *([meaning.unknown] if has_unknown else []), *others)
    settings = TokenizerSettings(
        level="textgenrnn-word" if meaning.words else "char",
        lowercase=meaning.lowercase,
        normalisation="none",
        punctuation="delete" if meaning.punctuation == "delete" else "token",
    )
    return Vocabulary(tokenizer, settings, classes, tuple(notes))


def counted(number: int, noun: str) -> str:
    """How many of what: 1 class, 2 classes, 3 entries."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} " + (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}{'e' * noun.endswith('s')}s")


def usable(token: str | None, words: bool) -> bool:
    """Whether a tokenizer can hold a token: of one code point, or a word without blanks."""
    if not token or any("\ud800" <= letter <= "\udfff" for letter in token):
        return False
    return (0 < len(token) <= LONGEST_TOKEN and " " not in token) if words else len(token) == 1


def are_words(tokens: Mapping[int, str]) -> bool:
    """A vocabulary of words holds one of several characters."""
    return any(len(token) > 1 for token in tokens.values())


def mostly_words(tokens: Iterable[str]) -> bool:
    """Whether a list can be one of words; some characters of an alphabet may have a name of several letters too."""
    plain = [token for token in tokens if token not in SPECIAL]
    return 4 * sum(len(token) > 1 for token in plain) > len(plain)


def punctuation_of(tokens: Mapping[int, str]) -> tuple[Punctuation, str]:
    """How the lesson cut its words, by what stands in its vocabulary, and the same in words."""
    several = [token for token in tokens.values() if len(token) > 1]
    mixed = sum(PIECES["delete"].fullmatch(token) is None for token in several)
    if mixed > len(several) / 20:
        return "keep", "words are cut at blanks, with their punctuation"
    marks = sum(len(token) == 1 and PIECES["delete"].fullmatch(token) is None for token in tokens.values())
    if marks or mixed:
        return "token", "punctuation marks are tokens of their own"
    return "delete", "punctuation is deleted, as Keras' Tokenizer does"

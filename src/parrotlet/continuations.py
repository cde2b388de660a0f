"""A writer and a text come in; the likeliest ways to go on go out, by whole words at every level."""

import functools
import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from parrotlet.decoding import decoder_after
from parrotlet.generation import CONTEXT, Beginning
from parrotlet.runtime import Runtime, State
from parrotlet.tokenizers import Tokenizer
from parrotlet.tokenizers.breaking import broken_tokens
from parrotlet.tokenizers.clusters import LETTER, WORD, pattern
from parrotlet.tokenizers.symbol import LETTER_MARK
from parrotlet.trace import softmax

MOST_READ = 2000  # beginnings that are read on before the search ends with what it has found
TOGETHER = 16  # of them read side by side
MOST_TOKENS = 60  # of one continuation
MOST_BRANCHES = 1000  # tokens that are followed from one beginning
LEAST_SHARE = 1e-3  # of the likeliest one that was found: what is rarer is not followed
PIECE = rf"\s*(?:{WORD}|\S)"  # a word, or one sign, and the blanks before it
INSIDE = rf"{LETTER}\Z"  # a word that may go on
WITHIN = rf"{LETTER}|['’\-‐‑.,]"  # what may go on with it
HANGING = r"(?:[\p{L}\p{M}]['’\-‐‑]|\p{Nd}[.,])\Z"  # may join what comes to the word before it


@dataclass(frozen=True)
class Continuation:
    """What may come next, and how likely the network holds it (None: it was drawn).

    ``ends``: the text ends there, nothing more comes.
    """

    text: str
    probability: float | None
    ends: bool = False


@dataclass(frozen=True)
class Measured:
    """A text that goes on with another: ``end`` of the pieces that are wanted, where they are settled, else None;
    whether it holds just these, and its last word ``may_grow``; whether it holds any piece."""

    end: int | None
    may_grow: bool = False
    any: bool = True


@dataclass(frozen=True)
class _Open:
    """A beginning of continuations: its ids, its text, and the state before its last id."""

    logarithm: float
    ids: tuple[int, ...]
    text: str
    state: State


class Search:
    """Best first: the likeliest beginning is read on until nothing that is still open can be among the n likeliest."""

    def __init__(
        self, runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, banned: Sequence[int], ends: bool, words: int
    ) -> None:
        self._runtime, self._tokenizer = runtime, tokenizer
        self._begin, self._before = begin, begin.prompt[-CONTEXT:].tolist()
        self._never = [*banned, *([] if ends else [tokenizer.stop])]
        self._goes_on = goes_on(tokenizer)  # type: ignore[arg-type]  # (V,); every tokenizer has a hash
        self._measure: Callable[[str], Measured]
        if tokenizer.level == "symbol":
            self._measure = functools.partial(by_symbols, words=words)
        elif getattr(tokenizer, "breaker", "none") == "icu":
            self._measure = functools.partial(by_dictionary, words=words)
        else:
            inside = begin.shown[-1:] if pattern(INSIDE).search(begin.shown[-1:]) else ""
            self._measure = functools.partial(by_words, words=words, inside=inside)
        self._found: dict[tuple[str, bool], float] = {}
        self._order = count()
        self._heap: list[tuple[float, int, _Open]] = []

    def likeliest(self, n: int) -> list[Continuation]:
        """The ``n`` likeliest continuations, likeliest first."""
        self._expand(_Open(0.0, (), "", self._begin.state), self._begin.logits[0], self._begin.state, n)
        read = 0
        while self._heap and read < MOST_READ and -self._heap[0][0] > self._least(n):
            opened = [heapq.heappop(self._heap)[2] for _ in range(min(TOGETHER, len(self._heap)))]
            read += len(opened)
            ids = np.array([[each.ids[-1]] for each in opened], np.int64)  # (O, 1)
            before = State(np.concatenate([each.state.hidden for each in opened]))
            logits, after = self._runtime.read(ids, before)  # (O, 1, V)
            for row, each in enumerate(opened):
                self._expand(each, logits[row, 0], State(after.hidden[row : row + 1]), n)
        order = sorted(self._found.items(), key=lambda each: (-each[1], each[0]))[:n]
        return [Continuation(text, math.exp(value), ends) for (text, ends), value in order]

    def _least(self, n: int) -> float:
        """How likely a beginning must be to matter: as the n-th that was found, and not very rare beside the first."""
        values = sorted(self._found.values(), reverse=True)
        if not values:
            return -math.inf
        rare = values[0] + math.log(LEAST_SHARE)
        return max(rare, values[n - 1]) if len(values) >= n else rare

    def _expand(self, each: _Open, logits: npt.NDArray[np.float32], state: State, n: int) -> None:
        """Every token that may follow a beginning; those that only end its last word are counted together."""
        chances = softmax(logits)  # (V,)
        chances[self._never] = 0.0
        measured = self._measure(each.text)
        if measured.may_grow:
            self._find(each.text, each.logarithm, float(chances[~self._goes_on].sum()))
            chances[~self._goes_on] = 0.0
        with np.errstate(divide="ignore"):
            values = each.logarithm + np.log(chances)
        least, most = self._least(n), MOST_BRANCHES if len(each.ids) < MOST_TOKENS else 0
        for token in np.argsort(-values, kind="stable")[:most]:
            value = float(values[token])
            if value <= least or value == -math.inf:
                break
            if token == self._tokenizer.stop:
                self._end(each.text, measured, value)
            else:
                self._follow(each, int(token), value, state)

    def _follow(self, each: _Open, token: int, value: float, state: State) -> None:
        """One token more: the continuation is whole, or is to be read on."""
        text = each.text + decoder_after(self._tokenizer, [*self._before, *each.ids]).push((token,))
        if (end := self._measure(text).end) is not None:
            self._find(text[:end], value)
        else:
            heapq.heappush(self._heap, (-value, next(self._order), _Open(value, (*each.ids, token), text, state)))

    def _end(self, text: str, measured: Measured, value: float) -> None:
        """The text ends behind a beginning: nothing is written, too few pieces, or the last word with a joiner."""
        if not measured.any:
            self._find("", value, ends=True)
        elif (end := self._measure(text + " ").end) is not None:  # a joiner joins nothing more
            self._find(text[:end], value)
        else:
            self._find(text, value, ends=True)

    def _find(self, text: str, logarithm: float, share: float = 1.0, ends: bool = False) -> None:
        """Several ways to write the same text add up."""
        if share > 0:
            before = self._found.get((text, ends), -math.inf)
            self._found[text, ends] = float(np.logaddexp(before, logarithm + math.log(share)))


def by_words(text: str, words: int, inside: str) -> Measured:
    """A text by words and signs; ``inside``: the last letter of the text that it goes on with, where it ends in one."""
    if not text or text.isspace():
        return Measured(len(text) if text.endswith("\n") and words == 1 else None, any=False)
    ends = [found.end() for found in pattern(PIECE).finditer(text)]
    hanging = bool(pattern(HANGING).search(inside + text))
    if inside and pattern(WITHIN).match(text):
        joined = [found.end() - 1 for found in pattern(PIECE).finditer(inside + text)]
        if joined[0] > 0:  # it is one word with what stands before it
            ends = joined
    if hanging:
        ends.pop()
    if len(ends) < words:
        return Measured(None)
    end = ends[words - 1]
    if end == len(text) and pattern(INSIDE).search(text):
        return Measured(None, may_grow=True)
    return Measured(None if hanging and end == len(text) - 1 else end)


def by_dictionary(text: str, words: int) -> Measured:
    """A text by the words of a tokenizer that looks them up: each is whole as it is written."""
    if not text or text.isspace():
        return Measured(len(text) if text.endswith("\n") and words == 1 else None, any=False)
    tokens = broken_tokens(text)
    return Measured(sum(map(len, tokens[:words])) if len(tokens) >= words else None)


def by_symbols(text: str, words: int) -> Measured:
    """A text by symbols, which blanks part; one that is spelt may go on."""
    if not text or text.isspace():
        return Measured(len(text) if text.endswith("\n") and words == 1 else None, any=False)
    ends = [found.end() for found in pattern(r"\s*\S+").finditer(text)]
    if len(ends) < words:
        return Measured(None)
    grows = ends[words - 1] == len(text)
    return Measured(None if grows else ends[words - 1], may_grow=grows)


@functools.lru_cache(maxsize=8)
def goes_on(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Which tokens may go on with a word (V,): they begin with a letter, or are only part of a symbol."""
    special = {tokenizer.stop, *tokenizer.unwritable}
    return np.array([token not in special and _within(tokenizer, token) for token in range(len(tokenizer))])


def _within(tokenizer: Tokenizer, token: int) -> bool:
    shown = tokenizer.token(token)
    if len(shown) > 2 and shown[0] == "<" and shown[-1] == ">":
        return True
    if tokenizer.level == "symbol":
        return shown.startswith(LETTER_MARK)
    if tokenizer.level == "textgenrnn-word":  # whose words do not carry the blank before them
        decoder = tokenizer.decoder()
        decoder.push((token,))
        shown = decoder.push((token,))
    return bool(pattern(WITHIN).match(shown))


def continuations(
    runtime: Runtime,
    tokenizer: Tokenizer,
    begin: Beginning,
    banned: Sequence[int],
    ends: bool,
    n: int,
    words: int = 1,
) -> list[Continuation]:
    """The ``n`` likeliest continuations of ``words`` words or signs each; ``ends``: a text may end."""
    return Search(runtime, tokenizer, begin, banned, ends, words).likeliest(n)

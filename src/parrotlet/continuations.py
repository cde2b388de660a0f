"""A writer and a text come in; the likeliest ways to go on go out, by whole words at every level."""

import heapq
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from parrotlet.decoding import decoder_after
from parrotlet.generation import CONTEXT, Beginning
from parrotlet.runtime import Runtime, State
from parrotlet.tokenizers import Tokenizer
from parrotlet.trace import softmax

MOST_READ = 2000  # beginnings that are read on before the search ends with what it has found
TOGETHER = 16  # of them read side by side
MOST_TOKENS = 60  # of one continuation
LEAST_SHARE = 1e-3  # of the likeliest one that was found: what is rarer is not followed
WHOLE = frozenset({"word", "symbol", "textgenrnn-word"})  # levels whose every token is one piece
PIECE = re.compile(r"\s*(?:\w(?:[\w'’-]*\w)?|[^\w\s])|\s*\n")  # a word, or one sign, and the blanks before it


@dataclass(frozen=True)
class Continuation:
    """What may come next, and how likely the network holds it; ``ends``: nothing more comes, the text ends here."""

    text: str
    probability: float
    ends: bool = False


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
        self._runtime, self._tokenizer, self._words = runtime, tokenizer, words
        self._begin, self._before = begin, begin.prompt[-CONTEXT:].tolist()
        self._inside = bool(re.search(r"\w\Z", begin.shown))  # of a word that goes on
        self._never = [*banned, *([] if ends else [tokenizer.stop])]
        self._goes_on = np.array([_goes_on(tokenizer, token) for token in range(len(tokenizer))])  # (V,)
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
        """What a beginning is as it stands, where it is a whole one, and every token that may follow it."""
        chances = _chances(logits, self._never)  # (V,)
        whole, grows = self._measured(each.text)
        left = np.flatnonzero(chances > 0)
        if whole:
            self._find(each.text, each.logarithm, float(chances[~self._goes_on].sum()) if grows else 1.0)
            left = left[self._goes_on[left]] if grows else left[:0]
        least = self._least(n)
        for token in left.tolist() if len(each.ids) < MOST_TOKENS else []:
            value = each.logarithm + math.log(chances[token])
            if value <= least:
                continue
            if token == self._tokenizer.stop:
                if not each.text:
                    self._find("", value, 1.0, ends=True)
                continue
            text = each.text + decoder_after(self._tokenizer, [*self._before, *each.ids]).push((token,))
            whole, grows = self._measured(text)
            if (whole and not grows) or (text.endswith("\n") and self._words == 1):
                self._find(text, value, 1.0)
            else:
                heapq.heappush(self._heap, (-value, next(self._order), _Open(value, (*each.ids, token), text, state)))

    def _find(self, text: str, logarithm: float, share: float, ends: bool = False) -> None:
        """Several ways to write the same text add up."""
        if share > 0:
            before = self._found.get((text, ends), -math.inf)
            self._found[text, ends] = float(np.logaddexp(before, logarithm + math.log(share)))

    def _measured(self, text: str) -> tuple[bool, bool]:
        """Whether a text is as many pieces as are wanted, and whether its last one may still grow."""
        if not text or text.isspace():
            return False, False
        goes_on = self._inside and re.match(r"[\w'’-]", text)  # with the word that the draft breaks off in
        pieces = PIECE.findall(f"x{text}" if goes_on else text)
        whole = len(pieces) == self._words and not text[-1].isspace()
        return whole, whole and bool(re.search(r"\w\Z", text))


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
    if tokenizer.level in WHOLE and words == 1:
        return _tokens(tokenizer, begin, [*banned, *([] if ends else [tokenizer.stop])], n)
    return Search(runtime, tokenizer, begin, banned, ends, words).likeliest(n)


def _tokens(tokenizer: Tokenizer, begin: Beginning, never: Sequence[int], n: int) -> list[Continuation]:
    """Of levels whose tokens are words: the likeliest tokens."""
    chances = _chances(begin.logits[0], never)
    found = []
    for token in np.argsort(-chances, kind="stable")[:n].tolist():
        if chances[token] > 0:
            decoder = decoder_after(tokenizer, begin.prompt[-CONTEXT:].tolist())
            text = decoder.push((token,)) + decoder.flush()
            found.append(Continuation(text, float(chances[token]), token == tokenizer.stop))
    return found


def _chances(logits: npt.NDArray[np.float32], never: Sequence[int]) -> npt.NDArray[np.float64]:
    """(V,) with nothing for what is never written; the others are the network's own."""
    chances = softmax(logits)
    chances[list(never)] = 0.0
    return chances


def _goes_on(tokenizer: Tokenizer, token: int) -> bool:
    """Whether a token may go on with a word: it begins with a letter, or is only part of a symbol."""
    text = tokenizer.token(token)
    special = token == tokenizer.stop or token in tokenizer.unwritable
    return not special and bool(re.match(r"[\w'’-]", text) or (len(text) > 2 and text[0] == "<" and text[-1] == ">"))

"""What the network says after a prompt comes in; new tokens and the reason why they end go out.

There are two sources of tokens: ``Batch`` writes many rows in the compiled loop; ``Stepper`` writes one row, token by
token, for what the loop cannot do.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from parrotlet.decoding import decoder_after
from parrotlet.errors import UsageError, whole_number
from parrotlet.novelty import Novelty
from parrotlet.runtime import Runtime, State
from parrotlet.sampling import Rules, distribution, draw, uniforms
from parrotlet.settings import check
from parrotlet.tokenizers import Tokenizer

IdArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
UserRule = Callable[[npt.NDArray[np.float64], list[int]], npt.ArrayLike]
Stops = str | Sequence[str] | None
LONGEST = 100_000_000  # tokens of one text
MOST_STOPS, LONGEST_STOP = 1000, 1000
CONTEXT = 16  # ids that can bear on how one more is decoded (a code point in half-bytes takes eight)


@dataclass(frozen=True)
class Plan:
    """What was asked for, checked."""

    length: int
    seed: int
    rules: Rules
    stops: tuple[str, ...] = ()
    novel: Novelty | None = None
    rule: UserRule | None = None
    stop_id: int | None = None  # the id that ends a text; none: nothing but the length does
    banned: tuple[int, ...] = ()  # ids that are never drawn
    probabilities: bool = False  # whether each token's is wanted

    @property
    def by_steps(self) -> bool:
        return self.novel is not None or self.rule is not None


def checked_plan(
    length: int, seed: int | None, stop: Stops, novel: Novelty | None, rule: UserRule | None, rules: Mapping[str, Any]
) -> Plan:
    """The settings of a call, of any model; without a ``seed`` one is drawn. Raises UsageError."""
    length = whole_number("length", length, 0, LONGEST, of="tokens")
    seed = secrets.randbits(32) if seed is None else whole_number("seed", seed, 0, 2**63 - 1)
    if novel is not None and not isinstance(novel, Novelty):
        raise UsageError("novel must be a Novelty, made from the training text and a number of characters")
    if rule is not None and not callable(rule):
        raise UsageError("rule must be a function of probabilities and ids that gives back probabilities")
    checked = check(Rules, rules)
    if checked.min_length > length:
        raise UsageError(f"min_length = {checked.min_length} is more than length = {length}")
    return Plan(length, seed, checked, _checked_stops(stop), novel, rule)


def _checked_stops(stop: Stops) -> tuple[str, ...]:
    if not isinstance(stop, str | Iterable | None):
        raise UsageError(f"stop must be a text or several, not {stop!r}")
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > MOST_STOPS:
        raise UsageError(f"stop: at most {MOST_STOPS} strings, not {len(stops)}")
    for each in stops:
        if not isinstance(each, str) or not 1 <= len(each) <= LONGEST_STOP:
            raise UsageError(f"stop: each must be a text of 1 to {LONGEST_STOP} characters, not {each!r:.100}")
    return stops


@dataclass(frozen=True)
class Beginning:
    """The prompt as shown and as ids, and what the network says after it: logits (1, V) and state, for one row."""

    shown: str
    prompt: IdArray
    logits: FloatArray
    state: State


@dataclass(frozen=True)
class Chunk:
    """New tokens of one row; their probabilities where the plan wants them. ``finish``: why the row ends, or None."""

    row: int
    ids: IdArray
    probabilities: FloatArray
    finish: str | None


class Source(Protocol):
    """Draws tokens for rows; ``rows`` are the streams that are still being written."""

    rows: list[int]

    def advance(self, n: int) -> list[Chunk]: ...

    def drop(self, row: int) -> None: ...


class History:
    """The ids of one row, prompt and written: an array that grows by doubling, so that a long text costs no copies."""

    def __init__(self, prompt: IdArray) -> None:
        self._ids = np.empty(len(prompt) + 256, dtype=np.int64)
        self._ids[: len(prompt)] = prompt
        self._length = len(prompt)

    def extend(self, ids: IdArray) -> None:
        end = self._length + len(ids)
        if end > len(self._ids):
            grown = np.empty(2 * end, dtype=np.int64)
            grown[: self._length] = self.ids
            self._ids = grown
        self._ids[self._length : end] = ids
        self._length = end

    @property
    def ids(self) -> IdArray:
        return self._ids[: self._length]

    def seen_by(self, rules: Rules) -> IdArray:
        """The last ids, as far back as the rules look."""
        start = 0 if rules.memory is None else max(0, self._length - rules.memory)
        return self._ids[start : self._length]


class Batch:
    """Rows written side by side in the runtime's loop. Row k draws from stream k, so it is the same alone."""

    def __init__(self, runtime: Runtime, begin: Beginning, plan: Plan, rows: Sequence[int]) -> None:
        self.rows = list(rows)
        self._runtime, self._plan, self._position = runtime, plan, 0
        self._logits = np.repeat(begin.logits, len(self.rows), axis=0)  # (B, V)
        self._state = _rows_of(begin.state, [0] * len(self.rows))
        self._history = {row: History(begin.prompt) for row in self.rows}

    def advance(self, n: int) -> list[Chunk]:
        """Up to ``n`` more tokens for each row; rows that end are dropped."""
        plan = self._plan
        n = min(n, plan.length - self._position)
        written = self._runtime.write(
            self._logits,
            self._state,
            n,
            plan.rules,
            plan.seed,
            self.rows,
            [self._history[row].seen_by(plan.rules) for row in self.rows],
            [self._position] * len(self.rows),
            plan.stop_id,
            plan.banned,
            probabilities=plan.probabilities,
        )
        self._position += n
        self._logits, self._state = written.logits, written.state
        chunks = []
        for place, row in enumerate(self.rows):
            ids = np.asarray(written.ids[place, : int(written.lengths[place])], dtype=np.int64)
            self._history[row].extend(ids)
            chunks.append(Chunk(row, ids, written.probabilities[place, : len(ids)], self._finish(ids)))
        self._keep([chunk.finish is None for chunk in chunks])
        return chunks

    def _finish(self, ids: IdArray) -> str | None:
        if len(ids) and ids[-1] == self._plan.stop_id:
            return "stop"
        return "length" if self._position >= self._plan.length else None

    def drop(self, row: int) -> None:
        if row in self.rows:
            self._keep([other != row for other in self.rows])

    def _keep(self, stays: list[bool]) -> None:
        if all(stays):
            return
        places = [place for place, stay in enumerate(stays) if stay]
        self.rows = [self.rows[place] for place in places]
        self._logits, self._state = self._logits[places], _rows_of(self._state, places)


def _rows_of(state: State, places: list[int]) -> State:
    return replace(state, hidden=np.ascontiguousarray(state.hidden[places]))


class Stepper:
    """One row, token by token: with a rule written in Python, or without copies of the training text, or both."""

    def __init__(self, runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan, row: int) -> None:
        self.rows = [row]
        self._runtime, self._tokenizer, self._plan, self._row = runtime, tokenizer, plan, row
        self._logits, self._state, self._position = begin.logits, begin.state, 0
        self._history = History(begin.prompt)
        self._text = tokenizer.decoder().push(begin.prompt.tolist()) if plan.novel else ""

    def drop(self, row: int) -> None:
        self.rows = [other for other in self.rows if other != row]

    def advance(self, n: int) -> list[Chunk]:
        """One token (whatever ``n``), or none and the finish "novel" where every token would copy."""
        banned = list(self._plan.banned)
        while self._left(banned):
            token, probability, logits, state = self._draw(banned)
            if token != self._plan.stop_id and not self._accept(token):
                banned.append(token)
                continue
            self._logits, self._state = logits, state
            self._position += 1
            self._history.extend(np.array([token], dtype=np.int64))
            finish = "stop" if token == self._plan.stop_id else None
            return [self._chunk([token], [probability], finish)]
        return [self._chunk([], [], "novel")]

    def _chunk(self, ids: list[int], probabilities: list[float], finish: str | None) -> Chunk:
        if finish is None and self._position >= self._plan.length:
            finish = "length"
        if finish:
            self.rows = []
        return Chunk(self._row, np.array(ids, dtype=np.int64), np.array(probabilities, dtype=np.float32), finish)

    def _left(self, banned: list[int]) -> bool:
        """Whether any token may still be drawn here."""
        never = set(banned)
        if self._plan.stop_id is not None and self._position < self._plan.rules.min_length:
            never.add(self._plan.stop_id)
        return len(never) < len(self._tokenizer)

    def _accept(self, token: int) -> bool:
        """Whether the token's text leaves the whole novel; if so it is added to what was written."""
        if self._plan.novel is None:
            return True
        piece = decoder_after(self._tokenizer, self._history.ids[-CONTEXT:].tolist()).push((token,))
        kept = self._text[-self._plan.novel.n :] + piece
        if piece and self._plan.novel.copies(kept, len(piece)):
            return False
        self._text = kept
        return True

    def _draw(self, banned: list[int]) -> tuple[int, float, FloatArray, State]:
        """A token, its probability, and what the network says after it."""
        if self._plan.rule is not None:
            return self._draw_by_rule(self._plan.rule, banned)
        plan, rules = self._plan, self._plan.rules
        if self._position >= rules.min_length:
            rules = rules.model_copy(update={"min_length": 0})  # the end may now be all that is left
        written = self._runtime.write(
            self._logits,
            self._state,
            1,
            rules,
            plan.seed,
            [self._stream(banned)],
            [self._history.seen_by(rules)],
            [self._position],
            plan.stop_id,
            banned,
        )
        return int(written.ids[0, 0]), float(written.probabilities[0, 0]), written.logits, written.state

    def _stream(self, banned: list[int]) -> int:
        """Of random numbers: another one after each refusal, or the neighbours of a refused token gained all of it."""
        return self._row + ((len(banned) - len(self._plan.banned)) << 32)

    def _draw_by_rule(self, rule: UserRule, banned: list[int]) -> tuple[int, float, FloatArray, State]:
        plan, logits = self._plan, self._logits[0]
        history = self._history.ids
        given = distribution(logits, plan.rules, history, self._position, banned, plan.stop_id)
        probabilities = check_rule(rule(given.copy(), history.tolist()), len(logits))
        probabilities[given == 0] = 0.0  # what may not be written stays so
        if not probabilities.any():
            raise UsageError("the rule left no token that may be written")
        token = draw(probabilities, float(uniforms(plan.seed, self._stream(banned), self._position, 1)[0]))
        exact = np.exp(logits.astype(np.float64) - logits.max())
        after, state = self._runtime.read(np.array([[token]], dtype=np.int64), self._state)
        return token, float(exact[token] / exact.sum()), after[:, -1], state


def check_rule(result: npt.ArrayLike, size: int) -> npt.NDArray[np.float64]:
    """What a user's rule gave back, as probabilities (V,) that need not sum to one."""
    try:
        probabilities = np.array(result, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"the rule must give back {size} probabilities, not {result!r:.80}") from None
    if probabilities.shape != (size,):
        raise UsageError(f"the rule must give back {size} probabilities, not an array of shape {probabilities.shape}")
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise UsageError("the rule must give back probabilities: finite and not below zero")
    return probabilities

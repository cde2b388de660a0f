"""What every runtime takes and gives: its protocol, its state, what it wrote, and the checks that guard both paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.errors import UsageError
from parrotlet.sampling import IdArray, Rules

Floats = NDArray[np.float32]

LARGEST_COUNT = 1 << 31


@dataclass(frozen=True, slots=True)
class State:
    """What a network remembers of each row: hidden (B, …) float32, of the shape that ``shapes.state_shape`` gives.

    Of a network with a context these are whole numbers: its last ids, oldest first.
    """

    hidden: Floats


@dataclass(frozen=True, slots=True)
class Written:
    """What a runtime wrote: entries of a row beyond its length are 0.

    ``probabilities`` are the network's own, before any rule, or 0 where they were not asked for. ``logits`` and
    ``state`` continue the writing; those of a row that has ended are the ones its last token was drawn from.
    """

    ids: IdArray  # (B, n)
    probabilities: Floats  # (B, n)
    lengths: IdArray  # (B,) tokens written, a final stop included
    logits: Floats  # (B, V)
    state: State


class Runtime(Protocol):
    """A network that reads and writes without torch. State is an argument and a result, never changed in place."""

    @property
    def vocabulary_size(self) -> int: ...

    def begin(self, rows: int) -> State:
        """The state before any token."""
        ...

    def read(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """ids (B, T) → logits (B, T, V) for the token after each, and the state after the last."""
        ...

    def write(
        self,
        logits: Floats,
        state: State,
        n: int,
        rules: Rules,
        seed: int,
        streams: ArrayLike,
        history: Sequence[ArrayLike],
        positions: ArrayLike,
        stop: int | None = None,
        banned: Sequence[int] = (),
        probabilities: bool = True,
    ) -> Written:
        """Writes up to ``n`` tokens for each row, the first from ``logits`` (B, V).

        ``streams`` and ``positions`` (B,) with ``seed`` pick the random numbers; a position counts the tokens already
        written in that text, so that writing in pieces of any size gives the same text. ``history`` holds the ids of
        prompt and text so far of each row. A row ends after ``stop``; with None no id ends a row (an id that must
        not be drawn belongs in ``banned``). ``probabilities``: whether to tell them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """The checked arguments of one ``write``."""

    logits: Floats
    state: State
    n: int
    rules: Rules
    seed: int
    streams: IdArray
    history: list[IdArray]
    positions: IdArray
    stop: int | None
    banned: IdArray


def checked_ids(ids: ArrayLike, vocabulary: int, dimensions: int) -> IdArray:
    """Ids as C-ordered int64 within the vocabulary; raises UsageError."""
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != dimensions or array.dtype.kind not in "iu":
        raise UsageError(f"ids should be {dimensions}-dimensional integers, not {array.dtype} of shape {array.shape}")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= vocabulary):
        raise UsageError(f"ids should lie in 0 … {vocabulary - 1}, not {int(array.min())} … {int(array.max())}")
    return np.ascontiguousarray(array, np.int64)


def beginning(rows: int, shape: tuple[int, ...], vocabulary: int) -> State:
    """The state before any token; ``shape`` is that of one row. Zeros, or with a context (W,) no ids yet."""
    return State(np.full((rows, *shape), vocabulary if len(shape) == 1 else 0, np.float32))


def after_last(rows: Sequence[ArrayLike], context: int, vocabulary: int) -> State:
    """The state (B, W) of a network with a context after these ids, whatever stood before the last ``context``."""
    hidden = np.full((len(rows), context), vocabulary, np.float32)
    for place, row in enumerate(rows):
        known = np.asarray(row)[-context:]
        hidden[place, context - len(known) :] = known
    return State(hidden)


def checked_state(state: State, rows: int, shape: tuple[int, ...], vocabulary: int) -> Floats:
    """The state's array as C-ordered float32; ``shape`` is that of one row. Raises UsageError.

    Of a network with a context (W,) it must hold ids, the vocabulary's size where there is none, those places first.
    """
    if state.hidden.shape != (rows, *shape):
        raise UsageError(f"the state should have the shape {(rows, *shape)}, not {state.hidden.shape}")
    hidden = np.ascontiguousarray(state.hidden, np.float32)
    if len(shape) == 1:
        if not ((hidden >= 0) & (hidden <= vocabulary) & (hidden == np.floor(hidden))).all():
            raise UsageError(f"the state of a network with a context should hold whole numbers in 0 … {vocabulary}")
        empty = hidden == vocabulary
        if (empty[:, 1:] & ~empty[:, :-1]).any():
            raise UsageError(f"in a context the empty places ({vocabulary}) should come before all ids")
    return hidden


def windows_of(ids: IdArray, context: int) -> IdArray:
    """The ``context`` ids that end at each id after the first ``context``: (B, W + T) → a view (B, T, W)."""
    return np.lib.stride_tricks.sliding_window_view(ids, context, axis=1)[:, 1:]


def _checked_numbers(name: str, values: ArrayLike, rows: int) -> IdArray:
    array = np.asarray(values, np.int64)
    if array.shape != (rows,) or (rows and int(array.min()) < 0):
        raise UsageError(f"{name} should be {rows} numbers from 0 on, one per row")
    return np.ascontiguousarray(array)


def _recent(history: ArrayLike, memory: int | None) -> NDArray[np.generic]:
    """The last ``memory`` ids: what the rules do not look back on is not copied."""
    ids: NDArray[np.generic] = np.asarray(history)
    return ids if memory is None else ids[max(0, len(ids) - memory) :]


def checked_request(
    vocabulary: int,
    logits: Floats,
    state: State,
    n: int,
    rules: Rules,
    seed: int,
    streams: ArrayLike,
    history: Sequence[ArrayLike],
    positions: ArrayLike,
    stop: int | None,
    banned: Sequence[int],
) -> Request:
    """The arguments of ``write``, each of the right type and range, never aliasing what the caller keeps.

    The state is the caller's to check and to copy. Raises UsageError.
    """
    rows = logits.shape[0] if logits.ndim == 2 else -1
    if logits.shape != (rows, vocabulary):
        raise UsageError(f"logits should have the shape (rows, {vocabulary}), not {logits.shape}")
    if not 0 <= n < LARGEST_COUNT or not 0 <= seed < 2**64:
        raise UsageError(f"the count of tokens and the seed should not be negative or huge, not {n} and {seed}")
    if len(history) != rows:
        raise UsageError(f"history should hold {rows} rows, not {len(history)}")
    never = np.unique(checked_ids(np.asarray(banned, np.int64), vocabulary, 1))
    if stop is not None:
        checked_ids([stop], vocabulary, 1)
    places = _checked_numbers("positions", positions, rows)
    early = stop is not None and rows > 0 and int(places.min()) < rules.min_length
    if len(set(never.tolist()) | ({stop} if early else set())) == vocabulary:
        raise UsageError("every token is banned: nothing is left to write")
    return Request(
        logits=np.array(logits, np.float32, order="C"),
        state=state,
        n=n,
        rules=rules,
        seed=seed,
        streams=_checked_numbers("streams", streams, rows),
        history=[checked_ids(_recent(row, rules.memory), vocabulary, 1) for row in history],
        positions=places,
        stop=stop,
        banned=never,
    )

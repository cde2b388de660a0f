"""Several models come in; one writer that draws from the mean of what they say goes out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from parrotlet.bundle import Bundle
from parrotlet.errors import UsageError
from parrotlet.labels import Choice
from parrotlet.runtime import ReferenceRuntime, Runtime, State, Written
from parrotlet.runtime.interface import checked_ids, checked_request
from parrotlet.runtime.stepwise import write_stepwise
from parrotlet.sampling import Rules
from parrotlet.settings import NetworkSettings
from parrotlet.tokenizers import Tokenizer, first_ids
from parrotlet.tokenizers.bpe import BpeTokenizer
from parrotlet.tokenizers.byte import BYTES, STOP, ByteTokenizer
from parrotlet.tokenizers.char import CharTokenizer
from parrotlet.tokenizers.word import WordTokenizer
from parrotlet.trace import softmax
from parrotlet.writer import Writer

Chances = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]
MOST_READINGS, LEAST_SHARE = 8, 1e-4  # of a text as tokens, that are followed side by side


class Member(Protocol):
    """One model of an ensemble, over the ids that all of it share; a state of None has nothing to say."""

    def begin(self) -> Any:
        """Before any id."""

    def follow(self, state: Any, id: int) -> Any:
        """The state after one more id."""

    def chances(self, state: Any) -> Chances | None:
        """The probability of each next id, (V,), or None where the model can not tell."""

    def level(self, state: Any) -> float:
        """How far the model's own logits lie above the logarithms of the chances, in nats."""


class Alike:
    """A model with the tokenizer of the ensemble."""

    def __init__(self, writer: Writer) -> None:
        self._runtime = writer.runtime

    def begin(self) -> Any:
        return self._runtime.begin(1), None

    def follow(self, state: Any, id: int) -> Any:
        logits, after = self._runtime.read(np.array([[id]], np.int64), state[0])
        return after, logits[0, -1]

    def chances(self, state: Any) -> Chances | None:
        return None if state[1] is None else softmax(state[1])

    def level(self, state: Any) -> float:
        return 0.0 if state[1] is None else float(np.logaddexp.reduce(state[1].astype(np.float64)))


@dataclass(frozen=True)
class Reading:
    """One way in which a model may have read the text: tokens so far, and the bytes of one that is not whole yet."""

    share: float
    begun: bytes
    chances: Chances  # of its next token
    state: State


@dataclass(frozen=True)
class Lost:
    """A text that a model has no tokens for, since ``reading``: what it spells is known when a character is whole."""

    reading: Reading
    text: bytes


class ByBytes:
    """A model of any vocabulary, byte by byte: the sum over all ways to write the text in its tokens."""

    def __init__(self, writer: Writer) -> None:
        self._runtime, self._tokenizer = writer.runtime, writer.tokenizer
        self._spelt = token_bytes(writer.tokenizer)
        self._after = lru_cache(maxsize=1 << 14)(self._find_after)
        self._ends = writer.card.form == "lines"
        self._lowers = writer.settings.tokenizer.lowercase  # a capital is read as its tokenizer reads it

    def begin(self) -> Any:
        return (self._read(1.0, first_ids(self._tokenizer), None),)

    def follow(self, state: Any, id: int) -> Any:
        if id == STOP:
            return self.begin()
        byte = BYTES[id].lower() if self._lowers else BYTES[id]
        if isinstance(state, Lost):
            return self._found(Lost(state.reading, state.text + byte))
        readings = sorted(self._going_on(state, byte), key=lambda each: -each.share)[:MOST_READINGS]
        kept = [each for each in readings if each.share >= LEAST_SHARE * readings[0].share]
        if not kept:
            likeliest = max(state, key=lambda each: each.share)
            return self._found(Lost(likeliest, likeliest.begun + byte))
        total = sum(each.share for each in kept)
        return tuple(replace(each, share=each.share / total) for each in kept)

    def chances(self, state: Any) -> Chances | None:
        if isinstance(state, Lost):
            return None
        summed = np.zeros(STOP + 1)
        for reading in state:
            ids, following, _ = self._after(reading.begun)
            weights = reading.chances[ids]
            found = np.bincount(following, weights, STOP + 1)
            if self._ends and not reading.begun:
                found[STOP] += reading.chances[self._tokenizer.stop]
            if (total := found.sum()) > 0:
                summed += reading.share * found / total
        return summed if summed.any() else None

    def level(self, state: Any) -> float:
        return 0.0  # bytes have no logits of their own

    def _going_on(self, readings: Sequence[Reading], byte: bytes) -> Iterator[Reading]:
        """What becomes of each reading with one more byte: tokens that are whole now, and those that go on."""
        for reading in readings:
            begun = reading.begun + byte
            before = reading.chances[self._after(reading.begun)[0]].sum()
            ids, _, whole = self._after(begun)
            if before <= 0:
                continue
            for token in whole:
                share = reading.share * float(reading.chances[token] / before)
                if share > 0:
                    yield self._read(share, np.array([token], np.int64), reading.state)
            if (left := float(reading.chances[ids].sum())) > 0:
                yield replace(reading, share=reading.share * left / before, begun=begun)

    def _read(self, share: float, ids: IdArray, state: State | None) -> Reading:
        logits, after = self._runtime.read(ids[None], state)
        return Reading(share, b"", softmax(logits[0, -1]), after)

    def _found(self, lost: Lost) -> Any:
        """A lost model reads on as soon as the bytes are text: as its tokenizer spells what it does not know.

        Bytes that never become text are U+FFFD to it.
        """
        try:
            text = lost.text.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                return lost
            text = lost.text.decode(errors="replace")
        ids = np.asarray(self._tokenizer.encode(text), np.int64)
        return (self._read(1.0, ids, lost.reading.state) if len(ids) else replace(lost.reading, share=1.0, begun=b""),)

    def _find_after(self, begun: bytes) -> tuple[IdArray, IdArray, list[int]]:
        """The tokens that go on with these bytes, the next byte of each, and the tokens that are just these."""
        size, ids, following, whole = len(begun), [], [], []
        for token, spelt in enumerate(self._spelt):
            if spelt is None or not spelt.startswith(begun):
                continue
            if len(spelt) > size:
                ids.append(token)
                following.append(spelt[size])
            elif begun:
                whole.append(token)
        return np.array(ids, np.int64), np.array(following, np.int64), whole


def token_bytes(tokenizer: Tokenizer) -> list[bytes | None]:
    """What each token writes, None for those that write nothing by themselves; UsageError for other levels."""
    if isinstance(tokenizer, ByteTokenizer):
        return [*BYTES, None]
    if isinstance(tokenizer, BpeTokenizer):
        return [tokenizer.bytes_of(token) for token in range(len(tokenizer))]
    if isinstance(tokenizer, CharTokenizer):
        border = len(tokenizer) - len(tokenizer.alphabet)
        return [None] * border + [symbol.encode() for symbol in tokenizer.alphabet]
    if isinstance(tokenizer, WordTokenizer):
        border = len(tokenizer) - len(tokenizer.vocabulary)
        return [None] * border + [entry.encode() for entry in tokenizer.vocabulary]
    raise UsageError(f"models of level {tokenizer.level!r} average only with models of the very same tokenizer")


class AveragedRuntime:
    """The weighted mean of what several models hold likely next, as one network; a row's state is one of each.

    A model that can not tell is left out of the mean.
    """

    def __init__(self, members: Sequence[Member], weights: Sequence[float], vocabulary: int) -> None:
        self._members, self._weights = members, np.asarray(weights, np.float64)
        self.vocabulary_size = vocabulary

    def begin(self, rows: int) -> State:
        hidden = np.empty((rows, 1), object)
        for row in range(rows):
            hidden[row, 0] = tuple(member.begin() for member in self._members)
        return State(hidden)

    def read(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        checked = checked_ids(ids, self.vocabulary_size, 2)
        after = (state or self.begin(len(checked))).hidden.copy()
        logits = np.empty((*checked.shape, self.vocabulary_size), np.float32)
        for row, line in enumerate(checked.tolist()):
            for place, id in enumerate(line):
                logits[row, place], after[row, 0] = self._step(after[row, 0], id)
        return logits, State(after)

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
        after = State(state.hidden.copy())
        request = checked_request(
            self.vocabulary_size, logits, after, n, rules, seed, streams, history, positions, stop, banned
        )

        def step(row: int, id: int) -> Floats:
            found, after.hidden[row, 0] = self._step(after.hidden[row, 0], id)
            return found

        return write_stepwise(request, step, probabilities)

    def _step(self, states: tuple[Any, ...], id: int) -> tuple[Floats, tuple[Any, ...]]:
        """One id for every model: the logarithm of the mean (V,), as high as their logits, and the states after it.

        So a repetition penalty, which takes its bearings from zero, does to one model what it does to it alone.
        """
        after = tuple(member.follow(each, id) for member, each in zip(self._members, states, strict=True))
        mean, total, level = np.zeros(self.vocabulary_size), 0.0, 0.0
        for member, weight, each in zip(self._members, self._weights, after, strict=True):
            chances = member.chances(each)
            if chances is not None:
                mean, total = mean + weight * chances, total + weight
                level += weight * member.level(each)
        if total == 0:
            mean, total = np.ones(self.vocabulary_size), self.vocabulary_size
        with np.errstate(divide="ignore"):
            return (np.log(mean / total) + level / total).astype(np.float32), after


class AveragedWriter(Writer):
    """A Writer over several models; it can be used like any other, but is no model that could be saved."""

    def readable(self) -> ReferenceRuntime:
        raise UsageError("an ensemble has no layers of its own: look into its models one by one")

    def labelled(self, labels: Choice, strength: float = 1.0) -> Writer:
        raise UsageError("an ensemble has no labels: label its models, and average them again")

    def save(self, path: Any, compact: bool = False) -> None:
        raise UsageError("an ensemble is not one model: save its models, and average them again")


def average(writers: Sequence[Writer], weights: Sequence[float] | None = None) -> Writer:
    """One writer that draws each token from the weighted mean of what several models say (None: all alike).

    Models with the same tokenizer are averaged token by token. Others (of levels char, word, byte and bpe) byte by
    byte: what a model says about its next token is what it says about the next byte, summed over all ways to write the
    text in its tokens. Raises UsageError where they do not go together.
    """
    shares = checked_weights(writers, weights)
    first = writers[0]
    forms = {writer.card.form for writer in writers}
    if len(forms) > 1:
        raise UsageError(
            "one of the models writes a long text and another short documents: they do not average, but write in turns"
        )
    tokenizer, alike = first.tokenizer, len({str(writer.tokenizer.to_json()) for writer in writers}) == 1
    members: list[Member] = [Alike(writer) if alike else ByBytes(writer) for writer in writers]
    if not alike:
        tokenizer = ByteTokenizer()
    settings = first.settings.model_copy(update={"network": NetworkSettings()})
    card = first.card if alike else first.card.model_copy(update={"lengths": ()})  # those are in tokens of the first
    bundle = Bundle({}, settings, tokenizer, card)
    runtime: Runtime = AveragedRuntime(members, shares, len(tokenizer))
    return AveragedWriter(bundle, runtime)


def checked_weights(writers: Sequence[Writer], weights: Sequence[float] | None) -> list[float]:
    """A weight for each model, above 0 in all; raises UsageError."""
    if not isinstance(writers, Sequence) or not all(isinstance(each, Writer) for each in writers):
        raise UsageError("an ensemble is made of a list of models that were loaded")
    if not writers:
        raise UsageError("an ensemble needs at least one model")
    given = [1.0] * len(writers) if weights is None else list(weights)
    if len(given) != len(writers):
        raise UsageError(f"weights: {len(given)} were given for {len(writers)} models")
    for each in given:
        if isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each < np.inf:
            raise UsageError(f"weights: each must be a number from 0 on, not {each!r}")
    if not 0 < sum(given) < np.inf:
        raise UsageError("weights: they must be more than 0 in all")
    return given

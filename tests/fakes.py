"""Hand-made stand-ins whose behaviour is known exactly: a small tokenizer, and a runtime of known distributions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle, Card
from parrotlet.runtime import State, Written
from parrotlet.sampling import Rules, distribution, draw, uniforms
from parrotlet.settings import Settings
from parrotlet.writer import Writer

IdArray = npt.NDArray[np.int64]
LETTERS = "abcdefgh \n"
# Two halves that only together write a symbol, as the bytes of a rare symbol do; and tokens of several letters.
TOKENS = ["<unk>", "<s>", "<0>", "<1>", *LETTERS, "abc", "cd", "ef\n"]
ID = {token: place for place, token in enumerate(TOKENS)}


class FakeTokenizer:
    """Greedy over TOKENS; unknown symbols are ``<unk>``; ``é`` is written in two halves; upper case is lowered."""

    level = "fake"
    stop = ID["<s>"]
    stop_learned = True
    unknown_id = ID["<unk>"]
    unwritable = (ID["<unk>"],)

    def __len__(self) -> int:
        return len(TOKENS)

    def normalise(self, text: str) -> str:
        return text.lower()

    def encode(self, text: str) -> IdArray:
        ids: list[int] = []
        text = self.normalise(text)
        while text:
            token = next((each for each in ("abc", "ef\n", "cd", *LETTERS) if text.startswith(each)), None)
            ids += [ID["<0>"], ID["<1>"]] if text[0] == "é" else [ID[token or "<unk>"]]
            text = text[len(token or "x") :]
        return np.array(ids, dtype=np.int64)

    def decoder(self) -> "FakeDecoder":
        return FakeDecoder()

    def decode(self, ids: Iterable[int]) -> str:
        decoder = self.decoder()
        return decoder.push(ids) + decoder.flush()

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        decoder = self.decoder()
        for each in ids:
            yield decoder.push((each,))
        yield decoder.flush()

    def token(self, id: int) -> str:
        return TOKENS[id]

    def unknown(self, text: str) -> list[str]:
        return list(dict.fromkeys(each for each in self.normalise(text) if each not in LETTERS + "é"))

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level}


class FakeDecoder:
    pending = False

    def push(self, ids: Iterable[int]) -> str:
        return "".join(map(self._piece, ids))

    def _piece(self, token: int) -> str:
        broken = self.flush()
        self.pending = token == ID["<0>"]
        if token == ID["<1>"]:
            return "é" if broken else "\ufffd"
        return broken + ("" if TOKENS[token].startswith("<") else TOKENS[token])

    def flush(self) -> str:
        pending, self.pending = self.pending, False
        return "\ufffd" if pending else ""


Known = Callable[[Sequence[int]], Mapping[str, float]]


class FakeRuntime:
    """The next token's probabilities are ``known(the ids read so far)``, by token; the state is the ids read.

    ``calls`` lists (rows, tokens) of each call of ``write``; ``read_ids`` what the last ``read`` from zero began with.
    """

    def __init__(self, known: Known) -> None:
        self.known, self.vocabulary_size = known, len(TOKENS)
        self.calls: list[tuple[int, int]] = []
        self.begun: list[list[int]] = []

    def _logits(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        probabilities = np.full(len(TOKENS), 1e-12)
        for token, probability in self.known(ids).items():
            probabilities[ID[token]] = probability
        return np.log(probabilities).astype(np.float32)

    def begin(self, rows: int) -> State:
        return State(np.zeros((rows, 1, 1, 1), dtype=np.float32))  # no ids yet; then the ids themselves

    def read(self, ids: IdArray, state: State | None = None) -> tuple[npt.NDArray[np.float32], State]:
        before = [self._unpack(row) for row in state.hidden] if state is not None else [[] for _ in ids]
        if state is None:
            self.begun += ids.tolist()
        logits = np.array(
            [
                [self._logits([*past, *row[: place + 1]]) for place in range(len(row))]
                for past, row in zip(before, ids.tolist(), strict=True)
            ]
        )
        return logits, self._pack([[*past, *row] for past, row in zip(before, ids.tolist(), strict=True)])

    def _pack(self, rows: list[list[int]]) -> State:
        """As the hidden state: the number of ids, then the ids, padded (rows always have equally many)."""
        return State(np.array([[[[len(row), *row]]] for row in rows], dtype=np.float32))

    def _unpack(self, row: npt.NDArray[np.float32]) -> list[int]:
        values = row.reshape(-1).astype(int).tolist()
        return values[1 : 1 + values[0]]

    def write(
        self,
        logits: npt.NDArray[np.float32],
        state: State,
        n: int,
        rules: Rules,
        seed: int,
        streams: IdArray,
        history: list[IdArray],
        positions: IdArray,
        stop: int | None,
        banned: Sequence[int],
        probabilities: bool = True,
    ) -> Written:
        rows = len(logits)
        assert len(streams) == len(history) == len(positions) == len(state.hidden) == rows > 0
        self.calls.append((rows, n))
        ids, told = np.zeros((rows, n), np.int64), np.zeros((rows, n), np.float32)
        lengths, after, states = np.zeros(rows, np.int64), logits.copy(), []
        for row in range(rows):
            past, seen = self._unpack(state.hidden[row]), history[row].tolist()
            for step in range(n):
                position = int(positions[row]) + step
                given = distribution(after[row], rules, np.array(seen, np.int64), position, banned, stop)
                token = draw(given, float(uniforms(seed, int(streams[row]), position, 1)[0]))
                ids[row, step], told[row, step] = token, np.exp(after[row, token]) if probabilities else 0
                past, seen, lengths[row] = [*past, token], [*seen, token], step + 1
                after[row] = self._logits(past)
                if token == stop:
                    break
            states.append(past + [0] * (n - int(lengths[row])))
        return Written(ids, told, lengths, after, self._pack(states))


def fake_writer(known: Known, form: str = "text", **facts: Any) -> tuple[Writer, FakeRuntime]:
    """A Writer over the fakes; ``facts`` stand in its card."""
    runtime = FakeRuntime(known)
    bundle = Bundle({}, Settings(), FakeTokenizer(), Card(form=form, **facts))  # type: ignore[arg-type]
    return Writer(bundle, runtime), runtime


def always(*tokens: str) -> Known:
    """A script: the next token is certain, by how many ids the network has read since the beginning of the text."""

    def known(ids: Sequence[int]) -> Mapping[str, float]:
        return {tokens[(len(ids) - 1) % len(tokens)]: 1.0}

    return known


def even(*tokens: str) -> Known:
    """All of ``tokens`` are equally likely, always."""
    return lambda ids: dict.fromkeys(tokens, 1 / len(tokens))


def document(*pieces: str) -> Any:
    return SimpleNamespace(pieces=pieces, labels={})

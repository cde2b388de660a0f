"""The readable runtime, numpy only: ids and a state come in, logits or written tokens and a new state go out."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.runtime.interface import Floats, Request, State, Written, checked_ids, checked_request, checked_state
from parrotlet.runtime.shapes import STATE_PARTS, checked_weights
from parrotlet.sampling import Rules, distribution, draw, uniforms
from parrotlet.settings import NetworkSettings

NORM_EPSILON = 1e-5


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(−x)), written with tanh so that nothing overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x), np.float32)


def rowwise(x: Floats, weight: Floats) -> Floats:
    """x @ weight.T, one row at a time: a row's bits do not depend on the rows beside it. (B, I), (O, I) → (B, O)."""
    return np.asarray(np.matmul(weight, x[:, :, None])[:, :, 0])


def normalised(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Layer normalisation (Ba et al. 2016) over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(NORM_EPSILON)) * weight + bias)


class ReferenceRuntime:
    """Every recurrent network, step by step, as its formulas stand in the documentation of torch."""

    def __init__(self, network: NetworkSettings, weights: Mapping[str, NDArray[np.float32]], vocabulary: int) -> None:
        self.network = network
        self.weights = checked_weights(network, weights, vocabulary)
        self.vocabulary_size = vocabulary
        self.state_shape = (network.layers, STATE_PARTS[network.kind], network.hidden)  # of one row
        if network.tied:
            self.weights["output.weight"] = self.weights["embedding.weight"]

    def begin(self, rows: int) -> State:
        """The state before any token: zeros (B, L, S, H)."""
        return State(np.zeros((rows, *self.state_shape), np.float32))

    def read(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """ids (B, T) → logits (B, T, V), and the state after the last."""
        checked = checked_ids(ids, self.vocabulary_size, 2)
        rows, length = checked.shape
        hidden = checked_state(state or self.begin(rows), (rows, *self.state_shape))
        logits = np.empty((rows, length, self.vocabulary_size), np.float32)
        for t in range(length):
            logits[:, t], hidden = self._step(checked[:, t], hidden)
        return logits, State(hidden.copy() if state and hidden is state.hidden else hidden)

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
    ) -> Written:
        """Up to ``n`` tokens for each row (see Runtime)."""
        request = checked_request(
            self.vocabulary_size, self.state_shape, logits, state, n, rules, seed,
            streams, history, positions, stop, banned,
        )  # fmt: skip
        rows = len(request.logits)
        ids, probabilities = np.zeros((rows, n), np.int64), np.zeros((rows, n), np.float32)
        lengths = np.zeros(rows, np.int64)
        for row in range(rows):
            lengths[row] = self._write_row(request, row, ids[row], probabilities[row])
        return Written(ids, probabilities, lengths, request.logits, request.state)

    def _write_row(self, request: Request, row: int, ids: NDArray[np.int64], probabilities: Floats) -> int:
        """Fills one row and replaces its logits and state in the request; how many tokens it wrote goes out."""
        logits, hidden = request.logits[row : row + 1], request.state.hidden[row : row + 1]
        start, banned = int(request.positions[row]), request.banned.tolist()
        numbers = uniforms(request.seed, int(request.streams[row]), start, request.n)
        history = request.history[row]
        for i in range(request.n):
            chances = distribution(logits[0], request.rules, history, start + i, banned, request.stop)
            ids[i] = id = draw(chances, numbers[i])
            probabilities[i] = own_probability(logits[0], id)
            history = np.append(history, id)[-(request.rules.memory or 0) :] if request.rules.memory != 0 else history
            if id == request.stop:
                return i + 1
            logits[:], hidden[:] = self._step(ids[i : i + 1], hidden)
        return request.n

    def _step(self, ids: NDArray[np.int64], state: Floats) -> tuple[Floats, Floats]:
        """One id per row (B,), state (B, L, S, H) → logits (B, V), new state."""
        after = np.empty_like(state)
        x = np.zeros(0, np.float32)
        for layer in range(self.network.layers):
            name = f"layers.{layer}."
            from_input = self._first_sums(ids) if layer == 0 else rowwise(x, self.weights[name + "weight_ih_l0"])
            from_input = from_input + self.weights[name + "bias_ih_l0"]  # (B, G*H)
            from_state = rowwise(state[:, layer, 0], self.weights[name + "weight_hh_l0"])
            from_state = from_state + self.weights[name + "bias_hh_l0"]  # (B, G*H)
            after[:, layer] = self._cell(from_input, from_state, state[:, layer])
            leaving = after[:, layer, 0]
            x = leaving + x if self.network.residual and layer > 0 else leaving
            if self.network.layer_norm:
                x = normalised(x, self.weights[f"norms.{layer}.weight"], self.weights[f"norms.{layer}.bias"])
        return rowwise(x, self.weights["output.weight"]) + self.weights["output.bias"], after

    def _first_sums(self, ids: NDArray[np.int64]) -> Floats:
        """What the ids bring to the first layer, before its bias: (B,) → (B, G*H)."""
        weight = self.weights["layers.0.weight_ih_l0"]
        if self.network.input == "learned":
            return rowwise(self.weights["embedding.weight"][ids], weight)
        if self.network.input == "one-hot":
            return np.asarray(weight.T[ids])
        return np.asarray((ids / self.vocabulary_size).astype(np.float32)[:, None] * weight[:, 0])

    def _cell(self, from_input: Floats, from_state: Floats, state: Floats) -> Floats:
        """(B, G*H) twice and the layer's state (B, S, H) → its new state."""
        if self.network.kind == "rnn":
            return np.asarray(np.tanh(from_input + from_state)[:, None])
        if self.network.kind == "lstm":
            enter, forget, fresh, out = np.split(from_input + from_state, 4, axis=1)
            cell = sigmoid(forget) * state[:, 1] + sigmoid(enter) * np.tanh(fresh)
            return np.stack([sigmoid(out) * np.tanh(cell), cell], axis=1)
        reset_input, update_input, new_input = np.split(from_input, 3, axis=1)
        reset_state, update_state, new_state = np.split(from_state, 3, axis=1)
        update = sigmoid(update_input + update_state)
        fresh = np.tanh(new_input + sigmoid(reset_input + reset_state) * new_state)
        return np.asarray((1 - update) * fresh + update * state[:, 0])[:, None]


def own_probability(logits: Floats, id: int) -> np.float32:
    """The network's own probability of one id: softmax without any rule."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return np.float32(exponentials[id] / exponentials.sum())

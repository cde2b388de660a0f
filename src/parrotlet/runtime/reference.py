"""The readable runtime, numpy only: ids and a state come in, logits or written tokens and a new state go out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.runtime.arithmetic import Arithmetic, rounded_weights
from parrotlet.runtime.cells import (
    CELLS,
    FUNCTIONS,
    PRODUCTS,
    attention_weights,
    averaged,
    convolved,
    direction_weights,
    gates,
    normalised,
    recurrent,
    rowwise,
    window_layer,
)
from parrotlet.runtime.interface import (
    Floats,
    State,
    Written,
    beginning,
    checked_ids,
    checked_request,
    checked_state,
    windows_of,
)
from parrotlet.runtime.shapes import STATE_PARTS, checked_weights, dilations, features_width, layers_of, state_shape
from parrotlet.runtime.stepwise import write_stepwise
from parrotlet.sampling import IdArray, Rules
from parrotlet.settings import NetworkSettings

LARGEST_BLOCK = 1 << 22  # floats that enter the layers of all windows evaluated together


@dataclass(frozen=True)
class Looked:
    """One layer while a text is read: its hidden vector after each id (T, H), and its gates by name, (T, H) each."""

    hidden: Floats
    gates: dict[str, Floats]


class ReferenceRuntime:
    """Every network, layer by layer and step by step, as its formulas stand in cells.py and arithmetic.py."""

    def __init__(
        self,
        network: NetworkSettings,
        weights: Mapping[str, NDArray[np.float32]],
        vocabulary: int,
        arithmetic: Arithmetic = "float32",
    ) -> None:
        self.network = network
        self.weights = checked_weights(network, weights, vocabulary)
        self.vocabulary_size = vocabulary
        self.state_shape = state_shape(network)  # of one row
        self._layers = layers_of(network, vocabulary)
        self._features = features_width(network, vocabulary)
        if network.tied:
            self.weights["output.weight"] = self.weights["embedding.weight"]
        if arithmetic == "int8":
            self.weights = rounded_weights(self.weights)
        self._product = PRODUCTS[arithmetic]

    def begin(self, rows: int) -> State:
        """The state before any token (B, …): zeros, or with a context no ids yet."""
        return beginning(rows, self.state_shape, self.vocabulary_size)

    def read(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """ids (B, T) → logits (B, T, V), and the state after the last."""
        features, after = self.features(ids, state)
        return self._logits(features), after

    def features(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """ids (B, T) → what enters the output layer after each (B, T, F), and the state after the last."""
        checked = checked_ids(ids, self.vocabulary_size, 2)
        rows = len(checked)
        hidden = checked_state(state or self.begin(rows), rows, self.state_shape, self.vocabulary_size)
        features, after = self._advance(checked, hidden)
        return features, State(np.array(after))

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
        """Up to ``n`` tokens for each row (see Runtime)."""
        state = State(np.array(checked_state(state, len(logits), self.state_shape, self.vocabulary_size)))
        request = checked_request(
            self.vocabulary_size, logits, state, n, rules, seed, streams, history, positions, stop, banned
        )
        hidden = request.state.hidden

        def step(row: int, id: int) -> Floats:
            features, hidden[row : row + 1] = self._advance(np.array([[id]], np.int64), hidden[row : row + 1])
            return np.asarray(self._logits(features)[0, 0])

        return write_stepwise(request, step, probabilities)

    def _logits(self, features: Floats) -> Floats:
        return self._product(features, self.weights["output.weight"]) + self.weights["output.bias"]  # (B, T, V)

    def _advance(self, ids: IdArray, hidden: Floats) -> tuple[Floats, Floats]:
        """ids (B, T), state → what enters the output layer (B, T, F), new state."""
        if self.network.context is not None:
            return self._read_windows(ids, hidden)
        if self.network.kind == "convolution":
            return self._convolve(ids, hidden)
        return self._carry_on(ids, hidden)

    def _carry_on(self, ids: IdArray, hidden: Floats) -> tuple[Floats, Floats]:
        """Recurrent layers that carry their state on, then dense ones: state (B, L, S, H)."""
        after = np.zeros_like(hidden)
        x = np.zeros((*ids.shape, 0), np.float32)
        for index, layer in enumerate(self._layers):
            if layer.settings.kind == "dense":
                x = self._dense(x, index)
                continue
            parts, units = STATE_PARTS[layer.settings.kind], layer.settings.units
            weights = direction_weights(self.weights, index, layer)[0]
            sums = self._sums(ids, x, index, weights["weight_ih_l0"])
            leaving, last = recurrent(sums, weights, layer.settings, self._product, hidden[:, index, :parts, :units])
            after[:, index, :parts, :units] = last
            x = self._joined(x, leaving, index)
        return x, after

    def _read_windows(self, ids: IdArray, hidden: Floats) -> tuple[Floats, Floats]:
        """The window that ends at each id, anew from zero: state (B, W), the last ids."""
        context, rows, length = self.network.context or 0, *ids.shape
        read = np.concatenate([hidden.astype(np.int64), ids], axis=1)  # (B, W + T)
        windows = windows_of(read, context).reshape(rows * length, context)
        # empty places come first; with padding they are read like any id, else such windows are shorter
        empty = np.zeros(len(windows), np.int64) if self.network.padded else (windows == self.vocabulary_size).sum(1)
        features = np.empty((len(windows), self._features), np.float32)
        block = max(1, LARGEST_BLOCK // (context * max(self._features, self._layers[0].outputs)))
        for first in np.unique(empty):
            alike = np.flatnonzero(empty == first)
            for begin in range(0, len(alike), block):
                some = alike[begin : begin + block]
                features[some] = self._windows(windows[some, first:])
        return features.reshape(rows, length, self._features), read[:, length:].astype(np.float32)

    def attention(self, ids: ArrayLike) -> Floats:
        """How much each id of whole windows (N, T) counts for the one after the last, (N, T); of such networks only.

        A padded network reads V where there is no id yet, and weighs that too.
        """
        checked = checked_ids(ids, self.vocabulary_size + self.network.padded, 2)
        return attention_weights(self._over_time(checked), self.weights["attention"])[..., 0]

    def looked_into(self, ids: ArrayLike) -> list[Looked]:
        """Each recurrent layer of a network that carries its state, while it reads ids (T,) from the beginning."""
        read = checked_ids(ids, self.vocabulary_size, 1)[None]  # (1, T)
        x, found = np.zeros((*read.shape, 0), np.float32), []
        for index, layer in enumerate(self._layers):
            if layer.settings.kind == "dense":
                continue
            weights = direction_weights(self.weights, index, layer)[0]
            from_input = self._sums(read, x, index, weights["weight_ih_l0"]) + weights["bias_ih_l0"]
            state = np.zeros((1, STATE_PARTS[layer.settings.kind], layer.settings.units), np.float32)
            hidden, opened = [], []
            for t in range(read.shape[1]):
                opened.append(gates(from_input[:, t], state, weights, layer.settings, self._product))
                state = CELLS[layer.settings.kind](from_input[:, t], state, weights, layer.settings, self._product)
                hidden.append(state[0, 0])
            over_time = {name: np.stack([each[name][0] for each in opened]) for name in opened[0]}
            found.append(Looked(np.stack(hidden), over_time))
            x = self._joined(x, found[-1].hidden[None], index)
        return found

    def _windows(self, ids: IdArray) -> Floats:
        """Whole windows (N, T) → what enters the output layer after each (N, F)."""
        over_time = self._over_time(ids)
        return averaged(over_time, self.weights["attention"]) if self.network.attention else over_time[:, -1]

    def _over_time(self, ids: IdArray) -> Floats:
        """Whole windows (N, T) → what leaves the last layer at each step, with attention all layers: (N, T, F)."""
        x = np.zeros((*ids.shape, 0), np.float32)
        columns = [self._entering(ids)] if self.network.attention else []
        for index, layer in enumerate(self._layers):
            if layer.settings.kind == "dense":
                x = self._dense(x[:, -1:], index)
                continue
            weights = direction_weights(self.weights, index, layer)
            sums = [self._sums(ids, x, index, each["weight_ih_l0"]) for each in weights]
            x = self._joined(x, window_layer(layer, sums, weights, self._product), index)
            columns.append(x)
        return np.concatenate(columns, axis=2) if self.network.attention else x

    def _convolve(self, ids: IdArray, hidden: Floats) -> tuple[Floats, Floats]:
        """Causal convolutions: state (B, L, P, H), what entered each layer in the last P steps."""
        after = np.empty_like(hidden)
        x = self._sums(ids, np.zeros(0, np.float32), 0, self.weights["input.weight"]) + self.weights["input.bias"]
        for index, dilation in enumerate(dilations(self.network)):
            weight, bias = self.weights[f"layers.{index}.weight"], self.weights[f"layers.{index}.bias"]
            x, after[:, index] = convolved(x, hidden[:, index], weight, bias, dilation, self._product)
            x = self._normalised(x, index)
        return x, after

    def _sums(self, ids: IdArray, x: Floats, index: int, weight: Floats) -> Floats:
        """What enters a layer times its weight, without a bias: (B, T, O). One-hot is a look-up."""
        if index == 0 and self.network.input == "one-hot":
            return np.asarray(weight.T[ids])
        return rowwise(self._entering(ids), weight) if index == 0 else self._product(x, weight)

    def _entering(self, ids: IdArray) -> Floats:
        """The embeddings or numbers of ids: (B, T) → (B, T, I)."""
        if self.network.input == "learned":
            return self.weights["embedding.weight"][ids]
        return np.asarray((ids / self.vocabulary_size).astype(np.float32)[..., None])

    def _dense(self, x: Floats, index: int) -> Floats:
        sums = self._product(x, self.weights[f"layers.{index}.weight"]) + self.weights[f"layers.{index}.bias"]
        return FUNCTIONS[self._layers[index].settings.activation](sums)

    def _joined(self, x: Floats, leaving: Floats, index: int) -> Floats:
        """What leaves a recurrent layer: with what entered it (residual), normalised (layer_norm)."""
        return self._normalised(leaving + x if self.network.residual and index > 0 else leaving, index)

    def _normalised(self, x: Floats, index: int) -> Floats:
        if not self.network.layer_norm:
            return x
        return normalised(x, self.weights[f"norms.{index}.weight"], self.weights[f"norms.{index}.bias"])

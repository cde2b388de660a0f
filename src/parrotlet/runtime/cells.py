"""What enters a layer comes in; what leaves it goes out: every formula of the networks in numpy, as it is written down.

Each row (and each window) is computed alone, by products of one matrix and one vector, so that its bits do not depend
on the rows beside it. All arrays are float32; x is (B, T, I).
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from parrotlet.runtime.arithmetic import Arithmetic, Floats, rounded
from parrotlet.runtime.shapes import STATE_PARTS, Layer
from parrotlet.settings import LayerSettings

NORM_EPSILON = 1e-5
ATTENTION_EPSILON = 1e-7  # Keras' epsilon, which textgenrnn adds to the sum


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(−x)), written with tanh so that nothing overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x), np.float32)


def hard_sigmoid(x: Floats, slope: float) -> Floats:
    """A straight line through 0.5, cut off at 0 and 1: Keras 3 has the slope 1/6, Keras 2 0.2."""
    return np.asarray(np.clip(np.float32(slope) * x + np.float32(0.5), 0, 1), np.float32)


FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "tanh": lambda x: np.asarray(np.tanh(x)),
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "sigmoid": sigmoid,
    "linear": lambda x: x,
    "hard-sigmoid": partial(hard_sigmoid, slope=1 / 6),
    "hard-sigmoid-keras2": partial(hard_sigmoid, slope=0.2),
}


def rowwise(x: Floats, weight: Floats) -> Floats:
    """x @ weight.T, one vector at a time: (..., I), (O, I) → (..., O)."""
    flat = x.reshape(-1, x.shape[-1], 1)
    return np.asarray(np.matmul(weight, flat).reshape(*x.shape[:-1], len(weight)))


def rounded_rowwise(x: Floats, weight: Floats) -> Floats:
    """The same of vectors rounded to bytes."""
    return rowwise(rounded(x), weight)


Product = Callable[[Floats, Floats], Floats]
PRODUCTS: dict[Arithmetic, Product] = {"float32": rowwise, "int8": rounded_rowwise}


def normalised(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Layer normalisation (Ba et al. 2016) over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(NORM_EPSILON)) * weight + bias)


def rnn(
    from_input: Floats, state: Floats, weights: Mapping[str, Floats], settings: LayerSettings, product: Product
) -> Floats:
    """The plain cell: sums over the input with their bias (B, H), state (B, 1, H) → new state."""
    from_state = product(state[:, 0], weights["weight_hh_l0"]) + weights["bias_hh_l0"]
    return FUNCTIONS[settings.activation](from_input + from_state)[:, None]


def lstm(
    from_input: Floats, state: Floats, weights: Mapping[str, Floats], settings: LayerSettings, product: Product
) -> Floats:
    """(B, 4*H), state (B, 2, H) of hidden and cell → new state; gates i f g o as in torch."""
    gate, activation = FUNCTIONS[settings.gate], FUNCTIONS[settings.activation]
    enter, forget, fresh, out = _sums(from_input, state, weights, product)
    cell = gate(forget) * state[:, 1] + gate(enter) * activation(fresh)
    return np.stack([gate(out) * activation(cell), cell], axis=1)


def _sums(from_input: Floats, state: Floats, weights: Mapping[str, Floats], product: Product) -> list[Floats]:
    """What enters the four parts of an LSTM: (B, 4*H), state (B, 2, H) → four of (B, H)."""
    from_state = product(state[:, 0], weights["weight_hh_l0"]) + weights["bias_hh_l0"]
    return np.split(from_input + from_state, 4, axis=1)


def gru(
    from_input: Floats, state: Floats, weights: Mapping[str, Floats], settings: LayerSettings, product: Product
) -> Floats:
    """(B, 3*H), state (B, 1, H) → new state; gates r z n as in torch, or (``reset_after`` off) n as in Cho et al."""
    activation, units = FUNCTIONS[settings.activation], settings.units
    hidden, weight, bias = state[:, 0], weights["weight_hh_l0"], weights["bias_hh_l0"]
    reset, update = _reset_and_update(from_input, state, weights, settings, product)
    if settings.reset_after:
        from_state = reset * (product(hidden, weight[2 * units :]) + bias[2 * units :])
    else:
        from_state = product(reset * hidden, weight[2 * units :]) + bias[2 * units :]
    fresh = activation(from_input[:, 2 * units :] + from_state)
    return np.asarray((1 - update) * fresh + update * hidden)[:, None]


def _reset_and_update(
    from_input: Floats, state: Floats, weights: Mapping[str, Floats], settings: LayerSettings, product: Product
) -> list[Floats]:
    both, weight, bias = slice(2 * settings.units), weights["weight_hh_l0"], weights["bias_hh_l0"]
    sums = from_input[:, both] + product(state[:, 0], weight[both]) + bias[both]
    return np.split(FUNCTIONS[settings.gate](sums), 2, axis=1)


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def gates(
    from_input: Floats, state: Floats, weights: Mapping[str, Floats], settings: LayerSettings, product: Product
) -> dict[str, Floats]:
    """The gates of one step by name, each (B, H) between 0 and 1; arguments as for the cells. A plain cell has none."""
    if settings.kind == "lstm":
        enter, forget, _, out = map(FUNCTIONS[settings.gate], _sums(from_input, state, weights, product))
        return {"input": enter, "forget": forget, "output": out}
    if settings.kind == "gru":
        reset, update = _reset_and_update(from_input, state, weights, settings, product)
        return {"reset": reset, "update": update}
    return {}


def recurrent(
    sums: Floats,
    weights: Mapping[str, Floats],
    settings: LayerSettings,
    product: Product,
    state: Floats,
    backwards: bool = False,
) -> tuple[Floats, Floats]:
    """One direction of one layer: sums over its input without a bias (B, T, G*H), the state (B, S, H) it begins with.

    What leaves it at each step (B, T, H), and the state after the step that it reads last.
    """
    from_input, length = sums + weights["bias_ih_l0"], sums.shape[1]
    leaving = np.empty((*sums.shape[:2], settings.units), np.float32)
    for t in reversed(range(length)) if backwards else range(length):
        state = CELLS[settings.kind](from_input[:, t], state, weights, settings, product)
        leaving[:, t] = state[:, 0]
    return leaving, state


def window_layer(layer: Layer, sums: list[Floats], weights: list[Mapping[str, Floats]], product: Product) -> Floats:
    """A layer with one or two directions over whole windows from zero: sums (B, T, G*H) of each → (B, T, outputs).

    A ``final`` layer gives at the last step the state after the whole window, of each direction; the direction that
    reads backwards ends at the oldest step.
    """
    settings, parts = layer.settings, []
    for direction, from_input in enumerate(sums):
        zero = np.zeros((len(from_input), STATE_PARTS[settings.kind], settings.units), np.float32)
        leaving, last = recurrent(from_input, weights[direction], settings, product, zero, direction == 1)
        if settings.final:
            leaving[:, -1] = last[:, 0]
        parts.append(leaving)
    return np.concatenate(parts, axis=2)


def averaged(x: Floats, attention: Floats) -> Floats:
    """The average over time weighted by exp(x_t · attention), (B, T, F) → (B, F): textgenrnn's, after DeepMoji."""
    return np.asarray((attention_weights(x, attention) * x).sum(axis=1))


def attention_weights(x: Floats, attention: Floats) -> Floats:
    """How much each step counts in that average: (B, T, 1)."""
    chances = rowwise(x, attention[None])  # (B, T, 1)
    chances = np.exp(chances - chances.max(axis=1, keepdims=True))
    return np.asarray(chances / (chances.sum(axis=1, keepdims=True) + np.float32(ATTENTION_EPSILON)))


def convolved(
    x: Floats, past: Floats, weight: Floats, bias: Floats, dilation: int, product: Product
) -> tuple[Floats, Floats]:
    """A causal dilated convolution with a gate (van den Oord et al. 2016) added to what enters it, (B, T, H).

    ``past`` (B, P, H) is what entered in the last P steps, ``weight`` (2*H, H, K) as in torch's Conv1d. What leaves,
    and the new past.
    """
    length, kernel, units = x.shape[1], weight.shape[2], x.shape[2]
    entered = np.concatenate([past, x], axis=1)  # (B, P + T, H)
    sums: Floats = np.broadcast_to(bias, (*x.shape[:2], 2 * units))
    for tap in range(kernel):
        begin = past.shape[1] - (kernel - 1 - tap) * dilation
        taken = np.ascontiguousarray(weight[:, :, tap])
        sums = sums + product(entered[:, begin : begin + length], taken)
    leaving = np.asarray(x + np.tanh(sums[..., :units]) * sigmoid(sums[..., units:]), np.float32)
    return leaving, entered[:, length:]


def direction_weights(weights: Mapping[str, Floats], index: int, layer: Layer) -> list[Mapping[str, Floats]]:
    """The four arrays of each direction of a recurrent layer, by their names without number and direction."""
    suffixes = ("", "_reverse") if layer.settings.bidirectional else ("",)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [{name: weights[f"layers.{index}.{name}{suffix}"] for name in names} for suffix in suffixes]

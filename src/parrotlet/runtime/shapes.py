"""A network's settings and its vocabulary size come in; its layers and the shape of each weight and state go out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import LayerSettings, NetworkSettings

GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # rows of a layer's weights per unit; lstm i f g o, gru r z n, as in torch
STATE_PARTS = {"rnn": 1, "lstm": 2, "gru": 1}  # what a layer carries on: hidden, and for lstm the cell
MOST_STATE = 1 << 22  # numbers that a row of a convolution may carry on
ENTERED = frozenset({"layers.0.weight_ih_l0", "layers.0.weight_ih_l0_reverse", "input.weight"})  # by the input


def label_table(column: int) -> str:
    """The name of the vectors of one column's labels, (labels + 1, E); the last one stands for no label."""
    return f"labels.{column}.weight"


@dataclass(frozen=True)
class Layer:
    """One layer and how many numbers enter it and leave it at each step."""

    settings: LayerSettings
    inputs: int

    @property
    def outputs(self) -> int:
        return self.settings.units * (2 if self.settings.bidirectional else 1)


def input_width(network: NetworkSettings, vocabulary: int) -> int:
    """How many numbers enter the first layer for one id."""
    return {"learned": network.embedding, "one-hot": vocabulary, "number": 1}[network.input]


def layers_of(network: NetworkSettings, vocabulary: int) -> tuple[Layer, ...]:
    """The layers of a recurrent network or a stack, first to last; none for a convolution."""
    if network.kind == "convolution":
        return ()
    described = network.stack
    if network.kind != "stack":
        alike = LayerSettings(kind=network.kind, units=network.hidden, bidirectional=network.bidirectional)
        last = alike.model_copy(update={"final": not network.attention})
        described = (*[alike] * (network.layers - 1), last)
    layers: list[Layer] = []
    width = input_width(network, vocabulary)
    for settings in described:
        layers.append(Layer(settings, width))
        width = layers[-1].outputs
    return tuple(layers)


def dilations(network: NetworkSettings) -> tuple[int, ...]:
    """How many steps lie between the taps of each layer of a convolution: 1, 2, 4 … (van den Oord et al. 2016, §2.1).

    Raises UsageError where the layers would look further back than any state should hold.
    """
    steps = tuple(2**layer for layer in range(network.layers))
    state = network.layers * (network.kernel - 1) * steps[-1] * network.hidden
    if state > MOST_STATE:
        raise UsageError(
            f"network.layers = {network.layers} would carry {state:,} numbers a text, more than {MOST_STATE:,}: "
            "use fewer layers"
        )
    return steps


def features_width(network: NetworkSettings, vocabulary: int) -> int:
    """How many numbers enter the output layer."""
    layers = layers_of(network, vocabulary)
    if network.attention:
        return input_width(network, vocabulary) + sum(layer.outputs for layer in layers)
    return layers[-1].outputs if layers else network.hidden


def state_shape(network: NetworkSettings) -> tuple[int, ...]:
    """The shape of what one row carries on.

    With a context (W,): the last ids, oldest first, the vocabulary's size where there is none yet. Convolution
    (L, P, H): what entered each layer in the last P steps, oldest first. Else (L, S, H), of each recurrent layer its
    hidden vector and, with lstm, its cell; in a stack of different layers the rest is zero.
    """
    if network.context is not None:
        return (network.context,)
    if network.kind == "convolution":
        return (network.layers, (network.kernel - 1) * dilations(network)[-1], network.hidden)
    recurrent = [layer.settings for layer in layers_of(network, 1) if layer.settings.kind != "dense"]
    parts = max(STATE_PARTS[layer.kind] for layer in recurrent)
    return (len(recurrent), parts, max(layer.units for layer in recurrent))


def expected_shapes(network: NetworkSettings, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Every array the network holds, under its torch name, in order; takes no memory.

    Raises UsageError for a tied output without a learned embedding of the size of the layers.
    """
    if network.tied and (network.input != "learned" or network.embedding != network.hidden):
        raise UsageError(
            f"network.tied needs input 'learned' and embedding = hidden, "
            f"not {network.input!r} and {network.embedding} ≠ {network.hidden}: set network.embedding={network.hidden}"
        )
    shapes: dict[str, tuple[int, ...]] = {}
    if network.input == "learned":
        shapes["embedding.weight"] = (vocabulary + network.padded, network.embedding)
    for index, labels in enumerate(network.label_counts):
        shapes[label_table(index)] = (labels + 1, network.embedding)
    shapes |= _convolution_shapes(network, vocabulary) if network.kind == "convolution" else {}
    for index, layer in enumerate(layers_of(network, vocabulary)):
        shapes |= _layer_shapes(f"layers.{index}.", layer)
        if network.layer_norm:
            shapes |= {f"norms.{index}.{name}": (network.hidden,) for name in ("weight", "bias")}
    width = features_width(network, vocabulary)
    if network.attention:
        shapes["attention"] = (width,)
    if not network.tied:
        shapes["output.weight"] = (vocabulary, width)
    shapes["output.bias"] = (vocabulary,)
    return shapes


def _layer_shapes(prefix: str, layer: Layer) -> dict[str, tuple[int, ...]]:
    settings = layer.settings
    if settings.kind == "dense":
        return {prefix + "weight": (settings.units, layer.inputs), prefix + "bias": (settings.units,)}
    rows = GATES[settings.kind] * settings.units
    shapes: dict[str, tuple[int, ...]] = {}
    for direction in ("", "_reverse") if settings.bidirectional else ("",):
        shapes[f"{prefix}weight_ih_l0{direction}"] = (rows, layer.inputs)
        shapes[f"{prefix}weight_hh_l0{direction}"] = (rows, settings.units)
        shapes[f"{prefix}bias_ih_l0{direction}"] = (rows,)
        shapes[f"{prefix}bias_hh_l0{direction}"] = (rows,)
    return shapes


def _convolution_shapes(network: NetworkSettings, vocabulary: int) -> dict[str, tuple[int, ...]]:
    hidden = network.hidden
    dilations(network)
    shapes = {"input.weight": (hidden, input_width(network, vocabulary)), "input.bias": (hidden,)}
    for index in range(network.layers):
        shapes[f"layers.{index}.weight"] = (2 * hidden, hidden, network.kernel)
        shapes[f"layers.{index}.bias"] = (2 * hidden,)
        if network.layer_norm:
            shapes |= {f"norms.{index}.{name}": (hidden,) for name in ("weight", "bias")}
    return shapes


def checked_weights(
    network: NetworkSettings, weights: Mapping[str, NDArray[np.float32]], vocabulary: int
) -> dict[str, NDArray[np.float32]]:
    """The arrays as C-ordered float32, exactly those the network expects; raises ParrotletError otherwise."""
    if vocabulary < 1:
        raise ParrotletError(f"a vocabulary needs at least one token, not {vocabulary}")
    expected = expected_shapes(network, vocabulary)
    if different := sorted(set(expected) ^ set(weights)):
        state = "is missing" if different[0] in expected else "does not belong to this network"
        raise ParrotletError(f"weights: {different[0]} {state}")
    for name, shape in expected.items():
        if weights[name].shape != shape or weights[name].dtype.kind != "f":
            found = f"{weights[name].dtype} {weights[name].shape}"
            raise ParrotletError(f"weights: {name} should be float32 {shape}, not {found}")
    return {name: np.ascontiguousarray(weights[name], np.float32) for name in expected}

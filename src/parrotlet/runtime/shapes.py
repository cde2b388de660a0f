"""A network's settings and its vocabulary size come in; the name and shape of each of its weight arrays go out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import NetworkSettings

GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # rows of a layer's weights per unit; lstm i f g o, gru r z n, as in torch
STATE_PARTS = {"rnn": 1, "lstm": 2, "gru": 1}  # what a layer carries on: hidden, and for lstm the cell


def input_width(network: NetworkSettings, vocabulary: int) -> int:
    """How many numbers enter the first layer for one id."""
    return {"learned": network.embedding, "one-hot": vocabulary, "number": 1}[network.input]


def expected_shapes(network: NetworkSettings, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Every array the network holds, under its torch name, in order; takes no memory.

    Raises UsageError for a tied output without a learned embedding of the size of the layers.
    """
    if network.tied and (network.input != "learned" or network.embedding != network.hidden):
        raise UsageError(
            f"network.tied needs input 'learned' and embedding = hidden, "
            f"not {network.input!r} and {network.embedding} ≠ {network.hidden}: set network.embedding={network.hidden}"
        )
    hidden, rows = network.hidden, GATES[network.kind] * network.hidden
    shapes: dict[str, tuple[int, ...]] = {}
    if network.input == "learned":
        shapes["embedding.weight"] = (vocabulary, network.embedding)
    for layer in range(network.layers):
        width = input_width(network, vocabulary) if layer == 0 else hidden
        shapes[f"layers.{layer}.weight_ih_l0"] = (rows, width)
        shapes[f"layers.{layer}.weight_hh_l0"] = (rows, hidden)
        shapes[f"layers.{layer}.bias_ih_l0"] = (rows,)
        shapes[f"layers.{layer}.bias_hh_l0"] = (rows,)
        if network.layer_norm:
            shapes[f"norms.{layer}.weight"] = (hidden,)
            shapes[f"norms.{layer}.bias"] = (hidden,)
    if not network.tied:
        shapes["output.weight"] = (vocabulary, hidden)
    shapes["output.bias"] = (vocabulary,)
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

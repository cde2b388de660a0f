"""A network's weights come in; the packed, padded, aligned arrays that the compiled path streams go out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from parrotlet.runtime.shapes import GATES
from parrotlet.settings import NetworkSettings

Floats = NDArray[np.float32]

UNIT = 16  # columns are padded to this; the same figures as in vector.h
TILE_UNITS = 4
ALIGNMENT = 64  # bytes; a load that crosses a cache line costs two
LARGEST_TABLE = 1 << 24  # floats: above this the embedding is not folded into the first layer
LARGEST_FOLD = 1 << 31  # products to fold it


def padded_to_unit(n: int) -> int:
    """n rounded up to a whole number of units."""
    return -(-n // UNIT) * UNIT


def aligned(size: int) -> Floats:
    """A fresh float32 array of this length whose first byte lies on a cache line."""
    raw = np.zeros(size * 4 + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size * 4].view(np.float32)


def padded_gates(rows: Floats, gates: int) -> Floats:
    """(G*H, …) → (G*padded, …): zeros after each gate, so that every gate begins on a unit."""
    hidden = rows.shape[0] // gates
    result = np.zeros((gates, padded_to_unit(hidden), *rows.shape[1:]), np.float32)
    result[:, :hidden] = rows.reshape(gates, hidden, *rows.shape[1:])
    return result.reshape(-1, *rows.shape[1:])


def packed(weight: Floats) -> Floats:
    """(width, depth), width a whole number of units, → one row of tiles, each (depth, tile width) (see vector.h)."""
    width, depth = weight.shape
    result, column = aligned(width * depth), 0
    while column < width:
        units = (width - column) // UNIT
        units = TILE_UNITS if units >= 2 * TILE_UNITS else units
        tile = result[column * depth : (column + units * UNIT) * depth].reshape(depth, units * UNIT)
        tile[:] = weight[column : column + units * UNIT].T
        column += units * UNIT
    return result


def copied(values: Floats, size: int | None = None) -> Floats:
    """An aligned copy, flat, with zeros up to ``size``."""
    result = aligned(size or values.size)
    result[: values.size] = values.reshape(-1)
    return result


class PackedNetwork:
    """All arrays of a network as the compiled path wants them; they live as long as this object does."""

    def __init__(self, network: NetworkSettings, weights: Mapping[str, Floats], vocabulary: int) -> None:
        self.gates = GATES[network.kind]
        self.padded = padded_to_unit(network.hidden)
        self.vocabulary_padded = padded_to_unit(vocabulary)
        self.folded = network.input != "learned" or (
            vocabulary * self.gates * self.padded <= LARGEST_TABLE
            and vocabulary * self.gates * self.padded * network.embedding <= LARGEST_FOLD
        )
        self.layers = [self._layer(network, weights, index) for index in range(network.layers)]
        self.table, self.table_stride = self._table(network, weights, vocabulary)
        output = np.zeros((self.vocabulary_padded, network.hidden), np.float32)
        output[:vocabulary] = weights["embedding.weight" if network.tied else "output.weight"]
        self.output = packed(output)
        self.output_bias = copied(weights["output.bias"], self.vocabulary_padded)
        self.output_bias[vocabulary:] = -np.inf  # padding is never likely

    def _input_bias(self, weights: Mapping[str, Floats], index: int) -> Floats:
        """Both biases where they are only ever added: all gates but the gru's new one, (G*padded,)."""
        state_bias = weights[f"layers.{index}.bias_hh_l0"].copy()
        if self.gates == GATES["gru"]:
            state_bias[-len(state_bias) // self.gates :] = 0
        return padded_gates(weights[f"layers.{index}.bias_ih_l0"] + state_bias, self.gates)

    def _layer(self, network: NetworkSettings, weights: Mapping[str, Floats], index: int) -> dict[str, Floats]:
        """One layer's arrays by the names of the fields of pl_layer."""
        name = f"layers.{index}."
        layer = {"recurrent": packed(padded_gates(weights[name + "weight_hh_l0"], self.gates))}
        if index > 0 or not self.folded:
            layer["input"] = packed(padded_gates(weights[name + "weight_ih_l0"], self.gates))
            layer["input_bias"] = copied(self._input_bias(weights, index))
        if network.kind == "gru":
            layer["recurrent_bias"] = copied(weights[name + "bias_hh_l0"][2 * network.hidden :], self.padded)
        if network.layer_norm:
            layer["norm_weight"] = copied(weights[f"norms.{index}.weight"], self.padded)
            layer["norm_bias"] = copied(weights[f"norms.{index}.bias"], self.padded)
        return layer

    def _table(self, network: NetworkSettings, weights: Mapping[str, Floats], vocabulary: int) -> tuple[Floats, int]:
        """One row per id: the sums over the input of layer 0 with its biases, or the embedding where not folded."""
        if not self.folded:
            return copied(weights["embedding.weight"]), network.embedding
        weight = weights["layers.0.weight_ih_l0"]
        if network.input == "learned":
            sums = weights["embedding.weight"] @ weight.T  # (V, G*H)
        elif network.input == "one-hot":
            sums = weight.T
        else:
            sums = (np.arange(vocabulary) / vocabulary).astype(np.float32)[:, None] * weight[:, 0]
        table = padded_gates(np.ascontiguousarray(sums.T), self.gates).T + self._input_bias(weights, 0)
        return copied(table), self.gates * self.padded

"""A network's weights come in; the packed, padded, aligned arrays that the compiled path streams go out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.runtime.arithmetic import Arithmetic, Floats
from parrotlet.runtime.cells import direction_weights
from parrotlet.runtime.matrices import ALIGNMENT, Matrix, aligned, copied, one_after_the_other, packed, padded_to_unit
from parrotlet.runtime.shapes import GATES, Layer, dilations, features_width, input_width, layers_of, state_shape
from parrotlet.settings import LayerSettings, NetworkSettings

Fields = dict[str, Any]  # of a structure in model.h: flat arrays and matrices

ITEMS = 32  # PL_ITEMS in model.h
LARGEST_TABLE = 1 << 24  # floats: above this the embedding is not folded into the first layer
LARGEST_FOLD = 1 << 31  # products to fold it
MOST_PADDINGS = 1 << 24  # floats: above this what paddings leave behind is not kept, but read again in each window
BLOCK = 1 << 17  # floats: windows are evaluated together as far as what is known of them fits into so many
MOST_WINDOWS = 16
SHARED = 4  # rows that share each weight that is loaded

KINDS = {"rnn": 0, "lstm": 1, "gru": 2, "dense": 3, "convolution": 4}
FUNCTIONS = ("tanh", "relu", "sigmoid", "linear", "hard-sigmoid", "hard-sigmoid-keras2")


def padded_gates(rows: Floats, gates: int) -> Floats:
    """(G*H, …) → (G*padded, …): zeros after each gate, so that every gate begins on a unit."""
    hidden = rows.shape[0] // gates
    result = np.zeros((gates, padded_to_unit(hidden), *rows.shape[1:]), np.float32)
    result[:, :hidden] = rows.reshape(gates, hidden, *rows.shape[1:])
    return result.reshape(-1, *rows.shape[1:])


def spread(weight: Floats, parts: Sequence[int]) -> Floats:
    """(O, I), I the sum of ``parts``, → zero columns after each part but the last, so that each begins on a unit."""
    if len(parts) == 1:
        return weight
    columns = [padded_to_unit(part) for part in parts[:-1]] + [parts[-1]]
    result, column, begin = np.zeros((len(weight), sum(columns)), np.float32), 0, 0
    for part, width in zip(parts, columns, strict=True):
        result[:, column : column + part] = weight[:, begin : begin + part]
        column, begin = column + width, begin + part
    return result


@dataclass
class PackedLayer:
    """The fields of pl_layer: its numbers, its own arrays, and those of each direction."""

    numbers: dict[str, int]
    directions: list[Fields]
    arrays: dict[str, Floats] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        return self.numbers["padded"] * len(self.directions)


class PackedNetwork:
    """All arrays and numbers of a network as the compiled path wants them; the arrays live as long as it does."""

    def __init__(
        self, network: NetworkSettings, weights: Mapping[str, Floats], vocabulary: int, arithmetic: Arithmetic
    ) -> None:
        self._network, self._vocabulary, self._arithmetic = network, vocabulary, arithmetic
        self._weights: Mapping[str, Floats] = weights
        self._raw = input_width(network, vocabulary)
        self._column = padded_to_unit(self._raw) if network.attention else 0  # of an item, the first that is free
        self._parts = [self._raw]  # what entered last lies in these columns, each part beginning on a unit
        self._state = self._place = 0
        self.arrays: Fields = {}
        self.layers: list[PackedLayer] = []
        if network.kind == "convolution":
            self._add_convolutions()
        else:
            for index, layer in enumerate(layers_of(network, vocabulary)):
                self._add_dense(index, layer) if layer.settings.kind == "dense" else self._add_recurrent(index, layer)
        self._pack_output()
        self.numbers = self._numbers()
        self._reserve_paddings()
        self._weights = {}  # what is packed need not be held twice

    def products(self) -> int:
        """How many products one id takes: each number of each matrix once, inside a context for each of its places."""
        inside = sum(each.weights.size for each in self._matrices_of_layers())
        return inside * (self._network.context or 1) + self._output.weights.size

    def _matrices_of_layers(self) -> list[Matrix]:
        arrays = [array for layer in self.layers for way in layer.directions for array in way.values()]
        return [array for array in arrays if isinstance(array, Matrix)]

    def _add_recurrent(self, index: int, layer: Layer) -> None:
        settings, ways = layer.settings, direction_weights(self._weights, index, layer)
        gates, units = GATES[settings.kind], settings.units
        directions = []
        for weights in ways:
            way = _recurrent_arrays(settings, weights, self._arithmetic)
            way["input_bias"] = copied(padded_gates(_input_bias(settings, weights), gates))
            directions.append(way)
        sums = gates * padded_to_unit(units)
        added = self._add(index, settings.kind, units, sums, directions, settings)
        added.numbers |= {"final": int(settings.final), "residual": int(self._network.residual and index > 0)}
        added.numbers |= {"state": self._state, "place": self._place}
        self._state += 2 * added.outputs
        self._place += 1
        self._enter(added, [padded_gates(weights["weight_ih_l0"], gates) for weights in ways])

    def _add_dense(self, index: int, layer: Layer) -> None:
        units, name = layer.settings.units, f"layers.{index}."
        directions = [{"input_bias": copied(self._weights[name + "bias"], padded_to_unit(units))}]
        added = self._add(index, "dense", units, padded_to_unit(units), directions, layer.settings)
        self._enter(added, [padded_gates(self._weights[name + "weight"], 1)])

    def _add_convolutions(self) -> None:
        """First a linear layer of what the ids bring, then the convolutions; of a state's steps each keeps a ring."""
        hidden, width = self._network.hidden, padded_to_unit(self._network.hidden)
        linear = LayerSettings(kind="dense", units=hidden, activation="linear")
        directions: list[Fields] = [{"input_bias": copied(self._weights["input.bias"], width)}]
        first = self._add(None, "dense", hidden, width, directions, linear)
        self._enter(first, [padded_gates(self._weights["input.weight"], 1)])
        ring = (state_shape(self._network)[1] + ITEMS) * width
        for index, dilation in enumerate(dilations(self._network)):
            weight = self._weights[f"layers.{index}.weight"]  # (2*H, H, K)
            taps = [packed(padded_gates(tap, 2), self._arithmetic) for tap in np.moveaxis(weight, 2, 0)]
            bias = copied(padded_gates(self._weights[f"layers.{index}.bias"], 2))
            directions = [{"input": one_after_the_other(taps), "input_bias": bias}]
            added = self._add(index, "convolution", hidden, 2 * width, directions, linear)
            added.numbers |= {"state": self._state, "place": index, "dilation": dilation}
            self._state += ring
            self._parts = [hidden]

    def _add(
        self,
        index: int | None,
        kind: str,
        units: int,
        sums: int,
        directions: list[Fields],
        settings: LayerSettings,
    ) -> PackedLayer:
        """One more layer, which reads the columns of the one before it and writes columns of its own."""
        begin = self.layers[-1].numbers["to"] if self.layers else 0
        numbers = {
            "kind": KINDS[kind], "units": units, "padded": padded_to_unit(units), "sums": sums,
            "directions": len(directions), "activation": FUNCTIONS.index(settings.activation),
            "gate": FUNCTIONS.index(settings.gate), "from": begin, "to": self._column,
        }  # fmt: skip
        layer = PackedLayer(numbers, directions)
        if self._network.layer_norm and index is not None:
            for name in ("weight", "bias"):
                norm = self._weights[f"norms.{index}.{name}"]
                layer.arrays[f"norm_{name}"] = copied(norm, numbers["padded"])
        self.layers.append(layer)
        self._column += layer.outputs
        return layer

    def _enter(self, layer: PackedLayer, inputs: list[Floats]) -> None:
        """The weights (sums, I) of what enters a layer, of each direction; those of the first may become a table."""
        spread_inputs = [spread(weight, self._parts) for weight in inputs]
        self._parts = [layer.numbers["units"]] * len(layer.directions)
        width = layer.numbers["sums"] * len(inputs)
        ids = self._vocabulary + self._network.padded
        small = ids * width <= LARGEST_TABLE and ids * width * self._raw <= LARGEST_FOLD
        if self._network.input == "number" and ids * width > LARGEST_TABLE:  # a small file would take much memory
            raise ParrotletError(
                f"network.input = 'number' with {self._vocabulary:,} tokens and {width:,} sums of a layer needs a "
                f"table of {ids * width:,} numbers; {LARGEST_TABLE:,} are the most"
            )
        if len(self.layers) == 1 and (small or self._network.input != "learned"):
            sums = [self._sums_of_ids(weight) for weight in inputs]
            biases = [way.pop("input_bias") for way in layer.directions]
            self.arrays["table"] = copied(np.concatenate(sums, axis=1) + np.concatenate(biases))
            return
        for way, weight in zip(layer.directions, spread_inputs, strict=True):
            way["input"] = packed(weight, "float32" if len(self.layers) == 1 else self._arithmetic)

    def _sums_of_ids(self, weight: Floats) -> Floats:
        """What each id brings to the sums of the first layer: (sums, I) → (ids, sums)."""
        if self._network.input == "learned":
            return np.asarray(self._weights["embedding.weight"] @ weight.T)
        if self._network.input == "one-hot":
            return weight.T
        return (np.arange(self._vocabulary) / self._vocabulary).astype(np.float32)[:, None] * weight[:, 0]

    def _pack_output(self) -> None:
        network, padded = self._network, padded_to_unit(self._vocabulary)
        parts = self._parts
        if network.attention:
            parts = [self._raw]
            for layer in self.layers:
                parts = parts + [layer.numbers["units"]] * len(layer.directions)
            attention = spread(self._weights["attention"][None], parts)
            self.arrays["attention"] = copied(attention, self._column)
        if network.attention or "table" not in self.arrays:
            self.arrays["raw_table"] = copied(self._weights["embedding.weight"])
        weight = self._weights["embedding.weight" if network.tied else "output.weight"]
        output = np.zeros((padded, features_width(network, self._vocabulary)), np.float32)
        output[: self._vocabulary] = weight
        spread_output = spread(output, parts)
        self._output = self.arrays["output"] = packed(spread_output, self._arithmetic)
        bias = self.arrays["output_bias"] = copied(self._weights["output.bias"], padded)
        bias[self._vocabulary :] = -np.inf  # padding is never likely

    def _numbers(self) -> dict[str, int]:
        """The numbers of pl_model."""
        network, context = self._network, self._network.context or 0
        shape = (0, 0, 0) if context else state_shape(network)
        self._backwards = any(len(layer.directions) > 1 for layer in self.layers)
        windows = BLOCK // max(1, context * self._column) // SHARED * SHARED
        first = self.layers[0]
        return {
            "layers": len(self.layers), "vocabulary": self._vocabulary,
            "vocabulary_padded": padded_to_unit(self._vocabulary), "width": self._column,
            "most_sums": max(layer.numbers["sums"] for layer in self.layers), "state": self._state,
            "state_layers": shape[0], "state_parts": shape[1], "state_units": shape[2],
            "context": context, "padding": int(network.padded),
            "windows": min(MOST_WINDOWS, max(SHARED, windows)) if context else 0,
            "ahead": 1 if self._backwards else min(SHARED, context), "taps": network.kernel,
            "feature_column": 0 if network.attention else self.layers[-1].numbers["to"],
            "raw": self._raw, "most_bytes": self._most_bytes(),
            "table_stride": first.numbers["sums"] * len(first.directions),
        }  # fmt: skip

    def _most_bytes(self) -> int:
        """Of the rows that enter matrices of bytes the longest, as a whole number of cache lines."""
        deep = [each.depth for each in (*self._matrices_of_layers(), self._output) if each.scales is not None]
        return -(-max(deep, default=0) // ALIGNMENT) * ALIGNMENT

    def _reserve_paddings(self) -> None:
        """Room for what a window's paddings leave behind, which is always the same where nothing reads backwards."""
        context, columns = self._network.context or 0, self._column if self._network.attention else 0
        if self._network.padded and not self._backwards and context * (self._state + columns) <= MOST_PADDINGS:
            self.arrays["padded_states"] = aligned(context * self._state)
            if columns:
                self.arrays["padded_items"] = aligned(context * columns)


def _input_bias(settings: LayerSettings, weights: Mapping[str, Floats]) -> Floats:
    """Both biases where they are only ever added: all but that of the gru's new gate where it resets afterwards."""
    state_bias = weights["bias_hh_l0"].copy()
    if settings.kind == "gru" and settings.reset_after:
        state_bias[2 * settings.units :] = 0
    return np.asarray(weights["bias_ih_l0"] + state_bias)


def _recurrent_arrays(settings: LayerSettings, weights: Mapping[str, Floats], arithmetic: Arithmetic) -> Fields:
    """The fields of pl_direction that read the state."""
    gates, units, weight = GATES[settings.kind], settings.units, weights["weight_hh_l0"]
    if settings.kind != "gru":
        return {"recurrent": packed(padded_gates(weight, gates), arithmetic)}
    if settings.reset_after:
        bias = copied(weights["bias_hh_l0"][2 * units :], padded_to_unit(units))
        return {"recurrent": packed(padded_gates(weight, gates), arithmetic), "recurrent_bias": bias}
    return {
        "recurrent": packed(padded_gates(weight[: 2 * units], 2), arithmetic),
        "candidate": packed(padded_gates(weight[2 * units :], 1), arithmetic),
    }

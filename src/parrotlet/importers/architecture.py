"""The configuration that Keras wrote of a model comes in, as parsed JSON; its layers go out, or one line why not.

Nothing of the configuration is executed: each class name and each option is compared with what is known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.importers.chain import Described, chain, described, flag, text
from parrotlet.settings import LayerSettings, check

CELLS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn", "CuDNNLSTM": "lstm", "CuDNNGRU": "gru"}
DROPPING = ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise")  # these do nothing when a model writes
KNOWN = (
    *("InputLayer", "Embedding", "Masking", *CELLS, "Bidirectional", "TimeDistributed", "Dense", "Activation"),
    *("Softmax", *DROPPING),
)
LONGEST_LINE = 400  # of what a file is told to be wrong with; names in it may be long
ACTIVATIONS = ("tanh", "relu", "sigmoid", "linear")
# Options of recurrent layers that change what they compute, and the values that are known here.
FIXED = {"return_state": False, "go_backwards": False, "time_major": False, "use_peephole": False}


@dataclass
class Architecture:
    """What a model is made of, in the order in which it computes."""

    layers: list[LayerSettings] = field(default_factory=list)  # recurrent ones, then hidden dense ones
    places: list[Described] = field(default_factory=list)  # where each of them is in the file
    embedding: Described | None = None
    output: Described | None = None
    window: int | None = None  # how many steps the input has; None: any number
    width: int | None = None  # how many numbers enter at each step, where there is no embedding
    mask: float | None = None  # the input value at which a step is passed over
    dropouts: dict[str, float] = field(default_factory=dict)  # by the name of the network's setting
    assumed: list[str] = field(default_factory=list)  # what the file does not say


def read_architecture(config: Any, keras: str, file: str) -> Architecture:
    """The layers of a Sequential or of a Functional model that is one chain; ``keras``: the version that wrote it.

    Raises ParrotletError with one line that names ``file`` and the first layer that cannot be taken over.
    """
    try:
        return _Builder(keras).build(config)
    except UsageError as error:
        raise ParrotletError(f"{file}: its layers cannot be taken over: {str(error)[:LONGEST_LINE]}") from None
    except ParrotletError as error:
        raise ParrotletError(f"{file}: {str(error)[:LONGEST_LINE]}") from None


class _Builder:
    """Reads one layer after the other."""

    def __init__(self, keras: str) -> None:
        self._made = Architecture()
        self._items: list[tuple[Described, dict[str, Any]]] = []  # each layer with the values of its LayerSettings
        self._hard = "hard-sigmoid-keras2" if keras.split(".")[0] in ("", "0", "1", "2") else "hard-sigmoid"
        self._stateful = False

    def build(self, config: Any) -> Architecture:
        made = self._made
        for each in chain(config):
            if each.kind not in KNOWN:
                known = ", ".join(KNOWN)
                raise ParrotletError(
                    f"its layer {each.name!r} is of the class {each.kind!r}, which cannot be taken over; known: {known}"
                )
            self._input_shape(each.options)
            self._layer(each)
        if not self._items or self._items[-1][1]["kind"] != "dense":
            raise ParrotletError("it does not end with a Dense layer that gives each symbol its probability")
        made.output, last = self._items.pop()
        if last["activation"] == "linear":
            made.assumed.append("its last layer has no softmax: it gives logits, as its loss took them")
        elif last["activation"] != "softmax":
            raise ParrotletError(f"its last layer {made.output.name!r} ends with {last['activation']!r}, not softmax")
        self._finish()
        made.window = None if self._stateful else made.window
        return made

    def _finish(self) -> None:
        """The items become layers; the last recurrent one alone may give just what it has after the last step."""
        recurrent = [values for _, values in self._items if values["kind"] != "dense"]
        if not recurrent:
            raise ParrotletError("it has no LSTM, GRU or SimpleRNN layer")
        for place, (each, values) in enumerate(self._items):
            if values["kind"] == "dense" and place < len(recurrent):
                raise ParrotletError(f"its layer {each.name!r} is a Dense layer before a recurrent one")
            if values.get("final") and values is not recurrent[-1]:
                raise ParrotletError(f"its layer {each.name!r} gives only its last step to another recurrent layer")
            if values["activation"] not in ACTIVATIONS:
                raise ParrotletError(
                    f"its layer {each.name!r} has the activation {values['activation']!r}; known are "
                    f"{', '.join(ACTIVATIONS)}"
                )
            self._made.layers.append(check(LayerSettings, values, each.name))
            self._made.places.append(each)

    def _input_shape(self, options: Mapping[str, Any]) -> None:
        """How long and how wide the input is, where a first layer says so."""
        shape = options.get("batch_shape") or options.get("batch_input_shape")
        if shape is None and options.get("input_length") is not None:
            shape = [None, options["input_length"]]
        if shape is None or self._items:
            return
        if not isinstance(shape, list) or not all(n is None or (type(n) is int and n > 0) for n in shape):
            raise ParrotletError(f"its input shape {str(shape)[:80]} makes no sense")
        if len(shape) not in (2, 3):
            raise ParrotletError(f"its input has the shape {shape}, not (batch, steps) or (batch, steps, numbers)")
        self._made.window = shape[1]
        self._made.width = shape[2] if len(shape) == 3 else None

    def _layer(self, each: Described) -> None:
        made, options = self._made, each.options
        if each.kind in DROPPING:
            self._dropout(options)
        elif each.kind == "Masking":
            value = options.get("mask_value", 0.0)
            made.mask = float(value) if isinstance(value, int | float) else 0.0
        elif each.kind == "Embedding":
            if made.embedding or self._items:
                raise ParrotletError(f"its layer {each.name!r} is an Embedding that is not its first layer")
            made.embedding = each
            made.mask = 0.0 if flag(options, "mask_zero", each.name) else made.mask
        elif each.kind in CELLS:
            self._items.append((each, self._recurrent(each)))
        elif each.kind == "Bidirectional":
            self._items.append((each, self._both_ways(each)))
        elif each.kind in ("Dense", "Activation", "Softmax"):
            self._by_step(each, each)
        elif each.kind == "TimeDistributed":
            self._by_step(each, described(options.get("layer"), each.name))

    def _dropout(self, options: Mapping[str, Any]) -> None:
        """The rate, for a network that is to learn on; the first of each place counts."""
        place = "dropout_input"
        if self._items:
            place = "dropout_output" if self._items[-1][1].get("final", True) else "dropout_between"
        rate = options.get("rate")
        if isinstance(rate, int | float) and 0 < rate < 1:
            self._made.dropouts.setdefault(place, float(rate))

    def _by_step(self, outer: Described, each: Described) -> None:
        """A dense layer, or the activation of the one before it; ``outer`` may wrap it (TimeDistributed)."""
        if each.kind in DROPPING:
            self._dropout(each.options)
        elif each.kind == "Dense":
            activation = text(each.options, "activation", outer.name, "linear")
            values = {"kind": "dense", "units": each.options.get("units"), "activation": activation}
            self._items.append((outer, values))
        elif each.kind in ("Activation", "Softmax"):
            wanted = "softmax" if each.kind == "Softmax" else text(each.options, "activation", outer.name, "linear")
            values = self._items[-1][1] if self._items else {"kind": ""}
            if wanted != "linear" and (values["kind"] != "dense" or values["activation"] != "linear"):
                raise ParrotletError(f"its layer {outer.name!r} puts {wanted!r} after a layer that is not linear")
            if wanted != "linear":
                values["activation"] = wanted
        else:
            raise ParrotletError(f"its layer {outer.name!r} applies a {each.kind!r} to each step")

    def _recurrent(self, each: Described) -> dict[str, Any]:
        """The values of one recurrent layer; final where it does not return its sequence."""
        options, name, kind = each.options, each.name, CELLS[each.kind]
        for option, value in FIXED.items():
            if options.get(option, value) != value:
                raise ParrotletError(
                    f"its layer {name!r} has {option} = {options[option]!r}, which cannot be taken over"
                )
        self._stateful = self._stateful or flag(options, "stateful", name)
        gate = text(options, "recurrent_activation", name, "sigmoid")
        values: dict[str, Any] = {
            "kind": kind,
            "units": options.get("units"),
            "activation": text(options, "activation", name, "tanh"),
            "final": not flag(options, "return_sequences", name),
        }
        if kind != "rnn":
            values["gate"] = self._hard if gate == "hard_sigmoid" else gate
        if kind == "gru":
            values["reset_after"] = each.kind == "CuDNNGRU" or flag(options, "reset_after", name)
        return values

    def _both_ways(self, each: Described) -> dict[str, Any]:
        """The values of a Bidirectional layer, of two cells alike whose outputs stand side by side."""
        merge = each.options.get("merge_mode", "concat")
        if merge != "concat":
            raise ParrotletError(f"its layer {each.name!r} has merge_mode = {merge!r}; only 'concat' can be taken over")
        ahead = described(each.options.get("layer"), each.name)
        if ahead.kind not in CELLS:
            raise ParrotletError(
                f"its layer {each.name!r} is a Bidirectional {ahead.kind!r}, which cannot be taken over"
            )
        values = self._recurrent(Described(each.name, ahead.kind, ahead.options))
        if each.options.get("backward_layer") is not None:
            back = described(each.options["backward_layer"], each.name)
            turned = Described(each.name, back.kind, {**back.options, "go_backwards": False})
            if back.kind != ahead.kind or self._recurrent(turned) != values:
                raise ParrotletError(
                    f"the two directions of its layer {each.name!r} differ, which cannot be taken over"
                )
        return values | {"bidirectional": True}

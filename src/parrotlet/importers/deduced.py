"""The arrays of a file that holds weights alone come in; the layers that they must belong to go out.

Shapes tell the class and the size of a layer. What they cannot tell (activations, the length of the window, the kind of
gate) is assumed to be what Keras does by default, and told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from parrotlet.errors import UsageError
from parrotlet.importers.architecture import Architecture
from parrotlet.importers.chain import Described
from parrotlet.importers.reader import Archive
from parrotlet.importers.stored import Stored
from parrotlet.settings import LayerSettings, check

SUBCLASSED = "a subclassed model: its file does not list its layers"
MOST_STEPS = 20_000  # in the search for an order
KINDS = {4: "lstm", 3: "gru", 1: "rnn"}  # by the number of gates


@dataclass(frozen=True)
class Guess:
    """One layer of the file: what its shapes say."""

    stored: Stored
    kind: str  # of LayerSettings, or "embedding"
    inputs: int
    units: int
    directions: int = 1

    @property
    def outputs(self) -> int:
        return self.units * self.directions

    @property
    def place(self) -> Described:
        return Described(self.stored.name, self.kind, {})


def deduce(layers: Sequence[Stored], keras: str, archive: Archive, subclassed: bool = False) -> Architecture:
    """The layers in an order in which the sizes fit, the nearest to that of the file; raises ParrotletError.

    ``subclassed``: the file has no order; it is taken over where one embedding, recurrent layers and one last Dense
    can have one order only.
    """
    guesses = [_guess(layer, archive) for layer in layers]
    if not any(each.kind == "dense" for each in guesses) and guesses and guesses[-1].kind == "embedding":
        last = guesses[-1]  # one array with two dimensions, at the end: a last layer without a bias
        guesses[-1] = Guess(last.stored, "dense", last.inputs, last.units)
    embeddings = [each for each in guesses if each.kind == "embedding"]
    others = [each for each in guesses if each.kind != "embedding"]
    orders = _Search().orders(others, embeddings[0].outputs if embeddings else None)
    found = list(islice(orders, 2 if subclassed else 1))
    order = found[0] if found else []
    if subclassed:
        _check_subclassed(guesses, found, archive)
    if len(embeddings) > 1 or len(order) < 2 or order[0].kind == "dense":
        told = ", ".join(f"{each.stored.name} {each.inputs} → {each.outputs}" for each in guesses)
        raise archive.error(f"the sizes of its layers make no chain of a text model: {told[:300] or 'it holds none'}")
    made = Architecture()
    made.embedding = embeddings[0].place if embeddings else None
    made.width = None if embeddings else order[0].inputs
    made.output, made.places = order[-1].place, [each.place for each in order[:-1]]
    by_step = any(each.stored.group.startswith("time_distributed") for each in order)
    final = max(place for place, each in enumerate(order) if each.kind != "dense")
    try:
        made.layers = [
            check(LayerSettings, _values(each, keras, place == final and not by_step), each.stored.name)
            for place, each in enumerate(order[:-1])
        ]
    except UsageError as error:
        raise archive.error(str(error)) from None
    made.assumed = list(_assumptions(made, by_step, subclassed))
    return made


def _check_subclassed(guesses: Sequence[Guess], found: Sequence[object], archive: Archive) -> None:
    """What shapes alone tell of a class is to be unmistakable."""
    told = ", ".join(f"{each.stored.name} {each.inputs} → {each.outputs}" for each in guesses)[:300]
    kinds = [each.kind for each in guesses]
    if kinds.count("embedding") != 1 or kinds.count("dense") != 1 or not found:
        raise archive.error(
            f"{SUBCLASSED}, and those found ({told}) are not an Embedding, then LSTM, GRU or SimpleRNN layers, then "
            "one Dense"
        )
    if len(found) > 1:
        raise archive.error(f"{SUBCLASSED}, and those found ({told}) can stand in more than one order")


def _guess(stored: Stored, archive: Archive) -> Guess:
    """What the shapes of one layer's arrays say."""
    shapes = [array.shape for array in stored.arrays]
    directions = 2 if len(shapes) in (4, 6) else 1
    one = shapes[: len(shapes) // directions]
    matrices = [shape for shape in one if len(shape) == 2]
    if [len(shape) for shape in shapes] == [2]:
        return Guess(stored, "embedding", *one[0])
    if [len(shape) for shape in shapes] == [2, 1] and one[1][0] == one[0][1]:
        return Guess(stored, "dense", *one[0])
    if 2 <= len(one) <= 3 and len(matrices) >= 2 and matrices[1][0]:
        units, rows = matrices[1]
        if rows % units == 0 and rows // units in KINDS and matrices[0][1] == rows:
            return Guess(stored, KINDS[rows // units], matrices[0][0], units, directions)
    raise archive.error(f"the arrays of {stored.name[:80]!r}, {shapes}, belong to no layer that is known here"[:400])


class _Search:
    """Looks for an order in which every layer takes what the one before it gives, dense layers last."""

    def __init__(self) -> None:
        self._steps = 0

    def orders(self, layers: Sequence[Guess], width: int | None) -> Iterator[list[Guess]]:
        """One after the other; ``width``: what enters, None where it is one number or one for each class."""
        if not layers:
            yield []
        recurrent = any(each.kind != "dense" for each in layers)
        for place, each in enumerate(layers):
            self._steps += 1
            if self._steps > MOST_STEPS:
                return
            turn, number = each.stored.turn
            early = any(other.stored.turn[0] == turn and other.stored.turn[1] < number for other in layers)
            if early or (width is not None and each.inputs != width) or (each.kind != "dense") != recurrent:
                continue
            for rest in self.orders([*layers[:place], *layers[place + 1 :]], each.outputs):
                if width is not None or each.inputs in (1, [each, *rest][-1].units):
                    yield [each, *rest]


def _values(each: Guess, keras: str, last: bool) -> dict[str, Any]:
    """The settings of a layer: what the shapes say, and Keras' defaults at the time of its version."""
    if each.kind == "dense":
        return {"kind": "dense", "units": each.units, "activation": "relu"}
    values: dict[str, Any] = {
        **{"kind": each.kind, "units": each.units, "bidirectional": each.directions == 2, "final": last},
    }
    arrays = each.stored.arrays[: len(each.stored.arrays) // each.directions]
    two = len(arrays) == 3 and arrays[2].size == 2 * arrays[0].shape[1]
    if each.kind == "gru":
        values["reset_after"] = two or len(arrays) == 2
    cudnn = two and arrays[2].ndim == 1
    if each.kind != "rnn" and not cudnn and _hard_gates(keras):
        values["gate"] = "hard-sigmoid-keras2"
    return values


def _hard_gates(keras: str) -> bool:
    """Whether the gates were hard by default: before Keras 2.3, and in TensorFlow before 1.14 (2.1.x-tf)."""
    version, _, tensorflow = keras.partition("-")
    parts = [int(part) if part.isdigit() and len(part) < 9 else 0 for part in version.split(".")[:2]]
    return bool(keras) and tuple(parts) < ((2, 2) if tensorflow else (2, 3))


def _assumptions(made: Architecture, by_step: bool, subclassed: bool) -> Iterator[str]:
    """What the shapes do not say, in the user's words."""
    kinds = {layer.kind for layer in made.layers}
    gates = {layer.gate for layer in made.layers if layer.kind in ("lstm", "gru")}
    told = ["tanh"] + [f"{gate} gates" for gate in sorted(gates)] + ["a last softmax"]
    if subclassed:
        yield f"{SUBCLASSED}, which are known by their shapes: {', '.join(told)} are assumed"
    else:
        yield (
            f"the file holds weights alone: {', '.join(told)} are assumed; --config MODEL.json (of to_json) would tell"
        )
    if "dense" in kinds:
        yield "relu is assumed in the Dense layers before the last"
    if any(layer.bidirectional for layer in made.layers) and not by_step:
        yield "the last recurrent layer is assumed to give its last state alone (return_sequences=False)"

"""The archive of a Keras file comes in, with what its classes stand for; an Imported model goes out.

A model whose input has a fixed length reads a window of that length anew for each symbol; any other carries its state.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from parrotlet.container import parse_json
from parrotlet.errors import UsageError
from parrotlet.importers.alphabet import Alphabet, Path, meaning_of
from parrotlet.importers.architecture import Architecture, read_architecture
from parrotlet.importers.chain import is_subclassed
from parrotlet.importers.deduced import deduce
from parrotlet.importers.imported import Imported, finished, told_layer
from parrotlet.importers.reader import Archive
from parrotlet.importers.stored import Stored, arrays_of
from parrotlet.importers.stored import is_subclassed as is_subclassed_file
from parrotlet.importers.vocabulary import build_vocabulary
from parrotlet.importers.weights import NEVER, FloatArray, dense_arrays, layer_arrays, selected
from parrotlet.settings import LayerSettings, NetworkSettings, check

WINDOW = 100  # assumed where a bidirectional network needs one and the file names none
Input = Literal["learned", "one-hot", "number"]
Classes = Sequence[int | None]


@dataclass(frozen=True)
class Given:
    """What a user gives beside the file; ``config``: a parsed configuration and its name, ``context``: 0 for none."""

    text: Path | None = None
    alphabet: Alphabet | None = None
    config: Any = None
    context: int | None = None
    lowercase: bool | None = None
    config_name: str = "the configuration"


@dataclass(frozen=True)
class Model:
    """The architecture with its arrays: of the embedding, of each layer, of the last Dense."""

    archive: Archive
    made: Architecture
    table: FloatArray | None
    arrays: Sequence[Sequence[FloatArray]]
    last: Sequence[FloatArray]

    @property
    def count(self) -> int:
        """How many classes leave it."""
        return int(self.last[0].shape[1])

    @property
    def width(self) -> int:
        """How many numbers enter the first layer at each step."""
        return int(self.table.shape[1] if self.table is not None else self.arrays[0][0].shape[0])

    @property
    def input(self) -> Input:
        """How a class enters."""
        if self.table is not None:
            return "learned"
        return "number" if self.width == 1 else "one-hot"


def import_keras(archive: Archive, layers: Sequence[Stored], given: Given) -> Imported:
    """Raises ParrotletError with one line where the file cannot be taken over exactly."""
    version = keras_version(archive)
    config, where = given.config, given.config_name
    if config is None:
        config, where = _own_config(archive), archive.name
    subclassed = given.config is None and (is_subclassed(config) or (config is None and is_subclassed_file(archive)))
    known = config is not None and not subclassed
    made = read_architecture(config, version, where) if known else deduce(layers, version, archive, subclassed)
    model = _assembled(archive, layers, made)
    masked = _masked(model)
    meaning = meaning_of(model.count, archive.name, given.text, given.alphabet, masked)
    if given.lowercase is not None:
        meaning = replace(meaning, lowercase=given.lowercase)
    vocabulary = build_vocabulary(meaning, model.count)
    assumed = list(model.made.assumed)
    context = _context(model.made, given.context, known, assumed)
    padding = None if masked or context is None or model.table is None else meaning.padding
    network = _network(model, context, padding is not None)
    weights = _weights(model, vocabulary.classes, padding)
    if model.input == "number":
        assumed.append("each symbol enters as its number divided by the number of symbols, as in the lesson")
    told = [] if model.table is None else [f"Embedding {len(model.table)} × {model.width}"]
    told += [*map(told_layer, model.made.layers), f"Dense {model.count}"]
    wrote = in_words(version)
    kind = f"a model of {wrote}" if known else f"{'a subclassed' * subclassed or 'weights of a'} {wrote} model"
    form: Literal["text", "lines"] = "lines" if meaning.ends else "text"
    return finished(archive.name, kind, told, network, weights, vocabulary, form, assumed)


def keras_version(archive: Archive) -> str:
    """The version that wrote the file; files of weights alone do not name it since Keras 3."""
    if isinstance(archive.metadata, dict):
        return str(archive.metadata.get("keras_version"))[:20]
    for group in ("", "model_weights"):
        version = archive.attributes.get(group, {}).get("keras_version")
        if isinstance(version, str):
            return version[:20]
    return "3"


def in_words(version: str) -> str:
    """The program behind a version: from 2.16 on, Keras 2 is tf_keras, which takes the numbers of TensorFlow."""
    found = re.fullmatch(r"2\.(\d{1,3})\..*", version)
    return f"tf_keras {version}" if found and int(found[1]) >= 16 else f"Keras {version}".rstrip()


def _own_config(archive: Archive) -> Any:
    """The configuration that the file itself holds, if any."""
    text = archive.attributes.get("", {}).get("model_config")
    if text is not None:
        return parse_json(str(text), f"the configuration in {archive.name}")
    return archive.config


def _assembled(archive: Archive, layers: Sequence[Stored], made: Architecture) -> Model:
    """The architecture with the arrays of its layers."""
    assert made.output is not None
    wanted = [each for each in (made.embedding, *made.places, made.output) if each is not None]
    arrays = arrays_of(layers, wanted, archive)
    for each, of_layer in zip(wanted, arrays, strict=True):
        if of_layer[0].ndim != 2 or not of_layer[0].size:
            raise archive.error(f"the first array of its layer {each.name!r} has the shape {of_layer[0].shape}")
    table = arrays.pop(0)[0] if made.embedding is not None else None
    model = Model(archive, made, table, arrays[:-1], arrays[-1])
    if made.width not in (None, model.width) or (table is None and model.width not in (1, model.count)):
        raise archive.error(
            f"{made.width or model.width} numbers enter it at each step; known are one, and one for each of its "
            f"{model.count} classes"
        )
    if model.count < 2 or (table is not None and len(table) < model.count):
        raise archive.error(f"it has {model.count} classes, its embedding {0 if table is None else len(table)} rows")
    return model


def _masked(model: Model) -> bool:
    """Whether class 0 is passed over; raises ParrotletError where a mask would pass over another class."""
    mask = model.made.mask
    if mask is None or model.input == "one-hot":  # no one-hot row has the same number everywhere
        return False
    if model.input == "learned":
        return True
    place = mask * model.count
    if place == round(place) and 0 <= place < model.count:
        raise model.archive.error(f"its Masking layer passes over a symbol, number {place:g}; it cannot be taken over")
    return False


def _context(made: Architecture, wanted: int | None, known: bool, assumed: list[str]) -> int | None:
    """The length of the window, None where a state is carried; what is assumed is told."""
    context = made.window if wanted is None else wanted or None
    if context is None and any(layer.bidirectional for layer in made.layers):
        assumed.append(f"no window is known for its backward layers: {WINDOW} is assumed (--context N)")
        return WINDOW
    if not known and wanted is None:
        assumed.append(
            "no window is known: the state is carried on; --context N reads the last N symbols anew each time"
        )
    return context


def _network(model: Model, context: int | None, padded: bool) -> NetworkSettings:
    """A uniform network where the layers are alike and as torch has them, else a stack."""
    layers = model.made.layers
    first, last = layers[0], layers[-1]
    values: dict[str, Any] = {"input": model.input, "context": context, "padded": padded, **model.made.dropouts}
    if model.table is not None:
        values["embedding"] = model.width
    plain = LayerSettings(kind=first.kind, units=first.units, bidirectional=first.bidirectional)
    alike = all(layer.model_copy(update={"final": False}) == plain for layer in layers)
    if alike and first.kind != "dense" and (last.final or not last.bidirectional):
        values |= {"kind": first.kind, "hidden": first.units, "layers": len(layers)}
        values["bidirectional"] = first.bidirectional
    else:
        values |= {"kind": "stack", "stack": tuple(layers)}
    try:
        return check(NetworkSettings, values, "network")
    except UsageError as error:
        raise model.archive.error(str(error)) from None


def _weights(model: Model, classes: Classes, padding: int | None) -> dict[str, FloatArray]:
    """All arrays under torch's names, their rows in the order of the new ids."""
    weights: dict[str, FloatArray] = {}
    width = model.width
    for place, (layer, each) in enumerate(zip(model.made.layers, model.made.places, strict=True)):
        found = layer_arrays(layer, width, model.arrays[place], model.archive.layer(each.name))
        weights |= {f"layers.{place}.{name}": array for name, array in found.items()}
        width = layer.units * (2 if layer.bidirectional else 1)
    if model.table is not None:
        weights["embedding.weight"] = selected(model.table, classes)  # (V, E)
        if padding is not None:
            rows = (weights["embedding.weight"], model.table[padding][None])
            weights["embedding.weight"] = np.concatenate(rows)  # (V + 1, E)
    for suffix in ("", "_reverse") if model.made.layers[0].bidirectional else ("",):
        kernel, bias = f"layers.0.weight_ih_l0{suffix}", f"layers.0.bias_ih_l0{suffix}"
        if model.input == "one-hot":
            weights[kernel] = np.ascontiguousarray(selected(weights[kernel].T, classes).T)  # (G*H, V)
        elif model.input == "number":
            _rescale(model, weights, kernel, bias, classes)
    assert model.made.output is not None
    output = dense_arrays(width, model.count, model.last, model.archive.layer(model.made.output.name))
    weights["output.weight"] = selected(output["weight"], classes)  # (V, H)
    weights["output.bias"] = selected(output["bias"], classes, NEVER)  # (V,)
    return weights


def _rescale(model: Model, weights: dict[str, FloatArray], kernel: str, bias: str, classes: Classes) -> None:
    """Let the first layer read id / V as it read class / C: for id = class + s, w·class/C = (w·V/C)·id/V − w·s/C."""
    shifts = {id - each for id, each in enumerate(classes) if each is not None}
    if len(shifts) != 1:
        raise model.archive.error("its input is the number of a symbol, so its alphabet must hold no special symbols")
    old = weights[kernel].astype(np.float64)
    weights[kernel] = (old * (len(classes) / model.count)).astype(np.float32)
    weights[bias] = (weights[bias] - old[:, 0] * (shifts.pop() / model.count)).astype(np.float32)

"""The networks that the laws of every runtime are tested over, with random weights and ids for them."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from parrotlet.runtime import expected_shapes
from parrotlet.settings import NetworkSettings

V = 37


def _carrying() -> Iterator[NetworkSettings]:
    """Layers of one kind that carry a state on."""
    choices = itertools.product(
        ["rnn", "lstm", "gru"], [1, 3], ["learned", "one-hot", "number"], [False, True], [False, True], [False, True]
    )
    for kind, layers, input, norm, residual, tied in choices:
        if not (tied and input != "learned"):
            sizes = {"hidden": 24, "layers": layers, "embedding": 24 if tied else 10}
            flags = {"layer_norm": norm, "residual": residual, "tied": tied}
            yield NetworkSettings(kind=kind, input=input, **sizes, **flags)


def _windowed() -> Iterator[NetworkSettings]:
    """Layers of one kind with a context."""
    choices = itertools.product(["lstm", "gru", "rnn"], [False, True], [False, True], [False, True])
    contexts, layers = itertools.cycle([5, 1, 7]), itertools.cycle([1, 2, 3, 2])
    for kind, padded, attention, bidirectional in choices:
        flags = {"padded": padded, "attention": attention, "bidirectional": bidirectional}
        yield NetworkSettings(kind=kind, hidden=20, layers=next(layers), embedding=10, context=next(contexts), **flags)
    plain: dict[str, Any] = {"hidden": 20, "layers": 2, "context": 7}
    yield NetworkSettings(kind="gru", input="one-hot", **plain)
    yield NetworkSettings(kind="lstm", input="number", bidirectional=True, **plain)
    yield NetworkSettings(kind="lstm", padded=True, layer_norm=True, residual=True, **plain)
    yield NetworkSettings(kind="lstm", tied=True, residual=True, **plain)
    yield NetworkSettings(kind="rnn", layer_norm=True, residual=True, **plain)


def _stacks() -> Iterator[NetworkSettings]:
    lstm = {"kind": "lstm", "units": 18, "gate": "hard-sigmoid"}
    gru = {"kind": "gru", "units": 9, "activation": "relu", "reset_after": False}
    rnn = {"kind": "rnn", "units": 33, "activation": "sigmoid"}
    dense = [{"kind": "dense", "units": units, "activation": name} for units, name in ((17, "relu"), (40, "linear"))]
    both, final = {"bidirectional": True}, {"final": True}
    for layers in ([lstm, gru, *dense], [gru | {"gate": "hard-sigmoid-keras2"}, rnn], [rnn, gru, lstm | final]):
        yield NetworkSettings(kind="stack", stack=layers, embedding=10)
        yield NetworkSettings(kind="stack", stack=layers, embedding=10, context=7)
    yield NetworkSettings(kind="stack", stack=[lstm | both, gru | both | final, *dense], embedding=10, context=5)
    yield NetworkSettings(kind="stack", stack=[gru | both, rnn | both, *dense], input="one-hot", context=7)
    smooth = {"activation": "linear", "gate": "hard-sigmoid-keras2"}
    yield NetworkSettings(kind="stack", stack=[gru, lstm | smooth | both | final], input="number", context=7)
    yield NetworkSettings(kind="stack", stack=[lstm, gru | {"reset_after": True} | both], padded=True, context=7)


def _convolutions() -> Iterator[NetworkSettings]:
    for kernel, layers, input, norm in [(2, 4, "learned", False), (3, 3, "one-hot", True), (5, 1, "number", False)]:
        yield NetworkSettings(
            kind="convolution", hidden=20, embedding=10, kernel=kernel, layers=layers, input=input, layer_norm=norm
        )
    yield NetworkSettings(kind="convolution", hidden=18, layers=2, kernel=2, tied=True, layer_norm=True)


CARRYING = list(_carrying())
FAMILIES = [*_windowed(), *_stacks(), *_convolutions()]  # all others
NETWORKS = CARRYING + FAMILIES


def name_of(network: NetworkSettings) -> str:
    """Short, and different for each member."""
    names = ("layer_norm", "residual", "tied", "padded", "attention", "bidirectional")
    flags = [flag for flag in names if getattr(network, flag)]
    context = [] if network.context is None else [f"context{network.context}"]
    layers = [f"{layer.kind}{layer.units}" for layer in network.stack] or [str(network.layers)]
    return "-".join([network.kind, *layers, network.input, *context, *flags])


def random_weights(network: NetworkSettings, vocabulary: int = V, scale: float = 2.0) -> dict[str, np.ndarray]:
    """Lively weights; those of the recurrence stay small, or rounding would grow without end as in any chaotic map."""
    random = np.random.default_rng(11)
    shapes = expected_shapes(network, vocabulary)
    scales = {name: 0.7 if "weight_hh" in name else scale for name in shapes}
    entering = {name: math.prod(shape[1:]) if len(shape) > 1 else shape[0] for name, shape in shapes.items()}
    return {
        name: (random.normal(size=shape) * scales[name] / math.sqrt(entering[name])).astype(np.float32)
        for name, shape in shapes.items()
    }


def random_ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, V, size=(rows, length))

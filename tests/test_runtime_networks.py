"""Each network's formulas once more, plainly and in double precision, id by id: the numpy runtime must agree."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.runtime import CompiledRuntime, ReferenceRuntime, State, compiled, open_runtime, packing
from parrotlet.settings import NetworkSettings
from tests.runtime_members import FAMILIES, V, name_of, random_ids, random_weights
from tests.test_runtime import LIVELY, needs_kernel, paths, write

families = pytest.mark.parametrize("network", FAMILIES, ids=name_of)
WINDOWED = [network for network in FAMILIES if network.context is not None]

Vector = np.ndarray
ACTIVATIONS: dict[str, Callable[[Vector], Vector]] = {
    "tanh": np.tanh,
    "relu": lambda x: x * (x > 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
    "hard-sigmoid": lambda x: np.minimum(np.maximum(x / 6 + 0.5, 0), 1),
    "hard-sigmoid-keras2": lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1),
}


@needs_kernel
def test_a_small_file_opens_no_large_table():
    """What a number brings to each sum is looked up: of many tokens and sums that is far more than the file holds."""
    layers = ({"kind": "rnn", "units": 2048}, {"kind": "dense", "units": 1})
    network = NetworkSettings(kind="stack", stack=layers, input="number", context=2)
    with pytest.raises(ParrotletError, match="needs a table of 40,960,000 numbers"):
        open_runtime(network, random_weights(network, 20_000), 20_000, "compiled")


class Plain:
    """The logits after the last of some ids, by the definitions alone; slow."""

    def __init__(self, network: NetworkSettings, weights: dict[str, Vector]) -> None:
        self.network = network
        self.weights = {name: array.astype(np.float64) for name, array in weights.items()}
        alike = {"kind": network.kind, "units": network.hidden, "bidirectional": network.bidirectional}
        defaults = {"activation": "tanh", "gate": "sigmoid", "reset_after": True, "final": False}
        self.layers = [layer.model_dump() for layer in network.stack]
        if not self.layers and network.kind != "convolution":
            self.layers = [{**defaults, **alike} for _ in range(network.layers)]
            self.layers[-1]["final"] = not network.attention

    def logits(self, ids: list[int]) -> Vector:
        output = self.weights["embedding.weight"] if self.network.tied else self.weights["output.weight"]
        return output @ self.features(ids) + self.weights["output.bias"]

    def features(self, ids: list[int]) -> Vector:
        if self.network.kind == "convolution":
            return self.convolution(ids)
        context = self.network.context
        if context is not None:
            ids = ids[-context:]
            if self.network.padded:
                ids = [V] * (context - len(ids)) + ids
        x = [self.entering(id) for id in ids]
        columns = [x]
        for index, layer in enumerate(self.layers):
            if layer["kind"] == "dense":
                matrix, bias = (self.weights[f"layers.{index}.{name}"] for name in ("weight", "bias"))
                x = [ACTIVATIONS[layer["activation"]](matrix @ each + bias) for each in x]
            else:
                x = self.recurrent(index, layer, x)
                columns.append(x)
        if not self.network.attention:
            return x[-1]
        joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
        energies = [each @ self.weights["attention"] for each in joined]
        shares = [np.exp(energy - max(energies)) for energy in energies]
        return sum(share / (sum(shares) + 1e-7) * each for share, each in zip(shares, joined, strict=True))

    def entering(self, id: int) -> Vector:
        if self.network.input == "one-hot":
            return np.eye(V)[id]
        return np.array([id / V]) if self.network.input == "number" else self.weights["embedding.weight"][id]

    def recurrent(self, index: int, layer: dict[str, Any], x: list[Vector]) -> list[Vector]:
        leaving = self.direction(index, layer, x, "")
        if layer["bidirectional"]:
            back = self.direction(index, layer, x[::-1], "_reverse")[::-1]
            if layer["final"]:
                back[-1] = back[0]
            leaving = [np.concatenate(pair) for pair in zip(leaving, back, strict=True)]
        if self.network.residual and index > 0:
            leaving = [after + before for after, before in zip(leaving, x, strict=True)]
        return [self.normalised(index, each) for each in leaving]

    def direction(self, index: int, layer: dict[str, Any], x: list[Vector], suffix: str) -> list[Vector]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, b, c = (self.weights[f"layers.{index}.{name}_l0{suffix}"] for name in names)
        act, gate, units = ACTIVATIONS[layer["activation"]], ACTIVATIONS[layer["gate"]], layer["units"]
        hidden, cell, leaving = np.zeros(units), np.zeros(units), []
        for each in x:
            if layer["kind"] == "rnn":
                hidden = act(w @ each + b + u @ hidden + c)
            elif layer["kind"] == "lstm":
                i, f, g, o = np.split(w @ each + b + u @ hidden + c, 4)
                cell = gate(f) * cell + gate(i) * act(g)
                hidden = gate(o) * act(cell)
            else:
                (wr, wz, wn), (ur, uz, un) = np.split(w, 3), np.split(u, 3)
                (br, bz, bn), (cr, cz, cn) = np.split(b, 3), np.split(c, 3)
                r = gate(wr @ each + br + ur @ hidden + cr)
                z = gate(wz @ each + bz + uz @ hidden + cz)
                seen = r * (un @ hidden + cn) if layer["reset_after"] else un @ (r * hidden) + cn
                hidden = (1 - z) * act(wn @ each + bn + seen) + z * hidden
            leaving.append(hidden)
        return leaving

    def convolution(self, ids: list[int]) -> Vector:
        hidden, kernel = self.network.hidden, self.network.kernel

        @functools.cache
        def at(layer: int, t: int) -> Any:
            """What leaves a layer at step t; layer -1 is what enters the first."""
            if t < 0:
                return np.zeros(hidden)
            if layer < 0:
                return self.weights["input.weight"] @ self.entering(ids[t]) + self.weights["input.bias"]
            weight, a = self.weights[f"layers.{layer}.weight"], self.weights[f"layers.{layer}.bias"]
            for tap in range(kernel):
                a = a + weight[:, :, tap] @ at(layer - 1, t - (kernel - 1 - tap) * 2**layer)
            return self.normalised(layer, at(layer - 1, t) + np.tanh(a[:hidden]) / (1 + np.exp(-a[hidden:])))

        return at(self.network.layers - 1, len(ids) - 1)

    def normalised(self, index: int, x: Vector) -> Vector:
        if not self.network.layer_norm:
            return x
        weight, bias = (self.weights[f"norms.{index}.{name}"] for name in ("weight", "bias"))
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weight + bias


def apart(network: NetworkSettings, plain: Plain, length: int = 17) -> float:
    """How far the runtime's logits are from the plain ones at any of the first steps of a text."""
    ids = random_ids(1, length)
    found, _ = ReferenceRuntime(network, random_weights(network), V).read(ids)
    expected = [plain.logits(ids[0, : t + 1].tolist()) for t in range(length)]
    return float(np.abs(found[0] - np.array(expected)).max())


@families
def test_numpy_agrees_with_the_definitions(network: NetworkSettings) -> None:
    assert apart(network, Plain(network, random_weights(network))) < 2e-5


BROKEN = {  # a change of the definition that a runtime must not get away with
    "context": lambda plain: {"context": plain.network.context + 1},
    "padded": lambda plain: {"context": plain.network.context + 1},
    "attention": lambda plain: plain.weights.update(attention=plain.weights["attention"][::-1]),
    "backwards": lambda plain: plain.weights.update(
        {name + "_reverse": plain.weights[name] for name in plain.weights if name + "_reverse" in plain.weights}
    ),
    "final": lambda plain: plain.layers[-1].update(final=not plain.layers[-1]["final"]),
    "activation": lambda plain: plain.layers[0].update(activation="linear"),
    "gate": lambda plain: plain.layers[0].update(gate="hard-sigmoid-keras2"),
    "reset": lambda plain: [layer.update(reset_after=not layer["reset_after"]) for layer in plain.layers],
    "taps": lambda plain: plain.weights.update({"layers.0.weight": plain.weights["layers.0.weight"][:, :, ::-1]}),
}


def breaks(name: str, network: NetworkSettings) -> bool:
    """Whether a change means anything to a network."""
    kinds = {network.kind, *(layer.kind for layer in network.stack)}
    both = network.bidirectional or any(layer.bidirectional for layer in network.stack)
    return {
        "context": network.context is not None and not network.padded,
        "padded": network.padded,
        "attention": network.attention and (network.context or 0) > 1,
        "backwards": both,
        "final": network.bidirectional and not network.attention and (network.context or 0) > 1,
        "activation": network.kind != "convolution",
        "gate": network.kind in ("lstm", "gru") or bool(network.stack and network.stack[0].gate == "hard-sigmoid"),
        "reset": "gru" in kinds and (network.context or 9) > 1,
        "taps": network.kind == "convolution",
    }[name]


@pytest.mark.parametrize("name", BROKEN)
def test_the_definitions_reject_a_broken_member(name: str) -> None:
    members = [network for network in FAMILIES if breaks(name, network)]
    assert members
    for network in members:
        plain = Plain(network, random_weights(network))
        changed = BROKEN[name](plain)
        if isinstance(changed, dict):
            plain.network = network.model_copy(update=changed)
        assert apart(network, plain) > 1e-3, name_of(network)


@families
def test_features_are_what_enters_the_output_layer(network: NetworkSettings) -> None:
    weights, ids = random_weights(network), random_ids(2, 9)
    runtime = ReferenceRuntime(network, weights, V)
    first, state = runtime.features(ids[:, :4])
    second, end = runtime.features(ids[:, 4:], state)
    logits, last = runtime.read(ids)
    features = np.concatenate([first, second], axis=1)
    output = weights["embedding.weight"] if network.tied else weights["output.weight"]
    assert np.allclose(features @ output.T + weights["output.bias"], logits, atol=1e-5)
    assert np.array_equal(end.hidden, last.hidden)


@paths
@pytest.mark.parametrize("network", WINDOWED[:3], ids=name_of)
def test_the_state_of_a_context_is_its_last_ids(path: str, network: NetworkSettings) -> None:
    runtime, context = open_runtime(network, random_weights(network), V, path), network.context or 0
    assert runtime.begin(2).hidden.tolist() == [[V] * context] * 2
    ids = random_ids(2, 3)
    expected = np.concatenate([np.full((2, context), V), ids], axis=1)[:, -context:]
    assert runtime.read(ids)[1].hidden.tolist() == expected.tolist()
    written = write(runtime, 9, rows=3, stop=None)
    assert written.state.hidden.tolist() == written.ids[:, 9 - min(9, context) :].tolist()


@paths
def test_a_state_that_is_no_context_is_refused(path: str) -> None:
    network = NetworkSettings(kind="rnn", hidden=5, embedding=4, context=4)
    runtime = open_runtime(network, random_weights(network), V, path)
    logits = np.zeros((1, V), np.float32)
    beyond, empty = ([1, 2, 3, each] for each in (V + 1, V))
    for wrong in (beyond, empty, [V, 1, V, 2], [1, 2, 3, -1], [1, 2, 3, 0.5], [1, 2, 3, np.nan], [1, 2]):
        state = State(np.array([wrong], np.float32))
        with pytest.raises(UsageError):
            runtime.read([[1]], state)
        with pytest.raises(UsageError):
            runtime.write(logits, state, 3, rules=LIVELY, seed=1, streams=[0], history=[[1]], positions=[0])


@needs_kernel
@pytest.mark.parametrize("network", WINDOWED, ids=name_of)
def test_blocks_paddings_and_threads_change_no_bit(network: NetworkSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paddings read once beforehand or in every window, four windows at a time or sixteen, one thread or three."""
    weights, ids = random_weights(network), random_ids(2, 90)
    runtime = CompiledRuntime(network, weights, V)
    expected, text = runtime.read(ids)[0], write(runtime, 20, rows=9)
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(compiled, "processors", lambda: 3)
    for name, value in [("BLOCK", 0), ("MOST_PADDINGS", 0)]:
        monkeypatch.setattr(packing, name, value)
        other = CompiledRuntime(network, weights, V)
        again = write(other, 20, rows=9)
        assert np.array_equal(other.read(ids)[0], expected)
        assert np.array_equal(again.ids, text.ids) and np.array_equal(again.logits, text.logits)
    if "padded_states" in runtime._packed.arrays:
        runtime._packed.arrays["padded_states"][:] += 1e-3
        assert not np.array_equal(runtime.read(ids)[0], expected)


@needs_kernel
def test_the_kernel_checks_ids_and_places_again() -> None:
    network = NetworkSettings(kind="lstm", hidden=5, embedding=4, context=4, padded=True)
    runtime = CompiledRuntime(network, random_weights(network), V)
    logits = np.zeros((1, V), np.float32)

    def read(ids: list[int], start: int) -> None:
        read, starts = np.array(ids), np.array([start])
        arrays = compiled.address(read), 1, compiled.address(starts), compiled.address(logits)
        runtime._call("pl_read_windows", 1, False, len(ids), *arrays)

    read([V, V, 1, 2, 3], 1)
    for ids in ([1, 2, V + 1, 4], [1, 2, -1, 4], [V, 1, V, 4], [V, V, V, V]):
        with pytest.raises(ParrotletError):
            read(ids, 0)
    for start in (-1, 1):
        with pytest.raises(ParrotletError):
            read([1, 2, 3, 4], start)
    with pytest.raises(ParrotletError):
        runtime._call("pl_read", 1, False, 1, 0, None, None, None)  # a context has no such state

"""Laws of the arithmetic in bytes over every network: what is rounded, and how far the two paths are apart."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parrotlet.errors import UsageError
from parrotlet.runtime import ARITHMETICS, CompiledRuntime, ReferenceRuntime, matrices, open_runtime
from parrotlet.runtime.arithmetic import rounded, rounded_weights, to_bytes
from parrotlet.runtime.shapes import expected_shapes
from parrotlet.sampling import Rules
from parrotlet.settings import NetworkSettings
from tests.runtime_members import NETWORKS, V, name_of, random_ids, random_weights
from tests.test_runtime import PROMPT, each_network, needs_kernel, paths, some_networks, write

LEVELS = (0, 3, 4, 5)
APART = 1e-6  # of most logits of the two paths; those after a number that they round to different bytes are further
FURTHEST = 0.05


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(0, 40)), elements=st.floats(-1e6, 1e6, width=32)))
def test_each_vector_is_rounded_by_its_largest_number(x: np.ndarray) -> None:
    numbers, scales = to_bytes(x)
    assert (np.abs(numbers) <= 127).all() and np.array_equal(numbers, np.rint(numbers))
    assert (np.abs(rounded(x) - x) <= scales * 0.5001).all()
    largest = np.abs(x).max(axis=1, initial=0)
    assert (np.abs(numbers).max(axis=1, initial=0)[largest > 1e-30] == 127).all()


@pytest.mark.parametrize("network", NETWORKS[::9], ids=name_of)
def test_the_matrices_are_rounded_and_nothing_else(network: NetworkSettings) -> None:
    weights = random_weights(network)
    changed = {name for name, each in rounded_weights(weights).items() if not np.array_equal(each, weights[name])}
    first = {"embedding.weight", "input.weight", "layers.0.weight_ih_l0", "layers.0.weight_ih_l0_reverse"}
    assert changed == {name for name, shape in expected_shapes(network, V).items() if len(shape) > 1} - first


def apart(network: NetworkSettings, level: int, weights: dict[str, np.ndarray]) -> np.ndarray:
    """How far the logits of the compiled path with these weights are from those of numpy with the members' own."""
    ids = random_ids(3, 12)
    expected, state = ReferenceRuntime(network, random_weights(network), V, "int8").read(ids)
    found, after = CompiledRuntime(network, weights, V, level, "int8").read(ids)
    assert np.abs(after.hidden - state.hidden).max(initial=0) < FURTHEST
    return np.abs(found - expected)


@needs_kernel
@each_network
def test_compiled_bytes_agree_with_numpy(network: NetworkSettings) -> None:
    for level in LEVELS:
        difference = apart(network, level, random_weights(network))
        assert np.median(difference) < APART and difference.max() < FURTHEST


@some_networks
def test_the_law_of_agreement_rejects_a_broken_member(network: NetworkSettings) -> None:
    """A matrix that is left as it was, not rounded: the numpy path with it is another one."""
    weights = random_weights(network)
    whole = ReferenceRuntime(network, weights, V).read(random_ids(3, 12))[0]
    bytes_of = ReferenceRuntime(network, weights, V, "int8").read(random_ids(3, 12))[0]
    assert np.median(np.abs(whole - bytes_of)) > 100 * APART


@needs_kernel
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_what_fills_up_a_layer_has_no_say(kind: str) -> None:
    """Units beyond the last one leave 0, whatever sigmoid(0) is: they would choose the scale of small numbers."""
    layer = {"kind": kind, "units": 5, "activation": "sigmoid", "bidirectional": True, "final": True}
    network = NetworkSettings(kind="stack", stack=[layer], context=5)
    weights = random_weights(network)
    for name in weights:
        weights[name] = weights[name] - 6 if "bias_ih" in name else weights[name]
    weights["output.weight"] = weights["output.weight"] * 100
    ids = random_ids(3, 12)
    expected, _ = ReferenceRuntime(network, weights, V, "int8").read(ids)
    for level in LEVELS:
        found, _ = CompiledRuntime(network, weights, V, level, "int8").read(ids)
        assert np.abs(found - expected).max() < 1e-3


@needs_kernel
@pytest.mark.parametrize("hidden,vocabulary", [(1, 1), (16, 16), (33, 130), (70, 260)])
def test_every_width_of_tile_and_every_depth(hidden: int, vocabulary: int) -> None:
    for kind in ("rnn", "lstm", "gru", "convolution"):
        network = NetworkSettings(kind=kind, hidden=hidden, layers=2, embedding=19)  # type: ignore[arg-type]
        weights = random_weights(network, vocabulary)
        ids = np.random.default_rng(3).integers(0, vocabulary, size=(18, 5))
        expected, _ = ReferenceRuntime(network, weights, vocabulary, "int8").read(ids)
        for level in LEVELS:
            found, _ = CompiledRuntime(network, weights, vocabulary, level, "int8").read(ids)
            assert np.median(np.abs(found - expected)) < APART and np.abs(found - expected).max() < FURTHEST


@paths
@some_networks
def test_a_row_has_the_same_bits_in_every_batch_and_in_pieces(path: Any, network: NetworkSettings) -> None:
    runtime, ids = open_runtime(network, random_weights(network), V, path, "int8"), random_ids(21, 12)
    together, state = runtime.read(ids)
    written, prompts = write(runtime, rows=21, n=30), random_ids(21, PROMPT)
    for rows in ([0], [4, 2, 9, 11, 20]):
        first, middle = runtime.read(ids[rows, :5])
        second, own = runtime.read(ids[rows, 5:], middle)
        assert np.array_equal(np.concatenate([first, second], axis=1), together[rows])
        assert np.array_equal(own.hidden, state.hidden[rows])
        logits, begin = runtime.read(prompts[rows])
        asked: dict[str, Any] = {"streams": rows, "history": prompts[rows], "positions": [0] * len(rows)}
        again = write(runtime, 30, logits=logits[:, -1], state=begin, **asked)
        for name in ("ids", "probabilities", "lengths", "logits"):
            assert np.array_equal(getattr(again, name), getattr(written, name)[rows])


@needs_kernel
@pytest.mark.parametrize("level", LEVELS)
def test_sums_of_bytes_are_exact_however_large(level: int) -> None:
    """The largest bytes there are, all of one sign: 16 bits would not hold their sums, nor floats their last digits."""
    hidden, dense = 4000, {"kind": "dense", "activation": "relu"}
    network = NetworkSettings(kind="stack", stack=[{"kind": "rnn", "units": 1}, {**dense, "units": hidden}])  # type: ignore[list-item]
    weights = {name: np.zeros(shape, np.float32) for name, shape in expected_shapes(network, V).items()}
    weights["layers.1.bias"][:] = 1  # what every unit is then
    weights["output.weight"][:] = 127
    weights["output.weight"][1], weights["output.weight"][2, :-1] = -127, 126
    for name in ("float32", "int8"):
        logits, _ = CompiledRuntime(network, weights, V, level, name).read([[0]])  # type: ignore[arg-type]
        assert logits[0, 0, :3].tolist() == [127.0 * hidden, -127.0 * hidden, 126.0 * (hidden - 1) + 127]


@needs_kernel
@pytest.mark.parametrize("level", LEVELS)
def test_numbers_that_are_none_or_without_end_do_no_harm(level: int) -> None:
    network = NetworkSettings(kind="lstm", hidden=20, layers=2, embedding=8)
    weights = random_weights(network)
    runtime = CompiledRuntime(network, weights, V, level, "int8")
    for strange in (np.nan, np.inf, -np.inf, 1e38, 1e-42):
        state = runtime.begin(2)
        state.hidden[0] = strange
        logits, after = runtime.read([[1], [1]], state)
        expected, _ = runtime.read([[1]])
        assert np.array_equal(logits[1:], expected)
        written = runtime.write(logits[:, 0], after, 5, Rules(), 1, [0, 1], [[], []], [0, 0])
        assert ((written.ids >= 0) & (written.ids < V)).all()


@needs_kernel
def test_bytes_take_a_quarter_of_the_room() -> None:
    network = NetworkSettings(kind="lstm", hidden=256, layers=2)
    weights = random_weights(network)
    sizes = []
    for name in ARITHMETICS:
        packed = CompiledRuntime(network, weights, V, arithmetic=name)._packed
        every = [*packed._matrices_of_layers(), packed._output]
        sizes.append(sum(each.weights.nbytes for each in every))
    assert sizes[1] * 4 == sizes[0]


def test_an_unknown_arithmetic_and_sums_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS[0]
    with pytest.raises(UsageError, match="int8"):
        open_runtime(network, random_weights(network), V, "auto", "int9")  # type: ignore[arg-type]
    monkeypatch.setattr(matrices, "DEEPEST", 10)
    with pytest.raises(UsageError, match="use float32"):
        matrices.packed(np.zeros((16, 11), np.float32), "int8")
    assert matrices.packed(np.zeros((16, 11), np.float32), "float32").depth == 11

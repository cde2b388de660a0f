"""Laws of every runtime path over every network: both agree; rows do not mix; pieces equal the whole."""

import numpy as np
import pytest

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.runtime import (
    PATHS,
    CompiledRuntime,
    ReferenceRuntime,
    State,
    Written,
    expected_shapes,
    open_runtime,
    packing,
)
from parrotlet.runtime.compiled import library
from parrotlet.sampling import Rules
from parrotlet.settings import NetworkSettings
from tests.runtime_members import CARRYING, FAMILIES, NETWORKS, V, name_of, random_ids, random_weights

needs_kernel = pytest.mark.skipif(isinstance(library(), str), reason=str(library()))
paths = pytest.mark.parametrize("path", [p if p == "numpy" else pytest.param(p, marks=needs_kernel) for p in PATHS])

SOME = CARRYING[::7] + FAMILIES
PROMPT = 4  # ids: fewer than some contexts, more than others
LIVELY = Rules(
    temperature=0.9, top_p=0.95, min_p=0.01, repetition_penalty=1.2, frequency_penalty=0.1, penalty_window=9,
    dry_multiplier=0.8, dry_length=2, min_length=4,
)  # fmt: skip


each_network = pytest.mark.parametrize("network", NETWORKS, ids=name_of)
some_networks = pytest.mark.parametrize("network", SOME, ids=name_of)


def write(runtime, n: int = 60, rows: int = 3, rules: Rules = LIVELY, **changes) -> Written:
    prompts = random_ids(rows, PROMPT)
    logits, state = runtime.read(prompts)
    arguments = {
        "logits": logits[:, -1], "state": state, "n": n, "rules": rules, "seed": 5, "streams": list(range(rows)),
        "history": list(prompts), "positions": [0] * rows, "stop": 3, "banned": [0, 1],
    }  # fmt: skip
    return runtime.write(**{**arguments, **changes})


@needs_kernel
@each_network
def test_compiled_agrees_with_numpy(network: NetworkSettings) -> None:
    weights, ids = random_weights(network), random_ids(5, 40)
    expected, expected_state = ReferenceRuntime(network, weights, V).read(ids)
    for level in (0, 3, 4, 5):
        found, state = CompiledRuntime(network, weights, V, level).read(ids)
        assert np.abs(found - expected).max() < 1e-5
        assert np.abs(state.hidden - expected_state.hidden).max() < 1e-5


@needs_kernel
def test_the_law_of_agreement_rejects_a_broken_member() -> None:
    network = NETWORKS[0]
    weights, ids = random_weights(network), random_ids(2, 9)
    broken = {**weights, "output.bias": weights["output.bias"] + np.float32(3e-5)}
    found, _ = CompiledRuntime(network, broken, V).read(ids)
    assert np.abs(found - ReferenceRuntime(network, weights, V).read(ids)[0]).max() > 1e-5


@needs_kernel
@pytest.mark.parametrize("level", [0, 3, 4, 5])
def test_gates_that_are_wide_open_or_shut_keep_a_cell_for_ever(level: int) -> None:
    network = NetworkSettings(kind="lstm", hidden=3, embedding=1)
    weights = {name: np.zeros(shape, np.float32) for name, shape in expected_shapes(network, V).items()}
    weights["layers.0.bias_ih_l0"][:] = np.repeat([-50, 50, 3, 50], 3)  # gates i f g o
    runtime = CompiledRuntime(network, weights, V, level)
    state = runtime.begin(1)
    state.hidden[0, 0, 1] = cell = np.array([0.7, -0.123456, 3.3], np.float32)
    _, after = runtime.read(np.zeros((1, 20_000), np.int64), state)
    assert np.allclose(after.hidden[0, 0], [np.tanh(cell), cell], rtol=1e-6)


@needs_kernel
@pytest.mark.parametrize("vocabulary,hidden", [(1, 1), (16, 16), (130, 33), (260, 70)])
def test_every_width_of_tile(vocabulary: int, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"hidden": hidden, "layers": 2, "embedding": 19}
    two = {"bidirectional": True, "context": 3, "padded": True}
    networks = [
        *(NetworkSettings(kind=kind, **sizes) for kind in ("rnn", "lstm", "gru", "convolution")),
        *(NetworkSettings(kind="lstm", attention=attention, **two, **sizes) for attention in (False, True)),
    ]
    for largest_table, input in ((packing.LARGEST_TABLE, "learned"), (0, "learned"), (0, "one-hot")):
        monkeypatch.setattr(packing, "LARGEST_TABLE", largest_table)  # 0: the embedding is not folded
        for network in networks:
            if network.context is None:
                network = network.model_copy(update={"input": input})
            weights = random_weights(network, vocabulary)
            ids = np.random.default_rng(3).integers(0, vocabulary, size=(18, 5))
            expected, _ = ReferenceRuntime(network, weights, vocabulary).read(ids)
            for level in (0, 3, 4, 5):
                found, _ = CompiledRuntime(network, weights, vocabulary, level).read(ids)
                assert np.abs(found - expected).max() < 1e-5


def torch_logits(network: NetworkSettings, weights: dict[str, np.ndarray], ids: np.ndarray):
    torch = pytest.importorskip("torch")
    tensor = {name: torch.from_numpy(array) for name, array in weights.items()}
    classes = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    indices = torch.from_numpy(ids)
    if network.input == "learned":
        x = tensor["embedding.weight"][indices]
    elif network.input == "one-hot":
        x = torch.nn.functional.one_hot(indices, V).float()
    else:
        x = indices[:, :, None] / V
    for layer in range(network.layers):
        module = classes[network.kind](x.shape[-1], network.hidden, batch_first=True)
        prefix = f"layers.{layer}."
        module.load_state_dict({n[len(prefix) :]: a for n, a in tensor.items() if n.startswith(prefix)})
        leaving, _ = module(x)
        x = leaving + x if network.residual and layer > 0 else leaving
        if network.layer_norm:
            norm = tensor[f"norms.{layer}.weight"], tensor[f"norms.{layer}.bias"]
            x = torch.nn.functional.layer_norm(x, (network.hidden,), *norm)
    output = tensor["embedding.weight" if network.tied else "output.weight"]
    return (x @ output.T + tensor["output.bias"]).detach().numpy()


@pytest.mark.parametrize("network", CARRYING, ids=name_of)
def test_numpy_agrees_with_torch(network: NetworkSettings) -> None:
    torch = pytest.importorskip("torch")
    weights, ids = random_weights(network), random_ids(2, 8)
    found, _ = ReferenceRuntime(network, weights, V).read(ids)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network is slower on several
    try:
        with torch.no_grad():
            assert np.abs(found - torch_logits(network, weights, ids)).max() < 1e-4
    finally:
        torch.set_num_threads(threads)


@paths
@some_networks
def test_two_pieces_equal_the_whole_and_the_state_is_not_changed(path: str, network: NetworkSettings) -> None:
    runtime, ids = open_runtime(network, random_weights(network), V, path), random_ids(3, 50)
    whole, last = runtime.read(ids)
    first, state = runtime.read(ids[:, :17])
    kept = state.hidden.copy()
    second, end = runtime.read(ids[:, 17:], state)
    assert np.array_equal(np.concatenate([first, second], axis=1), whole)
    assert np.array_equal(end.hidden, last.hidden) and np.array_equal(state.hidden, kept)
    nothing, same = runtime.read(ids[:, :0], state)
    assert nothing.shape == (3, 0, V) and np.array_equal(same.hidden, kept) and same.hidden is not state.hidden


@paths
@some_networks
def test_a_row_has_the_same_bits_in_every_batch(path: str, network: NetworkSettings) -> None:
    runtime, ids = open_runtime(network, random_weights(network), V, path), random_ids(21, 12)
    together, state = runtime.read(ids)
    written = write(runtime, rows=21, n=30)
    prompts = random_ids(21, PROMPT)
    for rows in ([0], [4, 2, 9, 11, 20], [20]):
        alone, own = runtime.read(ids[rows])
        assert np.array_equal(alone, together[rows]) and np.array_equal(own.hidden, state.hidden[rows])
        logits, begin = runtime.read(prompts[rows])
        again = write(
            runtime, 30, logits=logits[:, -1], state=begin, streams=rows, history=prompts[rows],
            positions=[0] * len(rows),
        )  # fmt: skip
        for name in ("ids", "probabilities", "lengths", "logits"):
            assert np.array_equal(getattr(again, name), getattr(written, name)[rows])


@paths
@some_networks
def test_a_later_id_never_changes_an_earlier_logit(path: str, network: NetworkSettings) -> None:
    runtime, ids = open_runtime(network, random_weights(network), V, path), random_ids(1, 20)
    other = ids.copy()
    other[0, 11:] = (other[0, 11:] + 1) % V
    before, after = runtime.read(ids)[0], runtime.read(other)[0]
    assert np.array_equal(before[:, :11], after[:, :11]) and not np.array_equal(before[:, 11:], after[:, 11:])


@paths
@some_networks
@pytest.mark.parametrize("window", [9, 0])
def test_writing_in_chunks_equals_writing_whole(path: str, network: NetworkSettings, window: int) -> None:
    runtime, rules = open_runtime(network, random_weights(network), V, path), LIVELY.model_copy()
    rules = rules.model_copy(update={"penalty_window": window})
    whole = write(runtime, 50, rows=1, rules=rules, stop=None)
    prompt = random_ids(1, PROMPT)
    read, state = runtime.read(prompt)
    logits, ids, probabilities = read[:, -1], [], []
    for size in (1, 7, 0, 30, 12):
        history = [np.concatenate([prompt[0], *ids]).astype(np.int64)]
        part = write(
            runtime, size, 1, rules, logits=logits, state=state, history=history,
            positions=[sum(map(len, ids))], stop=None,
        )  # fmt: skip
        logits, state = part.logits, part.state
        ids.append(part.ids[0])
        probabilities.append(part.probabilities[0])
    assert np.concatenate(ids).tolist() == whole.ids[0].tolist()
    assert np.array_equal(np.concatenate(probabilities), whole.probabilities[0])
    assert np.array_equal(state.hidden, whole.state.hidden) and np.array_equal(logits, whole.logits)


@needs_kernel
@each_network
def test_both_paths_write_the_same_text(network: NetworkSettings) -> None:
    weights = random_weights(network)
    compiled, reference = (write(open_runtime(network, weights, V, path)) for path in ("compiled", "numpy"))
    assert np.array_equal(compiled.ids, reference.ids) and np.array_equal(compiled.lengths, reference.lengths)
    assert np.allclose(compiled.probabilities, reference.probabilities, atol=1e-5)
    assert np.allclose(compiled.logits, reference.logits, atol=1e-4)


@paths
def test_rows_end_at_stop_and_probabilities_are_the_networks_own(path: str) -> None:
    network = NETWORKS[30]
    runtime = open_runtime(network, random_weights(network, scale=0.5), V, path)
    written = write(runtime, 200, rows=5, rules=Rules(min_length=4, top_p=0.9))
    assert len(set(written.lengths.tolist())) > 1 and not np.isin(written.ids[written.ids > 0], [1]).any()
    prompts = random_ids(5, PROMPT)
    for row, length in enumerate(written.lengths.tolist()):
        ids = written.ids[row, :length]
        assert length > 4 and 3 not in ids[:-1] and (ids[-1] == 3 or length == 200)
        assert not written.ids[row, length:].any()
        logits, _ = runtime.read(np.concatenate([prompts[row], ids])[None])
        shares = np.exp(logits[0, PROMPT - 1 : -1].astype(np.float64))
        own = (shares / shares.sum(axis=1, keepdims=True))[np.arange(length), ids]
        assert np.allclose(own, written.probabilities[row, :length], atol=1e-6)


@paths
@some_networks
def test_probabilities_that_are_not_wanted_change_nothing_else(path: str, network: NetworkSettings) -> None:
    runtime = open_runtime(network, random_weights(network), V, path)
    told, silent = (write(runtime, probabilities=wanted) for wanted in (True, False))
    assert np.array_equal(told.ids, silent.ids) and np.array_equal(told.logits, silent.logits)
    assert told.probabilities.any() and not silent.probabilities.any()


@paths
def test_greedy_writes_the_likeliest(path: str) -> None:
    runtime = open_runtime(NETWORKS[20], random_weights(NETWORKS[20]), V, path)
    written = write(runtime, 20, rows=1, rules=Rules(temperature=0), stop=None, banned=[])
    logits, _ = runtime.read(np.concatenate([random_ids(1, PROMPT), written.ids], axis=1))
    assert logits[0, PROMPT - 1 : -1].argmax(axis=1).tolist() == written.ids[0].tolist()


@needs_kernel
def test_written_frequencies_match_the_network() -> None:
    network = NetworkSettings(kind="rnn", hidden=3, embedding=2)
    weights = {name: np.zeros(shape, np.float32) for name, shape in expected_shapes(network, V).items()}
    weights["output.bias"] = np.random.default_rng(4).normal(size=V).astype(np.float32)
    ids = write(CompiledRuntime(network, weights, V), 20_000, rows=1, rules=Rules(), stop=None, banned=[]).ids[0]
    expected = np.exp(weights["output.bias"]) / np.exp(weights["output.bias"]).sum() * 20_000
    assert ((np.bincount(ids, minlength=V) - expected) ** 2 / expected).sum() < V + 4 * np.sqrt(2 * V)


@paths
def test_a_wrong_call_is_refused_before_anything_is_read(path: str) -> None:
    network = NETWORKS[0]
    runtime = open_runtime(network, random_weights(network), V, path)
    good = runtime.begin(2)
    for ids in ([[V]], [[-1]], [[2**40]], [1, 2], [[0.5]]):
        with pytest.raises(UsageError):
            runtime.read(ids)
    with pytest.raises(UsageError):
        runtime.read([[1]], good)
    wrong = [
        {"banned": [V]}, {"banned": list(range(V))}, {"stop": V}, {"streams": [0]}, {"positions": [-1] * 3},
        {"history": [[V]] * 3}, {"history": [[]]}, {"state": good}, {"logits": np.zeros((3, V + 1), np.float32)},
        {"n": -1}, {"seed": -1},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(UsageError):
            write(runtime, **{"n": 3, **change}) if "n" not in change else write(runtime, change["n"])


@paths
def test_weights_are_checked(path: str) -> None:
    network = NETWORKS[0]
    weights = random_weights(network)
    for wrong in (
        {**weights, "output.bias": np.zeros(V + 1, np.float32)},
        {**weights, "more": np.zeros(1, np.float32)},
        {**weights, "output.bias": np.zeros(V, np.int64)},
        {name: array for name, array in weights.items() if name != "output.bias"},
    ):
        with pytest.raises(ParrotletError):
            open_runtime(network, wrong, V, path)


def test_unknown_paths_and_impossible_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match="compiled"):
        open_runtime(NETWORKS[0], random_weights(NETWORKS[0]), V, "compield")
    with pytest.raises((UsageError, ValueError)):
        expected_shapes(NetworkSettings(tied=True, hidden=8, embedding=9), V)


@paths
def test_odd_layouts_and_empty_batches_are_taken(path: str) -> None:
    network = NETWORKS[30]
    runtime = open_runtime(network, random_weights(network), V, path)
    ids = random_ids(6, 4)
    expected, state = runtime.read(ids)
    assert np.array_equal(runtime.read(np.asfortranarray(ids.astype(np.uint8)))[0], expected)
    turned = State(np.asfortranarray(state.hidden))
    assert np.array_equal(runtime.read(ids, turned)[0], runtime.read(ids, state)[0])
    assert runtime.read(np.zeros((0, 3), np.int64))[0].shape == (0, 3, V)
    assert write(runtime, rows=0).ids.shape == (0, 60) and write(runtime, n=0).ids.shape == (3, 0)

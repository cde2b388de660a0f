"""Laws of every registered network: reading in pieces, causality, rows that do not mix, weights that survive a file."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet.learning.learner import Learner  # noqa: E402
from parrotlet.networks import NETWORKS, LabelledHead, build_network, context  # noqa: E402
from parrotlet.networks.compiled import arithmetic  # noqa: E402
from parrotlet.networks.layers import LoopedLayer, new_layer, run_layer  # noqa: E402
from parrotlet.runtime import open_runtime  # noqa: E402
from parrotlet.runtime.shapes import Layer, expected_shapes, state_shape  # noqa: E402
from parrotlet.settings import LayerSettings, NetworkSettings, TrainingSettings, parse_settings  # noqa: E402

V, W = 11, 7
DROPOUT = {"dropout_input": 0.5, "dropout_between": 0.5, "dropout_output": 0.5, "layers": 2}
PLAIN = [
    {},
    {"layers": 2},
    {"layers": 3, "residual": True, "layer_norm": True},
    {"input": "one-hot"},
    {"input": "number", "layers": 2},
    {"tied": True, "embedding": 16},
    DROPOUT,
]
WINDOWED = [
    {"context": W, "layers": 2, **{name: True for name in chosen}}
    for size in (1, 2, 3)
    for chosen in itertools.combinations(("padded", "bidirectional", "attention"), size)
] + [
    {"context": W, "layers": 2, "padded": True, "residual": True, "layer_norm": True},
    {"context": W, "layers": 2, "bidirectional": True, "input": "one-hot"},
    {"context": W, "layers": 2, "bidirectional": True, "input": "number"},
    {"context": W, "bidirectional": True, "attention": True, **DROPOUT},
    {"context": 1},
]
CONVOLUTIONS = [*PLAIN, {"layers": 3, "kernel": 3}]
BIDIRECTIONAL = {"kind": "lstm", "units": 5, "bidirectional": True}
OTHER_CELLS = [
    {"kind": "lstm", "units": 6, "activation": "relu", "gate": "hard-sigmoid-keras2"},
    {"kind": "gru", "units": 5, "activation": "sigmoid", "reset_after": False},
    {"kind": "gru", "units": 7, "gate": "hard-sigmoid"},
    {"kind": "rnn", "units": 4, "activation": "linear"},
    {"kind": "rnn", "units": 3, "activation": "relu"},
    {"kind": "dense", "units": 9, "activation": "sigmoid"},
    {"kind": "dense", "units": 2, "activation": "linear"},
]
BOTH_WAYS = [layer | {"bidirectional": True} for layer in OTHER_CELLS if layer["kind"] != "dense"]
STACKS = [
    {"stack": OTHER_CELLS},
    {"stack": OTHER_CELLS, **DROPOUT},
    {"stack": [{"kind": "gru", "units": 5}, {"kind": "rnn", "units": 8, "final": True}], "input": "number"},
    {"stack": OTHER_CELLS, "context": W},
    {"stack": [*BOTH_WAYS, OTHER_CELLS[-1]], "context": W, "input": "one-hot"},
    {"stack": [*BOTH_WAYS, BOTH_WAYS[0] | {"final": True}], "context": W},
    {"stack": [*BOTH_WAYS, BOTH_WAYS[0] | {"final": True}], "context": W, "padded": True},
    {"stack": [BIDIRECTIONAL, {"kind": "dense", "units": 6, "activation": "relu"}], "context": W},
    {"stack": [BIDIRECTIONAL | {"final": True}, {"kind": "dense", "units": 6}], "context": W, **DROPOUT},
]
RECURRENT = [*PLAIN, *({"context": W} | variant for variant in PLAIN), *WINDOWED]
VARIANTS = {"convolution": CONVOLUTIONS, "stack": STACKS}
CASES = [
    pytest.param(kind, variant, id=f"{kind}-{'-'.join(variant) or 'plain'}-{number}")
    for kind in sorted(NETWORKS)
    for number, variant in enumerate(VARIANTS.get(kind, RECURRENT))
]
each_case = pytest.mark.parametrize(("kind", "variant"), CASES)


def settings_of(kind, variant):
    return NetworkSettings(**{"kind": kind, "hidden": 16, "embedding": 8, **variant})


@torch.no_grad()
def make(kind, variant, seed=3):
    """A network whose weights, biases too, are all large enough to matter."""
    network = build_network(settings_of(kind, variant), V, seed).eval()
    random = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter += 0.2 * torch.randn(parameter.shape, generator=random)
    return network


def ids(rows=3, length=12, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, V, (rows, length)))


def weights_of(network):
    return Learner(network, TrainingSettings(device="cpu")).weights()


def reads_in_pieces(network):
    whole, end = network(ids())
    for cut in (5, 11):
        first, state = network(ids()[:, :cut])
        second, after = network(ids()[:, cut:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(after, end, atol=1e-5, rtol=1e-5)


def is_causal(network):
    changed = ids().clone()
    changed[:, 8:] = (changed[:, 8:] + 1) % V
    before, after = network(ids())[0], network(changed)[0]
    torch.testing.assert_close(before[:, :8], after[:, :8], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def keeps_rows_apart(network):
    changed = ids().clone()
    changed[1] = (changed[1] + 1) % V
    before, after = network(ids())[0], network(changed)[0]
    torch.testing.assert_close(before[[0, 2]], after[[0, 2]], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(before[1], after[1])


LAWS = [reads_in_pieces, is_causal, keeps_rows_apart]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@each_case
@torch.no_grad()
def test_law(kind, variant, law):
    law(make(kind, variant))


class Forgetful(torch.nn.Module):
    """Throws the state away, looks ahead and mixes rows: breaks all three laws."""

    def __init__(self):
        super().__init__()
        self.network = make("lstm", {})

    def forward(self, ids, state=None):
        logits, _ = self.network(ids)
        return logits + logits.sum((0, 1), keepdim=True), self.network.begin(len(ids))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@torch.no_grad()
def test_each_law_rejects_a_broken_network(law):
    with pytest.raises(AssertionError):
        law(Forgetful())


@torch.no_grad()
def agrees_with_numpy(network, weights):
    runtime = open_runtime(network.settings, weights, V, "numpy")
    np.testing.assert_allclose(runtime.read(ids().numpy())[0], network(ids())[0].numpy(), atol=1e-4, rtol=0)


@each_case
def test_numpy_reads_the_same_logits(kind, variant):
    network = make(kind, variant)
    agrees_with_numpy(network, weights_of(network))


def test_agreeing_with_numpy_rejects_other_weights():
    with pytest.raises(AssertionError):
        agrees_with_numpy(make("lstm", {}), weights_of(make("lstm", {}, seed=4)))


@each_case
def test_weights_have_the_names_and_shapes_that_files_are_checked_against(kind, variant):
    network = make(kind, variant)
    assert {name: array.shape for name, array in weights_of(network).items()} == expected_shapes(network.settings, V)


@each_case
def test_a_state_has_one_shape_and_type_from_the_beginning_on(kind, variant):
    network = make(kind, variant)
    begin = network.begin(3)
    assert begin.shape == (3, *state_shape(network.settings))
    after = network(ids(), begin)[1]
    assert (after.shape, after.dtype) == (begin.shape, begin.dtype)


@each_case
@torch.no_grad()
def test_loaded_weights_give_the_same_logits(kind, variant):
    first, second = make(kind, variant, seed=1), make(kind, variant, seed=2)
    assert not torch.allclose(first(ids())[0], second(ids())[0])
    Learner(second, TrainingSettings(device="cpu")).load_weights(weights_of(first))
    assert torch.equal(first(ids())[0], second.eval()(ids())[0])


@each_case
def test_the_same_seed_builds_the_same_network(kind, variant):
    first, second, other = (build_network(settings_of(kind, variant), V, seed) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@each_case
def test_every_weight_is_taught_by_windows(kind, variant):
    network = make(kind, variant).train()
    _, state = network(ids()[:, :-1])
    logits, _ = network(ids()[:, -1:], state.detach())
    logits.logsumexp(2).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@each_case
def test_the_shorter_way_to_the_nats_is_the_same_way(kind, variant):
    """Where a network has one: every plain LSTM and GRU over windows where layers are compiled."""
    network = make(kind, variant)
    targets, newest = ids(40, 1, seed=1).flatten(), ids(40, 1, seed=2)
    before = ids(40, W, seed=3) if network.settings.context else network.begin(40)
    at_once = network.nats_at_once(newest, before[:, -(network.settings.context or 1) :], None, targets)
    compiled = arithmetic(torch.device("cpu"), torch.float32, 16) is not None
    if at_once is None:
        assert not (compiled and kind in ("lstm", "gru") and variant == {"context": W})
        return
    assert compiled and network.settings.context
    logits, _ = network(newest, before[:, -network.settings.context :])
    nats = torch.nn.functional.cross_entropy(logits.squeeze(1), targets, reduction="sum")
    torch.testing.assert_close(at_once, nats, atol=1e-3, rtol=1e-5)
    weights = list(network.parameters())
    for one, other in zip(torch.autograd.grad(at_once, weights), torch.autograd.grad(nats, weights), strict=True):
        assert (one - other).norm() <= 1e-4 * other.norm()


@pytest.mark.parametrize("share", ["dropout_input", "dropout_between", "dropout_output"])
@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        ("lstm", {"layers": 2}),
        ("lstm", {"layers": 2, "context": W}),
        ("gru", {"layers": 2, "context": W, "padded": True, "attention": True}),
        ("stack", {"stack": [BIDIRECTIONAL, {"kind": "dense", "units": 6}], "context": W}),
        ("stack", {"stack": OTHER_CELLS}),
        ("convolution", {"layers": 2}),
    ],
)
def test_dropout_only_acts_while_training(kind, variant, share):
    network = make(kind, {**variant, share: 0.5})
    assert torch.equal(network(ids())[0], network(ids())[0])
    network.train()
    assert not torch.equal(network(ids())[0], network(ids())[0])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_an_eighth_of_the_units_of_a_new_network_remember_long(kind):
    network = build_network(parse_settings({"network": {"kind": kind, "hidden": 64}}).network, 10, seed=1).eval()
    begun, after = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), torch.zeros(2, 40, dtype=torch.long)
    with torch.no_grad():
        soon, late = (network.read(ids)[0][:, -1] for ids in (begun, torch.cat([begun, after], 1)))  # (2, 64)
    kept = ((late[0] - late[1]) / (soon[0] - soon[1])).abs()  # of how two beginnings differ, after 40 times the same
    assert kept[-8:].median() > 0.1 and kept[:-8].median() < 0.01
    windows = build_network(parse_settings({"network": {"kind": kind, "hidden": 64, "context": 8}}).network, 10, seed=1)
    assert set(windows.layers[0].bias_ih_l0.unique().tolist()) <= {0, 1}  # what reads windows forgets between them


def test_dropout_drops_the_same_numbers_at_every_step_of_a_window():
    dropped = make("lstm", {}).train()._drop(torch.ones(4, 6, 50), 0.5)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])


@torch.no_grad()
def test_windows_are_read_in_pieces_of_bounded_memory(monkeypatch):
    network = make("gru", {"context": W, "bidirectional": True})
    whole = network(ids())[0]
    sizes = []

    def counted(layer, entering, **more):
        sizes.append(len(context.values_of(entering)))
        return run_layer(layer, entering, **more)

    run_layer = context.run_layer
    monkeypatch.setattr(context, "run_layer", counted)
    monkeypatch.setattr(context, "NUMBERS_AT_ONCE", 5 * network.numbers)
    torch.testing.assert_close(network(ids())[0], whole, atol=1e-6, rtol=1e-6)
    assert max(sizes) == 5


def walk(entering, weights, name, direction=""):
    """An LSTM as its formulas stand, one row: (T, X) → its hidden vectors in the order of reading (T, H)."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    input_weight, hidden_weight, input_bias, hidden_bias = (weights[f"{name}.{part}_l0{direction}"] for part in parts)
    hidden = cell = np.zeros(hidden_weight.shape[1])
    leaving = []
    for x in entering[::-1] if direction else entering:
        enter, forget, fresh, out = np.split(input_weight @ x + hidden_weight @ hidden + input_bias + hidden_bias, 4)
        cell = cell / (1 + np.exp(-forget)) + np.tanh(fresh) / (1 + np.exp(-enter))
        hidden = np.tanh(cell) / (1 + np.exp(-out))
        leaving.append(hidden)
    return np.array(leaving)


def windows_of(row, padded):
    """For each position of a row the window that ends there, as a plain list of ids."""
    before = [V] * W if padded else []
    return [[*before, *row[: end + 1]][-W:] for end in range(len(row))]


@pytest.mark.parametrize("padded", [True, False])
@torch.no_grad()
def test_attention_is_the_weighted_average_of_textgenrnn(padded):
    network = make("lstm", {"context": W, "layers": 2, "attention": True, "padded": padded})
    weights = weights_of(network)
    logits = network(ids())[0]
    for row, read in zip(ids().tolist(), logits, strict=True):
        for window, answer in zip(windows_of(row, padded), read, strict=True):
            embedded = weights["embedding.weight"][window].astype(np.float64)  # (W, E)
            first = walk(embedded, weights, "layers.0")
            over_time = np.concatenate([embedded, first, walk(first, weights, "layers.1")], axis=1)  # (W, F)
            scores = over_time @ weights["attention"]
            powers = np.exp(scores - scores.max())
            features = powers / (powers.sum() + 1e-7) @ over_time
            expected = weights["output.weight"] @ features + weights["output.bias"]
            np.testing.assert_allclose(answer.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("final", [True, False])
@torch.no_grad()
def test_a_final_bidirectional_layer_gives_the_end_of_each_direction_as_keras_does(final, padded):
    stack = [BIDIRECTIONAL, BIDIRECTIONAL | {"units": 6, "final": final}, {"kind": "dense", "units": 3}]
    network = make("stack", {"stack": stack, "context": W, "padded": padded})
    weights = weights_of(network)
    logits = network(ids())[0]
    for row, read in zip(ids().tolist(), logits, strict=True):
        for window, answer in zip(windows_of(row, padded), read, strict=True):
            embedded = weights["embedding.weight"][window]
            backward = walk(embedded, weights, "layers.0", "_reverse")[::-1]
            first = np.concatenate([walk(embedded, weights, "layers.0"), backward], axis=1)
            backward = walk(first, weights, "layers.1", "_reverse")
            ends = np.concatenate([walk(first, weights, "layers.1")[-1], backward[-1 if final else 0]])
            dense = np.tanh(weights["layers.2.weight"] @ ends + weights["layers.2.bias"])
            expected = weights["output.weight"] @ dense + weights["output.bias"]
            np.testing.assert_allclose(answer.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@torch.no_grad()
def test_the_looped_layer_equals_torchs_own(kind, bidirectional, lengths):
    layer = Layer(LayerSettings(kind=kind, units=6, bidirectional=bidirectional), inputs=4)
    own, looped = new_layer(layer), LoopedLayer(layer)
    assert not isinstance(own, LoopedLayer)
    looped.load_state_dict(own.state_dict())
    entering = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))
    counted = None if lengths is None else torch.tensor(lengths)
    (leaving, after), (expected, end) = (run_layer(module, entering, lengths=counted) for module in (looped, own))
    torch.testing.assert_close(after, end, atol=1e-6, rtol=1e-6)
    for row, length in enumerate(lengths or [5, 5, 5]):
        torch.testing.assert_close(leaving[row, :length], expected[row, :length], atol=1e-6, rtol=1e-6)


def test_the_labelled_head_reads_features_and_labels_side_by_side():
    torch.manual_seed(0)
    head = LabelledHead(features=5, labels=2, vocabulary_size=V)
    features, labels = torch.randn(4, 5, requires_grad=True), torch.eye(2)[[0, 1, 1, 0]]
    logits = head(features, labels)
    weight = head.output.weight
    torch.testing.assert_close(logits, features @ weight[:, :5].T + labels @ weight[:, 5:].T)
    logits.sum().backward()
    torch.testing.assert_close(features.grad, weight[:, :5].sum(0).expand(4, 5))

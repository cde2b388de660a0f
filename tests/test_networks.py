"""Laws of every registered network: reading in pieces, causality, rows that do not mix, weights that survive a file."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from parrotlet.learning.learner import Learner  # noqa: E402
from parrotlet.networks import NETWORKS, build_network  # noqa: E402
from parrotlet.runtime.shapes import expected_shapes  # noqa: E402
from parrotlet.settings import NetworkSettings, TrainingSettings  # noqa: E402

V = 11
VARIANTS = [
    {},
    {"layers": 2},
    {"layers": 3, "residual": True, "layer_norm": True},
    {"input": "one-hot"},
    {"input": "number", "layers": 2},
    {"tied": True, "embedding": 16},
    {"dropout_input": 0.5, "dropout_between": 0.5, "dropout_output": 0.5, "layers": 2},
]
CASES = [
    pytest.param(kind, variant, id=f"{kind}-{'-'.join(variant) or 'plain'}")
    for kind, variant in itertools.product(sorted(NETWORKS), VARIANTS)
]


def make(kind, variant, seed=3):
    settings = NetworkSettings(**{"kind": kind, "hidden": 16, "embedding": 8, **variant})
    return build_network(settings, V, seed).eval()


def ids(rows=3, length=12, seed=0):
    return torch.from_numpy(__import__("numpy").random.default_rng(seed).integers(0, V, (rows, length)))


def reads_in_pieces(network):
    whole, end = network(ids())
    first, state = network(ids()[:, :5])
    second, after = network(ids()[:, 5:], state)
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
@pytest.mark.parametrize(("kind", "variant"), CASES)
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


@pytest.mark.parametrize(("kind", "variant"), CASES)
def test_weights_have_the_names_and_shapes_that_files_are_checked_against(kind, variant):
    network = make(kind, variant)
    weights = Learner(network, TrainingSettings(device="cpu")).weights()
    assert {name: array.shape for name, array in weights.items()} == expected_shapes(network.settings, V)


@pytest.mark.parametrize(("kind", "variant"), CASES)
@torch.no_grad()
def test_loaded_weights_give_the_same_logits(kind, variant):
    first, second = make(kind, variant, seed=1), make(kind, variant, seed=2)
    assert not torch.allclose(first(ids())[0], second(ids())[0])
    Learner(second, TrainingSettings(device="cpu")).load_weights(
        Learner(first, TrainingSettings(device="cpu")).weights()
    )
    assert torch.equal(first(ids())[0], second.eval()(ids())[0])


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_the_same_seed_builds_the_same_network(kind):
    first, second = make(kind, {}, seed=5), make(kind, {}, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_dropout_only_acts_while_training():
    network = make("lstm", {"dropout_output": 0.5})
    assert torch.equal(network(ids())[0], network(ids())[0])
    network.train()
    assert not torch.equal(network(ids())[0], network(ids())[0])

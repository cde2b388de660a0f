"""Vectors of texts: what the output layer sees, each by itself; principal components keep their laws."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from parrotlet.bundle import Bundle, Card
from parrotlet.cli import main
from parrotlet.ensembles import average
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.runtime import ReferenceRuntime, expected_shapes
from parrotlet.settings import NetworkSettings, Settings, TokenizerSettings
from parrotlet.tokenizers import train_tokenizer
from parrotlet.vectors import (
    PrincipalComponents,
    cosine_similarity,
    nearest_texts,
    neighbour_map,
    text_summaries,
    text_vectors,
)
from parrotlet.writer import Writer

TEXTS = ["never gonna", "give you up", "a", "", "never gonna let you down", "run around and desert you"]
SMALL = {"hidden": 6, "layers": 2, "embedding": 5}
NETWORKS = {
    "textgenrnn": {"kind": "lstm", "context": 7, "padded": True, "attention": True},
    "bidirectional": {"kind": "lstm", "context": 7, "padded": True, "attention": True, "bidirectional": True},
    "window": {"kind": "gru", "context": 7},
    "stateful": {"kind": "lstm"},
    "convolution": {"kind": "convolution"},
}


def a_bundle(network: dict, form: str = "lines") -> Bundle:
    """A model with random weights."""
    settings = Settings(network=NetworkSettings(**SMALL, **network))
    tokenizer = train_tokenizer(TEXTS, TokenizerSettings())
    random = np.random.default_rng(1)
    shapes = expected_shapes(settings.network, len(tokenizer))
    weights = {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    return Bundle(weights, settings, tokenizer, Card(form=form))


def logits_after(bundle: Bundle, text: str) -> np.ndarray:
    """What the network says after a text, or after as much of it as counts: (V,)."""
    runtime = ReferenceRuntime(bundle.settings.network, bundle.weights, len(bundle.tokenizer))
    ids = bundle.tokenizer.encode(text)[: bundle.settings.network.context]
    return runtime.read(np.concatenate(([bundle.tokenizer.stop], ids))[None])[0][0, -1]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_vector_is_what_the_output_layer_sees(network):
    bundle = a_bundle(NETWORKS[network])
    vectors = text_vectors(bundle, TEXTS)
    seen = vectors @ bundle.weights["output.weight"].T + bundle.weights["output.bias"]
    expected = np.array([logits_after(bundle, text) for text in TEXTS])
    np.testing.assert_allclose(seen, expected, atol=1e-4)
    broken = vectors[::-1] @ bundle.weights["output.weight"].T + bundle.weights["output.bias"]
    assert not np.allclose(broken, expected, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_vector_does_not_depend_on_the_texts_beside_it(network):
    bundle = a_bundle(NETWORKS[network])
    alone = np.concatenate([text_vectors(bundle, [text]) for text in TEXTS])
    np.testing.assert_allclose(text_vectors(bundle, TEXTS), alone, atol=1e-6)


def test_only_the_first_tokens_of_a_text_count_with_a_context():
    bundle = a_bundle(NETWORKS["textgenrnn"])
    one, other, third = text_vectors(bundle, ["never gonna", "never g", "never t"])
    np.testing.assert_array_equal(one, other)
    assert not np.allclose(one, third)


def test_a_long_text_is_read_in_pieces_as_if_whole(monkeypatch):
    bundle = a_bundle(NETWORKS["stateful"], "text")
    whole = text_vectors(bundle, ["never gonna give you up " * 3])
    monkeypatch.setattr("parrotlet.vectors.PIECE", 5)
    np.testing.assert_allclose(text_vectors(bundle, ["never gonna give you up " * 3]), whole, atol=1e-5)


def test_what_is_no_text_is_refused():
    with pytest.raises(UsageError, match="each must be a text, not int"):
        text_vectors(a_bundle(NETWORKS["window"]), [3])


def test_components_are_those_of_the_covariance():
    vectors = np.random.default_rng(0).normal(size=(30, 6)) * [5, 4, 3, 2, 1, 0.5] + 10
    made = PrincipalComponents(3)
    projected = made.fit_transform(vectors)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    np.testing.assert_allclose(made.explained_variance_, values[::-1][:3])
    np.testing.assert_allclose(np.abs(np.sum(made.components_ * directions.T[::-1][:3], axis=1)), 1)
    np.testing.assert_allclose(made.explained_variance_ratio_, values[::-1][:3] / values.sum())
    np.testing.assert_allclose(projected.var(axis=0, ddof=1), made.explained_variance_)
    np.testing.assert_array_equal(made.transform(vectors), projected)
    assert (made.components_[np.arange(3), np.abs(made.components_).argmax(axis=1)] > 0).all()


def test_there_are_no_more_components_than_texts_or_numbers():
    vectors = np.random.default_rng(0).normal(size=(4, 9))
    projected = PrincipalComponents(50).fit_transform(vectors)
    assert projected.shape == (4, 4)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    np.testing.assert_allclose(np.linalg.norm(projected[:, None] - projected, axis=2), distances)


def test_alike_texts_have_components_of_zero():
    made = PrincipalComponents(2)
    assert not made.fit_transform(np.ones((3, 4))).any()
    assert not made.explained_variance_ratio_.any()


@pytest.mark.parametrize("dims", [0, -1, 2.0, True, "2"])
def test_wrong_dimensions_are_refused(dims):
    with pytest.raises(UsageError, match="pca_dims must be a whole number from 1"):
        PrincipalComponents(dims)


def test_one_text_has_no_components():
    with pytest.raises(UsageError, match="needs more than one text"):
        PrincipalComponents(2).fit_transform(np.ones((1, 4)))


def test_without_scikit_learn_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ParrotletError, match=r"t-SNE \(tsne_dims\) needs scikit-learn: pip install scikit-learn"):
        neighbour_map(np.ones((3, 4)), 2)


def test_scikit_learn_gets_the_seed_and_a_perplexity_that_few_texts_allow(monkeypatch):
    calls = []

    class Map:
        def __init__(self, dims, **options):
            calls.append((dims, options))

        def fit_transform(self, vectors):
            return vectors[:, :2]

    monkeypatch.setitem(sys.modules, "sklearn.manifold", SimpleNamespace(TSNE=Map))
    laid_out, made = neighbour_map(np.eye(4), 2, seed=123)
    assert calls == [(2, {"perplexity": 1.0, "random_state": 123})]
    assert laid_out.shape == (4, 2) and isinstance(made, Map)


def test_cosine_similarity():
    likeness = cosine_similarity([1, 0], [[2, 0], [0, 3], [-1, 0], [1, 1], [0, 0]])
    np.testing.assert_allclose(likeness, [1, 0, -1, np.sqrt(0.5), 0])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_text_is_nearest_to_itself_and_what_is_like_it(network):
    writer = Writer(a_bundle(NETWORKS[network]))
    assert text_summaries(writer, TEXTS).shape[0] == len(TEXTS)
    np.testing.assert_allclose(text_summaries(writer, TEXTS)[1], text_summaries(writer, TEXTS[1:2])[0], atol=1e-6)
    found = nearest_texts(writer, "give you up", [*TEXTS, "give you up"], 3)
    assert found[0] == ("give you up", pytest.approx(1)) and len({text for text, _ in found}) == 3
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
    with pytest.raises(UsageError, match="there are no other texts"):
        nearest_texts(writer, "a", [])
    with pytest.raises(UsageError, match="n must be a whole number from 1, not 0"):
        nearest_texts(writer, "a", TEXTS, 0)


def test_an_ensemble_has_no_vectors():
    both = average([Writer(a_bundle({"kind": "lstm"}))] * 2)
    with pytest.raises(UsageError, match="an ensemble has no layers of its own"):
        nearest_texts(both, "a", TEXTS)


def test_a_map_draws_from_the_whole_corpus():
    from parrotlet.cli.plot import drawn

    places = drawn(range(999), 500)
    assert places == sorted(places) and len(set(places)) == 500 and sum(place >= 500 for place in places) > 200
    assert drawn(range(3), 500) == [0, 1, 2]


def test_maps_and_neighbours_by_command(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    Writer(a_bundle({"kind": "lstm"})).save(tmp_path / "m.safetensors")
    table = tmp_path / "texts.csv"
    table.write_text(
        "text,kind\n" + "".join(f"{text or 'x'},{n % 2}\n" for n, text in enumerate(TEXTS)), encoding="utf-8"
    )
    model = str(tmp_path / "m.safetensors")
    assert main(["plot", "map", model, str(table), "--by", "kind", "-o", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    capsys.readouterr()
    assert main(["nearest", model, str(tmp_path / "lines.txt"), "--text", "give you up", "-n", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == " 1.000  give you up"
    assert main(["nearest", model, str(tmp_path / "lines.txt"), "--text", "a", "--json"]) == 0
    assert main(["plot", "map", model, str(tmp_path / "lines.txt"), "-n", "2"]) == 2

"""A look inside: figures are those of the formulas, for every network, and pictures, pages and colours show them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from parrotlet import inside, traits
from parrotlet.bundle import Bundle, Card
from parrotlet.cli import main
from parrotlet.errors import UsageError
from parrotlet.plots import plot_saturation, plot_view
from parrotlet.plots.views import colour, page
from parrotlet.settings import NetworkSettings, Settings, TokenizerSettings
from parrotlet.tokenizers import CharTokenizer, train_tokenizer
from parrotlet.writer import Writer
from tests.runtime_members import NETWORKS, name_of, random_weights
from tests.terminal import Terminal

ALPHABET = '\n "().!?,ABCabcdefghijklmnopqrstu1<>&$'
TEXT = 'A said "a cat!" and ran (far).\nBut a b c.\n'


def writer_of(network, weights=None, form="text", alphabet=ALPHABET):
    tokenizer = CharTokenizer(alphabet, fallback=False)
    weights = weights or random_weights(network, len(tokenizer))
    settings = Settings(network=network)
    return Writer(Bundle(weights, settings, tokenizer, Card(trained_on="m", form=form)))


def carries(network):
    return network.context is None and network.kind != "convolution"


@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_units_are_what_the_network_holds_after_each_token(network):
    writer = writer_of(network)
    values = inside.activations(writer, TEXT)
    assert len(values) == len(TEXT)
    again = inside.activations(writer, TEXT[:20])
    np.testing.assert_allclose(values[:20], again, atol=1e-6)  # what comes later changes nothing
    ids = np.concatenate((writer.opening(writer.tokenizer.encode(TEXT)), writer.tokenizer.encode(TEXT)))
    features, _ = writer.readable().features(ids[None])
    plain = not (network.layer_norm or network.residual) and not any(each.kind == "dense" for each in network.stack)
    if not carries(network) or plain:
        np.testing.assert_allclose(values, features[0, -len(TEXT) :], atol=1e-5)
    if carries(network):
        assert np.abs(values).max() <= 1 + 1e-6 or network.kind == "stack"  # relu and linear have no bounds


@pytest.mark.parametrize("network", [each for each in NETWORKS if carries(each)], ids=name_of)
def test_gates_and_hidden_vectors_belong_together(network):
    """Each step's hidden vector can be made from the gates and the one before it, as the cells' formulas say."""
    writer = writer_of(network)
    for layer in writer.readable().looked_into(writer.tokenizer.encode(TEXT)):
        for values in layer.gates.values():
            assert values.shape == layer.hidden.shape and values.min() >= 0 and values.max() <= 1
        if "update" in layer.gates:
            before = np.concatenate([np.zeros_like(layer.hidden[:1]), layer.hidden[:-1]])
            moved, update = layer.hidden - before, layer.gates["update"]
            held = update > 0.999999
            assert np.abs(moved[held]).max(initial=0) < 1e-3  # what is held does not move
        if "output" in layer.gates:
            bent = np.abs(layer.hidden) <= layer.gates["output"] + 1e-5
            assert bent.all() or network.kind == "stack"


def counting_lstm(symbols):
    """One unit whose forget gate is open, whose input gate opens at one symbol, which it then remembers."""
    network = NetworkSettings(kind="lstm", hidden=1, layers=1, input="one-hot")
    weights = {name: np.zeros_like(array) for name, array in random_weights(network, symbols).items()}
    return network, weights


def test_a_unit_made_by_hand_is_found_and_its_gates_are_as_made():
    tokenizer = CharTokenizer(ALPHABET, fallback=False)
    network, weights = counting_lstm(len(tokenizer))
    bracket, closing = (int(tokenizer.encode(sign)[0]) for sign in "()")
    entering = weights["layers.0.weight_ih_l0"]  # (4, V): input, forget, new value, output
    weights["layers.0.bias_ih_l0"][:] = [-20.0, 20.0, 20.0, 20.0]
    entering[0, bracket] = 40.0  # remember one
    entering[1, closing] = -40.0  # forget it
    writer = writer_of(network, weights)
    text = "a b (c d) e (f g) h a cat ran. (a b c) said he" * 8
    (found, *_) = inside.detectors(writer, text)
    assert (found.trait, found.unit) == ("inside brackets", 0) and found.correlation > 0.95
    opened = {
        strip.title[: strip.title.index(" of")]: strip.values for strip in inside.gates(writer, "a(b)c", unit=0).strips
    }
    np.testing.assert_allclose(opened["input gate"], [0, 1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(opened["forget gate"], [1, 1, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(inside.units(writer, "a(b)c", [0]).strips[0].values, [0, 0.76, 0.76, 0, 0], atol=0.01)
    shares = inside.saturation(writer, "a(b)c")
    np.testing.assert_allclose(shares["forget"], [[1 / 6, 5 / 6]], atol=1e-6)  # a line end was read before
    # only the bracket and what closes it can bear on what is foreseen; here nothing is, all outputs are alike
    assert not inside.influence(writer, "a(b)c").links.values.any()


def test_chance_is_not_taken_for_knowledge(monkeypatch):
    """No unit is said to follow a trait that has nothing to do with the text; what is in the text is found."""
    writer = writer_of(NetworkSettings(kind="lstm", hidden=24, embedding=8))
    random = np.random.default_rng(5)
    text = "".join(random.choice(list("abc ()"), 800))
    found = inside.detectors(writer, text)
    assert "between words" in {each.trait for each in found}  # a unit sees the letter that was just read
    values = [abs(each.correlation) for each in found]
    assert values == sorted(values, reverse=True) and values[-1] >= inside.LEAST_TOLD
    noise = {
        f"noise {n}": lambda text, n=n: np.random.default_rng(n + 100).integers(0, 2, len(text)) for n in range(40)
    }
    monkeypatch.setattr(traits, "TRAITS", noise)
    assert inside.detectors(writer, text) == []
    assert inside.detectors(writer, "aaaa" * 50) == []  # nothing varies


@pytest.mark.parametrize("network", NETWORKS[:: max(1, len(NETWORKS) // 25)], ids=name_of)
def test_surprise_is_what_the_score_counts_and_influence_looks_back_only(network):
    writer = writer_of(network)
    (strip,) = inside.surprise(writer, TEXT).strips
    score = writer.score(TEXT, "lines" if writer.card.form == "lines" else "text", surprise=True)
    if writer.opening(writer.tokenizer.encode(TEXT))[0] == writer.tokenizer.stop:
        np.testing.assert_allclose(strip.values, [bits for _, bits in score.surprise], rtol=1e-4, atol=1e-4)
    assert len(strip.values) == len(TEXT) and min(strip.values) > 0
    values = inside.influence(writer, TEXT[:12]).links.values
    assert values.shape == (12, 12) and not np.triu(values).any() and values.min() >= 0
    if network.context is not None:
        reach = np.arange(12)[:, None] - np.arange(12)[None] > network.context
        assert not values[reach].any()  # nothing outside the window bears on anything
    if network.context != 1:
        assert values.any()


def test_between_documents_stands_what_ends_one():
    writer = writer_of(NETWORKS[0], form="lines")
    view = inside.surprise(writer, ["abc", "ca"])
    assert "".join(view.tokens) == "abc\nca"
    scores = [bits for text in ("abc", "ca") for _, bits in writer.score([text], "lines", surprise=True).surprise]
    np.testing.assert_allclose(view.strips[0].values[:4], scores[:4], rtol=1e-4)
    with pytest.raises(UsageError, match="text must be a text or several"):
        inside.surprise(writer, ["a", 5])


def test_a_short_text_says_nothing_of_its_units():
    network = NetworkSettings(kind="lstm", hidden=24, embedding=8)
    for scale in range(1, 30):
        writer = writer_of(network, random_weights(network, len(ALPHABET) + 1, scale / 5))
        assert inside.detectors(writer, "a b c (d) e") == []


@pytest.mark.parametrize("network", [each for each in NETWORKS if each.attention], ids=name_of)
def test_attention_is_shared_among_the_window(network):
    writer = writer_of(network)
    values = inside.attention(writer, TEXT).links.values
    assert not np.triu(values).any()
    for t in range(len(TEXT)):
        assert np.count_nonzero(values[t]) <= min(t, network.context) and values[t].sum() <= 1 + 1e-5
        if t > network.context:
            assert values[t].sum() == pytest.approx(1, abs=1e-3)
    # What was read is the average that these weights make, padding among it.
    runtime, ids = writer.readable(), writer.tokenizer.encode(TEXT)
    read = np.concatenate((writer.opening(ids), ids))
    for t in (1, 3, len(TEXT) - 1):
        window = read[max(0, t + len(read) - len(ids) - network.context) : t + len(read) - len(ids)]
        if network.padded:
            window = np.pad(window, (network.context - len(window), 0), constant_values=len(writer.tokenizer))
        weights, over_time = runtime.attention(window[None])[0], runtime._over_time(window[None])[0]
        features, _ = runtime.features(read[None, : t + len(read) - len(ids)])
        np.testing.assert_allclose(weights @ over_time, features[0, -1], atol=1e-5)
        shown = values[t, max(0, t - network.context) : t]
        np.testing.assert_allclose(shown, weights[len(weights) - len(shown) :], atol=1e-6)


def test_a_wrong_call_is_one_clear_line():
    writer = writer_of(NetworkSettings(kind="lstm", hidden=8, embedding=8))
    windowed = writer_of(NetworkSettings(kind="lstm", hidden=8, embedding=8, context=5))
    for call, message in [
        (lambda: inside.units(writer, "abc", [8]), "unit 8: this layer has the units 0 to 7"),
        (lambda: inside.gates(writer, "abc", unit=True), "unit True: this layer has the units 0 to 7"),
        (lambda: inside.gates(writer, "abc", unit=8), "unit 8: this layer has the units 0 to 7"),
        (lambda: inside.units(writer, "abc", [0], layer=1), "layer 1: this network has the layers 0 to 0"),
        (lambda: inside.gates(windowed, "abc"), "gates are shown of networks that carry a state"),
        (lambda: inside.gates(writer_of(NetworkSettings(kind="rnn", hidden=8)), "abc"), "this network has no gates"),
        (lambda: inside.attention(writer, "abc"), "this network has no attention: influence shows"),
        (lambda: inside.surprise(writer, ""), "the text is empty"),
        (lambda: inside.influence(writer, "a" * 401), "401 tokens; this looks at no more than 400"),
        (lambda: inside.activations(windowed, "abc", layer=0), "only a network that carries its state"),
    ]:
        with pytest.raises(UsageError) as error:
            call()
        assert message in str(error.value)


def test_pictures_and_pages(tmp_path):
    pytest.importorskip("matplotlib")
    network = next(each for each in NETWORKS if each.attention)
    writer = writer_of(network)
    text = TEXT + "<b>&amp $a_$ $b$ \\frac</b>"
    for name, view in {
        "surprise": inside.surprise(writer, text),
        "units": inside.units(writer, text, [0, 3]),
        "attention": inside.attention(writer, text),
        "influence": inside.influence(writer, text[:30]),
    }.items():
        for suffix in (".png", ".svg", ".html"):
            plot_view(view, name, tmp_path / f"{name}{suffix}")
            assert (tmp_path / f"{name}{suffix}").stat().st_size > 1500
    carrying = writer_of(NetworkSettings(kind="gru", hidden=12, embedding=4))
    plot_saturation(inside.saturation(carrying, text), "gates", tmp_path / "gates.png")
    assert (tmp_path / "gates.png").stat().st_size > 5000
    with pytest.raises(UsageError, match="a picture shows the links of 100 tokens"):
        plot_view(inside.influence(carrying, "a" * 130), "x", tmp_path / "x.png")
    with pytest.raises(UsageError, match=r"pictures end in \.png or \.svg, pages in \.html"):
        plot_view(inside.surprise(writer, text), "x", tmp_path / "x.pdf")


def test_a_page_never_runs_what_a_text_says():
    view = inside.View(("<script>", "alert(1)", "</script>", "\n"), (inside.Strip("<i>", (1.0, 2.0, 3.0, 4.0), 0, 4),))
    links = inside.View(view.tokens, links=inside.Links("influence", np.tril(np.ones((4, 4)), -1), "bits"))
    for each in (page(view, "a <b>"), page(links, "a <b>")):
        assert "<script>alert" not in each and "&lt;script&gt;" in each and "a &lt;b&gt;" in each
    assert "src=" not in page(links, "x") and "http" not in page(links, "x")


def test_colours():
    assert colour(0.0, -1, 1) == (1, 1, 1) == colour(float("nan"), 0, 1)
    assert colour(2.0, 0, 1) == colour(1.0, 0, 1) and colour(-1.0, -1, 1) != colour(1.0, -1, 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("look") / "model.safetensors"
    writer_of(NetworkSettings(kind="lstm", hidden=24, embedding=8)).save(path)
    return path


@pytest.mark.parametrize("what", ["surprise", "units", "gates", "influence"])
def test_the_command(model, what, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    long = tmp_path / "text.txt"
    long.write_text(TEXT * (1 if what == "influence" else 12), encoding="utf-8")
    extra = ["--unit", "3"] if what == "units" else []
    assert main(["look", what, str(model), "--file", str(long), *extra]) == 0
    lines = capsys.readouterr().out.splitlines()
    read = len(long.read_text(encoding="utf-8"))
    assert sum("\t" in line for line in lines) == read - (what == "influence")  # nothing bears on the first
    assert main(["look", what, str(model), "--text", TEXT, "--json", *extra]) == 0
    data = json.loads(capsys.readouterr().out)
    assert "".join(data["tokens"]) == TEXT and (data["strips"] or data["links"]["rows"])
    assert main(["look", what, str(model), "--text", TEXT, "-o", str(tmp_path / "page.html"), *extra]) == 0
    assert "saved" in capsys.readouterr().out and (tmp_path / "page.html").exists()
    if what != "units":  # random units may follow nothing
        assert main(["look", what, str(model)]) == 0
    assert main(["look", what, str(model), "--text", "a", "--file", "b"]) == 2


def test_the_command_says_what_is_wrong(model, tmp_path, capsys):
    assert main(["look", "attention", str(model), "--text", "abc"]) == 2
    assert "this network has no attention" in capsys.readouterr().err
    assert main(["look", "units", str(model), "--text", "abc"]) == 1
    assert "no unit follows a known trait of this text" in capsys.readouterr().err
    assert main(["look", "gates", str(model), "--text", "abc", "--dots"]) == 2
    assert main(["look", "gates", str(model), "--text", "abc", "-o", str(tmp_path / "x.pdf")]) == 2
    assert main(["look", "gates", str(model), "--dots", "--unit", "1", "-o", str(tmp_path / "x.png")]) == 2
    assert main(["look", "surprise", str(model), "--file", "a\0b"]) == 2


def test_what_a_model_does_not_know_is_seen():
    tokenizer = train_tokenizer(["the dog sat"] * 3, TokenizerSettings(level="word"))
    network = NetworkSettings(kind="lstm", hidden=8, embedding=8)
    bundle = Bundle(random_weights(network, len(tokenizer)), Settings(network=network), tokenizer, Card())
    assert inside.surprise(Writer(bundle), "the zzz dog").tokens == ("the", "<unk>", " dog")
    assert inside.activations(Writer(bundle), "zzz qqq").shape == (2, 8)
    assert inside.detectors(Writer(bundle), "zzz qqq") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_colours_on_a_terminal(model):
    command = [sys.executable, "-m", "parrotlet", "look", "influence", str(model), "--text", "a cat (b)."]
    terminal = Terminal(["/usr/bin/env", "TERM=xterm-256color", "COLORTERM=truecolor", *command])
    seen = terminal.until(r"page\.html[\s\S]*\.")
    terminal.wait()
    assert re.search(r"\x1b\[30;48;2;\d+;\d+;\d+m", seen), seen
    assert Path(model).exists()

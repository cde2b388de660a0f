"""Labels of texts: read in training, chosen and mixed in writing, kept in the file, extended by new texts."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, from_texts, load, training  # noqa: E402
from parrotlet.bundle import Bundle, Card, load_bundle  # noqa: E402
from parrotlet.dataset import encode_corpus, split  # noqa: E402
from parrotlet.dataset.batches import LineBatches, StreamBatches  # noqa: E402
from parrotlet.dataset.windows import SequenceBatches, WindowBatches  # noqa: E402
from parrotlet.errors import ParrotletError, UsageError  # noqa: E402
from parrotlet.labels import checked_choice, labelled_network, parse_choice  # noqa: E402
from parrotlet.networks import NETWORKS, build_network  # noqa: E402
from parrotlet.runtime import PATHS, open_runtime  # noqa: E402
from parrotlet.settings import Settings, TokenizerSettings, parse_settings  # noqa: E402
from parrotlet.tokenizers import train_tokenizer  # noqa: E402

LABELS = {"kind": ("x", "y", "z"), "author": ("Ann", "Bob")}
COUNTS = (3, 2)
TINY = {"hidden": 32, "embedding": 8, "batch": 8, "window": 16, "device": "cpu", "warmup": 5, "evaluations": 1}
TINY |= {"learning_rate": 2e-2, "sample_temperatures": (), "validation": 0.0}  # few different texts: learn from all
KINDS = {
    "lstm": {},
    "gru": {"layers": 2, "residual": True},
    "rnn": {"layers": 2},
    "convolution": {"layers": 3},
    "stack": {"stack": [{"kind": "lstm", "units": 9}, {"kind": "dense", "units": 5}]},
    "lstm-padded": {"context": 6, "padded": True, "bidirectional": True, "attention": True},
    "gru-context": {"context": 6, "bidirectional": True},
}


def bundle_of(kind):
    """A model with labels whose weights are all large enough to matter, and its network."""
    network = {"kind": kind.split("-")[0], "hidden": 16, "embedding": 8, "label_counts": COUNTS, **KINDS[kind]}
    settings = parse_settings({"network": network})
    tokenizer = train_tokenizer(["the quick brown fox"], settings.tokenizer)
    built = build_network(settings.network, len(tokenizer), 3).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    weights = {name: value.detach().numpy().copy() for name, value in built.named_parameters()}
    return Bundle(weights, settings, tokenizer, Card(form="lines", steps=1), labels=LABELS), built


def two_kinds(count=120):
    texts = [("ab" if n % 2 else "xy") * 6 for n in range(count)]
    return from_texts(texts, "lines", "two kinds", {"kind": ["letters" if n % 2 else "signs" for n in range(count)]})


def trained(corpus, model=None, **settings):
    sizes = {} if model is None else {"hidden", "embedding"}
    given = {name: value for name, value in {**TINY, **settings}.items() if name not in sizes}
    running = training(corpus, start_from=model, **given)
    events = list(running)
    return running.bundle, events


@pytest.fixture(scope="module")
def taught():
    return trained(two_kinds(), steps=300)[0]


@torch.no_grad()
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("chosen", "numbers"), [({"kind": "y", "author": "Bob"}, (1, 1)), ({"kind": "z"}, (2, 2)), ({}, (3, 2))]
)
def test_a_runtime_under_labels_agrees_with_the_network_that_reads_them(kind, path, chosen, numbers):
    bundle, built = bundle_of(kind)
    ids = np.random.default_rng(0).integers(0, len(bundle.tokenizer), (3, 11))
    wanted, _ = built(torch.from_numpy(ids), None, torch.tensor([numbers] * 3))
    network, weights = labelled_network(bundle, chosen)
    found, _ = open_runtime(network, weights, len(bundle.tokenizer), path).read(ids)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)
    other, _ = built(torch.from_numpy(ids), None, torch.tensor([(0, 0)] * 3))
    assert np.abs(other.numpy() - found).max() > 1e-3


def test_every_kind_of_network_is_among_them():
    assert {name.split("-")[0] for name in KINDS} == NETWORKS.keys()


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_each_step_and_of_each_row_and_none_agree(kind):
    _, network = bundle_of(kind)
    ids = torch.from_numpy(np.random.default_rng(1).integers(0, 9, (2, 60)))
    each = torch.tensor([(1, 0), (3, 1)])
    by_row, _ = network(ids, None, each)
    by_step, _ = network(ids, None, each.unsqueeze(1).expand(-1, 60, -1).contiguous())
    torch.testing.assert_close(by_row, by_step, atol=1e-5, rtol=1e-5)
    alone, _ = network(ids[:1, :3], None, each[:1])  # too few ids to pay for a table of every label
    torch.testing.assert_close(by_row[:1, :3], alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network(ids)[0], network(ids, None, torch.tensor([COUNTS] * 2))[0], atol=1e-5, rtol=1e-5)


def test_the_mixture_is_the_weighted_mean_of_the_labels_vectors():
    bundle, _ = bundle_of("lstm")
    table, none = bundle.weights["labels.0.weight"], bundle.weights["labels.1.weight"][-1]
    _, weights = labelled_network(bundle, {"kind": {"x": 3, "z": 1}})
    moved = weights["embedding.weight"] - bundle.weights["embedding.weight"]
    np.testing.assert_allclose(moved, np.broadcast_to(0.75 * table[0] + 0.25 * table[2] + none, moved.shape), atol=1e-6)


def test_the_strength_of_a_label_is_the_way_from_none_to_it_and_beyond():
    bundle, _ = bundle_of("lstm")
    vectors = {
        strength: labelled_network(bundle, {"kind": "y"}, strength)[1]["embedding.weight"] for strength in (0, 1, 2.5)
    }
    np.testing.assert_allclose(vectors[0], labelled_network(bundle, {})[1]["embedding.weight"], atol=1e-6)
    np.testing.assert_allclose(vectors[2.5] - vectors[0], 2.5 * (vectors[1] - vectors[0]), atol=1e-5)
    for wrong in (-1, 11, float("nan"), True):
        with pytest.raises(UsageError, match="the strength of labels must be a number from 0 to 10"):
            labelled_network(bundle, {"kind": "y"}, wrong)


def test_a_network_writes_like_the_label_that_is_chosen(taught):
    writer = Writer(taught)
    assert writer.labels == {"kind": ("signs", "letters")}
    assert set("".join(writer.labelled({"kind": "letters"}).generate(20, length=8, seed=1, temperature=0.7))) == set(
        "ab"
    )
    assert set("".join(writer.labelled({"kind": "signs"}).generate(20, length=8, seed=1, temperature=0.7))) == set("xy")
    firsts = [text[:1] for text in writer.generate(60, length=8, seed=1)]  # without a label it writes both
    assert min(sum(each in ("a", "b") for each in firsts), sum(each in ("x", "y") for each in firsts)) > 5
    mixed = writer.labelled({"kind": {"letters": 1, "signs": 1}}).next_tokens(n=4)
    assert {token for token, _ in mixed[:2]} <= set("abxy")


def test_the_file_holds_the_labels(taught, tmp_path):
    taught.save(tmp_path / "m.safetensors")
    writer = load(tmp_path / "m.safetensors")
    assert writer.labels == taught.labels
    chosen = {"kind": "letters"}
    assert writer.labelled(chosen).write(seed=1) == Writer(taught, labels=chosen).write(seed=1)


@pytest.mark.parametrize(
    "labels", ["[]", '{"kind": ["a"]}', '{"kind": ["a", "a"]}', '{"kind": ["a", 1]}', '{"kind": 2}']
)
def test_labels_that_do_not_fit_are_one_clear_line(taught, tmp_path, labels):
    from safetensors.numpy import load_file, save_file

    taught.save(tmp_path / "m.safetensors")
    raw = (tmp_path / "m.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + size])["__metadata__"] | {"labels": labels}
    save_file(load_file(tmp_path / "m.safetensors"), tmp_path / "bad.safetensors", metadata)
    with pytest.raises(ParrotletError, match=r"bad\.safetensors: (its )?labels"):
        load_bundle(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"kid": "x"}, "label 'kid' is not a column of labels: did you mean 'kind'"),
        ({"author": "Ane"}, "label author = 'Ane' is not known: did you mean 'Ann'"),
        ({"kind": {"x": -1}}, "label kind = 'x': its share must be a number from 0 on, not -1"),
        ({"kind": {"x": float("nan")}}, "its share must be a number"),
        ({"kind": {"x": True}}, "its share must be a number"),
        ({"kind": {"x": 0, "y": 0}}, "label kind: the shares must be more than 0 in all"),
        ({"kind": {}}, "label kind: the shares must be more than 0 in all"),
        ({"kind": ["x", "y"]}, "label kind: a label or a mapping of labels to shares is chosen, not ['x', 'y']"),
        ({"kind": 5}, "label kind: a label or a mapping of labels to shares is chosen, not 5"),
        ("kind", "labels are chosen by column, as in {'author': 'Ann'}, not by 'kind'"),
    ],
)
def test_a_wrong_choice_is_one_clear_line(chosen, message):
    with pytest.raises(UsageError) as error:
        checked_choice(LABELS, chosen)
    assert message in str(error.value)


def test_choices_are_read_from_a_command_line():
    chosen = parse_choice(["kind=x:2,y:1.5", "author=Ann"])
    assert checked_choice(LABELS, chosen) == {"kind": {"x": 2 / 3.5, "y": 1.5 / 3.5}, "author": {"Ann": 1.0}}
    for wrong in ("a", "=b"):
        with pytest.raises(UsageError, match="is not of the form column=label"):
            parse_choice([wrong])
    with pytest.raises(UsageError, match="a was chosen before"):
        parse_choice(["a=b", "a=c"])


def test_a_label_that_reads_like_a_mixture_is_the_label():
    labels = {"verse": ("John 3:16", "John 3", "x,y", "http://z", "p=q", "")}
    for label in labels["verse"]:
        assert checked_choice(labels, parse_choice([f"verse={label}"])) == {"verse": {label: 1.0}}
    both = checked_choice(labels, parse_choice(["verse=John 3:16:1,p=q:3"]))
    assert both == {"verse": {"John 3:16": 0.25, "p=q": 0.75}}
    assert checked_choice(labels, parse_choice(["verse=p=q:1,John 3:1,p=q:2"])) == {
        "verse": {"p=q": 0.75, "John 3": 0.25}
    }
    with pytest.raises(UsageError, match="label verse = 'http://zz' is not known: did you mean 'http://z'"):
        checked_choice(labels, parse_choice(["verse=http://zz"]))


def test_new_texts_may_bring_new_labels(taught):
    more = from_texts(["mn" * 6] * 40 + ["ab" * 6] * 40, labels={"kind": ["new"] * 40 + ["letters"] * 40})
    untaught, _ = trained(more, taught, steps=1, learning_rate=1e-8, calibrate=False)
    assert untaught.labels == {"kind": ("signs", "letters", "new")}
    table, before = untaught.weights["labels.0.weight"], taught.weights["labels.0.weight"]
    np.testing.assert_allclose(table, before[[0, 1, 2, 2]], atol=1e-5)  # begins like no label
    grown, _ = trained(more, taught, steps=150)
    assert set(Writer(grown, labels={"kind": "new"}).write(length=8, temperature=0)) == set("mn")
    assert set(Writer(grown, labels={"kind": "letters"}).write(length=8, temperature=0)) == set("ab")


def test_texts_without_labels_leave_a_model_its_labels(taught):
    on, _ = trained(from_texts(["ab" * 6] * 40), taught, steps=2, learning_rate=1e-6)
    assert on.labels == taught.labels
    assert set(Writer(on, labels={"kind": "signs"}).write(length=8, temperature=0)) == set("xy")


def test_a_model_without_labels_learns_to_tell_new_texts_apart():
    plain, _ = trained(from_texts(["ab" * 6, "xy" * 6] * 40), steps=60)
    assert plain.labels == {} and plain.settings.network.label_counts == ()
    labelled, _ = trained(two_kinds(), plain, steps=100)
    assert set(Writer(labelled, labels={"kind": "signs"}).write(length=8, temperature=0)) == set("xy")


def test_other_columns_than_the_model_s_are_refused(taught):
    other = from_texts(["ab", "cd"] * 20, labels={"mood": ["glad", "sad"] * 20})
    with pytest.raises(UsageError, match=r"the model has labels for \['kind'\], give the same columns"):
        trained(other, taught, steps=1)
    with pytest.raises(UsageError, match=r"corpus\.position = 4 cannot be changed: the model has 0"):
        trained(two_kinds(), taught, steps=1, position=4)


@pytest.mark.parametrize("form", ["lines", "text"])
def test_every_batch_tells_the_label_and_the_part_of_its_document(tmp_path, form):
    letters = "abcdefgh"
    corpus = from_texts([letter * 20 for letter in letters], form, labels={"letter": list(letters)})
    tokenizer = train_tokenizer([letters], TokenizerSettings())
    encoded = encode_corpus(corpus, tokenizer, tmp_path, parts=4)
    assert encoded.label_names == {"letter": tuple(letters), "position": ("1", "2", "3", "4")}
    division = split(encoded, 0.0)
    lines = [LineBatches(encoded, division, 3, 7, 0), SequenceBatches(encoded, division, 3, 30, 0)]
    streams = [StreamBatches(encoded, division.train, 3, 7, 0)]
    windows = [WindowBatches(encoded, division, len(tokenizer), 5, 4, 1, 0)]
    for batches in [*(lines if form == "lines" else streams), *windows]:
        parts = []
        for batch in (batches.batch(0, index) for index in range(batches.length(0))):
            labels = np.broadcast_to(batch.labels, (*batch.targets.shape, 2))
            inside = (batch.targets != -1) & (batch.targets != tokenizer.stop)
            for target, (letter, part) in zip(batch.targets[inside].tolist(), labels[inside].tolist(), strict=True):
                assert tokenizer.token(target) == letters[letter]
                parts.append(part)
        counts = np.bincount(parts)
        assert len(counts) == 4 and counts.min() >= 0.5 * counts.max()


def test_writing_like_the_beginning_and_like_the_end_of_a_text():
    """Halves of one another's length, which is drawn anew for each text: only the label tells which half it is."""
    random = np.random.default_rng(1)
    texts = ["a" * n + "b" * n for n in random.integers(3, 16, 200).tolist()]
    bundle, _ = trained(from_texts(texts), steps=200, position=2)
    assert bundle.labels == {"position": ("1", "2")}
    for prompt in ("aaa", "aaaa", "aaaaaa"):
        first, second = (
            dict(Writer(bundle, labels={"position": part}).next_tokens(prompt, 5)).get("b", 0.0) for part in "12"
        )
        assert second > 1.5 * first, (prompt, first, second)


def test_a_column_called_position_goes_with_no_positions():
    corpus = from_texts(["ab", "cd"] * 9, labels={"position": ["x", "y"] * 9})
    with pytest.raises(UsageError, match="there is a column of labels 'position'"):
        trained(corpus, steps=1, position=2)


def test_a_writer_over_a_runtime_of_one_s_own_chooses_no_labels(taught):
    own = open_runtime(*labelled_network(taught, {}), len(taught.tokenizer))
    with pytest.raises(UsageError, match="labels cannot be chosen"):
        Writer(taught, own).labelled({"kind": "signs"})


def test_settings_say_what_labels_do_not_go_with():
    for network in ({"input": "one-hot"}, {"tied": True}):
        with pytest.raises(UsageError, match="labels do not go with"):
            parse_settings({"network": {"label_counts": (2,), **network}})
    assert Settings().network.label_counts == ()

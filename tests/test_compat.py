"""Scripts for textgenrnn: its README's examples run and print what they printed, and its defects are not here."""

import inspect
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import parrotlet.compat
import parrotlet.pretrained
from parrotlet.bundle import load_bundle
from parrotlet.compat import synthesize, synthesize_to_file, textgenrnn
from parrotlet.compat.files import LOOK, saved_name
from parrotlet.compat.texts import Ask
from parrotlet.compat.utils import textgenrnn_texts_from_file, textgenrnn_texts_from_file_context
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.importers.published import VOCABULARY
from parrotlet.sampling import Rules
from parrotlet.show import watch
from tests.fakes import always, fake_writer

LINES = [f"{verb} the {thing} of {place}" for verb in ("Ask", "Tell", "Show") for thing in ("cat", "dog", "fox", "owl")
         for place in ("Rome", "Oslo", "York")]  # fmt: skip
WINDOWS = sum(len(line) + 1 for line in LINES)
SMALL = {"rnn_layers": 1, "rnn_size": 12, "dim_embeddings": 6, "max_length": 8, "gen_epochs": 0, "verbose": 0}
BANNERS = [f"{'#' * 20}\nTemperature: {t}\n{'#' * 20}\n" for t in (0.2, 0.5, 1.0)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Every script runs in a folder of its own, with the same random numbers."""
    monkeypatch.chdir(tmp_path)
    np.random.seed(1)
    random.seed(1)
    Path("hacker_news_2000.txt").write_text("title\n" + "\n".join(LINES) + "\n", encoding="utf-8")


def scripted(known=None, form="lines", name="textgenrnn") -> textgenrnn:
    """An instance whose model says what the test wants."""
    textgen = textgenrnn(name=name)
    textgen._writer, _ = fake_writer(known or always("a", "b"), form)
    return textgen


def small(**options) -> textgenrnn:
    """An instance with a small trained model."""
    textgen = textgenrnn()
    textgen.train_on_texts(LINES, num_epochs=1, new_model=True, **{**SMALL, **options})
    return textgen


# What textgenrnn's README shows, with another import.


@pytest.fixture
def packaged(monkeypatch):
    """A smaller pretrained model, which is as quick to train on as a test wants it."""
    monkeypatch.setattr(parrotlet.pretrained, "FILE", Path(__file__).parent / "fixtures" / "format1.safetensors")


def test_the_first_readme_example_writes_with_the_pretrained_model(packaged, capsys):
    textgen = textgenrnn()
    textgen.generate()
    assert capsys.readouterr().out.endswith("\n\n")
    assert textgen.config["rnn_size"] == 8


def test_without_a_pretrained_model_it_is_said_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(parrotlet.pretrained, "FILE", Path("missing.safetensors"))
    textgen = textgenrnn()
    with pytest.raises(UsageError, match=r"no model to write with.*textgenrnn\('textgenrnn_weights.hdf5'\)"):
        textgen.generate()
    textgen.train_on_texts(LINES, num_epochs=1, **{**SMALL, "verbose": 1})
    out, told = capsys.readouterr()
    assert "without its pretrained model: a new one is trained" in told
    assert "Training new model w/ 1-layer, 12-cell LSTMs" in out


def test_the_readme_examples_train_write_and_load(packaged, capsys):
    textgen = textgenrnn()
    textgen.train_from_file("hacker_news_2000.txt", num_epochs=1)
    out, told = capsys.readouterr()
    first, second, *rest = out.split("\n")
    assert first == "36 texts collected."
    assert second == f"Training on {WINDOWS:,} character sequences."
    samples = "\n".join(rest)
    assert [banner for banner in BANNERS if banner in samples] == BANNERS
    assert re.search(r"^Epoch 1/1 - loss: \d\.\d{4}$", samples, re.MULTILINE)
    assert "going on from parrotlet's pretrained model" in told
    assert "the first line 'title' reads like a header and is left out" in told

    assert textgen.generate() is None
    out, _ = capsys.readouterr()
    assert out.endswith("\n\n") and len(out) > 2

    os.mkdir("weights")
    textgen.save("weights/hacker_news.hdf5")
    assert "saved as weights" in capsys.readouterr().err.replace(os.sep, "/")
    textgen_2 = textgenrnn("weights/hacker_news.hdf5")
    textgen_2.generate(3, temperature=1.0)
    out, told = capsys.readouterr()
    assert out.count("\n\n") >= 3 and out.endswith("\n\n")
    assert "hacker_news.safetensors, which is read" in told


def test_the_readme_example_of_interactive_mode(monkeypatch, capsys):
    textgen = scripted(lambda ids: {"a": 0.4, "b": 0.3, "c": 0.2, "<s>": 0.05, "<0>": 0.04, "d": 0.01})
    typed = iter(["1", "2", "9", "what", "x", "o", "cafe", "s"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    textgen.generate(interactive=True, top_n=5)
    out, _ = capsys.readouterr()
    controls = "Controls:\n\ts: stop.\tx: backspace.\to: write your own.\n\n"
    offered = controls + "Options:\n\t1: a\n\t2: b\n\t3: c\n\t4: <s>\n\t5: d\n"
    assert out.startswith(offered + "\nProgress: \n\nYour choice?\n")
    assert out.count("That's not an option!") == 2
    assert [line for line in out.split("\n") if line.startswith("Progress")] == [
        f"Progress: {text}" for text in ("", "a", "ab", "ab", "ab", "a", "acafe")
    ]
    assert out.endswith("Your choice?\nacafe\n\n")
    assert next(typed, None) is None


def test_what_a_model_does_not_know_is_told_in_interactive_mode(monkeypatch, capsys):
    typed = iter(["o", "caze", "s"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    scripted(lambda ids: {"a": 0.4, "b": 0.3}).generate(np.int64(1), interactive=True, top_n=np.int64(2))
    out, _ = capsys.readouterr()
    assert "The model does not know 'z': left out." in out and "Progress: cae\n" in out


# What its notebooks show.


def test_a_list_of_texts_comes_back_only_where_it_is_asked_for(capsys):
    textgen = scripted()
    texts = textgen.generate(n=5, prefix="ac", temperature=0.2, max_gen_length=8, return_as_list=True)
    assert len(texts) == 5 and all(text.startswith("ac") for text in texts)
    assert capsys.readouterr().out == ""
    assert textgen.generate(2, prefix="ac", temperature=0.2, max_gen_length=8) is None
    assert capsys.readouterr().out == "".join(f"{text}\n\n" for text in texts[:2])
    assert textgen.generate(0, return_as_list=True) == []


def test_samples_stand_under_a_banner_for_each_temperature(capsys):
    scripted().generate_samples(n=2, max_gen_length=5)
    assert capsys.readouterr().out == "".join(f"{banner}abab\n\nabab\n\n" for banner in BANNERS)


def test_texts_go_into_a_file(tmp_path):
    scripted().generate_to_file("texts.txt", n=2, max_gen_length=5)
    assert Path("texts.txt").read_text(encoding="utf-8") == "abab\nabab\n"
    with pytest.raises(ParrotletError, match=r"texts.txt: it can not be written \(No such file"):
        scripted().generate_to_file(tmp_path / "nowhere" / "texts.txt")


def test_training_on_texts_writes_samples_and_files_as_asked(capsys):
    textgen = textgenrnn(name="verses")
    options = {**SMALL, "gen_epochs": 2, "verbose": 1, "rnn_bidirectional": True}
    textgen.train_new_model(LINES, num_epochs=5, save_epochs=2, max_gen_length=6, **options)
    out, told = capsys.readouterr()
    assert "Training new model w/ 1-layer, 12-cell Bidirectional LSTMs\n" in out
    assert [line.split(" - ")[0] for line in out.split("\n") if line.startswith("Epoch")] == [
        f"Epoch {n}/5" for n in range(1, 6)
    ]
    assert out.count("Temperature: 0.2") == 2  # after epochs 2 and 4
    assert re.findall("Saving Model Weights — Epoch #([0-9])", out) == ["2", "4"]
    files = {path.name for path in Path().glob("verses*")}
    assert files == {f"verses_weights{part}.safetensors" for part in ("", "_epoch_2", "_epoch_4")}
    assert "saved as verses_weights.safetensors" in told
    network = load_bundle("verses_weights.safetensors").settings.network
    assert (network.hidden, network.bidirectional, network.attention, network.context) == (12, True, True, 8)
    assert textgen.config == {**textgenrnn.default_config, **{k: v for k, v in options.items() if k in textgen.config},
                              "name": "verses"}  # fmt: skip
    for epoch in (2, 4):
        assert textgenrnn(f"verses_weights_epoch_{epoch}.hdf5").generate(return_as_list=True)


def test_silent_training_prints_only_what_the_original_printed(capsys):
    small()
    assert capsys.readouterr().out == (
        f"Training new model w/ 1-layer, 12-cell LSTMs\nTraining on {WINDOWS:,} character sequences.\n"
    )


def test_training_that_is_stopped_keeps_the_last_epoch(monkeypatch, capsys):
    def stopping(run, show):
        evaluation = show.evaluation

        def stop(event):
            evaluation(event)
            if event.epoch >= 2:
                run.stop()

        show.evaluation = stop
        return watch(run, show)

    monkeypatch.setattr("parrotlet.compat.teaching.watch", stopping)
    textgen = textgenrnn()
    textgen.train_new_model(LINES, num_epochs=9, **{**SMALL, "verbose": 1})
    out, told = capsys.readouterr()
    assert out.count("Epoch ") == 2
    assert "stopped; the last whole epoch is kept\nsaved as textgenrnn_weights.safetensors" in told
    assert textgen.writer.card.epochs >= 2 and len(textgen.generate(return_as_list=True)) == 1


def test_fine_tuning_goes_on_from_the_model_and_learns_new_letters():
    textgen = small()
    before = textgen.writer.bundle
    textgen.train_on_texts(["Żółw śpi", *LINES], num_epochs=1, gen_epochs=0, verbose=0, dropout=0.2)
    after = textgen.writer.bundle
    assert set("Żółś") <= set(textgen.vocab) - {before.tokenizer.token(id) for id in range(len(before.tokenizer))}
    network = before.settings.network
    assert after.settings.network == network.model_copy(update={"dropout_input": 0.2})
    moved = np.abs(after.weights["layers.0.weight_hh_l0"] - before.weights["layers.0.weight_hh_l0"]).max()
    assert 0 < moved < 0.5


def test_a_share_of_the_texts_is_held_back(capsys):
    small(train_size=0.7, verbose=1)
    out, _ = capsys.readouterr()
    assert f"Training on {round(WINDOWS * 0.7):,} character sequences." in out
    assert re.search(r"loss: [\d.]+ - val_loss: [\d.]+", out)
    small(train_size=0.7, verbose=1, validation=False)
    assert "val_loss" not in capsys.readouterr().out


def test_labels_train_a_model_that_writes_without_them(capsys):
    rows = "\n".join(f'"{line}, {place}",{place}' for line in LINES[:12] for place in ("Rome", "Oslo"))
    Path("labelled.csv").write_text(f"title,context_label\n{rows}\n", encoding="utf-8")
    textgen = textgenrnn()
    textgen.train_from_file("labelled.csv", new_model=True, context=True, num_epochs=1, **SMALL)
    assert capsys.readouterr().out.startswith("24 texts collected.\n")
    textgen.train_from_file("labelled.csv", context=True, num_epochs=1, gen_epochs=0, verbose=0)
    assert len(textgen.generate(2, return_as_list=True)) == 2
    with pytest.raises(UsageError, match="a label for each of 36 texts, not 1"):
        textgen.train_on_texts(LINES, context_labels=["Rome"])


def test_words(capsys):
    textgen = small(word_level=True, max_length=3)
    out, _ = capsys.readouterr()
    assert re.search(r"Training on [\d,]+ word sequences", out)
    assert textgen.config["word_level"]
    words = set(" ".join(LINES).lower().split())
    assert {token.strip() for token in textgen.vocab if not token.startswith("<")} == words
    texts = textgen.generate(5, prefix="Show the", temperature=1.0, max_gen_length=8, return_as_list=True)
    assert all(text.startswith("Show the") for text in texts) and len(set(texts)) > 1


def test_one_long_text_keeps_its_prefix(capsys):
    Path("book.txt").write_text(" ".join(LINES), encoding="utf-8")
    textgen = textgenrnn()
    textgen.train_from_largetext_file("book.txt", num_epochs=1, **SMALL)
    assert textgen.config["single_text"]
    texts = textgen.generate(3, prefix="Ask the ", max_gen_length=30, return_as_list=True)
    assert all(text.startswith("Ask the ") and len(text) == 30 for text in texts)
    assert all(len(text) == 30 for text in textgen.generate(3, max_gen_length=30, return_as_list=True))
    textgen.train_from_largetext_file("book.txt", new_model=False, num_epochs=1, gen_epochs=0, verbose=0)
    assert textgen.config["single_text"]


def test_the_files_that_a_script_names_after_training_are_found(capsys):
    textgenrnn(name="new_model").train_from_file("hacker_news_2000.txt", new_model=True, num_epochs=1, **SMALL)
    textgen_2 = textgenrnn(
        weights_path="new_model_weights.hdf5", vocab_path="new_model_vocab.json", config_path="new_model_config.json"
    )
    assert textgen_2.config["rnn_size"] == 12
    assert "new_model_weights.safetensors, which is read" in capsys.readouterr().err


def test_a_newer_file_of_the_original_is_not_passed_over():
    textgen = small()
    textgen.save("w.hdf5")
    Path("w.hdf5").write_bytes(b"newer, and no model")
    os.utime("w.safetensors", (1, 1))
    with pytest.raises(ParrotletError, match=r"w\.hdf5"):
        textgenrnn("w.hdf5")


def test_vectors_and_similarity():
    textgen = small()
    texts = ["Ask the cat", "Tell me", "Show it", "of Oslo", "York"]
    features = SMALL["dim_embeddings"] + SMALL["rnn_size"]
    assert textgen.encode_text_vectors(texts).shape == (5, 5)
    assert textgen.encode_text_vectors("What is love?", pca_dims=None).shape == (1, features)
    vectors, pca = textgen.encode_text_vectors(texts, pca_dims=2, return_pca=True)
    one = pca.transform(textgen.encode_text_vectors(texts[3], pca_dims=None))
    np.testing.assert_allclose(one[0], vectors[3], atol=1e-6)
    for use_pca in (True, False):
        pairs = textgen.similarity(texts[2], texts, use_pca=use_pca)
        assert sorted(text for text, _ in pairs) == sorted(texts)
        assert [score for _, score in pairs] == sorted((score for _, score in pairs), reverse=True)
        assert dict(pairs)[texts[2]] == pytest.approx(1)
    with pytest.raises(UsageError, match="needs more than one text"):
        textgen.encode_text_vectors("alone")
    for wrong, use_pca in (("one text", True), ([], False), (["alone"], True)):
        with pytest.raises(UsageError, match="texts must be a list of texts to compare with"):
            textgen.similarity("a", wrong, use_pca)
    assert textgen.similarity("a", ["a"], use_pca=False) == [("a", pytest.approx(1))]


# Temperatures, lengths and seeds.


@pytest.mark.parametrize("form", ["lines", "text"])
@pytest.mark.parametrize("prefix", ["", "a", "abab", "abababa"])
@pytest.mark.parametrize("cycle", [[0.5], [1.0, 0.5, 0.2, 0.2], [0.1, 0.9, 0.3]])
def test_temperatures_are_taken_by_the_place_in_the_whole_text(form, prefix, cycle):
    """The original: ``temperature[(len(text) - 1) % len(temperature)]``, ``text`` being <s> or '', and the prefix."""
    writer, _ = fake_writer(always("a"), form)
    text = (["<s>"] if form == "lines" else []) + list(prefix) or [""]
    rules = Rules(**Ask.of(prefix, cycle, 300).rules(writer))
    for position in range(9):
        assert rules.temperature_at(position) == cycle[(len(text) - 1) % len(cycle)]
        text.append("x")


def test_the_length_counts_the_beginning_and_the_prefix():
    textgen = scripted(always("a"))
    assert [len(text) for text in textgen.generate(max_gen_length=60, return_as_list=True)] == [59]
    assert textgen.generate(prefix="bdb", max_gen_length=9, return_as_list=True) == ["bdbaaaaa"]
    assert textgen.generate(prefix="bdbdbd", max_gen_length=3, return_as_list=True) == ["bdbdbd"]


@pytest.mark.parametrize("temperature", [None, 0, 0.0, [None], [0.0, None]])
def test_none_and_zero_are_greedy(temperature):
    textgen = scripted(lambda ids: {"a": 0.6, "b": 0.4})
    assert textgen.generate(temperature=temperature, max_gen_length=30, return_as_list=True) == ["a" * 29]
    hot = textgen.generate(temperature=1.0, max_gen_length=30, return_as_list=True)
    assert hot != ["a" * 29]


@pytest.mark.parametrize("temperature", [[], "hot", ["hot"], [-1.0], 1000.0])
def test_what_is_no_temperature_is_refused(temperature):
    with pytest.raises(UsageError, match=r"^temperature = "):
        scripted().generate(temperature=temperature)


def test_numpys_seed_repeats_the_texts():
    textgen = scripted(lambda ids: {"a": 0.5, "b": 0.5})
    found = []
    for seed in (7, 7, 8):
        np.random.seed(seed)
        found.append([textgen.generate(2, max_gen_length=20, return_as_list=True) for _ in range(2)])
    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]


# Several models.


def after(**following: str):
    """The next letter is certain, by the last one; ``_`` stands for a blank and ``start`` for the beginning."""
    from tests.fakes import TOKENS

    names = {"_": " ", "start": "<s>"}
    table = {names.get(key, key): names.get(value, value) for key, value in following.items()}
    return lambda ids: {table.get(TOKENS[ids[-1]], "h"): 1.0}


def test_models_take_turns_at_blanks():
    one = scripted(after(start="a", _="a", a="b", b="_"))
    other = scripted(after(start="e", _="e", e="f", f="_"))
    models = [one, other]
    texts = synthesize(models, n=20, max_gen_length=13, return_as_list=True)
    assert set(texts) == {"ab ef ab ef ", "ef ab ef ab "}
    assert models == [one, other]
    doubled = synthesize([one, one, other], n=40, max_gen_length=10, return_as_list=True)
    assert {"ab ab ef ", "ab ef ab ", "ef ab ab "} == set(doubled)


def test_turns_of_a_single_token_each():
    one, other = scripted(always("a")), scripted(always("b"))
    assert set(synthesize([one, other], n=9, max_gen_length=7, stop_tokens=[], return_as_list=True)) == {
        "ababab",
        "bababa",
    }


def test_an_ended_text_has_no_further_turns():
    one, other = scripted(after(start="a", a="_", _="start")), scripted(after(start="a", a="_", _="start"))
    assert synthesize([one, other], return_as_list=True) == ["a "]


def test_synthesize_prints_or_writes(capsys):
    assert synthesize([scripted()], n=2, prefix="c", max_gen_length=4) is None
    assert capsys.readouterr().out == "cba\n\ncba\n\n"
    synthesize_to_file([scripted()], "synthesized.txt", n=2, max_gen_length=4)
    assert Path("synthesized.txt").read_text(encoding="utf-8") == "aba\naba\n"
    with pytest.raises(UsageError, match="synthesize_to_file has no option 'tempratur': did you mean 'temperature'"):
        synthesize_to_file([scripted()], "synthesized.txt", tempratur=1)
    for wrong in ([], scripted()):
        with pytest.raises(UsageError, match="list of at least one model"):
            synthesize(wrong)


def test_models_of_different_alphabets_write_together():
    one = small()
    other = textgenrnn()
    other.train_new_model(["жили были " * 3] * 20, num_epochs=1, **SMALL)
    texts = synthesize([one, other], n=5, max_gen_length=40, temperature=[0.5, 1.0], return_as_list=True)
    assert len(texts) == 5 and all(len(text) < 40 for text in texts)


# What the original did without a word.


@pytest.mark.parametrize(
    ("first", "header", "kept", "words"),
    [
        ("title", LOOK, False, "'title' reads like a header and is left out (header=False keeps it)"),
        ("A cat", LOOK, True, "'A cat' is kept (header=True leaves it out)"),
        ("A cat", True, False, "'A cat' is left out (header=True)"),
        ("title", False, True, ""),
    ],
)
def test_a_first_line_is_never_dropped_without_a_word(first, header, kept, words, capsys):
    Path("texts.txt").write_text(f"{first}\none\ntwo\n", encoding="utf-8")
    assert textgenrnn_texts_from_file("texts.txt", header) == ([first] if kept else []) + ["one", "two"]
    told = capsys.readouterr().err
    assert words in told if words else not told


def test_the_default_of_header_equals_the_originals():
    default = inspect.signature(textgenrnn.train_from_file).parameters["header"].default
    assert default == True and repr(default) == "True"  # noqa: E712
    assert default is not True


def test_files_are_parted_as_asked(capsys):
    Path("texts.txt").write_bytes(b"one\r\n--\r\ntwo\r\nlines\r\n--\r\n")
    assert textgenrnn_texts_from_file("texts.txt", delim="\n--\n") == ["one", "two\nlines"]
    Path("texts.csv").write_text('title,n\n"a, b",1\n\n"c ""d""",2\n', encoding="utf-8")
    assert textgenrnn_texts_from_file("texts.csv", is_csv=True) == ["a, b", 'c "d"']
    assert textgenrnn_texts_from_file("texts.csv", False, is_csv=True) == ["title", "a, b", 'c "d"']
    assert textgenrnn_texts_from_file_context("texts.csv") == (["a, b", 'c "d"'], ["1", "2"])
    with pytest.raises(UsageError, match="delim"):
        textgenrnn_texts_from_file("texts.txt", delim="")
    Path("one.csv").write_text("a,1\nb\n", encoding="utf-8")
    with pytest.raises(ParrotletError, match=r"one.csv: row 2 \('b'\) has one column"):
        textgenrnn_texts_from_file_context("one.csv", header=False)


def test_a_folder_and_an_old_encoding_are_read():
    Path("folder").mkdir()
    Path("folder/a.txt").write_bytes("Grüße aus Köln\nschöne Häuser\n".encode("cp1252"))
    Path("folder/b.txt").write_text("Grüße\n", encoding="utf-8")
    assert textgenrnn_texts_from_file("folder") == ["Grüße aus Köln", "schöne Häuser", "Grüße"]


def test_instances_share_nothing(packaged):
    one, other = textgenrnn(name="one"), textgenrnn(name="other")
    one.config["rnn_size"] = 3
    assert other.config == {**textgenrnn.default_config, "name": "other"}
    one.train_new_model(LINES, num_epochs=1, **SMALL)
    assert Path("one_weights.safetensors").exists() and not Path("other_weights.safetensors").exists()
    with pytest.raises(TypeError):
        textgenrnn.default_config["rnn_size"] = 5
    one.reset()
    assert one.config == {**textgenrnn.default_config, "name": "one"}
    one.generate()  # with the pretrained model again
    assert one.config["rnn_size"] == 8 and other.config == {**textgenrnn.default_config, "name": "other"}


METHODS = [name for name, _ in inspect.getmembers(textgenrnn, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_a_misspelt_option_of_any_method_is_an_error(name):
    parameters = inspect.signature(getattr(textgenrnn, name)).parameters
    options = [each for each in parameters if each not in ("self", "kwargs")] or ["num_epochs"]
    right = options[-1]
    hint = ": it takes none" if name == "reset" else f": did you mean '{right}'"
    with pytest.raises(UsageError, match=f"{name} has no option '{right}e'{hint}"):
        getattr(scripted(), name)(**{right + "e": 1})


@pytest.mark.parametrize("name", ["train_from_file", "train_from_largetext_file", "train_on_texts", "train_new_model"])
@pytest.mark.parametrize(("wrong", "right"), [("num_epoch", "num_epochs"), ("rnn_sise", "rnn_size")])
def test_options_that_are_handed_on_are_checked_too(name, wrong, right):
    with pytest.raises(UsageError, match=f"{name} has no option '{wrong}': did you mean '{right}'"):
        getattr(textgenrnn(), name)("hacker_news_2000.txt", **{wrong: 1})


def test_other_wrong_calls_have_one_clear_line():
    with pytest.raises(UsageError, match="textgenrnn has no option 'weight_path': did you mean 'weights_path'"):
        textgenrnn(weight_path="x")
    with pytest.raises(UsageError, match="it is 'train_size' now"):
        textgenrnn().train_on_texts(LINES, prop_keep=0.8)
    with pytest.raises(UsageError, match="generate_samples has no option 'temperature': did you mean 'temperatures'"):
        scripted().generate_samples(temperature=1)
    with pytest.raises(UsageError, match="a list of strings is wanted"):
        textgenrnn().train_on_texts("one long string")
    with pytest.raises(ParrotletError, match="there is no such file"):
        textgenrnn().train_from_file("nothing.txt")
    for call in ({"n": -1}, {"n": 1.5}, {"prefix": 3}, {"max_gen_length": -1}, {"interactive": True, "top_n": 0}):
        with pytest.raises(UsageError, match=list(call)[-1]):
            scripted().generate(**call)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rnn_size": 0}, "rnn_size = 0 is not allowed"),
        ({"max_length": 5000}, "max_length = 5000 is not allowed"),
        ({"batch_size": 0}, "batch_size = 0 is not allowed"),
        ({"num_epochs": 0}, "num_epochs = 0 is not allowed"),
        ({"dropout": 1.5}, "dropout = 1.5 is not allowed"),
        ({"train_size": 0.2}, "train_size must be a share from 0.5 to 1, not 0.2"),
        ({"gen_epochs": -1}, "gen_epochs must be a number of epochs"),
        ({"save_epochs": 0.5}, "save_epochs must be a number of epochs"),
        ({"max_gen_length": "long"}, "max_gen_length must be"),
    ],
)
def test_a_wrong_value_is_told_by_the_name_that_was_typed(options, words):
    with pytest.raises(UsageError, match=words):
        textgenrnn().train_new_model(LINES, **{"num_epochs": 1, **SMALL, **options})


def test_options_of_another_model_are_not_swallowed():
    textgen = small()
    with pytest.raises(UsageError, match="rnn_size = 256 is for a new model, this one has 12: add new_model=True"):
        textgen.train_on_texts(LINES, num_epochs=1, rnn_size=256)
    textgen.train_on_texts(LINES, num_epochs=1, rnn_size=12, gen_epochs=0, verbose=0)


def test_several_devices_are_declined_in_words(capsys):
    small(multi_gpu=True)
    assert "one device is used" in capsys.readouterr().err


# Names and imports.


@pytest.mark.parametrize(
    ("asked", "saved"),
    [
        ("textgenrnn_weights.hdf5", "textgenrnn_weights.safetensors"),
        ("a.b/x.H5", "a.b/x.safetensors"),
        ("x.safetensors", "x.safetensors"),
        ("model.v2", "model.v2.safetensors"),
        ("model", "model.safetensors"),
    ],
)
def test_the_name_a_model_is_saved_under(asked, saved):
    assert saved_name(asked) == Path(saved)


ORIGINAL = {
    "__init__": ["weights_path=None", "vocab_path=None", "config_path=None", "name='textgenrnn'", "allow_growth=None"],
    "generate": ["n=1", "return_as_list=False", "prefix=None", "temperature=[1.0, 0.5, 0.2, 0.2]",
                 "max_gen_length=300", "interactive=False", "top_n=3", "progress=True"],
    "generate_samples": ["n=3", "temperatures=[0.2, 0.5, 1.0]", "**kwargs"],
    "generate_to_file": ["destination_path", "**kwargs"],
    "train_from_file": ["file_path", "header=True", "delim='\\n'", "new_model=False", "context=None", "is_csv=False",
                        "**kwargs"],
    "train_from_largetext_file": ["file_path", "new_model=True", "**kwargs"],
    "train_on_texts": ["texts", "context_labels=None", "batch_size=128", "num_epochs=50", "verbose=1",
                       "new_model=False", "gen_epochs=1", "train_size=1.0", "max_gen_length=300", "validation=True",
                       "dropout=0.0", "via_new_model=False", "save_epochs=0", "multi_gpu=False", "**kwargs"],
    "train_new_model": ["texts", "context_labels=None", "num_epochs=50", "gen_epochs=1", "batch_size=128",
                        "dropout=0.0", "train_size=1.0", "validation=True", "save_epochs=0", "multi_gpu=False",
                        "**kwargs"],
    "save": ["weights_path='textgenrnn_weights_saved.hdf5'"],
    "load": ["weights_path"],
    "reset": [],
    "encode_text_vectors": ["texts", "pca_dims=50", "tsne_dims=None", "tsne_seed=None", "return_pca=False",
                            "return_tsne=False"],
    "similarity": ["text", "texts", "use_pca=True"],
    "synthesize": ["textgens", "n=1", "return_as_list=False", "prefix=''", "temperature=[0.5, 0.2, 0.2]",
                   "max_gen_length=300", "progress=True", "stop_tokens=[' ', '\\n']"],
    "synthesize_to_file": ["textgens", "destination_path", "**kwargs"],
}  # fmt: skip


@pytest.mark.parametrize("name", ORIGINAL)
def test_arguments_and_defaults_are_the_originals(name):
    function = getattr(parrotlet.compat if name.startswith("synthesize") else textgenrnn, name)
    parameters = inspect.signature(function).parameters.values()
    found = [str(each.replace(annotation=each.empty)) for each in parameters if each.name != "self"]
    assert found == ORIGINAL[name]


def test_the_module_names_of_the_original_work():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from parrotlet.compat.utils import synthesize, synthesize_to_file\n"
        "from parrotlet.compat.textgenrnn import textgenrnn as one\n"
        "from parrotlet.compat import textgenrnn\n"
        "assert one is textgenrnn\n"
        f"print(len(textgenrnn({str(Path(__file__).parent / 'fixtures' / 'format1.safetensors')!r})"
        ".generate(2, max_gen_length=9, return_as_list=True)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert (done.stdout.strip(), done.returncode) == ("2", 0), done.stderr


# The published model.

# What textgenrnn 2.0.0 writes with its own weights: generate(prefix=..., temperature=0.0, max_gen_length=60).
GREEDY = {
    "": "[Specific] Can someone please remove the state of the state",
    "T": "The state of the state of the state of the state of the sta",
    "Apple": "Apple starts and the season to the state of the state of th",
    "Show HN: A": "Show HN: Android and the state of the state of the state of",
    "How to ": "How to see the state of the state of the state of the state",
    "café 漢字 x": "café 漢字 xp started this on the state of the state of the st",
    "[Spoiler] Anyone else find this post": "[Spoiler] Anyone else find this post and the state of the s",
}
LONG = "The quick brown fox jumps over the lazy dog and then some more text beyond forty"


@pytest.fixture
def weights(corpora) -> Path:
    path = corpora / "textgenrnn" / "textgenrnn_weights.hdf5"
    if not path.exists():
        pytest.skip("the published weights are not at hand")
    return path


def test_the_published_weights_write_the_originals_texts(weights, capsys):
    published = textgenrnn(weights, weights.with_name("textgenrnn_vocab.json"))
    for prefix, expected in {**GREEDY, LONG: LONG}.items():
        published.generate(prefix=prefix, temperature=0.0, max_gen_length=60)
        assert capsys.readouterr().out == f"{expected}\n\n"


def test_the_readme_examples_with_the_published_weights(weights, capsys):
    lines = weights.with_name("hacker_news_2000.txt").read_text(encoding="utf-8").split("\n")[:40]
    Path("hacker_news_2000.txt").write_text("\n".join(lines), encoding="utf-8")
    textgen = textgenrnn(weights)
    textgen.generate()
    out, _ = capsys.readouterr()
    assert out.endswith("\n\n")
    assert (textgen.config["max_length"], textgen.config["rnn_size"], textgen.config["rnn_layers"]) == (40, 128, 2)
    assert textgen.encode_text_vectors(LINES[:4], pca_dims=None).shape == (4, 356)
    textgen.train_from_file("hacker_news_2000.txt", num_epochs=1)
    out, _ = capsys.readouterr()
    assert out.startswith("39 texts collected.\nTraining on ")
    assert [banner for banner in BANNERS if banner in out] == BANNERS
    textgen.save("hacker_news.hdf5")
    textgenrnn("hacker_news.hdf5").generate(3, temperature=1.0)
    assert capsys.readouterr().out.count("\n\n") >= 3


def test_published_weights_need_no_vocabulary_beside_them(weights, capsys):
    shutil.copy(weights, "hacker_news.hdf5")
    assert textgenrnn("hacker_news.hdf5").generate(temperature=0.0, max_gen_length=60, return_as_list=True) == [
        GREEDY[""]
    ]
    assert "hacker_news.hdf5: its vocabulary is textgenrnn's published vocabulary" in capsys.readouterr().err
    assert json.loads(weights.with_name("textgenrnn_vocab.json").read_text(encoding="utf-8")) == VOCABULARY


def test_a_vocabulary_beside_the_weights_counts_where_it_fits(weights, capsys):
    shutil.copy(weights, "old_weights_epoch_5.hdf5")
    Path("old_vocab.json").write_text(json.dumps({"a": 1, "b": 2, "<s>": 3}), encoding="utf-8")
    textgenrnn("old_weights_epoch_5.hdf5")
    assert "published vocabulary" in capsys.readouterr().err
    swapped = {**VOCABULARY, "e": VOCABULARY["t"], "t": VOCABULARY["e"]}
    Path("old_vocab.json").write_text(json.dumps(swapped), encoding="utf-8")
    textgen = textgenrnn("old_weights_epoch_5.hdf5")
    assert "its vocabulary is old_vocab.json, which lies beside it" in capsys.readouterr().err
    text = textgen.generate(temperature=0.0, max_gen_length=60, return_as_list=True)[0]
    assert text == GREEDY[""].translate(str.maketrans("et", "te"))


# Files of the original, made here, against its own loop in a few lines of numpy.


def original_files(name: str, tokens: list[str], **config) -> tuple[dict, dict]:
    """Writes ``name_weights.hdf5``, ``name_vocab.json`` and ``name_config.json``; vocabulary and arrays go out."""
    h5py = pytest.importorskip("h5py")
    vocab = {token: place for place, token in enumerate(tokens, 1)}
    classes, width, units = len(vocab) + 1, 5, 6
    random = np.random.default_rng(len(name))
    layers = {"embedding": [(classes, width)], "attention": [(width + units, 1)]}
    layers |= {"rnn_1": [(width, 4 * units), (units, 4 * units), (4 * units,)]}
    layers |= {"output": [(width + units, classes), (classes,)]}
    arrays = {layer: [random.normal(0, 1.0, s).astype(np.float32) for s in shapes] for layer, shapes in layers.items()}
    with h5py.File(f"{name}_weights.hdf5", "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4-tf"
        for layer, values in arrays.items():
            group = file.create_group(layer)
            names = [f"{layer}/{place}:0" for place in range(len(values))]
            group.attrs["weight_names"] = [each.encode() for each in names]
            for each, value in zip(names, values, strict=True):
                group[each] = value
    Path(f"{name}_vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    Path(f"{name}_config.json").write_text(json.dumps({**OPTIONS, **config}), encoding="utf-8")
    return vocab, arrays


OPTIONS = {"rnn_layers": 1, "rnn_size": 6, "rnn_bidirectional": False, "max_length": 4, "max_words": 10000,
           "dim_embeddings": 5, "word_level": False, "single_text": False, "name": "old"}  # fmt: skip


def original_tokens(vocab: dict, arrays: dict, text: list[str], most: int, ends: bool = True) -> list[str]:
    """``textgenrnn_generate`` at temperature 0 with a window of 4: the tokens, those it began with included."""
    written = {place: token for token, place in vocab.items()}
    text = list(text)
    while len(text) < most:
        window = [vocab.get(token, 0) for token in text[-4:]]
        x = arrays["embedding"][0][[0] * (4 - len(window)) + window]  # (W, E)
        kernel, recurrent, bias = arrays["rnn_1"]
        hidden, cell, outputs = np.zeros(6), np.zeros(6), []
        for step in x:
            enter, forget, fresh, out = np.split(step @ kernel + hidden @ recurrent + bias, 4)
            cell = cell / (1 + np.exp(-forget)) + np.tanh(fresh) / (1 + np.exp(-enter))
            hidden = np.tanh(cell) / (1 + np.exp(-out))
            outputs.append(hidden)
        features = np.concatenate([x, np.array(outputs)], axis=1)  # (W, F)
        energy = np.exp(features @ arrays["attention"][0][:, 0])
        weight, bias = arrays["output"]
        logits = (energy / energy.sum()) @ features @ weight + bias
        text.append(written[int(np.argmax(logits[1:])) + 1])
        if ends and text[-1] == "<s>":
            break
    return text


@pytest.mark.parametrize("prefix", ["", "d", "café", "abcdef"])
def test_old_characters_write_what_they_wrote(prefix):
    vocab, arrays = original_files("old", [*"abcdef", "<s>"])
    textgen = textgenrnn("old_weights.hdf5", "old_vocab.json", "old_config.json", name="again")
    assert textgen.config == {**OPTIONS, "name": "again"}
    written = textgen.generate(prefix=prefix, temperature=0, max_gen_length=25, return_as_list=True)[0]
    assert written == "".join(original_tokens(vocab, arrays, ["<s>", *prefix], 25)).replace("<s>", "")
    assert prefix or written


@pytest.mark.parametrize("prefix", ["", "d", "abcdef"])
def test_an_old_model_of_one_long_text_keeps_the_prefix_that_was_eaten(prefix):
    vocab, arrays = original_files("long", [*"abcdef"], single_text=True)
    textgen = textgenrnn("long_weights.hdf5", "long_vocab.json", "long_config.json")
    written = textgen.generate(prefix=prefix, temperature=0.0, max_gen_length=25, return_as_list=True)[0]
    tokens = original_tokens(vocab, arrays, list(prefix) or [""], 25 + 4, ends=False)
    assert written == "".join(tokens[:25] if prefix else tokens[4:])


def test_old_words_write_what_they_wrote():
    vocab, arrays = original_files("words", ["how", "to", "it", "'", "s", ".", "<s>"], word_level=True)
    textgen = textgenrnn("words_weights.hdf5")
    assert textgen.config["word_level"] and textgen.config["max_length"] == 4
    written = textgen.generate(prefix="How to", temperature=0.0, max_gen_length=9, return_as_list=True)[0]
    tokens = original_tokens(vocab, arrays, ["<s>", "how", "to"], 9)
    assert written.lower().replace(" ", "") == "".join(tokens).replace("<s>", "")


def test_weights_without_their_vocabulary_are_told_what_they_need():
    original_files("old", [*"abcdef", "<s>"])
    Path("old_vocab.json").unlink()
    with pytest.raises(ParrotletError, match="it needs its vocabulary, vocab_path=FILE: ") as refusal:
        textgenrnn("old_weights.hdf5")
    assert refusal.value.__suppress_context__
    with pytest.raises(ParrotletError, match=r"there is no file gone\.hdf5") as refusal:
        textgenrnn("gone.hdf5")
    assert refusal.value.__cause__ is None and refusal.value.__suppress_context__
    with pytest.raises(ParrotletError, match=r"there is no file nothing_config\.json"):
        textgenrnn(config_path="nothing_config.json")
    Path("deep_config.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ParrotletError, match=r"deep_config\.json is nested too deeply"):
        textgenrnn(config_path="deep_config.json")


@pytest.mark.parametrize("name", ["hard.h5", "mixed.keras", "order.weights.h5"])
def test_a_model_of_the_keras_lessons_never_gets_the_published_vocabulary(name):
    pytest.importorskip("h5py")
    path = Path(__file__).parent / "fixtures" / "keras" / name
    with pytest.raises(
        ParrotletError, match=r"12 classes .* parrotlet\.import_model's text=FILE .* or vocab_path=FILE"
    ):
        textgenrnn(path)
    Path("letters.json").write_text(json.dumps(list("\n abcdefghij")))
    assert set("abcdefghij") < set(textgenrnn(path, "letters.json").vocab)


def test_an_old_file_beside_a_newer_one_is_read_where_its_own_files_are_named(capsys):
    original_files("old", [*"abcdef", "<s>"])
    os.utime("old_weights.hdf5", (1, 1))
    small(name="old")
    capsys.readouterr()
    assert textgenrnn("old_weights.hdf5").config["rnn_size"] == SMALL["rnn_size"]
    told = capsys.readouterr().err
    assert "old_weights.safetensors is newer than old_weights.hdf5 and is read (trained on texts, 20" in told
    assert "for the old file give its vocab_path too" in told
    for given in ({"vocab_path": "old_vocab.json"}, {"config_path": "old_config.json"}):
        assert textgenrnn("old_weights.hdf5", **given).config["rnn_size"] == OPTIONS["rnn_size"]
        assert "old_weights.safetensors is newer" in capsys.readouterr().err


def test_the_keras_model_is_told_to_be_gone():
    with pytest.raises(AttributeError, match=r"was a Keras model and is not there; textgen\.writer is the model here"):
        _ = scripted().model
    assert not hasattr(scripted(), "model")


def test_a_config_says_what_new_models_are_like(capsys):
    original_files("old", [*"abcdef", "<s>"])
    textgen = textgenrnn(config_path="old_config.json")
    textgen.train_on_texts(LINES, num_epochs=1, gen_epochs=0, verbose=0)
    assert textgen.config == {**OPTIONS, "name": "textgenrnn"}
    assert "Training new model w/ 1-layer, 6-cell LSTMs" in capsys.readouterr().out

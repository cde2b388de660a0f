"""A run at its borders: stopped early, begun over another one, given what cannot be learned from or saved."""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import parrotlet  # noqa: E402
from parrotlet import Corpus, cli, from_texts, load_bundle, open_corpus, training  # noqa: E402
from parrotlet.errors import ParrotletError, UsageError  # noqa: E402
from parrotlet.learning.events import Evaluated, Note, Step  # noqa: E402
from parrotlet.settings import assign  # noqa: E402

TINY = {"hidden": 16, "embedding": 8, "batch": 4, "window": 16, "device": "cpu", "warmup": 5, "evaluations": 4}
TEXT = "".join(f"the cat number {n * n % 97} sat on the mat.\n" for n in range(200))


def notes_of(events):
    return [event.text for event in events if isinstance(event, Note)]


@pytest.fixture
def told_every_step(monkeypatch):
    monkeypatch.setattr("parrotlet.learning.run.STEP_SECONDS", -1.0)


def stopped_at(step, *given, **settings):
    """The bundle of a run that was stopped when it told that step."""
    run = training(*given, **{**TINY, **settings})
    for event in run:
        if isinstance(event, Step) and event.step >= step:
            run.stop()
    return run.bundle


def same(one, other):
    return all(np.array_equal(array, other.weights[name]) for name, array in one.weights.items())


def test_a_run_that_was_never_judged_leaves_what_it_learned_last(tmp_path, told_every_step):
    path, text = tmp_path / "m.safetensors", from_texts([TEXT], "text")
    settings = {"steps": 400, "evaluations": 1}
    first = stopped_at(5, text, path, **settings)
    second = stopped_at(20, text, path, resume=True, **settings)
    assert (first.card.steps, second.card.steps) == (5, 20) and not same(first, second)
    assert same(second, stopped_at(20, text, tmp_path / "whole.safetensors", **settings))


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_without_validation_the_file_holds_the_last_state(tmp_path, told_every_step, fine_tuned):
    text = from_texts([TEXT], "text")
    base = parrotlet.train(text, steps=3, show="nothing", **TINY).bundle if fine_tuned else None
    settings = {"steps": 40, "validation": 0.0, "start_from": base}
    settings |= dict.fromkeys(("hidden", "embedding"), TINY["hidden"]) if not fine_tuned else {}
    kept = {name: value for name, value in TINY.items() if not fine_tuned or name not in ("hidden", "embedding")}

    def stopped(step, path):
        run = training(text, path, **{**kept, **settings})
        for event in run:
            if isinstance(event, Step) and event.step >= step:
                run.stop()
        return run.bundle

    at_10, at_15 = (stopped(step, tmp_path / f"{step}.safetensors") for step in (10, 15))  # judged at 10, 20 …
    assert at_15.card.steps == 15 and not same(at_10, at_15)
    assert base is None or not same(base, at_15)


def test_padding_is_learned_but_not_told_of():
    """At a rate that changes nothing, whole sequences are as hard as documents read one by one."""
    texts = from_texts([f"cat {n} sat on mat {n * n % 7}" for n in range(100)], "lines")
    settings = {"steps": 20, "learning_rate": 1e-12, "weight_decay": 0.0, "validation": 0.0, "evaluations": 1}
    figures = []
    for sequences in (False, True):
        run = training(texts, **{**TINY, **settings, "window": 120, "sequences": sequences})
        figures += [event.train for event in run if isinstance(event, Evaluated)]
    assert figures[1] == pytest.approx(figures[0], rel=0.05)


def test_what_fails_leaves_the_run_before_it(tmp_path, told_every_step):
    path = tmp_path / "m.safetensors"
    stopped_at(5, from_texts([TEXT], "text"), path, steps=20)
    many = from_texts([f"text {n}" for n in range(10_050)], labels={"id": [str(n) for n in range(10_050)]})
    with pytest.raises(ParrotletError, match="more than 10000 different labels"):
        list(training(many, path, labels=["id"], steps=3, **TINY))
    broken_off = training(from_texts(["a b c d"] * 50), path, steps=3, **TINY)
    broken_off.stop()
    with pytest.raises(KeyboardInterrupt):
        list(broken_off)
    events = list(training(path.name, path, resume=True))
    assert any("going on with texts from step 5" in note for note in notes_of(events))
    assert events[-1].reason == "finished" and events[-1].step == 20
    assert not (tmp_path / "m.run" / "new").exists()


def test_another_source_or_model_is_not_taken_in_silence(tmp_path, told_every_step):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    base = tmp_path / "base.safetensors"
    parrotlet.train(tmp_path / "book.txt", base, steps=3, show="nothing", **TINY)
    path = tmp_path / "m.safetensors"
    stopped_at(5, tmp_path / "book.txt", path, steps=8)
    (tmp_path / "moved").mkdir()
    told = notes_of(stopped_again(path, tmp_path / "moved" / "book.txt"))
    assert not any("is ignored" in note for note in told)
    told = notes_of(training("lines.txt", path, resume=True, start_from=base))
    assert "source = 'lines.txt' is ignored: the run began with 'book.txt'" in told
    assert "start_from = 'base.safetensors' is ignored: the run began with 'none'" in told


def stopped_again(path, source):
    run = training(source, path, resume=True)
    for event in run:
        run.stop()
        yield event


def test_an_output_that_is_a_folder_is_refused_before_anything_is_learned(tmp_path):
    (tmp_path / "m.safetensors").mkdir()
    with pytest.raises(ParrotletError, match="is there already and is no file"):
        training(from_texts([TEXT], "text"), tmp_path / "m.safetensors", steps=3)


def test_what_no_file_can_hold_is_refused_before_anything_is_learned(tmp_path, monkeypatch):
    monkeypatch.setattr("parrotlet.container.HEADER_LIMIT", 2000)
    seen = []
    with pytest.raises(ParrotletError, match="vocabulary is too large for a model file"):
        seen += training(from_texts([TEXT], "text"), tmp_path / "m.safetensors", steps=3, **TINY)
    assert not seen and not (tmp_path / "m.run" / "ids.bin").exists()


def test_names_and_labels_of_other_encodings_are_learned_from(tmp_path):
    labels = {"kind": ["a\ud800", "b"] * 60}
    corpus = from_texts([f"cat {n} sat" for n in range(120)], "lines", name="caf\udce9.txt", labels=labels)
    parrotlet.train(corpus, tmp_path / "m.safetensors", steps=3, show="nothing", **TINY)
    saved = load_bundle(tmp_path / "m.safetensors")
    assert saved.card.trained_on == "caf?.txt" and set(saved.labels["kind"]) == {"a?", "b"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_many_files_that_are_passed_by_are_told_of_once(tmp_path):
    for n in range(300):
        (tmp_path / f"empty{n}.txt").write_bytes(b"")
    (tmp_path / "caf\udce9.txt").write_text(TEXT, encoding="utf-8")
    corpus = open_corpus(tmp_path)
    assert sum("left out" in note for note in corpus.notes) == 1
    assert any("300 files (empty0.txt" in note for note in corpus.notes)
    assert any(note.startswith("caf?.txt: ") for note in corpus.notes)


def test_remarks_have_an_end():
    told = Corpus([], "x", "lines", [f"remark {n}" for n in range(300)]).notes
    assert len(told) == 201 and told[-1] == "100 further remarks are left out"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patience": 3, "validation": 0.0}, "training.patience = 3 changes nothing: nothing is held back"),
        ({"network": {"residual": True}}, "network.residual = True changes nothing: there is one layer"),
        ({"dropout_each_step": True, "dropout_output": 0.0}, "changes nothing: nothing is dropped"),
        ({"tied": True, "calibrate": True}, "training.calibrate = True changes nothing: with network.tied"),
    ],
)
def test_what_has_no_effect_is_told(settings, words):
    kept = {name: value for name, value in TINY.items() if name != "embedding" or "tied" not in settings}
    if "network" in settings:
        kept.pop("hidden"), kept.pop("embedding")
    events = list(training(from_texts([TEXT], "text"), steps=3, **{**kept, **settings}))
    assert any(words in note for note in notes_of(events)), notes_of(events)


def test_merges_are_as_many_as_they_can_be():
    text = from_texts([TEXT], "text")
    with pytest.raises(UsageError, match=r"size = 100 is too small for tokenizer\.level = 'bpe': 257 at least"):
        list(training(text, steps=3, level="bpe", size=100, **TINY))
    base = parrotlet.train(text, steps=3, level="bpe", size=270, show="nothing", **TINY).bundle
    kept = {name: value for name, value in TINY.items() if name not in ("hidden", "embedding")}
    told = notes_of(training(text, start_from=base, steps=3, size=500, **kept))
    assert "tokenizer.size = 500 changes nothing: the model has 270 tokens, and merges are not added to" in told


def test_how_many_labels_there_are_follows_from_the_texts():
    with pytest.raises(UsageError, match=r"network.label_counts = \(3,\) follows from the labels"):
        list(training(from_texts([TEXT], "text"), steps=3, network={"label_counts": [3]}))


def test_a_text_that_is_given_as_a_path_is_told_from_one():
    for text in (TEXT, "x" * 5000):
        with pytest.raises(ParrotletError, match=r"from_texts\(\[text\]\)") as error:
            list(training(text, steps=3))
        assert len(str(error.value)) < 200


def test_too_little_memory_is_one_line(monkeypatch, capsys):
    def refuse(arguments):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(cli, "_run", refuse)
    assert cli.main(["train"]) == 1
    assert capsys.readouterr().err.startswith("parrotlet: out of memory: try a smaller network.hidden")


def test_evaluations_within_a_hundredth_of_an_epoch_keep_files_of_their_own(tmp_path):
    settings = {**TINY, "epochs": 0.1, "evaluations": 20, "keep": "every", "batch": 1, "window": 4}
    settings |= {"learning_rate": 1e-12, "weight_decay": 0.0}  # all of them with the same loss
    list(training(from_texts([TEXT * 3], "text"), tmp_path / "k.safetensors", **settings))
    assert len(list(tmp_path.glob("k-*.safetensors"))) == 20


def test_texts_keep_their_blanks_and_their_digits():
    data = {}
    for assignment in ("training.sample_prompt=the dog ", "corpus.column=1", "corpus.column = 2", "network.kind = gru"):
        assign(data, assignment)
    assert data["training"]["sample_prompt"] == "the dog " and data["network"]["kind"] == "gru"
    assert data["corpus"]["column"] == "2"
    assign(data, 'corpus.column="3"')
    assert data["corpus"]["column"] == "3"

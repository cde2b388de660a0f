"""Training: it learns, it resumes bit for bit, it keeps the best, it stops when it must."""

import json
import math
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet import CorpusSettings, Writer, from_texts, load_bundle, open_corpus, training  # noqa: E402
from parrotlet.errors import ParrotletError, UsageError  # noqa: E402
from parrotlet.learning import Run  # noqa: E402
from parrotlet.learning.events import Done, Evaluated, Note, Sample, Saved, Started, Step  # noqa: E402
from parrotlet.learning.plan import plan, weights_in  # noqa: E402
from parrotlet.learning.schedule import learning_rate  # noqa: E402
from parrotlet.settings import NetworkSettings, Settings, TrainingSettings, parse_settings  # noqa: E402

TINY = {"hidden": 16, "embedding": 8, "batch": 4, "window": 16, "device": "cpu", "warmup": 5, "evaluations": 4}

ATTENTION = {"kind": "lstm", "layers": 2, "context": 8, "padded": True, "attention": True, "bidirectional": True}


def long_text(lines=200):
    return from_texts(["".join(f"the cat number {n * n % 97} sat on the mat.\n" for n in range(lines))], "text", "cats")


def short_texts(count=120):
    return from_texts([f"cat {n} sat on mat {n * n % 7}" for n in range(count)], "lines", "short cats")


def labelled_texts(count=120):
    texts = [f"{'cat' if n % 2 else 'dog'} {n} sat on mat {n * n % 7}" for n in range(count)]
    return from_texts(texts, "lines", "labelled", {"animal": ["cat" if n % 2 else "dog" for n in range(count)]})


def run(corpus, output=None, **settings):
    running = training(corpus, output, **{**TINY, **settings})
    return running, list(running)


def fine_tune(corpus, model, **settings):
    sizes = {"hidden", "embedding"}  # of the model that is gone on from
    kept = {name: value for name, value in TINY.items() if name not in sizes}
    running = training(corpus, start_from=model, **{**kept, **settings})
    return running, list(running)


def timeless(path):
    """The lines of a metrics file without what depends on the clock."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@pytest.mark.parametrize("corpus", [long_text, short_texts])
def test_it_learns(corpus):
    running, events = run(corpus(), steps=150, hidden=32, learning_rate=1e-2, calibrate=False)
    figures = [event.validation for event in events if isinstance(event, Evaluated)]
    assert len(figures) == 4
    assert figures[-1] < 0.6 * figures[0] or figures[-1] < 1.5
    alike = [figure for place, figure in enumerate(figures) if figure <= 1.005 * min(figures[: place + 1])]
    assert running.bundle.card.validation_bits_per_character == alike[-1]  # the latest that none before outdid


@pytest.mark.parametrize("stop_at", [1, 7, 20, 33])
@pytest.mark.parametrize(
    ("corpus", "settings"),
    [
        (long_text, {"network": "lstm", "dropout_output": 0.3}),
        (short_texts, {"network": "gru", "dropout_between": 0.2, "layers": 2, "optimizer": "adam"}),
        (long_text, {"network": "rnn", "optimizer": "rmsprop", "precision": "float32"}),
        (long_text, {"optimizer": "adamw", "network": "convolution"}),
        (long_text, {"optimizer": "sgd", "momentum": 0.9, "level": "word", "schedule": "step"}),
        (long_text, {"network": {"kind": "lstm", "context": 9, "dropout_output": 0.2}, "stride": 2, "keep": "every"}),
        (labelled_texts, {"network": ATTENTION}),
        (labelled_texts, {"dropout_input": 0.1, "position": 3}),
        (short_texts, {"sequences": True, "sample_from_text": True}),
        (long_text, {"network": {"kind": "convolution", "layers": 3, "dropout_between": 0.1}}),
        (
            long_text,
            {"network": {"kind": "stack", "stack": [{"kind": "gru", "units": 9}, {"kind": "lstm", "units": 7}]}},
        ),
    ],
    ids=[
        "lstm-text",
        "gru-lines",
        "rnn-rmsprop",
        "convolution-adamw",
        "words-sgd",
        "windows",
        "labels",
        "labels-that-move",
        "sequences",
        "convolution",
        "stack",
    ],
)
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, corpus, settings, stop_at):
    whole, _ = run(corpus(), tmp_path / "whole.safetensors", steps=40, **settings)
    broken = training(corpus(), tmp_path / "broken.safetensors", **{**TINY, "steps": 40, **settings})
    for event in broken:
        step = getattr(event, "step", None)
        if stop_at == 1 or (isinstance(event, Evaluated | Sample) and step >= stop_at):
            broken.stop()
    resumed = training(corpus(), tmp_path / "broken.safetensors", resume=True)
    list(resumed)
    for name, array in whole.bundle.weights.items():
        assert np.array_equal(array, resumed.bundle.weights[name]), name
    assert timeless(tmp_path / "whole.run" / "metrics.jsonl") == timeless(tmp_path / "broken.run" / "metrics.jsonl")
    saved = load_bundle(tmp_path / "broken.safetensors")
    assert all(np.array_equal(array, saved.weights[name]) for name, array in whole.bundle.weights.items())


def test_stopping_at_any_step_saves_the_best_and_says_how_to_go_on(tmp_path):
    running = training(long_text(), tmp_path / "m.safetensors", **{**TINY, "evaluations": 200}, steps=1000)
    for event in running:
        if isinstance(event, Evaluated):
            running.stop()
        last = event
    assert isinstance(last, Done)
    assert (last.reason, last.path) == ("interrupted", str(tmp_path / "m.safetensors"))
    assert "--resume" in last.advice
    assert load_bundle(last.path).card.steps == last.step


def test_with_nothing_to_resume_it_says_so_and_starts(tmp_path):
    events = list(training(long_text(), tmp_path / "m.safetensors", resume=True, **TINY, steps=3))
    assert any(isinstance(event, Note) and "nothing to resume" in event.text for event in events)
    assert events[-1].reason == "finished"


def test_resuming_a_finished_run_says_so_and_stops(tmp_path):
    run(long_text(), tmp_path / "m.safetensors", steps=3)
    again = training(long_text(), tmp_path / "m.safetensors", resume=True, steps=3)
    (only,) = list(again)
    assert only.reason == "nothing to do"
    assert "finished already" in only.advice
    assert again.bundle is not None


def test_a_finished_run_leaves_no_large_files(tmp_path):
    run(long_text(), tmp_path / "m.safetensors", steps=3)
    left = {path.name for path in (tmp_path / "m.run").iterdir()}
    assert left - {"lock"} == {"run.json", "checkpoint.safetensors", "metrics.jsonl"}
    assert (tmp_path / "m.run" / "checkpoint.safetensors").stat().st_size < 20_000


@pytest.mark.parametrize("damage", ["run.json", "checkpoint.safetensors"])
def test_a_damaged_run_folder_is_one_clear_line(tmp_path, damage):
    running = training(long_text(), tmp_path / "m.safetensors", **TINY, steps=50)
    for event in running:
        if isinstance(event, Evaluated):
            running.stop()
    (tmp_path / "m.run" / damage).write_bytes(b"\x00garbage")
    with pytest.raises(ParrotletError, match="damaged, so this run cannot go on"):
        list(training(long_text(), tmp_path / "m.safetensors", resume=True))


def test_the_file_holds_the_best_state_by_validation(tmp_path):
    settings = {"steps": 60, "learning_rate": 0.5, "schedule": "constant", "clip": 0.0, "optimizer": "sgd"}
    running, events = run(short_texts(), tmp_path / "m.safetensors", **settings)
    evaluations = [event for event in events if isinstance(event, Evaluated)]
    best = min(evaluations, key=lambda event: event.validation)
    assert [event.best for event in evaluations][evaluations.index(best)]
    assert running.bundle.card.validation_bits_per_character <= best.validation
    assert len([event for event in events if isinstance(event, Saved)]) == sum(e.best for e in evaluations) + 1


def test_what_learned_its_text_by_heart_is_left_as_sure_of_itself_as_it_has_reason_to_be():
    heart = {"steps": 300, "evaluations": 1, "hidden": 64, "dropout_output": 0.0, "weight_decay": 0.0}
    (plain, _), (calibrated, _) = (run(short_texts(), learning_rate=2e-2, calibrate=each, **heart) for each in (0, 1))
    assert plain.bundle.card.history[0].validation == plain.bundle.card.validation_bits_per_character
    figures = [each.bundle.card.validation_bits_per_character for each in (plain, calibrated)]
    assert figures[1] < figures[0]
    before, after = plain.bundle.weights, calibrated.bundle.weights
    factors = after["output.weight"] / before["output.weight"]
    factor = float(np.median(factors))
    np.testing.assert_allclose(factors, factor, rtol=1e-5)
    assert 0.25 <= factor < 0.999
    for name in before:
        np.testing.assert_allclose(after[name], before[name] * (factor if "output" in name else 1), rtol=1e-4)


def test_weights_that_the_embedding_shares_are_not_scaled():
    shared = {"embedding": 16, "tied": True, "steps": 20, "evaluations": 1}
    bundle = run(short_texts(), **shared)[0].bundle
    assert bundle.card.history[0].validation == bundle.card.validation_bits_per_character


def test_a_short_text_ends_a_run_of_minutes_when_it_was_read_often_enough():
    _, events = run(short_texts(), minutes=10, most_epochs=3, evaluations=None)
    assert events[-1].reason == "finished" and 3 <= events[-1].epoch < 4 and events[-1].seconds < 300
    rates = [event.learning_rate for event in events if isinstance(event, Evaluated)]
    assert rates[-1] < 0.1 * rates[0] and len(rates) == 20  # the schedule ends there too
    assert any(isinstance(event, Note) and "most_epochs = 3" in event.text for event in events)
    assert all(event.seconds_left < 600 for event in events if isinstance(event, Step))


def test_early_stopping_counts_evaluations_without_a_gain():
    _, events = run(short_texts(), steps=4000, evaluations=400, patience=3, learning_rate=0.05, hidden=32)
    assert events[-1].reason == "early"
    figures = [event.validation for event in events if isinstance(event, Evaluated)]
    assert min(figures[-3:]) >= min(figures[:-3])


def test_a_loss_that_is_not_finite_stops_the_run_and_says_what_to_change(tmp_path):
    settings = {"optimizer": "sgd", "learning_rate": 10.0, "momentum": 0.99, "clip": 0.0, "weight_decay": 10.0}
    running, events = run(long_text(), tmp_path / "m.safetensors", steps=500, warmup=0, schedule="constant", **settings)
    assert events[-1].reason == "not finite"
    assert "training.learning_rate = 2.5 instead of 10" in events[-1].advice
    if running.bundle is not None:
        assert all(np.isfinite(array).all() for array in running.bundle.weights.values())
        assert load_bundle(tmp_path / "m.safetensors")


@pytest.mark.parametrize("epochs", [2, 1.5])
def test_epochs_are_counted(epochs):
    _, events = run(short_texts(), epochs=epochs, evaluations=None)
    assert events[-1].epoch == pytest.approx(epochs, abs=0.2)
    assert sum(isinstance(event, Evaluated) for event in events) == math.ceil(epochs)


def test_without_validation_the_last_state_is_kept():
    running, events = run(short_texts(), steps=8, validation=0.0)
    assert any(isinstance(event, Note) and "nothing is held back" in event.text for event in events)
    assert running.bundle.card.validation_bits_per_character is None


def test_samples_come_at_three_temperatures_after_each_evaluation():
    _, events = run(long_text(), steps=8)
    assert [event.temperature for event in events if isinstance(event, Sample)] == [0.2, 0.5, 1.0] * 4


def test_fine_tuning_keeps_what_was_learned_and_learns_new_symbols(tmp_path):
    first, _ = run(long_text(), tmp_path / "first.safetensors", steps=150, hidden=32, learning_rate=1e-2)
    new = from_texts(["".join(f"the çat number {n} sat on the mat.\n" for n in range(100))], "text", "new")
    second, events = fine_tune(new, tmp_path / "first.safetensors", steps=1, learning_rate=1e-5)
    old, grown = first.bundle.tokenizer, second.bundle.tokenizer
    assert len(grown) == len(old) + 1
    assert [old.token(i) for i in range(len(old))] == [grown.token(i) for i in range(len(old))]
    assert any(isinstance(event, Note) and "ç" in event.text for event in events)
    scratch, _ = run(new, steps=1, hidden=32)
    known, unknown = (r.bundle.card.validation_bits_per_character for r in (second, scratch))
    assert known < 0.7 * unknown


def test_fine_tuning_never_ends_worse_than_it_began(tmp_path):
    first, _ = run(long_text(), tmp_path / "first.safetensors", steps=150, hidden=32, learning_rate=1e-2)
    spoilt, events = fine_tune(long_text(), tmp_path / "first.safetensors", steps=3, learning_rate=1.0, warmup=0)
    assert events[-1].reason in ("finished", "not finite")
    before, after = (each.bundle.card.validation_bits_per_character for each in (first, spoilt))
    assert after <= before * 1.001


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"hidden": 48}, "network.hidden = 48 cannot be changed: the model has 16"),
        ({"network": "gru"}, "network.kind = 'gru' cannot be changed: the model has 'lstm'"),
        ({"level": "word"}, "tokenizer.level = 'word' cannot be changed: the model has 'char'"),
    ],
)
def test_what_a_model_is_cannot_be_changed_by_fine_tuning(tmp_path, setting, line):
    run(long_text(), tmp_path / "first.safetensors", steps=1)
    with pytest.raises(UsageError, match=line):
        fine_tune(long_text(), tmp_path / "first.safetensors", steps=1, **setting)
    again, _ = fine_tune(long_text(), tmp_path / "first.safetensors", steps=1, dropout_output=0.25)
    assert again.bundle.settings.network.dropout_output == 0.25


def test_what_clashes_with_a_model_is_one_line(tmp_path):
    stack = [{"kind": "lstm", "units": 8}, {"kind": "dense", "units": 8}]
    run(long_text(), tmp_path / "stack.safetensors", steps=1, kind="stack", stack=stack)
    run(long_text(), tmp_path / "tied.safetensors", steps=1, tied=True, embedding=16)
    for model, setting, line in (
        ("stack", {"network": "gru"}, "network.kind = 'gru' cannot be changed: the model has 'stack'"),
        ("tied", {"hidden": 32}, "network.hidden = 32 cannot be changed: the model has 16"),
    ):
        with pytest.raises(UsageError, match=line):
            fine_tune(long_text(), tmp_path / f"{model}.safetensors", steps=1, **setting)


def test_stopping_while_the_text_is_read_touches_nothing(tmp_path):
    run(long_text(), tmp_path / "m.safetensors", steps=2)
    before = (tmp_path / "m.safetensors").read_bytes()
    running = training(long_text(), tmp_path / "m.safetensors", **TINY, steps=2)
    running.stop()
    with pytest.raises(KeyboardInterrupt):
        list(running)
    assert (tmp_path / "m.safetensors").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C can be sent to one process there")
def test_where_one_process_learns_no_other_does(tmp_path):
    """Each would write over the ids that the other has mapped: a bus error, or another's text is learned."""
    model = tmp_path / "m.safetensors"
    (tmp_path / "a.txt").write_text("the cat sat on the mat.\n" * 400, encoding="utf-8")
    command = [sys.executable, "-m", "parrotlet", "train", str(tmp_path / "a.txt"), "-o", str(model), "--json"]
    with subprocess.Popen([*command, "--minutes", "5", "--hidden", "8"], stdout=subprocess.PIPE, text=True) as first:
        assert any(json.loads(line)["event"] == "started" for line in first.stdout)
        for options in ({}, {"resume": True}):
            with pytest.raises(ParrotletError, match="another run is learning in "):
                list(training(long_text(), model, **TINY, steps=1, **options))
        first.send_signal(signal.SIGINT)
        assert json.loads(list(first.stdout)[-1])["reason"] == "interrupted" and first.wait() == 130
    again = training(None, model, resume=True)  # it is free again
    assert next(again).text.startswith("going on with a.txt")
    again.stop()
    assert list(again)[-1].reason == "interrupted"


def test_a_kill_at_the_very_end_leaves_a_run_that_is_finished(tmp_path, monkeypatch):
    def killed(folder):
        if (folder / "checkpoint.safetensors").exists():  # not before the run began
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("parrotlet.learning.checkpoint.remove_encoded", killed)
        with pytest.raises(KeyboardInterrupt):
            run(long_text(), tmp_path / "m.safetensors", steps=2)
    (only,) = list(training(long_text(), tmp_path / "m.safetensors", resume=True))
    assert only.reason == "nothing to do"
    assert not (tmp_path / "m.run" / "ids.bin").exists()


def test_a_run_resumed_after_its_last_patient_evaluation_ends_there(tmp_path, monkeypatch):
    settings = {"steps": 4000, "evaluations": 400, "patience": 3, "learning_rate": 0.05, "hidden": 32}
    _, whole = run(short_texts(), tmp_path / "whole.safetensors", **settings)

    def killed(self, reason):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("parrotlet.learning.run.Loop._close", killed)
        with pytest.raises(KeyboardInterrupt):
            run(short_texts(), tmp_path / "broken.safetensors", **settings)
    resumed = list(training(short_texts(), tmp_path / "broken.safetensors", resume=True))
    assert (resumed[-1].reason, resumed[-1].step) == ("early", whole[-1].step)


def test_what_is_given_again_on_resuming_and_differs_is_told(tmp_path):
    running = training(long_text(), tmp_path / "m.safetensors", **TINY, steps=50)
    for event in running:
        if isinstance(event, Evaluated):
            running.stop()
    notes = [
        e.text for e in training(long_text(), tmp_path / "m.safetensors", resume=True, batch=9) if e.event == "note"
    ]
    assert [note for note in notes if "ignored" in note] == ["training.batch = 9 is ignored: the run began with 4"]


def test_a_budget_that_reading_used_up_still_learns():
    started = __import__("time").perf_counter() - 1000
    events = list(training(short_texts(), **TINY, minutes=0.01, started=started))
    assert events[-1].step > 0
    assert any(isinstance(event, Note) and "reading the text took most of the time" in event.text for event in events)


def test_a_run_that_is_resumed_late_keeps_its_budget(tmp_path):
    running = training(long_text(), tmp_path / "m.safetensors", **{**TINY, "evaluations": 500}, minutes=1)
    for event in running:
        if isinstance(event, Evaluated):
            running.stop()
    started = __import__("time").perf_counter() - 60
    events = list(training(long_text(), tmp_path / "m.safetensors", resume=True, started=started))
    assert not any(isinstance(event, Note) and "reading the text" in event.text for event in events)
    assert events[-1].reason == "finished" and events[-1].step == event.step


def test_blanks_to_fine_tune_on_are_learned_as_any_text(tmp_path):
    run(long_text(), tmp_path / "m.safetensors", steps=3)
    _, events = fine_tune(from_texts([" \n" * 1500 + "some words " * 20]), tmp_path / "m.safetensors", steps=3)
    assert events[-1].step == 3


def test_an_open_corpus_is_not_read_otherwise(tmp_path):
    texts = from_texts(["one text", "another"], labels={"topic": ["a", "b"]})
    for wrong, told in (
        ({"clean": ["links"]}, "corpus.clean = .*: this corpus is open already"),
        ({"form": "text"}, "corpus.form = 'text': this corpus is open already"),
        ({"recipe": "chat"}, "corpus.dialogue = True: this corpus is open already"),
        ({"labels": ["author"]}, r"corpus.labels = \['author'\]: texts has labels for \['topic'\]"),
    ):
        with pytest.raises(UsageError, match=told):
            list(training(texts, **{**TINY, **wrong}, steps=1))
    (tmp_path / "talk.txt").write_text("hi:hello\nhow are you:fine\n" * 20, encoding="utf-8")
    talk = open_corpus(tmp_path / "talk.txt", CorpusSettings(dialogue=True))
    running = training(talk, **TINY, steps=1)
    list(running)
    assert running.bundle.settings.corpus.dialogue and running.bundle.settings.corpus.form == "lines"


def test_a_model_to_begin_from_may_be_a_writer():
    first, _ = run(long_text(), steps=1)
    _, events = run(long_text(), steps=1, start_from=Writer(first.bundle))
    assert events[-1].step == 1
    with pytest.raises(UsageError, match="start_from must be a model or the path of one, not 5"):
        training(long_text(), **TINY, steps=1, start_from=5)


def test_a_run_that_was_broken_off_never_writes_over_a_newer_one(tmp_path):
    model = tmp_path / "m.safetensors"
    older = training(long_text(), model, **TINY, steps=8)
    assert any(isinstance(event, Evaluated) for event in older)
    list(training(long_text(), model, **TINY, steps=2))
    finished = model.read_bytes()
    with pytest.raises(ParrotletError, match=r"a newer run has begun in .*m\.run: this one cannot go on"):
        list(older)
    assert model.read_bytes() == finished


def test_labels_are_refused_where_no_learned_vector_can_carry_them():
    texts = from_texts(["one text", "another"], labels={"author": ["a", "b"]})
    one_hot = {name: value for name, value in TINY.items() if name != "embedding"} | {"input": "one-hot"}
    with pytest.raises(UsageError, match=r"corpus.labels = \['author'\] do not go with network.input = 'one-hot'"):
        list(training(texts, **one_hot, steps=1))
    with pytest.raises(UsageError, match=r"do not go with network\.tied"):
        run(texts, steps=1, tied=True, embedding=16)


def test_a_missing_output_folder_is_told_before_training():
    with pytest.raises(ParrotletError, match=r"the output folder '.*nowhere' does not exist"):
        training(long_text(), "nowhere/m.safetensors", **TINY, steps=1)
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        training(long_text(), "m.pt", **TINY, steps=1)


def test_an_unavailable_device_is_an_error_not_a_silent_cpu():
    if torch.backends.mps.is_available():
        pytest.skip("mps is available here")
    with pytest.raises(ParrotletError, match=r"training\.device = 'mps' is not available"):
        run(long_text(), steps=1, device="mps")


def test_a_run_is_an_iterator_that_any_face_can_loop_over():
    running = training(short_texts(), **TINY, steps=2)
    assert isinstance(running, Run)
    assert isinstance(next(running), Note | Started)
    names = [event.as_json()["event"] for event in running]
    assert names[-1] == "done"


def test_a_user_s_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(short_texts(), steps=2)
    assert torch.equal(torch.rand(3), expected)


class TestSchedule:
    @pytest.mark.parametrize("schedule", ["cosine", "linear", "step", "constant"])
    def test_it_warms_up_and_never_rises_after(self, schedule):
        settings = TrainingSettings(schedule=schedule, warmup=10, learning_rate=1.0)
        rates = [learning_rate(settings, step, step / 100, 0) for step in range(101)]
        assert rates[0] < rates[5] < rates[10]
        assert all(a >= b for a, b in pairwise(rates[10:]))
        assert max(rates) <= 1.0

    def test_known_values(self):
        cosine = TrainingSettings(schedule="cosine", warmup=0, learning_rate=1.0, final_rate=0.0)
        assert learning_rate(cosine, 9, 0.5, 0) == pytest.approx(0.5)
        linear = TrainingSettings(schedule="linear", warmup=0, learning_rate=1.0, final_rate=0.2)
        assert learning_rate(linear, 9, 1.0, 0) == pytest.approx(0.2)
        stages = TrainingSettings(schedule="step", warmup=0, learning_rate=1.0, step_decay=0.5, step_stages=4)
        assert [learning_rate(stages, 9, f, 0) for f in (0.1, 0.3, 0.6, 0.9)] == [1, 0.5, 0.25, 0.125]


class TestPlan:
    def test_more_time_never_makes_the_network_smaller(self):
        sizes = [plan(Settings(), 1_000_000, 80, seconds).network.hidden for seconds in (5, 60, 900, 10_000)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[-1]

    def test_what_the_user_set_stays(self):
        settings = parse_settings({"network": {"hidden": 48, "dropout_output": 0.25}, "training": {"batch": 7}})
        planned = plan(settings, 1000, 80, 600)
        assert (planned.network.hidden, planned.network.dropout_output, planned.training.batch) == (48, 0.25, 7)

    def test_a_run_counted_in_steps_is_planned_alike_on_every_machine(self):
        settings = parse_settings({"training": {"steps": 500}})
        assert plan(settings, 9000, 80, None) == plan(settings, 9000, 80, None)

    def test_a_small_corpus_read_often_gets_more_dropout(self):
        settings = parse_settings({"training": {"epochs": 50}})
        often = plan(settings, 10_000, 80, None).network.dropout_output
        assert often > plan(parse_settings({"training": {"epochs": 2}}), 10_000, 80, None).network.dropout_output

    def test_dropout_at_the_input_is_for_what_is_read_again_and_again(self):
        def dropouts(epochs, **network):
            settings = parse_settings({"network": network, "training": {"epochs": epochs}})
            planned = plan(settings, 200_000, 80, None).network
            return planned.dropout_output, planned.dropout_input

        assert dropouts(1, hidden=128) == (0.0, 0.0)
        assert dropouts(8, hidden=128)[0] > 0.0 and dropouts(8, hidden=128)[1] == 0.0
        assert min(dropouts(50, hidden=128)) > 0.0
        assert dropouts(50, hidden=128, dropout_input=0.05)[1] == 0.05  # what the user set stays
        assert dropouts(50, hidden=128, dropout_output=0.1) == (0.1, 0.0)
        assert dropouts(50, hidden=128, context=40)[1] == 0.0  # the fast way through windows has none

    def test_a_large_network_for_a_small_text_is_held_down(self):
        settings = parse_settings({"network": {"hidden": 256}, "training": {"epochs": 5}})
        little, much = (plan(settings, tokens, 80, None) for tokens in (50_000, 10_000_000))
        assert little.training.weight_decay > much.training.weight_decay > 0
        assert little.network.dropout_output > much.network.dropout_output
        own = parse_settings({"training": {"epochs": 5, "weight_decay": 0.02}})
        assert plan(own, 100_000, 80, None).training.weight_decay == 0.02

    def test_a_model_that_knows_the_text_is_taught_in_smaller_steps(self):
        rates = [
            plan(Settings(), 50_000, 80, 60, 1.0),
            plan(parse_settings({"network": {"kind": "gru"}}), 50_000, 80, 60, 1.0),
        ]
        assert len({each.training.learning_rate for each in rates}) == 1  # an LSTM begins faster, but not here
        plain, half, known = (plan(Settings(), 50_000, 80, 60, share).training for share in (0.0, 0.5, 1.0))
        assert plain.learning_rate > half.learning_rate > known.learning_rate
        assert plain.weight_decay > half.weight_decay > known.weight_decay

        def started(texts, model=None, **settings):
            run = training(from_texts(texts), start_from=model, device="cpu", **settings)
            (first, *_) = [event for event in run if event.event == "started"]
            return run.bundle, first.settings["training"]["learning_rate"]

        model, rate = started(["the parrot said hello again"] * 60, steps=150, hidden=16, batch=16)
        _, again = started(["again the parrot said hello"] * 60, model, steps=1, batch=16)
        _, other = started(["QWZX 0987 !?=+ jkvb"] * 60, model, steps=1, batch=16)
        assert again < other <= rate

    def test_a_share_to_validate_on_that_was_asked_for_is_kept(self):
        settings = parse_settings({"training": {"steps": 100, "validation": 0.2}})
        assert plan(settings, 1_000_000, 80, None).training.validation == 0.2

    def test_holds_back_no_more_than_is_needed_to_tell_states_apart(self):
        shares = {tokens: plan(Settings(), tokens, 80, 60.0).training.validation for tokens in (10**4, 10**5, 10**7)}
        assert shares[10**4] == 0.05
        assert all(500 <= share * tokens <= 10_000 for tokens, share in shares.items())

    def test_a_context_costs_time_and_not_size(self):
        def size(**network):
            settings = parse_settings({"network": network, "training": {"minutes": 60}})
            return plan(settings, 100_000, 80, 10_000.0).network.hidden

        assert size() == size(context=40)

    def test_a_convolution_alone_looks_further_back_than_two_letters(self):
        settings = parse_settings({"network": {"kind": "convolution"}, "training": {"steps": 10}})
        assert plan(settings, 100_000, 80, None).network.layers > 3

    def test_a_small_corpus_gets_small_batches(self):
        settings = parse_settings({"training": {"epochs": 5}})
        batches = [plan(settings, tokens, 80, None).training.batch for tokens in (10_000, 200_000, 5_000_000)]
        assert batches == [16, 32, 64]

    def test_weights_are_counted(self):
        assert (
            weights_in(NetworkSettings(hidden=10, embedding=5, layers=2), 7) == 4 * 3 * 100 + 70
        )  # letters are looked up
        assert weights_in(NetworkSettings(hidden=10, embedding=5, layers=2), 1000) == 4 * (10 * 5 + 3 * 100) + 10_000


def test_long_documents_end_as_often_as_they_should():
    """Documents longer than the window: the chances of an end sum to one for each, and what is written is as long."""
    random = np.random.default_rng(1)
    texts = ["".join(random.choice(list("abc"), random.integers(40, 120))) for _ in range(300)]
    settings = {"hidden": 24, "embedding": 8, "batch": 8, "window": 16, "steps": 400, "learning_rate": 1e-2}
    run = training(from_texts(texts), **settings, device="cpu", validation=0.0, sample_temperatures=(), evaluations=1)
    list(run)
    writer = Writer(run.bundle)
    stop, ends = writer.tokenizer.stop, []
    for text in texts[:60]:
        logits, _ = writer.runtime.read(np.concatenate(([stop], writer.tokenizer.encode(text)))[None])
        chances = np.exp(logits[0] - logits[0].max(axis=1, keepdims=True))
        ends.append((chances[:, stop] / chances.sum(axis=1)).sum())
    assert 0.8 < np.mean(ends) < 1.25
    written = [len(text) for text in writer.generate(200, length=500, seed=1)]
    assert 0.8 < np.mean(written) / np.mean([len(text) for text in texts]) < 1.25

"""The study: what is recorded is not measured again, candidates are compared with the usual beside them only, and each
makes as many steps as fit into the minutes, whatever the clock says."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from bench import study
from bench.study import loop, paces
from bench.study.candidates import CANDIDATES, Candidate
from bench.study.loop import Steps, Task, relative_pace, run, unit

TEXT = "".join(f"the cat number {n * n % 97} sat on the mat.\n" for n in range(400))
SMALL = {"network": {"hidden": 16, "embedding": 8}, "training": {"batch": 4, "window": 16}}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Records of two processors, of which the second is this one."""
    monkeypatch.setattr(study, "RECORDS", tmp_path / "records.jsonl")
    monkeypatch.setattr(study, "PACES", tmp_path / "paces.json")
    monkeypatch.setattr(study, "processor", lambda: "new")
    figures = [
        ("old", "usual", "kjv", 0, 2.0), ("old", "gru-256", "kjv", 0, 2.1), ("old", "rnn-256", "kjv", 0, 2.3),
        ("new", "usual", "kjv", 0, 1.8), ("new", "usual", "kjv", 1, 1.9), ("new", "gru-256", "kjv", 0, 1.8),
        ("old", "usual", "nietzsche", 0, 2.5), ("old", "gru-256", "nietzsche", 0, 2.4),
        ("old", "linear", "nietzsche", 0, 2.0),
    ]  # fmt: skip
    records = [
        {"processor": where, "name": name, "corpus": corpus, "minutes": 1.0, "seed": seed, "set": [], "bits": bits}
        | ({"defaults": study.DEFAULTS} if where == "new" else {})  # the old are older than that
        for where, name, corpus, seed, bits in figures
    ]
    study.RECORDS.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return records


def test_a_candidate_is_compared_with_the_usual_of_the_same_processor(recorded):
    rows = study.figures(1.0)
    assert rows["gru-256"] == pytest.approx({"kjv": -0.05, "nietzsche": -0.1})  # here the usual is 1.85, of two seeds
    assert rows["rnn-256"] == pytest.approx({"kjv": 0.3})
    assert study.best(3, 1.0) == ["usual", "gru-256", "linear"]
    lines = study.table(1.0).splitlines()
    assert lines[2].startswith("| gru-256 | -0.100 | -0.050 |") and "kjv, new: usual 1.850" in lines
    assert study.figures(3.0) == {}


def test_a_candidate_is_compared_with_the_usual_of_its_day(recorded, monkeypatch):
    monkeypatch.setattr(study, "DEFAULTS", study.DEFAULTS + 1)
    with study.RECORDS.open("a", encoding="utf-8") as file:
        for name, bits in (("usual", 1.5), ("rnn-256", 1.7)):
            cell = {
                "processor": "new",
                "name": name,
                "corpus": "kjv",
                "minutes": 1.0,
                "seed": 0,
                "set": [],
                "bits": bits,
            }
            file.write(json.dumps({**cell, "defaults": study.DEFAULTS}) + "\n")
    rows = study.figures(1.0)
    assert rows["rnn-256"] == pytest.approx({"kjv": 0.2}) and rows["gru-256"]["kjv"] == pytest.approx(-0.05)
    assert study.table(1.0).splitlines()[-1] == "kjv, new: usual 1.500"


def test_what_was_recorded_here_is_not_measured_again(recorded, monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(study, "counts", lambda *_: (1, 0))
    monkeypatch.setattr(study, "measured", lambda cell, *_: measured.append(cell) or {"bits": 2.0})
    assert study.main(["usual", "gru-256", "--corpora", "kjv", "--seeds", "2"]) == 0
    assert [(cell["name"], cell["seed"]) for cell in measured] == [("gru-256", 1)]
    assert study.main(["usual", "gru-256", "--corpora", "kjv", "--seeds", "2"]) == 0 and len(measured) == 1
    assert study.main(["usual", "--corpora", "kjv", "--dynamic", "0.1"]) == 0 and len(measured) == 2
    assert study.main(["lstm"]) == 2


@pytest.fixture
def timed(recorded, tmp_path, monkeypatch):
    """A corpus of a few lines, and steps that are said to take some time, in seconds of the unit and in its steps."""
    (tmp_path / "kjv.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(study, "CORPORA", {"kjv": ("kjv.txt", False)})
    monkeypatch.setattr(study, "data_folder", lambda: tmp_path)
    seconds, ratios = iter([0.4, 0.3, 0.2, 0.5, 0.4]), iter([1.5, 9.0, 1.0])
    monkeypatch.setattr(paces, "unit_pace", lambda: next(seconds))
    monkeypatch.setattr(paces, "relative_pace", lambda task: next(ratios, 2.0))
    monkeypatch.setattr(paces, "products", lambda: 1e11)
    monkeypatch.setattr(paces, "apart", lambda function, *arguments: function(*arguments))
    runs = []
    monkeypatch.setattr(study, "apart", lambda _, *given: runs.append(given[1:3]) or {"bits": 2.0})
    return runs


def test_steps_are_told_in_those_of_the_unit(timed, capsys):
    call = ["linear", "--corpora", "kjv"]
    assert study.main(call) == 0 and timed == [(200, 0)]  # a minute; 1.5 steps of the unit, of 0.2 seconds
    assert study.main([*call, "--paces"]) == 0  # nine: a neighbour was busy
    assert study.main([*call, "--paces"]) == 0 and len(timed) == 1
    assert study.main([*call, "--seeds", "2"]) == 0 and timed[1:] == [(200, 0)]  # the median of three
    assert study.main(["rate-0.03", "--corpora", "kjv"]) == 0 and timed[2] == (200, 0)  # its steps do the same
    assert study.main(["gru-256", "--corpora", "kjv", "--seeds", "2"]) == 0 and timed[3] == (150, 0)


def test_a_candidate_that_is_the_usual_here_is_not_run(timed, capsys):
    """Of a short text the plan begins with a window of 64."""
    assert study.main(["window-64", "batch-32", "--corpora", "kjv"]) == 0 and len(timed) == 1
    assert study.records()[-2]["bits"] == 1.8 and study.records()[-1]["bits"] == 2.0
    assert study.main(["window-64", "--corpora", "kjv", "--dynamic", "0.1"]) == 0 and len(timed) == 2


def test_runs_at_once_record_the_same(timed, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert study.main(["linear", "batch-32", "--corpora", "kjv", "--seeds", "2", "--at-once", "2"]) == 0
    new = {(each["name"], each["seed"]): each["bits"] for each in study.records()[9:]}
    assert new == dict.fromkeys([(name, seed) for name in ("linear", "batch-32") for seed in (0, 1)], 2.0)


def test_what_steps_do_decides_what_they_cost():
    usual = Task(TEXT, CANDIDATES["usual"], 60, 1e11)

    def kept_under(name):
        return study.pace_of({"name": name}, replace(usual, candidate=CANDIDATES[name]))

    same = ["usual", "rate-0.03", "decay-0.3", "linear", "averaged", "memory-quarter", "dropout-input-0.1"]
    others = ["no-dropout", "lstm-256", "gru-256", "batch-32", "window-256", "adamw", "two-ahead", "distilled"]
    assert len({kept_under(name) for name in same}) == 1
    assert len({kept_under(name) for name in ["usual", *others]}) == len(others) + 1


@pytest.fixture
def clock(monkeypatch):
    """Each step takes as long as its network has units, and twice as long from the tenth second on."""
    now = [0.0]

    def step(study, *_):
        now[0] += study.network.settings.hidden * (1e-3 if now[0] < 10 else 2e-3)

    monkeypatch.setattr(loop.Study, "step", step)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])


def test_the_pace_of_steps_is_that_of_undisturbed_ones(clock):
    usual = Task(TEXT, CANDIDATES["usual"], 0.4, 1e11, usual=SMALL)
    assert Steps(usual).pace() == pytest.approx(0.016)
    assert loop.pace([3.0] * 5 + [2.0] * 2 + [1.0] * 3) == 1.0 and loop.pace([3.0] * 9 + [1.0]) == 3.0


def test_a_machine_that_slows_down_does_not_change_a_relative_pace(clock):
    task = Task(TEXT, CANDIDATES["usual"], 0.4, 1e11, usual={**SMALL, "network": {"hidden": 256}})
    assert relative_pace(task) == pytest.approx(0.5)
    assert unit().pace() == pytest.approx(2 * 0.512)


@pytest.mark.parametrize("name", ["usual", "averaged", "memory-quarter", "two-ahead", "weight-drop-0.2", "distilled"])
def test_a_candidate_learns_and_is_scored(name):
    task = Task(TEXT, CANDIDATES[name], 0.4, 1e11, usual=SMALL)
    found = run(task, 20, 20 if CANDIDATES[name].teacher else 0, [0.1])
    assert 0 < found["bits"] < 8 and found["steps"] == 20 and 0 < found["dynamic 0.1"] < 8
    again = run(task, 20, 20 if CANDIDATES[name].teacher else 0)
    assert again["bits"] == found["bits"]  # steps are counted, so that nothing depends on the clock


def test_a_text_is_read_no_oftener_than_by_the_command():
    often = {**SMALL, "training": {**SMALL["training"], "most_epochs": 1.0}}
    assert run(Task(TEXT, Candidate("usual"), 60, 1e11, usual=often), 10**6)["epochs"] < 1.2

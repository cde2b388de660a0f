"""The study: what is recorded is not measured again, and candidates are compared with the usual beside them only."""

import json

import pytest

pytest.importorskip("torch")

from bench import study
from bench.study.candidates import CANDIDATES, Candidate
from bench.study.loop import run

TEXT = "".join(f"the cat number {n * n % 97} sat on the mat.\n" for n in range(400))
SMALL = {"network": {"hidden": 16, "embedding": 8}, "training": {"batch": 4, "window": 16}}


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Records of two processors, of which the second is this one."""
    monkeypatch.setattr(study, "RECORDS", tmp_path / "records.jsonl")
    monkeypatch.setattr(study, "processor", lambda: "new")
    figures = [
        ("old", "usual", "kjv", 0, 2.0), ("old", "gru-256", "kjv", 0, 2.1), ("old", "rnn-256", "kjv", 0, 2.3),
        ("new", "usual", "kjv", 0, 1.8), ("new", "usual", "kjv", 1, 1.9), ("new", "gru-256", "kjv", 0, 1.8),
        ("old", "usual", "nietzsche", 0, 2.5), ("old", "gru-256", "nietzsche", 0, 2.4),
        ("old", "linear", "nietzsche", 0, 2.0),
    ]  # fmt: skip
    records = [
        {"processor": where, "name": name, "corpus": corpus, "minutes": 1.0, "seed": seed, "set": [], "bits": bits}
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


def test_what_was_recorded_here_is_not_measured_again(recorded, monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(study, "measured", lambda cell, rates: measured.append(cell) or {"bits": 2.0})
    assert study.main(["usual", "gru-256", "--corpora", "kjv", "--seeds", "2"]) == 0
    assert [(cell["name"], cell["seed"]) for cell in measured] == [("gru-256", 1)]
    assert study.main(["usual", "gru-256", "--corpora", "kjv", "--seeds", "2"]) == 0 and len(measured) == 1
    assert study.main(["usual", "--corpora", "kjv", "--dynamic", "0.1"]) == 0 and len(measured) == 2
    assert study.main(["lstm"]) == 2


@pytest.mark.parametrize("name", ["usual", "averaged", "memory-64", "two-ahead", "weight-drop-0.2", "distilled"])
def test_a_candidate_learns_and_is_scored(name):
    found = run(TEXT, CANDIDATES[name], 0.4, 0, SMALL, [0.1])
    assert 0 < found["bits"] < 8 and found["steps"] > 0 and 0 < found["dynamic 0.1"] < 8


def test_a_text_is_read_no_oftener_than_by_the_command():
    often = {**SMALL, "training": {**SMALL["training"], "most_epochs": 1.0}}
    assert run(TEXT, Candidate("usual"), 60, 0, often)["epochs"] < 1.2

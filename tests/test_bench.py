"""What the bench is built on measures, judges and records as it says; nothing here is measured by the clock."""

import itertools
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import __main__ as bench
from bench import calibration, environments, prototype, scaling, table
from bench.peers import transformer
from bench.peers.mend_textgenrnn import MENDS, mend
from bench.quality import TRIALS
from bench.results import Results, cell
from bench.scaling import READING, READING_MEMORY, STREAMING, Measured, _copy, _slope, gathered
from bench.startup import wait_for
from bench.table import Finding, Table
from bench.training import letter_bits, operations
from bench.windows import carried_nats, windowed_nats

QUIET = {"float32": 199.0, "bfloat16": 430.0, "scatter": 0.03, "vectors": "AVX512", "cores": 2}


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """A quiet machine, and a place for results."""
    monkeypatch.setattr(table, "calibration", lambda: dict(QUIET))
    results = Results(tmp_path / "results.json")
    monkeypatch.setattr(Table, "results", results)
    monkeypatch.setattr(Table, "row", "row")
    return results


# --- what was found, and whether it was enough --------------------------------------------------------------------


@pytest.mark.parametrize(
    "figures, met",
    [
        ({"parrotlet": 210.0, "goal": 200, "least": 100}, "goal"),
        ({"parrotlet": 100.0, "goal": 200, "least": 100}, "least"),
        ({"parrotlet": 99.0, "goal": 200, "least": 100}, "no"),
        ({"parrotlet": 1.43, "goal": 1.44, "least": 1.475}, "goal"),
        ({"parrotlet": 1.45, "goal": 1.44, "least": 1.475}, "least"),
        ({"parrotlet": 1.48, "goal": 1.44, "least": 1.475}, "no"),
        ({"parrotlet": 1.5, "goal": 1.5, "least": 1.5}, "goal"),
        ({"parrotlet": 1e6, "ratio": 15.0, "goal": 20, "least": 13, "of": "ratio"}, "least"),
        ({"parrotlet": math.inf, "ratio": 0.0, "goal": 20, "least": 13, "of": "ratio"}, "no"),
        ({"parrotlet": 1.05, "goal": 0.9, "least": 1.1, "of": "between"}, "goal"),
        ({"parrotlet": 1.15, "goal": 0.9, "least": 1.1, "of": "between"}, "no"),
        ({"parrotlet": 5.0}, ""),
    ],
)
def test_goals(figures, met):
    assert Finding(what="speed", unit="x", **figures).met == met


@pytest.mark.parametrize(
    "change, begins",
    [
        ({}, "quiet"),
        ({"float32": 181.0}, "quiet"),
        ({"float32": 170.0}, "noisy"),
        ({"scatter": 0.4}, "noisy"),
        ({"float32": 90.0, "vectors": "AVX2"}, "quiet (another"),
        ({"float32": 90.0, "vectors": "AVX2", "scatter": 0.4}, "noisy"),
        ({"bfloat16": 150.0}, "quiet"),  # another generation of processors
    ],
)
def test_noise_is_told_from_another_processor(change, begins):
    assert calibration.verdict([QUIET, QUIET | change]).startswith(begins)


def test_machine_is_described():
    about = calibration.machine()
    assert about["processor"] and about["cores"] >= 1 and about["torch"]


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_row_that_runs_again_replaces_its_section(quiet, capsys):
    for speed in (100, 250):
        one = Table("system", "per second")
        one.add(system="parrotlet | x", per_second=speed, beyond=[1])
        one.find("speed", speed, "x/s", peer="other", beside=1, ratio=float(speed), goal=200, least=50, of="ratio")
        one.finish("a note")
    other = Table("system", title="other")
    other.finish()
    assert set(quiet.sections()) == {"row", "row other"}
    assert quiet.sections()["row"]["records"] == [{"system": "parrotlet | x", "per_second": 250, "beyond": [1]}]
    page = quiet.path.with_suffix(".md").read_text(encoding="utf-8")
    assert page == quiet.page()
    assert "| parrotlet \\| x | 250 |" in page and "| 100 |" not in page
    assert "| speed | 250 | x/s | 1 | other | 250 | 200× (50×) | goal | quiet | row |" in page
    assert "a note" in page and "199 / 430 and 199 / 430 GFLOP/s" in page
    shown = capsys.readouterr().out
    assert "| parrotlet \\| x | 250 |" in shown and json.dumps([{"system": "parrotlet | x"}])[:-2] in shown


def test_a_table_goes_on_from_what_was_recorded_on_the_same_machine(quiet, monkeypatch):
    one = Table("system", "seed")
    one.add(system="ours", seed=0)
    one.finish()
    more = Table("system", "seed")
    assert more.take_over() == [{"system": "ours", "seed": 0}]
    more.add(system="ours", seed=1)
    more.finish()
    section = quiet.sections()["row"]
    assert [record["seed"] for record in section["records"]] == [0, 1] and len(section["calibrations"]) == 4
    monkeypatch.setattr(table, "machine", lambda: {"processor": "another", "cores": 1, "python": "", "torch": ""})
    assert Table("system", "seed").take_over() == []


def test_a_noisy_run_is_marked(quiet, monkeypatch):
    one = Table("system")
    monkeypatch.setattr(table, "calibration", lambda: QUIET | {"float32": 120.0})  # somebody began to work
    one.find("speed", 1.0, "x/s")
    one.finish()
    assert "| speed | 1 | x/s |  |  |  |  |  | noisy | row |" in quiet.page()


def test_cells():
    values = (None, True, False, 1234567, 1234.5, 0.123456, math.inf, "a|b")
    assert [cell(value) for value in values] == ["", "yes", "NO", "1,234,567", "1,234", "0.1235", "inf", "a\\|b"]


def test_every_row_explains_itself(capsys):
    assert bench.main([]) == 0
    listed = capsys.readouterr().out
    for name in bench.ROWS:
        assert name in listed
        with pytest.raises(SystemExit) as done:
            bench.main([name, "--help"])
        assert done.value.code == 0
        assert "--quick" in capsys.readouterr().out
    assert bench.main(["nothing"]) == 2
    assert {row[0] for row in bench.ALL} <= set(bench.ROWS)
    quality = next(row for row in bench.ALL if row[0] == "quality")
    assert {each for each in quality if "-" in each and not each.startswith("-")} <= set(TRIALS)


# --- the peers' environments ------------------------------------------------------------------------------------------


def pins(name):
    lines = (environments.CONSTRAINTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("name", environments.ENVIRONMENTS)
def test_every_package_of_an_environment_has_one_exact_version(name):
    wanted = environments.ENVIRONMENTS[name]
    assert {*wanted.packages, *wanted.alone, "tensorflow", "tensorflow-cpu"} <= pins(name).keys()
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins(name).values())


def test_an_environment_is_made_once(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments, "mend", lambda packages, mends: commands.append(("mend", str(packages))))

    def call(*command):
        commands.append(tuple(map(str, command)))
        (tmp_path / "textgenrnn").mkdir(exist_ok=True)
        return f"{tmp_path}\n"

    monkeypatch.setattr(environments, "_call", call)
    python = environments.python_of("textgenrnn")
    assert python.is_relative_to(tmp_path / "textgenrnn")
    assert commands[-1] == ("mend", str(tmp_path))
    alone = next(command for command in commands if "--no-deps" in command)
    assert alone[-2:] == ("tf-keras", "textgenrnn") and "-c" in alone
    made = len(commands)
    assert environments.python_of("textgenrnn") == python and len(commands) == made
    (tmp_path / "textgenrnn" / "installed.txt").write_text("other versions", encoding="utf-8")
    environments.python_of("textgenrnn")
    assert len(commands) == 2 * made


def test_textgenrnn_is_mended_or_refused(tmp_path):
    for name in {name for name, _, _ in MENDS}:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("import os\n" + "".join(old for other, old, _ in MENDS if other == name), encoding="utf-8")
    mend(tmp_path)
    for name, old, new in MENDS:
        source = (tmp_path / name).read_text(encoding="utf-8")
        assert source.startswith("import os") and old not in source and new in source
    with pytest.raises(RuntimeError, match="another release"):
        mend(tmp_path)


# --- what is measured -------------------------------------------------------------------------------------------------


def last_of(ids):
    """Logits (B, T, V) that foresee the symbol before the last one; a window begins as if 2 had come before."""
    before = np.concatenate([np.full((len(ids), 1), 2), ids[:, :-1]], axis=1)  # (B, T)
    return np.eye(3, dtype=np.float32)[before]


@pytest.mark.parametrize("window", [1, 4, 7])
def test_windows_begin_from_nothing_and_do_not_overlap(window, monkeypatch):
    monkeypatch.setattr("bench.windows.AT_ONCE", 2 * window)  # two windows at once
    ids = np.random.default_rng(0).integers(0, 3, 30)
    costs = []
    for start in range(0, len(ids) - window, window):
        logits = last_of(ids[None, start : start + window])[0].astype(np.float64)
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        costs += [-math.log(chances[place, ids[start + place + 1]]) for place in range(window)]
    assert windowed_nats(last_of, ids, window) == pytest.approx(sum(costs) / len(costs), rel=1e-6)
    assert carried_nats(last_of, ids) == pytest.approx(windowed_nats(last_of, ids, len(ids) - 1))
    assert carried_nats(last_of, ids) != pytest.approx(windowed_nats(last_of, ids, window), abs=1e-3)


def test_the_transformer_learns_and_is_scored(tmp_path):
    """Two letters by turns are learnt at once; guessing costs a bit each."""
    text = tmp_path / "text.txt"
    text.write_text("ab" * 4000, encoding="utf-8")
    options = ["--steps", "40", "--context", "256", "--batch", "2"]
    command = [sys.executable, "-m", "bench.peers.transformer", str(text), *options]
    record = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert max(record["nats_64"], record["nats_256"]) < 0.5 * math.log(2) and record["steps"] == 40


def test_the_transformer_sees_nothing_that_comes_later():
    model, ids = transformer.Transformer(5, context=16), torch.randint(5, (3, 16))
    changed = ids.clone()
    changed[:, 9] = (ids[:, 9] + 1) % 5
    with torch.no_grad():
        same, others = (model(changed) - model(ids)).abs().amax(dim=(0, 2)).split([9, 7])
    assert same.max() < 1e-6 < others.min()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_prototype_learns(precision, monkeypatch):
    clock = itertools.count(0, 1 / 128)
    monkeypatch.setattr(prototype, "STARTED", 0.0)
    monkeypatch.setattr(prototype.time, "perf_counter", lambda: next(clock))
    ids = torch.tensor([0, 1] * 2000)
    torch.manual_seed(1)
    model = prototype.Prototype(2, hidden=16)
    steps, speed = prototype.train(model, ids, 2.0, batch=4, window=32, precision=precision)
    assert steps == 255 and speed == pytest.approx(4 * 32 * 128, rel=0.05)
    with torch.no_grad():
        assert carried_nats(lambda rows: model(torch.from_numpy(rows))[0].numpy(), ids.numpy()) < 0.1


def test_operations_of_a_network_worked_out_by_hand():
    assert operations(2, 5) == 6 * (4 * 2 * 2 + 2 * 5)


def test_letter_bits_of_a_text_of_two_letters(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("aAbB", encoding="utf-8")
    assert letter_bits(path) == pytest.approx(1)


def test_slopes():
    linear = [(10.0**power, 3 * 10.0**power) for power in range(6, 10)]
    assert _slope(READING.judged(linear)) == pytest.approx(1)
    constant_below = [(size, max(cost, 3e7)) for size, cost in linear]  # a command takes a while to start
    assert _slope(READING.judged(constant_below)) == pytest.approx(1)
    assert _slope(READING_MEMORY.judged([(size, 400.0) for size, _ in linear])) == pytest.approx(0)
    squared = [(size, size**2) for size, _ in linear]
    assert _slope(READING.judged(squared)) == pytest.approx(2)
    assert STREAMING.judged([(1, 1.0), (16, 2.0)]) == []


def test_of_the_rounds_the_least_time_and_the_most_memory_count():
    rounds = [
        *(Measured(READING, 1e6, 1.5, 0.5), Measured(READING_MEMORY, 1e6, 300), Measured(READING, 1e7, 9.0, 0.5)),
        *(Measured(READING, 1e6, 1.2, 0.9), Measured(READING_MEMORY, 1e6, 350), Measured(READING, 1e7, 7.5, 0.9)),
        *(Measured(STREAMING, 1, 0.2, 0.3), Measured(STREAMING, 4, 0.2, 0.1)),
    ]
    found = gathered(rounds)
    assert [(each.size, each.net) for each in found[READING]] == [(1e6, pytest.approx(0.7)), (1e7, pytest.approx(7.0))]
    assert [(each.size, each.net) for each in found[READING_MEMORY]] == [(1e6, 350)]
    assert [each.net for each in found[STREAMING]] == pytest.approx([1e-3, 0.1])  # none is below nothing


def test_rounds_are_added_to_those_that_were_recorded(quiet, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Table, "row", "scaling")
    monkeypatch.setattr(scaling, "write_large", lambda *_: None)
    seconds = iter([(4.0, 1.0), (3.0, 0.5), (3.5, 0.8), (5.0, 0.4)])
    monkeypatch.setattr(
        scaling,
        "_texts",
        lambda *_: (
            [Measured(READING, size, *next(seconds)) for size in (1e8, 1e9)] + [Measured(READING_MEMORY, 1e8, 9)]
        ),
    )
    for more in ([], ["--more"]):
        command = ["texts", "--rounds", "1", "--picture", str(tmp_path / "picture.png"), *more]
        assert scaling.main(command) == 0
    rows = quiet.sections()["scaling"]["records"]
    assert [(each["size"], each["whole"], each["nothing"], each["cost"]) for each in rows] == [
        (1e8, 3.5, 0.8, 2.7), (1e9, 3.0, 0.4, 2.6), (1e8, 9, 0.0, 9),
    ]  # fmt: skip
    assert len(quiet.sections()["scaling"]["calibrations"]) == 4 and (tmp_path / "picture.png").exists()
    with pytest.raises(SystemExit):
        scaling.main(["text"])
    assert "unknown part text: choose from texts, learning" in capsys.readouterr().err


def test_a_text_is_copied_up_to_the_end_of_a_line(tmp_path):
    path, part = tmp_path / "text.txt", tmp_path / "part.txt"
    path.write_bytes(b"twelve bytes\n" * 10_000)
    for size in (40, 100_000, 1000, 130_000, 1_000_000):
        _copy(path, part, size)
        assert part.read_bytes() == b"twelve bytes\n" * min(size // 13, 10_000)


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals to open")
def test_the_first_character_must_be_the_right_one():
    command = [sys.executable, "-c", "print('écrit')"]
    wait_for(command, "é")
    with pytest.raises(RuntimeError, match="was to come"):
        wait_for(command, "e")


def test_quick_results_are_kept_apart(monkeypatch):
    seen = {}

    class Row:
        @staticmethod
        def main(options):
            seen[tuple(options)] = Table.results.path
            return 0

    monkeypatch.setattr(bench.importlib, "import_module", lambda name: Row)
    monkeypatch.setattr(Table, "results", None)
    assert bench.main(["training", "--quick"]) == bench.main(["training"]) == 0
    assert seen[()] == Path(bench.__file__).parent / "results.json" and seen[("--quick",)] != seen[()]

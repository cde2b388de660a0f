"""A training run comes in; killed at random moments and resumed each time, it must end as one never stopped does."""

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Table, event, parrotlet, run, train, use_utf8
from parrotlet import load_bundle

TRIAL_STEPS = 200
START = 3.0  # seconds that Python and torch take to start
TEMPORARY = (".tmp", ".part")  # ends of the names of files that are being written


@dataclass(frozen=True)
class Soak:
    """The run: its text, its steps and where its model goes."""

    source: str
    model: Path
    options: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.model.parent, self.model.with_suffix(".run")

    def temporary_files(self) -> set[str]:
        """Checkpoints and models that are being written now, or were when the run was killed."""
        found = set()
        for folder in self.folders:
            try:
                names = os.listdir(folder)
            except OSError:
                continue
            found |= {name for name in names if ".safetensors." in name and name.endswith(TEMPORARY)}
        return found

    def start(self, resume: bool, log: Path) -> subprocess.Popen[bytes]:
        command = parrotlet("train", self.source, "-o", self.model, *self.options, *["--resume"] * resume, "--json")
        with log.open("wb") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench kill", description=__doc__)
    parser.add_argument("--source", default="manual")
    parser.add_argument("--seconds", type=float, default=150, help="about how long the run takes when not stopped")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--inside", type=int, default=2, help="how many of the kills hit a save")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--quick", action="store_true", help="a short run, three kills, two of them inside a save")
    chosen = parser.parse_args(arguments)
    if os.name == "nt":
        parser.error("this row kills with SIGKILL, which Windows does not have")
    if chosen.quick:
        chosen.seconds, chosen.kills, chosen.inside = 25, 3, 2
    use_utf8()
    with tempfile.TemporaryDirectory() as folder:
        return _soak(Path(folder), chosen)


def _soak(folder: Path, chosen: argparse.Namespace) -> int:
    steps = _steps(folder, chosen)
    options = ("--steps", str(steps))
    whole, killed = (Soak(chosen.source, folder / name / "model.safetensors", options) for name in ("whole", "killed"))
    for soak in (whole, killed):
        soak.model.parent.mkdir()
    seconds, _ = train(chosen.source, whole.model, *options)
    print(f"{steps} steps; never stopped, the command takes {seconds:.0f} s\n")
    table = Table("kill", "aimed at", "seconds", "step before", "inside a save", "model")
    kills, inside = _kill_all(table, killed, chosen, steps, seconds)
    train(chosen.source, killed.model, *options, "--resume")
    differences = compare(whole.model, killed.model)
    outcome = ["DIFFERENT:", *differences] if differences else ["the same arrays, metrics and samples"]
    table.finish(f"{kills} kills, {inside} of them inside a save", *outcome)
    return 0 if not differences and kills >= chosen.kills and inside >= chosen.inside else 1


def _steps(folder: Path, chosen: argparse.Namespace) -> int:
    """How many steps take about ``chosen.seconds``, from a short trial."""
    _, events = train(chosen.source, folder / "trial.safetensors", "--steps", TRIAL_STEPS)
    return round(TRIAL_STEPS * chosen.seconds / (event(events, "done")["seconds"] - START))  # the start is no step


def _kill_all(table: Table, soak: Soak, chosen: argparse.Namespace, steps: int, seconds: float) -> tuple[int, int]:
    """Start, kill and resume as often as asked, or until the run is over; how many kills, how many inside a save."""
    moments = random.Random(chosen.seed)
    aims = [("saving the checkpoint", "saving the model")[number % 2] for number in range(chosen.inside)]
    aims += ["any moment"] * (chosen.kills - chosen.inside)
    moments.shuffle(aims)
    kills = inside = 0
    done = 0.0  # share of the steps
    log = soak.model.parent / "log.jsonl"
    while aims:
        before = soak.temporary_files()
        delay = moments.uniform(0.1, 1.9) * (START + seconds * (1 - done) / (len(aims) + 1))
        process = soak.start(resume=kills > 0, log=log)
        started = time.perf_counter()
        what = aims[0].split()[-1]
        saving = aims[0] != "any moment"
        alive = _await_save(process, soak, what, before, delay / 2) if saving else _outlives(process, delay)
        if not alive:
            print(f"the run was over before the next kill: {log.read_text(encoding='utf-8')[-300:]}")
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        done = max(done, _step(log) / steps)
        hit = soak.temporary_files() - before
        inside += bool(hit)
        table.add(
            kill=kills,
            aimed_at=aims[0],
            seconds=time.perf_counter() - started,
            step_before=_step(log),
            inside_a_save=", ".join(name.split(".")[1] for name in hit),
            model=_state_of(soak.model),
        )
        if hit or not saving:  # a save that was over too soon is aimed at again
            aims.pop(0)
    return kills, inside


def _outlives(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process still runs after ``seconds``."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _await_save(process: subprocess.Popen[bytes], soak: Soak, what: str, before: set[str], seconds: float) -> bool:
    """Wait until the first save of ``what`` after ``seconds`` begins, looking without pause; False if none came."""
    if not _outlives(process, seconds):
        return False
    while process.poll() is None:
        if any(name.startswith(f".{what}.") for name in soak.temporary_files() - before):
            return True
    return False


def _step(log: Path) -> int:
    """The last step that a killed run told of."""
    step = 0
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            step = json.loads(line).get("step", step)
        except ValueError:  # the line it was killed in
            continue
    return step


def _state_of(model: Path) -> str:
    """Whether the model file, if there is one yet, can be read."""
    if not model.exists():
        return "not yet"
    load_bundle(model)
    return "loads"


def compare(left: Path, right: Path) -> list[str]:
    """What differs between two finished runs: arrays bit for bit, settings, metrics without times, samples."""
    differences = []
    bundles = load_bundle(left), load_bundle(right)
    arrays = [bundle.weights for bundle in bundles]
    if arrays[0].keys() != arrays[1].keys():
        differences.append("the names of the arrays")
    for name in arrays[0].keys() & arrays[1].keys():
        if arrays[0][name].tobytes() != arrays[1][name].tobytes():
            most = np.abs(arrays[0][name] - arrays[1][name]).max()
            differences.append(f"array {name}: up to {most:g}")
    if bundles[0].settings != bundles[1].settings or bundles[0].tokenizer.to_json() != bundles[1].tokenizer.to_json():
        differences.append("settings or tokenizer")
    histories = [[each.model_dump(exclude={"seconds"}) for each in bundle.card.history] for bundle in bundles]
    if histories[0] != histories[1]:
        differences.append("the card's history")
    metrics = [_metrics(model) for model in (left, right)]
    if metrics[0] != metrics[1]:
        place = next((at for at, pair in enumerate(zip(*metrics, strict=False)) if pair[0] != pair[1]), "the end")
        differences.append(f"metrics ({len(metrics[0])} and {len(metrics[1])} lines), first at {place}")
    texts = [run(parrotlet("generate", model, "--length", 500, "--seed", 1)) for model in (left, right)]
    if texts[0] != texts[1]:
        differences.append("what they write")
    return differences


def _metrics(model: Path) -> Sequence[dict[str, Any]]:
    """The lines of metrics.jsonl, samples among them, without the fields that tell times."""
    lines = (model.with_suffix(".run") / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if "second" not in key} for line in lines]

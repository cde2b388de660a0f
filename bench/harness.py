"""What the rows share: where the corpora are, and parrotlet run as its users run it."""

import argparse
import json
import math
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bench.table import Table

__all__ = [
    "Table",
    "apart",
    "chosen_for_writing",
    "data_folder",
    "event",
    "median_seconds",
    "parrotlet",
    "run",
    "score",
    "small_model",
    "speed",
    "train",
    "use_utf8",
]


def chosen_for_writing(
    row: str, about: str | None, arguments: Sequence[str], minutes: float, **numbers: float
) -> argparse.Namespace:
    """The options of a row that trains for some minutes and judges what the model writes.

    ``numbers``: further options and what they are without. ``keep`` is a folder, made here.
    """
    parser = argparse.ArgumentParser(prog=f"python -m bench {row}", description=about)
    for name, usual in {"minutes": minutes, **numbers}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(usual), default=usual)
    parser.add_argument("--keep", help="a folder for what was written")
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    chosen = parser.parse_args(arguments)
    use_utf8()
    if chosen.keep:
        Path(chosen.keep).mkdir(parents=True, exist_ok=True)
    chosen.minutes = 0.1 if chosen.quick else chosen.minutes
    return chosen


def data_folder() -> Path:
    """The folder of real corpora that PARROTLET_DATA names."""
    folder = os.environ.get("PARROTLET_DATA")
    if not folder or not Path(folder).is_dir():
        sys.exit("this row needs real corpora: set PARROTLET_DATA to the folder that holds them")
    return Path(folder)


def parrotlet(*arguments: object) -> list[str]:
    """The command line of parrotlet: the script beside this Python, or the module where it is not installed."""
    script = shutil.which("parrotlet", path=str(Path(sys.executable).parent))
    return [*([script] if script else [sys.executable, "-m", "parrotlet"]), *map(str, arguments)]


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """What a command prints, run in ``folder``; a command that fails ends the row with its last line."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["(nothing printed)"]
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}: {lines[-1]}")
    return done.stdout


def train(source: str | Path, model: Path, *options: object) -> tuple[float, list[dict[str, Any]]]:
    """Run ``parrotlet train --json``; the wall clock of the whole command in seconds, and its events."""
    start = time.perf_counter()
    printed = run(parrotlet("train", source, "-o", model, *options, "--json"))
    seconds = time.perf_counter() - start
    return seconds, [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def score(model: Path, source: Path, *options: object) -> dict[str, Any]:
    """Run ``parrotlet score --json``; its one object, with the bits per token added."""
    scored: dict[str, Any] = json.loads(run(parrotlet("score", model, source, *options, "--json")))
    scored["bits_per_token"] = scored["nats_per_token"] / math.log(2)
    return scored


def event(events: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """The last event of a name."""
    return next(each for each in reversed(events) if each["event"] == name)


def speed(events: Sequence[dict[str, Any]]) -> float:
    """Characters a second that a run learned from: the median of what its second half tells of."""
    told = [each["characters_per_second"] for each in events if each["event"] == "step"]
    if not told:
        raise RuntimeError("the run was over before it told of its speed: give it more --seconds")
    return statistics.median(told[len(told) // 2 :])


Arguments, Result = ParamSpec("Arguments"), TypeVar("Result")


def apart(function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
    """What a function returns in a process of its own, which begins with nothing that another left behind."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments, **named).result()


def median_seconds(action: Callable[[], object], times: int) -> float:
    """The median wall clock of ``action`` in seconds, after one run that warms the caches."""
    action()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def use_utf8() -> None:
    """Let samples in any script be printed, whatever the console's own encoding."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def small_model(folder: Path, steps: int) -> Path:
    """The lessons' network, one LSTM of 128 units, trained for a moment.

    Its text: nietzsche in lower case (57 symbols) where PARROTLET_DATA holds it, else the embedded manual.
    """
    text = Path(os.environ.get("PARROTLET_DATA", ".")) / "nietzsche" / "nietzsche.txt"
    model = folder / "small.safetensors"
    source = text if text.is_file() else "manual"
    train(source, model, "--lowercase", "--hidden", 128, "--steps", steps)
    return model

"""What the rows share: where the corpora are, parrotlet run as its users run it, and tables that grow row by row."""

import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


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


def run(command: Sequence[str]) -> str:
    """What a command prints; a command that fails ends the row with its last line."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
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


def median_seconds(action: Callable[[], object], times: int) -> float:
    """The median wall clock of ``action`` in seconds, after one run that warms the caches."""
    action()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def machine() -> str:
    """One line on where figures were measured, and whether the machine was quiet."""
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {python}{load}"


class Table:
    """Rows printed as they are measured, in Markdown; at the end once more as one line of JSON."""

    def __init__(self, *columns: str) -> None:
        self.columns, self.records = columns, list[dict[str, Any]]()
        print(machine() + "\n", flush=True)
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns), flush=True)

    def add(self, **record: Any) -> None:
        """One row; values beyond the columns (their names with blanks for underscores) appear in the JSON alone."""
        self.records.append(record)
        cells = [_cell(record.get(column.replace(" ", "_"), "")) for column in self.columns]
        print("| " + " | ".join(cells) + " |", flush=True)

    def finish(self) -> None:
        print("\n" + json.dumps(self.records, ensure_ascii=False))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


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

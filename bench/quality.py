"""Long texts come in; parrotlet's held-out bits per character go out beside the plain prototype's, in the same run."""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Table, data_folder, event, score, train, use_utf8
from bench.held_out import divide

GEMM = """
import time, torch
for kind in (torch.float32, torch.bfloat16):
    left = torch.ones(1024, 1024, dtype=kind)
    times = []
    for _ in range(8):
        start = time.perf_counter(); left @ left; times.append(time.perf_counter() - start)
    print(2 * 1024**3 / min(times) / 1e9)
"""


@dataclass(frozen=True)
class Trial:
    """One text, its budget, and the most bits per character that are wanted (None: 3 % above the prototype)."""

    path: str
    minutes: float
    lower: bool = False
    most: float | None = None


TRIALS: dict[str, Trial] = {
    "nietzsche-1": Trial("nietzsche/nietzsche.txt", 1, lower=True, most=2.08),
    "nietzsche-2": Trial("nietzsche/nietzsche.txt", 2, lower=True, most=1.98),
    "tinyshakespeare-3": Trial("tinyshakespeare/input.txt", 3, most=1.51 / math.log(2)),
    "onegin-1": Trial("russian/onegin.txt", 1),
    "moby_dick-1": Trial("moby_dick/moby_dick.txt", 1),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench quality", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TRIAL", help=f"{', '.join(TRIALS)} (all)")
    parser.add_argument(
        "--hidden", type=int, nargs="*", default=[256, 384, 512], help="sizes of the prototype, or none"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds each, one small prototype")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - TRIALS.keys():
        parser.error(f"unknown trial {', '.join(sorted(unknown))}: choose from {', '.join(TRIALS)}")
    use_utf8()
    data = data_folder()
    table = Table("trial", "system", "hidden", "bits", "nats", "wanted", "met", "epochs", "seconds", "f32", "bf16")
    for name in chosen.names or TRIALS:
        trial = TRIALS[name]
        seconds = 8.0 if chosen.quick else 60 * trial.minutes
        sizes = [64] if chosen.quick else chosen.hidden
        if not sizes and trial.most is None:
            parser.error(f"{name} is measured by the prototype: give --hidden a size")
        runs = [_prototype(table, name, trial, data / trial.path, size, seconds) for size in sizes]
        best = min(runs, default=math.nan)
        _parrotlet(table, name, trial, data / trial.path, seconds, best)
    table.finish()
    print("\nf32 and bf16: GFLOP/s of a matrix product just before, which tells how quiet the machine was")
    return 0


def calibration() -> dict[str, float]:
    """GFLOP/s of a large matrix product, in a process of its own."""
    printed = subprocess.run([sys.executable, "-c", GEMM], capture_output=True, text=True, check=True).stdout
    return dict(zip(("f32", "bf16"), map(float, printed.split()), strict=True))


def _prototype(table: Table, name: str, trial: Trial, file: Path, hidden: int, seconds: float) -> float:
    """One run of the prototype; its bits per character."""
    speed = calibration()
    command = [sys.executable, "-m", "bench.prototype", str(file), "--seconds", str(seconds), "--hidden", str(hidden)]
    printed = subprocess.run([*command, *["--lower"] * trial.lower], capture_output=True, text=True, check=True).stdout
    record: dict[str, Any] = json.loads(printed)
    table.add(trial=name, system="prototype", **record, **speed)
    return float(record["bits"])


def _parrotlet(table: Table, name: str, trial: Trial, file: Path, seconds: float, best: float) -> None:
    """One run of parrotlet, with no setting but the minutes: trained on nine tenths, scored once on the last."""
    speed = calibration()
    with tempfile.TemporaryDirectory() as folder:
        train_file, held_out = divide(file, "text", (), Path(folder))
        model = Path(folder) / "model.safetensors"
        options = ["--lowercase"] * trial.lower
        taken, events = train(train_file, model, "--minutes", seconds / 60, *options)
        scored = score(model, held_out)
    bits, wanted = scored["bits_per_character"], trial.most or 1.03 * best
    network = event(events, "started")["settings"]["network"]
    table.add(
        trial=name,
        system="parrotlet",
        hidden=network["hidden"],
        bits=bits,
        nats=bits * math.log(2),
        wanted=wanted,
        met=bits <= wanted,
        epochs=event(events, "done")["epoch"],
        seconds=taken,
        validation=event(events, "done")["validation"],
        ratio_to_prototype=bits / best,
        network=network,
        **speed,
    )

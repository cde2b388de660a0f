"""Nietzsche in lower case comes in; how many targets a second parrotlet learns from, beside its peers, goes out.

The lesson's network (one LSTM of 128 units) learns from every letter, as parrotlet usually does, and from one letter
per window, as the Keras lesson's script does; then one LSTM of 512 units, in operations per second.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.calibration import REFERENCE, calibration
from bench.environments import python_of
from bench.harness import Table, data_folder, event, run, score, speed, train, use_utf8
from bench.held_out import divide

WINDOW = 60  # of the lesson's script
KERAS, EVERY, WINDOWED, LARGE = "Keras script", "parrotlet", "parrotlet, windows", "parrotlet, 512 units"
# As the lesson's network is typed; batch, window, rate and arithmetic are parrotlet's own choice.
OPTIONS: dict[str, tuple[object, ...]] = {
    EVERY: ("--lowercase", "--hidden", 128, "--set", "network.input=one-hot"),
    "parrotlet, learned input": ("--lowercase", "--hidden", 128),
    WINDOWED: ("--recipe", "nietzsche", "--set", f"network.context={WINDOW}", "--set", "training.batch=2048"),
    LARGE: ("--lowercase", "--hidden", 512),
}
PLAIN = {
    "plain torch, float32": ("--hidden", 128, "--precision", "float32"),
    "plain torch, bfloat16": ("--hidden", 128),
    "plain torch, 512 units": ("--hidden", 512),
}
START = 4  # seconds that Python and torch take to start, at most
LEARNT = 0.95  # of the bits that the frequencies of the letters alone give, at most
SHAPE = (64, 64)  # batch and window of plain torch, as parrotlet's planner chooses for this text


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench training", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="how often, each system in turn; medians are shown")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="6 seconds each, once")
    chosen = parser.parse_args(arguments)
    times, seconds = (1, 6.0) if chosen.quick else (chosen.times, chosen.seconds)
    use_utf8()
    text = data_folder() / "nietzsche" / "nietzsche.txt"
    systems: dict[str, Callable[[], dict[str, Any]]] = {KERAS: lambda: keras(text, "--seconds", seconds)}
    systems |= {name: lambda name=name: plain(text, name, seconds) for name in PLAIN}
    systems |= {name: lambda name=name: ours(text, name, seconds) for name in OPTIONS}
    table = Table(
        "system", "targets per second", "slowest", "fastest", "GFLOP/s", "with optimizer", "bits per char", "learnt"
    )
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
    for _ in range(times):
        for name, measure in systems.items():
            found[name].append(measure())
    most = LEARNT * letter_bits(text)
    for name, records in found.items():
        table.add(**_row(name, records, most))
    _conclude(table)
    table.finish(
        "targets per second: the median of the runs; of parrotlet from the Step events of the second half of a run",
        "GFLOP/s: recurrent products and output layer, forward and backward; the input layer is counted as a table; "
        "with optimizer: and Muon's products of the recurrent matrix",
        f"learnt: below {most:.2f} bits, {LEARNT:.0%} of what the frequencies of the letters need, after these seconds",
    )
    return 0 if chosen.quick or all(record["learnt"] for record in table.records) else 1


def keras(text: Path, *options: object, backend: str = "tensorflow") -> dict[str, Any]:
    """The Keras script in its own environment; tensorflow is its fastest backend on a CPU (``bench peers keras``)."""
    script = Path(__file__).parent / "peers" / "keras_lesson.py"
    command = [python_of("keras"), script, text, "--backend", backend, "--window", WINDOW, *options]
    return json.loads(run([*map(str, command)]).splitlines()[-1])


def plain(text: Path, name: str, seconds: float) -> dict[str, Any]:
    """The plain torch LSTM for some seconds, its input multiplied as nn.LSTM does it."""
    options = ("--lower", "--seconds", seconds + START, "--batch", SHAPE[0], "--window", SHAPE[1], *PLAIN[name])
    command = [sys.executable, "-m", "bench.prototype", text, *options]
    return json.loads(run([*map(str, command)]))


def ours(text: Path, name: str, seconds: float) -> dict[str, Any]:
    """``parrotlet train`` for some seconds of learning: its speed, and its bits on the last tenth."""
    with tempfile.TemporaryDirectory() as folder:
        train_file, held_out = divide(text, "text", (), Path(folder))
        model = Path(folder) / "model.safetensors"
        _, events = train(train_file, model, "--minutes", (seconds + START) / 60, *OPTIONS[name])
        bits = score(model, held_out)["bits_per_character"]
    started = event(events, "started")
    names = ("batch", "window", "precision", "optimizer")
    chosen = {name: started["settings"]["training"][name] for name in names}
    network = started["settings"]["network"]
    return {
        "targets_per_second": speed(events),
        "bits": bits,
        "hidden": network["hidden"],
        "vocabulary": started["vocabulary"],
        "chosen": chosen,
    }


def _row(name: str, records: list[dict[str, Any]], most: float) -> dict[str, Any]:
    speeds = [record["targets_per_second"] for record in records]
    bits = statistics.median(record["bits"] for record in records)
    median, last = statistics.median(speeds), records[-1]
    row = {"system": name, "targets_per_second": median, "slowest": min(speeds), "fastest": max(speeds)}
    if "hidden" in last and name != WINDOWED:
        row["GFLOP/s"] = row["with_optimizer"] = median * operations(last["hidden"], last.get("vocabulary", 57)) / 1e9
        if last.get("chosen", {}).get("optimizer") == "muon":
            at_once = last["chosen"]["batch"] * last["chosen"]["window"]
            row["with_optimizer"] += median * turning(last["hidden"]) / at_once / 1e9
    return row | {"bits_per_char": bits, "learnt": bits < most, "chosen": last.get("chosen")}


def operations(hidden: int, vocabulary: int) -> int:
    """For each target: 2 a weight forward and 4 backward, in an LSTM's recurrent product and the output layer."""
    return 6 * (4 * hidden * hidden + hidden * vocabulary)


def turning(hidden: int) -> int:
    """Muon's for each step: of the recurrent matrix of each gate, three products in every iteration."""
    from parrotlet.learning.optimizers import ITERATIONS  # it loads torch

    return ITERATIONS * 4 * 3 * 2 * hidden**3


def letter_bits(text: Path) -> float:
    """Bits per character of a model that knows the frequencies of the letters and nothing else."""
    counts = Counter(text.read_text(encoding="utf-8").lower())
    return -sum(count * math.log2(count / counts.total()) for count in counts.values()) / counts.total()


def _conclude(table: Table) -> None:
    speeds = {record["system"]: record["targets_per_second"] for record in table.records}
    operated = {record["system"]: record.get("GFLOP/s", math.nan) for record in table.records}
    all_operated = {record["system"]: record.get("with_optimizer", math.nan) for record in table.records}

    def ratio(what: str, name: str, peer: str, **wanted: Any) -> None:
        figures = {"beside": speeds[peer], "ratio": speeds[name] / speeds[peer]}
        table.find(what, speeds[name], "targets/s", peer=peer, of="ratio", **figures, **wanted)

    ratio("training the lesson's network, loss on every step", EVERY, KERAS, goal=200, least=100)
    ratio("training it with one target per window", WINDOWED, KERAS, goal=20, least=8)
    ratio("training the lesson's network", EVERY, max(list(PLAIN)[:2], key=lambda name: speeds[name]))
    peak, whole = calibration()["bfloat16"], REFERENCE["bfloat16"]
    table.find(
        "training 512 units",
        all_operated[LARGE],
        "GFLOP/s",
        peer="plain torch, 512 units",
        beside=operated["plain torch, 512 units"],
        ratio=operated[LARGE] / operated["plain torch, 512 units"],
        goal=600,
        least=500,
        remark=f"all multiplications that are done: {operated[LARGE]:.0f} GFLOP/s are the network's own, the others "
        f"Muon's; {all_operated[LARGE] / peak:.0%} of what large products reach in bfloat16 ({peak:.0f} GFLOP/s); the "
        f"goal is {600 / whole:.0%}, the least {500 / whole:.0%} of the {whole:.0f} that it was set on",
    )

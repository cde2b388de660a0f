"""Long texts come in; parrotlet's held-out figures go out beside those of its peers, after the same minutes.

Each learns from the first nine tenths and is scored once on the last: with the state carried over all of it, and in
windows that each begin from nothing, which is all that a transformer can do.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.calibration import calibration
from bench.harness import Table, data_folder, event, run, score, train, use_utf8
from bench.held_out import divide
from bench.windows import model_nats

WINDOWS = (64, 256)
CARRIED, WINDOWED = "nats", "nats_256"


@dataclass(frozen=True)
class Trial:
    """One text and its budget; ``wanted``: of a figure in nats, the goal and the least that counts as done."""

    path: str
    minutes: float
    lower: bool = False
    wanted: dict[str, tuple[float, float]] = field(default_factory=dict)


def _bits(most: float) -> dict[str, tuple[float, float]]:
    return {CARRIED: (most * math.log(2), most * math.log(2))}


SHAKESPEARE = "tinyshakespeare/input.txt"
TRIALS: dict[str, Trial] = {
    "nietzsche-1": Trial("nietzsche/nietzsche.txt", 1, lower=True, wanted=_bits(2.08)),
    "nietzsche-2": Trial("nietzsche/nietzsche.txt", 2, lower=True, wanted=_bits(1.98)),
    "tinyshakespeare-1": Trial(SHAKESPEARE, 1, wanted={CARRIED: (1.53, 1.57)}),
    "tinyshakespeare-3": Trial(SHAKESPEARE, 3, wanted={CARRIED: (1.44, 1.475), WINDOWED: (1.4697, 1.505)}),
    "tinyshakespeare-15": Trial(SHAKESPEARE, 15, wanted={CARRIED: (1.385, 1.42), WINDOWED: (1.41, 1.45)}),
    "onegin-1": Trial("russian/onegin.txt", 1),
    "moby_dick-1": Trial("moby_dick/moby_dick.txt", 1),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench quality", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TRIAL", help=f"{', '.join(TRIALS)} (all)")
    parser.add_argument("--hidden", type=int, nargs="*", default=[512], help="sizes of the prototype, or none")
    parser.add_argument("--transformer", type=int, nargs="*", default=[], help="contexts of the transformer, or none")
    parser.add_argument("--seeds", type=int, default=1, help="of parrotlet; the median counts")
    parser.add_argument(
        "--more", action="store_true", help="keep what was recorded on such a machine; other seeds only"
    )
    parser.add_argument("--quick", action="store_true", help="ten seconds each, one small prototype")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - TRIALS.keys():
        parser.error(f"unknown trial {', '.join(sorted(unknown))}: choose from {', '.join(TRIALS)}")
    use_utf8()
    data = data_folder()
    for name in chosen.names or TRIALS:
        trial, hidden = TRIALS[name], [64] if chosen.quick else chosen.hidden
        seconds = 10.0 if chosen.quick else 60 * trial.minutes
        columns = ("nats", "bits", "nats 64", "nats 256", "epochs", "seconds", "float32", "bfloat16")
        table = Table("system", "hidden", "seed", *columns, title=name)
        earlier = table.take_over() if chosen.more else []
        for size in hidden:
            _peer(table, "prototype", data / trial.path, trial, seconds, "bench.prototype", "--hidden", size)
        for context in chosen.transformer:
            system, module = f"transformer, context {context}", "bench.peers.transformer"
            _peer(table, system, data / trial.path, trial, seconds, module, "--context", context)
        measured = {record.get("seed") for record in earlier if record["system"] == "parrotlet"}
        for seed in sorted(set(range(1 if chosen.quick else chosen.seeds)) - measured):
            _parrotlet(table, data / trial.path, trial, seconds, seed)
        _conclude(table, name, trial)
        table.finish(
            "nats: per character of the last tenth, the state carried; nats 64 and nats 256: in windows that begin "
            "from nothing; float32 and bfloat16: GFLOP/s of a matrix product just before"
        )
    return 0


def _peer(table: Table, system: str, file: Path, trial: Trial, seconds: float, module: str, *options: object) -> None:
    """One run of a peer, in a process of its own."""
    speed = calibration()
    command = [sys.executable, "-m", module, file, "--seconds", seconds, *options, *["--lower"] * trial.lower]
    record = json.loads(run([*map(str, command)]))
    table.add(system=system, **record, **{kind: speed[kind] for kind in ("float32", "bfloat16")})


def _parrotlet(table: Table, file: Path, trial: Trial, seconds: float, seed: int) -> None:
    """One run of parrotlet, with no setting but the minutes and the seed."""
    speed = calibration()
    with tempfile.TemporaryDirectory() as folder:
        train_file, held_out = divide(file, "text", (), Path(folder))
        model = Path(folder) / "model.safetensors"
        options = ("--minutes", seconds / 60, "--seed", seed, *["--lowercase"] * trial.lower)
        taken, events = train(train_file, model, *options)
        bits = score(model, held_out)["bits_per_character"]
        windowed = {f"nats_{window}": model_nats(model, held_out, window) for window in WINDOWS}
    settings = event(events, "started")["settings"]
    table.add(
        system="parrotlet",
        hidden=settings["network"]["hidden"],
        seed=seed,
        nats=bits * math.log(2),
        bits=bits,
        **windowed,
        epochs=event(events, "done")["epoch"],
        seconds=taken,
        float32=speed["float32"],
        bfloat16=speed["bfloat16"],
        validation=event(events, "done")["validation"],
        network=settings["network"],
    )


def _conclude(table: Table, name: str, trial: Trial) -> None:
    """Each figure's median over the seeds, beside the best peer's."""
    for figure, what in ((CARRIED, "state carried"), (WINDOWED, "in windows of 256")):
        ours, theirs = (_figures(table.records, figure, own) for own in (True, False))
        median = statistics.median(each for each, _ in ours)
        best, peer = min(theirs, default=(None, ""))
        wanted = trial.wanted.get(figure, (None, None))
        table.find(
            f"{name.rpartition('-')[0]} after {trial.minutes:g} min, {what}",
            median,
            "nats",
            peer=peer,
            beside=best,
            ratio=None if best is None else median / best,
            goal=wanted[0],
            least=wanted[1],
        )


def _figures(records: Sequence[dict[str, Any]], figure: str, own: bool) -> list[tuple[float, str]]:
    """What parrotlet, or its peers, reached, each with its name."""
    named = [(record, record["system"]) for record in records if (record["system"] == "parrotlet") == own]
    return [(record[figure], system) for record, system in named if figure in record]

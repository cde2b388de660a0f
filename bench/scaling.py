"""Growing texts, networks and numbers of texts come in; how time and memory grow with them goes out, with a picture.

Every point is a command in a process of its own, run once in each of some rounds: of its times the least counts, since
neighbours of the machine that disturb one round seldom disturb all; ``--more`` adds rounds to those that were recorded.
Where the cost should be proportional to the size, the slope of its logarithm over that of the size is 1; where it
should not depend on the size, 0.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.harness import Table, event, parrotlet, speed, use_utf8
from bench.large import peak_memory, write_large
from bench.scaling_picture import draw

SIZES = (1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9)  # bytes of text
LEARNING_HIDDEN = (64, 128, 256, 512, 768, 1024, 1536)  # units
WRITING_HIDDEN = (*LEARNING_HIDDEN, 2048, 3072, 4096, 5120, 6144)
STREAMS = (1, 4, 16, 64, 256, 512, 1024, 2048)
TINY = 400_000  # bytes of text, whose reading takes next to nothing, and whose windows are already those of long texts
LEARNED = 10_000_000  # bytes of text that networks learn from: reading it takes little of their seconds
LINE = 20_000  # bytes in which a line surely ends
PIECE = 1 << 24  # bytes that are copied at once
SMALLEST = 1e-3  # a cost below which nothing is told apart
STEPS = 20  # of a run on a text of any size
WRITER = 256  # units of the network that writes many texts
LENGTH = 2000  # characters of each of them
MULTIPLIED = 3e9  # weights, in one measurement of writing
QUIET = ("--set", "training.batch=64", "--set", "training.evaluations=1", "--set", "training.sample_length=0", "--json")
ADAMW = ("--set", "training.optimizer=adamw")
WANTED = {1: (0.9, 1.1), 0: (-0.05, 0.05)}  # between these the slope of 1 or 0 should lie

Points = list[tuple[float, float]]  # size and cost


@dataclass(frozen=True)
class Sweep:
    """What a cost should do as a size grows: its ``slope`` from ``begins`` on; None where nothing is expected.

    ``of``: which of the rounds counts.
    """

    what: str
    size: str
    unit: str
    slope: int | None = None
    begins: float = 0.0
    of: Callable[[Iterable[float]], float] = min

    def judged(self, points: Points) -> Points:
        """Those where it should be so; in a picture of small sizes there may be none."""
        return [(size, cost) for size, cost in points if size >= 0.99 * self.begins]


READING = Sweep("reading a text, with 20 steps", "bytes of text", "s", slope=1, begins=3e7)
# Muon turns a matrix of H × H by products of it with itself, which grow like H³: only what AdamW does is proportional.
LEARNING = Sweep("learning", "weights", "µs/character")
LEARNING_ADAMW = Sweep("learning with AdamW", "weights", "µs/character", slope=1, begins=1e6)
# Each letter reads all weights, and caches are faster than memory: these weights fill a cache of 32 MB four times.
WRITING = Sweep("writing one text", "weights", "µs/character", slope=1, begins=3.3e7)
STREAMING = Sweep("writing many texts", "texts", "s", slope=1, begins=256)
READING_MEMORY = Sweep("memory while reading", "bytes of text", "MB", slope=0, of=max)
LEARNING_MEMORY = Sweep("memory while learning", "weights", "MB", of=max)
STREAMING_MEMORY = Sweep("memory while writing", "texts", "MB", of=max)
SWEEPS = (READING, LEARNING, LEARNING_ADAMW, WRITING, STREAMING, READING_MEMORY, LEARNING_MEMORY, STREAMING_MEMORY)
PARTS = ("texts", "learning", "writing", "streams")


@dataclass(frozen=True)
class Measured:
    """A ``cost`` at a ``size``, and that of ``nothing``: of the same command with next to nothing to do."""

    sweep: Sweep
    size: float
    cost: float
    nothing: float = 0.0

    @property
    def net(self) -> float:
        """What the size costs; never below what a picture of logarithms can show."""
        return max(self.cost - self.nothing, SMALLEST)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--source", default="manual", help="a file or a named corpus, repeated with changes")
    parser.add_argument("--seconds", type=float, default=10, help="that a network of each size learns [10]")
    parser.add_argument("--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--more", action="store_true", help="the rounds that were recorded on such a machine count too")
    parser.add_argument("--folder", help="where texts are written (three times the largest is needed)")
    parser.add_argument("--picture", type=Path, default=Path(__file__).parent / "scaling.png")
    parser.add_argument("--quick", action="store_true", help="three small sizes each, once")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    if os.name == "nt":
        parser.error("this row asks the system for a process's peak memory in a way that Windows does not have")
    if chosen.quick:
        chosen.picture, chosen.rounds = Path(__file__).parent.parent / ".bench" / "scaling.png", 1
    use_utf8()
    sweeps = (SIZES, LEARNING_HIDDEN, WRITING_HIDDEN, STREAMS)
    sizes, hidden, larger, streams = (each[:3] if chosen.quick else each for each in sweeps)
    table = Table("of", "size", "counted in", "cost", "unit")
    rounds = [_recorded(record) for record in table.earlier()] if chosen.more else []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        text = folder / "text.txt"
        write_large(text, chosen.source, int(sizes[-1]))
        measures = {
            "texts": lambda: _texts(text, sizes),
            "learning": lambda: _learning(text, hidden, chosen.seconds),
            "writing": lambda: _writing(text, larger),
            "streams": lambda: _streams(text, streams),
        }
        for _ in range(chosen.rounds):
            for part in chosen.parts or PARTS:
                rounds += measures[part]()
    found = gathered(rounds)
    for sweep, points in found.items():
        for least in points:
            cost = {"cost": least.net, "whole": least.cost, "nothing": least.nothing}
            table.add(of=sweep.what, size=least.size, counted_in=sweep.size, unit=sweep.unit, **cost)
    curves = {sweep: [(least.size, least.net) for least in points] for sweep, points in found.items()}
    slopes = {sweep: _slope(sweep.judged(curve)) for sweep, curve in curves.items() if len(sweep.judged(curve)) > 1}
    for sweep, slope in slopes.items():
        wanted = {} if sweep.slope is None else dict(zip(("goal", "least"), WANTED[sweep.slope], strict=True))
        table.find(f"{sweep.what}: {sweep.unit} over {sweep.size}", slope, "slope", of="between", **wanted)
    draw(chosen.picture, curves, slopes)
    table.finish(
        "seconds and µs: of a command, less those of the same command with next to nothing to do; slopes: over the "
        "sizes from which the cost should be proportional, over all where it should be flat",
        f"![time and memory against the sizes of text and network and the number of texts]({chosen.picture.name})",
    )
    return 0


def gathered(rounds: Sequence[Measured]) -> dict[Sweep, list[Measured]]:
    """Of each sweep and size what counts of its rounds; sweeps and sizes as they came first."""
    points: dict[tuple[Sweep, float], list[Measured]] = {}
    for each in rounds:
        points.setdefault((each.sweep, each.size), []).append(each)
    found: dict[Sweep, list[Measured]] = {}
    for (sweep, size), times in points.items():
        cost, nothing = sweep.of(each.cost for each in times), sweep.of(each.nothing for each in times)
        found.setdefault(sweep, []).append(Measured(sweep, size, cost, nothing))
    return found


def _recorded(record: dict[str, Any]) -> Measured:
    sweep = next(each for each in SWEEPS if each.what == record["of"])
    return Measured(sweep, record["size"], record["whole"], record["nothing"])


def _texts(text: Path, sizes: Sequence[float]) -> Iterator[Measured]:
    """A short run on the beginning of the text, each beside one on next to nothing."""
    part, model = text.with_name("part.txt"), text.with_name("read.safetensors")
    command = parrotlet("train", part, "-o", model, "--hidden", 64, "--steps", STEPS, *QUIET)
    beside = []
    for size in sizes:
        _copy(text, part, TINY)
        beside.append(_cost(command, text.parent)[0])
        _copy(text, part, int(size))
        seconds, megabytes = _cost(command, text.parent)
        yield Measured(READING, size, seconds, min(beside))
        yield Measured(READING_MEMORY, size, megabytes)


def _learning(text: Path, hidden: Sequence[int], seconds: float) -> Iterator[Measured]:
    """Networks of growing size learn for some seconds, with Muon and with AdamW."""
    part = text.with_name("part.txt")
    _copy(text, part, LEARNED)
    for units in hidden:
        budget = ("--hidden", units, "--minutes", seconds / 60)
        events, megabytes = _trained(part, "muon.safetensors", *budget)
        weights = event(events, "started")["parameters"]
        yield Measured(LEARNING, weights, 1e6 / speed(events))
        yield Measured(LEARNING_MEMORY, weights, megabytes)
        events, _ = _trained(part, "adamw.safetensors", *budget, *ADAMW)
        yield Measured(LEARNING_ADAMW, weights, 1e6 / speed(events))


def _trained(text: Path, name: str, *options: object) -> tuple[list[dict[str, Any]], float]:
    """The events of a run, and its peak memory in megabytes."""
    _, megabytes = _cost(parrotlet("train", text, "-o", text.with_name(name), *options, *QUIET), text.parent)
    printed = (text.parent / "log.txt").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in printed if line.startswith("{")], megabytes


@cache
def _made(text: Path, units: int) -> tuple[Path, int]:
    """A network that learned next to nothing, made once for all rounds; how many weights it has."""
    name = f"{units}.safetensors"
    events, _ = _trained(text, name, "--hidden", units, "--steps", 1, *ADAMW)  # a step of which is soon made
    return text.with_name(name), event(events, "started")["parameters"]


def _writing(text: Path, hidden: Sequence[int]) -> Iterator[Measured]:
    """Networks of growing size write one text."""
    for units in hidden:
        model, weights = _made(text, units)
        length = round(min(200_000, max(200, MULTIPLIED / weights)))
        (whole, _), (nothing, _) = _written(model, 1, length)
        yield Measured(WRITING, weights, 1e6 * whole / length, 1e6 * nothing / length)


def _streams(text: Path, streams: Sequence[int]) -> Iterator[Measured]:
    """One network writes more and more texts."""
    model, _ = _made(text, WRITER)
    for count in streams:
        (seconds, megabytes), (nothing, _) = _written(model, count, LENGTH)
        yield Measured(STREAMING, count, seconds, nothing)
        yield Measured(STREAMING_MEMORY, count, megabytes)


def _written(model: Path, texts: int, length: int) -> list[tuple[float, float]]:
    """Seconds and peak megabytes that ``generate`` takes, and those for one character."""
    commands = (
        parrotlet("generate", model, "-n", count, "--length", characters, "--seed", 1)
        for count, characters in ((texts, length), (1, 1))
    )
    return [_cost(command, model.parent) for command in commands]


def _cost(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a command; what it prints is in ``log.txt``."""
    start = time.perf_counter()
    memory = peak_memory(command, folder / "log.txt")
    return time.perf_counter() - start, memory / 1e6


def _copy(text: Path, part: Path, size: int) -> None:
    """The first ``size`` bytes, up to the end of a line; written to the disk before anything is measured."""
    with text.open("rb") as whole, part.open("w+b") as copy:
        for piece in iter(lambda: whole.read(min(PIECE, size - copy.tell())), b""):
            copy.write(piece)
        start = copy.seek(max(0, copy.tell() - LINE))
        copy.truncate(start + copy.read().rfind(b"\n") + 1)
        os.fsync(copy.fileno())


def _slope(points: Points) -> float:
    """Of the straight line through the logarithms (least squares)."""
    logarithms = [(math.log(size), math.log(cost)) for size, cost in points]
    return statistics.linear_regression(*zip(*logarithms, strict=True)).slope

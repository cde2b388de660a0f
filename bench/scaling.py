"""Growing texts, networks and numbers of texts come in; how time and memory grow with them goes out, with a picture.

Every point is a command in a process of its own, run once in each of some rounds: of its times the least counts, since
neighbours of the machine that disturb one round seldom disturb all. Where the cost should be proportional to the size,
the slope of its logarithm over that of the size is 1; where it should not depend on the size, 0.
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
from pathlib import Path
from typing import Any

from bench.harness import Table, event, parrotlet, speed, use_utf8
from bench.large import peak_memory, write_large
from bench.scaling_picture import draw

SIZES = (1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9)  # bytes of text
HIDDEN = (64, 128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 5120, 6144)
LARGEST_LEARNING = 1536  # units of the largest network that learns; larger ones are only made, and write
STREAMS = (1, 4, 16, 64, 256, 512, 1024, 2048)
TINY = 400_000  # bytes of text, whose reading takes next to nothing, and whose windows are already those of long texts
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


READING = Sweep("reading a text, with 20 steps", "bytes of text", "s", slope=1, begins=1e7)
# Muon turns a matrix of H × H by products of it with itself, which grow like H³: only what AdamW does is proportional.
LEARNING = Sweep("learning", "weights", "µs/character")
LEARNING_ADAMW = Sweep("learning with AdamW", "weights", "µs/character", slope=1, begins=1e6)
# Each letter reads all weights, and caches are faster than memory: these weights fill a cache of 32 MB four times.
WRITING = Sweep("writing one text", "weights", "µs/character", slope=1, begins=3.3e7)
STREAMING = Sweep("writing many texts", "texts", "s", slope=1, begins=256)
READING_MEMORY = Sweep("memory while reading", "bytes of text", "MB", slope=0, of=max)
LEARNING_MEMORY = Sweep("memory while learning", "weights", "MB", of=max)
STREAMING_MEMORY = Sweep("memory while writing", "texts", "MB", of=max)


@dataclass(frozen=True)
class Measured:
    """A ``cost`` at a ``size``, and that of ``nothing``: of the same command with next to nothing to do."""

    sweep: Sweep
    size: float
    cost: float
    nothing: float = 0.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    parser.add_argument("--source", default="manual", help="a file or a named corpus, repeated with changes")
    parser.add_argument("--seconds", type=float, default=10, help="that a network of each size learns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where texts are written (three times the largest is needed)")
    parser.add_argument("--picture", type=Path, default=Path(__file__).parent / "scaling.png")
    parser.add_argument("--quick", action="store_true", help="three small sizes each, once")
    chosen = parser.parse_args(arguments)
    if os.name == "nt":
        parser.error("this row asks the system for a process's peak memory in a way that Windows does not have")
    if chosen.quick:
        chosen.picture, chosen.rounds = Path(__file__).parent.parent / ".bench" / "scaling.png", 1
    use_utf8()
    sizes, hidden, streams = (each[:3] if chosen.quick else each for each in (SIZES, HIDDEN, STREAMS))
    table = Table("of", "size", "counted in", "cost", "unit")
    rounds: list[Measured] = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        text = folder / "text.txt"
        write_large(text, chosen.source, int(sizes[-1]))
        for _ in range(chosen.rounds):
            rounds += _texts(text, sizes)
            rounds += _networks(text, hidden, chosen.seconds)
            rounds += _streams(folder, streams)
    found = gathered(rounds)
    for sweep, points in found.items():
        for size, cost in points:
            table.add(of=sweep.what, size=size, counted_in=sweep.size, cost=cost, unit=sweep.unit)
    slopes = {sweep: _slope(sweep.judged(points)) for sweep, points in found.items() if len(sweep.judged(points)) > 1}
    for sweep, slope in slopes.items():
        wanted = {} if sweep.slope is None else dict(zip(("goal", "least"), WANTED[sweep.slope], strict=True))
        table.find(f"{sweep.what}: {sweep.unit} over {sweep.size}", slope, "slope", of="between", **wanted)
    draw(chosen.picture, found, slopes)
    table.finish(
        "seconds and µs: of a command, less those of the same command with next to nothing to do; slopes: over the "
        "sizes from which the cost should be proportional, over all where it should be flat",
        f"![time and memory against the sizes of text and network and the number of texts]({chosen.picture.name})",
    )
    return 0


def gathered(rounds: Sequence[Measured]) -> dict[Sweep, Points]:
    """The cost of each size beyond that of nothing; sweeps and sizes as they came first."""
    costs: dict[tuple[Sweep, float], list[Measured]] = {}
    for each in rounds:
        costs.setdefault((each.sweep, each.size), []).append(each)
    found: dict[Sweep, Points] = {}
    for (sweep, size), times in costs.items():
        cost = sweep.of(each.cost for each in times) - sweep.of(each.nothing for each in times)
        found.setdefault(sweep, []).append((size, max(cost, SMALLEST)))
    return found


def _texts(text: Path, sizes: Sequence[float]) -> Iterator[Measured]:
    """A short run on the beginning of the text."""
    part, model = text.with_name("part.txt"), text.with_name("read.safetensors")
    command = parrotlet("train", part, "-o", model, "--hidden", 64, "--steps", STEPS, *QUIET)
    costs = {}
    for size in (TINY, *sizes):
        _copy(text, part, int(size))
        costs[size] = _cost(command, text.parent)
    nothing, _ = costs.pop(TINY)
    for size, (seconds, megabytes) in costs.items():
        yield Measured(READING, size, seconds, nothing)
        yield Measured(READING_MEMORY, size, megabytes)


def _networks(text: Path, hidden: Sequence[int], seconds: float) -> Iterator[Measured]:
    """Networks of growing size learn for some seconds, and then write."""
    for units in hidden:
        model = text.with_name(f"{units}.safetensors")
        learns = units <= LARGEST_LEARNING
        budget = ("--minutes", seconds / 60) if learns else ("--steps", 1)
        optimizer = () if learns else ADAMW  # a step of which is soon made
        events, megabytes = _learning(text, model, "--hidden", units, *budget, *optimizer)
        weights = event(events, "started")["parameters"]
        if learns:
            yield Measured(LEARNING, weights, 1e6 / speed(events))
            yield Measured(LEARNING_MEMORY, weights, megabytes)
        length = round(min(200_000, max(200, MULTIPLIED / weights)))
        (whole, _), (nothing, _) = _writing(model, 1, length)
        yield Measured(WRITING, weights, 1e6 * whole / length, 1e6 * nothing / length)
        if learns:
            other = text.with_name("adamw.safetensors")
            events, _ = _learning(text, other, "--hidden", units, *budget, *ADAMW)
            yield Measured(LEARNING_ADAMW, weights, 1e6 / speed(events))


def _learning(text: Path, model: Path, *options: object) -> tuple[list[dict[str, Any]], float]:
    """The events of a run, and its peak memory in megabytes."""
    _, megabytes = _cost(parrotlet("train", text, "-o", model, *options, *QUIET), text.parent)
    printed = (text.parent / "log.txt").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in printed if line.startswith("{")], megabytes


def _streams(folder: Path, streams: Sequence[int]) -> Iterator[Measured]:
    """One network writes more and more texts."""
    for count in streams:
        (seconds, megabytes), (nothing, _) = _writing(folder / f"{WRITER}.safetensors", count, LENGTH)
        yield Measured(STREAMING, count, seconds, nothing)
        yield Measured(STREAMING_MEMORY, count, megabytes)


def _writing(model: Path, texts: int, length: int) -> list[tuple[float, float]]:
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

"""Growing texts, networks and numbers of texts come in; how time and memory grow with them goes out, with a picture.

Every point is a command in a process of its own. Where the cost should be proportional to the size, the slope of its
logarithm over that of the size is 1; where it should not depend on the size, 0.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
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
STEPS = 20  # of a run on a text of any size
WRITER = 256  # units of the network that writes many texts
LENGTH = 2000  # characters of each of them
MULTIPLIED = 3e9  # weights, in one measurement of writing
TIMES = 3  # that a command is run where it takes a moment only: the fastest counts, since it was disturbed least
QUIET = ("--set", "training.batch=64", "--set", "training.evaluations=1", "--set", "training.sample_length=0", "--json")
ADAMW = ("--set", "training.optimizer=adamw")
WANTED = {1: (0.9, 1.1), 0: (-0.05, 0.05)}  # between these the slope of 1 or 0 should lie

Points = list[tuple[float, float]]  # size and cost


@dataclass(frozen=True)
class Sweep:
    """What a cost should do as a size grows: its ``slope`` from ``begins`` on; None where nothing is expected."""

    what: str
    size: str
    unit: str
    slope: int | None = None
    begins: float = 0.0

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
READING_MEMORY = Sweep("memory while reading", "bytes of text", "MB", slope=0)
LEARNING_MEMORY = Sweep("memory while learning", "weights", "MB")
STREAMING_MEMORY = Sweep("memory while writing", "texts", "MB")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    parser.add_argument("--source", default="manual", help="a file or a named corpus, repeated with changes")
    parser.add_argument("--seconds", type=float, default=15, help="that a network of each size learns")
    parser.add_argument("--folder", help="where texts are written (three times the largest is needed)")
    parser.add_argument("--picture", type=Path, default=Path(__file__).parent / "scaling.png")
    parser.add_argument("--quick", action="store_true", help="three small sizes each")
    chosen = parser.parse_args(arguments)
    if os.name == "nt":
        parser.error("this row asks the system for a process's peak memory in a way that Windows does not have")
    if chosen.quick:
        chosen.picture = Path(__file__).parent.parent / ".bench" / "scaling.png"
    use_utf8()
    sizes, hidden, streams = (each[:3] if chosen.quick else each for each in (SIZES, HIDDEN, STREAMS))
    table = Table("of", "size", "counted in", "cost", "unit")
    found: dict[Sweep, Points] = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        text = folder / "text.txt"
        write_large(text, chosen.source, int(sizes[-1]))
        for measured in (_texts(text, sizes), _networks(text, hidden, chosen.seconds), _streams(folder, streams)):
            for sweep, size, cost in measured:
                found.setdefault(sweep, []).append((size, cost))
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


def _texts(text: Path, sizes: Sequence[float]) -> Iterator[tuple[Sweep, float, float]]:
    """A short run on the beginning of the text: the largest first, since what lies behind is cut off."""
    model = text.with_name("read.safetensors")
    command = parrotlet("train", text, "-o", model, "--hidden", 64, "--steps", STEPS, *QUIET)
    found = []
    for size in sorted(sizes, reverse=True):
        _cut(text, int(size))
        costs = [_cost(command, text.parent) for _ in range(TIMES if size < 1e9 else 1)]
        found.append((size, min(cost[0] for cost in costs), max(cost[1] for cost in costs)))
    tiny = text.with_name("tiny.txt")
    with text.open("rb") as file:
        tiny.write_bytes(file.read(TINY).rpartition(b"\n")[0])
    least = parrotlet("train", tiny, "-o", model, "--hidden", 64, "--steps", STEPS, *QUIET)
    nothing = min(_cost(least, text.parent)[0] for _ in range(TIMES))
    for size, seconds, megabytes in reversed(found):
        yield READING, size, max(seconds - nothing, 1e-3)
        yield READING_MEMORY, size, megabytes


def _networks(text: Path, hidden: Sequence[int], seconds: float) -> Iterator[tuple[Sweep, float, float]]:
    """Networks of growing size learn for some seconds, and then write."""
    for units in hidden:
        model = text.with_name(f"{units}.safetensors")
        learns = units <= LARGEST_LEARNING
        budget = ("--minutes", seconds / 60) if learns else ("--steps", 1)
        optimizer = () if learns else ADAMW  # a step of which is soon made
        events, megabytes = _learning(text, model, "--hidden", units, *budget, *optimizer)
        weights = event(events, "started")["parameters"]
        if learns:
            yield LEARNING, weights, 1e6 / speed(events)
            yield LEARNING_MEMORY, weights, megabytes
        length = round(min(200_000, max(200, MULTIPLIED / weights)))
        yield WRITING, weights, 1e6 * _writing(model, 1, length)[0] / length
        if learns:
            other = text.with_name("adamw.safetensors")
            events, _ = _learning(text, other, "--hidden", units, *budget, *ADAMW)
            yield LEARNING_ADAMW, weights, 1e6 / speed(events)


def _learning(text: Path, model: Path, *options: object) -> tuple[list[dict[str, Any]], float]:
    """The events of a run, and its peak memory in megabytes."""
    _, megabytes = _cost(parrotlet("train", text, "-o", model, *options, *QUIET), text.parent)
    printed = (text.parent / "log.txt").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in printed if line.startswith("{")], megabytes


def _streams(folder: Path, streams: Sequence[int]) -> Iterator[tuple[Sweep, float, float]]:
    """One network writes more and more texts."""
    for count in streams:
        seconds, megabytes = _writing(folder / f"{WRITER}.safetensors", count, LENGTH)
        yield STREAMING, count, seconds
        yield STREAMING_MEMORY, count, megabytes


def _writing(model: Path, texts: int, length: int) -> tuple[float, float]:
    """Seconds that ``generate`` takes more than for one character, and its peak memory in megabytes."""
    commands = [
        parrotlet("generate", model, "-n", count, "--length", characters, "--seed", 1)
        for count, characters in ((texts, length), (1, 1))
    ]
    costs = [[_cost(command, model.parent) for _ in range(TIMES)] for command in commands]
    whole, nothing = (min(seconds for seconds, _ in each) for each in costs)
    return max(whole - nothing, 1e-3), max(megabytes for _, megabytes in costs[0])


def _cost(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a command; what it prints is in ``log.txt``."""
    start = time.perf_counter()
    memory = peak_memory(command, folder / "log.txt")
    return time.perf_counter() - start, memory / 1e6


def _cut(text: Path, size: int) -> None:
    """Leave the first ``size`` bytes, up to the end of a line."""
    with text.open("r+b") as file:
        start = file.seek(max(0, size - LINE))
        file.truncate(start + file.read(size - start).rfind(b"\n") + 1)


def _slope(points: Points) -> float:
    """Of the straight line through the logarithms (least squares)."""
    logarithms = [(math.log(size), math.log(cost)) for size, cost in points]
    return statistics.linear_regression(*zip(*logarithms, strict=True)).slope

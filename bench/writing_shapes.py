"""A text comes in; how fast networks of several shapes write once they have learned it goes out, and at what cost.

Each network is trained for a moment. Each arithmetic is timed through the public generate, and checked: the bits per
character that the held-out end of the text costs, and what was drawn against what the network and the rules state.
"""

import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Table, data_folder, train
from bench.held_out import divide
from parrotlet import Bundle, Writer, load
from parrotlet.runtime import ARITHMETICS, Arithmetic, Runtime, State, Written, open_runtime
from parrotlet.sampling import Rules, distribution

RULES = {"temperature": 0.8, "top_p": 0.95}
MOST_LOST = 0.01  # bits per character, of an arithmetic that counts
LEAST_LIKELY = 1e-4  # of a chi-square, below it what is drawn is not what is stated
SCORED = 60_000  # characters
DRAWN = 64  # rows of a batch that are compared with what was stated
BINS = 64


@dataclass(frozen=True)
class Shape:
    """A network, how much it writes each time, and the goal and least of each arithmetic, in characters a second."""

    hidden: int
    layers: int
    texts: int
    length: int
    wanted: dict[str, tuple[float, float]]


SHAPES = {
    "128": Shape(128, 1, 1, 500_000, {"float32": (300_000, 200_000)}),
    "512": Shape(512, 1, 1, 60_000, {"float32": (16_000, 12_000), "int8": (50_000, 25_000)}),
    "2x512": Shape(512, 2, 1, 25_000, {"float32": (6_000, 5_000), "int8": (15_000, 10_000)}),
    "streams": Shape(512, 1, 256, 1_000, {"int8": (250_000, 80_000)}),
}


def shapes(names: list[str], minutes: float, times: int, quick: bool) -> int:
    """The table of these shapes; 1 where one arithmetic loses too much or draws what it should not."""
    table = Table(
        "network", "texts", "arithmetic", "chars per second", "slowest", "fastest", "bits per char", "lost", "p",
        "ms to load", title="shapes",
    )  # fmt: skip
    right = True
    with tempfile.TemporaryDirectory() as folder:
        source = data_folder() / "nietzsche" / "nietzsche.txt"
        learned, held_out = divide(source, "text", (), Path(folder))
        text = held_out.read_text(encoding="utf-8")[:SCORED]
        models: dict[tuple[int, int], Path] = {}
        for name in names:
            shape = SHAPES[name]
            model = models.setdefault(
                (shape.hidden, shape.layers), Path(folder) / f"{shape.layers}x{shape.hidden}.safetensors"
            )
            if not model.is_file():
                longer = ("--steps", 20) if quick else ("--minutes", minutes)
                train(learned, model, "--lowercase", "--hidden", shape.hidden, "--layers", shape.layers, *longer)
            right &= _measure(table, shape, model, text, times, quick)
    table.finish(
        f"lost: bits per character on {len(text):,} held-out ones, more than in float32 (allowed: {MOST_LOST}); "
        f"p: of the chi-square of what is drawn against what is stated (allowed: from {LEAST_LIKELY:g})"
    )
    return 0 if right else 1


def _measure(table: Table, shape: Shape, model: Path, text: str, times: int, quick: bool) -> bool:
    """Every arithmetic of one shape; whether what each writes is right."""
    right, bits = True, {}
    length = shape.length // 10 if quick else shape.length
    for arithmetic in ARITHMETICS:
        start = time.perf_counter()
        writer = load(model, arithmetic=arithmetic)
        loading = time.perf_counter() - start
        speeds = [_speed(writer, shape.texts, length, seed) for seed in range(times + 1)][1:]
        bits[arithmetic] = writer.score(text, form="text").bits_per_character
        lost = bits[arithmetic] - bits["float32"]
        likely = drawn_as_stated(writer.bundle, arithmetic, shape.texts, min(length, 20_000))
        network, median = writer.settings.network.in_words(), statistics.median(speeds)
        table.add(
            network=network, texts=shape.texts, arithmetic=arithmetic, chars_per_second=median, slowest=min(speeds),
            fastest=max(speeds), bits_per_char=bits[arithmetic], lost=lost, p=likely, ms_to_load=1000 * loading,
        )  # fmt: skip
        fair = lost <= MOST_LOST and likely >= LEAST_LIKELY
        right &= fair
        goal, least = shape.wanted.get(arithmetic, (None, None))
        what = f"writing, {network}, {arithmetic}, {shape.texts} at once"
        remark = "" if fair else "what it writes is not right, so this figure does not count"
        table.find(what, median, "characters/s", goal=goal, least=least, remark=remark)
    return right


def _speed(writer: Writer, texts: int, length: int, seed: int) -> float:
    """Characters per second of one call of the public generate."""
    start = time.perf_counter()
    written = writer.generate(texts, length=length, seed=seed, **RULES)
    return sum(map(len, written)) / (time.perf_counter() - start)


class Recorder:
    """A runtime that remembers what its first ``write`` was given, and what that wrote."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.vocabulary_size = runtime, runtime.vocabulary_size
        self.begin, self.read = runtime.begin, runtime.read
        self.given: tuple[npt.NDArray[np.float32], State, Written, dict[str, Any]] | None = None

    def write(
        self, logits: npt.NDArray[np.float32], state: State, n: int, rules: Rules, *more: Any, **named: Any
    ) -> Written:
        written = self.runtime.write(logits, state, n, rules, *more, **named)
        if self.given is None:
            _, _, _, _, stop, banned = more
            self.given = logits, state, written, {"rules": rules, "stop": stop, "banned": banned}
        return written


def drawn_as_stated(bundle: Bundle, arithmetic: Arithmetic, texts: int, length: int) -> float:
    """The p of a chi-square test: ids drawn by the public generate against the probabilities stated for each place.

    In the order of what is stated, likeliest first, each draw covers a stretch of 0 … 1; a random point of it is
    uniform where what is drawn is as likely as stated (Smith 1985, the randomised probability integral transform).
    """
    recorder = Recorder(
        open_runtime(bundle.settings.network, bundle.weights, len(bundle.tokenizer), "auto", arithmetic)
    )
    Writer(bundle, recorder).generate(texts, length=length, seed=1, **RULES)
    assert recorder.given is not None
    logits, state, written, told = recorder.given
    rows = min(DRAWN, len(logits))
    ids, first = written.ids[:rows], State(state.hidden[:rows])
    after, _ = recorder.read(ids[:, :-1], first)
    stated = np.concatenate([logits[:rows, None], after], axis=1).reshape(ids.size, -1)  # (B * T, V)
    random, points = np.random.default_rng(0), np.empty(ids.size)
    nothing = np.zeros(0, np.int64)
    for place, (one, id) in enumerate(zip(stated, ids.reshape(-1).tolist(), strict=True)):
        chances = distribution(one, told["rules"], nothing, place, list(told["banned"]), told["stop"])
        likelier = float(chances[chances > chances[id]].sum()) + float(chances[:id][chances[:id] == chances[id]].sum())
        points[place] = likelier + float(chances[id]) * random.random() if chances[id] > 0 else math.nan
    if np.isnan(points).any():
        return 0.0  # an id that was not to be drawn at all
    counts = np.bincount(np.minimum((points * BINS).astype(int), BINS - 1), minlength=BINS)
    return chi_square_p(float(((counts - ids.size / BINS) ** 2).sum() / (ids.size / BINS)), BINS - 1)


def chi_square_p(value: float, freedom: int) -> float:
    """How likely so large a chi-square is by chance (Wilson and Hilferty 1931)."""
    variance = 2 / (9 * freedom)
    return math.erfc(((value / freedom) ** (1 / 3) - 1 + variance) / math.sqrt(2 * variance)) / 2

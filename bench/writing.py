"""A network comes in; how many characters it writes per second goes out.

The lessons' network (one LSTM of 128 units) writes through the public generate, beside a plain torch loop. The network
that textgenrnn was published with writes through the runtime, one text at a time and 100 side by side. Of other shapes
every arithmetic is measured, with what it costs (see writing_shapes.py).
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.harness import Table, small_model, use_utf8
from bench.writing_shapes import SHAPES, shapes
from parrotlet import Bundle, Writer, load_bundle
from parrotlet.runtime import PATHS, Runtime, Written, expected_shapes, open_runtime
from parrotlet.sampling import Rules
from parrotlet.settings import NetworkSettings

TEMPERATURE, TOP_P = 0.8, 0.95
WANTED = 8.0
MOST_APART = 0.1  # of the frequencies of symbols in two texts: half the sum of the differences
TEXTGENRNN = NetworkSettings(hidden=128, layers=2, embedding=100, context=40, padded=True, attention=True)
TEXTGENRNN_SYMBOLS = 465
TEXTGENRNN_ITSELF = 37.0  # characters per second of the original, whatever the number of texts
MOST_WRONG = 1e-5  # of the logits of the two paths of the runtime


class PlainLoop:
    """What one writes after the lesson: one step of nn.LSTM, softmax, top-p and a draw, token by token."""

    def __init__(self, bundle: Bundle) -> None:
        weights = {name: torch.from_numpy(array.copy()) for name, array in bundle.weights.items()}
        self.embedding = nn.Embedding.from_pretrained(weights["embedding.weight"])
        self.lstm = nn.LSTM(self.embedding.embedding_dim, bundle.settings.network.hidden, batch_first=True)
        self.lstm.load_state_dict(
            {name.removeprefix("layers.0."): each for name, each in weights.items() if name.startswith("layers.0.")}
        )
        self.output = nn.Linear(bundle.settings.network.hidden, len(bundle.tokenizer))
        self.output.load_state_dict({"weight": weights["output.weight"], "bias": weights["output.bias"]})
        self.tokenizer = bundle.tokenizer

    @torch.inference_mode()
    def write(self, length: int, seed: int) -> str:
        torch.manual_seed(seed)
        token, state, ids = torch.tensor([[self.tokenizer.stop]]), None, []
        for _ in range(length):
            features, state = self.lstm(self.embedding(token), state)  # (1, 1, H)
            probabilities = torch.softmax(self.output(features)[0] / TEMPERATURE, dim=-1)  # (1, V)
            ordered, order = probabilities.sort(descending=True)
            ordered[ordered.cumsum(-1) - ordered >= TOP_P] = 0
            token = order.gather(1, torch.multinomial(ordered, 1))  # (1, 1)
            ids.append(token.item())
        return self.tokenizer.decode(ids)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench writing", description=__doc__)
    parser.add_argument("--network", choices=["lesson", "textgenrnn", "shapes", *SHAPES], default="lesson")
    parser.add_argument("--length", type=int, default=1_000_000, help="characters that parrotlet writes each time")
    parser.add_argument("--plain-length", type=int, default=20_000, help="characters that the plain loop writes")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1, help="of training, for each of the shapes")
    parser.add_argument("--quick", action="store_true", help="short texts, once")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.length, chosen.plain_length, chosen.times = 100_000, 3_000, 1
    use_utf8()
    if chosen.network in ("shapes", *SHAPES):
        names = list(SHAPES) if chosen.network == "shapes" else [chosen.network]
        return shapes(names, chosen.minutes, chosen.times, chosen.quick)
    if chosen.network == "textgenrnn":
        return windowed(chosen.times, 100 if chosen.quick else 1000)
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(small_model(Path(folder), steps=20 if chosen.quick else 300))
    network = bundle.settings.network
    writer, plain = Writer(bundle), PlainLoop(bundle)

    def ours(seed: int) -> str:
        return writer.generate(length=chosen.length, temperature=TEMPERATURE, top_p=TOP_P, seed=seed)[0]

    def theirs(threads: int) -> Callable[[int], str]:
        def write(seed: int) -> str:
            torch.set_num_threads(threads)
            return plain.write(chosen.plain_length, seed)

        return write

    systems = {"parrotlet": ours, "torch, 1 thread": theirs(1), "torch, 2 threads": theirs(2)}
    speeds, texts = _race(systems, chosen.times)
    table = Table("system", "chars per second", "slowest", "fastest", "bits per char")
    for name, values in speeds.items():
        bits = writer.score(texts[name][:50_000], form="text").bits_per_character
        table.add(
            system=name,
            chars_per_second=statistics.median(values),
            slowest=min(values),
            fastest=max(values),
            bits_per_char=bits,
        )
    medians = [record["chars_per_second"] for record in table.records]
    ratio = medians[0] / max(medians[1:])
    apart = distance(texts["parrotlet"], texts["torch, 1 thread"] + texts["torch, 2 threads"])
    table.records.append({"ratio": ratio, "apart": apart})
    table.finish()
    print(
        f"\n{network.kind} of {network.hidden}, {len(bundle.tokenizer)} tokens; {ratio:.1f} times the better plain loop"
    )
    print(f"(wanted: {WANTED:g}); symbol frequencies of the two are {apart:.3f} apart (allowed: {MOST_APART})")
    return 0 if apart <= MOST_APART else 1


def windowed(times: int, length: int) -> int:
    """textgenrnn's network with random weights: every character is foreseen anew from the 40 before it."""
    random = np.random.default_rng(0)
    shapes = expected_shapes(TEXTGENRNN, TEXTGENRNN_SYMBOLS)
    weights = {
        name: (random.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32) for name, shape in shapes.items()
    }
    runtimes = {path: open_runtime(TEXTGENRNN, weights, TEXTGENRNN_SYMBOLS, path) for path in PATHS}
    ids = random.integers(0, TEXTGENRNN_SYMBOLS, size=(2, 60))
    readings = [runtime.read(ids)[0] for runtime in runtimes.values()]
    wrong = float(np.abs(readings[0] - readings[1]).max())
    texts = [_writing(runtime, 2)(50).ids.tolist() for runtime in runtimes.values()]
    alike = texts[0] == texts[1]
    table = Table(
        "texts side by side", "chars per second", "slowest", "fastest", "times the original", title="textgenrnn"
    )
    for rows in (1, 100):
        speeds, write = [], _writing(runtimes["compiled"], rows)
        for _ in range(times):
            start = time.perf_counter()
            written = write(length // 10 if rows > 1 else length)
            speeds.append(written.ids.size / (time.perf_counter() - start))
        median = statistics.median(speeds)
        table.add(
            texts_side_by_side=rows,
            chars_per_second=median,
            slowest=min(speeds),
            fastest=max(speeds),
            times_the_original=median / TEXTGENRNN_ITSELF,
        )
    table.records.append({"logits_apart": wrong, "same_text": alike})
    table.finish()
    print(f"\nthe two paths: logits {wrong:.1e} apart (allowed: {MOST_WRONG:g}), same text: {alike}")
    return 0 if wrong <= MOST_WRONG and alike else 1


def _writing(runtime: Runtime, rows: int) -> Callable[[int], Written]:
    """Writes so many symbols for each of ``rows`` texts that never end and whose context is full already."""
    prompts = np.random.default_rng(1).integers(0, TEXTGENRNN_SYMBOLS, size=(rows, TEXTGENRNN.context or 1))
    logits, state = runtime.read(prompts)
    rules, history = Rules(temperature=TEMPERATURE, top_p=TOP_P), [np.zeros(0, np.int64)] * rows
    streams, positions = np.arange(rows), np.zeros(rows, np.int64)
    return lambda length: runtime.write(logits[:, -1], state, length, rules, 1, streams, history, positions)


def _race(systems: dict[str, Callable[[int], str]], times: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Each system in turn, as often as asked; characters per second, and all that each wrote."""
    speeds: dict[str, list[float]] = {name: [] for name in systems}
    texts = dict.fromkeys(systems, "")
    for seed in range(times):
        for name, write in systems.items():
            start = time.perf_counter()
            text = write(seed)
            speeds[name].append(len(text) / (time.perf_counter() - start))
            texts[name] += text
    return speeds, texts


def distance(left: str, right: str) -> float:
    """Total variation between the symbol frequencies of two texts: 0 where they are the same, at most 1."""
    counts = Counter(left), Counter(right)
    return sum(abs(counts[0][each] / len(left) - counts[1][each] / len(right)) for each in set(left + right)) / 2

"""wikitext-2 with its 33,278 words comes in; what an adaptive softmax gives beside the full one goes out.

One LSTM, the same minutes for each way to its last layer: torch's AdaptiveLogSoftmaxWithLoss (Grave et al. 2017), a
cross-entropy over all logits at once, and parrotlet's, a few rows at a time. Speed, peak memory, and test perplexity.
"""

import time

STARTED = time.perf_counter()

import os  # noqa: E402

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as parrotlet does: threads that wait must not spin for long

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from bench.harness import Table, data_folder, run, use_utf8  # noqa: E402
from parrotlet.networks import build_network  # noqa: E402
from parrotlet.networks.loss import summed_cross_entropy  # noqa: E402
from parrotlet.settings import NetworkSettings  # noqa: E402

WAYS = ("full", "full, a few rows at a time", "adaptive")
HIDDEN, EMBEDDING, BATCH, WINDOW, RATE, DROPOUT = 256, 128, 32, 35, 2e-3, 0.3
CUTOFFS, SHRINKS = (2_000, 10_000), 4.0  # clusters begin at these ranks, each with a quarter of the one before
IGNORED = -100


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench adaptive", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for each")
    parser.add_argument("--way", choices=WAYS, help="only this one, and print JSON")
    parser.add_argument("--quick", action="store_true", help="15 seconds each")
    chosen = parser.parse_args(arguments)
    use_utf8()
    seconds = 15.0 if chosen.quick else 60 * chosen.minutes
    if chosen.way:
        print(json.dumps(learn(chosen.way, data_folder() / "wikitext-2", seconds)))
        return 0
    table = Table("output", "words per second", "peak GB", "weights", "epochs", "test perplexity", title="adaptive")
    for way in WAYS:
        command = [sys.executable, "-m", "bench.adaptive", "--way", way, "--minutes", seconds / 60]
        table.add(output=way, **json.loads(run([*map(str, command)])))
    plain, ours, adaptive = table.records
    for what, each in (("full softmax, a few rows at a time", ours), ("adaptive softmax", adaptive)):
        for figure, unit in (("words_per_second", "words/s"), ("test_perplexity", "")):
            beside, name = plain[figure], figure.replace("_", " ")
            table.find(
                f"{what}: {name}", each[figure], unit, peer="full at once", beside=beside, ratio=each[figure] / beside
            )
    table.finish(f"{seconds / 60:g} minutes each: one LSTM of {HIDDEN}, {BATCH} rows of {WINDOW}, AdamW, bfloat16")
    return 0


def learn(way: str, folder: Path, seconds: float) -> dict[str, float]:
    """One way for so many seconds of the process: its speed, its memory and its perplexity."""
    torch.manual_seed(1)
    words = {part: read(folder / f"{part}.txt") for part in ("train", "test")}
    number = {word: rank for rank, (word, _) in enumerate(Counter(words["train"]).most_common())}
    ids, test = (torch.tensor([number[word] for word in words[part] if word in number]) for part in ("train", "test"))
    settings = NetworkSettings(kind="lstm", hidden=HIDDEN, embedding=EMBEDDING, dropout_output=DROPOUT)
    network = build_network(settings, len(number), 1)
    network.random = torch.Generator()
    output: nn.Module = network.output
    if way == "adaptive":
        output = nn.AdaptiveLogSoftmaxWithLoss(HIDDEN, len(number), [*CUTOFFS], div_value=SHRINKS)
    inner = [parameter for name, parameter in network.named_parameters() if not name.startswith("output.")]
    parameters = [*inner, *output.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), fused=True)
    length = (len(ids) - 1) // BATCH
    x, y = (ids[shift : shift + BATCH * length].view(BATCH, length) for shift in (0, 1))  # (B, length)
    steps, place, state, begun = 0, 0, None, time.perf_counter()
    network.train()
    while (elapsed := time.perf_counter() - STARTED) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = (
                RATE * min(1, (steps + 1) / 50) * (0.51 + 0.49 * math.cos(math.pi * min(1, elapsed / seconds)))
            )
        if place + WINDOW > length:
            place, state = 0, None
        here = slice(place, place + WINDOW)
        nats, state = foreseen(network, LOSSES[way], output, x[:, here], y[:, here], state)
        optimizer.zero_grad()
        (nats / (BATCH * WINDOW)).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        steps, place = steps + 1, place + WINDOW
    speed = steps * BATCH * WINDOW / (time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    network.eval()
    total, state = 0.0, None
    with torch.no_grad():
        for start in range(0, len(test) - 1, 500):
            piece = test[None, start : start + 501]
            nats, state = foreseen(network, LOSSES[way], output, piece[:, :-1], piece[:, 1:], state)
            total += nats.item()
    return {
        "words_per_second": speed,
        "peak_GB": peak,
        "weights": sum(parameter.numel() for parameter in parameters),
        "epochs": steps * BATCH * WINDOW / len(ids),
        "test_perplexity": math.exp(total / (len(test) - 1)),
    }


def read(path: Path) -> list[str]:
    """The words of a file; a line ends with one of its own."""
    return [word for line in path.read_text(encoding="utf-8").split("\n") for word in [*line.split(), "<eos>"]]


def foreseen(
    network: nn.Module,
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
    output: nn.Module,
    ids: Tensor,
    targets: Tensor,
    state: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Nats in all of (B, T) targets, and the state after them."""
    with torch.autocast("cpu", torch.bfloat16):
        features, state = network.read(ids, state)  # (B, T, H)
    return loss(output, features.flatten(0, 1), targets.flatten()), state.detach()


def at_once(output: nn.Linear, features: Tensor, targets: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = output(features)  # (N, V)
    return cross_entropy(logits.float(), targets, reduction="sum")


def by_rows(output: nn.Linear, features: Tensor, targets: Tensor) -> Tensor:
    return summed_cross_entropy(features, output, targets, torch.bfloat16)


def adaptive(output: nn.AdaptiveLogSoftmaxWithLoss, features: Tensor, targets: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return -output(features.to(torch.bfloat16), targets).output.float().sum()


LOSSES = dict(zip(WAYS, (at_once, by_rows, adaptive), strict=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The plain prototype to measure against: a text and seconds come in, bits per character of its last tenth go out."""

import time

STARTED = time.perf_counter()  # before torch is imported: the seconds are those of the whole process

import os  # noqa: E402

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as parrotlet does: threads that wait must not spin for long

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from bench.held_out import numbered  # noqa: E402
from bench.windows import carried_nats, windowed_nats  # noqa: E402

EMBEDDING, RATE = 64, 4e-3
WARM_UP = 5  # steps that the speed does not count


class Prototype(nn.Module):
    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, hidden, batch_first=True)
        self.output = nn.Linear(hidden, symbols)

    def forward(self, ids, state=None):
        features, state = self.lstm(self.embedding(ids), state)  # (B, T, H)
        return self.output(features), state  # (B, T, V)


def train(
    model: Prototype, ids: torch.Tensor, seconds: float, batch: int, window: int, precision: torch.dtype
) -> tuple[int, float]:
    """Train until ``seconds`` after the start of the process; the steps that were made, and targets per second."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99))
    length = (len(ids) - 1) // batch
    x, y = (ids[shift : shift + batch * length].view(batch, length) for shift in (0, 1))  # (B, length)
    step, place, state, counted = 0, 0, None, math.nan
    while (elapsed := time.perf_counter() - STARTED) < seconds or step <= WARM_UP:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.51 + 0.49 * math.cos(math.pi * min(1, elapsed / seconds)))
        if place + window > length:
            place, state = 0, None
        here = slice(place, place + window)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            logits, state = model(x[:, here], state)
        loss = cross_entropy(logits.float().flatten(0, 1), y[:, here].flatten())
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, place = step + 1, place + window
        if step == WARM_UP:
            counted = time.perf_counter()
    return step, (step - WARM_UP) * batch * window / (time.perf_counter() - counted)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench prototype", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lower", action="store_true")
    parser.add_argument("--quick", action="store_true", help="5 seconds")
    chosen = parser.parse_args(arguments)
    torch.manual_seed(chosen.seed)
    text = chosen.file.read_text(encoding="utf-8")
    numbers, symbols = numbered(text.lower() if chosen.lower else text)
    ids = torch.tensor(numbers)
    cut = len(ids) * 9 // 10
    model = Prototype(symbols, chosen.hidden)
    seconds, precision = 5 if chosen.quick else chosen.seconds, getattr(torch, chosen.precision)
    steps, speed = train(model, ids[:cut], seconds, chosen.batch, chosen.window, precision)
    seconds = time.perf_counter() - STARTED
    epochs = steps * chosen.batch * chosen.window / cut

    @torch.no_grad()
    def foresee(rows):
        return model(torch.from_numpy(rows))[0].numpy()  # (B, T, V)

    nats = carried_nats(foresee, ids[cut:].numpy())
    record = {"hidden": chosen.hidden, "nats": nats, "bits": nats / math.log(2), "steps": steps, "epochs": epochs}
    record |= {f"nats_{window}": windowed_nats(foresee, ids[cut:].numpy(), window) for window in (64, 256)}
    print(json.dumps(record | {"seconds": seconds, "targets_per_second": speed}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

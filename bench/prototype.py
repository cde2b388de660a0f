"""The plain prototype to measure against: a text and seconds come in, bits per character of its last tenth go out."""

import time

STARTED = time.perf_counter()  # before torch is imported: the seconds are those of the whole process

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

BATCH, WINDOW, EMBEDDING, RATE = 32, 128, 64, 4e-3


class Prototype(nn.Module):
    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, hidden, batch_first=True)
        self.output = nn.Linear(hidden, symbols)

    def forward(self, ids, state=None):
        features, state = self.lstm(self.embedding(ids), state)  # (B, T, H)
        return self.output(features), state  # (B, T, V)


def train(model: Prototype, ids: torch.Tensor, seconds: float) -> int:
    """Train until ``seconds`` after the start of the process; the steps that were made."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99))
    length = (len(ids) - 1) // BATCH
    x, y = (ids[shift : shift + BATCH * length].view(BATCH, length) for shift in (0, 1))  # (B, length)
    step, place, state = 0, 0, None
    while (elapsed := time.perf_counter() - STARTED) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.51 + 0.49 * math.cos(math.pi * elapsed / seconds))
        if place + WINDOW > length:
            place, state = 0, None
        here = slice(place, place + WINDOW)
        with torch.autocast("cpu", torch.bfloat16):
            logits, state = model(x[:, here], state)
        loss = cross_entropy(logits.float().flatten(0, 1), y[:, here].flatten())
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, place = step + 1, place + WINDOW
    return step


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench prototype", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--lower", action="store_true")
    parser.add_argument("--quick", action="store_true", help="5 seconds")
    chosen = parser.parse_args(arguments)
    torch.manual_seed(1)
    text = chosen.file.read_text(encoding="utf-8")
    text = text.lower() if chosen.lower else text
    number = {symbol: index for index, symbol in enumerate(sorted(set(text)))}
    ids = torch.tensor([number[symbol] for symbol in text])
    cut = len(ids) * 9 // 10
    model = Prototype(len(number), chosen.hidden)
    steps = train(model, ids[:cut], 5 if chosen.quick else chosen.seconds)
    seconds = time.perf_counter() - STARTED
    with torch.no_grad():
        logits, _ = model(ids[None, cut:-1])  # one pass, the state carried
        nats = cross_entropy(logits[0], ids[cut + 1 :]).item()
    epochs = steps * BATCH * WINDOW / cut
    record = {"hidden": chosen.hidden, "nats": nats, "bits": nats / math.log(2), "steps": steps, "epochs": epochs}
    print(json.dumps(record | {"seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A small transformer to measure against: a text and a budget come in, nats of its last tenth go out.

Network and training are those that nanoGPT gives for a CPU (karpathy/nanoGPT, README, "quick start"): 4 layers of
4 heads, 128 wide, a context of 64, batches of 12, AdamW, 2,000 steps, no dropout.
"""

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
from torch.nn.functional import cross_entropy, gelu, linear, scaled_dot_product_attention  # noqa: E402

from bench.held_out import numbered  # noqa: E402
from bench.windows import windowed_nats  # noqa: E402

LAYERS, HEADS, WIDTH = 4, 4, 128
RATE, LAST_RATE, WARM_UP, DECAY, CLIP = 1e-3, 1e-4, 100, 0.1, 1.0


class Block(nn.Module):
    """Attention to what came before, then two dense layers; both are added to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.asked = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.answer = nn.Linear(WIDTH, WIDTH, bias=False)
        self.widened = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.narrowed = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        heads = self.asked(self.norm(x)).view(B, T, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)  # (3, B, N, T, D)
        found = scaled_dot_product_attention(*heads, is_causal=True)  # (B, N, T, D)
        x = x + self.answer(found.transpose(1, 2).reshape(B, T, WIDTH))  # (B, T, H)
        return x + self.narrowed(gelu(self.widened(self.second_norm(x))))  # (B, T, H)


class Transformer(nn.Module):
    """The output layer shares the embedding's weights."""

    def __init__(self, symbols: int, context: int) -> None:
        super().__init__()
        self.embedding, self.position = nn.Embedding(symbols, WIDTH), nn.Embedding(context, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weights in self.named_parameters():
            if weights.ndim > 1:  # what is added to the sum begins smaller the more is added (GPT-2)
                added = name.endswith(("answer.weight", "narrowed.weight"))
                nn.init.normal_(weights, std=0.02 / math.sqrt(2 * LAYERS) if added else 0.02)

    def forward(self, ids):
        x = self.embedding(ids) + self.position(torch.arange(ids.shape[1]))  # (B, T, H)
        return linear(self.norm(self.blocks(x)), self.embedding.weight)  # (B, T, V)


def train(model: Transformer, ids: torch.Tensor, chosen: argparse.Namespace) -> int:
    """Train for so many steps, or until so many seconds after the start of the process; the steps that were made."""
    matrices = [weights for weights in model.parameters() if weights.ndim > 1]
    norms = [weights for weights in model.parameters() if weights.ndim == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": norms, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
    step = 0
    while (done := share(chosen, step)) < 1:
        rate = LAST_RATE + (RATE - LAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = min(rate, RATE * (step + 1) / WARM_UP)
        starts = torch.randint(len(ids) - chosen.context, (chosen.batch, 1))
        rows = ids[starts + torch.arange(chosen.context + 1)]  # (B, T + 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=chosen.precision == "bfloat16"):
            logits = model(rows[:, :-1])  # (B, T, V)
        loss = cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        step += 1
    return step


def share(chosen: argparse.Namespace, step: int) -> float:
    """How much of the budget is used, from 0 to 1."""
    return (time.perf_counter() - STARTED) / chosen.seconds if chosen.seconds else step / chosen.steps


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.transformer", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, help="instead of steps: the whole process, before it scores")
    parser.add_argument("--context", type=int, default=64, help="the longest window that it can be scored in")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lower", action="store_true")
    parser.add_argument("--quick", action="store_true", help="50 steps")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.steps, chosen.seconds = 50, None
    torch.manual_seed(chosen.seed)
    text = chosen.file.read_text(encoding="utf-8")
    numbers, symbols = numbered(text.lower() if chosen.lower else text)
    ids = torch.tensor(numbers)
    cut = len(ids) * 9 // 10
    model = Transformer(symbols, chosen.context)
    steps = train(model, ids[:cut], chosen)
    seconds = time.perf_counter() - STARTED

    @torch.no_grad()
    def foresee(rows):
        return model(torch.from_numpy(rows)).numpy()  # (B, T, V)

    windows = [window for window in (64, 256) if window <= chosen.context]
    record = {f"nats_{window}": windowed_nats(foresee, ids[cut:].numpy(), window) for window in windows}
    record |= {"parameters": sum(weights.numel() for weights in model.parameters()), "steps": steps}
    record |= {"targets_per_second": steps * chosen.batch * chosen.context / seconds, "seconds": seconds}
    print(json.dumps(record | {"hidden": WIDTH, "epochs": steps * chosen.batch * chosen.context / cut}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

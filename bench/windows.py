"""A network and ids come in; what the ids cost in windows that each begin from nothing goes out, in nats.

This is how transformers' figures are made: a prediction sees its own window only (karpathy/nanoGPT, train.py). Here all
windows are read, side by side without overlap, where nanoGPT draws some at random.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Foresee = Callable[[Ids], npt.NDArray[np.float32]]  # ids (B, T) → logits (B, T, V), each row from nothing

AT_ONCE = 1 << 14  # ids


def windowed_nats(foresee: Foresee, ids: Ids, window: int) -> float:
    """The mean cost of each id after the one before it, in nats; what does not fill a window is left out."""
    count = (len(ids) - 1) // window
    x, y = (ids[shift : shift + count * window].reshape(count, window) for shift in (0, 1))  # (N, W)
    rows = max(1, AT_ONCE // window)
    sums = [_nats(foresee(x[row : row + rows]), y[row : row + rows]) for row in range(0, count, rows)]
    return sum(sums) / (count * window)


def carried_nats(foresee: Foresee, ids: Ids) -> float:
    """The same in one window over all of it: the state is carried from the first id to the last."""
    return windowed_nats(foresee, ids, len(ids) - 1)


def _nats(logits: npt.NDArray[np.float32], targets: Ids) -> float:
    """The cost of targets (B, T) under logits (B, T, V)."""
    highest = logits.max(axis=-1)  # (B, T)
    sums = np.exp(logits - highest[..., None]).sum(axis=-1, dtype=np.float64)  # (B, T)
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]  # (B, T)
    return float((np.log(sums) + highest - chosen).sum(dtype=np.float64))


def model_nats(model: Path, text: Path, window: int) -> float:
    """Of a model file of parrotlet, by character: nats where the state is forgotten after every window of tokens."""
    from parrotlet import load_bundle
    from parrotlet.runtime import open_runtime

    bundle = load_bundle(model)
    tokenizer = bundle.tokenizer
    runtime = open_runtime(bundle.settings.network, bundle.weights, len(tokenizer))
    ids = np.asarray(tokenizer.encode(text.read_text(encoding="utf-8")), np.int64)
    per_character = len(ids) / len(tokenizer.decode(ids))
    return windowed_nats(lambda rows: runtime.read(rows)[0], ids, window) * per_character

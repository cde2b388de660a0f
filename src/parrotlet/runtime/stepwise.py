"""A checked request and a network that takes one step come in; written tokens go out, row by row, in plain Python."""

from collections.abc import Callable

import numpy as np

from parrotlet.runtime.interface import Floats, Request, Written
from parrotlet.sampling import IdArray, distribution, draw, uniforms

Step = Callable[[int, int], Floats]  # a row and its next id → the logits (V,) after it; the row's state moves on


def write_stepwise(request: Request, step: Step, probabilities: bool) -> Written:
    """Up to ``request.n`` tokens for each row (see Runtime); fills the request's logits, as ``step`` does its state."""
    rows = len(request.logits)
    ids, told = np.zeros((rows, request.n), np.int64), np.zeros((rows, request.n), np.float32)
    lengths = np.zeros(rows, np.int64)
    for row in range(rows):
        lengths[row] = _write_row(request, row, step, ids[row], told[row] if probabilities else None)
    return Written(ids, told, lengths, request.logits, request.state)


def _write_row(request: Request, row: int, step: Step, ids: IdArray, told: Floats | None) -> int:
    """Fills one row; how many tokens it wrote goes out."""
    rules, logits, start = request.rules, request.logits[row], int(request.positions[row])
    numbers = uniforms(request.seed, int(request.streams[row]), start, request.n)
    history, banned = request.history[row], request.banned.tolist()
    for i in range(request.n):
        chances = distribution(logits, rules, history, start + i, banned, request.stop)
        ids[i] = id = draw(chances, numbers[i])
        if told is not None:
            told[i] = own_probability(logits, id)
        history = np.append(history, id)[-(rules.memory or 0) :] if rules.memory != 0 else history
        if id == request.stop:
            return i + 1
        logits[:] = step(row, id)
    return request.n


def own_probability(logits: Floats, id: int) -> np.float32:
    """The network's own probability of one id: softmax without any rule."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return np.float32(exponentials[id] / exponentials.sum())

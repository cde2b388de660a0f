"""The beginning of a text and a plan come in; each token that is written goes out beside those that were likeliest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.decoding import Follower
from parrotlet.generation import Beginning, FloatArray, Plan
from parrotlet.runtime import Runtime
from parrotlet.scoring import LOGITS_LIMIT
from parrotlet.tokenizers import Tokenizer
from parrotlet.writing import WATCHED_CHUNK, token_source

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TraceStep:
    """One token of a text, and what else might have stood there.

    ``probability`` and those of ``likeliest`` (likeliest first) are the network's own, before any rule. ``text`` is
    what was decided with this token: joined behind the prompt these pieces are what ``write`` gives. It is empty where
    a token decides nothing by itself, such as a part of a symbol, or one that completes a stop string.
    """

    token: str
    probability: float
    text: str
    likeliest: tuple[tuple[str, float], ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        likeliest = [{"token": token, "probability": value} for token, value in self.likeliest]
        return {"token": self.token, "probability": self.probability, "text": self.text, "likeliest": likeliest}


def trace_text(runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan, n: int) -> list[TraceStep]:
    """Write one text and look at each of its steps: the ``n`` likeliest of the tokens that may be written at all."""
    ids, pieces = _write(runtime, tokenizer, begin, plan)
    steps = []
    for logits, token, piece in zip(_logits(runtime, begin, ids), ids, pieces, strict=True):
        probabilities = softmax(logits)
        found = tuple(likeliest(tokenizer, logits, plan.banned, n))
        steps.append(TraceStep(tokenizer.token(token), float(probabilities[token]), piece, found))
    return steps


def likeliest(tokenizer: Tokenizer, logits: FloatArray, banned: Sequence[int], n: int) -> list[tuple[str, float]]:
    """The ``n`` likeliest tokens of logits (V,), likeliest first, of equals the lowest; none that is never drawn."""
    never, probabilities = set(banned), softmax(logits)
    order = (each for each in np.argsort(-probabilities, kind="stable").tolist() if each not in never)
    return [(tokenizer.token(each), float(probabilities[each])) for each in islice(order, n)]


def _write(runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan) -> tuple[list[int], list[str]]:
    """The ids of one text, up to a stop string, and the piece of text that each of them decides."""
    source = token_source(runtime, tokenizer, begin, plan, [0])
    follower = Follower(tokenizer, begin.prompt.tolist(), plan.stops)
    ids: list[int] = []
    pieces: list[str] = []
    while source.rows and plan.length and not follower.stopped:
        for chunk in source.advance(WATCHED_CHUNK):
            for token in chunk.ids.tolist():
                if not follower.stopped:
                    ids.append(token)
                    pieces.append("".join(follower.push([token])))
    if pieces:
        pieces[-1] += "".join(follower.finish())
    return ids, pieces


def _logits(runtime: Runtime, begin: Beginning, ids: Sequence[int]) -> Iterator[FloatArray]:
    """What each of the ids was drawn from, (V,) each; a long text is read in parts to bound the memory."""
    if not ids:
        return
    yield begin.logits[0]
    state, size = begin.state, max(1, LOGITS_LIMIT // runtime.vocabulary_size)
    read = np.array(ids[:-1], dtype=np.int64)
    for start in range(0, len(read), size):
        logits, state = runtime.read(read[None, start : start + size], state)  # (1, T, V)
        yield from logits[0]


def softmax(logits: FloatArray) -> Probabilities:
    """Logits (V,) → the network's own probabilities, before any rule."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(exponentials / exponentials.sum())

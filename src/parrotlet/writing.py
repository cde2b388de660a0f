"""The beginning of a text and a plan come in; whole texts, or the pieces of one as they are decided, go out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from parrotlet.decoding import Follower
from parrotlet.generation import Batch, Beginning, Chunk, Plan, Source, Stepper
from parrotlet.runtime import Runtime
from parrotlet.tokenizers import Tokenizer

WHOLE_CHUNK = 16_384  # tokens per call when nothing has to be looked at in between; an interrupt waits for one call
WATCHED_CHUNK = 64  # tokens per row and call when a stop string may end the text
FIRST_CHUNK, LARGEST_CHUNK = 4, 256  # streaming: the first characters appear at once, then calls become rare


@dataclass(frozen=True)
class Text:
    """One written text: the prompt and what follows; ``tokens`` counts the new ones, a closing ``<s>`` among them.

    ``prompt``: as it stands in the text (blanks at its end are not kept at every level); ``new`` is what follows it.
    ``finish``: "stop" (the document ended, or a stop string came), "length", or "novel" (any token would have copied).
    ``probabilities``: each new token with the probability the network gave it, before any rule; where asked for.
    """

    text: str
    tokens: int
    seed: int
    finish: str
    probabilities: tuple[tuple[str, float], ...] | None = None
    prompt: str = ""

    @property
    def new(self) -> str:
        return self.text[len(self.prompt) :]


def stream_text(runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan) -> Iterator[str]:
    """The pieces of one text, the prompt first."""
    if begin.shown:
        yield begin.shown
    follower = Follower(tokenizer, begin.prompt.tolist(), plan.stops)
    source, size = token_source(runtime, tokenizer, begin, plan, [0]), FIRST_CHUNK
    while source.rows and plan.length and not follower.stopped:
        for chunk in source.advance(size):
            yield from follower.push(chunk.ids.tolist())
        size = min(2 * size, LARGEST_CHUNK)
    yield from follower.finish()


def write_rows(runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan, rows: Sequence[int]) -> list[Text]:
    """The texts of some rows, written side by side; without stop strings no Python runs per token."""
    source = token_source(runtime, tokenizer, begin, plan, rows)
    followers = {row: Follower(tokenizer, begin.prompt.tolist(), plan.stops) for row in rows}
    chunks: dict[int, list[Chunk]] = {row: [] for row in rows}
    pieces: dict[int, list[str]] = {row: [begin.shown] for row in rows}
    size = WATCHED_CHUNK if plan.stops else max(LARGEST_CHUNK, WHOLE_CHUNK // len(rows))
    while source.rows and plan.length:
        for chunk in source.advance(size):
            chunks[chunk.row].append(chunk)
            pieces[chunk.row] += followers[chunk.row].push(chunk.ids.tolist())
            if followers[chunk.row].stopped:
                source.drop(chunk.row)
    texts = []
    for row in rows:
        follower = followers[row]
        text = "".join([*pieces[row], *follower.finish()])
        finish = "stop" if follower.stopped else (chunks[row][-1].finish if chunks[row] else None) or "length"
        listed = _listed(tokenizer, chunks[row], follower.tokens) if plan.probabilities else None
        texts.append(Text(text, follower.tokens, plan.seed, finish, listed, begin.shown))
    return texts


def token_source(runtime: Runtime, tokenizer: Tokenizer, begin: Beginning, plan: Plan, rows: Sequence[int]) -> Source:
    """Where the tokens of these rows come from: the compiled loop, or what it cannot do, token by token."""
    if plan.by_steps:
        return Stepper(runtime, tokenizer, begin, plan, rows[0])
    return Batch(runtime, begin, plan, rows)


def _listed(tokenizer: Tokenizer, chunks: Sequence[Chunk], tokens: int) -> tuple[tuple[str, float], ...]:
    """The first ``tokens`` tokens of a row with their probabilities."""
    pairs = (pair for chunk in chunks for pair in zip(chunk.ids.tolist(), chunk.probabilities.tolist(), strict=True))
    return tuple((tokenizer.token(token), probability) for token, probability in islice(pairs, tokens))

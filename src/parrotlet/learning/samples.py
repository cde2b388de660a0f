"""A writer and its run come in; the samples of one evaluation go out: what users would get from this state."""

import time
from collections.abc import Iterator

from parrotlet.dataset import excerpt
from parrotlet.learning.events import Sample
from parrotlet.learning.prepare import Prepared
from parrotlet.writer import Writer

SAMPLE_CHARACTERS = 160
EXCERPT_TOKENS = 60  # of the training text, where samples go on from a piece of it and no context says how long


def write_samples(writer: Writer, run: Prepared, step: int, evaluations: int) -> Iterator[tuple[Sample, float]]:
    """One text for each temperature, with a seed of its own at each evaluation; and the seconds a character took."""
    settings = run.settings.training
    length = settings.sample_length
    if length is None:
        length = max(8, round(SAMPLE_CHARACTERS / (run.encoded.characters / run.encoded.tokens)))
    prompt = settings.sample_prompt or _excerpt(run, evaluations)
    for temperature in settings.sample_temperatures:
        start = time.perf_counter()
        text = writer.write(prompt, length=length, temperature=temperature, seed=(settings.seed + evaluations) % 2**63)
        seconds = (time.perf_counter() - start) / max(1, len(text) - len(prompt))
        yield Sample(step, temperature, text, prompt), seconds


def _excerpt(run: Prepared, evaluations: int) -> str:
    """A random piece of the training text to go on from, another at each evaluation; empty unless asked for."""
    if not run.settings.training.sample_from_text:
        return ""
    length = run.settings.network.context or EXCERPT_TOKENS
    ids = excerpt(run.encoded, run.split, length, run.settings.training.seed, evaluations)
    return run.tokenizer.decode(ids)

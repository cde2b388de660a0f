"""Models and a corpus come in; while they score it, a bar goes out on stderr, or one line before, if it takes long."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from parrotlet.cli.console import tell

if TYPE_CHECKING:
    from parrotlet.bundle import Bundle
    from parrotlet.corpus import Corpus
    from parrotlet.writer import Writer

PATIENCE = 1.0  # seconds before a bar is shown
LONG = 1e11  # products from which the wait is told in advance: a few seconds of the compiled kernel


@contextmanager
def while_scoring(writers: "Sequence[Writer]", corpus: "Corpus") -> Iterator[Callable[[int], None]]:
    """Gives what is to be told the characters scored so far, by all models together; nothing ever goes to stdout."""
    characters = sum(len(piece) for document in corpus.documents() for piece in document.pieces)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        tell(waits([writer.bundle for writer in writers], characters))
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("scoring"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    task = bar.add_task("", total=max(1, characters * len(writers)))
    began = time.perf_counter()

    def progress(done: int) -> None:
        bar.update(task, completed=done)
        if time.perf_counter() - began >= PATIENCE:
            bar.start()

    try:
        yield progress
    finally:
        bar.stop()


def waits(bundles: "Sequence[Bundle]", characters: int) -> Iterator[str]:
    """A line for each model that will take long."""
    for bundle in bundles:
        context = bundle.settings.network.context
        sizes = {name: array.size for name, array in bundle.weights.items()}
        output = sum(size for name, size in sizes.items() if name.startswith(("embedding", "output")))
        products = output + (sum(sizes.values()) - output) * (context or 1)
        if characters * products >= LONG:
            yield f"scoring {characters:,} characters" + (f" in windows of {context}" if context else "")

"""Texts and remarks come in; texts go to standard output as textgenrnn printed them, remarks to standard error."""

import sys

from parrotlet.show import forgiving, harmless


def say(text: str = "") -> None:
    """What a script prints; no console chokes on it, and no terminal obeys it."""
    forgiving(sys.stdout)
    print(harmless(text) if sys.stdout.isatty() else text, flush=True)


def tell(remark: str) -> None:
    """What the user should know, kept apart from the texts."""
    forgiving(sys.stderr)
    print(harmless(remark), file=sys.stderr, flush=True)

"""Written texts and a file's name come in; what the texts stand for goes out: tunes to play, drawings to look at."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from parrotlet.outputs.drawings import write_sheet
from parrotlet.outputs.music import write_midi, write_tunes

Output = Callable[[Sequence[str], Path], list[str]]

# By the suffix of the file: texts and a path come in, remarks for the user go out.
OUTPUTS: dict[str, Output] = {
    ".abc": write_tunes,
    ".mid": write_midi,
    ".midi": write_midi,
    ".svg": write_sheet,
    ".png": write_sheet,
}

__all__ = ["OUTPUTS", "output_for", "write_midi", "write_sheet", "write_tunes"]


def output_for(path: str | os.PathLike[str]) -> Output | None:
    """How a file of this name is made of texts; None where it is a text itself."""
    return OUTPUTS.get(Path(path).suffix.lower())

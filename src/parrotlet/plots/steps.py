"""The steps of a text come in; a picture of what was written at each, and of what was likely there, goes out."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.plots.canvas import ACCENT, FAINT, INK, axes_title, check_path, label, picture, place_of

if TYPE_CHECKING:
    from parrotlet.trace import TraceStep

MOST_STEPS, MOST_CELLS = 100, 12  # of a text in a picture, and of the likeliest at each
EMPTY, FILLED = "#f1f5f5", "#bfdedb"
CELL, ROW = 0.95, 0.80  # width and height of a cell, where cells stand 1 apart
WRITTEN = -1.15  # where the column of what was written begins
INCHES, INCHES_OF_LETTER = 0.75, 0.105  # of a cell's width: for its share, and for each letter of the longest token


def plot_steps(steps: "Sequence[TraceStep]", prompt: str, path: str | os.PathLike[str]) -> None:
    """A text from top to bottom, one token a row; beside it the likeliest, each filled as far as it is likely.

    The token that was written stands on the left and has a frame. Raises UsageError for more than fits.
    """
    target = check_path(path)
    columns = max((len(step.likeliest) for step in steps), default=0)
    if not steps:
        raise ParrotletError("there is nothing to plot: no token was written")
    if len(steps) > MOST_STEPS or columns > MOST_CELLS:
        raise UsageError(
            f"a picture holds at most {MOST_STEPS} steps with {MOST_CELLS} tokens each, "
            f"not {len(steps)} with {columns}: use fewer steps or a smaller n"
        )
    with picture(target, _cell_inches(steps) * (columns + 1.5), 1.5 + 0.36 * len(steps)) as figure:
        axes = figure.add_subplot()
        for x, name in enumerate(["likeliest", *(f"{place}." for place in range(2, columns + 1))]):
            axes.text(x, -0.95, name, va="center", color=FAINT, fontsize=10)
        axes.text(WRITTEN, -0.95, "written", va="center", color=FAINT, fontsize=10)
        for row, step in enumerate(steps):
            _row(axes, row, step)
        axes.set_xlim(WRITTEN - 0.35, columns)
        axes.set_ylim(len(steps) - 0.4, -1.5)
        axes.set_axis_off()
        axes_title(axes, "Step by step", place_of(prompt))


def _cell_inches(steps: "Sequence[TraceStep]") -> float:
    """The width of a cell that holds the longest token; wide letters, such as Chinese ones, count twice."""
    tokens = {label(token) for step in steps for token in (step.token, *(token for token, _ in step.likeliest))}
    longest = max(sum(1 + (east_asian_width(letter) in "WF") for letter in token) for token in tokens)
    return INCHES + INCHES_OF_LETTER * max(3, longest)


def _row(axes: Any, row: int, step: "TraceStep") -> None:
    axes.text(WRITTEN - 0.1, row, str(row + 1), ha="right", va="center", color=FAINT, fontsize=9)
    rare = step.token not in (token for token, _ in step.likeliest)
    _cell(axes, WRITTEN, row, step.token, step.probability if rare else None, framed=rare)
    for place, (token, probability) in enumerate(step.likeliest):
        _cell(axes, place, row, token, probability, framed=token == step.token)


def _cell(axes: Any, x: float, row: int, token: str, probability: float | None, framed: bool) -> None:
    """A token and its share; without a share it is only named."""
    from matplotlib.patches import Rectangle

    if probability is not None:
        for colour, width in ((EMPTY, CELL), (FILLED, CELL * probability)):
            axes.add_patch(Rectangle((x, row - ROW / 2), width, ROW, color=colour, linewidth=0))
        share = f"{probability:.0%}" if probability >= 0.0095 else "<1%"
        axes.text(x + CELL - 0.03, row, share, ha="right", va="center", color=FAINT, fontsize=9)
    if framed:
        axes.add_patch(Rectangle((x, row - ROW / 2), CELL, ROW, fill=False, edgecolor=ACCENT, linewidth=2))
    weight = "bold" if framed or probability is None else "normal"
    shown = axes.text(x + 0.04, row, label(token), va="center", color=INK, fontsize=11, fontweight=weight)
    shown.set_parse_math(False)

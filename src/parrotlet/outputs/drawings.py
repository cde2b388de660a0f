"""Texts of pen strokes come in; a sheet with a drawing for each goes out."""

import math
from collections.abc import Sequence
from pathlib import Path

from parrotlet.errors import ParrotletError
from parrotlet.plots.canvas import INK, check_path, picture

Stroke = list[tuple[float, float]]
MOST_DRAWINGS = 1000
WIDTH = 1.6  # of a stroke, in points
FURTHEST = 1e6  # a pen does not move further at once


def strokes_of(text: str) -> list[Stroke]:
    """The strokes of one drawing, as points: ``dx,dy,lift`` between blanks moves the pen, lift 1 ends a stroke.

    Raises ParrotletError where a move is none (sketch-rnn's stroke-3: Ha and Eck 2018, §3.1).
    """
    strokes, points, x, y = list[Stroke](), Stroke(), 0.0, 0.0
    for move in text.split():
        try:
            dx, dy, lift = map(float, move.split(","))
        except ValueError:
            raise ParrotletError(f"{move[:40]!r} is no move of a pen: dx,dy,lift such as 12,-5,0") from None
        if not (abs(dx) <= FURTHEST and abs(dy) <= FURTHEST) or lift not in (0, 1):
            raise ParrotletError(f"{move[:40]!r} is no move of a pen: lift is 0 or 1, and a pen stays on its sheet")
        x, y = x + dx, y + dy
        points.append((x, y))
        if lift:
            strokes.append(points)
            points = []
    if points:
        strokes.append(points)
    return strokes


def write_sheet(texts: Sequence[str], path: Path) -> list[str]:
    """Each text as a drawing on one sheet, as large as its place allows; those that are none are told and left out."""
    target = check_path(path)
    drawings, wrong = [], []
    for text in texts[:MOST_DRAWINGS]:
        try:
            if strokes := strokes_of(text):
                drawings.append(strokes)
        except ParrotletError as error:
            wrong.append(str(error))
    if not drawings:
        raise ParrotletError(f"there is nothing to draw: {wrong[0] if wrong else 'no strokes were written'}")
    columns = math.ceil(math.sqrt(1.6 * len(drawings)))
    rows = math.ceil(len(drawings) / columns)
    with picture(target, 0.9 * columns, 0.9 * rows) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        for place, strokes in enumerate(drawings):
            row, column = divmod(place, columns)
            for stroke in _fitted(strokes, column, row):
                xs, ys = zip(*stroke, strict=True)
                dot = "o" if len(stroke) == 1 else None  # a line of one point is not drawn
                line = {"color": INK, "linewidth": WIDTH, "marker": dot, "markersize": WIDTH, "markeredgewidth": 0}
                axes.plot(xs, ys, solid_capstyle="round", solid_joinstyle="round", **line)
        axes.set_xlim(0, columns)
        axes.set_ylim(rows, 0)
        axes.axis("off")
    left = len(texts[:MOST_DRAWINGS]) - len(drawings)
    why = wrong[0] if wrong else "they hold no strokes"
    notes = [f"{left} of {len(texts)} texts are no drawing and left out: {why}"] if left else []
    return notes + [f"only the first {MOST_DRAWINGS:,} texts are drawn"] * (len(texts) > MOST_DRAWINGS)


def _fitted(strokes: Sequence[Stroke], column: int, row: int) -> list[Stroke]:
    """Strokes moved and scaled into their place; a stroke begins where the pen came down, after its first move."""
    xs, ys = zip(*(point for stroke in strokes for point in stroke), strict=True)
    size = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    left, top = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return [[(column + 0.5 + 0.8 * (x - left) / size, row + 0.5 + 0.8 * (y - top) / size) for x, y in each]
            for each in strokes]  # fmt: skip

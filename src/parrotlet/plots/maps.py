"""Vectors of texts come in; a map goes out, on which texts that are alike lie near one another."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.errors import UsageError
from parrotlet.plots.canvas import FAINT, INK, axes_title, check_path, picture
from parrotlet.plots.curves import COLOURS

MOST_NAMED, NAME_LENGTH = 28, 34  # texts that are named on a map, and characters of a name
APART = 0.06  # of the map's width, between two that are named


def plot_map(
    places: npt.NDArray[np.float64],
    texts: Sequence[str],
    labels: Sequence[str] | None,
    path: str | os.PathLike[str],
    how: str,
) -> None:
    """A dot for each text (N, 2), coloured by its label; some are named, as many as have room."""
    target = check_path(path)
    if len(places) < 3:
        raise UsageError(f"a map needs at least 3 texts, not {len(places)}")
    columns = list(dict.fromkeys(labels or [""]))
    with picture(target, 11, 8.5) as figure:
        axes = figure.add_subplot()
        for number, column in enumerate(columns):
            chosen = np.array([label == column for label in labels]) if labels else np.ones(len(places), bool)
            colour = COLOURS[number % len(COLOURS)]
            axes.scatter(
                places[chosen, 0], places[chosen, 1], s=12, color=colour, alpha=0.7, linewidths=0, label=column
            )
        for place in _spread(places):
            name = " ".join(texts[place].split())
            shown = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
            axes.annotate(
                shown, places[place], (4, 3), textcoords="offset points", fontsize=8, color=INK
            ).set_parse_math(False)
        if labels:
            legend: Any = axes.legend(frameon=False, fontsize=9, labelcolor=INK)
            for text in legend.get_texts():
                text.set_parse_math(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes_title(axes, "Texts that the network holds alike", f"{len(places)} texts, {how}")


def _spread(places: npt.NDArray[np.float64]) -> list[int]:
    """Places that lie apart from one another, those in the thick of it last."""
    size = np.maximum(places.max(0) - places.min(0), 1e-12)
    scaled = (places - places.min(0)) / size * [1.0, 2.5]  # names are wide, not high
    order = np.argsort(-np.linalg.norm(scaled - np.median(scaled, 0), axis=1), kind="stable")
    chosen: list[int] = []
    for place in order.tolist():
        gaps = np.abs(scaled[chosen] - scaled[place]) if chosen else np.ones((1, 2))
        if ((gaps[:, 0] > 4 * APART) | (gaps[:, 1] > APART)).all():
            chosen.append(place)
        if len(chosen) == MOST_NAMED:
            break
    return chosen

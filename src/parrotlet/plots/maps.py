"""Vectors of texts come in; a map goes out, on which texts that are alike lie near one another."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.errors import UsageError
from parrotlet.plots.canvas import FAINT, INK, axes_title, check_path, picture
from parrotlet.plots.curves import COLOURS

MOST_NAMED, NAME_LENGTH = 28, 34  # texts that are named on a map, and characters of a name
OTHERS = "others"  # labels beyond those that have a colour of their own
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
    often = [label for label, _ in Counter(labels or [""]).most_common(len(COLOURS) - 1)]
    groups = [label if label in often else OTHERS for label in labels or [""] * len(places)]
    names = [*often, *([OTHERS] if OTHERS in groups else [])]
    with picture(target, 11, 8.5) as figure:
        axes, dots = figure.add_subplot(), []
        for number, name in enumerate(names):
            chosen = np.array([group == name for group in groups])
            dots.append(axes.scatter(*places[chosen].T, s=12, color=COLOURS[number], alpha=0.7, linewidths=0))
        for place in _spread(places):
            named = axes.annotate(
                _short(texts[place]), places[place], (4, 3), textcoords="offset points", fontsize=8, color=INK
            )
            named.set_parse_math(False)
        if labels:
            legend: Any = axes.legend(dots, [*map(_short, names)], frameon=False, fontsize=9, labelcolor=INK)
            for text in legend.get_texts():
                text.set_parse_math(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes_title(axes, "Texts that the network holds alike", f"{len(places)} texts, {how}")


def _short(text: str) -> str:
    name = " ".join(text.split()) or "(empty)"
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


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

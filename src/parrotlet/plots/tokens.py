"""Probabilities and a Writer come in; pictures of the next token, and of what temperature makes of it, go out."""

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.plots.canvas import (
    ACCENT,
    FAINT,
    INK,
    axes_title,
    check_path,
    figure_title,
    installed,
    label,
    picture,
    place_of,
)

if TYPE_CHECKING:
    from parrotlet.writer import Writer

HEAT = ((0.11, 0.42, 0.68), (0.17, 0.60, 0.55), (0.93, 0.60, 0.16), (0.80, 0.16, 0.14))  # from cold to hot
TEXT_WIDTH, TEXT_LINES = 74, 6


def plot_next(tokens: Sequence[tuple[str, float]], prompt: str, path: str | os.PathLike[str]) -> None:
    """The likeliest next tokens, likeliest on top, with their probabilities."""
    target = check_path(path)
    if not tokens:
        raise ParrotletError("there is nothing to plot: no token")
    with picture(target, 7, 1.3 + 0.36 * len(tokens)) as figure:
        axes = figure.add_subplot()
        _token_bars(axes, [token for token, _ in tokens], [value for _, value in tokens], ACCENT, size=11)
        axes_title(axes, "What comes next", place_of(prompt))


def plot_temperature(
    writer: "Writer",
    prompt: str,
    temperatures: Sequence[float],
    path: str | os.PathLike[str],
    *,
    tokens: int = 8,
    length: int = 300,
    seed: int = 1,
) -> None:
    """What each temperature makes of one distribution (left) and of one text (right); coldest on top."""
    target = check_path(path)
    if not 1 <= len(temperatures) <= 12:
        raise UsageError(f"temperature: from 1 to 12 of them fit into a picture, not {len(temperatures)}")
    known = writer.next_tokens(prompt, len(writer.tokenizer))
    texts = [writer.write(prompt, length=length, temperature=each, seed=seed) for each in temperatures]
    height = 0.6 + 0.22 * min(tokens, len(known))
    with picture(target, 12, 1.0 + height * len(temperatures)) as figure:
        grid = figure.add_gridspec(len(temperatures), 2, width_ratios=(1, 2.1), wspace=0.08, hspace=0.06)
        for row, (degrees, text) in enumerate(zip(temperatures, texts, strict=True)):
            colour = _heat_colour(row / max(1, len(temperatures) - 1))
            left, right = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
            values = heated([value for _, value in known], degrees)[:tokens]
            _token_bars(left, [token for token, _ in known[:tokens]], values, colour, size=9)
            left.set_xlim(0, 1.18)
            axes_title(left, f"temperature {degrees:g}", "")
            _text(right, text, colour)
        figure_title(figure, f"What temperature does, {place_of(prompt)}")


def heated(probabilities: Sequence[float], temperature: float) -> list[float]:
    """Probabilities at another temperature: p^(1/T), summing to one again; at 0 all of it is the first maximum's."""
    import numpy as np

    values = np.asarray(probabilities, dtype=np.float64)
    if temperature == 0:
        result = np.zeros_like(values)
        result[values.argmax()] = 1.0
    else:
        logits = np.log(np.maximum(values, 1e-300)) / temperature
        result = np.exp(logits - logits.max())
        result /= result.sum()
    return [float(value) for value in result]


def _token_bars(axes: Any, tokens: Sequence[str], values: Sequence[float], colour: Any, size: float) -> None:
    """Horizontal bars, the first on top, each with its token before it and its share behind it."""
    if not tokens:
        raise UsageError("there is no token to show: n must be 1 or more")
    places = list(range(len(tokens)))
    axes.barh(places, values, color=colour, height=0.72)
    axes.set_yticks(places, [label(token) for token in tokens], fontsize=size + 1, color=INK)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    for place, value in zip(places, values, strict=True):
        share = f"{value:.1%}" if value >= 0.001 or value == 0 else "<0.1%"
        axes.annotate(
            share, (value, place), (4, 0), textcoords="offset points", va="center", color=FAINT, fontsize=size - 1
        )
    axes.set_ylim(len(tokens) - 0.5, -0.5)
    axes.set_xlim(0, max(max(values), 1e-6) * 1.15)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["bottom", "left"]].set_visible(False)


def _text(axes: Any, text: str, colour: Any) -> None:
    """A few lines of a text beside a coloured rule."""
    axes.axis("off")
    lines: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        clean = "".join(symbol if symbol.isprintable() else "\ufffd" for symbol in line)
        lines += textwrap.wrap(clean, TEXT_WIDTH) or [""]
    if len(lines) > TEXT_LINES:
        lines = [*lines[:TEXT_LINES], "…"]
    axes.axvline(0, color=colour, linewidth=3)
    axes.set_xlim(0, 1)
    shown = axes.text(
        0.02, 0.5, "\n".join(lines), va="center", color=INK, fontsize=11, linespacing=1.45, transform=axes.transAxes
    )
    shown.set_parse_math(False)
    shown.set_fontfamily(["DejaVu Sans Mono", *installed()])


def _heat_colour(share: float) -> tuple[float, ...]:
    """0 is the coldest colour, 1 the hottest."""
    step, place = divmod(share * (len(HEAT) - 1), 1)
    cold, hot = HEAT[int(step)], HEAT[min(int(step) + 1, len(HEAT) - 1)]
    return tuple(low + (high - low) * place for low, high in zip(cold, hot, strict=True))

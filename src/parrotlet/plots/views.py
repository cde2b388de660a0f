"""What was seen inside a network comes in; a picture, or a page that shows more under the pointer, goes out."""

import html
import json
import math
import os
from pathlib import Path
from typing import Any

from parrotlet.errors import UsageError
from parrotlet.inside import Links, Strip, View
from parrotlet.plots.canvas import FAINT, INK, MARKS, axes_title, check_path, installed, label, picture

LINE = 72  # characters of a line in a picture
MOST_LINES, MOST_SQUARE = 40, 100  # lines of a strip, and tokens on either side of a square, that a picture shows
LOW, HIGH = (0.13, 0.40, 0.67), (0.84, 0.28, 0.19)  # below and above zero; white between
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #22303c; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }} p.note {{ color: #5b6773; margin: .2rem 0 }}
pre {{ font: 15px/1.8 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }}
pre span.here {{ outline: 2px solid #22303c }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""
POINTED = """<script>
const rows = {rows}, most = {most}, tokens = document.querySelectorAll("#links span");
tokens.forEach((token, here) => token.addEventListener("pointerenter", () => tokens.forEach((other, place) => {{
  const value = place < here ? rows[here][place] : 0;
  other.style.background = value ? `rgba(214, 72, 48, ${{Math.min(1, value / most)}})` : "";
  other.title = place < here ? value.toPrecision(3) + " {unit}" : "";
  other.classList.toggle("here", place === here);
}})));
</script>
"""


def plot_view(view: View, title: str, path: str | os.PathLike[str]) -> None:
    """A picture (.png, .svg) or a page (.html) of a view; raises UsageError where a picture would be too large."""
    if Path(path).suffix.lower() == ".html":
        from parrotlet.container import write_atomically

        write_atomically(path, [page(view, title).encode("utf-8", "replace")])
        return
    target = check_path(path, pages=True)
    if view.links is not None:
        _square(view.tokens, view.links, title, target)
    else:
        _strips(view, title, target)


def colour(value: float, low: float, high: float) -> tuple[float, float, float]:
    """White at zero, red above, blue below; white at ``low`` where that is above zero; NaN is white."""
    if math.isnan(value):
        return 1.0, 1.0, 1.0
    begin = max(0.0, low)
    share = value / low if value < 0 and low < 0 else (value - begin) / max(high - begin, 1e-12)
    share, end = min(1.0, max(0.0, share)), HIGH if value >= 0 else LOW
    return tuple(1 - share * (1 - part) for part in end)  # type: ignore[return-value]


def page(view: View, title: str) -> str:
    """One file without anything from elsewhere; tokens tell their figures under the pointer."""
    parts = [f'<p class="note">{html.escape(note)}</p>' for note in view.notes]
    for strip in view.strips:
        parts.append(f"<h2>{html.escape(strip.title)}</h2><pre>{_spans(view.tokens, strip)}</pre>")
    if view.links is not None:
        spans = "".join(f"<span>{_visible(token)}</span>" for token in view.tokens)
        told = f"Point at a token: what it was read from turns red, by {view.links.title} ({view.links.unit})."
        parts.append(f'<p class="note">{told}</p><pre id="links">{spans}</pre>')
        values = view.links.values
        rows = [[float(f"{value:.3g}") for value in row[:place].tolist()] for place, row in enumerate(values)]
        most = max(_most(view.links), 1e-9)
        parts.append(POINTED.format(rows=json.dumps(rows), most=f"{most:.4g}", unit=view.links.unit))
    return PAGE.format(title=html.escape(title), body="\n".join(parts))


def _spans(tokens: tuple[str, ...], strip: Strip) -> str:
    found = []
    for token, value in zip(tokens, strip.values, strict=True):
        red, green, blue = (round(255 * part) for part in colour(value, strip.low, strip.high))
        found.append(f'<span style="background:rgb({red},{green},{blue})" title="{value:.3g}">{_visible(token)}</span>')
    return "".join(found)


def _visible(token: str) -> str:
    """A token for a page: a line end is seen and breaks the line."""
    return html.escape(token).replace("\n", "↵\n")


def _most(links: Links) -> float:
    """The value that is shown in full colour: nearly the largest, so that one alone does not pale all others."""
    import numpy as np

    seen = links.values[links.values > 0]
    return float(np.quantile(seen, 0.995)) if len(seen) else 1.0


def _strips(view: View, title: str, target: Path) -> None:
    """The text once for each strip, in lines, each character on the colour of its token."""
    from matplotlib.collections import PolyCollection

    cells = _cells(view.tokens)
    lines = cells[-1][0] + 1
    if lines > MOST_LINES:
        raise UsageError(
            f"a picture shows {MOST_LINES} lines of {LINE} characters; this text has {lines}: give less, or an .html"
        )
    height = 0.26 * lines + 0.62
    with picture(target, 10.5, 0.5 + height * len(view.strips)) as figure:
        figure.suptitle(title, color=INK, fontsize=14, fontweight="bold", ha="left", x=0.012).set_parse_math(False)
        for place, strip in enumerate(view.strips, 1):
            axes = figure.add_subplot(len(view.strips), 1, place)
            axes_title(axes, strip.title, "")
            squares = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for y, x, _, _ in cells]
            colours = [colour(strip.values[token], strip.low, strip.high) for _, _, token, _ in cells]
            axes.add_collection(PolyCollection(squares, facecolors=colours, edgecolors="none"))
            for y, x, _, sign in cells:
                if not sign.isspace():
                    shown = axes.text(x + 0.5, y + 0.5, sign, ha="center", va="center", color=INK, fontsize=9)
                    shown.set_parse_math(False)
                    shown.set_fontfamily(["DejaVu Sans Mono", *installed()])
            axes.set_xlim(0, LINE)
            axes.set_ylim(lines, 0)
            axes.axis("off")


def _cells(tokens: tuple[str, ...]) -> list[tuple[int, int, int, str]]:
    """Line, column, token and sign of each character: lines break where the text does, and where they are full."""
    found, line, column = [], 0, 0
    for place, token in enumerate(tokens):
        for sign in token:
            if column == LINE:
                line, column = line + 1, 0
            found.append((line, column, place, MARKS.get(sign, sign if sign.isprintable() else "\ufffd")))
            line, column = (line + 1, 0) if sign == "\n" else (line, column + 1)
    return found or [(0, 0, 0, " ")]


def _square(tokens: tuple[str, ...], links: Links, title: str, target: Path) -> None:
    """Each token a row, over the tokens before it."""
    count = len(tokens)
    if count > MOST_SQUARE:
        raise UsageError(
            f"a picture shows the links of {MOST_SQUARE} tokens; this text has {count}: give less, or an .html"
        )
    from matplotlib.colors import LinearSegmentedColormap

    side = 1.6 + 0.17 * count
    with picture(target, side, side) as figure:
        axes = figure.add_subplot()
        shades: Any = LinearSegmentedColormap.from_list("links", [(1.0, 1.0, 1.0), HIGH])
        axes.imshow(links.values, cmap=shades, vmin=0, vmax=_most(links), interpolation="nearest")
        names = [label(token) for token in tokens]
        for ticks, turned in ((axes.set_xticks, 90), (axes.set_yticks, 0)):
            for tick in ticks(range(count), names, fontsize=8, color=INK, rotation=turned if count > 40 else 0):
                tick.label1.set_parse_math(False)
        axes.tick_params(length=0)
        axes_title(axes, title, f"each row was read from the columns, by {links.title}")
        axes.plot([-0.5, count - 0.5], [-0.5, count - 0.5], color=FAINT, linewidth=0.5)


def plot_saturation(shares: dict[str, Any], title: str, path: str | os.PathLike[str]) -> None:
    """Each unit a dot: how often a gate of it is shut and how often open (Karpathy et al. 2015, figure 3)."""
    target = check_path(path)
    with picture(target, 1 + 3.4 * len(shares), 4.2) as figure:
        figure.suptitle(title, color=INK, fontsize=14, fontweight="bold", ha="left", x=0.012).set_parse_math(False)
        for place, (name, values) in enumerate(shares.items(), 1):
            axes = figure.add_subplot(1, len(shares), place)
            axes.plot([0, 1], [1, 0], color=FAINT, linewidth=0.7)
            axes.scatter(values[:, 1], values[:, 0], s=14, color=HIGH, alpha=0.6, linewidths=0, clip_on=False)
            axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of the time open", ylabel="share of the time shut")
            axes_title(axes, f"{name} gate", "")

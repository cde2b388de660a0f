"""A picture's path comes in; an empty figure goes out, and with it what all pictures share: colours, fonts, labels.

matplotlib is imported when a picture is made; no window is opened and no global state is touched.
"""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parrotlet.errors import ParrotletError, UsageError, nearest

SUFFIXES = (".png", ".svg")
INK, FAINT, GRID, ACCENT = "#22303c", "#7b8794", "#e4e9ee", "#1d7874"
# Tried in order for the symbols that the first one lacks; those that are not installed are passed by.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Symbola",
)
MARKS = {" ": "␣", "\n": "↵", "\t": "⇥"}


def check_path(path: str | os.PathLike[str], pages: bool = False) -> Path:
    """A picture's path, with ``pages`` a page's. UsageError for another suffix, ParrotletError without its folder."""
    checked, known = Path(path), (*SUFFIXES, *([".html"] if pages else []))
    if checked.suffix.lower() not in known:
        kinds = "pictures end in .png or .svg" + (", pages in .html" if pages else "")
        raise UsageError(f"output = {str(path)!r}: {kinds}: {nearest(checked.suffix, known)}")
    if not checked.parent.is_dir():
        raise ParrotletError(f"the output folder {str(checked.parent)!r} does not exist: make it first")
    return checked


def label(token: str) -> str:
    """A token that can be seen: ``␣`` for a blank, ``↵`` for a line end, a code for what has no shape.

    >>> label(" the"), label("\\n")
    ('␣the', '↵')
    """
    shown = "".join(MARKS.get(symbol, symbol if symbol.isprintable() else f"\\x{ord(symbol):02x}") for symbol in token)
    return shown if len(shown) <= 18 else shown[:17] + "…"


def place_of(prompt: str) -> str:
    """Where a picture's tokens stand, to end a title with: after the end of the prompt, on one line, between quotes."""
    if not prompt:
        return "at the beginning of a text"
    text = "".join(MARKS.get(each, each if each.isprintable() else "\ufffd") if each != " " else " " for each in prompt)
    text = text if not text.endswith(" ") else text[:-1] + "␣"
    return "after “" + (text if len(text) <= 48 else "…" + text[-47:]) + "”"


def axes_title(axes: Any, title: str, below: str) -> None:
    """The title of one part of a picture, and a line below it."""
    lift = 20 if below else 6
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold", pad=lift).set_parse_math(False)
    axes.annotate(
        below, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", color=FAINT, fontsize=10
    ).set_parse_math(False)


def figure_title(figure: Any, title: str) -> None:
    """The title of a whole picture."""
    shown = figure.suptitle(title, color=INK, fontsize=15, fontweight="bold", ha="left", x=0.012)
    shown.set_parse_math(False)


def installed() -> list[str]:
    """Those of the fonts that this machine has."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in names]


@contextmanager
def picture(target: Path, width: float, height: float) -> Iterator[Any]:
    """An empty figure in inches, with no window behind it, that is written once it is drawn, whole or not at all."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError:
        raise ParrotletError("pictures need matplotlib: pip install 'parrotlet[plot]'") from None
    from parrotlet.container import write_atomically

    picture = io.BytesIO()
    with matplotlib.rc_context({"font.family": installed(), "svg.fonttype": "path"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a symbol that no installed font has is drawn as a box
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
        yield figure
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(GRID)
        figure.savefig(picture, format=target.suffix[1:].lower(), dpi=150)
    write_atomically(target, [picture.getvalue()])

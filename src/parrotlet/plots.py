"""Histories, probabilities and a Writer come in; pictures go out as PNG or SVG: the loss, the next token, temperature.

matplotlib is imported when a picture is made; no window is opened and no global state is touched.
"""

import io
import json
import logging
import os
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parrotlet.errors import ParrotletError, UsageError, nearest

if TYPE_CHECKING:
    from parrotlet.bundle import Evaluation
    from parrotlet.writer import Writer

SUFFIXES = (".png", ".svg")
INK, FAINT, GRID, ACCENT = "#22303c", "#7b8794", "#e4e9ee", "#1d7874"
# A model's colour in a picture of several; readable side by side also without full colour vision (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
HEAT = ((0.11, 0.42, 0.68), (0.17, 0.60, 0.55), (0.93, 0.60, 0.16), (0.80, 0.16, 0.14))  # from cold to hot
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
MOST_METRICS = 256 << 20  # bytes of a metrics file
TEXT_WIDTH, TEXT_LINES = 74, 6


def check_path(path: str | os.PathLike[str]) -> Path:
    """A picture's path. Raises UsageError for a suffix that is no picture's, ParrotletError without its folder."""
    checked = Path(path)
    if checked.suffix.lower() not in SUFFIXES:
        raise UsageError(f"output = {str(path)!r}: pictures end in .png or .svg: {nearest(checked.suffix, SUFFIXES)}")
    if not checked.parent.is_dir():
        raise ParrotletError(f"the output folder {str(checked.parent)!r} does not exist: make it first")
    return checked


def read_histories(files: Sequence[str | os.PathLike[str]]) -> dict[str, "Sequence[Evaluation]"]:
    """The evaluations of each model file or ``metrics.jsonl``, by a short name. Raises ParrotletError."""
    histories: dict[str, Sequence[Evaluation]] = {}
    for file in files:
        path = Path(file)
        name = path.parent.stem or path.stem if path.suffix == ".jsonl" else path.stem
        histories[name if name not in histories else str(path)] = _read_history(path)
    return histories


def _read_history(path: Path) -> "Sequence[Evaluation]":
    from parrotlet.bundle import Evaluation, load_bundle

    if path.suffix != ".jsonl":
        return load_bundle(path).card.history

    history = []
    try:
        if path.stat().st_size > MOST_METRICS:
            raise ParrotletError(f"{path} is larger than any run's metrics")
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record.get("event") == "evaluation":
                history.append(Evaluation(**{name: record[name] for name in Evaluation.model_fields}))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is not the metrics of a run"
        raise ParrotletError(f"cannot read {path}: {reason}") from None
    return history


def label(token: str) -> str:
    """A token that can be seen: ``␣`` for a blank, ``↵`` for a line end, a code for what has no shape.

    >>> label(" the"), label("\\n")
    ('␣the', '↵')
    """
    shown = "".join(MARKS.get(symbol, symbol if symbol.isprintable() else f"\\x{ord(symbol):02x}") for symbol in token)
    return shown if len(shown) <= 18 else shown[:17] + "…"


def plot_loss(histories: "Mapping[str, Sequence[Evaluation]]", path: str | os.PathLike[str]) -> None:
    """Bits per character over the steps: solid what was held back, dashed the training text; a dot on the best."""
    target = check_path(path)
    shown = {name: history for name, history in histories.items() if history}
    if not shown:
        raise ParrotletError("there is nothing to plot: no evaluation was made in this training")
    with _picture(target, 8, 4.6) as figure:
        axes = figure.add_subplot()
        for place, (name, history) in enumerate(shown.items()):
            _loss_curve(axes, history, COLOURS[place % len(COLOURS)], name if len(shown) > 1 else "")
        axes.set_xlabel("steps", color=FAINT)
        axes.set_ylabel("bits per character", color=FAINT)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        title = f"How {next(iter(shown))} learned" if len(shown) == 1 else "How the models learned"
        _title(axes, title, "lower is better; solid: held back, dashed: the training text since the evaluation before")
        axes.tick_params(colors=FAINT)
        axes.grid(color=GRID, linewidth=0.8)
        axes.margins(x=0.02)
        if len(shown) > 1:
            for text in axes.legend(frameon=False, labelcolor=INK).get_texts():
                text.set_parse_math(False)


def _loss_curve(axes: Any, history: "Sequence[Evaluation]", colour: str, name: str) -> None:
    """One training; its lowest figure stands beside its name in the legend, or on the curve where there is but one."""
    train = [(each.step, each.train) for each in history if each.train is not None]
    held_back = [(each.step, each.validation) for each in history if each.validation is not None]
    marker = "o" if len(history) == 1 else None
    if train:
        own = name if not held_back else None
        axes.plot(*zip(*train, strict=True), color=colour, lw=1.3, ls=(0, (4, 2)), alpha=0.6, marker=marker, label=own)
    if not held_back:
        return
    step, best = min(held_back, key=lambda pair: pair[1])
    axes.plot(*zip(*held_back, strict=True), color=colour, lw=2.2, label=name and f"{name}   {best:.3f}")
    axes.plot([step], [best], "o", color=colour, markersize=6, markeredgecolor="white")
    if not name:
        side = "right" if step > 0.7 * history[-1].step else "left"
        above = best >= (dict(train).get(step) or 0)  # where the other curve is not
        offset = {"xytext": (0, 9 if above else -16), "textcoords": "offset points", "ha": side}
        axes.annotate(f"{best:.3f}", (step, best), **offset, color=colour, fontweight="bold")


def plot_next(tokens: Sequence[tuple[str, float]], prompt: str, path: str | os.PathLike[str]) -> None:
    """The likeliest next tokens, likeliest on top, with their probabilities."""
    target = check_path(path)
    if not tokens:
        raise ParrotletError("there is nothing to plot: no token")
    with _picture(target, 7, 1.3 + 0.36 * len(tokens)) as figure:
        axes = figure.add_subplot()
        _token_bars(axes, [token for token, _ in tokens], [value for _, value in tokens], ACCENT, size=11)
        _title(axes, "What comes next", f"after {_ending(prompt)}" if prompt else "at the beginning of a text")


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
    with _picture(target, 12, 1.0 + height * len(temperatures)) as figure:
        grid = figure.add_gridspec(len(temperatures), 2, width_ratios=(1, 2.1), wspace=0.08, hspace=0.06)
        where = f"after {_ending(prompt)}" if prompt else "at the beginning of a text"
        for row, (degrees, text) in enumerate(zip(temperatures, texts, strict=True)):
            colour = _heat_colour(row / max(1, len(temperatures) - 1))
            left, right = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
            values = heated([value for _, value in known], degrees)[:tokens]
            _token_bars(left, [token for token, _ in known[:tokens]], values, colour, size=9)
            left.set_xlim(0, 1.18)
            _title(left, f"temperature {degrees:g}", "")
            _text(right, text, colour)
        title = figure.suptitle(
            f"What temperature does, {where}", color=INK, fontsize=15, fontweight="bold", ha="left", x=0.012
        )
        title.set_parse_math(False)


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
    places = list(range(len(tokens)))
    axes.barh(places, values, color=colour, height=0.72)
    axes.set_yticks(places, [label(token) for token in tokens], fontsize=size + 1, color=INK)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    for place, value in zip(places, values, strict=True):
        share = f"{value:.1%}" if value >= 0.001 else "<0.1%"
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
    shown.set_fontfamily(["DejaVu Sans Mono", *_installed()])


def _ending(prompt: str) -> str:
    """The end of the prompt, on one line, between quotes."""
    text = "".join(MARKS.get(each, each if each.isprintable() else "\ufffd") if each != " " else " " for each in prompt)
    text = text if not text.endswith(" ") else text[:-1] + "␣"
    return "“" + (text if len(text) <= 48 else "…" + text[-47:]) + "”"


def _title(axes: Any, title: str, below: str) -> None:
    lift = 20 if below else 6
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold", pad=lift).set_parse_math(False)
    axes.annotate(
        below, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", color=FAINT, fontsize=10
    ).set_parse_math(False)


def _heat_colour(share: float) -> tuple[float, ...]:
    """0 is the coldest colour, 1 the hottest."""
    step, place = divmod(share * (len(HEAT) - 1), 1)
    cold, hot = HEAT[int(step)], HEAT[min(int(step) + 1, len(HEAT) - 1)]
    return tuple(low + (high - low) * place for low, high in zip(cold, hot, strict=True))


def _installed() -> list[str]:
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in names]


@contextmanager
def _picture(target: Path, width: float, height: float) -> Iterator[Any]:
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
    with matplotlib.rc_context({"font.family": _installed(), "svg.fonttype": "path"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a symbol that no installed font has is drawn as a box
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
        yield figure
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(GRID)
        figure.savefig(picture, format=target.suffix[1:].lower(), dpi=150)
    write_atomically(target, [picture.getvalue()])

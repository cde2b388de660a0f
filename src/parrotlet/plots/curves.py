"""Histories of trainings come in; a picture of how bits per character fell goes out."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from parrotlet.errors import ParrotletError
from parrotlet.plots.canvas import FAINT, GRID, INK, axes_title, check_path, picture

if TYPE_CHECKING:
    from parrotlet.bundle import Evaluation

# A model's colour in a picture of several; readable side by side also without full colour vision (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MOST_METRICS = 256 << 20  # bytes of a metrics file
CURVES = "lower is better; solid: held back, a dot on the best; dashed: the training text"
DOTS = "lower is better; one evaluation; full dot: held back, open dot: the training text"
LONG_RUN = 600.0  # seconds from which a run is shown in minutes


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


def plot_loss(
    histories: "Mapping[str, Sequence[Evaluation]]",
    path: str | os.PathLike[str],
    *,
    over: Literal["steps", "seconds"] = "steps",
) -> None:
    """Bits per character over steps or time: solid what was held back, dashed the training text; a dot on the best.

    A training of one evaluation is dots alone, which the legend tells; so it does of a model without any.
    """
    target = check_path(path)
    shown = {name: history for name, history in histories.items() if _figures(history)}
    if not shown:
        raise ParrotletError("there is nothing to plot: no evaluation was made in this training")
    unit, scale = "steps", 1.0
    if over == "seconds":
        longest = max(history[-1].seconds for history in shown.values())
        unit, scale = ("minutes", 60.0) if longest > LONG_RUN else ("seconds", 1.0)
    with picture(target, 8, 4.6) as figure:
        axes = figure.add_subplot()
        for place, (name, history) in enumerate(shown.items()):
            at = [each.step if over == "steps" else each.seconds / scale for each in history]
            _curve(axes, at, history, COLOURS[place % len(COLOURS)], name if len(histories) > 1 else "")
        axes.set_xlabel(unit, color=FAINT)
        axes.set_ylabel("bits per character", color=FAINT)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        title = f"How {next(iter(shown))} learned" if len(shown) == 1 else "How the models learned"
        axes_title(axes, title, CURVES if any(len(history) > 1 for history in shown.values()) else DOTS)
        axes.tick_params(colors=FAINT)
        axes.grid(color=GRID, linewidth=0.8)
        axes.margins(x=0.02, y=0.08)
        if len(histories) > 1:
            for name in (name for name in histories if name not in shown):
                axes.plot([], [], " ", label=f"{name}: no history")
            for text in axes.legend(frameon=False, labelcolor=INK).get_texts():
                text.set_parse_math(False)


def _figures(history: "Sequence[Evaluation]") -> int:
    return sum((each.train is not None) + (each.validation is not None) for each in history)


def _curve(axes: Any, at: Sequence[float], history: "Sequence[Evaluation]", colour: str, name: str) -> None:
    """One training; its lowest figure stands beside its name in the legend, or on the curve where there is but one."""
    train = [(x, each.train) for x, each in zip(at, history, strict=True) if each.train is not None]
    held_back = [(x, each.validation) for x, each in zip(at, history, strict=True) if each.validation is not None]
    dots = ["one evaluation"] if len(train) < 2 and len(held_back) < 2 else []
    dots += ["open dot: training text"] if len(train) == 1 else []
    told = f" ({', '.join(dots)})" if dots else ""
    if train:
        style: dict[str, Any] = {"color": colour, "lw": 1.3, "ls": (0, (4, 2)), "alpha": 0.6}
        style |= {"marker": "o", "fillstyle": "none"} if len(train) == 1 else {}
        axes.plot(*zip(*train, strict=True), label=f"{name}{told}" if name and not held_back else None, **style)
    if not held_back:
        return
    place, best = min(held_back, key=lambda pair: pair[1])
    marker = "o" if len(held_back) == 1 else None
    label = name and f"{name}   {best:.3f}{told}"
    axes.plot(*zip(*held_back, strict=True), color=colour, lw=2.2, marker=marker, label=label)
    axes.plot([place], [best], "o", color=colour, markersize=6, markeredgecolor="white")
    if not name:
        side = "right" if place > 0.7 * at[-1] else "left"
        above = best >= (dict(train).get(place) or 0)  # where the other curve is not
        offset = {"xytext": (0, 9 if above else -16), "textcoords": "offset points", "ha": side}
        axes.annotate(f"{best:.3f}", (place, best), **offset, color=colour, fontweight="bold")

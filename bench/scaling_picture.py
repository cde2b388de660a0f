"""Points of sizes and costs come in; a picture of them on logarithmic axes goes out, time above, memory below."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.scaling import Points, Sweep

INK, FAINT = "#1d7874", "#7b8794"


def draw(path: Path, found: "Mapping[Sweep, Points]", slopes: "Mapping[Sweep, float]") -> None:
    """One panel for each sweep. matplotlib is imported here: what is loaded counts for the memory of every child."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    rows = [[sweep for sweep in found if (sweep.unit == "MB") == memory] for memory in (False, True)]
    figure = Figure(figsize=(3.1 * max(map(len, rows)), 5.8), dpi=80, layout="constrained")
    panels = figure.subplots(2, max(map(len, rows)), squeeze=False)
    for row, sweeps in zip(panels, rows, strict=True):
        for axes, sweep in zip(row, sweeps, strict=False):
            sizes, costs = zip(*found[sweep], strict=True)
            axes.loglog(*_expected(sweep, found[sweep]), color=FAINT, linewidth=6, alpha=0.35)
            axes.loglog(sizes, costs, "o-", color=INK, markersize=4)
            slope = f"\nslope {slopes[sweep]:.2f}" if sweep in slopes else ""
            axes.set_title(sweep.what + slope, fontsize=9)
            axes.set_xlabel(sweep.size, fontsize=8)
            axes.set_ylabel(sweep.unit, fontsize=8)
            axes.tick_params(labelsize=7)
            axes.set_xlim(*_decades(sizes))
            axes.set_ylim(*_decades(costs))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_minor_formatter(NullFormatter())
        for axes in row[len(sweeps) :]:
            axes.remove()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around all values, so that each axis has two numbers at least."""
    return 10 ** math.floor(math.log10(min(values)) - 0.05), 10 ** math.ceil(math.log10(max(values)) + 0.05)


def _expected(sweep: "Sweep", points: "Points") -> tuple[list[float], list[float]]:
    """The line of slope 1 or 0 through the last point, where it is expected; nothing where none is."""
    if sweep.slope is None:
        return [], []
    sizes = [size for size, _ in sweep.judged(points)]
    last_size, last_cost = points[-1]
    return sizes, [last_cost * (size / last_size) ** sweep.slope for size in sizes]

"""Histories, probabilities and a Writer come in; pictures go out as PNG or SVG: the loss, the next token, and so on."""

from parrotlet.plots.canvas import check_path, label
from parrotlet.plots.curves import plot_loss, read_histories
from parrotlet.plots.maps import plot_map
from parrotlet.plots.steps import plot_steps
from parrotlet.plots.tokens import heated, plot_next, plot_temperature
from parrotlet.plots.views import plot_saturation, plot_view

__all__ = [
    "check_path",
    "heated",
    "label",
    "plot_loss",
    "plot_map",
    "plot_next",
    "plot_saturation",
    "plot_steps",
    "plot_temperature",
    "plot_view",
    "read_histories",
]

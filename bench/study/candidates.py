"""Names come in; what a row of the study changes about the usual training goes out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.study.networks import HashedNgrams, ParallelCells, Transformer
from parrotlet.networks import Network
from parrotlet.settings import NetworkSettings

STUDIED_SIZES = (256, 320, 384, 448, 512, 640, 768, 1024, 1280, 1536)

Build = Callable[[NetworkSettings, int], Network]


@dataclass(frozen=True)
class Candidate:
    """``network`` and ``training`` settings that differ from the usual; a network that is not parrotlet's own.

    ``average``: at the end the weights are averaged over the last so many of each hundred steps; ``ahead``: the share
    of the loss that foreseeing the token after next has; ``weight_drop``: of recurrent weights, anew at each step;
    ``teacher``: the share of the time in which a first network learns, whose chances the second one learns too;
    ``memory``: the share of recurrent units that begin with gates that forget after 1 to so many steps (Tallec and
    Ollivier 2018, §2), and how many.
    """

    group: str
    network: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    build: Build | None = None
    average: float = 0.0
    ahead: float = 0.0
    weight_drop: float = 0.0
    teacher: float = 0.0
    memory: tuple[float, int] | None = None

    @property
    def own_steps(self) -> bool:
        """Whether its steps do more than the settings say."""
        return self.build is not None or bool(self.ahead or self.weight_drop or self.teacher)


def _cell(cell: str, hidden: int, layers: int, **training: Any) -> Candidate:
    return Candidate("network", {"hidden": hidden, "layers": layers}, training, partial(ParallelCells, cell=cell))


CANDIDATES: dict[str, Candidate] = {
    "usual": Candidate("usual"),
    # networks
    "rnn-256": Candidate("network", {"kind": "rnn", "hidden": 256}),
    "gru-256": Candidate("network", {"kind": "gru", "hidden": 256}),
    "gru-384": Candidate("network", {"kind": "gru", "hidden": 384}),
    "lstm-2x256": Candidate("network", {"layers": 2, "hidden": 256}),
    "lstm-2x384": Candidate("network", {"layers": 2, "hidden": 384}),
    "lstm-2x384-residual": Candidate("network", {"layers": 2, "hidden": 384, "residual": True}),
    "lstm-512-norm": Candidate("network", {"hidden": 512, "layer_norm": True}),
    "min_gru-2x512": _cell("min_gru", 512, 2),
    "min_gru-3x512": _cell("min_gru", 512, 3),
    "sru-2x512": _cell("sru", 512, 2),
    "qrnn-2x384": _cell("qrnn", 384, 2),
    "convolution-128": Candidate("network", {"kind": "convolution", "hidden": 128, "layers": 6}),
    "convolution-256": Candidate("network", {"kind": "convolution", "hidden": 256, "layers": 6}),
    "transformer-4x128": Candidate("network", {"hidden": 128, "layers": 4}, {"window": 128}, Transformer),
    "transformer-4x256": Candidate("network", {"hidden": 256, "layers": 4}, {"window": 128}, Transformer),
    "textgenrnn": Candidate(
        "network",
        {"hidden": 128, "layers": 2, "embedding": 100, "context": 40, "padded": True, "attention": True},
        {"batch": 128, "learning_rate": 4e-3, "optimizer": "adam"},
    ),
    # sizes
    **{f"lstm-{size}": Candidate("size", {"hidden": size}) for size in STUDIED_SIZES},
    # batches and windows
    "batch-16": Candidate("batch", training={"batch": 16}),
    "batch-32": Candidate("batch", training={"batch": 32}),
    "batch-128": Candidate("batch", training={"batch": 128}),
    "window-64": Candidate("batch", training={"window": 64}),
    "window-256": Candidate("batch", training={"window": 256}),
    # optimizers
    "adamw": Candidate("optimizer", training={"optimizer": "adamw"}),
    "adamw-0.01": Candidate("optimizer", training={"optimizer": "adamw", "learning_rate": 1e-2}),
    "adamw-0.02": Candidate("optimizer", training={"optimizer": "adamw", "learning_rate": 2e-2}),
    "rmsprop": Candidate("optimizer", training={"optimizer": "rmsprop", "learning_rate": 5e-3}),
    "sgd": Candidate("optimizer", training={"optimizer": "sgd", "learning_rate": 2.0, "momentum": 0.9}),
    "rate-0.015": Candidate("optimizer", training={"learning_rate": 1.5e-2}),
    "rate-0.03": Candidate("optimizer", training={"learning_rate": 3e-2}),
    "rate-0.045": Candidate("optimizer", training={"learning_rate": 4.5e-2}),
    "rate-0.035": Candidate("optimizer", training={"learning_rate": 3.5e-2}),
    "rate-0.06": Candidate("optimizer", training={"learning_rate": 6e-2}),
    "rate-0.09": Candidate("optimizer", training={"learning_rate": 9e-2}),
    "rate-0.12": Candidate("optimizer", training={"learning_rate": 0.12}),
    "decay-0.01": Candidate("optimizer", training={"weight_decay": 0.01}),
    "decay-0.05": Candidate("optimizer", training={"weight_decay": 0.05}),
    "decay-0.3": Candidate("optimizer", training={"weight_decay": 0.3}),
    "beta-0.95": Candidate("optimizer", training={"beta2": 0.95}),
    # schedules and averages
    "linear": Candidate("schedule", training={"schedule": "linear"}),
    "constant": Candidate("schedule", training={"schedule": "constant"}),
    "constant-averaged": Candidate("schedule", training={"schedule": "constant"}, average=0.2),
    "averaged": Candidate("schedule", average=0.05),
    "epochs-10": Candidate("schedule", training={"most_epochs": 10.0}),
    "epochs-20": Candidate("schedule", training={"most_epochs": 20.0}),
    # dropout
    "no-dropout": Candidate("dropout", {"dropout_output": 0.0, "dropout_input": 0.0}),
    "dropout-output-0.2": Candidate("dropout", {"dropout_output": 0.2, "dropout_input": 0.0}),
    "dropout-output-0.4": Candidate("dropout", {"dropout_output": 0.4, "dropout_input": 0.0}),
    "dropout-input-0.1": Candidate("dropout", {"dropout_output": 0.2, "dropout_input": 0.1}),
    "dropout-each-step": Candidate("dropout", {"dropout_output": 0.2, "dropout_each_step": True}),
    "weight-drop-0.2": Candidate("dropout", weight_drop=0.2),
    "weight-drop-0.4": Candidate("dropout", weight_drop=0.4),
    # more to learn from
    "hashed-ngrams": Candidate("features", build=HashedNgrams),
    "two-ahead": Candidate("features", ahead=0.2),
    "distilled": Candidate("features", teacher=0.5),
    "memory-none": Candidate("features", memory=(0.0, 128)),
    "memory-64": Candidate("features", memory=(0.125, 64)),
    "memory-256": Candidate("features", memory=(0.125, 256)),
    "memory-sixteenth": Candidate("features", memory=(0.0625, 128)),
    "memory-quarter": Candidate("features", memory=(0.25, 128)),
    "memory-all": Candidate("features", memory=(1.0, 128)),
}

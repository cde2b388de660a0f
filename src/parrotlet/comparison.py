"""Figures, curves and texts of models come in; they go out side by side, with what one model gains over another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from parrotlet.bundle import Card, Evaluation
from parrotlet.scoring import Score
from parrotlet.settings import NetworkSettings

SAME = 0.0005  # bits per character: figures nearer than this are alike


@dataclass(frozen=True)
class Figures:
    """One model's figures: losses in bits per character, seconds of the whole training, characters of its text.

    ``validation_apart`` and ``score_apart`` say why a figure is not comparable with the first model's (the first that
    has one); empty: it is. ``unknown`` lists what of the prompts it does not know. ``trained`` is False where nothing
    is known of its training: its characters, seconds, epochs and steps say nothing then.
    """

    name: str
    network: str
    parameters: int
    level: str
    vocabulary: int
    trained: bool
    trained_on: str
    characters: int
    device: str
    seconds: float
    epochs: float
    steps: int
    validation: float | None
    validation_apart: str
    score: Score | None
    score_apart: str
    unknown: tuple[str, ...]
    history: tuple[Evaluation, ...]

    def curve(self, of: Literal["validation", "train"]) -> list[tuple[float, float]]:
        """Seconds and bits per character at each evaluation that has this figure."""
        found = [(each.seconds, getattr(each, of)) for each in self.history]
        return [(seconds, bits) for seconds, bits in found if bits is not None]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        data = asdict(self) | {"history": [each.model_dump(mode="json") for each in self.history]}
        if self.score:
            del data["score"]["surprise"]
        return data


@dataclass(frozen=True)
class Gain:
    """How much lower one model's figure is than another's, in bits per character.

    ``seconds``: when an evaluation of the better model first was as good as the worse one's best, ``worse_lowest``,
    which that one had after ``worse_seconds``. None for a text's score, and where the times say nothing: ``untimed``
    tells why. The logits of a model are scaled after its last evaluation, so that ``worse_bits`` may be lower.
    """

    on: str
    better: str
    worse: str
    better_bits: float
    worse_bits: float
    seconds: float | None = None
    worse_seconds: float | None = None
    worse_lowest: float | None = None
    untimed: str = ""

    @property
    def bits(self) -> float:
        return self.worse_bits - self.better_bits

    @property
    def sentence(self) -> str:
        """The same in plain words."""
        if self.seconds is not None and self.worse_seconds:
            share = self.seconds / self.worse_seconds
            end = "ends level with it" if self.bits < SAME else f"ends {self.bits:.3f} bits lower"
            return (
                f"{self.better} has reached {self.worse}'s best figure ({self.worse_lowest:.3f} bits per character) by "
                f"{_duration(self.seconds)}, {f'{share:.0%} of' if share < 2 else f'{share:.1f} times'} the "
                f"{_duration(self.worse_seconds)} that {self.worse} needed, and {end}"
            )
        told = f"needs {self.bits:.3f} bits per character less than {self.worse} on {self.on}"
        if self.bits < SAME:
            told = f"does as well as {self.worse} on {self.on}"
        why = f"; {self.untimed}" if self.untimed else ""
        return f"{self.better} {told} ({self.better_bits:.3f} against {self.worse_bits:.3f}){why}"

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"bits": self.bits, "sentence": self.sentence}


@dataclass(frozen=True)
class Sample:
    """What one model wrote."""

    model: str
    prompt: str
    temperature: float
    seed: int
    text: str


@dataclass(frozen=True)
class Comparison:
    """Models side by side.

    ``settings``: those that describe a model and differ, by name, with each model's value in the models' order, None
    where it has none.
    """

    models: tuple[Figures, ...]
    settings: Mapping[str, tuple[Any, ...]]
    gains: tuple[Gain, ...]
    samples: tuple[Sample, ...]
    text: str | None

    def curves(
        self, of: Literal["validation", "train"] = "validation", rows: int = 10
    ) -> list[tuple[float, list[float | None]]]:
        """The learning curves as a table: seconds, and what the last evaluation of each model by then gave.

        None before a model's first evaluation and after its last. The seconds are those of evaluations, chosen evenly.
        """
        curves = [model.curve(of) for model in self.models]
        times = sorted({seconds for curve in curves for seconds, _ in curve})
        last = len(times) - 1
        places = sorted({round(row * last / max(1, rows - 1)) for row in range(rows)}) if times else []
        return [(times[place], [_figure_at(curve, times[place]) for curve in curves]) for place in places]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "models": [model.as_json() for model in self.models],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "gains": [gain.as_json() for gain in self.gains],
            "text": self.text,
            "samples": [asdict(sample) for sample in self.samples],
        }


def was_trained(card: Card) -> bool:
    """Whether it was trained here; of a model that was taken over nothing is known but what it is."""
    return card.steps > 0 or bool(card.history)


def telling(network: NetworkSettings) -> dict[str, Any]:
    """The network's settings that mean something for its kind, as plain data; a stack's layers are not among them."""
    idle = {"stack"}
    if network.kind == "stack":
        idle |= {"hidden", "layers", "residual", "layer_norm", "tied", "bidirectional", "attention"}
    if network.kind == "convolution":
        idle |= {"residual"}
    else:
        idle |= {"kernel"}
    if network.input != "learned":
        idle |= {"embedding"}
    return network.model_dump(mode="json", exclude=idle)


def _figure_at(curve: Sequence[tuple[float, float]], seconds: float) -> float | None:
    """The last figure by then; None before the first and after the end of the curve."""
    if not curve or seconds > curve[-1][0]:
        return None
    return next((bits for then, bits in reversed(curve) if then <= seconds), None)


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"

"""What a training run tells while it goes: small frozen records, each with a name, that every face shows in its way."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """One thing that happened; ``event`` is its name in JSON."""

    event: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        return {"event": self.event, **asdict(self)}


@dataclass(frozen=True)
class Note(Event):
    """A decision or a finding that the user should know of."""

    event: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Started(Event):
    """The run is set up: its sizes and its resolved settings."""

    event: ClassVar[str] = "started"
    characters: int
    tokens: int
    documents: int
    vocabulary: int
    parameters: int
    device: str
    precision: str
    step: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Step(Event):
    """Progress, a few times a second: ``fraction`` of the budget, bits per character since the last evaluation."""

    event: ClassVar[str] = "step"
    step: int
    epoch: float
    fraction: float
    train: float | None
    characters_per_second: float
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True)
class Evaluated(Event):
    """Bits per character on the training text since the last evaluation, and on the text held back."""

    event: ClassVar[str] = "evaluation"
    step: int
    epoch: float
    seconds: float
    train: float | None
    validation: float | None
    learning_rate: float
    best: bool


@dataclass(frozen=True)
class Sample(Event):
    """What the network writes at this point of the run; the text goes on from the prompt, which it includes."""

    event: ClassVar[str] = "sample"
    step: int
    temperature: float
    text: str
    prompt: str = ""


@dataclass(frozen=True)
class Saved(Event):
    """A model file was written: the run's own, with the best state so far, or another with that of one evaluation."""

    event: ClassVar[str] = "saved"
    path: str
    validation: float | None


@dataclass(frozen=True)
class Done(Event):
    """The run is over. ``reason``: finished | early | interrupted | not finite | nothing to do.

    ``report``: the report card of the model (see ``report.Report``) as plain data, where one was made.
    """

    event: ClassVar[str] = "done"
    reason: str
    step: int
    epoch: float
    seconds: float
    validation: float | None
    path: str | None
    advice: str
    report: dict[str, Any] | None = None

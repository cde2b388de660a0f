"""Every setting of a model and its training: one schema for Python, the command line, TOML files and model files."""

import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from parrotlet.errors import UsageError, nearest
from parrotlet.settings.network import LayerSettings, NetworkSettings
from parrotlet.settings.section import Section

__all__ = [
    "BUDGETS",
    "HOTTEST",
    "SECTIONS",
    "Cleaning",
    "CorpusSettings",
    "Device",
    "Form",
    "LayerSettings",
    "Level",
    "Model",
    "NetworkSettings",
    "Section",
    "Settings",
    "Temperature",
    "TokenizerSettings",
    "TrainingSettings",
    "assign",
    "check",
    "explain",
    "flat",
    "merge",
    "parse_settings",
]

HOTTEST = 100.0

Level = Literal["char", "word", "byte", "bpe", "symbol", "textgenrnn-word"]
Cleaning = Literal["links", "mentions", "hashtags", "entities", "retweets"]
Form = Literal["auto", "text", "lines"]
Device = Literal["auto", "cpu", "cuda", "mps"]

Temperature = Annotated[float, Field(ge=0, le=HOTTEST)]
Model = TypeVar("Model", bound=BaseModel)
BUDGETS = frozenset({"minutes", "epochs", "steps"})


class CorpusSettings(Section):
    """How sources become documents."""

    form: Form = Field("auto", description="one long text, or one document a line; auto looks at the text")
    encoding: str | None = Field(None, description="text encoding such as utf-8 or cp1252; none means detect it")
    column: str | None = Field(None, description="the column or field that holds the text (CSV, TSV, JSON, JSONL)")
    labels: tuple[str, ...] = Field((), description="a column that holds labels; several may be given")
    position: int = Field(
        0, ge=0, le=100, description="tell so many parts of a document apart, as labels 1, 2 … of a column 'position'"
    )
    template: str | None = Field(None, description='builds a text from fields: "Recipe for {title} | {directions}"')
    dialogue: bool = Field(
        False, description="read questions and answers, messages or speakers' lines as conversations, to chat with"
    )
    clean: tuple[Cleaning, ...] = Field(
        (), description="leave out of posts: links, mentions, hashtags, retweets; entities: &amp; becomes &"
    )
    header: bool | None = Field(None, description="whether a table's first row names the columns; none means look")


class TokenizerSettings(Section):
    """How text becomes ids."""

    level: Level = Field("char", description="char, word, byte, bpe, symbol (tokens between blanks) or textgenrnn-word")
    lowercase: bool = Field(False, description="read everything in lower case")
    normalisation: Literal["NFC", "NFKC", "none"] = Field("NFC", description="Unicode normalisation form")
    graphemes: bool = Field(False, description="char level: one token per user-perceived character, not code point")
    fallback: bool = Field(True, description="char level: spell rare symbols in bytes; else they are <unk>")
    size: int | None = Field(None, ge=2, le=1_000_000, description="most tokens to keep (word 10000, bpe 2000)")
    min_count: int | None = Field(None, ge=1, le=1_000_000, description="least count of a symbol that gets its own id")
    punctuation: Literal["token", "delete"] = Field("token", description="word level: what becomes of punctuation")
    breaker: Literal["none", "icu"] = Field(
        "none", description="word level: part Chinese, Japanese, Thai … into words by ICU's dictionaries (icu4py)"
    )
    stem: str | None = Field(None, description="word level: stem words by this language's Snowball rules")


class TrainingSettings(Section):
    """The training run: budget, batches, optimizer, schedule, validation, device."""

    minutes: float | None = Field(None, gt=0, le=100_000, description="wall clock of the whole command")
    epochs: float | None = Field(None, gt=0, le=1_000_000, description="passes over the training text")
    steps: int | None = Field(None, ge=1, le=1_000_000_000, description="optimizer steps")
    most_epochs: float = Field(
        15,
        gt=0,
        le=1_000_000,
        description="with minutes: a text that was read so often is learned by heart; the run ends",
    )
    batch: int = Field(64, ge=1, le=65_536, description="rows read side by side")
    window: int = Field(64, ge=1, le=65_536, description="tokens per row and step (truncated back-propagation)")
    stride: int = Field(1, ge=1, le=65_536, description="with a context: tokens from one predicted token to the next")
    sequences: bool = Field(
        False, description="lines: cut each document, or pad it with ends that are learned too, to the window"
    )
    optimizer: Literal["muon", "adamw", "adam", "rmsprop", "sgd"] = Field("muon", description="the update rule")
    learning_rate: float = Field(8e-3, gt=0, le=10, description="peak learning rate")
    beta2: float = Field(
        0.99, ge=0, lt=1, description="decay of the second moment (Muon's AdamW, AdamW, Adam, RMSprop)"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="SGD and RMSprop")
    weight_decay: float = Field(0.01, ge=0, le=10, description="decoupled for Muon and AdamW, L2 for the others")
    schedule: Literal["cosine", "linear", "step", "constant"] = Field("cosine", description="learning rate over time")
    rate_by_epoch: bool = Field(False, description="the rate changes between epochs only; schedule step: a stage each")
    warmup: int = Field(50, ge=0, le=1_000_000, description="steps of linear warm-up")
    step_decay: float = Field(0.5, gt=0, le=1, description="schedule step: factor at each stage")
    step_start: int = Field(1, ge=0, le=1000, description="schedule step: the first stage with a smaller rate")
    step_stages: int = Field(4, ge=1, le=1000, description="schedule step: how many stages the run has")
    final_rate: float = Field(0.02, ge=0, le=1, description="share of the peak learning rate that is left at the end")
    clip: float = Field(1.0, ge=0, le=1e6, description="largest gradient norm; 0 does not clip")
    validation: float = Field(0.05, ge=0, le=0.5, description="share held back to choose the best state; 0 for none")
    evaluations: int | None = Field(
        None, ge=1, le=10_000, description="how often a run is validated and sampled; none: every epoch, or 20 times"
    )
    keep: Literal["best", "every", "better"] = Field(
        "best", description="besides the best state in the one file, a file of its own for every evaluation, or better"
    )
    sample_temperatures: tuple[Temperature, ...] = Field((0.2, 0.5, 1.0), max_length=20, description="of the samples")
    sample_length: int | None = Field(None, ge=0, le=100_000, description="tokens of a sample; none: a few lines")
    sample_prompt: str = Field("", max_length=10_000, description="what the samples begin with")
    sample_from_text: bool = Field(False, description="samples go on from a random piece of the training text")
    patience: int | None = Field(None, ge=1, le=10_000, description="stop after so many evaluations without a gain")
    calibrate: bool = Field(True, description="at the end scale the logits to suit what is held back (not with tied)")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="arithmetic of the matrix products")
    device: Device = Field("auto", description="where to train")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the weights, the order of the batches and the samples")

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainingSettings":
        given = sorted(name for name in BUDGETS if getattr(self, name) is not None)
        if len(given) > 1:
            raise ValueError(f"give one of minutes, epochs and steps, not {' and '.join(given)}")
        return self


class Settings(Section):
    """Everything that was decided about one model."""

    corpus: CorpusSettings = CorpusSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()


SECTIONS: dict[str, type[Section]] = {
    "corpus": CorpusSettings,
    "tokenizer": TokenizerSettings,
    "network": NetworkSettings,
    "training": TrainingSettings,
}


def parse_settings(data: Mapping[str, Any]) -> Settings:
    """Check plain data against the schema; raises UsageError with one line on the first thing that is wrong."""
    return check(Settings, data)


def check(model: type[Model], data: Mapping[str, Any], prefix: str = "") -> Model:
    """``data`` as a ``model``; raises UsageError that names the setting, the value and the nearest right one."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise UsageError(explain(error, model, prefix)) from None


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """The first problem of a ValidationError as one line for the user."""
    # A misspelt name explains a missing one.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    name = ".".join(([prefix] if prefix else []) + path)
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r}: {nearest(path[-1], _fields_at(model, path[:-1]))}"
    if first["type"] == "missing":
        return f"{name} is missing"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "literal_error":
        choices = [choice.strip("' ") for choice in first["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{name} = {first['input']!r} is not known: {nearest(str(first['input']), choices)}"
    if first["type"] == "value_error":
        return f"{name + ': ' if name else ''}{message}"
    if first["type"] == "tuple_type":
        return f"{name} = {first['input']!r} is not allowed: it takes a list, such as {json.dumps([first['input']])}"
    return f"{name} = {first['input']!r} is not allowed: {message[0].lower() + message[1:]}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The names of the settings of the section at ``path``."""
    for part in path:
        if part.isdigit():  # an item of a list of sections
            continue
        field = model.model_fields.get(part)
        kind: Any = field.annotation if field is not None else None
        kind = next(iter(get_args(kind)), kind)
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return []
        model = kind
    return list(model.model_fields)


def assign(data: dict[str, Any], assignment: str) -> None:
    """Put ``section.name=value`` (the value in TOML, or else a bare word) into nested plain data.

    >>> data = {}; assign(data, "network.hidden=512"); data
    {'network': {'hidden': 512}}
    """
    path, sign, text = assignment.partition("=")
    section, dot, name = path.strip().partition(".")
    if not (sign and dot and section and name):
        raise UsageError(f"--set {assignment!r} is not of the form section.name=value, such as network.hidden=512")
    if section not in Settings.model_fields:
        raise UsageError(f"unknown section {section!r} in --set: {nearest(section, Settings.model_fields)}")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    if _is_text(section, name) and not text.strip().startswith(('"', "'")):  # a column called 1, a prompt's last blank
        value = text if path == path.rstrip() else text.strip()
    data.setdefault(section, {})[name] = value


def _is_text(section: str, name: str) -> bool:
    """Whether a setting takes a text, and nothing else."""
    field = SECTIONS[section].model_fields.get(name)
    return field is not None and set(get_args(field.annotation) or (field.annotation,)) <= {str, type(None)}


def merge(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sections of plain data laid over one another, later ones on top; a budget replaces any budget beneath it."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            target = merged.setdefault(section, {})
            if section == "training" and BUDGETS & values.keys():
                for budget in BUDGETS:
                    target.pop(budget, None)
            target.update(values)
    return merged


def flat(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by their bare names, each put into its section; a section's own name with a mapping is kept whole.

    >>> flat({"minutes": 1, "network": "gru", "level": "word"})
    {'training': {'minutes': 1}, 'network': {'kind': 'gru'}, 'tokenizer': {'level': 'word'}}
    """
    homes = {name: section for section, model in SECTIONS.items() for name in model.model_fields}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name in SECTIONS and isinstance(value, Mapping):
            nested.setdefault(name, {}).update(value)
        elif name == "network":
            nested.setdefault("network", {})["kind"] = value
        elif name in SECTIONS:
            raise UsageError(f"{name} takes a mapping of settings, not {value!r:.80}")
        elif name in homes:
            nested.setdefault(homes[name], {})[name] = value
        else:
            raise UsageError(f"unknown setting {name!r}: {nearest(name, homes)}")
    return nested

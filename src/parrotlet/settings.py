"""Every setting of a model and its training: one schema for Python, the command line, TOML files and model files."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from parrotlet.errors import UsageError, nearest

Level = Literal["char", "word", "byte", "bpe", "symbol"]
Form = Literal["auto", "text", "lines"]
Device = Literal["auto", "cpu", "cuda", "mps"]


class Section(BaseModel):
    """A frozen group of settings; unknown names are refused, numbers are bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CorpusSettings(Section):
    """How sources become documents."""

    form: Form = Field("auto", description="one long text, or one document a line; auto looks at the text")
    encoding: str | None = Field(None, description="text encoding such as utf-8 or cp1252; none means detect it")
    column: str | None = Field(None, description="the column or field that holds the text (CSV, TSV, JSON, JSONL)")
    labels: tuple[str, ...] = Field((), description="columns that hold labels")
    template: str | None = Field(None, description='builds a text from fields: "Recipe for {title} | {directions}"')
    header: bool | None = Field(None, description="whether a table's first row names the columns; none means look")


class TokenizerSettings(Section):
    """How text becomes ids."""

    level: Level = Field("char", description="char, word, byte, bpe or symbol (tokens between blanks)")
    lowercase: bool = Field(False, description="read everything in lower case")
    normalisation: Literal["NFC", "NFKC", "none"] = Field("NFC", description="Unicode normalisation form")
    graphemes: bool = Field(False, description="char level: one token per user-perceived character, not code point")
    size: int | None = Field(None, ge=2, le=1_000_000, description="most tokens to keep (word 10000, bpe 2000)")
    min_count: int | None = Field(None, ge=1, le=1_000_000, description="least count of a symbol that gets its own id")
    punctuation: Literal["token", "delete"] = Field("token", description="word level: what becomes of punctuation")
    stem: str | None = Field(None, description="word level: stem words by this language's Snowball rules")


class NetworkSettings(Section):
    """The network: its kind, its sizes and its dropout."""

    kind: Literal["rnn", "lstm", "gru"] = Field("lstm", description="the recurrent cell")
    hidden: int = Field(384, ge=1, le=8192, description="units per layer")
    layers: int = Field(1, ge=1, le=32, description="stacked layers")
    input: Literal["learned", "one-hot", "number"] = Field("learned", description="how an id enters the network")
    embedding: int = Field(64, ge=1, le=8192, description="size of the learned embedding")
    dropout_input: float = Field(0.0, ge=0, lt=1, description="share dropped after the embedding")
    dropout_between: float = Field(0.0, ge=0, lt=1, description="share dropped between layers")
    dropout_output: float = Field(0.0, ge=0, lt=1, description="share dropped after the last layer")
    tied: bool = Field(False, description="the output layer shares the embedding's weights")
    layer_norm: bool = Field(False, description="normalise what enters each layer after the first, and the output")
    residual: bool = Field(False, description="add each layer's input to its output, after the first layer")


class TrainingSettings(Section):
    """The training run: budget, batches, optimizer, schedule, validation, device."""

    minutes: float | None = Field(None, gt=0, le=100_000, description="wall clock of the whole command")
    epochs: float | None = Field(None, gt=0, le=1_000_000, description="passes over the training text")
    steps: int | None = Field(None, ge=1, le=1_000_000_000, description="optimizer steps")
    batch: int = Field(32, ge=1, le=65_536, description="rows read side by side")
    window: int = Field(128, ge=1, le=65_536, description="tokens per row and step (truncated back-propagation)")
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("adamw", description="the update rule")
    learning_rate: float = Field(4e-3, gt=0, le=10, description="peak learning rate")
    beta2: float = Field(0.99, ge=0, lt=1, description="decay of the second moment (Adam, AdamW, RMSprop)")
    momentum: float = Field(0.0, ge=0, lt=1, description="SGD and RMSprop")
    weight_decay: float = Field(0.01, ge=0, le=10, description="decoupled for AdamW, L2 for the others")
    schedule: Literal["cosine", "linear", "step", "constant"] = Field("cosine", description="learning rate over time")
    warmup: int = Field(50, ge=0, le=1_000_000, description="steps of linear warm-up")
    step_decay: float = Field(0.5, gt=0, le=1, description="schedule step: factor at each stage")
    step_stages: int = Field(4, ge=1, le=1000, description="schedule step: how many stages the run has")
    final_rate: float = Field(0.02, ge=0, le=1, description="share of the peak learning rate that is left at the end")
    clip: float = Field(1.0, ge=0, le=1e6, description="largest gradient norm; 0 does not clip")
    validation: float = Field(0.05, ge=0, le=0.5, description="share held back to choose the best state; 0 for none")
    evaluations: int = Field(20, ge=1, le=10_000, description="how often a run is validated, saved and sampled")
    patience: int | None = Field(None, ge=1, le=10_000, description="stop after so many evaluations without a gain")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="arithmetic of the matrix products")
    device: Device = Field("auto", description="where to train")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the weights, the order of the batches and the samples")

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainingSettings":
        given = [name for name in ("minutes", "epochs", "steps") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of minutes, epochs and steps, not {' and '.join(given)}")
        return self


class Settings(Section):
    """Everything that was decided about one model."""

    corpus: CorpusSettings = CorpusSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()

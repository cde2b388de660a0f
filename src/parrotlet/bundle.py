"""A model file comes in and a checked Bundle goes out, and back; no code of the file is ever run.

The file is a .safetensors: the weights as float32 arrays; in the header's metadata, as JSON texts, the format
number, the settings, the tokenizer, the model card and the report card. In a compact file matrices are bytes, and
beside each stands what a byte of 1 means in each of its rows: a quarter of the size (see ``runtime.arithmetic``).
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from parrotlet.container import (
    FORMAT_KEY,
    Header,
    container_chunks,
    open_container,
    parse_json,
    read_arrays,
    read_header,
    write_atomically,
)
from parrotlet.errors import ParrotletError
from parrotlet.pretrained import found
from parrotlet.runtime.arithmetic import to_bytes
from parrotlet.runtime.shapes import expected_shapes
from parrotlet.settings import Section, Settings
from parrotlet.tokenizers import Tokenizer, load_tokenizer

FORMAT, PLAIN_FORMAT = 2, 1  # 2: as 1, with arrays in bytes; files without those stay as they were
Parts = dict[str, Any]
Labels = Mapping[str, Sequence[str]]
PARTS = ("settings", "tokenizer", "card", "report")  # and labels, where there are any
# Most characters of each part; the tokenizer is bounded by the header alone.
PART_LIMITS = {"settings": 1 << 16, "card": 8 << 20, "report": 4 << 20, "labels": 8 << 20}
# From each older format to the next: parts in, parts out. A file of any format ever released must load for ever.
MIGRATIONS: dict[int, Callable[[Parts], Parts]] = {1: lambda parts: parts}
SCALES = ".scales"  # after the name of a matrix in bytes
LEAST_COMPACTED = 4096  # numbers of a matrix that becomes bytes: small ones save nothing
AnySection = TypeVar("AnySection", bound=Section)


class Evaluation(Section):
    """One evaluation of a training run; losses in bits per character."""

    step: int = Field(ge=0)
    epoch: float = Field(ge=0)
    seconds: float = Field(ge=0)
    train: float | None = None
    validation: float | None = None
    learning_rate: float = Field(ge=0)


class Card(Section):
    """What a model was made from and how well it does: shown by ``parrotlet inspect``."""

    trained_on: str = Field(default="", max_length=10_000, description="the corpus' short name")
    form: Literal["text", "lines"] = Field(default="text", description="one long text, or short documents")
    characters: int = Field(default=0, ge=0, description="of the normalised training text")
    tokens: int = Field(default=0, ge=0)
    documents: int = Field(default=0, ge=0)
    lengths: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), max_length=100, description="of documents, in tokens: shortest, those between equal parts, longest"
    )
    seconds: float = Field(default=0.0, ge=0, description="of training")
    steps: int = Field(default=0, ge=0)
    epochs: float = Field(default=0.0, ge=0)
    validation_bits_per_character: float | None = None
    parameters: int = Field(default=0, ge=0)
    date: str = Field(default="", max_length=100, description="ISO 8601")
    version: str = Field(default="", max_length=100, description="of parrotlet, at training")
    device: str = Field(default="", max_length=1000)
    history: tuple[Evaluation, ...] = Field(default=(), max_length=100_000)
    notes: tuple[str, ...] = Field(default=(), max_length=10_000)


@dataclass(frozen=True)
class Bundle:
    """Everything one model is: weights by their names (see ``runtime.shapes``), settings, tokenizer and cards."""

    weights: Mapping[str, npt.NDArray[np.float32]]
    settings: Settings
    tokenizer: Tokenizer
    card: Card
    report: Mapping[str, Any] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)  # by which texts are told apart: of each column, by number

    def save(self, path: str | os.PathLike[str], compact: bool = False) -> None:
        """Write the one file, whole or not at all. Raises ParrotletError, with the old file untouched.

        ``compact``: large matrices as bytes, a quarter of the size. It writes hardly worse (by 0.0002 to 0.002 bits per
        character where it was measured), but what is loaded is not what was saved to the last bit.
        """
        shapes = {name: values.shape for name, values in self.weights.items()}
        _check_shapes(shapes, self.settings, self.tokenizer, "the model")
        for name, values in self.weights.items():
            if not np.isfinite(values).all():
                raise ParrotletError(f"the model is not saved: its array {name!r} holds numbers that are not finite")
        arrays = _compacted(self.weights) if compact else self.weights
        write_atomically(path, container_chunks(arrays, self._metadata(FORMAT if compact else PLAIN_FORMAT)))

    def _metadata(self, number: int) -> dict[str, str]:
        metadata = {
            FORMAT_KEY: str(number),
            "settings": self.settings.model_dump_json(),
            "tokenizer": _dump(self.tokenizer.to_json(), "tokenizer"),
            "card": self.card.model_dump_json(),
            "report": _dump(dict(self.report), "report card"),
        }
        if self.labels:
            metadata["labels"] = _dump({column: list(names) for column, names in self.labels.items()}, "list of labels")
        for part, limit in PART_LIMITS.items():
            if len(metadata.get(part, "")) > limit:
                raise ParrotletError(f"the model is not saved: its {part} is longer than {limit} characters")
        return metadata


def check_header(settings: Settings, tokenizer: Tokenizer, labels: Labels) -> None:
    """Raises ParrotletError where no model file can hold them, whatever its weights: before any are learned."""
    bundle = Bundle({}, settings, tokenizer, Card(), labels=labels)
    next(container_chunks({}, bundle._metadata(PLAIN_FORMAT)))


def _dump(data: Any, what: str) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()  # a lone surrogate fails here
    except (TypeError, ValueError) as error:
        raise ParrotletError(f"the model is not saved: its {what} is not plain JSON ({error})") from error
    return text


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a model file and check it in full: every size, name and number, before memory is taken for the arrays.

    Raises ParrotletError with one line that names the file: missing, not a model, cut short, changed by accident or by
    intent, or made by a newer version.
    """
    path = found(path)
    name = os.fspath(path)
    with open_container(path) as file:
        header = read_header(file, name)
        parts = _parts(header, name)
        settings = checked_section(Settings, parts["settings"], f"{name}: settings")
        card = checked_section(Card, parts["card"], f"{name}: card")
        if not isinstance(parts["report"], dict):
            raise ParrotletError(f"{name}: report must be an object")
        tokenizer = _tokenizer(parts["tokenizer"], name)
        labels = _labels(parts.get("labels", {}), settings, name)
        _check_shapes(_whole_shapes(header, name), settings, tokenizer, name)
        weights = _widened(read_arrays(file, header, name), name)
    return Bundle(weights, settings, tokenizer, card, parts["report"], labels)


def _compacted(weights: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[Any]]:
    """Large matrices as bytes with the scale of each row beside them; all else as it is."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, values in weights.items():
        if values.ndim > 1 and values.size >= LEAST_COMPACTED:
            numbers, scales = to_bytes(values.reshape(len(values), -1))
            arrays[name] = numbers.astype(np.int8).reshape(values.shape)
            arrays[name + SCALES] = scales[:, 0]
        else:
            arrays[name] = values
    return arrays


def _whole_shapes(header: Header, name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights: the scales of matrices in bytes are none of their own, but must be there."""
    shapes = dict(header.shapes)
    for array, kind in header.kinds.items():
        if kind != "I8":
            continue
        scales = array + SCALES
        if len(shapes[array]) < 2 or shapes.pop(scales, None) != shapes[array][:1] or header.kinds[scales] != "F32":
            raise ParrotletError(f"{name}: the array {array[:80]!r} is in bytes, but its rows have no scales beside it")
    return shapes


def _widened(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> dict[str, npt.NDArray[np.float32]]:
    """All weights as float32."""
    weights = dict(arrays)
    for array, values in arrays.items():
        if values.dtype == np.int8:
            scales = weights.pop(array + SCALES)
            with np.errstate(over="ignore"):
                weights[array] = values * scales.reshape(-1, *[1] * (values.ndim - 1))
            if not np.isfinite(weights[array]).all():
                raise ParrotletError(f"{name}: the array {array!r} holds numbers that are not finite")
    return weights


def _parts(header: Header, name: str) -> Parts:
    """The metadata's parts as plain data, brought up to this format."""
    number = header.metadata[FORMAT_KEY]
    if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) >= 1):
        raise ParrotletError(f"{name}: {FORMAT_KEY} must be a whole number, not {number[:20]!r}")
    if int(number) > FORMAT:
        raise ParrotletError(
            f"{name} was made by a newer parrotlet (format {int(number)}; this one reads up to {FORMAT}): "
            "update parrotlet"
        )
    parts: Parts = {}
    for part, text in header.metadata.items():
        if part == FORMAT_KEY:
            continue
        if len(text) > PART_LIMITS.get(part, len(text)):
            raise ParrotletError(f"{name}: {part} is longer than {PART_LIMITS[part]} characters")
        parts[part] = parse_json(text, f"{name}: {part[:20]}")
    for older in range(int(number), FORMAT):
        parts = MIGRATIONS[older](parts)
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise ParrotletError(f"{name} is not a whole model: its header has no {missing[0]}")
    return parts


def checked_section(kind: type[AnySection], data: Any, what: str) -> AnySection:
    """Data of a file as a model; raises ParrotletError with one line on the first thing that is wrong."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        raise ParrotletError(f"{what}: {where}: {' '.join(first['msg'].split())}") from error


def _tokenizer(data: Any, name: str) -> Tokenizer:
    if not isinstance(data, dict):
        raise ParrotletError(f"{name}: tokenizer must be an object")
    try:
        return load_tokenizer(data)
    except ParrotletError as error:
        raise ParrotletError(f"{name}: tokenizer: {error}") from error
    except Exception as error:  # a tokenizer may come from another package; what it raises is never the user's to read
        raise ParrotletError(
            f"{name}: tokenizer: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error


def _labels(data: Any, settings: Settings, name: str) -> Labels:
    """The labels of each column, as many as the settings count."""
    columns: dict[str, Any] = data if isinstance(data, dict) else {"": None}
    for names in columns.values():
        sound = isinstance(names, list) and all(isinstance(each, str) for each in names)
        if not sound or len(set(names)) < len(names):
            raise ParrotletError(f"{name}: labels must be lists of different texts, by column")
    if tuple(map(len, columns.values())) != settings.network.label_counts:
        raise ParrotletError(f"{name}: its labels are not as many as its settings count")
    return {column: tuple(names) for column, names in columns.items()}


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], settings: Settings, tokenizer: Tokenizer, name: str) -> None:
    """Names and shapes must be those that settings and vocabulary ask for, no more and no less."""
    expected = expected_shapes(settings.network, len(tokenizer))
    for array in sorted(expected.keys() - shapes.keys()):
        raise ParrotletError(f"{name} has no array {array!r}, which its settings ask for")
    for array in sorted(shapes.keys() - expected.keys()):
        raise ParrotletError(f"{name} has an array {array[:80]!r}, which its settings do not ask for")
    for array, shape in expected.items():
        if tuple(shapes[array]) != tuple(shape):
            raise ParrotletError(
                f"{name}: the array {array!r} has the shape {list(shapes[array])}, its settings ask for {list(shape)}"
            )

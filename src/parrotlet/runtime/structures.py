"""A packed network and rules come in; the C structures that point into them go out (field by field as in model.h)."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import UsageError
from parrotlet.runtime.packing import PackedNetwork
from parrotlet.sampling import LARGEST_DRY_PENALTY, IdArray, Rules
from parrotlet.settings import NetworkSettings

VERSION = 1
LAYERS = 32
KINDS = {"rnn": 0, "lstm": 1, "gru": 2}
_number, _double, _pointer = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


class CLayer(ctypes.Structure):
    """pl_layer."""

    _fields_ = [
        (name, _pointer) for name in ("input", "input_bias", "recurrent", "recurrent_bias", "norm_weight", "norm_bias")
    ]


class CModel(ctypes.Structure):
    """pl_model."""

    _fields_ = [
        *((name, _number) for name in ("kind", "layers", "hidden", "padded", "gates")),
        *((name, _number) for name in ("vocabulary", "vocabulary_padded", "embedding", "table_stride", "residual")),
        *((name, _pointer) for name in ("table", "output", "output_bias")),
        ("layer", CLayer * LAYERS),
    ]


class CRules(ctypes.Structure):
    """pl_rules."""

    _fields_ = [
        *((name, _double) for name in ("temperature", "top_p", "min_p", "typical")),
        *((name, _double) for name in ("repetition", "presence", "frequency")),
        *((name, _double) for name in ("dry_multiplier", "dry_base", "dry_largest")),
        *((name, _number) for name in ("top_k", "penalty_window", "dry_length", "dry_window", "dry_reach")),
        *((name, _number) for name in ("min_length", "stop", "cycle_count", "banned_count")),
        *((name, _pointer) for name in ("cycle", "banned")),
    ]


class CRequest(ctypes.Structure):
    """pl_request."""

    _fields_ = [
        *((name, _number) for name in ("rows", "count")),
        ("seed", ctypes.c_uint64),
        ("history_capacity", _number),
        *((name, _pointer) for name in ("streams", "positions", "history", "history_lengths", "logits", "state")),
        *((name, _pointer) for name in ("ids", "probabilities", "lengths")),
    ]


def address(array: NDArray[Any]) -> int:
    """Where the array's first element lies; refuses an array whose elements are not side by side."""
    if not array.flags.c_contiguous:
        raise UsageError("an array for the compiled kernel must be contiguous")
    return int(array.ctypes.data)


def model_structure(network: NetworkSettings, packed: PackedNetwork, vocabulary: int) -> CModel:
    """The network as C sees it; valid as long as ``packed`` lives."""
    if len(packed.layers) > LAYERS:
        raise UsageError(f"network.layers is at most {LAYERS}, not {len(packed.layers)}")
    model = CModel(
        kind=KINDS[network.kind], layers=network.layers, hidden=network.hidden, padded=packed.padded,
        gates=packed.gates, vocabulary=vocabulary, vocabulary_padded=packed.vocabulary_padded,
        embedding=0 if packed.folded else network.embedding, table_stride=packed.table_stride,
        residual=int(network.residual), table=address(packed.table), output=address(packed.output),
        output_bias=address(packed.output_bias),
    )  # fmt: skip
    for index, arrays in enumerate(packed.layers):
        model.layer[index] = CLayer(**{name: address(array) for name, array in arrays.items()})
    return model


def rules_structure(rules: Rules, stop: int | None, banned: IdArray) -> tuple[CRules, list[NDArray[Any]]]:
    """The rules as C sees them, and the arrays they point into, which must live as long as they are used."""
    cycle = np.array(rules.temperature_cycle, np.float64)
    never = np.ascontiguousarray(banned, np.int64)
    largest = 2**31  # beyond any history or text; keeps every sum in C far from overflow
    structure = CRules(
        temperature=rules.temperature, top_p=rules.top_p, min_p=rules.min_p, typical=rules.typical,
        repetition=rules.repetition_penalty, presence=rules.presence_penalty, frequency=rules.frequency_penalty,
        dry_multiplier=rules.dry_multiplier, dry_base=rules.dry_base, dry_largest=LARGEST_DRY_PENALTY,
        top_k=min(rules.top_k, largest), penalty_window=min(rules.penalty_window, largest),
        dry_length=rules.dry_length, dry_window=rules.dry_window, dry_reach=rules.dry_reach,
        min_length=min(rules.min_length, largest), stop=-1 if stop is None else stop, cycle_count=len(cycle),
        banned_count=len(never), cycle=address(cycle), banned=address(never),
    )  # fmt: skip
    return structure, [cycle, never]

"""A packed network and rules come in; the C structures that point into them go out (field by field as in model.h)."""

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import UsageError
from parrotlet.runtime.matrices import Matrix
from parrotlet.runtime.packing import PackedNetwork
from parrotlet.sampling import LARGEST_DRY_PENALTY, IdArray, Rules

VERSION = 3
LAYERS = 32
_number, _double, _pointer = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


class CMatrix(ctypes.Structure):
    """pl_matrix."""

    _fields_ = [
        *((name, _pointer) for name in ("weights", "scales", "corrections")),
        *((name, _number) for name in ("depth", "width")),
    ]


class CDirection(ctypes.Structure):
    """pl_direction."""

    _fields_ = [
        *((name, CMatrix) for name in ("input", "recurrent", "candidate")),
        *((name, _pointer) for name in ("input_bias", "recurrent_bias")),
    ]


class CLayer(ctypes.Structure):
    """pl_layer."""

    _fields_ = [
        *((name, _number) for name in ("kind", "units", "padded", "sums", "directions", "final")),
        *((name, _number) for name in ("activation", "gate", "from", "to", "residual")),
        *((name, _number) for name in ("state", "place", "dilation")),
        *((name, _pointer) for name in ("norm_weight", "norm_bias")),
        ("direction", CDirection * 2),
    ]


class CModel(ctypes.Structure):
    """pl_model."""

    _fields_ = [
        *((name, _number) for name in ("layers", "vocabulary", "vocabulary_padded", "width", "most_sums", "state")),
        *((name, _number) for name in ("state_layers", "state_parts", "state_units")),
        *((name, _number) for name in ("context", "padding", "windows", "ahead", "taps", "feature_column")),
        *((name, _number) for name in ("most_bytes", "raw", "table_stride")),
        *((name, _pointer) for name in ("table", "raw_table", "attention")),
        ("output", CMatrix),
        *((name, _pointer) for name in ("output_bias", "padded_states", "padded_items")),
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
        *((name, _pointer) for name in ("streams", "positions", "history", "history_lengths", "logits")),
        *((name, _pointer) for name in ("state", "context", "ids", "probabilities", "lengths")),
    ]


def address(array: NDArray[Any]) -> int:
    """Where the array's first element lies; refuses an array whose elements are not side by side."""
    if not array.flags.c_contiguous:
        raise UsageError("an array for the compiled kernel must be contiguous")
    return int(array.ctypes.data)


def model_structure(packed: PackedNetwork) -> CModel:
    """The network as C sees it; valid as long as ``packed`` lives."""
    if len(packed.layers) > LAYERS:
        raise UsageError(f"a network has at most {LAYERS} layers, not {len(packed.layers)}: set network.layers")
    model = CModel(**packed.numbers, **_addresses(packed.arrays))
    for index, layer in enumerate(packed.layers):
        structure = CLayer(**layer.numbers, **_addresses(layer.arrays))
        for place, arrays in enumerate(layer.directions):
            structure.direction[place] = CDirection(**_addresses(arrays))
        model.layer[index] = structure
    return model


def _addresses(arrays: Mapping[str, NDArray[Any] | Matrix]) -> dict[str, Any]:
    return {name: _matrix(each) if isinstance(each, Matrix) else address(each) for name, each in arrays.items()}


def _matrix(matrix: Matrix) -> CMatrix:
    scaled = {"scales": matrix.scales, "corrections": matrix.corrections}
    pointers = {name: address(array) for name, array in scaled.items() if array is not None}
    return CMatrix(weights=address(matrix.weights), depth=matrix.depth, width=matrix.width, **pointers)


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

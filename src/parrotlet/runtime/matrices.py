"""A matrix of weights comes in; the padded, aligned tiles that the compiled path streams go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from parrotlet.errors import UsageError
from parrotlet.runtime.arithmetic import Arithmetic, Floats, to_bytes

UNIT = 16  # columns are padded to this; the same figures as in product.h
TILE_UNITS = 4
FOUR = 4  # bytes of a column that lie side by side
ALIGNMENT = 64  # bytes; a load that crosses a cache line costs two
DEEPEST = 1 << 16  # so many products of bytes fit into a sum of 32 bits
AnyNumber = TypeVar("AnyNumber", bound=np.generic)


@dataclass(frozen=True)
class Matrix:
    """The fields of pl_matrix; without scales the weights are float32."""

    weights: NDArray[Any]  # flat
    depth: int
    width: int
    scales: Floats | None = None  # (width)
    corrections: NDArray[np.int32] | None = None  # (width)


def padded_to_unit(n: int) -> int:
    """n rounded up to a whole number of units."""
    return -(-n // UNIT) * UNIT


def aligned(size: int, kind: DTypeLike = np.float32) -> NDArray[Any]:
    """A fresh array of this length whose first byte lies on a cache line."""
    length = size * np.dtype(kind).itemsize
    raw = np.zeros(length + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + length].view(kind)


def copied(values: NDArray[AnyNumber], size: int | None = None) -> NDArray[AnyNumber]:
    """An aligned copy, flat, with zeros up to ``size``."""
    result: NDArray[AnyNumber] = aligned(size or values.size, values.dtype)
    result[: values.size] = values.reshape(-1)
    return result


def packed(weight: Floats, arithmetic: Arithmetic) -> Matrix:
    """(width, depth), width a whole number of units, → tiles, each (depth, tile width) or of bytes (see product.h)."""
    width, depth = weight.shape
    if arithmetic == "float32":
        return Matrix(_tiles(weight, 1), depth, width)
    if depth > DEEPEST:
        raise UsageError(
            f"arithmetic 'int8' takes at most {DEEPEST:,} numbers into a layer, not {depth:,}: use float32"
        )
    numbers, scales = to_bytes(weight)
    whole = np.zeros((width, -(-depth // FOUR) * FOUR), np.int8)
    whole[:, :depth] = numbers
    corrections = -128 * whole.sum(axis=1, dtype=np.int32)
    return Matrix(_tiles(whole, FOUR), depth, width, copied(scales), copied(corrections))


def _tiles(weight: NDArray[AnyNumber], side: int) -> NDArray[AnyNumber]:
    """(width, depth) → one row of tiles, each (depth / side, tile width, side)."""
    width, depth = weight.shape
    result: NDArray[AnyNumber] = aligned(width * depth, weight.dtype)
    column = 0
    while column < width:
        units = (width - column) // UNIT
        end = column + (TILE_UNITS if units >= 2 * TILE_UNITS else units) * UNIT
        tile = result[column * depth : end * depth].reshape(depth // side, end - column, side)
        tile[:] = weight[column:end].reshape(end - column, depth // side, side).swapaxes(0, 1)
        column = end
    return result


def one_after_the_other(matrices: Sequence[Matrix]) -> Matrix:
    """Matrices of one shape as one, of which pl_nth takes the n-th."""
    first = matrices[0]
    scales = [each.scales for each in matrices if each.scales is not None]
    corrections = [each.corrections for each in matrices if each.corrections is not None]
    return Matrix(
        copied(np.concatenate([each.weights for each in matrices])),
        first.depth,
        first.width,
        copied(np.concatenate(scales)) if scales else None,
        copied(np.concatenate(corrections)) if corrections else None,
    )

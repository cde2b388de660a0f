"""A processor comes in; the compiled layers that it can run, packed weights and threads for them go out."""

import ctypes
import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.util import find_spec
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

AVX2, AVX512, BFLOAT16 = 3, 4, 5  # arithmetics of kernel.c
LANES = {AVX2: 8, AVX512: 16, BFLOAT16: 16}
TILE = {kind: 4 * lanes for kind, lanes in LANES.items()}  # columns of one block of products
GROUP = {AVX2: 1, AVX512: 1, BFLOAT16: 2}  # numbers that one multiply-add takes in
NUMBERS = {AVX2: torch.float32, AVX512: torch.float32, BFLOAT16: torch.bfloat16}
LAYOUT = 3  # of the structures and arrays, as pt_layout of kernel.c has it
POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64


class Forward(ctypes.Structure):
    """``recurrent_forward`` of kernel.c."""

    _fields_ = (
        *[(name, NUMBER) for name in ("rows", "steps", "units", "inputs", "reverse", "gru")],
        *[(name, POINTER) for name in ("ids", "table", "entering", "weights", "hidden", "cells", "leaving", "gates")],
    )


class Backward(ctypes.Structure):
    """``recurrent_backward`` of kernel.c."""

    _fields_ = (
        *[(name, NUMBER) for name in ("rows", "steps", "units", "inputs", "reverse", "gru", "newest")],
        *[(name, POINTER) for name in ("ids", "entering", "weights", "hidden", "cells", "gates")],
        *[(f"{name}_gradient", POINTER) for name in ("leaving", "hidden", "cell", "entering", "weight", "table")],
    )


class LinearLoss(ctypes.Structure):
    """``linear_loss`` of kernel.c."""

    _fields_ = (
        ("inputs", NUMBER),
        ("columns", NUMBER),
        *[(name, POINTER) for name in ("features", "targets", "weights", "transposed", "bias")],
        *[(name, POINTER) for name in ("features_gradient", "weight_gradient", "bias_gradient", "nats")],
    )


class WindowsLoss(ctypes.Structure):
    """``windows_loss`` of kernel.c."""

    _fields_ = tuple((name, POINTER) for name in ("forward", "backward", "loss", "factors", "memory", "loss_memory"))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled layers; None where they were not built."""
    try:
        spec = find_spec("parrotlet.networks._kernel")
        if spec is None or spec.origin is None:
            return None
        kernel = ctypes.CDLL(spec.origin)
        arguments = {
            "pt_layout": [],
            "pt_sizes": [NUMBER],
            "pt_offers": [NUMBER],
            "pt_memory": [NUMBER] * 4,
            "pt_loss_memory": [NUMBER] * 3,
            "pt_forward": [NUMBER, POINTER, NUMBER, NUMBER],
            "pt_backward": [NUMBER, POINTER, NUMBER, NUMBER, POINTER],
            "pt_loss": [NUMBER, POINTER, NUMBER, NUMBER, POINTER],
            "pt_windows": [NUMBER, POINTER, NUMBER, NUMBER],
        }
        for name, types in arguments.items():
            getattr(kernel, name).restype = NUMBER
            getattr(kernel, name).argtypes = types
        sizes = [ctypes.sizeof(structure) for structure in (Forward, Backward, LinearLoss, WindowsLoss)]
        found = [kernel.pt_sizes(which) for which in range(len(sizes))]
        return kernel if kernel.pt_layout() == LAYOUT and found == sizes else None
    except (OSError, AttributeError, ValueError):
        return None


def arithmetic(device: torch.device, precision: torch.dtype, units: int) -> int | None:
    """The best arithmetic of this processor for products of a precision and so many units; None: torch's own layer."""
    kernel = library()
    if kernel is None or device.type != "cpu":
        return None
    wanted = {torch.bfloat16: (BFLOAT16,), torch.float32: (AVX512, AVX2)}.get(precision, ())
    return next((each for each in wanted if kernel.pt_offers(each) and units % LANES[each] == 0), None)


def widened(values: Tensor, width: int) -> Tensor:
    """The last dimension filled up with zeros."""
    return pad(values, (0, width - values.shape[-1])) if values.shape[-1] < width else values


def round_up(size: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-size // step) * step


def packed(weights: Tensor, kind: int) -> Tensor:
    """(inputs, columns) → (columns / tile, inputs / group, tile, group), the columns filled up with zeros."""
    group, tile = GROUP[kind], TILE[kind]
    numbers = widened(weights.to(NUMBERS[kind]), round_up(weights.shape[1], tile))
    return numbers.view(-1, group, numbers.shape[1] // tile, tile).permute(2, 0, 3, 1).contiguous()


def at(values: Tensor | None) -> int | None:
    return None if values is None else values.data_ptr()


def kernel() -> ctypes.CDLL:
    kernel = library()
    assert kernel is not None
    return kernel


def row_parts(rows: int) -> list[tuple[int, int]]:
    """The rows of each thread."""
    count = max(1, min(torch.get_num_threads(), rows))
    borders = [math.ceil(rows * part / count) for part in range(count + 1)]
    return list(pairwise(borders))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def on_threads(rows: int, work: Callable[[int, int, int], int]) -> None:
    """Calls ``work(first, last, part)`` for the rows of each thread, the first part on this one."""
    (first, *others) = [(*borders, part) for part, borders in enumerate(row_parts(rows))]
    waiting = [_pool(len(others)).submit(work, *other) for other in others]
    try:
        statuses = [work(*first), *(future.result() for future in waiting)]
    finally:  # an interrupt on this thread must not free what the others still read and write
        wait(waiting)
    assert not any(statuses), "the compiled layer refused its arithmetic"

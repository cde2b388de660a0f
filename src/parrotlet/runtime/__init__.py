"""A network's settings and weights come in; a runtime that reads and writes without torch goes out."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import UsageError, nearest
from parrotlet.runtime.arithmetic import ARITHMETICS, Arithmetic
from parrotlet.runtime.compiled import CompiledRuntime, library
from parrotlet.runtime.interface import Runtime, State, Written, after_last
from parrotlet.runtime.reference import ReferenceRuntime
from parrotlet.runtime.shapes import expected_shapes
from parrotlet.settings import NetworkSettings

PATHS: dict[str, type[ReferenceRuntime] | type[CompiledRuntime]] = {
    "numpy": ReferenceRuntime,
    "compiled": CompiledRuntime,
}

__all__ = [
    "ARITHMETICS",
    "PATHS",
    "Arithmetic",
    "CompiledRuntime",
    "ReferenceRuntime",
    "Runtime",
    "State",
    "Written",
    "after_last",
    "expected_shapes",
    "open_runtime",
]


def open_runtime(
    network: NetworkSettings,
    weights: Mapping[str, NDArray[np.float32]],
    V: int,
    path: Literal["auto", "compiled", "numpy"] = "auto",
    arithmetic: Arithmetic = "float32",
) -> Runtime:
    """A runtime over these weights (torch names, float32); ``auto`` is the compiled one where it was built.

    ``arithmetic`` "int8" holds the matrices in bytes: faster, a little less exact (see arithmetic.py), other texts.
    Raises ParrotletError where a weight is missing or of the wrong shape, or ``compiled`` is asked for and not there.
    """
    if arithmetic not in ARITHMETICS:
        raise UsageError(f"unknown arithmetic {arithmetic!r}: {nearest(str(arithmetic), ARITHMETICS)}")
    if path == "auto":
        path = "numpy" if isinstance(library(), str) else "compiled"
    if path not in PATHS:
        raise UsageError(f"unknown runtime path {path!r}: {nearest(path, ['auto', *PATHS])}")
    return PATHS[path](network, weights, V, arithmetic=arithmetic)

"""The arrays of one Keras layer come in; the same numbers go out under torch's names and in its layout.

Gate order: lstm i f c o is torch's i f g o; gru z r h becomes r z n. The cuDNN layout of CuDNNLSTM and CuDNNGRU and
the way back are those of Keras (saving/hdf5_format.py, convert_nested_cudnn...: kernels of each gate transposed and
read in Fortran order, recurrent kernels transposed, two biases).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from parrotlet.errors import ParrotletError
from parrotlet.runtime.shapes import GATES
from parrotlet.settings import LayerSettings

FloatArray = npt.NDArray[np.float32]
NEVER = -1e4  # the output bias of a token that an old model did not have: its probability is exactly zero


def layer_arrays(layer: LayerSettings, inputs: int, arrays: Sequence[FloatArray], where: str) -> dict[str, FloatArray]:
    """The arrays of a layer without its prefix: ``weight_ih_l0`` …, or of a dense layer ``weight`` and ``bias``.

    ``where`` names file and layer. Raises ParrotletError where the shapes are not those of the layer.
    """
    if layer.kind == "dense":
        return dense_arrays(inputs, layer.units, arrays, where)
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    if len(arrays) % len(directions):
        raise ParrotletError(f"{where} has {len(arrays)} arrays, which cannot be those of two directions")
    each = len(arrays) // len(directions)
    found: dict[str, FloatArray] = {}
    for place, suffix in enumerate(directions):
        cell = _cell_arrays(layer, inputs, arrays[place * each : (place + 1) * each], where)
        found |= {part + suffix: array for part, array in cell.items()}
    return found


def dense_arrays(inputs: int, units: int, arrays: Sequence[FloatArray], where: str) -> dict[str, FloatArray]:
    """kernel (I, U) and perhaps bias (U,) → weight (U, I), bias (U,)."""
    _check(arrays, [(inputs, units), (units,)], 1, where)
    bias = arrays[1] if len(arrays) > 1 else np.zeros(units, np.float32)
    return {"weight": np.ascontiguousarray(arrays[0].T), "bias": bias.copy()}  # (U, I)


def _cell_arrays(layer: LayerSettings, inputs: int, arrays: Sequence[FloatArray], where: str) -> dict[str, FloatArray]:
    """kernel (I, G*U), recurrent kernel (U, G*U) and perhaps a bias → (G*U, I), (G*U, U) and two biases (G*U,)."""
    units, gates = layer.units, GATES[layer.kind]
    rows = gates * units
    bias = arrays[2].reshape(-1) if len(arrays) > 2 else np.zeros(rows, np.float32)
    two = layer.kind != "rnn" and bias.shape == (2 * rows,)
    biases = [(2, rows), (2 * rows,)] if two else [(rows,)]
    _check(arrays, [(inputs, rows), (units, rows), *biases], 2, where)
    kernels, recurrent = np.split(arrays[0], gates, axis=1), np.split(arrays[1], gates, axis=1)
    cudnn = two and (layer.kind == "lstm" or arrays[2].ndim == 1)
    if cudnn:
        kernels = [kernel.T.reshape(kernel.shape, order="F") for kernel in kernels]
        recurrent = [kernel.T for kernel in recurrent]
    if layer.kind == "gru" and layer.reset_after != two and len(arrays) > 2:
        raise ParrotletError(f"{where} has a bias of shape {arrays[2].shape}, which its reset_after forbids")
    first, second = np.split(bias, 2) if two else (bias, np.zeros_like(bias))
    return {
        "weight_ih_l0": np.concatenate(_ordered(layer, kernels), axis=1).T.copy(),  # (G*U, I)
        "weight_hh_l0": np.concatenate(_ordered(layer, recurrent), axis=1).T.copy(),  # (G*U, U)
        "bias_ih_l0": np.concatenate(_ordered(layer, np.split(first, gates))),
        "bias_hh_l0": np.concatenate(_ordered(layer, np.split(second, gates))),
    }


def _ordered(layer: LayerSettings, gates: Sequence[FloatArray]) -> list[FloatArray]:
    """The gates of a layer in torch's order."""
    if layer.kind != "gru":
        return list(gates)
    update, reset, new = gates
    return [reset, update, new]


def _check(arrays: Sequence[FloatArray], shapes: Sequence[tuple[int, ...]], least: int, where: str) -> None:
    """The first ``least`` arrays have the first shapes; one more, where there is one, has one of the other shapes."""
    found = [array.shape for array in arrays]
    wanted = [list(shapes[:least]), *([*shapes[:least], last] for last in shapes[least:])]
    if found not in wanted:
        told = ", ".join(map(str, found)) or "no arrays"
        raise ParrotletError(f"{where} holds {told}; its settings ask for {', '.join(map(str, wanted[1]))}")


def selected(table: FloatArray, classes: Sequence[int | None], fill: float = 0.0) -> FloatArray:
    """The rows of a table by class, in the order of the new ids: (C, …) → (V, …); ``fill`` where there was no class."""
    rows = np.full((len(classes), *table.shape[1:]), fill, np.float32)
    for id, old in enumerate(classes):
        if old is not None:
            rows[id] = table[old]
    return rows

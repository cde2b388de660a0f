"""The fast runtime: ids and a state come in, logits or written tokens go out, the loops run in compiled C.

The library is opened by ctypes, which lets other threads run meanwhile; it needs no warm-up. Every argument is checked
in Python before a pointer to it is passed, and every id again in C.
"""

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.errors import ParrotletError
from parrotlet.runtime.arithmetic import Arithmetic
from parrotlet.runtime.interface import (
    Floats,
    Request,
    State,
    Written,
    beginning,
    checked_ids,
    checked_request,
    checked_state,
)
from parrotlet.runtime.matrices import aligned
from parrotlet.runtime.packing import PackedNetwork
from parrotlet.runtime.shapes import checked_weights, state_shape
from parrotlet.runtime.structures import VERSION, CModel, CRequest, CRules, address, model_structure, rules_structure
from parrotlet.sampling import Array, IdArray, Rules
from parrotlet.settings import NetworkSettings

ROWS = 16  # most rows of one call into C
WINDOWS = 64  # most windows of one call into C
WORTH_A_THREAD = 20_000_000  # products below which another thread costs more than it brings
CALLS = ("pl_read", "pl_read_windows", "pl_pad", "pl_write")


@functools.cache
def library() -> ctypes.CDLL | str:
    """The compiled kernel, or in one line why there is none."""
    try:
        spec = find_spec("parrotlet.runtime._kernel")
        if spec is None or spec.origin is None:
            return "the compiled kernel was not built when parrotlet was installed (no C compiler?)"
        kernel = ctypes.CDLL(spec.origin)
        for name in ("pl_version", "pl_best_level", "pl_sizes", "pl_work_size", "pl_distribution", *CALLS):
            getattr(kernel, name).restype = ctypes.c_int64
        kernel.pl_sizes.argtypes = [ctypes.c_int64]
        sizes = [int(kernel.pl_sizes(which)) for which in range(3)]
        if int(kernel.pl_version()) != VERSION or sizes != [ctypes.sizeof(each) for each in (CModel, CRules, CRequest)]:
            return "the compiled kernel belongs to another version of parrotlet: install again"
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        kernel.pl_work_size.argtypes = [pointer, number, number]
        kernel.pl_read.argtypes = [pointer, number, pointer, number, number, pointer, pointer, pointer]
        kernel.pl_read_windows.argtypes = [pointer, number, pointer, number, pointer, number, pointer, pointer]
        kernel.pl_pad.argtypes = [pointer, number, pointer]
        kernel.pl_write.argtypes = [pointer, number, pointer, pointer, pointer]
        kernel.pl_distribution.argtypes = [pointer, number, pointer, pointer, pointer, pointer, number, number, pointer]
        kernel.pl_uniforms.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, number, pointer]
        kernel.pl_uniforms.restype = None
        return kernel
    except (OSError, AttributeError, ValueError) as error:
        return f"the compiled kernel can not be opened: {error}"


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CompiledRuntime:
    """Every network in C: the same sums for a row whatever its batch, within 1e-4 of the numpy runtime.

    ``arithmetic`` "int8" holds matrices in bytes (see arithmetic.py), four times as small; it writes other texts than
    "float32". ``level`` picks the instructions: 5 is AVX-512 that multiplies bytes, 4 AVX-512, 3 AVX2, 0 what every
    processor of the kind has; None the best. Raises ParrotletError where there is no compiled kernel.
    """

    def __init__(
        self,
        network: NetworkSettings,
        weights: Mapping[str, NDArray[np.float32]],
        vocabulary: int,
        level: int | None = None,
        arithmetic: Arithmetic = "float32",
    ) -> None:
        found = library()
        if isinstance(found, str):
            raise ParrotletError(found)
        self._library = found
        best = int(found.pl_best_level())
        self._level = best if level is None or level > best else level
        self.network = network
        self.vocabulary_size = vocabulary
        self.state_shape = state_shape(network)  # of one row
        self._context = network.context or 0
        self._packed = PackedNetwork(network, checked_weights(network, weights, vocabulary), vocabulary, arithmetic)
        self._model = model_structure(self._packed)
        self._products = self._packed.products()
        self._local = threading.local()
        if self._model.padded_states:
            self._call("pl_pad", 1, False)

    def begin(self, rows: int) -> State:
        """The state before any token (B, …): zeros, or with a context no ids yet."""
        return beginning(rows, self.state_shape, self.vocabulary_size)

    def read(self, ids: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """ids (B, T) → logits (B, T, V), and the state after the last."""
        checked = checked_ids(ids, self.vocabulary_size, 2)
        rows, length = checked.shape
        hidden = checked_state(state or self.begin(rows), rows, self.state_shape, self.vocabulary_size)
        logits = np.empty((rows, length, self.vocabulary_size), np.float32)
        if self._context:
            return logits, self._read_windows(checked, hidden, logits)
        after = hidden.copy()

        def read_rows(first: int, last: int) -> None:
            part = slice(first, last)
            arrays = address(checked[part]), address(after[part]), address(logits[part])
            self._call("pl_read", last - first, False, last - first, length, *arrays)

        if length:
            self._in_parts(rows, self._rows_together(rows, length), rows * length, read_rows)
        return logits, State(after)

    def _read_windows(self, ids: IdArray, hidden: Floats, logits: Floats) -> State:
        """Fills the logits of every window of ids (B, T) after those of the state (B, W); the new state."""
        rows, length = ids.shape
        read = np.ascontiguousarray(np.concatenate([hidden.astype(np.int64), ids], axis=1))  # (B, W + T)
        starts = (np.arange(rows)[:, None] * read.shape[1] + np.arange(1, length + 1)).reshape(-1)  # (B * T,)
        flat = logits.reshape(rows * length, self.vocabulary_size)

        def read_some(first: int, last: int) -> None:
            count, arrays = last - first, (address(starts[first:last]), address(flat[first:last]))
            self._call("pl_read_windows", 1, False, read.size, address(read), count, *arrays)

        block = min(WINDOWS, -(-len(starts) // (ROWS * processors())) * ROWS)
        self._in_parts(len(starts), block, len(starts), read_some)
        return State(np.array(read[:, length:], np.float32))

    def write(
        self,
        logits: Floats,
        state: State,
        n: int,
        rules: Rules,
        seed: int,
        streams: ArrayLike,
        history: Sequence[ArrayLike],
        positions: ArrayLike,
        stop: int | None = None,
        banned: Sequence[int] = (),
        probabilities: bool = True,
    ) -> Written:
        """Up to ``n`` tokens for each row (see Runtime); the whole loop runs in C."""
        state = State(np.array(checked_state(state, len(logits), self.state_shape, self.vocabulary_size)))
        request = checked_request(
            self.vocabulary_size, logits, state, n, rules, seed, streams, history, positions, stop, banned
        )
        rows = len(request.logits)
        ids, told = np.zeros((rows, n), np.int64), np.zeros((rows, n), np.float32)
        lengths = np.zeros(rows, np.int64)
        past, filled = _history_block(request)
        context = _context_block(request, self._context)
        wanted, keep = rules_structure(rules, request.stop, request.banned)

        def write_rows(first: int, last: int) -> None:
            part = slice(first, last)
            structure = CRequest(
                rows=last - first, count=n, seed=seed, history_capacity=past.shape[1],
                streams=address(request.streams[part]), positions=address(request.positions[part]),
                history=address(past[part]), history_lengths=address(filled[part]),
                logits=address(request.logits[part]),
                state=None if self._context else address(request.state.hidden[part]),
                context=address(context[part]) if self._context else None, ids=address(ids[part]),
                probabilities=address(told[part]) if probabilities else None, lengths=address(lengths[part]),
            )  # fmt: skip
            self._call("pl_write", last - first, True, ctypes.byref(wanted), ctypes.byref(structure))

        if n:
            self._in_parts(rows, self._rows_together(rows, n), rows * n, write_rows)
        del keep  # the arrays that the structure of the rules points into had to live until here
        for row, written in enumerate(lengths.tolist() if self._context else ()):
            read = written - int(written > 0 and ids[row, written - 1] == stop)  # the id that ends a row is not read
            request.state.hidden[row] = context[row, read : read + self._context]
        return Written(ids, told, lengths, request.logits, request.state)

    def _rows_together(self, rows: int, tokens: int) -> int:
        """How many rows one call into C takes: a multiple of the four that share each weight that is loaded."""
        return min(ROWS, -(-rows // (4 * self._threads(rows, rows * tokens))) * 4)

    def _threads(self, parts: int, tokens: int) -> int:
        """How many threads pay for so many parts and so many tokens in all."""
        return max(1, min(processors(), parts, 1 + tokens * self._products // WORTH_A_THREAD))

    def _in_parts(self, size: int, block: int, tokens: int, work: Callable[[int, int], None]) -> None:
        """Calls ``work(first, last)`` for blocks of ``size`` rows or windows, on several threads where that pays."""
        parts = [(first, min(first + block, size)) for first in range(0, size, max(1, block))]
        threads = self._threads(len(parts), tokens)
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda part: work(*part), parts))
        else:
            for part in parts:
                work(*part)

    def _call(self, name: str, rows: int, counted: bool, *arguments: object) -> None:
        """Calls C with the model, the level and this thread's working memory for so many rows."""
        memory = self._memory(rows, counted)
        status = getattr(self._library, name)(ctypes.byref(self._model), self._level, memory, *arguments)
        _expect_success(status)

    def _memory(self, rows: int, counted: bool) -> int:
        """The address of this thread's working memory, large enough for so many rows."""
        size = int(self._library.pl_work_size(ctypes.byref(self._model), rows, counted))
        memory = getattr(self._local, "memory", None)
        if memory is None or memory.size < size:
            memory = self._local.memory = aligned(size)
        return address(memory)


def _expect_success(status: int) -> None:
    if status != 0:
        raise ParrotletError("the compiled kernel refused an argument that is out of range")


def _history_block(request: Request) -> tuple[IdArray, IdArray]:
    """The histories side by side, (B, capacity) with room for what will be written, and their lengths (B,)."""
    rows = len(request.history)
    lengths = np.array([len(row) for row in request.history], np.int64)
    if request.rules.memory == 0 or rows == 0:
        return np.zeros((rows, 0), np.int64), np.zeros(rows, np.int64)
    block = np.zeros((rows, int(lengths.max()) + request.n), np.int64)
    for row, ids in enumerate(request.history):
        block[row, : len(ids)] = ids
    return block, lengths


def _context_block(request: Request, context: int) -> IdArray:
    """The last ids of each row with room for what will be written, (B, W + n); empty where there is no context."""
    rows = len(request.history)
    block = np.zeros((rows, context + request.n if context else 0), np.int64)
    if context:
        block[:, :context] = request.state.hidden
    return block


def compiled_distribution(
    runtime: CompiledRuntime,
    logits: Floats,
    rules: Rules,
    history: IdArray,
    position: int,
    banned: IdArray,
    stop: int | None,
) -> Floats:
    """What C would draw from, (V,): the twin of ``sampling.distribution``, for its tests."""
    checked = checked_ids(history, runtime.vocabulary_size, 1)
    values = np.ascontiguousarray(logits, np.float32)
    if values.shape != (runtime.vocabulary_size,):
        raise ParrotletError(f"logits should have the shape ({runtime.vocabulary_size},), not {values.shape}")
    wanted, keep = rules_structure(rules, stop, checked_ids(banned, runtime.vocabulary_size, 1))
    probabilities = np.zeros(runtime.vocabulary_size, np.float32)
    runtime._call(
        "pl_distribution", 1, True, ctypes.byref(wanted), address(values), address(checked), len(checked), position,
        address(probabilities),
    )  # fmt: skip
    del keep
    return probabilities


def compiled_uniforms(seed: int, stream: int, start: int, n: int) -> Array:
    """The twin of ``sampling.uniforms``: the same bits."""
    found = library()
    if isinstance(found, str):
        raise ParrotletError(found)
    numbers = np.empty(n, np.float64)
    found.pl_uniforms(seed % 2**64, stream % 2**64, start, n, address(numbers))
    return numbers

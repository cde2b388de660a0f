"""What enters an LSTM or GRU layer comes in; what leaves it, and all gradients, go out: the whole window in compiled C.

torch's own layer makes a matrix product at each step and passes over its results several times. Here a block of
products ends in finished cells while still in registers, weights are packed once for a window, threads take rows of
their own and never wait for one another, and letters are looked up in a table of ready sums instead of multiplied.
"""

import ctypes
import functools
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from parrotlet.networks.compiled.library import (
    BFLOAT16,
    GROUP,
    LANES,
    NUMBERS,
    Backward,
    Forward,
    at,
    kernel,
    on_threads,
    packed,
    round_up,
    row_parts,
    widened,
)

SUMS = 4  # of each unit; see kernel.c


def run_recurrent(
    kind: int,
    gru: bool,
    table: Tensor,
    ids: Tensor,
    entering: Tensor | None,
    weight_ih: Tensor | None,
    weight_hh: Tensor,
    state: Tensor | None = None,
    reverse: bool = False,
    newest: bool = False,
) -> tuple[Tensor, Tensor]:
    """One direction of an LSTM, or with ``gru`` of a GRU layer, over a window of T steps.

    ``kind`` from ``arithmetic``; ``table`` (V, 4H) the sums that a step begins with, biases included, of which ``ids``
    (B, T) int64 choose a row; ``entering`` (B, T, X) with ``weight_ih`` (4H, X) is multiplied as well, if given;
    ``weight_hh`` (4H, H); ``state`` (B, S, H) before the first step, zeros without: of an LSTM (S = 2) the hidden
    vector and the cell, of a GRU (S = 1) the hidden vector. The sums of an LSTM are in torch's order i f g o; for a GRU
    see ``as_four``. Returns what leaves (B, T, H), with ``newest`` only that of the step read last (B, 1, H), in the
    arithmetic's own type, and after that step the cell (B, H) of an LSTM, the hidden vector of a GRU, in float32.

    The way back ends where no new gradients come in and the norm of those that are carried, over some rows and times
    the steps left, is below an eighth of the last place of the largest such norm (2^-10 in bfloat16, 2^-26 in
    float32): a window with one target is seldom walked to its begin, and what is left out is no larger than the
    arithmetic's error.
    """
    begin = weight_hh.new_zeros(len(ids), 1, weight_hh.shape[1]) if state is None else state
    given = table, ids, entering, weight_ih, weight_hh, begin[:, 0], begin[:, -1]
    leaving, after = _Recurrent.apply(kind, gru, reverse, newest, torch.is_grad_enabled(), *given)  # type: ignore[no-untyped-call]
    return cast(Tensor, leaving), cast(Tensor, after)


def as_four(weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of a GRU, (3H, X) and (3H, H) in torch's order r z n, as those of four sums: (4H, X), (4H, H), (4H,).

    What enters n is one, what n remembers another, since the reset gate comes between: r z and those two.
    """
    units = weight_hh.shape[1]
    gates, fresh = slice(2 * units), slice(2 * units, None)
    nothing_read, nothing_remembered = (each.new_zeros(units, each.shape[1]) for each in (weight_ih, weight_hh))
    return (
        torch.cat([weight_ih, nothing_read]),
        torch.cat([weight_hh[gates], nothing_remembered, weight_hh[fresh]]),
        torch.cat([bias_ih[gates] + bias_hh[gates], bias_ih[fresh], bias_hh[fresh]]),
    )


class _Recurrent(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kind: int,
        gru: bool,
        reverse: bool,
        newest: bool,
        wanted: bool,
        table: Tensor,
        ids: Tensor,
        entering: Tensor | None,
        weight_ih: Tensor | None,
        weight_hh: Tensor,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        rows, steps = ids.shape
        units, number, lanes = weight_hh.shape[1], NUMBERS[kind], LANES[kind]
        check_ids(ids, len(table))
        inputs = 0 if weight_ih is None else round_up(weight_ih.shape[1], lanes)
        joined = weight_hh if weight_ih is None else torch.cat([weight_hh, widened(weight_ih, inputs)], dim=1)
        weights = by_tiles(joined.T, lanes)  # (H + X, 4H)
        columns, starts = packed(weights, kind), by_tiles(table, lanes)
        read = torch.empty(0, dtype=number) if entering is None else widened(entering, inputs).to(number).contiguous()
        ids = ids.contiguous()
        before = torch.empty(steps + 1, rows, units, dtype=number)  # each step's, in the order of reading
        cells = cell.new_empty(steps + 1, units // lanes, rows, lanes)
        before[0], cells[0] = hidden, cell.view(rows, -1, lanes).transpose(0, 1)
        leaving = None if newest else before.new_empty(rows, steps, units)
        gates = None
        if wanted and any(ctx.needs_input_grad):
            # Gates lie between -1 and 1, where float16 is finer than bfloat16.
            gates = before.new_empty(steps, rows, SUMS * units, dtype=torch.float16 if kind == BFLOAT16 else number)
        call = Forward(
            rows, steps, units, inputs, reverse, gru, at(ids), at(starts), at(read), at(columns), at(before), at(cells),
            at(leaving), at(gates),
        )  # fmt: skip
        on_threads(rows, lambda first, last, _: kernel().pt_forward(kind, ctypes.byref(call), first, last))
        ctx.save_for_backward(ids, read, weights, before, cells, gates)
        ctx.kind, ctx.gru, ctx.reverse, ctx.newest, ctx.vocabulary = kind, gru, reverse, newest, len(table)
        ctx.entering = None if entering is None else (entering.dtype, entering.shape[2])
        after = cells[-1].transpose(0, 1).reshape(rows, units)
        return before[-1].unsqueeze(1).clone() if leaving is None else leaving, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        ids, read, weights, before, cells, gates = ctx.saved_tensors
        kind, vocabulary, (rows, steps), units = ctx.kind, ctx.vocabulary, ids.shape, before.shape[2]
        depth, inputs, lanes = len(weights), len(weights) - units, LANES[kind]
        leaving_gradient = gradients[0].to(NUMBERS[kind]).contiguous()
        hidden_gradient = torch.zeros(rows, units)
        cell_gradient = gradients[1].clone(memory_format=torch.contiguous_format)
        entering_gradient = torch.empty_like(read)
        columns = packed(weights.T, kind)
        parts = row_parts(rows)
        weight_gradients = torch.zeros(len(parts), units // lanes, depth, SUMS, lanes)
        table_gradients = torch.zeros(len(parts), vocabulary, units // lanes, SUMS, lanes)
        needed = max(kernel().pt_memory(GROUP[kind], last - first, units, inputs) for first, last in parts)
        memory = torch.empty(len(parts), needed, dtype=NUMBERS[kind])

        def walk(first: int, last: int, part: int) -> int:
            call = Backward(
                rows, steps, units, inputs, ctx.reverse, ctx.gru, ctx.newest, at(ids), at(read), at(columns),
                at(before), at(cells), at(gates), at(leaving_gradient), at(hidden_gradient), at(cell_gradient),
                at(entering_gradient), at(weight_gradients[part]), at(table_gradients[part]),
            )  # fmt: skip
            return int(kernel().pt_backward(kind, ctypes.byref(call), first, last, at(memory[part])))

        on_threads(rows, walk)
        of_table, of_weights = gathered(table_gradients, weight_gradients)
        of_entering = of_input = None
        if ctx.entering is not None:
            precision, width = ctx.entering
            of_entering = entering_gradient[..., :width].to(precision)  # (B, T, X)
            of_input = of_weights[:, units : units + width]  # (4H, X)
        of_hidden = of_weights[:, :units]  # (4H, H)
        of_state = hidden_gradient, cell_gradient
        return None, None, None, None, None, of_table, None, of_entering, of_input, of_hidden, *of_state


def check_ids(ids: Tensor, vocabulary: int) -> None:
    """Raises IndexError for ids that are no rows of the table: the kernel would read what lies beside it."""
    if not ids.numel():
        return
    least, most = torch.aminmax(ids)
    if not 0 <= int(least) <= int(most) < vocabulary:
        raise IndexError(f"ids should lie in [0, {vocabulary})")


def gathered(table_gradients: Iterable[Tensor], weight_gradients: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """What each thread found, (V, H / lanes, 4, lanes) and (H / lanes, H + X, 4, lanes), as the gradients of the table
    (V, 4H) and of the weights (4H, H + X)."""
    of_table, of_weights = functools.reduce(torch.add, table_gradients), functools.reduce(torch.add, weight_gradients)
    return of_table.transpose(1, 2).flatten(1), of_weights.permute(2, 0, 3, 1).flatten(0, 2)


def by_tiles(values: Tensor, lanes: int) -> Tensor:
    """Columns sum by sum become columns tile by tile: (…, 4H) → (…, 4H)."""
    return values.reshape(len(values), SUMS, -1, lanes).transpose(1, 2).reshape(values.shape).contiguous()

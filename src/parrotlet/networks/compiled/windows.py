"""Windows with one target each come in; nats and all gradients go out, a block of rows after the other.

What a whole batch keeps for the way back is larger than any cache: 60 steps of 512 rows and 128 units are 55 megabytes.
Here a block of rows reads its windows, foresees its targets and walks back before the next one begins, in memory that
each thread uses again and again.
"""

import ctypes
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
    WindowsLoss,
    at,
    kernel,
    on_threads,
    packed,
    row_parts,
)
from parrotlet.networks.compiled.loss import SoftmaxLayer
from parrotlet.networks.compiled.recurrent import SUMS, by_tiles, check_ids, gathered

ROWS = 24  # of a block: they keep 2.6 MB of 60 steps of 128 units, half of which is walked back through


def windows_cross_entropy(
    kind: int,
    gru: bool,
    table: Tensor,
    ids: Tensor,
    weight_hh: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    factors: Tensor | None = None,
) -> Tensor:
    """Nats in all, a scalar: each target is foreseen from what a layer, begun with zeros, holds after its window.

    ``kind``, ``gru``, ``table`` (V', 4H), ``ids`` (B, T) and ``weight_hh`` (4H, H) as for ``run_recurrent``; ``weight``
    (V, H), ``bias`` (V,) and ``targets`` (B,) as for ``compiled_cross_entropy``; ``factors`` (B, H), of dropout, by
    which the vectors are multiplied between the two. Raises IndexError for ids and targets out of range.
    """
    return cast(Tensor, _Windows.apply(kind, gru, table, ids, weight_hh, weight, bias, targets, factors))  # type: ignore[no-untyped-call]


class _Windows(torch.autograd.Function):
    """The gradients are made together with the loss."""

    @staticmethod
    def forward(
        ctx: Any,
        kind: int,
        gru: bool,
        table: Tensor,
        ids: Tensor,
        weight_hh: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        factors: Tensor | None,
    ) -> Tensor:
        check_ids(ids, len(table))
        factors = None if factors is None else factors.contiguous()
        parts = row_parts(len(ids))
        softmax = SoftmaxLayer(kind, weight, bias, targets, parts)
        weights = by_tiles(weight_hh.T, LANES[kind])  # (H, 4H)
        shared = kind, gru, by_tiles(table, LANES[kind]), packed(weights, kind), packed(weights.T, kind)
        ids, targets = ids.contiguous(), targets.contiguous()
        threads = [_Thread(*shared, ids, targets, factors, softmax, part) for part in range(len(parts))]
        on_threads(len(ids), lambda first, last, part: threads[part].learn(first, last))
        of_table, of_weights = gathered(
            [each.table_gradient for each in threads], [each.weight_gradient for each in threads]
        )
        ctx.save_for_backward(of_table, of_weights, *softmax.gradients())
        return torch.cat([each.nats for each in threads]).sum().float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (scale,), found = gradients, ctx.saved_tensors
        of_table, of_hidden, of_weight, of_bias = found if scale == 1 else (each * scale for each in found)
        return None, None, of_table, None, of_hidden, of_weight, of_bias, None, None


class _Thread:
    """What one thread needs for a block of rows, and the gradients that it gathers from all of its blocks."""

    def __init__(
        self,
        kind: int,
        gru: bool,
        starts: Tensor,
        columns: Tensor,
        transposed: Tensor,
        ids: Tensor,
        targets: Tensor,
        factors: Tensor | None,
        softmax: SoftmaxLayer,
        part: int,
    ) -> None:
        steps, units, size = ids.shape[1], starts.shape[1] // SUMS, min(len(ids), ROWS)
        number, lanes, self.kind = NUMBERS[kind], LANES[kind], kind
        states = torch.empty(steps + 1, size, units, dtype=number)
        cells = torch.empty(steps + 1, units // lanes, size, lanes)
        states[0] = cells[0] = 0.0
        gates = torch.empty(steps, size, SUMS * units, dtype=torch.float16 if kind == BFLOAT16 else number)
        gradient = torch.empty(size, units, dtype=number)
        features = states[-1] if factors is None else torch.empty_like(gradient)
        carried = torch.empty(2, size, units)  # the gradients of a row's vector and cell, step by step
        memory = torch.empty(kernel().pt_memory(GROUP[kind], size, units, 0), dtype=number)
        self.weight_gradient = torch.zeros(units // lanes, units, SUMS, lanes)
        self.table_gradient = torch.zeros(len(starts), units // lanes, SUMS, lanes)
        self.nats = torch.zeros(1, dtype=torch.float64)
        read = at(states), at(cells)
        forward = Forward(
            size, steps, units, 0, False, gru, at(ids), at(starts), None, at(columns), *read, None, at(gates)
        )
        backward = Backward(
            size, steps, units, 0, False, gru, True, at(ids), None, at(transposed), *read, at(gates), at(gradient),
            at(carried[0]), at(carried[1]), None, at(self.weight_gradient), at(self.table_gradient),
        )  # fmt: skip
        loss = softmax.call(part, features, targets, gradient, self.nats)
        calls = [ctypes.addressof(each) for each in (forward, backward, loss)]
        self.call = WindowsLoss(*calls, at(factors), at(memory), at(softmax.memory[part]))
        # The structures hold addresses only: this is what lies there.
        self.kept = starts, columns, transposed, ids, targets, factors, softmax, forward, backward, loss
        self.working = states, cells, gates, gradient, features, carried, memory

    def learn(self, first: int, last: int) -> int:
        """The rows from ``first`` to ``last``; 0, or what the kernel answers where it refuses its arithmetic."""
        return int(kernel().pt_windows(self.kind, ctypes.byref(self.call), first, last))

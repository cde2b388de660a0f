"""Hidden vectors, a softmax layer and targets come in; nats and all gradients go out, in compiled C."""

import ctypes
from typing import Any, cast

import torch
from torch import Tensor

from parrotlet.networks.compiled.library import (
    GROUP,
    NUMBERS,
    TILE,
    LinearLoss,
    at,
    kernel,
    on_threads,
    packed,
    round_up,
    row_parts,
    widened,
)

NO_TOKEN = -1e30  # the bias of columns that only fill up a tile


def compiled_cross_entropy(kind: int, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Nats in all, a scalar: ``hidden`` (N, H), ``weight`` (V, H), ``bias`` (V,), ``targets`` (N,) int64, below zero
    where nothing is predicted; ``kind`` from ``arithmetic``. Raises IndexError for a target outside the vocabulary.
    """
    return cast(Tensor, _Loss.apply(kind, hidden, weight, bias, targets))  # type: ignore[no-untyped-call]


class _Loss(torch.autograd.Function):
    """The gradients are made together with the loss: softmax minus one-hot, times weight or hidden."""

    @staticmethod
    def forward(ctx: Any, kind: int, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        number, group, tile = NUMBERS[kind], GROUP[kind], TILE[kind]
        (rows, inputs), vocabulary = hidden.shape, len(weight)
        if rows and int(targets.max()) >= vocabulary:
            raise IndexError(f"targets should lie below {vocabulary}")
        features, targets = hidden.to(number).contiguous(), targets.contiguous()
        columns = widened(weight.T, round_up(vocabulary, tile))  # (H, columns)
        direct, transposed = packed(columns, kind), packed(columns.T, kind)
        starts = torch.full((columns.shape[1],), NO_TOKEN)
        starts[:vocabulary] = bias
        parts = row_parts(rows)
        learns = any(ctx.needs_input_grad)
        features_gradient = torch.empty_like(features) if learns else None
        weight_gradients = torch.zeros(len(parts), columns.shape[1] // tile, inputs, tile)
        bias_gradients = torch.zeros(len(parts), columns.shape[1])
        nats = torch.zeros(len(parts), dtype=torch.float64)
        needed = kernel().pt_loss_memory(group, inputs, columns.shape[1])
        memory = torch.empty(len(parts), needed, dtype=number)

        def read(first: int, last: int, part: int) -> int:
            call = LinearLoss(
                inputs, columns.shape[1], at(features), at(targets), at(direct), at(transposed), at(starts),
                at(features_gradient), at(weight_gradients[part]), at(bias_gradients[part]), at(nats[part]),
            )  # fmt: skip
            return int(kernel().pt_loss(kind, ctypes.byref(call), first, last, at(memory[part])))

        on_threads(rows, read)
        if learns:
            of_weight = weight_gradients.sum(0).transpose(1, 2).reshape(-1, inputs)[:vocabulary]  # (V, H)
            ctx.save_for_backward(features_gradient, of_weight, bias_gradients.sum(0)[:vocabulary])
            ctx.precision = hidden.dtype
        return nats.sum().float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (scale,) = gradients
        of_hidden, of_weight, of_bias = ctx.saved_tensors
        if scale != 1:
            of_hidden, of_weight, of_bias = (each * scale for each in (of_hidden, of_weight, of_bias))
        return None, of_hidden.to(ctx.precision), of_weight, of_bias, None

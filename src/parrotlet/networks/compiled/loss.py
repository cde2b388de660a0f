"""Hidden vectors, a softmax layer and targets come in; nats and all gradients go out, in compiled C."""

import ctypes
from collections.abc import Sequence
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
    return cast(Tensor, _Loss.apply(kind, hidden, weight, bias, targets, torch.is_grad_enabled()))  # type: ignore[no-untyped-call]


class SoftmaxLayer:
    """Weights (V, H) and bias (V,) as the kernel wants them, and what it finds for each part of the rows.

    ``wanted``: whether there will be gradients. Raises IndexError where one of the targets that are to come lies
    outside the vocabulary.
    """

    def __init__(
        self,
        kind: int,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        parts: Sequence[tuple[int, int]],
        wanted: bool = True,
    ) -> None:
        self.vocabulary, self.inputs = weight.shape
        if len(targets) and int(targets.max()) >= self.vocabulary:
            raise IndexError(f"targets should lie below {self.vocabulary}")
        columns = widened(weight.T, round_up(self.vocabulary, TILE[kind]))  # (H, columns)
        self.columns = columns.shape[1]
        self.direct, self.transposed = packed(columns, kind), packed(columns.T, kind) if wanted else None
        self.starts = torch.full((self.columns,), NO_TOKEN)
        self.starts[: self.vocabulary] = bias
        self.weight_gradients = torch.zeros(len(parts), self.columns // TILE[kind] * wanted, self.inputs, TILE[kind])
        self.bias_gradients = torch.zeros(len(parts), self.columns * wanted)
        needed = kernel().pt_loss_memory(GROUP[kind], self.inputs, self.columns)
        self.memory = torch.empty(len(parts), needed, dtype=NUMBERS[kind])

    def call(self, part: int, features: Tensor, targets: Tensor, gradient: Tensor | None, nats: Tensor) -> LinearLoss:
        """For the kernel: ``features`` (n, H) and ``targets`` (n,) come in, ``nats``, one float64, goes out.

        So does the gradient of ``features``, if there is a place for it; without, no gradients are made. The structure
        holds addresses only.
        """
        return LinearLoss(
            self.inputs, self.columns, at(features), at(targets), at(self.direct), at(self.transposed), at(self.starts),
            at(gradient), at(self.weight_gradients[part]), at(self.bias_gradients[part]), at(nats),
        )  # fmt: skip

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Of the weight (V, H) and of the bias (V,)."""
        of_weight = self.weight_gradients.sum(0).transpose(1, 2).reshape(-1, self.inputs)[: self.vocabulary]
        return of_weight, self.bias_gradients.sum(0)[: self.vocabulary]


class _Loss(torch.autograd.Function):
    """The gradients are made together with the loss: softmax minus one-hot, times weight or hidden."""

    @staticmethod
    def forward(
        ctx: Any, kind: int, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, wanted: bool
    ) -> Tensor:
        features, targets = hidden.to(NUMBERS[kind]).contiguous(), targets.contiguous()
        parts = row_parts(len(hidden))
        gradient = torch.empty_like(features) if wanted and any(ctx.needs_input_grad) else None
        softmax = SoftmaxLayer(kind, weight, bias, targets, parts, gradient is not None)
        nats = torch.zeros(len(parts), dtype=torch.float64)

        def read(first: int, last: int, part: int) -> int:
            call = softmax.call(part, features, targets, gradient, nats[part])
            return int(kernel().pt_loss(kind, ctypes.byref(call), first, last, at(softmax.memory[part])))

        on_threads(len(hidden), read)
        if gradient is not None:
            ctx.save_for_backward(gradient, *softmax.gradients())
            ctx.precision = hidden.dtype
        return nats.sum().float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (scale,) = gradients
        of_hidden, of_weight, of_bias = ctx.saved_tensors
        if scale != 1:
            of_hidden, of_weight, of_bias = (each * scale for each in (of_hidden, of_weight, of_bias))
        return None, of_hidden.to(ctx.precision), of_weight, of_bias, None, None

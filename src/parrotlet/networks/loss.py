"""Hidden vectors and targets come in; the summed cross-entropy of a linear softmax layer goes out.

For a vocabulary of thousands the logits of one step fill hundreds of megabytes, and reading and writing them costs more
than the products. Here they are made, used for loss and gradient, and dropped, some rows at a time, while in the cache:
twice as fast at 10,000 words as ``cross_entropy`` over all of them and as torch's chunked form (LOG.md, 2026-11-20).
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from parrotlet.dataset import NOTHING
from parrotlet.networks.compiled import arithmetic, compiled_cross_entropy

LOGITS_AT_ONCE = 1 << 21
WORTH_CHUNKING = 512  # tokens of a vocabulary from which this pays


def summed_cross_entropy(hidden: Tensor, output: nn.Linear, targets: Tensor, precision: torch.dtype) -> Tensor:
    """Nats in all, a scalar.

    ``hidden`` (N, H); ``output`` the layer that gives logits (N, V); ``targets`` (N,) int64, below zero where nothing
    is predicted; ``precision`` is the type of the products.
    """
    if output.out_features >= WORTH_CHUNKING:
        given = hidden, output.weight, output.bias, targets, precision, torch.is_grad_enabled()
        return cast(Tensor, _LinearCrossEntropy.apply(*given))  # type: ignore[no-untyped-call]
    if (kind := arithmetic(hidden.device, precision, output.in_features)) is not None:
        return compiled_cross_entropy(kind, hidden, output.weight, output.bias, targets)
    logits = hidden.to(precision) @ output.weight.to(precision).T  # (N, V)
    return nn.functional.cross_entropy(logits.float() + output.bias, targets, ignore_index=NOTHING, reduction="sum")


def scale_derivatives(hidden: Tensor, output: nn.Linear, targets: Tensor) -> tuple[float, float]:
    """First and second derivative of the summed cross-entropy by a factor of all logits, where it is 1.

    With chances p of the logits z they are the sums of E_p[z] - z_target and of Var_p[z]; shapes as above.
    """
    first = second = 0.0
    rows = max(64, LOGITS_AT_ONCE // output.out_features)
    hidden, targets = hidden[targets >= 0], targets[targets >= 0]
    for start in range(0, len(hidden), rows):
        part, wanted = hidden[start : start + rows].float(), targets[start : start + rows]  # (n, H), (n,)
        logits = nn.functional.linear(part, output.weight, output.bias)  # (n, V)
        chances = logits.softmax(1)
        expected = (chances * logits).sum(1, keepdim=True)  # (n, 1)
        first += (expected - logits.gather(1, wanted.unsqueeze(1))).sum().item()
        second += (chances * (logits - expected) ** 2).sum().item()
    return first, second


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradient is made together with the loss: softmax minus one-hot, times weight or hidden."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        precision: torch.dtype,
        gradients_wanted: bool,
    ) -> Tensor:
        rows = max(64, LOGITS_AT_ONCE // len(weight))
        low_weight, low_hidden = weight.to(precision), hidden.to(precision)
        hidden_gradient = torch.empty_like(hidden, dtype=torch.float32)  # (N, H)
        weight_gradient = torch.zeros_like(weight)  # (V, H)
        bias_gradient = torch.zeros_like(bias)  # (V,)
        nats = torch.zeros((), device=hidden.device)
        for start in range(0, len(hidden), rows):
            part, wanted = low_hidden[start : start + rows], targets[start : start + rows]
            counted = (wanted >= 0).unsqueeze(1)  # (n, 1)
            wanted = wanted.clamp(min=0).unsqueeze(1)  # (n, 1)
            logits = (part @ low_weight.T).float().add_(bias)  # (n, V)
            surprise = torch.log_softmax(logits, 1)  # (n, V)
            nats -= (surprise.gather(1, wanted) * counted).sum()
            if not gradients_wanted:
                continue
            error = surprise.exp_().scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=torch.float32))
            low_error = error.mul_(counted).to(precision)  # (n, V)
            hidden_gradient[start : start + rows] = low_error @ low_weight
            weight_gradient += low_error.T @ part
            bias_gradient += (low_error.T @ torch.ones_like(part[:, :1])).squeeze(1)
        ctx.save_for_backward(hidden_gradient, weight_gradient, bias_gradient)
        ctx.hidden_type = hidden.dtype
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = gradients
        hidden, weight, bias = ctx.saved_tensors
        return (hidden * scale).to(ctx.hidden_type), weight * scale, bias * scale, None, None, None

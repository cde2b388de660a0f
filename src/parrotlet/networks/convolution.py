"""Ids and the last inputs of each layer come in; logits and the new last inputs go out: gated causal convolutions."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from parrotlet.networks.layers import values_of
from parrotlet.networks.network import Network
from parrotlet.runtime.shapes import dilations, input_width
from parrotlet.settings import NetworkSettings


class ConvolutionNetwork(Network):
    """Convolutions that look 1, 2, 4 … steps back, each adding its gated answer (van den Oord et al. 2016, §2.1, 2.3).

    The state is a tensor (B, L, P, H), float32: what entered each layer in the last P steps, oldest first, zeros before
    the beginning.
    """

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        hidden = settings.hidden
        self.input = nn.Linear(input_width(settings, vocabulary_size), hidden)
        self.layers = nn.ModuleList(GatedConvolution(hidden, settings.kernel, steps) for steps in dilations(settings))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(settings.layers if settings.layer_norm else 0))
        self.output = self._new_output()
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.zeros_(self.input.bias)
        for layer in cast(list[GatedConvolution], self.layers):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(hidden * settings.kernel))  # sums as large as the inputs
            nn.init.zeros_(cast(Tensor, layer.bias))

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64, ``state`` (B, L, P, H) → the last layer's sums (B, T, H), the state after."""
        if state is None:
            state = self.begin(len(ids))
        hidden = self.input(values_of(self._enter(ids, labels))).float()  # (B, T, H)
        past, length = state.shape[2], ids.shape[1]
        entered = []
        for index, layer in enumerate(cast(list[GatedConvolution], self.layers)):
            entered.append(hidden)
            seen = torch.cat([state[:, index, past - layer.reach :], hidden], dim=1)  # (B, reach + T, H)
            hidden = hidden + layer(self._drop(seen, self.settings.dropout_between if index else 0.0))  # (B, T, H)
            if self.settings.layer_norm:
                hidden = self.norms[index](hidden)
        recent = torch.stack(entered, dim=1)[:, :, -past:]  # (B, L, at most P, H)
        after = torch.cat([state[:, :, length:], recent], dim=2)  # (B, L, P, H)
        return self._drop(hidden, self.settings.dropout_output), after  # (B, T, H), (B, L, P, H)


class GatedConvolution(nn.Conv1d):
    """tanh of one half of a convolution, times the sigmoid of the other: (B, reach + T, H) → (B, T, H)."""

    def __init__(self, hidden: int, kernel: int, steps: int) -> None:
        super().__init__(hidden, 2 * hidden, kernel, dilation=steps)
        self.reach = (kernel - 1) * steps

    def forward(self, seen: Tensor) -> Tensor:
        # One product over the taps side by side: a fifth faster than the convolution, and the same sums on every run.
        length = seen.shape[1] - self.reach
        taps = [seen[:, start : start + length] for start in range(0, self.reach + 1, self.dilation[0])]
        weight = self.weight.transpose(1, 2).flatten(1)  # (2 * H, K * H)
        values, gates = linear(torch.cat(taps, dim=2), weight, self.bias).chunk(2, dim=2)  # (B, T, H) twice
        return torch.tanh(values) * torch.sigmoid(gates)

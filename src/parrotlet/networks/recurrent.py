"""Ids and a state come in; logits for the next id and the new state go out: layers that carry their state on."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from parrotlet.networks.layers import run_layer, values_of
from parrotlet.networks.stack import StackedNetwork
from parrotlet.runtime.shapes import STATE_PARTS


class RecurrentNetwork(StackedNetwork):
    """A stack of layers that remembers all it has read.

    The state is a tensor (B, L, S, H), float32: for each row and recurrent layer its hidden vector and, with LSTM
    (S = 2), its cell. Where layers differ, H is the largest and what a layer does not need is zero.
    """

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64, ``state`` (B, L, S, H) → what enters the output layer (B, T, F), the state after."""
        if state is None:
            state = self.begin(len(ids))
        entering = self._enter(ids, labels)  # (B, T, E)
        _, _, parts, width = state.shape
        states = []
        for index in range(self.recurrent):
            layer = self.layer_settings[index]
            before = state[:, index, : STATE_PARTS[layer.kind], : layer.units]  # (B, S, H) of this layer
            leaving, after = run_layer(self.layers[index], entering, before)  # (B, T, H), (B, S, H)
            states.append(pad(after, (0, width - after.shape[2], 0, parts - after.shape[1])))  # (B, S, H) of all
            entering = self._leave(index, leaving, entering)
        return self._finish(values_of(entering)), torch.stack(states, dim=1).float()  # (B, T, F), (B, L, S, H)

"""The contract of every network: ids and a state come in; logits for the next id and the new state go out."""

import torch
from torch import Tensor, nn

from parrotlet.settings import NetworkSettings


class Network(nn.Module):
    """Calling it reads ids: (B, T) int64 and a state → logits (B, T, V), state.

    A state is an argument and a result, never hidden inside; it is one tensor whose first dimension is the row.
    ``output`` is the last layer, from what the network knows to logits.
    """

    output: nn.Linear
    random: torch.Generator | None = None  # that dropout draws from; None: torch's own

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.vocabulary_size = vocabulary_size

    def begin(self, rows: int) -> Tensor:
        """The zero state of ``rows`` rows."""
        raise NotImplementedError

    def read(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64 and a state (None: zero) → what enters the last layer (B, T, H) and the state after."""
        raise NotImplementedError

    def forward(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64 and a state (None: zero) → logits (B, T, V) and the state after the last id."""
        hidden, after = self.read(ids, state)
        return self.output(hidden), after  # (B, T, V)

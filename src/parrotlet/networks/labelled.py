"""What a network knows and a text's labels come in; logits go out: a second output layer that only training uses."""

from typing import cast

import torch
from torch import Tensor, nn


class LabelledHead(nn.Module):
    """The output layer of textgenrnn's context labels: it explains what the label explains.

    Trained beside the network's own output on the same targets, it lets both share the layers beneath; the model that
    is saved has no part of it.
    """

    def __init__(self, features: int, labels: int, vocabulary_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(features + labels, vocabulary_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """``features`` (N, F) as they enter the network's output, ``labels`` (N, C) of 0 and 1 → logits (N, V)."""
        return cast(Tensor, self.output(torch.cat([features, labels], dim=1)))  # (N, V)

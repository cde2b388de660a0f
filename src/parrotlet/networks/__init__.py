"""Network settings come in; torch modules go out, one file per family, all with the same two methods."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from parrotlet.networks.recurrent import RecurrentNetwork
from parrotlet.settings import NetworkSettings


class Network(Protocol):
    """``begin(rows)`` gives the zero state; calling it reads ids: (B, T) and a state → logits (B, T, V), state.

    A state is a tensor whose first dimension is the row.
    """

    def begin(self, rows: int) -> Tensor: ...

    def __call__(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]: ...


NETWORKS: dict[str, Callable[[NetworkSettings, int], torch.nn.Module]] = {
    "rnn": RecurrentNetwork,
    "lstm": RecurrentNetwork,
    "gru": RecurrentNetwork,
}


def build_network(settings: NetworkSettings, vocabulary_size: int, seed: int) -> torch.nn.Module:
    """A new network whose first weights are a pure function of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[settings.kind](settings, vocabulary_size)


__all__ = ["NETWORKS", "Network", "build_network"]

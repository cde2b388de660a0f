"""Network settings come in; torch modules go out, one file per family, all with the same two methods."""

from collections.abc import Callable

import torch

from parrotlet.networks.network import Network
from parrotlet.networks.recurrent import RecurrentNetwork
from parrotlet.settings import NetworkSettings

NETWORKS: dict[str, Callable[[NetworkSettings, int], Network]] = {
    "rnn": RecurrentNetwork,
    "lstm": RecurrentNetwork,
    "gru": RecurrentNetwork,
}


def build_network(settings: NetworkSettings, vocabulary_size: int, seed: int) -> Network:
    """A new network whose first weights are a pure function of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[settings.kind](settings, vocabulary_size)


__all__ = ["NETWORKS", "Network", "build_network"]

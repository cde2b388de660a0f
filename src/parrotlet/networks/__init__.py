"""Network settings come in; torch modules go out, one file per family, all with the same two methods."""

from collections.abc import Callable

import torch

from parrotlet.networks.context import ContextNetwork
from parrotlet.networks.convolution import ConvolutionNetwork
from parrotlet.networks.labelled import LabelledHead
from parrotlet.networks.network import Network
from parrotlet.networks.recurrent import RecurrentNetwork
from parrotlet.settings import NetworkSettings


def _stacked(settings: NetworkSettings, vocabulary_size: int) -> Network:
    """Layers that carry their state on or, with a context, read it anew."""
    return (RecurrentNetwork if settings.context is None else ContextNetwork)(settings, vocabulary_size)


NETWORKS: dict[str, Callable[[NetworkSettings, int], Network]] = {
    "rnn": _stacked,
    "lstm": _stacked,
    "gru": _stacked,
    "stack": _stacked,
    "convolution": ConvolutionNetwork,
}


def build_network(settings: NetworkSettings, vocabulary_size: int, seed: int) -> Network:
    """A new network whose first weights are a pure function of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[settings.kind](settings, vocabulary_size)


__all__ = ["NETWORKS", "LabelledHead", "Network", "build_network"]

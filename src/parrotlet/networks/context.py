"""Ids and the last ids before them come in; logits go out: layers that read a window anew for each prediction."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from parrotlet.networks.layers import compiled_for_windows, newest_cross_entropy, run_layer, values_of
from parrotlet.networks.loss import WORTH_CHUNKING
from parrotlet.networks.stack import StackedNetwork
from parrotlet.runtime.shapes import layers_of
from parrotlet.settings import NetworkSettings

NUMBERS_AT_ONCE = 1 << 24  # that enter and leave the layers when no gradients are kept: 64 MiB


class ContextNetwork(StackedNetwork):
    """A stack of layers over the last W ids, and over nothing before them.

    The state is those ids, oldest first: a tensor (B, W), int64, the vocabulary's size V where there is none yet. With
    ``padded`` the network reads V as a symbol of its own; else such a window is shorter. Its layers may read both ways,
    and the prediction may be made from an average over time (textgenrnn).
    """

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        assert settings.context is not None
        self.context = settings.context
        layers = layers_of(settings, vocabulary_size)
        # of one window: what enters and leaves a layer, and its states
        self.numbers = settings.context * sum(layer.inputs + 3 * layer.outputs for layer in layers)
        if settings.attention:
            self.attention = nn.Parameter(torch.empty(self.output.in_features).uniform_(-0.05, 0.05))

    def begin(self, rows: int) -> Tensor:
        """Contexts without any id: (B, W) int64."""
        device = self.output.weight.device
        return torch.full((rows, self.context), self.vocabulary_size, dtype=torch.int64, device=device)

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64, ``state`` (B, W) → what enters the output layer (B, T, F), the last ids (B, W)."""
        seen = torch.cat([self.begin(len(ids)) if state is None else state, ids], dim=1)  # (B, W + T)
        windows = seen.unfold(1, self.context, 1)[:, 1:].flatten(0, 1)  # (B * T, W)
        pieces = 1 if torch.is_grad_enabled() else math.ceil(len(windows) * self.numbers / NUMBERS_AT_ONCE)
        if labels is not None:
            labels = (
                labels.view(len(ids), -1, labels.shape[-1]).expand(-1, ids.shape[1], -1).flatten(0, 1)
            )  # (B * T, K)
        each = [None] * pieces if labels is None else labels.chunk(pieces)
        read = zip(windows.chunk(pieces), each, strict=False)  # there may be fewer chunks than asked for
        features = torch.cat([self._read_windows(*piece) for piece in read])  # (B * T, F)
        return features.view(*ids.shape, -1), seen[:, ids.shape[1] :]  # (B, T, F), (B, W)

    def nats_at_once(self, ids: Tensor, state: Tensor, labels: Tensor | None, targets: Tensor) -> Tensor | None:
        """See ``Network``: of windows that end in one target each, and are read by a single layer."""
        settings = self.settings
        changed = settings.attention or settings.layer_norm or settings.dropout_input or settings.label_counts
        if changed or len(self.layers) > 1 or ids.shape[1] > 1 or self.vocabulary_size >= WORTH_CHUNKING:
            return None
        if (kind := compiled_for_windows(self.layers[0])) is None:
            return None
        windows = torch.cat([state[:, 1:], ids], dim=1)  # (B, W)
        if not settings.padded and self._oldest_first(windows)[1] is not None:
            return None
        factors = None
        if self.training and settings.dropout_output:
            factors = self._drop(
                self.output.weight.new_ones(len(ids), self.output.in_features), settings.dropout_output
            )
        return newest_cross_entropy(kind, self.layers[0], self._enter(windows), self.output, targets, factors)

    def _read_windows(self, windows: Tensor, labels: Tensor | None) -> Tensor:
        """Each window from a zero state, with its labels: (N, W), (N, K) → (N, F)."""
        windows, lengths = (windows, None) if self.settings.padded else self._oldest_first(windows)
        entering = self._enter(windows, labels)  # (N, W, E)
        over_time = [values_of(entering)] if self.settings.attention else []
        for index in range(self.recurrent):
            layer = self.layer_settings[index]
            # A layer that only reads forwards never learns what lies behind the newest id.
            counted = lengths if layer.bidirectional else None
            ends = index == self.recurrent - 1 and not self.settings.attention
            newest = ends and lengths is None
            # (N, W, D * H), (N, S, D * H)
            leaving, after = run_layer(self.layers[index], entering, lengths=counted, newest=newest)
            if ends:
                if self.settings.residual and index:  # what entered the first layer is never added
                    entering = _newest(values_of(entering), lengths)  # (N, X)
                both_ends = layer.final and layer.bidirectional
                leaving = after[:, 0] if both_ends else _newest(leaving, lengths)  # (N, D * H)
            entering = self._leave(index, leaving, entering)
            over_time.append(entering)
        return self._finish(self._attend(over_time, lengths) if self.settings.attention else over_time[-1])  # (N, F)

    def _oldest_first(self, windows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Windows with their ids moved to the front, and how many each has: (N, W), (N,); None where all are full.

        Behind them the newest id is repeated, which nothing looks at.
        """
        if not bool((windows[:, 0] == self.vocabulary_size).any()):
            return windows, None
        missing = (windows == self.vocabulary_size).sum(dim=1)  # (N,)
        places = torch.arange(self.context, device=windows.device) + missing.unsqueeze(1)  # (N, W)
        return windows.gather(1, places.clamp(max=self.context - 1)), self.context - missing

    def _attend(self, over_time: Sequence[Tensor], lengths: Tensor | None) -> Tensor:
        """The average over time of all parts side by side, weighted by one learned query: P of (N, W, X) → (N, F).

        textgenrnn's AttentionWeightedAverage (after Felbo et al. 2017, without their tanh): e_t = x_t · w,
        a_t = exp(e_t − max e) / (Σ exp(e − max e) + 1e-7), Σ a_t x_t.
        """
        with torch.autocast(over_time[0].device.type, enabled=False):  # exp would magnify what low precision rounds
            parts = [part.float() for part in over_time]
            queries = self.attention.split_with_sizes([part.shape[2] for part in parts])
            scores = torch.stack([part @ query for part, query in zip(parts, queries, strict=True)]).sum(0)  # (N, W)
            if lengths is not None:
                behind = torch.arange(self.context, device=lengths.device) >= lengths.unsqueeze(1)  # (N, W)
                scores = scores.masked_fill(behind, -torch.inf)
            powers = (scores - scores.amax(dim=1, keepdim=True)).exp()
            shares = powers / (powers.sum(dim=1, keepdim=True) + 1e-7)  # (N, W)
            return torch.cat([(shares.unsqueeze(1) @ part).squeeze(1) for part in parts], dim=1)  # (N, F)


def _newest(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Of each row the last step that counts: (N, W, X) → (N, X)."""
    if lengths is None:
        return values[:, -1]
    return values[torch.arange(len(values), device=values.device), lengths - 1]

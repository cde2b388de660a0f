"""The contract of every network: ids and a state come in; logits for the next id and the new state go out."""

from typing import cast

import torch
from torch import Tensor, nn

from parrotlet.networks.layers import Entering, LookedUp, values_of
from parrotlet.runtime.shapes import features_width, state_shape
from parrotlet.settings import NetworkSettings

LABELS_LEFT_OUT = 0.1  # of the labels, while training
FIRST_LABELS = 0.1  # the spread of their first vectors


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
        if settings.input == "learned":
            self.embedding = nn.Embedding(vocabulary_size + settings.padded, settings.embedding)
            if settings.padded or settings.attention:  # as Keras, which textgenrnn's learning rate was found with
                nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
            else:
                nn.init.normal_(self.embedding.weight, std=0.1 if settings.tied else 1.0)
        self.labels = nn.ModuleList(nn.Embedding(labels + 1, settings.embedding) for labels in settings.label_counts)
        for table in self.labels:
            nn.init.normal_(cast(nn.Embedding, table).weight, std=FIRST_LABELS)

    def begin(self, rows: int) -> Tensor:
        """The state of ``rows`` rows before any id: zeros, of the shape that ``state_shape`` tells."""
        return self.output.weight.new_zeros(rows, *state_shape(self.settings))

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64 and a state (None: as it begins) → what enters ``output`` (B, T, F), the state after.

        ``labels`` (B, K) or (B, T, K) int64: the number of each row's, or each id's, label in each column; None, and a
        number as large as there are labels: no label.
        """
        raise NotImplementedError

    def nats_at_once(self, ids: Tensor, state: Tensor, labels: Tensor | None, targets: Tensor) -> Tensor | None:
        """The summed cross-entropy of targets (B * T,) after these ids, where there is a shorter way than ``read``.

        A scalar with the same gradients; None where it has none.
        """
        return None

    def forward(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64 and a state (None: as it begins) → logits (B, T, V) and the state after the last id."""
        features, after = self.read(ids, state, labels)
        return self.output(features), after  # (B, T, V)

    def _new_output(self) -> nn.Linear:
        """The last layer; with ``tied`` its weight is the embedding's."""
        output = nn.Linear(features_width(self.settings, self.vocabulary_size), self.vocabulary_size)
        if self.settings.tied:
            output.weight = self.embedding.weight
        nn.init.zeros_(output.bias)
        return output

    def _enter(self, ids: Tensor, labels: Tensor | None = None) -> Entering:
        """What enters the first layer, with its dropout: (B, T) → (B, T, E); ``labels`` as for ``read``."""
        if self.settings.input == "number":
            return self._drop(
                ids.unsqueeze(-1).float() / self.vocabulary_size, self.settings.dropout_input
            )  # (B, T, 1)
        rows = self.embedding.weight if self.settings.input == "learned" else None
        entering: Entering = LookedUp(ids, rows, self.vocabulary_size if rows is None else len(rows))
        if rows is not None and len(self.labels):
            entering = self._labelled(ids, rows, labels)
        if self.training and self.settings.dropout_input:
            return self._drop(values_of(entering), self.settings.dropout_input)
        return entering

    def _labelled(self, ids: Tensor, rows: Tensor, labels: Tensor | None) -> Entering:
        """Each id's row of (V, E) moved by the vectors of its labels: (B, T), (B, K) or (B, T, K) → (B, T, E).

        While training a tenth of the labels are left out, of a whole row, so that the network also writes without.
        """
        none = torch.tensor(self.settings.label_counts, device=ids.device)  # (K,)
        chosen = none.expand(len(ids), 1, -1) if labels is None else labels.view(len(ids), -1, len(none))  # (B, T, K)
        if self.training:
            numbers = torch.rand(len(ids), 1, len(none), device=ids.device, generator=self.random)
            chosen = torch.where(numbers < LABELS_LEFT_OUT, none, chosen)
        known, which = torch.unique(chosen.flatten(0, 1), dim=0, return_inverse=True)  # (C, K), (B * T,)
        which = which.view(chosen.shape[:2])  # (B, T or 1)
        moved = torch.stack([table(known[:, column]) for column, table in enumerate(self.labels)]).sum(0)  # (C, E)
        if len(known) * len(rows) > ids.numel():
            return nn.functional.embedding(ids, rows) + moved[which]  # (B, T, E)
        tables = (moved.unsqueeze(1) + rows).flatten(0, 1)  # (C * V, E)
        return LookedUp(ids + which * len(rows), tables, len(tables))

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Dropout whose mask is the same at every step of a window (Gal and Ghahramani 2016): (B, …, X) → (B, …, X).

        It regularises recurrent networks better than a new mask at each step, which the lessons have, and draws T times
        fewer numbers.
        """
        if not self.training or share == 0:
            return values
        steps = values.shape[1:-1] if self.settings.dropout_each_step else [1] * (values.ndim - 2)
        mask = values.new_empty(len(values), *steps, values.shape[-1])  # (B, 1 or T, X)
        mask.bernoulli_(1 - share, generator=self.random)
        return values * (mask / (1 - share))

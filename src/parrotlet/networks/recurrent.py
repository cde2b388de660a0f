"""Ids and a state come in; logits for the next id and the new state go out: stacks of RNN, LSTM or GRU layers."""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from parrotlet.networks.network import Network
from parrotlet.settings import NetworkSettings

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(Network):
    """A stack of recurrent layers between an input and a softmax layer.

    The state is a tensor (B, L, S, H), float32: for each row and layer its hidden vector and, with LSTM (S = 2), its
    cell. LSTM: Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000); GRU: Cho et al. 2014 in the
    reset-after form of cuDNN; RNN: Elman 1990 with tanh.
    """

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        inputs = {"learned": settings.embedding, "one-hot": vocabulary_size, "number": 1}[settings.input]
        if settings.input == "learned":
            self.embedding = nn.Embedding(vocabulary_size, settings.embedding)
            nn.init.normal_(self.embedding.weight, std=0.1 if settings.tied else 1.0)
        cell = CELLS[settings.kind]
        self.layers = nn.ModuleList(
            cell(settings.hidden if layer else inputs, settings.hidden, batch_first=True)
            for layer in range(settings.layers)
        )
        normalised = settings.layers if settings.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(settings.hidden) for _ in range(normalised))
        self.output = nn.Linear(settings.hidden, vocabulary_size)
        if settings.tied:
            self.output.weight = self.embedding.weight
        nn.init.zeros_(self.output.bias)
        for layer in self.layers:
            _initialise(cast(nn.RNNBase, layer))

    def begin(self, rows: int) -> Tensor:
        """The zero state of ``rows`` rows: (B, L, S, H)."""
        parts = 2 if self.settings.kind == "lstm" else 1
        return self.output.weight.new_zeros(rows, self.settings.layers, parts, self.settings.hidden)

    def read(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``ids`` (B, T) int64, ``state`` (B, L, S, H) → the last layer's output (B, T, H), the state after."""
        if state is None:
            state = self.begin(len(ids))
        hidden = self._drop(self._embed(ids), self.settings.dropout_input)  # (B, T, E)
        states = []
        for index, layer in enumerate(self.layers):
            entering = hidden
            hidden, after = self._layer(cast(nn.RNNBase, layer), entering, state[:, index])  # (B, T, H), (B, S, H)
            states.append(after)
            if self.settings.residual and index:
                hidden = hidden + entering
            if self.settings.layer_norm:
                hidden = self.norms[index](hidden)
            last = index == self.settings.layers - 1
            hidden = self._drop(hidden, self.settings.dropout_output if last else self.settings.dropout_between)
        return hidden, torch.stack(states, dim=1).float()  # (B, T, H), (B, L, S, H)

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Dropout whose mask is the same at every step of a window (Gal and Ghahramani 2016): (B, T, X) → (B, T, X).

        It regularises recurrent networks better than a new mask at each step, and draws T times fewer numbers.
        """
        if not self.training or share == 0:
            return values
        mask = values.new_empty(len(values), 1, values.shape[2]).bernoulli_(
            1 - share, generator=self.random
        )  # (B, 1, X)
        return values * (mask / (1 - share))

    def _embed(self, ids: Tensor) -> Tensor:
        if self.settings.input == "learned":
            return cast(Tensor, self.embedding(ids))  # (B, T, E)
        if self.settings.input == "one-hot":
            return nn.functional.one_hot(ids, self.vocabulary_size).float()  # (B, T, V)
        return ids.unsqueeze(-1).float() / self.vocabulary_size  # (B, T, 1)

    def _layer(self, layer: nn.RNNBase, entering: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        parts = [part.unsqueeze(0).contiguous() for part in state.unbind(1)]  # S of (1, B, H)
        hidden, after = layer(entering, tuple(parts) if len(parts) == 2 else parts[0])
        ends = after if isinstance(after, tuple) else (after,)
        return hidden, torch.stack([end.squeeze(0) for end in ends], dim=1)  # (B, T, H), (B, S, H)


def _initialise(layer: nn.RNNBase) -> None:
    """Orthogonal recurrent weights (Saxe et al. 2014), gate by gate; LSTM forget gates start open, with a bias of 1.

    Open forget gates let early gradients reach far back (Jozefowicz et al. 2015, §2.2).
    """
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.data.chunk(len(parameter) // layer.hidden_size):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.uniform_(parameter, -1 / math.sqrt(layer.hidden_size), 1 / math.sqrt(layer.hidden_size))
        else:
            nn.init.zeros_(parameter)
            if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                parameter.data[layer.hidden_size : 2 * layer.hidden_size] = 1.0

"""Settings come in; networks that parrotlet does not offer go out: ids and a state → features and a state.

They are here to be measured: cells whose work is parallel in time, a small transformer, hashed n-grams at the input.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from parrotlet.networks.layers import run_layer
from parrotlet.networks.network import Network
from parrotlet.networks.recurrent import RecurrentNetwork
from parrotlet.settings import NetworkSettings


class ParallelCells(Network):
    """Layers of h_t = f_t h_{t-1} + (1 - f_t) x̃_t, all products made for the whole window at once; between them a sum.

    minGRU (Feng et al. 2024, §3.1): f and x̃ from x_t alone. SRU (Lei et al. 2018, §2): f also sees the state by a
    vector, and a highway connection adds x_t. QRNN (Bradbury et al. 2017, §2): f, x̃ and an output gate from x_t and
    x_{t-1}. The state is (B, L, 2, H): the cell and what entered last.
    """

    products: ClassVar = {"min_gru": 2, "sru": 3, "qrnn": 3}

    def __init__(self, settings: NetworkSettings, vocabulary_size: int, cell: str) -> None:
        super().__init__(settings, vocabulary_size)
        hidden, reach = settings.hidden, 2 if cell == "qrnn" else 1
        self.cell = cell
        self.enter = nn.Linear(settings.embedding, hidden)
        self.layers = nn.ModuleList(
            nn.Linear(reach * hidden, self.products[cell] * hidden) for _ in range(settings.layers)
        )
        self.seen = nn.Parameter(torch.zeros(settings.layers, hidden))
        self.norms = nn.ModuleList(nn.RMSNorm(hidden) for _ in range(settings.layers + 1))
        self.output = self._new_output()

    def begin(self, rows: int) -> Tensor:
        return torch.zeros(rows, self.settings.layers, 2, self.settings.hidden)

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        state = self.begin(len(ids)) if state is None else state
        stream = self.enter(self.embedding(ids)).float()  # (B, T, H)
        ends = []
        for index, layer in enumerate(self.layers):
            entering = self.norms[index](stream)  # (B, T, H)
            before = torch.cat([state[:, index, 1:], entering[:, :-1]], 1)  # (B, T, H): one step earlier
            seen = torch.cat([before, entering], 2) if self.cell == "qrnn" else entering
            forget, fresh, *gate = layer(seen).float().chunk(self.products[self.cell], 2)  # (B, T, H) each
            if self.cell == "sru":
                cells = self._seeing(forget, fresh, state[:, index, 0], self.seen[index])
            else:
                cells = scan(torch.sigmoid(forget + 1), torch.tanh(fresh), state[:, index, 0])  # (B, T, H)
            leaving = torch.sigmoid(gate[0]) * cells if gate else cells
            stream = stream + self._drop(leaving, self.settings.dropout_between)
            ends.append(torch.stack([cells[:, -1], entering[:, -1]], 1))  # (B, 2, H)
        return self._drop(self.norms[-1](stream), self.settings.dropout_output), torch.stack(ends, 1)

    def _seeing(self, forget: Tensor, fresh: Tensor, cell: Tensor, weight: Tensor) -> Tensor:
        cells = []
        for f, x in zip(forget.unbind(1), fresh.unbind(1), strict=True):
            share = torch.sigmoid(f + weight * cell + 1)
            cell = share * cell + (1 - share) * x
            cells.append(cell)
        return torch.stack(cells, 1)  # (B, T, H)


def scan(share: Tensor, fresh: Tensor, cell: Tensor) -> Tensor:
    """c_t = share_t c_{t-1} + (1 - share_t) fresh_t over (B, T, H), from ``cell`` (B, H)."""
    return cast(Tensor, _Scan.apply(share, (1 - share) * fresh, cell))


class _Scan(torch.autograd.Function):
    """c_t = a_t c_{t-1} + b_t, one step after the other: on a processor that is the fast way."""

    @staticmethod
    def forward(ctx, share, added, cell):  # type: ignore[no-untyped-def]
        cells = torch.empty_like(added)
        last = cell
        for t in range(added.shape[1]):
            last = torch.addcmul(added[:, t], share[:, t], last)
            cells[:, t] = last
        ctx.save_for_backward(share, cells, cell)
        return cells

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        share, cells, cell = ctx.saved_tensors
        added = torch.empty_like(cells)
        carried = torch.zeros_like(cell)
        for t in reversed(range(cells.shape[1])):
            carried = carried + gradient[:, t]
            added[:, t] = carried
            carried = carried * share[:, t]
        before = torch.cat([cell.unsqueeze(1), cells[:, :-1]], 1)
        return added * before, added, carried


class Transformer(Network):
    """Pre-norm blocks with rotary positions (Su et al. 2021, §3.2), gated dense layers, queries of one size.

    The state is the last ``reach`` ids (B, reach), which are read again; while training only the window is read.
    """

    heads_width, reach = 64, 256

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        width = settings.hidden
        self.enter = nn.Embedding(vocabulary_size, width)
        self.layers = nn.ModuleList()
        for _ in range(settings.layers):
            parts = {
                "asked": (width, 3 * width),
                "answer": (width, width),
                "wide": (width, 4 * width),
                "narrow": (2 * width, width),
            }
            self.layers.append(nn.ModuleDict({name: nn.Linear(*shape, bias=False) for name, shape in parts.items()}))
        self.output = self._new_output()
        for layer in self.layers:
            for name in ("answer", "narrow"):
                nn.init.zeros_(cast(nn.ModuleDict, layer)[name].weight)

    def begin(self, rows: int) -> Tensor:
        return torch.full((rows, 0), 0)

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        past = self.begin(len(ids)) if self.training or state is None else state
        seen = torch.cat([past, ids], 1)
        x = self.enter(seen)  # (B, T, H)
        for layer in self.layers:
            parts = cast(nn.ModuleDict, layer)
            B, T, width = x.shape
            heads = (
                parts["asked"](normed(x)).view(B, T, 3, -1, self.heads_width).permute(2, 0, 3, 1, 4)
            )  # (3, B, N, T, D)
            queries, keys, values = rotated(normed(heads[0])), rotated(normed(heads[1])), heads[2]
            found = scaled_dot_product_attention(queries, keys, values.to(queries.dtype), is_causal=True)
            x = x + self._drop(
                parts["answer"](found.transpose(1, 2).reshape(B, T, width)), self.settings.dropout_between
            )
            gate, value = parts["wide"](normed(x)).chunk(2, 2)
            x = x + self._drop(parts["narrow"](silu(gate) * value), self.settings.dropout_between)
        return self._drop(normed(x)[:, past.shape[1] :], self.settings.dropout_output), seen[:, -self.reach :]


def normed(x: Tensor) -> Tensor:
    return nn.functional.rms_norm(x, x.shape[-1:])


def rotated(x: Tensor) -> Tensor:
    """(B, N, T, D) with each pair of numbers turned by its position."""
    T, half = x.shape[2], x.shape[3] // 2
    angles = torch.outer(torch.arange(T), 1000 ** (-torch.arange(half) / half))  # (T, D / 2)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, 3)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], 3)


class HashedNgrams(RecurrentNetwork):
    """An LSTM that also sees a learned vector of its last two and three ids, found by a hash."""

    buckets = 1 << 14

    def __init__(self, settings: NetworkSettings, vocabulary_size: int) -> None:
        super().__init__(settings, vocabulary_size)
        self.ngrams = nn.ModuleList(nn.Embedding(self.buckets, settings.embedding) for _ in range(2))
        for table in self.ngrams:
            nn.init.normal_(cast(nn.Embedding, table).weight, std=0.5)

    def read(self, ids: Tensor, state: Tensor | None = None, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden = self.begin(len(ids)) if state is None else state
        entering = self.embedding(ids)  # (B, T, E)
        code = ids.clone()
        for back, table in enumerate(self.ngrams, start=1):
            earlier = nn.functional.pad(ids, (back, 0))[:, : ids.shape[1]]  # (B, T); zero before the window
            code = (code * 1_000_003 + earlier + 1) % 2_147_483_647
            entering = entering + table(code % self.buckets)  # (B, T, E)
        states = []
        for index in range(self.recurrent):
            entering, after = run_layer(self.layers[index], entering, hidden[:, index])
            states.append(after)
        return self._finish(entering), torch.stack(states, 1).float()

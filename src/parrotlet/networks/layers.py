"""What enters a layer comes in; what leaves it goes out: compiled or torch's own recurrent layers, else a loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import hardsigmoid, linear, one_hot
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parrotlet.networks.compiled import arithmetic, as_four, run_recurrent, windows_cross_entropy
from parrotlet.runtime.shapes import GATES, STATE_PARTS, Layer
from parrotlet.settings import LayerSettings

LONG_MEMORY = 128  # steps
ONE_SLOW_IN = 8  # units begins with a long memory
MOST_SUMS = 1 << 20  # units times symbols of a table of ready sums: 16 MiB
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "linear": lambda x: x,
}
SIGMOIDS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "hard-sigmoid": hardsigmoid,  # of Keras 3: x / 6 + 0.5, clipped
    "hard-sigmoid-keras2": lambda x: (0.2 * x + 0.5).clamp(0, 1),
}


def new_layer(layer: Layer) -> nn.Module:
    """A layer whose parameters bear torch's names, whoever computes it; ``initialise`` gives it its first weights."""
    settings, sizes = layer.settings, (layer.inputs, layer.settings.units)
    both = settings.bidirectional
    usual = settings.activation == "tanh" and settings.gate == "sigmoid"
    if settings.kind == "dense":
        return Dense(layer)
    if settings.kind == "rnn" and settings.activation in ("tanh", "relu"):
        return nn.RNN(*sizes, batch_first=True, bidirectional=both, nonlinearity=settings.activation)
    if settings.kind == "lstm" and usual:
        return nn.LSTM(*sizes, batch_first=True, bidirectional=both)
    if settings.kind == "gru" and usual and settings.reset_after:
        return nn.GRU(*sizes, batch_first=True, bidirectional=both)
    return LoopedLayer(layer)


@dataclass(frozen=True)
class LookedUp:
    """What enters a layer, as rows of a table: ids (N, T) int64 of ``rows`` (V, X), or one-hot where there is none.

    A layer may multiply the table instead of every step, where that is less work.
    """

    ids: Tensor
    rows: Tensor | None
    vocabulary: int


Entering = Tensor | LookedUp


def values_of(entering: Entering) -> Tensor:
    """What enters a layer, itself: (N, T, X)."""
    if isinstance(entering, Tensor):
        return entering
    if entering.rows is None:
        return one_hot(entering.ids, entering.vocabulary).float()  # (N, T, V)
    return nn.functional.embedding(entering.ids, entering.rows)  # (N, T, X)


def run_layer(
    module: nn.Module,
    entering: Entering,
    state: Tensor | None = None,
    lengths: Tensor | None = None,
    newest: bool = False,
) -> tuple[Tensor, Tensor]:
    """A recurrent layer over a window: (N, T, X) → what leaves it (N, T, D * H), the state after it (N, S, D * H).

    ``state`` (N, S, H) is what it begins with, zero without; D directions stand side by side. ``lengths`` (N,) int64
    tells how many steps of each row count, from the first on; what leaves the others means nothing. With ``newest``
    only the last step may leave, (N, 1, D * H): it alone means something.
    """
    if isinstance(module, nn.LSTM | nn.GRU) and lengths is None and (kind := _arithmetic_of(module)) is not None:
        return _run_compiled(module, kind, entering, state, newest and not module.bidirectional)
    if isinstance(module, LoopedLayer):
        return cast(tuple[Tensor, Tensor], module(values_of(entering), state, lengths))
    return _run_torch(cast(nn.RNNBase, module), values_of(entering), state, lengths)


def _arithmetic_of(module: nn.RNNBase) -> int | None:
    """How this layer is compiled for the precision of now; None where it is not."""
    weight = cast(Tensor, module.weight_hh_l0)
    device = weight.device
    precision = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else weight.dtype
    return arithmetic(device, precision, module.hidden_size)


def _run_compiled(
    module: nn.RNNBase, kind: int, entering: Entering, state: Tensor | None, newest: bool
) -> tuple[Tensor, Tensor]:
    """See ``run_layer``; each direction by itself."""
    both = ("", "_reverse") if module.bidirectional else ("",)
    gru, leaving, ends = isinstance(module, nn.GRU), [], []
    for direction in both:
        with torch.autocast("cpu", enabled=False):
            weight_ih, weight_hh, sums = _as_compiled(module, direction)
            table = _ready_sums(entering, weight_ih, sums)
            if table is not None and isinstance(entering, LookedUp):
                ids, values, weight = entering.ids, None, None
            else:
                table, values, weight = sums, values_of(entering), weight_ih
                ids = torch.zeros(values.shape[:2], dtype=torch.int64)
            out, after = run_recurrent(kind, gru, table, ids, values, weight, weight_hh, state, bool(direction), newest)
        leaving.append(out)
        last = [] if gru else [out[:, 0 if direction else -1].float()]
        ends.append(torch.stack([*last, after], dim=1))  # (N, S, H)
    if not module.bidirectional:
        return leaving[0], ends[0]
    return torch.cat(leaving, dim=2), torch.cat(ends, dim=2)  # (N, T, D * H), (N, S, D * H)


def _as_compiled(module: nn.RNNBase, direction: str = "") -> tuple[Tensor, Tensor, Tensor]:
    """The weights of one direction as four sums a unit: (4H, X), (4H, H), and of the biases (1, 4H)."""
    weight_ih, weight_hh, bias_ih, bias_hh = (
        cast(Tensor, getattr(module, f"{name}_l0{direction}"))
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    if isinstance(module, nn.GRU):
        weight_ih, weight_hh, bias = as_four(weight_ih, weight_hh, bias_ih, bias_hh)
    else:
        bias = bias_ih + bias_hh
    return weight_ih, weight_hh, bias.unsqueeze(0)


def _ready_sums(entering: Entering, weight_ih: Tensor, sums: Tensor) -> Tensor | None:
    """What each symbol adds to the sums (1, 4H), where that is less work than multiplying every step: (V, 4H)."""
    most = 4 * MOST_SUMS // sums.shape[1]
    if not isinstance(entering, LookedUp) or entering.vocabulary > min(entering.ids.numel(), most):
        return None
    return sums + (weight_ih.T if entering.rows is None else entering.rows @ weight_ih.T)


def compiled_for_windows(module: nn.Module) -> int | None:
    """In which arithmetic ``newest_cross_entropy`` is compiled for a layer, in the precision of now; None: in none."""
    return _arithmetic_of(module) if isinstance(module, nn.LSTM | nn.GRU) and not module.bidirectional else None


def newest_cross_entropy(
    kind: int, module: nn.Module, entering: Entering, output: nn.Linear, targets: Tensor, factors: Tensor | None
) -> Tensor | None:
    """Nats of targets (N,) that ``output`` foresees from the newest step of a layer over windows, begun with zeros.

    ``kind`` from ``compiled_for_windows``; ``factors`` (N, H): of the dropout between the two. None where there is no
    table of ready sums.
    """
    assert isinstance(module, nn.LSTM | nn.GRU)
    with torch.autocast("cpu", enabled=False):
        weight_ih, weight_hh, sums = _as_compiled(module)
        table = _ready_sums(entering, weight_ih, sums)
        if table is None or not isinstance(entering, LookedUp):
            return None
        layer = kind, isinstance(module, nn.GRU), table, entering.ids, weight_hh
        return windows_cross_entropy(*layer, output.weight, output.bias, targets, factors)


def _run_torch(
    layer: nn.RNNBase, entering: Tensor, state: Tensor | None, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See ``run_layer``."""
    begin: Tensor | tuple[Tensor, ...] | None = None
    if state is not None:
        parts = tuple(part.unsqueeze(0).contiguous() for part in state.unbind(1))  # S of (1, N, H)
        begin = parts if len(parts) == 2 else parts[0]
    if lengths is None:
        leaving, after = layer(entering, begin)  # (N, T, D * H), S of (D, N, H)
    else:
        packed = pack_padded_sequence(entering, lengths.cpu(), batch_first=True, enforce_sorted=False)
        leaving, after = layer(packed, begin)
        leaving, _ = pad_packed_sequence(leaving, batch_first=True, total_length=entering.shape[1])  # (N, T, D * H)
    ends = after if isinstance(after, tuple) else (after,)
    return leaving, torch.stack([end.transpose(0, 1).flatten(1) for end in ends], dim=1)  # (N, S, D * H)


class Dense(nn.Linear):
    """A linear layer and its activation: (…, X) → (…, H)."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.inputs, layer.settings.units)
        self.activation = ACTIVATIONS[layer.settings.activation]

    def forward(self, entering: Tensor) -> Tensor:
        return self.activation(super().forward(entering))


class LoopedLayer(nn.Module):
    """A recurrent layer step by step, for the activations and gates of Keras that torch's own layers do not have.

    With tanh, sigmoid and reset_after it equals them.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.settings = layer.settings
        self.activation, self.gate = ACTIVATIONS[layer.settings.activation], SIGMOIDS[layer.settings.gate]
        self.directions = ("", "_reverse") if layer.settings.bidirectional else ("",)
        units = layer.settings.units
        rows = GATES[layer.settings.kind] * units
        for direction in self.directions:
            shapes = {
                "weight_ih": (rows, layer.inputs),
                "weight_hh": (rows, units),
                "bias_ih": (rows,),
                "bias_hh": (rows,),
            }
            for name, shape in shapes.items():
                self.register_parameter(f"{name}_l0{direction}", nn.Parameter(torch.empty(shape)))

    def forward(self, entering: Tensor, state: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """See ``run_layer``."""
        walks = [self._walk(entering, state, lengths, direction) for direction in self.directions]
        leaving, ends = zip(*walks, strict=True)
        return torch.cat(leaving, dim=2), torch.cat(ends, dim=2)  # (N, T, D * H), (N, S, D * H)

    def _walk(
        self, entering: Tensor, state: Tensor | None, lengths: Tensor | None, direction: str
    ) -> tuple[Tensor, Tensor]:
        """One direction: (N, T, X) → (N, T, H), and the state (N, S, H) after the step it reads last."""
        from_input = self._product("ih", direction, entering)  # (N, T, G * H)
        if state is None:
            state = from_input.new_zeros(len(entering), STATE_PARTS[self.settings.kind], self.settings.units)
        steps = list(range(entering.shape[1]))
        leaving = []
        for t in reversed(steps) if direction else steps:
            after = self._step(from_input[:, t], state, direction)  # (N, S, H)
            state = after if lengths is None else torch.where((t < lengths).view(-1, 1, 1), after, state)
            leaving.append(state[:, 0])
        return torch.stack(leaving[::-1] if direction else leaving, dim=1), state  # (N, T, H), (N, S, H)

    def _step(self, from_input: Tensor, state: Tensor, direction: str) -> Tensor:
        """One step: (N, G * H) and the state before (N, S, H) → the state after."""
        hidden = state[:, 0]
        if self.settings.kind == "gru":
            return self._gru(from_input, hidden, direction).unsqueeze(1)  # (N, 1, H)
        sums = from_input + self._product("hh", direction, hidden)  # (N, G * H)
        if self.settings.kind == "rnn":
            return self.activation(sums).unsqueeze(1)  # (N, 1, H)
        enter, forget, fresh, out = sums.chunk(4, dim=1)
        cell = self.gate(forget) * state[:, 1] + self.gate(enter) * self.activation(fresh)
        return torch.stack([self.gate(out) * self.activation(cell), cell], dim=1)  # (N, 2, H)

    def _gru(self, from_input: Tensor, hidden: Tensor, direction: str) -> Tensor:
        gates = slice(0, 2 * self.settings.units)
        rest = slice(2 * self.settings.units, None)
        reset, update = self.gate(from_input[:, gates] + self._product("hh", direction, hidden, gates)).chunk(2, dim=1)
        if self.settings.reset_after:
            from_state = reset * self._product("hh", direction, hidden, rest)
        else:
            from_state = self._product("hh", direction, reset * hidden, rest)
        return (1 - update) * self.activation(from_input[:, rest] + from_state) + update * hidden

    def _product(self, name: str, direction: str, values: Tensor, rows: slice = slice(None)) -> Tensor:
        """weight @ values + bias of these rows; in float32, as the sums of torch's own layers in low precision are."""
        weight, bias = (cast(Tensor, getattr(self, f"{part}_{name}_l0{direction}")) for part in ("weight", "bias"))
        return linear(values, weight[rows], bias[rows]).float()


def initialise(module: nn.Module, settings: LayerSettings, memory: int = 0) -> None:
    """Dense: Glorot and Bengio 2010. Recurrent: orthogonal recurrent weights (Saxe et al. 2014), gate by gate.

    LSTM forget gates start open, with a bias of 1, which lets early gradients reach far back (Jozefowicz et al. 2015,
    §2.2). With ``memory`` an eighth of the units of an LSTM or GRU remember long (see ``remember``): they soon count
    how long a line is, which others find late or never.
    """
    units = settings.units
    for name, parameter in module.named_parameters():
        if settings.kind == "dense" and parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter)
        elif name.startswith("weight_hh"):
            for gate in parameter.data.chunk(len(parameter) // units):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.uniform_(parameter, -1 / math.sqrt(units), 1 / math.sqrt(units))
        else:
            nn.init.zeros_(parameter)
            if settings.kind == "lstm" and name.startswith("bias_ih"):
                parameter.data[units : 2 * units] = 1.0
            if settings.kind in ("lstm", "gru") and name.startswith("bias_ih") and memory:
                remember(parameter.data, settings.kind, max(1, units // ONE_SLOW_IN), memory)


def remember(bias: Tensor, kind: str, slow: int, longest: int) -> None:
    """The last ``slow`` units begin with gates that forget and take in slowly: after 1 to ``longest`` steps.

    ``bias``: of an LSTM's gates i f g o, (4H,), or of a GRU's r z n, (3H,), which is changed; Tallec and Ollivier 2018,
    §2.
    """
    gates = bias.chunk(4 if kind == "lstm" else 3)
    kept = gates[1][-slow:].uniform_(1, longest - 1).log_()
    if kind == "lstm":
        gates[0][-slow:] = -kept

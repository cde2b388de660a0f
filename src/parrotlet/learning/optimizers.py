"""Training settings and a network's parameters come in; what changes them after each batch goes out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from parrotlet.networks import Network
from parrotlet.networks.stack import StackedNetwork
from parrotlet.runtime.shapes import ENTERED
from parrotlet.settings import TrainingSettings

MOMENTUM = 0.9
FIRST_MOMENT, SMALLEST = 0.9, 1e-8  # of Adam and AdamW
ITERATIONS = 3  # five bring singular values closer to 1 and nothing more (LOG.md, 2026-11-20)
# Of one iteration: x becomes (a + b x xᵀ + c (x xᵀ)²) x, which takes singular values from (0, 1] close to 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
SHARE_OF_RATE = 0.2  # makes an update as large as AdamW's usually is (Liu et al. 2025, §2.2)


class Optimizer(Protocol):
    """Changes parameters by their gradients; what it remembers can be saved and given back."""

    def step(self, rate: float) -> None:
        """Change every parameter that has a gradient."""

    def slots(self) -> dict[str, Tensor]:
        """All that it remembers, under names."""

    def load_slots(self, slots: Mapping[str, Tensor]) -> None:
        """Go on from ``slots``."""


def new_optimizer(settings: TrainingSettings, network: Network, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """What changes the parameters of a network and of what is trained beside it.

    Weight decay reaches matrices only: biases and norms are free.
    """
    if settings.optimizer == "muon":
        return Muon(parameters, hidden_matrices(network), settings.beta2, settings.weight_decay)
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [each for each in parameters if each.ndim == 1], "weight_decay": 0.0},
    ]
    rate, betas = settings.learning_rate, (FIRST_MOMENT, settings.beta2)
    if settings.optimizer == "sgd":
        return OfTorch(torch.optim.SGD(groups, lr=rate, momentum=settings.momentum))
    if settings.optimizer == "rmsprop":
        return OfTorch(torch.optim.RMSprop(groups, lr=rate, alpha=settings.beta2, momentum=settings.momentum))
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return OfTorch(kind(groups, lr=rate, betas=betas, fused=parameters[0].device.type in ("cpu", "cuda")))


def hidden_matrices(network: Network) -> dict[nn.Parameter, int]:
    """The matrices between hidden vectors, and of how many gates one above the other each consists."""
    found = {}
    for name, parameter in network.named_parameters():
        if not name.startswith("layers.") or parameter.ndim < 2:
            continue
        if name in ENTERED and network.settings.input != "learned":  # looks letters up
            continue
        if isinstance(network, StackedNetwork):
            units = network.layer_settings[int(name.split(".")[1])].units
        else:
            units = network.settings.hidden
        found[parameter] = len(parameter) // units
    return found


class Muon:
    """Momentum whose matrices are made orthogonal before each step (Jordan et al. 2024, "Muon").

    What multiplies a hidden vector should turn it in all directions alike: momentum alone is dominated by a few. A
    matrix of G gates, (G * H, X), is G matrices. Nesterov momentum; the update of an (H, X) matrix is as large as
    AdamW's would be, so that both share one learning rate. What looks up, what gives logits, and all vectors are
    changed by AdamW (Loshchilov and Hutter 2019, algorithm 2), written out here since torch's optimizers take a second
    to import.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], gates: Mapping[nn.Parameter, int], beta2: float, weight_decay: float
    ) -> None:
        self._parameters, self._gates, self._beta2, self._decay = parameters, gates, beta2, weight_decay
        self._slots: dict[str, Tensor] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for index, parameter in enumerate(self._parameters):
            if parameter.grad is None:
                continue
            if parameter.ndim > 1:
                parameter.mul_(1 - rate * self._decay)
            first = self._slot(f"{index}.first", parameter)
            if parameter in self._gates:
                first.lerp_(parameter.grad, 1 - MOMENTUM)
                self._turn(parameter, parameter.grad.lerp(first, MOMENTUM), rate)
            else:
                first.lerp_(parameter.grad, 1 - FIRST_MOMENT)
                second = self._slot(f"{index}.second", parameter)
                second.mul_(self._beta2).addcmul_(parameter.grad, parameter.grad, value=1 - self._beta2)
                steps = self._slot(f"{index}.steps", torch.zeros((), dtype=torch.float64))
                steps += 1
                size = (second / (1 - self._beta2 ** steps.item())).sqrt_().add_(SMALLEST)
                parameter.addcdiv_(first, size, value=-rate / (1 - FIRST_MOMENT ** steps.item()))

    def _turn(self, parameter: nn.Parameter, wanted: Tensor, rate: float) -> None:
        matrices = wanted.view(self._gates[parameter], len(wanted) // self._gates[parameter], -1)  # (G, H, X)
        size = SHARE_OF_RATE * max(matrices.shape[1:]) ** 0.5
        update = orthogonal(matrices).reshape(parameter.shape)  # (G * H, …)
        parameter.add_(update.to(parameter.dtype), alpha=-rate * size)

    def _slot(self, name: str, like: Tensor) -> Tensor:
        if name not in self._slots:
            self._slots[name] = torch.zeros_like(like)
        return self._slots[name]

    def slots(self) -> dict[str, Tensor]:
        return self._slots

    def load_slots(self, slots: Mapping[str, Tensor]) -> None:
        for name, value in slots.items():
            parameter = self._parameters[int(name.split(".")[0])]
            self._slots[name] = value if name.endswith(".steps") else value.to(parameter.device)


def orthogonal(matrices: Tensor) -> Tensor:
    """(G, H, X) → matrices of about the same directions whose singular values are all near 1 (Newton–Schulz)."""
    low = torch.bfloat16 if matrices.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() else torch.float32
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(low)
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        squares = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(squares, squares, squares, beta=second, alpha=third), x, beta=first)
    return x.transpose(1, 2) if tall else x


class OfTorch:
    """One of torch's own optimizers."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def step(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()

    def slots(self) -> dict[str, Tensor]:
        found = self._optimizer.state_dict()["state"]
        return {f"{index}.{name}": torch.as_tensor(each) for index, of in found.items() for name, each in of.items()}

    def load_slots(self, slots: Mapping[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in slots.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

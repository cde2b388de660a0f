"""Batches come in; a network's weights change: one optimizer step at a time, in the device's best arithmetic."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from parrotlet.dataset import NOTHING, Batch, Batches
from parrotlet.errors import ParrotletError
from parrotlet.learning.optimizers import new_optimizer
from parrotlet.networks import LabelledHead, Network
from parrotlet.networks.loss import scale_derivatives, summed_cross_entropy
from parrotlet.settings import TrainingSettings

Arrays = dict[str, npt.NDArray[Any]]
NEWTON_STEPS = 2  # of the calibration, which is nearly a parabola
LABELLED_SHARE = 0.8  # of the loss, where a second output sees the labels (textgenrnn, model.py)


def choose_device(name: str) -> torch.device:
    """``auto`` is cuda, else mps, else cpu; a device that is not there is an error, not a silent cpu."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise ParrotletError(f"training.device = {name!r} is not available here; use 'auto' or 'cpu'")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 where the processor or GPU multiplies it natively, float32 elsewhere."""
    if name != "auto":
        return cast(torch.dtype, getattr(torch, name))
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
    return torch.bfloat16 if native else torch.float32


class Learner:
    """A network, its optimizer and the carried state of the rows that it reads.

    ``labels``: how many labels each column has, for textgenrnn's second output that sees them (see LabelledHead).
    """

    def __init__(self, network: Network, settings: TrainingSettings, labels: Sequence[int] = ()) -> None:
        self.settings = settings
        self.device = choose_device(settings.device)
        self.precision = choose_precision(settings.precision, self.device)
        self.network = network.to(self.device)
        self.labels = tuple(labels)
        self.labelled = self._labelled_head().to(self.device) if labels else None
        trained = [network, self.labelled] if self.labelled is not None else [network]
        self.parameters = [parameter for module in trained for parameter in module.parameters()]
        self.optimizer = new_optimizer(settings, network, self.parameters)
        network.random = torch.Generator(self.device)
        self.state: Tensor | None = None
        exact = torch.float32 if self.device.type == "mps" else torch.float64  # mps has no float64
        self.loss_sum = torch.zeros((), dtype=exact, device=self.device)  # nats since the last evaluation
        self.loss_tokens = 0
        self.tokens_read = 0  # by this process

    def step(self, batch: Batch, learning_rate: float, step: int) -> None:
        """Read one batch, change the weights once."""
        self.network.train()
        assert self.network.random is not None
        # Dropout is counted, not consumed, so that a resumed run draws the same masks.
        self.network.random.manual_seed((self.settings.seed * 1_000_003 + step) % 2**63)
        if not len(batch.inputs):  # every document of it was held back
            return
        tokens = learned = int(np.count_nonzero(batch.targets != NOTHING))
        if not learned:
            return
        if (at_once := self._nats_at_once(batch)) is not None:
            wanted = nats = at_once
        else:
            nats, _, features, self.state = self._read(batch, self.state)
            wanted = nats if self.labelled is None else self._with_labels(self.labelled, nats, features, batch)
            if batch.padding is not None:
                tokens -= int(np.count_nonzero(batch.padding))
                nats = self._without_padding(features.detach(), batch.targets, batch.padding)
        for parameter in self.parameters:
            parameter.grad = None
        # The sum is propagated and divided afterwards: half-precision gradients of a mean could vanish. What is usual
        # divides it, so that a target counts alike in batches with many and with few.
        wanted.backward()  # type: ignore[no-untyped-call]
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad /= batch.usual or learned
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimizer.step(learning_rate)
        self.loss_sum += nats.detach()
        self.loss_tokens += tokens
        self.tokens_read += tokens

    @torch.no_grad()
    def measure(self, batches: Batches) -> tuple[float, int]:
        """Nats in all and tokens predicted over one pass of these batches, weights unchanged."""
        self.network.eval()
        state, nats, tokens = None, 0.0, 0
        for index in range(batches.length(0)):
            loss, count, _, state = self._read(batches.batch(0, index), state)
            nats += loss.item()
            tokens += count
        return nats, tokens

    @torch.no_grad()
    def calibrate(self, batches: Batches) -> None:
        """Scale the logits so that these batches cost least (temperature scaling: Guo et al. 2017, §4.2).

        What has read its text many times is surer of itself than it has reason to be. By Newton's method.
        """
        self.network.eval()
        output = self.network.output
        for _ in range(NEWTON_STEPS):
            state, first, second = None, 0.0, 0.0
            for index in range(batches.length(0)):
                batch = batches.batch(0, index)
                _, _, features, state = self._read(batch, state)
                targets = torch.from_numpy(batch.targets).to(self.device).flatten()
                slope, curvature = scale_derivatives(features.flatten(0, 1), output, targets)
                first, second = first + slope, second + curvature
            if second <= 0:
                return
            factor = min(2.0, max(0.5, 1 - first / second))
            output.weight.mul_(factor)
            output.bias.mul_(factor)

    def loss(self) -> float:
        """Mean nats per token since the last :meth:`forget_loss`; nan before the first step."""
        return self.loss_sum.item() / self.loss_tokens if self.loss_tokens else math.nan

    def forget_loss(self) -> None:
        self.loss_sum.zero_()
        self.loss_tokens = 0

    def weights(self) -> Arrays:
        """A float32 copy of every weight under its name; a weight that two layers share stands once."""
        return {name: value.detach().float().cpu().numpy().copy() for name, value in self.network.named_parameters()}

    def load_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))

    def resumable(self) -> Arrays:
        """All tensors, beside the weights, that the next step depends on."""
        arrays: Arrays = {"loss_sum": self.loss_sum.cpu().numpy().copy()}
        if self.state is not None:
            arrays["state"] = self.state.cpu().numpy().copy()
        if self.labelled is not None:
            for name, parameter in self.labelled.named_parameters():
                arrays[f"labelled.{name}"] = parameter.detach().cpu().numpy().copy()
        for name, value in self.optimizer.slots().items():
            arrays[f"optimizer.{name}"] = value.cpu().numpy().copy()
        return arrays

    def load_resumable(self, arrays: Mapping[str, npt.NDArray[Any]], loss_tokens: int) -> None:
        slots = {key.removeprefix("optimizer."): _tensor(arrays[key]) for key in arrays if key.startswith("optimizer.")}
        self.optimizer.load_slots(slots)
        if self.labelled is not None:
            with torch.no_grad():
                for name, parameter in self.labelled.named_parameters():
                    parameter.copy_(_tensor(arrays[f"labelled.{name}"]))
        self.state = _tensor(arrays["state"]).to(self.device) if "state" in arrays else None
        self.loss_sum.copy_(_tensor(arrays["loss_sum"]))
        self.loss_tokens = loss_tokens

    def _read(self, batch: Batch, state: Tensor | None) -> tuple[Tensor, int, Tensor, Tensor]:
        """Nats in all (a tensor), tokens predicted, what entered the last layer (B, T, F), the state after it."""
        inputs, targets, state = self._entering(batch, state)
        tokens = int(np.count_nonzero(batch.targets != NOTHING))
        with self._in_precision():
            features, after = self.network.read(inputs, state, self._labels_of(batch))  # (B, T, F)
        nats = summed_cross_entropy(features.flatten(0, 1), self.network.output, targets.flatten(), self.precision)
        return nats, tokens, features, after.detach()

    @torch.no_grad()
    def _without_padding(
        self, features: Tensor, targets: npt.NDArray[np.int64], padding: npt.NDArray[np.bool_]
    ) -> Tensor:
        """Nats of the targets that do not only pad a document; ``features`` (B, T, F) entered the last layer."""
        kept = torch.from_numpy(~padding.ravel()).to(self.device)
        wanted = torch.from_numpy(targets).to(self.device).flatten()[kept]
        return summed_cross_entropy(features.flatten(0, 1)[kept], self.network.output, wanted, self.precision)

    def _nats_at_once(self, batch: Batch) -> Tensor | None:
        """Nats in all, where the network has a shorter way to them; no state is carried on there."""
        if batch.context is None or self.labelled is not None:
            return None
        inputs, targets, state = self._entering(batch, None)
        with self._in_precision():
            return self.network.nats_at_once(inputs, state, self._labels_of(batch), targets.flatten())

    def _entering(self, batch: Batch, state: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """On the device: inputs and targets (B, T), and the state that each row begins with."""
        inputs = torch.from_numpy(batch.inputs).to(self.device)
        targets = torch.from_numpy(batch.targets).to(self.device)
        if batch.context is not None:
            state = torch.from_numpy(batch.context).to(self.device)  # (B, W)
        elif state is None or batch.fresh.all():
            state = self.network.begin(len(inputs))
        elif batch.fresh.any():
            fresh = torch.from_numpy(batch.fresh).to(self.device).view(-1, *[1] * (state.ndim - 1))  # (B, 1 …)
            state = torch.where(fresh, self.network.begin(len(inputs)), state)
        return inputs, targets, state

    def _in_precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def _labels_of(self, batch: Batch) -> Tensor | None:
        """The labels of each row or step, where the network reads them: (B, K) or (B, T, K)."""
        if batch.labels is None or not self.network.settings.label_counts:
            return None
        return torch.from_numpy(batch.labels).to(self.device)

    def _labelled_head(self) -> LabelledHead:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return LabelledHead(self.network.output.in_features, sum(self.labels), self.network.output.out_features)

    def _with_labels(self, head: LabelledHead, nats: Tensor, features: Tensor, batch: Batch) -> Tensor:
        """The loss of both outputs together; the plain one alone writes later (textgenrnn's context training)."""
        assert batch.labels is not None and batch.inputs.shape[1] == 1
        columns = torch.from_numpy(batch.labels).to(self.device).flatten(0, -2).unbind(1)  # K of (B,)
        known = torch.cat(
            [nn.functional.one_hot(*each) for each in zip(columns, self.labels, strict=True)], 1
        )  # (B, C)
        targets = torch.from_numpy(batch.targets).to(self.device)  # (B, 1)
        with self._in_precision():
            logits = head(features.squeeze(1), known.to(features.dtype))  # (B, V)
        seen = nn.functional.cross_entropy(logits.float(), targets.flatten(), ignore_index=NOTHING, reduction="sum")
        return LABELLED_SHARE * seen + (1 - LABELLED_SHARE) * nats


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    """A copy in torch's own memory: its alignment decides which instructions, and so which sums, are used."""
    return torch.from_numpy(array).clone()

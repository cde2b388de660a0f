"""A text, a candidate and a number of steps come in; a trained network and its figure on the last tenth go out."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bench.held_out import numbered
from bench.study.candidates import Candidate
from parrotlet.dataset.batches import NOTHING, Batch, Batches, StreamBatches
from parrotlet.dataset.division import Split
from parrotlet.dataset.encoded import Encoded
from parrotlet.dataset.training import training_batches
from parrotlet.learning.learner import Learner
from parrotlet.learning.machine import kept_memory, matrix_speed
from parrotlet.learning.optimizers import new_optimizer
from parrotlet.learning.plan import plan
from parrotlet.learning.schedule import learning_rate
from parrotlet.networks import Network, build_network
from parrotlet.networks.layers import remember
from parrotlet.settings import Settings, parse_settings

IdArray = npt.NDArray[np.int64]
TESTED_ROWS, TESTED_WINDOW = 8, 256  # the last tenth in eight parts, the state carried over each
AVERAGE_EVERY = 5  # steps
UNIT = {
    "network": {"hidden": 512, "embedding": 64, "dropout_output": 0.0},
    "training": {"batch": 64, "window": 128, "optimizer": "muon"},
}
UNIT_TEXT, UNIT_SYMBOLS = 200_000, 65  # of the network in whose steps those of others are told
ROUNDS, ROUND_SECONDS = 5, 0.5  # in which steps are timed, in turn with that network's
PRODUCTS = 5  # measurements of the speed of a matrix product
DYNAMIC_WINDOW, DYNAMIC_CLIP = 64, 1.0  # tokens that are scored, then learned from, and the largest gradient norm


class Study(Learner):
    """A learner whose steps do what a candidate asks for besides."""

    def __init__(self, network: Network, settings: Settings, candidate: Candidate, teacher: Learner | None) -> None:
        super().__init__(network, settings.training)
        self.candidate, self.teacher = candidate, teacher
        self.later: nn.Linear | None = None
        if candidate.ahead:
            torch.manual_seed(settings.training.seed)
            self.later = nn.Linear(network.output.in_features, network.vocabulary_size)
            self.parameters += list(self.later.parameters())
            self.optimizer = new_optimizer(settings.training, network, self.parameters)

    def _read(self, batch: Batch, state: Tensor | None) -> tuple[Tensor, int, Tensor, Tensor]:
        nats, tokens, features, after = super()._read(batch, state)
        if not self.network.training:
            return nats, tokens, features, after
        if self.later is not None:
            wanted = torch.from_numpy(batch.targets[:, 1:]).flatten()
            foreseen = self.later(features[:, :-1].flatten(0, 1).float())
            later = nn.functional.cross_entropy(foreseen, wanted, ignore_index=NOTHING, reduction="sum")
            nats = nats + self.candidate.ahead * later
        if self.teacher is not None:
            nats = 0.5 * nats + 0.5 * self._distilled(batch, features)
        return nats, tokens, features, after

    def _distilled(self, batch: Batch, features: Tensor) -> Tensor:
        """The cross-entropy against the teacher's chances, which carries a state of its own."""
        assert self.teacher is not None
        with torch.no_grad():
            *_, taught, self.teacher.state = self.teacher._read(batch, self.teacher.state)
            output = self.teacher.network.output
            chances = torch.softmax(nn.functional.linear(taught.float(), output.weight, output.bias), 2)  # (B, T, V)
        own = self.network.output
        logits = nn.functional.linear(features.float(), own.weight, own.bias)  # (B, T, V)
        return nn.functional.cross_entropy(logits.flatten(0, 1), chances.flatten(0, 1), reduction="sum")

    def step(self, batch: Batch, learning_rate: float, step: int) -> None:
        share = self.candidate.weight_drop
        if not share:
            return super().step(batch, learning_rate, step)
        random = torch.Generator().manual_seed(step)
        whole, masks, handles = {}, {}, []
        for name, parameter in self.network.named_parameters():
            if "weight_hh" in name:
                whole[name] = parameter.data.clone()
                masks[name] = torch.empty_like(parameter).bernoulli_(1 - share, generator=random) / (1 - share)
                parameter.data *= masks[name]
                handles.append(parameter.register_hook(masks[name].mul))
        super().step(batch, learning_rate, step)
        for name, parameter in self.network.named_parameters():
            if name in whole:  # the step that was made, from where the weights were
                parameter.data += whole[name] * (1 - masks[name])
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Task:
    """A text to learn from and a candidate, in the minutes of a machine that multiplies matrices at some ``speed``.

    ``usual``: settings of the usual training; ``speed``: operations a second.
    """

    text: str
    candidate: Candidate
    seconds: float
    speed: float
    seed: int = 0
    usual: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def prepared(self) -> "Prepared":
        numbers, symbols = numbered(self.text)
        ids = np.array([*numbers, 0], np.int64)
        border, end = int(len(self.text) * 0.9), len(self.text)
        encoded = Encoded(ids, np.array([0, end]), np.zeros(1, np.uint64), "text", 0, end)
        split = Split(np.array([[0, border]]), np.array([[border, end]]), np.uint64(0))
        training = {"minutes": self.seconds / 60, "seed": self.seed}
        given = {
            "network": {**self.usual.get("network", {}), **self.candidate.network},
            "training": {**training, **self.usual.get("training", {}), **self.candidate.training},
        }
        settings = plan(parse_settings(given), border, symbols, self.seconds, speed=self.speed)
        return Prepared(settings, encoded, split, symbols)


@dataclass(frozen=True)
class Prepared:
    """The text in ids, divided, and all settings; ``symbols``: how many it has."""

    settings: Settings
    encoded: Encoded
    split: Split
    symbols: int

    def work(self) -> str:
        """What decides how long a step takes, in words; of dropouts only whether there are any."""
        network, training = self.settings.network.model_dump(exclude_defaults=True), self.settings.training
        words = {name: value if not name.startswith("dropout") else bool(value) for name, value in network.items()}
        words |= {"batch": training.batch, "window": training.window, "optimizer": training.optimizer}
        return " ".join(f"{name}={value}" for name, value in {**words, "symbols": self.symbols}.items())

    def batches(self) -> Batches:
        return training_batches(self.encoded, self.split, self.settings, self.symbols)

    def learner(self, candidate: Candidate, teacher: Learner | None = None) -> "Study":
        """A new network, begun from another seed where it has a teacher."""
        settings = self.settings
        seed = settings.training.seed + (1000 if teacher else 0)
        if candidate.build is None:
            network = build_network(settings.network, self.symbols, seed)
            if candidate.memory:
                begin_again(network, *candidate.memory, seed)
            return Study(network, settings, candidate, teacher)
        torch.manual_seed(seed)
        return Study(candidate.build(settings.network, self.symbols), settings, candidate, teacher)


def products() -> float:
    """Operations a second of a matrix product, as the plan measures them: the fastest of some times."""
    return max(matrix_speed(Settings().training) for _ in range(PRODUCTS))


class Steps:
    """The steps of a task, timed a few at once."""

    def __init__(self, task: Task) -> None:
        prepared = task.prepared()
        teacher = prepared.learner(Candidate("teacher")) if task.candidate.teacher else None
        self._learner, self._batches = prepared.learner(task.candidate, teacher), prepared.batches()
        self._rate, self._step = prepared.settings.training.learning_rate, 0

    def pace(self) -> float:
        """Seconds per step, as ``pace`` has it, over a short while; the first of them does not count."""
        self._next()
        start = last = time.perf_counter()
        seconds = list[float]()
        while len(seconds) < 2 or last < start + ROUND_SECONDS:
            self._next()
            seconds.append(time.perf_counter() - last)
            last += seconds[-1]
        return pace(seconds)

    def _next(self) -> None:
        self._learner.step(self._batches.batch(0, self._step % self._batches.length(0)), self._rate, self._step)
        self._step += 1


def unit() -> Steps:
    """Those in which the steps of others are told: of an LSTM, which reads letters drawn by lot."""
    letters = np.random.default_rng(0).integers(0, UNIT_SYMBOLS, UNIT_TEXT)
    return Steps(Task("".join(chr(ord("A") + each) for each in letters), Candidate("unit"), 60, 1e12, usual=UNIT))


@kept_memory()
def unit_pace() -> float:
    """Seconds of a step of the unit."""
    steps = unit()
    return min(steps.pace() for _ in range(1 + ROUNDS))


@kept_memory()
def relative_pace(task: Task) -> float:
    """How many steps of the unit one of the task's takes: timed in turn, so that what slows one slows the other."""
    steps, one = Steps(task), unit()
    steps.pace()
    one.pace()
    return median(steps.pace() / one.pace() for _ in range(ROUNDS))


def pace(seconds: Sequence[float]) -> float:
    """Of the times of steps that do the same, the one that a tenth of them do not reach: the others were disturbed."""
    return sorted(seconds)[len(seconds) // 10]


@kept_memory()
def run(task: Task, steps: int, teacher_steps: int = 0, rates: Sequence[float] = ()) -> dict[str, Any]:
    """Train on the first nine tenths for so many steps and score the last tenth once; a record of it.

    ``rates``: of dynamic evaluation, whose figures stand apart.
    """
    prepared, candidate, teacher = task.prepared(), task.candidate, None
    start = time.perf_counter()
    if teacher_steps:
        teacher = prepared.learner(Candidate("teacher"))
        learn(teacher, prepared.batches(), teacher_steps)
        teacher.network.eval()
        teacher.state = None
    learner = prepared.learner(candidate, teacher)
    seconds = learn(learner, prepared.batches(), steps)
    taken = time.perf_counter() - start
    encoded, parts = prepared.encoded, prepared.split.validation
    nats, count = learner.measure(StreamBatches(encoded, parts, TESTED_ROWS, TESTED_WINDOW, 0, shuffle=False))
    network, training = prepared.settings.network, prepared.settings.training
    dynamic = {f"dynamic {rate:g}": dynamic_bits(learner, encoded, parts, rate) for rate in rates}
    return {
        "bits": nats / count / math.log(2), "steps": len(seconds), "pace": pace(seconds), "taken": taken,
        "epochs": learner.tokens_read / prepared.split.train[0, 1], "hidden": network.hidden,
        "layers": network.layers, "batch": training.batch, "window": training.window,
        "rate": training.learning_rate, "dropout": network.dropout_output,
        "weights": sum(parameter.numel() for parameter in learner.network.parameters()),
        **dynamic,
    }  # fmt: skip


def begin_again(network: Network, share: float, longest: int, seed: int) -> None:
    """The first biases of a recurrent network, of which such a share of the units remembers so long."""
    torch.manual_seed(seed)
    kind = network.settings.kind
    for name, parameter in network.named_parameters():
        if "bias_ih" in name:
            units = len(parameter) // (4 if kind == "lstm" else 3)
            parameter.data.zero_()
            if kind == "lstm":
                parameter.data[units : 2 * units] = 1.0
            if share:
                remember(parameter.data, kind, round(share * units), longest)


def learn(learner: Study, batches: Batches, steps: int) -> list[float]:
    """So many steps, or until the text was read often enough, as in a run of the command; the seconds of each.

    Then the average of the last weights, where one is wanted.
    """
    step = epoch = index = averaged = 0
    seconds, last = list[float](), time.perf_counter()
    share, mean = learner.candidate.average, list[Tensor]()
    while True:
        read = (epoch + index / batches.length(epoch)) / learner.settings.most_epochs
        fraction = max(step / steps, read)
        if fraction >= 1:
            break
        learner.step(batches.batch(epoch, index), learning_rate(learner.settings, step, fraction, epoch), step)
        seconds.append(time.perf_counter() - last)
        last += seconds[-1]
        step, index = step + 1, index + 1
        if index >= batches.length(epoch):
            epoch, index = epoch + 1, 0
        if share and fraction >= 1 - share and step % AVERAGE_EVERY == 0:
            now = [parameter.detach().clone() for parameter in learner.network.parameters()]
            mean = [old + (new - old) / (averaged + 1) for old, new in zip(mean or now, now, strict=True)]
            averaged += 1
    if mean:
        for parameter, value in zip(learner.network.parameters(), mean, strict=True):
            parameter.data.copy_(value)
    return seconds


def dynamic_bits(learner: Study, encoded: Encoded, parts: IdArray, rate: float) -> float:
    """Bits per token where each piece is learned from once it was scored: Krause et al. 2018, §3, plain descent.

    The weights are as before afterwards.
    """
    before = [parameter.detach().clone() for parameter in learner.network.parameters()]
    batches = StreamBatches(encoded, parts, 1, DYNAMIC_WINDOW, 0, shuffle=False)
    learner.network.eval()
    state, nats, count = None, 0.0, 0
    for index in range(batches.length(0)):
        loss, tokens, _, state = learner._read(batches.batch(0, index), state)
        nats, count = nats + loss.item(), count + tokens
        learner.network.zero_grad()
        (loss / tokens).backward()
        nn.utils.clip_grad_norm_(learner.network.parameters(), DYNAMIC_CLIP)
        with torch.no_grad():
            for parameter in learner.network.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
    with torch.no_grad():
        for parameter, value in zip(learner.network.parameters(), before, strict=True):
            parameter.copy_(value)
    return nats / count / math.log(2)

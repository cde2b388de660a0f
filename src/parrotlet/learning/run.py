"""A prepared run comes in; events go out one by one while the network learns, and at the end the best model."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import torch

from parrotlet.bundle import Bundle, Evaluation
from parrotlet.dataset import held_back, training_batches, validation_batches
from parrotlet.dataset.batches import Batches
from parrotlet.errors import ParrotletError
from parrotlet.learning.checkpoint import Arrays, RunFolder, sound
from parrotlet.learning.closing import advice, card_of, card_size, with_report
from parrotlet.learning.events import Done, Evaluated, Event, Note, Saved, Started, Step
from parrotlet.learning.learner import Learner
from parrotlet.learning.machine import settle_threads_again
from parrotlet.learning.prepare import Prepared
from parrotlet.learning.samples import write_samples
from parrotlet.learning.schedule import learning_rate
from parrotlet.report import characters_of
from parrotlet.writer import Writer

STEP_SECONDS, CHECKPOINT_SECONDS = 0.25, 60.0
ALIKE = 0.005  # figures on what is held back that tell nothing apart: the later state has learnt more
MOST_EVALUATIONS = 20  # unless asked for otherwise
STEPS_BETWEEN, SECONDS_BETWEEN = 25, 3.0  # at least, between two of them
LEAST_SHARE_TO_LEARN = 0.2  # of a budget in minutes, whatever reading the text took of it
CLOSING_SECONDS = 0.5  # of a budget in minutes, kept for writing the file and leaving Python
CALIBRATION_PASSES = 3  # over what is held back
MOST_TO_CLOSE = 0.15  # share of such a budget for all that comes after learning


class Loop:
    """The training loop over a :class:`Prepared` run; iterate :meth:`events`, then take :attr:`bundle`."""

    def __init__(self, run: Prepared, folder: RunFolder, output: Path | None, started: float) -> None:
        self.run, self.folder, self.output = run, folder, output
        self.settings = run.settings.training
        self.progress = run.progress
        self.bundle: Bundle | None = None
        explained = {} if run.labels else run.encoded.label_names  # by a second output, as textgenrnn does
        self._learner = Learner(run.network, self.settings, [len(each) for each in explained.values()])
        self._parameters = sum(parameter.numel() for parameter in run.network.parameters())
        self._best = run.best
        self._training: Batches = training_batches(run.encoded, run.split, run.settings, len(run.tokenizer))
        self._validation = validation_batches(run.encoded, run.split)
        self._characters_per_token = run.encoded.characters / run.encoded.tokens
        self._validation_characters = characters_of(
            held_back(run.encoded, run.split), run.tokenizer, run.encoded.density
        )
        self._origin = started - self.progress.seconds  # the run's clock goes on where it stopped
        self._budget = self._seconds_to_spend()
        self._evaluation_seconds = self._measuring_seconds = 0.0
        self._seconds_of_character: float | None = None  # of what the model writes
        self._restore()

    def events(self, interrupted: Callable[[], bool]) -> Iterator[Event]:
        """Train until the budget is used, nothing improves any more, or ``interrupted()`` is true."""
        yield self._started()
        yield from self._warnings()
        if self.run.fine_tunes and self.progress.step == 0:  # the model that it begins from may be the best there is
            yield from self._evaluate(0.0)
        for reason in self._steps(interrupted):
            if isinstance(reason, Event):
                yield reason
            else:
                yield from self._close(reason)

    def _steps(self, interrupted: Callable[[], bool]) -> Iterator[Event | str]:
        """Events while it learns, then the reason why it ended."""
        progress, learner = self.progress, self._learner
        reported = saved = time.perf_counter()
        reported_tokens = learner.tokens_read
        while (fraction := self._fraction()) < 1:
            if self.settings.patience and progress.stale >= self.settings.patience:
                yield "early"
                return
            if interrupted():
                yield "interrupted"
                return
            rate = learning_rate(self.settings, progress.step, fraction, progress.epoch)
            learner.step(self._training.batch(progress.epoch, progress.index), rate, progress.step)
            self._advance()
            if not self._finite():
                yield "not finite"
                return
            now = time.perf_counter()
            if now - reported > STEP_SECONDS:
                yield self._step_event((learner.tokens_read - reported_tokens) / (now - reported))
                reported, reported_tokens = now, learner.tokens_read
            if self._evaluation_due():
                if not (yield from self._evaluate(rate)):
                    yield "not finite"
                    return
                saved = time.perf_counter()
                reported += saved - now  # the speed that is told is that of learning
                if self.settings.minutes and (remark := settle_threads_again()):
                    yield Note(remark)
            elif self.output and now - saved > CHECKPOINT_SECONDS:
                self._checkpoint()
                saved = time.perf_counter()
        last = learning_rate(self.settings, progress.step, 1.0, progress.epoch)
        sound = not learner.loss_tokens or (yield from self._evaluate(last))  # nothing was learnt since, or it is told
        if self.settings.minutes and self._epoch() >= self.settings.most_epochs:
            yield Note(
                f"the text was read training.most_epochs = {self.settings.most_epochs:g} times, so the run ends before "
                "its time: it would only be learned by heart"
            )
        yield "finished" if sound else "not finite"

    def _finite(self) -> bool:
        """Whether the loss is a number; on a GPU only looked at now and then, since looking waits for the device."""
        if not self._learner.loss_tokens or (self._learner.device.type != "cpu" and self.progress.step % 20):
            return True
        return math.isfinite(self._learner.loss())

    def _advance(self) -> None:
        progress = self.progress
        progress.step += 1
        progress.index += 1
        if progress.index >= self._training.length(progress.epoch):
            progress.epoch, progress.index = progress.epoch + 1, 0

    def _epoch(self) -> float:
        return self.progress.epoch + self.progress.index / self._training.length(self.progress.epoch)

    def _seconds(self) -> float:
        return time.perf_counter() - self._origin

    def _fraction(self) -> float:
        """How much of the budget is used: 0 to 1."""
        if self.settings.steps is not None:
            return self.progress.step / self.settings.steps
        if self.settings.epochs is not None:
            return self._epoch() / self.settings.epochs
        assert self.settings.minutes is not None
        card = card_size(self.run, self._parameters, self._seconds_of_character)
        closing = CLOSING_SECONDS + self._evaluation_seconds + card.seconds
        closing += CALIBRATION_PASSES * self._measuring_seconds
        time_used = self._seconds() / (self._budget - min(closing, MOST_TO_CLOSE * self.settings.minutes * 60))
        return max(time_used, self._epoch() / self.settings.most_epochs)

    def _seconds_to_spend(self) -> float:
        """A budget in minutes, in seconds; longer where reading the text took nearly all of it."""
        budget = (self.settings.minutes or 0.0) * 60
        if self.progress.step == 0:
            self.progress.extra = max(0.0, self._seconds() + LEAST_SHARE_TO_LEARN * budget - budget)
        return budget + self.progress.extra

    def _evaluation_due(self) -> bool:
        count = self.settings.evaluations or self.settings.epochs or self._usual_evaluations()
        before = sum(1 for record in self.progress.history if record["step"] == 0)  # of the model that is gone on from
        return self._fraction() >= (self.progress.evaluations - before + 1) / count - 1e-9

    def _usual_evaluations(self) -> float:
        """Twenty, fewer in a short run: each writes samples, which nobody can read faster than every few seconds."""
        of_steps, of_minutes = self.settings.steps, self.settings.minutes
        length = of_steps / STEPS_BETWEEN if of_steps else (of_minutes or 0.0) * 60 / SECONDS_BETWEEN
        return min(MOST_EVALUATIONS, max(1, round(length)))

    def _evaluate(self, rate: float) -> Generator[Event, None, bool]:
        """Validate, keep the best state, write samples, save what must survive; False where the figure is no number."""
        start, progress, learner = time.perf_counter(), self.progress, self._learner
        train = self._bits(learner.loss()) if learner.loss_tokens else None
        weights = learner.weights()
        if not sound(weights):
            return False
        validation = None
        if self._validation is not None:
            validation = self._measured(self._validation)
            if not math.isfinite(validation):
                return False
        before = [record["validation"] for record in progress.history if record["validation"] is not None]
        least = min(before, default=math.inf)
        better = validation is None or validation <= least * (1 + ALIKE)
        progress.stale = 0 if validation is None or validation < least else progress.stale + 1
        if better:
            progress.best, self._best = validation, weights
        progress.evaluations += 1
        learner.forget_loss()
        epoch, seconds = self._epoch(), self._seconds()
        event = Evaluated(progress.step, epoch, seconds, train, validation, rate, better)
        record = Evaluation(
            step=progress.step, epoch=epoch, seconds=seconds, train=train, validation=validation, learning_rate=rate
        )
        progress.history.append(record.model_dump(mode="json"))
        yield self._metric(event)
        writer = Writer(self._make_bundle(weights))
        for sample, seconds in write_samples(writer, self.run, progress.step, progress.evaluations):
            self._seconds_of_character = seconds
            yield self._metric(sample)
        if better and self.output:
            yield self._save(writer.bundle)
        if self.output and (kept := self._keep(weights, train if validation is None else validation)):
            yield Saved(str(kept), validation)
        if self.output:
            self._checkpoint()
        self._evaluation_seconds = time.perf_counter() - start
        return True

    def _measured(self, held_back: Batches) -> float:
        """Bits per character of what is held back."""
        start = time.perf_counter()
        nats, _ = self._learner.measure(held_back)
        self._measuring_seconds = time.perf_counter() - start
        return nats / math.log(2) / self._validation_characters

    def _keep(self, weights: Arrays, figure: float | None) -> Path | None:
        """A file of its own for this state, named by epoch or step and loss in nats per token, where asked for."""
        progress = self.progress
        if figure is None or self.settings.keep == "best" or self.output is None or progress.step == 0:
            return None
        improved = progress.lowest is None or figure < progress.lowest
        if improved:
            progress.lowest = figure
        elif self.settings.keep == "better":
            return None
        nats = figure * math.log(2) * self._characters_per_token
        place = f"{self._epoch():05.2f}" if self._named_by_epoch else f"{progress.step:06}"
        path = self.output.with_name(f"{self.output.stem}-{place}-{nats:.4f}{self.output.suffix}")
        self.folder.check()
        self._make_bundle(weights).save(path)
        return path

    @property
    def _named_by_epoch(self) -> bool:
        """Whether files of their own are named so: two digits tell fifty evaluations of an epoch apart."""
        return (self.settings.evaluations or 0) <= 50 * (self.settings.epochs or 0)

    def _close(self, reason: str) -> Iterator[Event]:
        """Leave the best model in the file and the run in a state that can go on, or is finished."""
        progress = self.progress
        unjudged = self._validation is None or not progress.evaluations  # then what was learned last is the best
        if unjudged and progress.step and reason != "not finite" and sound(weights := self._learner.weights()):
            self._best = weights
        if self._best is not None:
            if reason in ("finished", "early") and self.settings.calibrate and not self.run.settings.network.tied:
                self._calibrate()
            self.bundle = self._make_bundle(self._best)
            if reason != "interrupted":
                size = card_size(self.run, self._parameters, self._seconds_of_character)
                self.bundle, notes = with_report(self.bundle, self.run, size)
                yield from notes
            if self.output:
                yield self._save(self.bundle)
        progress.finished = reason in ("finished", "early")
        if self.output and progress.finished:
            self.folder.finish(progress)
        elif self.output and reason != "not finite":
            self._checkpoint()
        path = str(self.output) if self.output and self.bundle else None
        report = dict(self.bundle.report) if self.bundle and self.bundle.report else None
        told = advice(reason, self.run, self._best is not None, self.output is not None)
        yield Done(reason, progress.step, self._epoch(), self._seconds(), progress.best, path, told, report)

    def _calibrate(self) -> None:
        """Leave the best state as sure of itself as what is held back says that it should be."""
        before = self.progress.best
        if self._validation is None or self._best is None or before is None:
            return
        self._learner.load_weights(self._best)
        self._learner.calibrate(self._validation)
        figure = self._measured(self._validation)
        if figure < before:
            self.progress.best, self._best = figure, self._learner.weights()

    def _save(self, bundle: Bundle) -> Saved:
        assert self.output is not None
        self.folder.check()
        bundle.save(self.output)
        return Saved(str(self.output), self.progress.best)

    def _make_bundle(self, weights: Arrays) -> Bundle:
        run = self.run
        card = card_of(run, weights, self._seconds(), self._epoch(), str(self._learner.device))
        return Bundle(weights, run.settings, run.tokenizer, card, labels=run.labels)

    def _metric(self, event: Event) -> Any:
        if self.output:
            self.progress.metrics_bytes = self.folder.add_metrics(event.as_json())
        return event

    def _checkpoint(self) -> None:
        progress, learner = self.progress, self._learner
        weights = learner.weights()
        if not sound(weights):
            return  # the checkpoint before is the last good state
        progress.seconds = self._seconds()
        progress.loss_tokens = learner.loss_tokens
        progress.threads = torch.get_num_threads()
        self.folder.save(progress, weights, self._best or {}, learner.resumable())

    def _restore(self) -> None:
        """Go on from a checkpoint, or from the weights of another model."""
        if self.run.weights is not None:
            self._learner.load_weights(self.run.weights)
        if self.run.resumable is not None:
            self._learner.load_resumable(self.run.resumable, self.progress.loss_tokens)
            if not self.settings.minutes:  # counted in steps or epochs it ends with the very same numbers
                torch.set_num_threads(self.progress.threads)

    def _bits(self, nats_per_token: float) -> float:
        return nats_per_token / math.log(2) / self._characters_per_token

    def _step_event(self, tokens_per_second: float) -> Step:
        fraction, seconds = min(1.0, self._fraction()), self._seconds()
        left = seconds * (1 - fraction) / fraction if fraction > 0 else None
        if self.settings.minutes:
            left = max(0.0, min(left or math.inf, self._budget - seconds))
        rate = tokens_per_second * self._characters_per_token
        train = self._bits(self._learner.loss()) if self._learner.loss_tokens else None
        return Step(self.progress.step, self._epoch(), fraction, train, rate, seconds, left)

    def _started(self) -> Started:
        run, learner = self.run, self._learner
        return Started(
            characters=run.encoded.characters,
            tokens=run.encoded.tokens,
            documents=run.encoded.documents,
            vocabulary=len(run.tokenizer),
            parameters=self._parameters,
            device=str(learner.device),
            precision=str(learner.precision).removeprefix("torch."),
            step=self.progress.step,
            settings=run.settings.model_dump(mode="json"),
        )

    def _warnings(self) -> Iterator[Note]:
        if self._training.length(0) == 0:
            why = "" if self._validation is None else " after validation is held back"
            if self.run.settings.network.context:
                context, stride = self.run.settings.network.context, self.settings.stride
                why += f": network.context = {context} and training.stride = {stride} want a longer text"
            raise ParrotletError(f"{self.run.trained_on} leaves nothing to train on{why}")
        if self._validation is None:
            yield Note("nothing is held back for validation, so the file holds the last state, not the best")
        if self.output and self.settings.keep != "best":
            which = "every evaluation" if self.settings.keep == "every" else "every evaluation that is better"
            place = "EPOCH" if self._named_by_epoch else "STEP"
            yield Note(f"{which} leaves a file {self.output.stem}-{place}-LOSS.safetensors, the loss in nats per token")
        if self.settings.minutes and self.progress.extra:
            yield Note(f"reading the text took most of the time: the run ends after {self._budget / 60:.1f} minutes")

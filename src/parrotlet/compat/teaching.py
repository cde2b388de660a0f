"""The texts and options of a textgenrnn call come in; a trained model goes out, and what textgenrnn printed."""

import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parrotlet.bundle import Bundle, load_bundle
from parrotlet.compat.files import SUFFIX
from parrotlet.compat.options import WORD_LEVELS, every
from parrotlet.compat.telling import tell
from parrotlet.corpus import Corpus, from_texts
from parrotlet.corpus.documents import Shape
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.show import Lines, forgiving, watch

if TYPE_CHECKING:
    from parrotlet.learning.events import Done, Evaluated, Note, Sample, Saved, Started, Step

LABEL = "context"  # the column of textgenrnn's labels


def corpus_of(texts: Iterable[str], labels: Iterable[Any] | None, form: Shape, name: str) -> Corpus:
    """A corpus of texts, each with its label where there are labels. Raises UsageError."""
    listed = texts if isinstance(texts, str) else list(texts)  # a string is refused below
    marks = [] if labels is None else [str(label) for label in labels]
    if marks and len(marks) != len(listed):
        raise UsageError(f"context_labels must hold a label for each of {len(listed):,} texts, not {len(marks):,}")
    return from_texts(listed, form, name, {LABEL: marks} if marks else None)


@dataclass(frozen=True)
class Lesson:
    """One training call: ``settings`` by section, ``options`` as textgenrnn names them, ``name`` of the files.

    ``learned`` is handed the model after each epoch, and at the end; ``show_samples`` writes with it.
    """

    corpus: Corpus
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    name: str
    start_from: Bundle | None
    learned: Callable[[Bundle], None]
    show_samples: Callable[[], None]


def teach(lesson: Lesson) -> None:
    """Train, show it, and save ``{name}_weights.safetensors``; Ctrl-C ends it early."""
    try:
        from parrotlet.learning import training
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ParrotletError("training needs torch: pip install 'parrotlet[train]'") from None
    forgiving(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="parrotlet-", ignore_cleanup_errors=True) as folder:
        output = Path(folder) / f"weights{SUFFIX}"
        run = training(lesson.corpus, output, start_from=lesson.start_from, **lesson.settings)
        done = watch(run, Told(lesson, output))
    if run.bundle is None:
        raise ParrotletError(done.advice)
    lesson.learned(run.bundle)
    path = f"{lesson.name}_weights{SUFFIX}"
    run.bundle.save(path)
    tell(f"saved as {path}: weights, vocabulary and settings in one file")


class Told(Lines):
    """Prints what textgenrnn printed; at the end of each epoch hands its model on and saves it."""

    def __init__(self, lesson: Lesson, output: Path) -> None:
        super().__init__(sys.stdout)
        self._lesson, self._output, self._epoch, self._nats = lesson, output, 0, 1.0
        self._gen_epochs = every(lesson.options, "gen_epochs")
        self._save_epochs = every(lesson.options, "save_epochs")

    def note(self, event: "Note") -> None:
        if f"{self._output.stem}-" not in event.text:  # of files in a folder that does not outlive the run
            tell(event.text)

    def started(self, event: "Started") -> None:
        self._nats = math.log(2) * event.characters / max(1, event.tokens)  # of a token, in a bit per character
        context = event.settings["network"]["context"] or 1
        found = event.tokens if self._lesson.corpus.form == "lines" else max(1, event.tokens - context + 1)
        level = "word" if event.settings["tokenizer"]["level"] in WORD_LEVELS else "character"
        self.say(f"Training on {round(found * self._lesson.options['train_size']):,} {level} sequences.")

    def step(self, event: "Step") -> None:
        if self._lesson.options["verbose"]:
            super().step(event)

    def evaluation(self, event: "Evaluated") -> None:
        self._told, self._epoch = event.seconds, round(event.epoch)
        if not self._lesson.options["verbose"] or event.train is None:
            return
        line = f"Epoch {self._epoch}/{self._lesson.options['num_epochs']} - loss: {event.train * self._nats:.4f}"
        if event.validation is not None and self._lesson.options["validation"]:
            line += f" - val_loss: {event.validation * self._nats:.4f}"
        self.say(line)

    def sample(self, event: "Sample") -> None:
        return None  # the script's own samples are shown

    def saved(self, event: "Saved") -> None:
        """A file of its own for each evaluation: the model of an epoch."""
        path = Path(event.path)
        if path == self._output:
            return
        bundle = load_bundle(path)
        path.unlink()
        if self._epoch:
            self._end_epoch(bundle)

    def _end_epoch(self, bundle: Bundle) -> None:
        lesson, epoch = self._lesson, self._epoch
        lesson.learned(bundle)
        if self._gen_epochs and epoch % self._gen_epochs == 0:
            lesson.show_samples()
        last = epoch == lesson.options["num_epochs"]
        if self._save_epochs and epoch % self._save_epochs == 0 and not last:
            self.say(f"Saving Model Weights — Epoch #{epoch}")
            bundle.save(f"{lesson.name}_weights_epoch_{epoch}{SUFFIX}")
        else:
            bundle.save(f"{lesson.name}_weights{SUFFIX}")

    def done(self, event: "Done") -> None:
        if event.reason == "interrupted":
            tell("stopped; the last whole epoch is kept" if self._epoch else "stopped; what was learned so far is kept")
        elif event.reason != "finished":
            tell(event.advice)

"""Sources and settings come in; a training run goes out that yields events and, at its end, a model."""

import os
import sys

# Torch's threads wait for one another hundreds of times a step. Where GNU OpenMP may spin for long, one that lost its
# processor to another program holds up all the others; after a short spin they sleep. Read when torch is imported.
if "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import contextlib
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from parrotlet.bundle import Bundle, load_bundle
from parrotlet.corpus import Corpus, Sources
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.learning.checkpoint import RunFolder
from parrotlet.learning.events import Done, Event, Note
from parrotlet.learning.machine import kept_memory, settle_threads
from parrotlet.learning.prepare import Prepared, prepare, take_up
from parrotlet.learning.run import Loop
from parrotlet.recipes import load_recipe
from parrotlet.settings import Settings, flat, merge, parse_settings
from parrotlet.writer import Writer

Model = str | os.PathLike[str] | Bundle | Writer | None
MODEL_SECTIONS = {"network", "tokenizer"}  # that a model brings along when it is trained on


class Run:
    """One training run: iterate it once for its events; then ``bundle`` holds the best model, or None."""

    def __init__(self, events: Callable[["Run"], Iterator[Event]]) -> None:
        self.bundle: Bundle | None = None
        self._events = events(self)
        self._stopping = False

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __next__(self) -> Event:
        return next(self._events)

    def stop(self) -> None:
        """End after the current step, with the best model saved and the run ready to go on.

        Where the text is still being read, there is nothing to save: iterating raises KeyboardInterrupt.
        """
        self._stopping = True

    def raise_if_stopped(self) -> None:
        if self._stopping:
            raise KeyboardInterrupt

    @property
    def stopping(self) -> bool:
        return self._stopping


def training(
    sources: Sources | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    recipe: str | os.PathLike[str] | None = None,
    start_from: Model = None,
    resume: bool = False,
    started: float | None = None,
    **settings: Any,
) -> Run:
    """Train a network on ``sources`` and yield what happens.

    ``sources``: a file, folder, glob, address, named corpus, ``-`` (standard input), several of them, or a Corpus.
    ``output``: the model file; beside it a folder ``*.run`` from which ``resume=True`` goes on. None saves nothing.
    ``recipe``: the name or file of a recipe; ``settings`` lie on top of it, by bare name (``minutes=1``,
    ``level="word"``, ``network="gru"``, ``hidden=512``) or by section (``training={"minutes": 1}``).
    ``start_from``: a model to fine-tune; of a recipe only how to read and how to train is taken then. ``started``: the
    ``time.perf_counter()`` from which minutes are counted.

    Raises UsageError for a wrong setting, ParrotletError for what cannot be read or written.
    """
    began = time.perf_counter() if started is None else started
    base = load_recipe(recipe) if recipe is not None else {}
    left_out = sorted(MODEL_SECTIONS & base.keys()) if start_from is not None else []
    layers = merge({name: values for name, values in base.items() if name not in left_out}, flat(settings))
    resolved = parse_settings(layers)
    target = _checked_output(output)
    bundle = _begun_from(start_from)
    origin = {"source": _called(sources), "start_from": _called(start_from)}

    def events(run: Run) -> Iterator[Event]:
        threads = torch.get_num_threads()
        with _folder(target) as folder, contextlib.ExitStack() as stack, kept_memory():
            stack.callback(torch.set_num_threads, threads)
            stack.callback(folder.release)
            folder.hold()
            if resume and target is not None and folder.exists:
                prepared = take_up(folder)
                if prepared is None:
                    advice = (
                        f"{target} is finished already; to train it on, give it to a new run: --from {target} -o OTHER"
                    )
                    yield Done("nothing to do", 0, 0.0, 0.0, None, str(target), advice)
                    run.bundle = load_bundle(target)
                    return
                yield from map(Note, _taken_up(prepared, layers, origin))
            else:
                if resume:
                    yield Note("nothing to resume: starting from the beginning")
                elif folder.unfinished:
                    yield Note(
                        f"the unfinished run in {folder.folder} is replaced; --resume would have gone on with it"
                    )
                if sources is None:
                    raise UsageError("no source given: name a file, a folder or a corpus (see `parrotlet corpora`)")
                if left_out:
                    yield Note(f"{' and '.join(left_out)} are the model's: of the recipe only the rest is taken")
                prepared = prepare(sources, resolved, folder, bundle, began, run.raise_if_stopped, origin)
                yield from (Note(note) for note in prepared.notes)
            loop = Loop(prepared, folder, target, began)
            yield from loop.events(lambda: run.stopping)
            run.bundle = loop.bundle

    return Run(events)


@contextlib.contextmanager
def stopped_by_signals(run: Run) -> Iterator[None]:
    """While it lasts, the first Ctrl-C (or SIGTERM) ends ``run`` after its current step; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if run.stopping:
            raise KeyboardInterrupt
        run.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python


def _called(given: Sources | Model) -> str:
    """By what name a run is told from another one of the same output: wherever they lie, files are called the same."""
    if given is None:
        return ""
    if isinstance(given, str | os.PathLike):
        return Path(given).name
    if isinstance(given, Bundle | Writer):
        return "a model"
    return given.name if isinstance(given, Corpus) else ", ".join(map(_called, given))


def _taken_up(prepared: Prepared, layers: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> Iterator[str]:
    """Notes on a run that goes on; one of minutes takes the threads that serve it now."""
    yield f"going on with {prepared.trained_on} from step {prepared.progress.step}"
    for what, name in prepared.origin.items():
        if given[what] and given[what] != name:
            yield f"{what} = {given[what]!r} is ignored: the run began with {name or 'none'!r}"
    yield from _ignored(layers, prepared.settings)
    training = prepared.settings.training
    if training.minutes and training.device == "cpu" and (remark := settle_threads()):
        yield remark


def _ignored(layers: Mapping[str, Mapping[str, Any]], settings: Settings) -> Iterator[str]:
    """A line for each setting that was given and differs from what the run began with."""
    kept, given = settings.model_dump(mode="json"), parse_settings(layers).model_dump(mode="json")
    for section, values in layers.items():
        for name in values:
            value = given[section][name]
            if kept[section][name] != value and value != "auto":
                yield f"{section}.{name} = {value!r} is ignored: the run began with {kept[section][name]!r}"


def _begun_from(model: Model) -> Bundle | None:
    if isinstance(model, str | os.PathLike):
        return load_bundle(model)
    if isinstance(model, Writer):
        return model.bundle
    if not isinstance(model, Bundle | None):
        raise UsageError(f"start_from must be a model or the path of one, not {model!r:.80}")
    return model


def _checked_output(output: str | os.PathLike[str] | None) -> Path | None:
    """The model's path; a folder that does not exist is told before anything is trained."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix != ".safetensors":
        raise UsageError(f"output = {str(path)!r} must end in .safetensors: try {path.stem + '.safetensors'!r}")
    if path.exists() and not path.is_file():
        raise ParrotletError(f"output = {str(path)!r} is there already and is no file: give another name")
    if not path.parent.is_dir():
        raise ParrotletError(f"the output folder {str(path.parent)!r} does not exist: make it first")
    if not os.access(path.parent, os.W_OK):
        raise ParrotletError(f"the output folder {str(path.parent)!r} cannot be written to")
    return path


@contextlib.contextmanager
def _folder(target: Path | None) -> Iterator[RunFolder]:
    if target is not None:
        yield RunFolder(target.with_suffix(".run"))
        return
    with tempfile.TemporaryDirectory(prefix="parrotlet-", ignore_cleanup_errors=True) as folder:
        yield RunFolder(Path(folder))


__all__ = ["Run", "stopped_by_signals", "training"]

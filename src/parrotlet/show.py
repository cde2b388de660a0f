"""The events of a training run come in; a live bar, plain lines or JSON lines go out.

``train`` is the shortest such face. A Show has one method for each event, named as the event. Nothing here decides
anything about the training.
"""

import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from parrotlet.errors import ParrotletError, UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from parrotlet.corpus import Corpus
    from parrotlet.learning import Run
    from parrotlet.learning.events import Done, Evaluated, Event, Note, Sample, Started, Step
    from parrotlet.writer import Writer

How = Literal["auto", "bar", "lines", "json", "nothing"]
LINE_SECONDS = 30.0  # between two plain lines of progress
SAMPLE_LINES = 16
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def train(
    sources: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Corpus | None" = None,
    output: str | os.PathLike[str] | None = None,
    *,
    show: How = "auto",
    **settings: Any,
) -> "Writer":
    """Teach a network to write like ``sources``, show how it goes, and return a Writer of the best state.

    Takes what ``training`` takes: ``minutes=1``, ``recipe="book"``, ``level="word"``, ``start_from="old.safetensors"``
    and so on. ``output`` is the model file (None keeps the model in memory only). ``show``: "bar" (a terminal's),
    "lines", "json", "nothing", or "auto". Ctrl-C ends it early, with the best state so far.
    Raises UsageError for a wrong setting, ParrotletError for what cannot be read or written.
    """
    if sources is None:
        sources = recipe_sources(settings.get("recipe"))
    run, done = run_training(sources, output, show=show, **settings)
    if run.bundle is None:
        raise ParrotletError(done.advice)
    if done.reason == "not finite":
        warnings.warn(done.advice, RuntimeWarning, stacklevel=2)
    from parrotlet.writer import Writer

    return Writer(run.bundle)


def run_training(
    sources: Any, output: Any, *, show: How = "auto", remark: str = "", **settings: Any
) -> "tuple[Run, Done]":
    """Run ``training`` to its end and show it, with a remark at its start; returns the run and how it ended."""
    shower = open_show(show)
    shower.remark = remark
    try:
        from parrotlet.learning import training
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ParrotletError("training needs torch: pip install 'parrotlet[train]'") from None
    run = training(sources, output, **settings)
    return run, watch(run, shower)


def recipe_sources(recipe: str | os.PathLike[str] | None) -> list[str] | None:
    """The sources that a recipe was made for, if it names any."""
    if recipe is None:
        return None
    from parrotlet.recipes import read_recipe

    sources = read_recipe(recipe).get("sources")
    sources = [sources] if isinstance(sources, str) else sources
    return [str(source) for source in sources] if isinstance(sources, list) and sources else None


def watch(run: "Run", show: "Show") -> "Done":
    """Show every event of a run. Where nothing can be shown any more (a pipe that broke), the run is ended well."""
    from parrotlet.learning import stopped_by_signals

    done, broken = None, None
    with stopped_by_signals(run), show:
        for event in run:
            try:
                show.show(event)
            except OSError as error:
                broken, show = error, Show()
                run.stop()
            if event.event == "done":
                done = event
    if broken is not None:
        raise broken
    if done is None:
        raise ParrotletError("the run ended without saying how")
    return done  # type: ignore[return-value]


def forgiving(stream: TextIO) -> None:
    """Let a console show a question mark for a character that it does not have, where it would raise."""
    if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")


def harmless(text: str) -> str:
    """Text that a terminal shows and never obeys: control characters, but for line ends and tabs, are replaced."""
    return text.translate(CONTROLS)


class Show:
    """Shows nothing; the others are made from it. ``remark`` is what the caller has to say when the run starts."""

    remark = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: "Event") -> None:
        """Hand an event to the method of its name; events that are not known are passed by."""
        getattr(self, event.event, lambda _: None)(event)


class JsonLines(Show):
    """One event a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def show(self, event: "Event") -> None:
        print(json.dumps(finite(event.as_json())), file=self._file, flush=True)


class Lines(Show):
    """Plain lines, for files, pipes and notebooks."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._told = 0.0
        self._fraction = 0.0
        self._talks = False

    def say(self, line: str, style: str = "") -> None:
        print(harmless(line), file=self._file, flush=True)

    def note(self, event: "Note") -> None:
        self.say(event.text, "dim")

    def started(self, event: "Started") -> None:
        self._talks = event.settings["corpus"]["dialogue"]
        self.say(sizes(event), "bold")
        if self.remark:
            self.say(self.remark, "dim")
        self._told = 0.0

    def step(self, event: "Step") -> None:
        self._fraction = event.fraction
        if event.seconds - self._told >= LINE_SECONDS:
            self._told = event.seconds
            self.say(f"{event.fraction:4.0%}  {speed(event)}  epoch {event.epoch:.2f}")

    def evaluation(self, event: "Evaluated") -> None:
        self._told = event.seconds
        found = (("train", event.train), ("validation", event.validation))
        figures = "  ".join(f"{name} {value:.3f}" for name, value in found if value is not None)
        told = f"  {figures} bits per character" if figures else ""
        best = "  best" if event.best and event.validation is not None else ""
        self.say(f"step {event.step:,}  epoch {event.epoch:.2f}{told}{best}", "cyan")

    def sample(self, event: "Sample") -> None:
        written = event.text.removeprefix(event.prompt)
        if not written.strip():
            written = f"({len(written)} blanks)" if written else "(nothing)"
        text = f"{event.prompt} >> {written}" if event.prompt else written
        lines = [line.rstrip() for line in text.strip("\n").split("\n")[:SAMPLE_LINES]]
        for place, line in enumerate(lines):
            self.say(f"  {event.temperature:.1f}  {line}" if place == 0 else f"       {line}")

    def done(self, event: "Done") -> None:
        if event.reason in ("nothing to do", "not finite"):
            if event.reason == "nothing to do":
                self.say(event.advice)
            return
        best = "" if event.validation is None else f", validation {event.validation:.3f} bits per character"
        took = f"{event.step:,} steps, {event.epoch:.2f} epochs, {clock(event.seconds)}{best}"
        self.say(f"{event.advice}: {took}" if event.reason == "finished" else f"{took}: {event.advice}", "bold")
        if event.report:
            from parrotlet.report import Report

            self.say(Report.model_validate(event.report).sentence)
        if event.path and event.reason != "interrupted":
            what, command = ("talk", "chat") if self._talks else ("write", "generate")
            self.say(f"saved; {what} with: parrotlet {command} {_quoted(event.path)}")


class Bar(Lines):
    """A live bar on a terminal; what is said scrolls by above it."""

    def __init__(self, file: TextIO, console: "Console | None" = None) -> None:
        super().__init__(file)
        from rich.console import Console
        from rich.live import Live

        self._console = console or Console(file=file)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._validation: float | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        self._console.print(harmless(line), style=style or None, markup=False, highlight=False, emoji=False)

    def step(self, event: "Step") -> None:
        self._live.update(self._picture(event), refresh=True)

    def evaluation(self, event: "Evaluated") -> None:
        self._validation = event.validation
        super().evaluation(event)

    def done(self, event: "Done") -> None:
        from rich.text import Text

        self._live.update(Text(""), refresh=True)
        super().done(event)

    def _picture(self, event: "Step") -> "RenderableType":
        """Two lines: the bar with its share and the time left, and the figures."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = Table.grid(expand=True, padding=(0, 1))
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        left = "" if event.seconds_left is None else f"  {clock(event.seconds_left)} left"
        progress = ProgressBar(total=1.0, completed=min(1.0, event.fraction), complete_style="green")
        bar.add_row(progress, f"{event.fraction:4.0%}{left}")
        return Group(bar, Text(speed(event, self._validation), style="dim", no_wrap=True, overflow="ellipsis"))


def sizes(event: "Started") -> str:
    """What is trained on what, in one line."""
    from parrotlet.settings import NetworkSettings

    network, training = NetworkSettings(**event.settings["network"]), event.settings["training"]
    given = [(training[name], name) for name in ("minutes", "epochs", "steps") if training.get(name)]
    budgets = [f"{value:g} {name.removesuffix('s') if value == 1 else name}" for value, name in given]
    parts = [
        f"{network.in_words()}, {event.parameters:,} weights",
        f"{event.vocabulary:,} tokens ({event.settings['tokenizer']['level']})",
        f"{event.characters:,} characters" + (f" in {event.documents:,} documents" if event.documents > 1 else ""),
        f"{event.device}, {event.precision}",
    ]
    return "; ".join(parts + budgets)


def speed(event: "Step", validation: float | None = None) -> str:
    """The figures of the moment."""
    figures = [
        f"{name} {bits:.3f}" for name, bits in (("train", event.train), ("validation", validation)) if bits is not None
    ]
    told = f"{'  '.join(figures)} bits per character  " if figures else ""
    return f"{told}{event.characters_per_second:,.0f} characters/s"


def clock(seconds: float) -> str:
    """``0:07``, ``2:05``, ``1:02:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def finite(data: Any) -> Any:
    """Plain data in which numbers that JSON does not know are null."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    return [finite(value) for value in data] if isinstance(data, list | tuple) else data


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def _nothing(file: TextIO) -> Show:
    return Show()


SHOWS: dict[str, Callable[[TextIO], Show]] = {"bar": Bar, "lines": Lines, "json": JsonLines, "nothing": _nothing}


def open_show(how: How, file: TextIO | None = None) -> Show:
    """The Show of a name; "auto" is the bar on a terminal that can move its cursor, else lines."""
    file = file or sys.stdout
    forgiving(file)
    if how == "auto":
        how = "bar" if file.isatty() and os.environ.get("TERM") != "dumb" else "lines"
    if how not in SHOWS:
        raise UsageError(f"show = {how!r} is not known: {nearest(str(how), [*SHOWS, 'auto'])}")
    return SHOWS[how](file)

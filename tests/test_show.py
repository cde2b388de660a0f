"""Events in, lines out: what a user sees of a training run, on a terminal, in a pipe and as JSON."""

import io
import json
import signal

import pytest

from parrotlet import show
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.learning.events import Done, Evaluated, Note, Sample, Saved, Started, Step

SETTINGS = {
    "network": {"kind": "lstm", "layers": 2, "hidden": 256},
    "corpus": {"dialogue": False},
    "tokenizer": {"level": "char"},
    "training": {"minutes": 2.0, "epochs": None, "steps": None},
}
EVENTS = [
    Note("book.txt: utf-8, one long text"),
    Started(465_000, 465_001, 1, 97, 412_345, "cpu", "bfloat16", 0, SETTINGS),
    Step(10, 0.1, 0.05, 3.21, 123_456.0, 6.0, 114.0),
    Step(90, 0.9, 0.45, 2.51, 123_456.0, 54.0, 66.0),
    Evaluated(100, 1.0, 60.0, 2.5, 2.4, 1e-3, True),
    Sample(100, 0.2, "\nthe the\nand \x1b[31mred\x07\n"),
    Saved("book.safetensors", 2.4),
    Evaluated(200, 2.0, 118.0, 2.2, None, 1e-3, True),
    Done("finished", 200, 2.0, 119.6, 2.4, "book.safetensors", "finished"),
]


class Run:
    """A run that has happened already; ``stop`` is remembered."""

    def __init__(self, events):
        self.events, self.bundle, self.stopping = events, None, False

    def __iter__(self):
        return iter(self.events)

    def stop(self):
        self.stopping = True


def shown(make, events=EVENTS, **rest):
    file = io.StringIO()
    face = make(file, **rest)
    face.remark = "the model goes to book.safetensors"
    done = show.watch(Run(events), face)
    assert done is events[-1]
    return file.getvalue()


def test_plain_lines_tell_sizes_figures_samples_and_what_next():
    lines = shown(show.Lines).splitlines()
    assert lines[0] == "book.txt: utf-8, one long text"
    assert lines[1] == (
        "lstm of 2 × 256 units, 412,345 weights; 97 tokens (char); 465,000 characters; cpu, bfloat16; 2 minutes"
    )
    assert lines[2] == "the model goes to book.safetensors"
    assert lines[3] == " 45%  train 2.510 bits per character  123,456 characters/s  epoch 0.90"
    assert lines[4] == "step 100  epoch 1.00  train 2.500  validation 2.400 bits per character  best"
    assert lines[5] == "  0.2  the the"
    assert lines[7] == "step 200  epoch 2.00  train 2.200 bits per character"
    assert lines[-2].startswith("finished: 200 steps, 2.00 epochs, 2:00, validation 2.400 bits per character")
    assert lines[-1] == "saved; write with: parrotlet generate book.safetensors"


def test_what_a_network_writes_never_steers_the_terminal():
    for make in (show.Lines, terminal):
        output = shown(make)
        assert "\x1b[31m" not in output and "\x07" not in output
        assert "\ufffd[31mred\ufffd" in output
    assert show.harmless("a\tb\nc\x85\x7f\r") == "a\tb\nc\ufffd\ufffd\ufffd"


def terminal(file):
    from rich.console import Console

    return show.Bar(file, Console(file=file, force_terminal=True, width=80, color_system="standard"))


def test_the_bar_shows_share_time_left_and_both_losses():
    output = shown(terminal, [*EVENTS[:5], EVENTS[3], EVENTS[-1]])
    assert "45%  1:06 left" in output
    assert "train 2.510  validation 2.400 bits per character  123,456 characters/s" in output
    assert "the model goes to book.safetensors" in output


def test_the_bar_shows_brackets_as_they_are():
    output = shown(terminal, [Sample(1, 0.5, "[bold]x[/bold] :smile:"), EVENTS[-1]])
    assert "[bold]x[/bold] :smile:" in output


def test_json_is_one_event_a_line_and_knows_no_nan():
    events = [*EVENTS[:-1], Step(1, 0.1, 0.1, float("nan"), 1.0, 1.0, None), EVENTS[-1]]
    records = [json.loads(line) for line in shown(show.JsonLines, events).splitlines()]
    assert [record["event"] for record in records] == [event.event for event in events]
    assert records[4]["validation"] == 2.4 and records[1]["settings"] == SETTINGS
    assert records[-2]["train"] is None


def test_nothing_is_nothing():
    assert shown(show.SHOWS["nothing"]) == ""


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("interrupted", "stopped; to go on, give the same command with --resume"),
        ("early", "stopped early: no gain in the last 3 evaluations"),
        ("nothing to do", "book.safetensors is finished already"),
    ],
)
def test_how_a_run_ended_is_told(reason, advice):
    assert advice in shown(show.Lines, [Done(reason, 7, 0.1, 3.0, None, None, advice)])


class Broken(io.StringIO):
    """A pipe whose reader goes after two lines."""

    def write(self, text):
        if self.getvalue().count("\n") >= 2:
            raise BrokenPipeError
        return super().write(text)


def test_a_broken_pipe_ends_the_run_well_before_it_is_told():
    run = Run(EVENTS)
    with pytest.raises(BrokenPipeError):
        show.watch(run, show.Lines(Broken()))
    assert run.stopping


def test_the_first_interrupt_stops_the_run_and_the_second_ends_it():
    run = Run(EVENTS)

    class Interrupting(show.Show):
        def note(self, event):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    assert show.watch(run, Interrupting()).reason == "finished" and run.stopping
    with pytest.raises(KeyboardInterrupt):
        show.watch(run, Interrupting())
    assert signal.getsignal(signal.SIGINT) is before


def test_auto_is_lines_where_there_is_no_terminal(monkeypatch):
    assert type(show.open_show("auto", io.StringIO())) is show.Lines
    console = io.StringIO()
    console.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    assert type(show.open_show("auto", console)) is show.Bar
    monkeypatch.setenv("TERM", "dumb")
    assert type(show.open_show("auto", console)) is show.Lines
    with pytest.raises(UsageError, match="did you mean 'lines'"):
        show.open_show("line")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert show.clock(seconds) == text


def test_train_returns_a_writer_of_the_best_state(monkeypatch, bundle):
    run = Run(EVENTS)
    run.bundle = bundle
    given = {}

    def training(sources, output, **settings):
        given.update(settings, sources=sources, output=output)
        return run

    monkeypatch.setattr("parrotlet.learning.training", training)
    writer = show.train("book.txt", minutes=2, show="nothing")
    assert writer.bundle is bundle and len(writer.write(length=5, seed=1)) > 0
    assert given == {"minutes": 2, "sources": "book.txt", "output": None}
    run.events = [Done("not finite", 3, 0.1, 1.0, 2.0, None, "the loss is no number; try less")]
    with pytest.warns(RuntimeWarning, match="no number"):
        show.train("book.txt", show="nothing")
    run.bundle = None
    with pytest.raises(ParrotletError, match="no number"):
        show.train("book.txt", show="nothing")


def test_a_recipe_brings_its_sources(tmp_path):
    assert show.recipe_sources(None) is None
    recipe = tmp_path / "mine.toml"
    recipe.write_text('sources = ["manual"]\n', encoding="utf-8")
    assert show.recipe_sources(recipe) == ["manual"]
    recipe.write_text('sources = "book.txt"\n', encoding="utf-8")
    assert show.recipe_sources(recipe) == ["book.txt"]
    recipe.write_text("[network]\n", encoding="utf-8")
    assert show.recipe_sources(recipe) is None


@pytest.fixture
def bundle():
    """A tiny model that was never trained."""
    import numpy as np

    from parrotlet.bundle import Bundle, Card
    from parrotlet.runtime.shapes import expected_shapes
    from parrotlet.settings import Settings, parse_settings
    from parrotlet.tokenizers import train_tokenizer

    settings: Settings = parse_settings({"network": {"hidden": 8, "embedding": 4}})
    tokenizer = train_tokenizer(["a cat and a dog\n"], settings.tokenizer)
    random = np.random.default_rng(0)
    shapes = expected_shapes(settings.network, len(tokenizer))
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    return Bundle(weights, settings, tokenizer, Card(form="text"))


def test_a_sample_of_nothing_but_blanks_says_so():
    output = shown(show.Lines, [Sample(1, 0.0, "so   ", "so"), Sample(1, 0.5, ""), EVENTS[-1]])
    assert "0.0  so >> (3 blanks)" in output and "0.5  (nothing)" in output


def test_an_evaluation_without_figures_names_no_unit_and_one_of_a_budget_is_singular():
    lines = shown(show.Lines, [Evaluated(0, 0.0, 0.0, None, None, 1e-3, True), EVENTS[-1]]).splitlines()
    assert lines[0] == "step 0  epoch 0.00"
    for budget, told in (({"minutes": 1.0}, "1 minute"), ({"epochs": 1.0}, "1 epoch"), ({"epochs": 1.5}, "1.5 epochs")):
        started = Started(5, 6, 1, 97, 4, "cpu", "bfloat16", 0, SETTINGS | {"training": budget})
        assert show.sizes(started).endswith(f"bfloat16; {told}")

"""Histories, probabilities and a writer in, pictures out: drawn for real, and measured where it counts."""

import json
import math
import struct
import sys
from contextlib import contextmanager

import pytest

from parrotlet import plots
from parrotlet.bundle import Evaluation
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.trace import TraceStep


def history(count=5, validation=True):
    return [
        Evaluation(
            step=10 * place,
            epoch=place,
            seconds=place,
            train=2 + 1 / place,
            validation=2.1 + 1 / place if validation else None,
            learning_rate=1e-3,
        )
        for place in range(1, count + 1)
    ]


def trace(count=4, columns=3):
    """Steps with awkward tokens; every other one takes a token that is not among the likeliest."""
    likeliest = (("$a_$", 0.5), ("\n", 0.2), ("春", 0.1), *((str(place), 0.0) for place in range(columns)))[:columns]
    return [TraceStep(("$a_$", "rare")[step % 2], 0.001, "x", likeliest) for step in range(count)]


class Writer:
    """Writes the same whatever it is asked; its tokens are the awkward ones."""

    tokenizer = " \n$_"

    def next_tokens(self, prompt, n):
        return [(" ", 0.5), ("\n", 0.25), ("$", 0.15), ("_", 0.1)][:n]

    def write(self, prompt, *, length, temperature, seed):
        return f"{prompt} costs $5_0 and $6_0 at {temperature}\n\tand so on " * 9


def drawn(path):
    """The size of a PNG in pixels; an SVG must be one."""
    data = path.read_bytes()
    if path.suffix == ".svg":
        assert b"<svg" in data
        return None
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_each_picture_is_drawn(tmp_path, suffix):
    plots.plot_loss({"one": history()}, tmp_path / f"loss{suffix}")
    plots.plot_next(
        [(" ", 0.5), ("\n", 0.3), ("$a$", 0.1), ("春", 0.01), ("\x1b", 0.0)], "$x_$ ", tmp_path / f"n{suffix}"
    )
    plots.plot_temperature(Writer(), "It", [0, 0.5, 1], tmp_path / f"t{suffix}")
    plots.plot_steps(trace(), "$x_$ ", tmp_path / f"s{suffix}")
    for name in ("loss", "n", "t", "s"):
        drawn(tmp_path / f"{name}{suffix}")


@pytest.mark.parametrize("histories", [{"a": history(1)}, {"a": history(), "$b_$": history(8, False), "c": []}])
def test_loss_of_one_evaluation_of_several_models_and_without_validation(tmp_path, histories):
    plots.plot_loss(histories, tmp_path / "loss.png")
    assert min(drawn(tmp_path / "loss.png")) > 400


@pytest.fixture
def legend(tmp_path, monkeypatch):
    """Draws histories; gives the lines of the legend and what stands below the title."""
    seen = []
    open_picture = plots.curves.picture

    @contextmanager
    def picture(*size):
        with open_picture(*size) as figure:
            yield figure
            seen.append(figure.axes[0])

    monkeypatch.setattr(plots.curves, "picture", picture)

    def draw(histories):
        plots.plot_loss(histories, tmp_path / "x.png", over="seconds")
        box = seen[-1].get_legend()
        return [text.get_text() for text in box.get_texts()] if box else [], seen[-1].texts[-1].get_text()

    return draw


def test_a_model_without_a_history_is_named(legend):
    nothing = [history(1)[0].model_copy(update={"train": None, "validation": None})]
    names, _ = legend({"mine": history(), "old": [], "older": nothing})
    assert names == ["mine   2.300", "old: no history", "older: no history"]
    assert legend({"mine": history()})[0] == []


def test_single_dots_are_explained(legend):
    names, below = legend({"long": history(), "one": history(1), "open": history(1, False)})
    assert names == [
        "long   2.300",
        "one   3.100 (one evaluation, open dot: training text)",
        "open (one evaluation, open dot: training text)",
    ]
    assert "a dot on the best" in below
    assert "one evaluation" in legend({"one": history(1)})[1]


def test_more_tokens_make_a_taller_picture(tmp_path):
    sizes = []
    for count in (3, 20):
        plots.plot_next([(str(place), 1 / count) for place in range(count)], "", tmp_path / "next.png")
        sizes.append(drawn(tmp_path / "next.png"))
    assert sizes[0][0] == sizes[1][0] and sizes[0][1] < sizes[1][1]


def test_more_steps_make_a_taller_picture_and_more_tokens_a_wider_one(tmp_path):
    sizes = {}
    for count, columns in ((1, 1), (30, 1), (1, 9)):
        plots.plot_steps(trace(count, columns), "", tmp_path / "steps.png")
        sizes[count, columns] = drawn(tmp_path / "steps.png")
    assert sizes[30, 1][1] > sizes[1, 1][1] and sizes[1, 9][0] > sizes[1, 1][0]


@pytest.mark.parametrize(("count", "columns"), [(101, 1), (1, 13)])
def test_more_steps_than_a_picture_holds_are_told(tmp_path, count, columns):
    with pytest.raises(UsageError, match=f"not {count} with {columns}"):
        plots.plot_steps(trace(count, columns), "", tmp_path / "steps.png")


@pytest.mark.parametrize(("seconds", "unit"), [(1, "seconds"), (1000, "minutes")])
def test_curves_over_time_are_drawn_where_they_were_measured(tmp_path, monkeypatch, seconds, unit):
    seen = []
    monkeypatch.setattr(plots.curves, "_curve", lambda axes, at, *rest: seen.append((at, axes)))
    slow = [each.model_copy(update={"seconds": each.seconds * seconds}) for each in history(3)]
    plots.plot_loss({"slow": slow, "fast": history(2)}, tmp_path / "x.png", over="seconds")
    scale = 60 if unit == "minutes" else 1
    assert [at for at, _ in seen] == [[each.seconds / scale for each in one] for one in (slow, history(2))]
    assert seen[0][1].get_xlabel() == unit


def test_labels_can_be_seen():
    assert [plots.label(token) for token in (" ", "\n", "\t", " the", "<s>", "\x1b", "a" * 40)] == [
        *("␣", "↵", "⇥", "␣the", "<s>", "\\x1b", "a" * 17 + "…"),
    ]


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 2.0, 100.0])
def test_heated_is_a_distribution_in_the_same_order(temperature):
    given = [0.5, 0.3, 0.2, 0.0]
    heated = plots.heated(given, temperature)
    assert sum(heated) == pytest.approx(1) and heated == sorted(heated, reverse=True)
    if temperature == 1:
        assert heated == pytest.approx(given)
    elif temperature < 1:
        assert heated[0] > given[0]
    assert heated[0] / heated[1] == pytest.approx(min((5 / 3) ** (1 / temperature), math.inf), rel=1e-6)


def test_greedy_is_all_on_the_first_maximum():
    assert plots.heated([0.4, 0.4, 0.2], 0) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.pgn"])
def test_a_picture_must_be_png_or_svg(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.png"):
        plots.plot_next([("a", 1.0)], "", tmp_path / name)


def test_a_folder_that_is_missing_is_told_before_anything_is_written(tmp_path):
    class Unused:
        def next_tokens(self, prompt, n):
            raise AssertionError("looked at too early")

    with pytest.raises(ParrotletError, match="does not exist"):
        plots.plot_temperature(Unused(), "", [1], tmp_path / "none" / "x.png")


def test_nothing_to_plot_is_told(tmp_path):
    for call in (
        lambda: plots.plot_loss({"a": []}, tmp_path / "x.png"),
        lambda: plots.plot_next([], "", tmp_path / "x.png"),
        lambda: plots.plot_steps([], "", tmp_path / "x.png"),
    ):
        with pytest.raises(ParrotletError, match="nothing to plot"):
            call()
    with pytest.raises(UsageError, match="temperature"):
        plots.plot_temperature(Writer(), "", [], tmp_path / "x.png")
    with pytest.raises(UsageError, match="n must be 1 or more"):
        plots.plot_temperature(Writer(), "", [1.0], tmp_path / "x.png", tokens=0)
    assert not list(tmp_path.iterdir())


def test_metrics_of_a_run_are_read_and_checked(tmp_path):
    run = tmp_path / "book.run"
    run.mkdir()
    metrics = run / "metrics.jsonl"
    records = [
        {"event": "evaluation", "best": True, **each.model_dump()} if place % 2 else {"event": "sample", "text": "x"}
        for place, each in enumerate(history(6))
    ]
    metrics.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert [each.step for each in plots.read_histories([metrics])["book"]] == [20, 40, 60]
    for bad in ("not json", "[1]", '{"event": "evaluation"}', '{"event": "evaluation", "step": -1}'):
        metrics.write_text(bad, encoding="utf-8")
        with pytest.raises(ParrotletError, match="not the metrics of a run"):
            plots.read_histories([metrics])
    with pytest.raises(ParrotletError, match="No such file"):
        plots.read_histories([tmp_path / "gone.jsonl"])


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ParrotletError, match=r"pip install 'parrotlet\[plot\]'"):
        plots.plot_next([("a", 1.0)], "", tmp_path / "x.png")

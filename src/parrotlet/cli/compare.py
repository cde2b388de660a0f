"""Models come in; their figures, learning curves and texts go out side by side, and what the difference buys."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import heading, say_pieces, shown, tell
from parrotlet.cli.options import AsJson, corpus_like, numbers
from parrotlet.show import clock, harmless

if TYPE_CHECKING:
    from parrotlet.comparison import Comparison, Figures

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Rows = list[list[str]]
MARK = "*"  # at a figure that is not comparable with the first model's


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="two or more; the first is the measure")],
    text: Annotated[str | None, typer.Option(metavar="FILE", help="a text that no model has read, to score")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="what the texts begin with (repeatable)")] = None,
    temperature: Annotated[str, typer.Option(help="of the texts; 0.2,0.5,1.0: each")] = "0.2,0.5,1.0",
    length: Annotated[int, typer.Option(help="new tokens of a text; 0: no texts")] = 200,
    seed: Annotated[int, typer.Option(help="of every text")] = 1,
    output: Annotated[str | None, typer.Option("--output", "-o", help="draw the curves into this .png or .svg")] = None,
    as_json: AsJson = False,
) -> None:
    """Models side by side: figures, learning curves, what the difference buys, and the same prompts."""
    from parrotlet.compare import compare_models, open_models
    from parrotlet.plots import check_path, plot_loss

    target = None if output is None else check_path(output)
    temperatures = numbers(temperature, "--temperature")
    writers = open_models(models)
    corpus = None if text is None else corpus_like(next(iter(writers.values())), [text])
    found = compare_models(writers, corpus, prompt or [""], temperatures, length=length, seed=seed)
    if target is not None:
        plot_loss({model.name: model.history for model in found.models}, target, over="seconds")
    if as_json:
        print(to_json(found.as_json() | ({"path": str(target)} if target else {})))
        return
    tell([*(corpus.notes if corpus else ()), *unknown(found)])
    show_table(figures(found))
    for line in apart(found):
        print(harmless(line))
    if target is None:
        show_table(curves(found))
    else:
        print(f"saved {target}")
    for gain in found.gains:
        print(harmless(gain.sentence))
    show_samples(found)


def unknown(found: "Comparison") -> Iterator[str]:
    """What of the prompts a model does not know."""
    for model in found.models:
        if model.unknown:
            yield f"{model.name} does not know " + " ".join(map(repr, model.unknown[:20]))


def figures(found: "Comparison") -> Rows:
    """One row a figure, one column a model; below them the settings that differ."""
    columns = [dict(column(model)) for model in found.models]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    if found.text is not None:
        scores = [
            (model.score.bits_per_character if model.score else None, model.score_apart) for model in found.models
        ]
        rows.append([f"bits on {found.text}", *(marked(*each) for each in scores)])
    return rows + [[name, *map(plain, values)] for name, values in found.settings.items()]


def column(model: "Figures") -> Iterator[tuple[str, str]]:
    yield "", model.name
    yield "network", model.network
    yield "parameters", f"{model.parameters:,}"
    yield "vocabulary", f"{model.vocabulary:,} tokens ({model.level})"
    yield "trained on", f"{model.trained_on}, {model.characters:,} characters"
    yield "training time", f"{clock(model.seconds)} on {model.device or 'an unnamed device'}"
    yield "epochs", f"{model.epochs:.2f}"
    yield "steps", f"{model.steps:,}"
    yield "bits on the text held back", marked(model.validation, model.validation_apart)


def marked(bits: float | None, apart: str) -> str:
    """A figure in bits per character, with a mark where it is not comparable."""
    return "none" if bits is None else f"{bits:.4f}{' ' + MARK if apart else ''}"


def plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def apart(found: "Comparison") -> Iterator[str]:
    """Why a figure is not comparable with the first model's."""
    first = found.models[0].name
    for model in found.models:
        reasons = {"the text held back": model.validation_apart, found.text: model.score_apart}
        for where, reason in reasons.items():
            if reason:
                others = "the others'" if model.name == first else f"{first}'s"
                yield f"{MARK} {model.name}, bits on {where}: not comparable with {others}: {reason}"


def curves(found: "Comparison") -> Rows:
    """Bits per character over time, on the text held back; where a model held none back, on the training text."""
    of: Literal["validation", "train"] = "validation" if all(m.curve("validation") for m in found.models) else "train"
    title = "bits on the text held back" if of == "validation" else "bits on the training text"
    points = found.curves(of)
    if not points:
        return []
    cells = [[clock(at), *("" if value is None else f"{value:.3f}" for value in values)] for at, values in points]
    marks = [f" {MARK}" if model.validation_apart and of == "validation" else "" for model in found.models]
    names = (model.name + mark for model, mark in zip(found.models, marks, strict=True))
    return [[title, *names], *cells]


def show_table(rows: Rows) -> None:
    """A table on a terminal, columns of plain text elsewhere."""
    rows = [[harmless(cell) for cell in row] for row in rows]
    if not rows:
        return
    if not sys.stdout.isatty():
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        print()
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for title in rows[0]:
        table.add_column(Text(title))
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def show_samples(found: "Comparison") -> None:
    """The texts, those of one prompt and temperature one below the other."""
    several = len({sample.prompt for sample in found.samples}) > 1
    for sample in found.samples:
        after = f", after {shown(sample.prompt)}" if several else ""
        print(heading(f"{harmless(sample.model)}, temperature {sample.temperature:g}{after}"))
        say_pieces([sample.text])

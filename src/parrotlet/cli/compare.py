"""Models come in; their figures, learning curves and texts go out side by side, and what the difference buys."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import heading, say_pieces, shown, tell
from parrotlet.cli.options import AsJson, Header, corpus_like, numbers, told
from parrotlet.cli.progress import while_scoring
from parrotlet.show import clock, harmless

if TYPE_CHECKING:
    from parrotlet.comparison import Comparison, Figures

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Rows = list[list[str]]
TRAINING = ("training time", "epochs", "steps")
MARK = "*"  # at a figure that is not comparable with the first model's


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="two or more; the first is the measure")],
    text: Annotated[str | None, typer.Option(metavar="FILE", help="a text that no model has read, to score")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="what the texts begin with (repeatable)")] = None,
    temperature: Annotated[str, typer.Option(help="of the texts; 0.2,0.5,1.0: each")] = "0.2,0.5,1.0",
    length: Annotated[int, typer.Option(help="new tokens of a text; 0: no texts")] = 200,
    seed: Annotated[int, typer.Option(help="of every text")] = 1,
    header: Header = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="draw the curves into this .png or .svg")] = None,
    as_json: AsJson = False,
) -> None:
    """Models side by side: figures, learning curves, what the difference buys, and the same prompts."""
    from parrotlet.compare import compare_models, open_models
    from parrotlet.plots import check_path, plot_loss

    target = None if output is None else check_path(output)
    temperatures = numbers(temperature, "--temperature")
    writers = open_models(models)
    corpus = None if text is None else corpus_like(next(iter(writers.values())), [text], header=header)
    with while_scoring([*writers.values()], corpus) if corpus else nullcontext() as progress:
        found = compare_models(
            writers, corpus, prompt or [""], temperatures, length=length, seed=seed, progress=progress
        )
    if target is not None:
        plot_loss({model.name: model.history for model in found.models}, target, over="seconds")
    if as_json:
        print(to_json(found.as_json() | ({"path": str(target)} if target else {})))
        return
    tell([*(told(corpus) if corpus else ()), *unknown(found)])
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
    times = clocks([model.seconds for model in found.models])
    columns = [dict(column(model, took)) for model, took in zip(found.models, times, strict=True)]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    if not any(model.trained for model in found.models):
        rows = [row for row in rows if row[0] not in TRAINING]
    if found.text is not None:
        scores = [
            (model.score.bits_per_character if model.score else None, model.score_apart) for model in found.models
        ]
        rows.append([f"bits on {found.text}", *(marked(*each) for each in scores)])
    return rows + [[name, *map(plain, values)] for name, values in found.settings.items()]


def column(model: "Figures", took: str) -> Iterator[tuple[str, str]]:
    """The figures of one model by their names; of a training that is not known nothing is made up."""
    yield "", model.name
    yield "network", model.network
    yield "parameters", f"{model.parameters:,}"
    yield "vocabulary", f"{model.vocabulary:,} tokens ({model.level})"
    yield "trained on", f"{model.trained_on}, {model.characters:,} characters" if model.trained else model.trained_on
    facts = f"{took} on {model.device or 'an unnamed device'}", f"{model.epochs:.2f}", f"{model.steps:,}"
    yield from zip(TRAINING, facts if model.trained else ["not known"] * len(TRAINING), strict=True)
    yield "bits on the text held back", marked(model.validation, model.validation_apart)


def marked(bits: float | None, apart: str) -> str:
    """A figure in bits per character, with a mark where it is not comparable."""
    return "none" if bits is None else f"{bits:.4f}{' ' + MARK if apart else ''}"


def plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def apart(found: "Comparison") -> Iterator[str]:
    """Why a figure that stands there is not comparable with that of the first model that has one."""
    held_back = [(model.name, model.validation_apart) for model in found.models if model.validation is not None]
    scored = [(model.name, model.score_apart) for model in found.models if model.score]
    for where, figures in (("the text held back", held_back), (found.text, scored)):
        for name, reason in figures:
            if reason:
                others = "the others'" if name == figures[0][0] else f"{figures[0][0]}'s"
                yield f"{MARK} {name}, bits on {where}: not comparable with {others}: {reason}"


def curves(found: "Comparison") -> Rows:
    """Bits per character over time, on the text held back; where a model held none back, on the training text."""
    held_back = all(model.curve("validation") for model in found.models if model.history)
    of: Literal["validation", "train"] = "validation" if held_back else "train"
    title = "bits on the text held back" if of == "validation" else "bits on the training text"
    points = found.curves(of)
    if not points:
        return []
    figures = [["" if value is None else f"{value:.3f}" for value in values] for _, values in points]
    cells = [[at, *values] for at, values in zip(clocks([at for at, _ in points]), figures, strict=True)]
    return [[title, *(curve_name(model, of) for model in found.models)], *cells]


def curve_name(model: "Figures", of: str) -> str:
    """A model's name above its curve, with a mark where that is not comparable."""
    if not model.history:
        return f"{model.name}: no history"
    return model.name + (f" {MARK}" if model.validation_apart and of == "validation" else "")


def clocks(times: Sequence[float]) -> list[str]:
    """Seconds as ``0:07``; with the fewest decimals, two at most, that tell most of the different ones apart."""
    ways = []
    for decimals in range(3):
        parts = [divmod(round(seconds * 10**decimals), 10**decimals) for seconds in times]
        ways.append([clock(whole) + (f".{rest:0{decimals}}" if decimals else "") for whole, rest in parts])
    return max(ways, key=lambda each: len(set(each)))


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
    for place, title in enumerate(rows[0]):
        # what a row is about is never cut; its values wrap
        table.add_column(Text(title), no_wrap=place == 0, overflow="fold")
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

"""A model and a prompt come in; the likeliest next tokens go out, once or at each step of a text that is written."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import shown
from parrotlet.cli.options import AsJson, ChosenLabels, Model, load
from parrotlet.errors import UsageError, nearest
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.trace import TraceStep
    from parrotlet.writer import Writer

app = typer.Typer(add_completion=False, rich_markup_mode=None)
WIDTH = 40
LONGEST_NAME = 24  # characters of a token in a column


@app.command()
def next(
    model: Model,
    prompt: Annotated[str, typer.Option(help="what stands before")] = "",
    n: Annotated[int | None, typer.Option("-n", help="how many tokens [10; with --steps 5]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="write so many tokens, and show each choice")] = None,
    temperature: Annotated[float | None, typer.Option(help="with --steps: 0 greedy [1.0]")] = None,
    seed: Annotated[int | None, typer.Option(help="with --steps: the same seed writes the same text [random]")] = None,
    labels: ChosenLabels = None,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="under each label of this column, in turn")] = None,
    as_json: AsJson = False,
) -> None:
    """The likeliest next tokens, likeliest first, by the network's own probabilities.

    With --steps a text is written: each line shows the token that was written, then the likeliest at this step, it in
    brackets where it is one of them. With --by each line shows the likeliest under one label.
    """
    if by is not None:
        if steps is not None:
            raise UsageError("--by and --steps: give one of the two")
        if temperature is not None or seed is not None:
            raise UsageError(f"--by shows what is likely and draws nothing: leave --{needless(temperature)} out")
        show_by_label(likeliest_by_label(load(model, prompt), by, prompt, 5 if n is None else n, labels), as_json)
        return
    if steps is None:
        if temperature is not None or seed is not None:
            raise UsageError(f"--{needless(temperature)} needs --steps")
        tokens = load(model, prompt, labels=labels).next_tokens(prompt, 10 if n is None else n)
        if as_json:
            print(to_json([{"token": token, "probability": value} for token, value in tokens]))
        else:
            show_bars(tokens)
        return
    degrees = 1.0 if temperature is None else temperature
    writer = load(model, prompt, labels=labels)
    traced = writer.trace(prompt, length=steps, n=5 if n is None else n, seed=seed, temperature=degrees)
    if as_json:
        print(to_json([step.as_json() for step in traced]))
        return
    for line in step_lines(traced):
        print(line)


def needless(temperature: float | None) -> str:
    return "seed" if temperature is None else "temperature"


def likeliest_by_label(
    writer: "Writer", column: str, prompt: str, n: int, labels: Sequence[str] | None
) -> dict[str, list[tuple[str, float]]]:
    """For each label of a column the ``n`` likeliest tokens after a prompt; ``labels``: of other columns."""
    from parrotlet.labels import parse_choice

    others = parse_choice(labels or ())
    if column in others:
        raise UsageError(f"--by {column} takes each of its labels in turn: leave --label {column}=… out")
    if column not in writer.labels:
        known = nearest(column, writer.labels) if writer.labels else "this model was trained without labels"
        raise UsageError(f"--by {column!r} is not a column of labels: {known}")
    return {label: writer.labelled({**others, column: label}).next_tokens(prompt, n) for label in writer.labels[column]}


def show_by_label(found: dict[str, list[tuple[str, float]]], as_json: bool) -> None:
    """A label a line, with the likeliest tokens in columns."""
    if as_json:
        entries = [
            {"label": label, "likeliest": [{"token": token, "probability": value} for token, value in tokens]}
            for label, tokens in found.items()
        ]
        print(to_json(entries))
        return
    rows = [
        [brief_label(label), *(f"{brief(token)} {value:.1%}" for token, value in tokens)]
        for label, tokens in found.items()
    ]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for cells in rows:
        print("   ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def brief_label(label: str) -> str:
    name = harmless(" ".join(label.split())) or "(empty)"
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def show_bars(tokens: Sequence[tuple[str, float]]) -> None:
    """One token a line, with its probability and a bar."""
    names = [shown(token) for token, _ in tokens]
    widest = max(map(len, names), default=0)
    for name, (_, value) in zip(names, tokens, strict=True):
        bar = "#" * round(value / max(tokens[0][1], 1e-9) * WIDTH)
        print(f"{name:<{widest}}  {value:7.2%}  {bar}")


def step_lines(steps: "Sequence[TraceStep]") -> Iterator[str]:
    """One step a line: what was written, then the likeliest in columns; what was written has brackets there."""
    rows = [[brief(step.token), f"{step.probability:.1%}", *step_cells(step)] for step in steps]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    number = len(str(len(rows)))
    for place, (token, share, *cells) in enumerate(rows, 1):
        columns = (f"{cell:<{width}}" for cell, width in zip(cells, widths[2:], strict=True))
        yield f"{place:>{number}}  {token:<{widths[0]}} {share:>{widths[1]}}   {''.join(columns)}".rstrip()


def step_cells(step: "TraceStep") -> Iterator[str]:
    for token, value in step.likeliest:
        text = f"{brief(token)} {value:.1%}"
        yield f"[{text}] " if token == step.token else f" {text}  "


def brief(token: str) -> str:
    """A token as one word on the screen, cut where it is long."""
    name = shown(token)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"

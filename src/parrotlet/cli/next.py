"""A model and a prompt come in; the likeliest next tokens go out, once or at each step of a text that is written."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import shown
from parrotlet.cli.options import AsJson, Model, load
from parrotlet.errors import UsageError

if TYPE_CHECKING:
    from parrotlet.trace import TraceStep

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
    as_json: AsJson = False,
) -> None:
    """The likeliest next tokens, likeliest first, by the network's own probabilities.

    With --steps a text is written: each line shows the token that was written, then the likeliest at this step, it in
    brackets where it is one of them.
    """
    if steps is None:
        if temperature is not None or seed is not None:
            raise UsageError(f"--{'seed' if temperature is None else 'temperature'} needs --steps")
        tokens = load(model, prompt).next_tokens(prompt, 10 if n is None else n)
        if as_json:
            print(to_json([{"token": token, "probability": value} for token, value in tokens]))
        else:
            show_bars(tokens)
        return
    degrees = 1.0 if temperature is None else temperature
    traced = load(model, prompt).trace(prompt, length=steps, n=5 if n is None else n, seed=seed, temperature=degrees)
    if as_json:
        print(to_json([step.as_json() for step in traced]))
        return
    for line in step_lines(traced):
        print(line)


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

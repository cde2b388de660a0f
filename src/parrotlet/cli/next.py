"""A model and a prompt come in; the likeliest next tokens go out, with their probabilities and bars."""

from typing import Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import shown
from parrotlet.cli.options import AsJson, Model, load

app = typer.Typer(add_completion=False, rich_markup_mode=None)
WIDTH = 40


@app.command()
def next(
    model: Model,
    prompt: Annotated[str, typer.Option(help="what stands before")] = "",
    n: Annotated[int, typer.Option("-n", help="how many tokens")] = 10,
    as_json: AsJson = False,
) -> None:
    """The likeliest next tokens, likeliest first, by the network's own probabilities."""
    tokens = load(model, prompt).next_tokens(prompt, n)
    if as_json:
        print(to_json([{"token": token, "probability": value} for token, value in tokens]))
        return
    names = [shown(token) for token, _ in tokens]
    widest = max(map(len, names), default=0)
    for name, (_, value) in zip(names, tokens, strict=True):
        bar = "#" * round(value / max(tokens[0][1], 1e-9) * WIDTH)
        print(f"{name:<{widest}}  {value:7.2%}  {bar}")

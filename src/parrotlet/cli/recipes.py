"""Nothing, or the name of a recipe, comes in; the list of recipes, or that recipe's TOML, goes out."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="the recipe to print")] = None,
    as_json: AsJson = False,
) -> None:
    """Settings made for a kind of text: parrotlet train SOURCE --recipe NAME."""
    from parrotlet.recipes import read_recipe, recipe_names

    if name is None:
        titles = {each: str(read_recipe(each).get("title", "")) for each in recipe_names()}
        width = max(map(len, titles), default=0)
        listed = [{"name": each, "title": title} for each, title in titles.items()]
        print(to_json(listed) if as_json else "\n".join(f"{each:<{width}}  {title}" for each, title in titles.items()))
        return
    recipe = read_recipe(name)
    file = Path(name) if name.endswith(".toml") else resources.files("parrotlet.recipes") / f"{name}.toml"
    print(to_json(recipe) if as_json else file.read_text(encoding="utf-8").rstrip())

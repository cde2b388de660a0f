"""Nothing, or a part of a name, comes in; every setting with its default and its help goes out."""

import json
from typing import Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson, choices
from parrotlet.errors import UsageError, nearest
from parrotlet.settings import SECTIONS

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def settings(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="a section, a setting, or a part of its name")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Every setting of train, its default in brackets: --set SECTION.NAME=VALUE, or a TOML file for --recipe."""
    listed = {
        f"{section}.{field}": {
            "default": about.get_default(call_default_factory=True),
            "choices": choices(about.annotation),
            "about": about.description or "",
        }
        for section, model in SECTIONS.items()
        for field, about in model.model_fields.items()
    }
    chosen = {key: each for key, each in listed.items() if name is None or name in key}
    if not chosen:
        raise UsageError(f"no setting is called {name!r}: {nearest(str(name), [*SECTIONS, *listed], SECTIONS)}")
    if as_json:
        print(to_json([{"name": key, **each} for key, each in chosen.items()]))
        return
    for key, each in chosen.items():
        print(f"{key} [{json.dumps(each['default'])}]\n    {each['about']}")
        if each["choices"]:
            print(f"    {', '.join(map(str, each['choices']))}")

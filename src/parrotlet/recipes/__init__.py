"""The name of a recipe comes in; its settings go out, as plain data by section."""

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from parrotlet.errors import ParrotletError, UsageError, nearest
from parrotlet.settings import SECTIONS


def recipe_names() -> list[str]:
    """The recipes in the package, by name."""
    folder = resources.files(__name__)
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_recipe(recipe: str | os.PathLike[str]) -> dict[str, Any]:
    """The whole recipe: ``title``, ``sources`` (what it was made for) and its sections of settings."""
    path = Path(recipe)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParrotletError(f"cannot read the recipe {str(path)!r}: {error}") from error
    elif str(recipe) in recipe_names():
        text = (resources.files(__name__) / f"{recipe}.toml").read_text(encoding="utf-8")
    else:
        raise UsageError(f"unknown recipe {str(recipe)!r}: {nearest(str(recipe), recipe_names())}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParrotletError(f"the recipe {str(recipe)!r} is not TOML: {error}") from error


def load_recipe(recipe: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Only the sections of settings of a recipe."""
    sections = {key: value for key, value in read_recipe(recipe).items() if key not in ("title", "sources")}
    for name, values in sections.items():
        if name not in SECTIONS or not isinstance(values, dict):
            raise UsageError(
                f"the recipe {str(recipe)!r} has no section {name!r} of settings: {nearest(name, SECTIONS)}"
            )
    return sections

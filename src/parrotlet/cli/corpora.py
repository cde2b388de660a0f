"""Nothing comes in; the texts that are known by name go out, each with its licence and where it is found."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson

if TYPE_CHECKING:
    from parrotlet.corpus import NamedCorpus

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def corpora(as_json: AsJson = False) -> None:
    """Texts that are known by name: parrotlet train NAME."""
    from parrotlet.corpus import MANUAL, NAMED

    entries: list[dict[str, object]] = [
        {
            "name": MANUAL,
            "about": "the language manual that every Python carries",
            "licence": "PSF-2.0",
            "found": "in Python",
            "bytes": None,
            "url": None,
        }
    ]
    for name, corpus in NAMED.items():
        facts = {"about": corpus.about, "licence": corpus.licence, "found": found(name, corpus)}
        entries.append({"name": name, **facts, "bytes": corpus.bytes, "url": corpus.url})
    if as_json:
        print(to_json(entries))
        return
    width = max(len(str(entry["name"])) for entry in entries)
    for entry in entries:
        size = f", {entry['bytes']:,} bytes" if entry["bytes"] else ""
        print(f"{entry['name']:<{width}}  {entry['about']}")
        print(f"{'':<{width}}    {entry['licence']}{size}; {entry['found']}")


def found(name: str, corpus: "NamedCorpus") -> str:
    """Where a corpus would be taken from."""
    import platformdirs

    from parrotlet.corpus.named import DATA_FOLDER

    folder = os.environ.get(DATA_FOLDER)
    if folder and (Path(folder) / corpus.path).is_file():
        return f"in {DATA_FOLDER}"
    cache = Path(platformdirs.user_cache_dir("parrotlet", appauthor=False)) / "corpora" / f"{name}.txt"
    return "in the cache" if cache.is_file() else "fetched when first used"

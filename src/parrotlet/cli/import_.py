"""A file of textgenrnn or Keras comes in; a model file goes out, and what was found in the old one is told."""

import re
from pathlib import Path
from typing import Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson
from parrotlet.errors import UsageError
from parrotlet.show import harmless

OLD_ENDING = re.compile(r"(\.weights)?\.(h5|hdf5|keras)$", re.IGNORECASE)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("import")
def import_(
    old: Annotated[str, typer.Argument(metavar="OLD", help="an .hdf5, .h5, .weights.h5 or .keras file")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="the model file [name of OLD]")
    ] = None,
    vocab: Annotated[
        str | None, typer.Option(metavar="FILE", help="textgenrnn: its vocab.json [the one beside it]")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="textgenrnn: its config.json [the one beside it]; Keras: model.to_json()"),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="FILE", help="Keras: the text it was trained on")] = None,
    alphabet: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keras: its symbols, as JSON or each once in a text")
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=0, help="read the last N symbols anew for each; 0 carries a state [as the file]")
    ] = None,
    lowercase: Annotated[
        bool | None,
        typer.Option("--lowercase/--no-lowercase", help="lower the case of prompts [where no capital is known]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take over a model of textgenrnn or of the Keras lessons. Only numbers are read; nothing of the file is run."""
    from parrotlet.importers import read_model

    path = output or default_output(old)
    if Path(path).suffix != ".safetensors":
        raise UsageError(f"output = {path!r} must end in .safetensors: try {Path(path).stem + '.safetensors'!r}")
    replaced = Path(path).exists()
    if replaced and output is None:
        raise UsageError(f"{path} is there already: give -o {path} to write it anew, or another name")
    found = read_model(
        old, vocab=vocab, config=config, text=text, alphabet=alphabet, context=context, lowercase=lowercase
    )
    if replaced and Path(path).samefile(old):
        raise UsageError(f"output = {path!r} is the old file itself: give another name")
    found.bundle.save(path)
    facts = {"path": path, **found.facts()}
    if as_json:
        print(to_json(facts))
        return
    window = found.bundle.settings.network.context
    reads = f"the last {window} symbols, anew for each" if window != 1 else "the last symbol, anew for each"
    size = f"{facts['parameters']:,} weights, {Path(path).stat().st_size:,} bytes"
    lines = [
        ("found", f"{found.kind}: {', '.join(found.layers)}"),
        ("vocabulary", found.vocabulary),
        ("reads", "on and on, carrying its state" if window is None else reads),
        *(("told", note) for note in found.assumed),
        ("model", f"{path}{', in place of the one that was there' * replaced}, {size}"),
    ]
    for name, line in lines:
        print(harmless(f"{name:<11} {line}"))


def default_output(old: str) -> str:
    """The name of the old file, in the current folder: ``book.05.safetensors`` of ``models/book.05.weights.h5``."""
    return (OLD_ENDING.sub("", Path(old).name) or "model") + ".safetensors"

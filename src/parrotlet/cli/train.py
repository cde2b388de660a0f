"""Sources and flags come in; a training run is shown and its model file goes out."""

import re
import urllib.parse
from pathlib import Path
from typing import Annotated

import typer

import parrotlet
from parrotlet.cli.options import Header, flag, given
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import CorpusSettings, NetworkSettings, TokenizerSettings, TrainingSettings, assign, flat

app = typer.Typer(add_completion=False, rich_markup_mode=None)
FLAGS = {
    *("minutes", "epochs", "steps", "level", "network", "hidden", "layers", "form", "column"),
    *("labels", "template", "encoding", "lowercase", "seed", "device"),
}


@app.command()
def train(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="files, folders, globs, addresses, named corpora, or - for stdin"),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="the model file [name of the source]")
    ] = None,
    minutes: Annotated[float | None, flag(TrainingSettings, "minutes")] = None,
    epochs: Annotated[float | None, flag(TrainingSettings, "epochs")] = None,
    steps: Annotated[int | None, flag(TrainingSettings, "steps")] = None,
    level: Annotated[str | None, flag(TokenizerSettings, "level")] = None,
    network: Annotated[str | None, flag(NetworkSettings, "kind", "--network")] = None,
    hidden: Annotated[int | None, flag(NetworkSettings, "hidden")] = None,
    layers: Annotated[int | None, flag(NetworkSettings, "layers")] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="settings by name (see parrotlet recipes) or a .toml file")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.NAME=VALUE", help="any setting: section.name=value")
    ] = None,
    form: Annotated[str | None, flag(CorpusSettings, "form")] = None,
    column: Annotated[str | None, flag(CorpusSettings, "column")] = None,
    labels: Annotated[list[str] | None, flag(CorpusSettings, "labels", "--label")] = None,
    template: Annotated[str | None, flag(CorpusSettings, "template")] = None,
    header: Header = None,
    encoding: Annotated[str | None, flag(CorpusSettings, "encoding")] = None,
    lowercase: Annotated[bool, flag(TokenizerSettings, "lowercase", "--lowercase")] = False,
    start_from: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="a model to learn on from, or pretrained")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with an interrupted run")] = False,
    seed: Annotated[int | None, flag(TrainingSettings, "seed")] = None,
    device: Annotated[str | None, flag(TrainingSettings, "device")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one event a line as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show nothing but errors")] = False,
) -> int:
    """Teach a network to write like a text. Without a budget, one that suits its length is chosen and told."""
    if as_json and quiet:
        raise UsageError("--json and --quiet: give one of the two")
    settings = flat(given(locals(), FLAGS) | ({} if header is None else {"header": header}))
    flags = {f"{section}.{name}" for section, values in settings.items() for name in values}
    for assignment in assignments or []:
        if (name := assignment.partition("=")[0].strip()) in flags:
            raise UsageError(f"{name} is given twice: by a flag, and by --set {assignment!r}")
        assign(settings, assignment)
    from parrotlet.show import recipe_sources, run_training

    found = sources or recipe_sources(recipe)
    output = output or default_output(found)
    remark = f"the model goes to {output}" + (", in place of the one there" if Path(output).exists() else "")
    run, done = run_training(
        found,
        output,
        show="nothing" if quiet else "json" if as_json else "auto",
        remark=remark,
        recipe=recipe,
        start_from=start_from,
        resume=resume,
        started=parrotlet.STARTED,
        **settings,
    )
    if done.reason == "not finite":
        raise ParrotletError(done.advice)
    return 130 if done.reason == "interrupted" else 0


def default_output(sources: list[str] | None) -> str:
    """The name of the first source, in the current folder: ``nietzsche.safetensors`` of ``texts/nietzsche.txt.gz``."""
    first = (sources or ["model"])[0]
    if "://" in first:
        first = urllib.parse.unquote(urllib.parse.urlsplit(first).path)
    path = Path(first)
    name = path.resolve().name if path.is_dir() else path.name
    stem = re.sub(r"(\.gz(ip)?)?$", "", name, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "", Path(stem).stem).strip(".-")
    return ("stdin" if first == "-" else stem or "model") + ".safetensors"

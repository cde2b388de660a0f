"""A model, a prompt and rules come in; texts go out: on the screen as they are written, into a file, or as JSON."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import heading, say_pieces, tell
from parrotlet.cli.options import AsJson, ChosenLabels, corpus_like, flag, given, load, numbers, the_model
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.sampling import Rules

if TYPE_CHECKING:
    from parrotlet.novelty import Novelty
    from parrotlet.outputs import Output
    from parrotlet.writer import Text, Writer

app = typer.Typer(add_completion=False, rich_markup_mode=None)
# Rules that say how another one is applied, and which.
NEEDED = {
    "penalty_window": ("repetition_penalty", "presence_penalty", "frequency_penalty"),
    "dry_length": ("dry_multiplier",),
}
Written = list[tuple[float, "Text"]]


@app.command()
def generate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]…", help="a model file [the only one here, or pretrained]; several write together"
        ),
    ] = None,
    prompt: Annotated[str, typer.Option(help="what the text begins with")] = "",
    n: Annotated[int, typer.Option("-n", help="how many texts")] = 1,
    length: Annotated[int, typer.Option(help="most new tokens of a text")] = 300,
    min_length: Annotated[int | None, flag(Rules, "min_length", default=True)] = None,
    usual_lengths: Annotated[
        bool, typer.Option("--usual-lengths", help="as long as the texts that were learned, chosen from more drafts")
    ] = False,
    temperature: Annotated[
        str | None, typer.Option(help="below 1 safer, above 1 wilder, 0 greedy; 0.2,0.5,1: each [1]")
    ] = None,
    cycle: Annotated[str | None, flag(Rules, "temperature_cycle", "--temperature-cycle")] = None,
    top_k: Annotated[int | None, flag(Rules, "top_k", default=True)] = None,
    top_p: Annotated[float | None, flag(Rules, "top_p", default=True)] = None,
    min_p: Annotated[float | None, flag(Rules, "min_p", default=True)] = None,
    typical: Annotated[float | None, flag(Rules, "typical", default=True)] = None,
    repetition_penalty: Annotated[float | None, flag(Rules, "repetition_penalty", default=True)] = None,
    presence_penalty: Annotated[float | None, flag(Rules, "presence_penalty", default=True)] = None,
    frequency_penalty: Annotated[float | None, flag(Rules, "frequency_penalty", default=True)] = None,
    penalty_window: Annotated[int | None, flag(Rules, "penalty_window", default=True)] = None,
    dry_multiplier: Annotated[float | None, flag(Rules, "dry_multiplier", "--dry", default=True)] = None,
    dry_length: Annotated[int | None, flag(Rules, "dry_length", default=True)] = None,
    novel: Annotated[int | None, typer.Option(help="copy no N characters in one piece from --corpus")] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="the training text, for --novel (repeatable)")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="ends a text before this string (repeatable)")] = None,
    labels: ChosenLabels = None,
    label_strength: Annotated[float, typer.Option(help="above 1 what sets the labels apart is overdone")] = 1.0,
    weights: Annotated[str | None, typer.Option(help="of several models, in their order: 2,1 [all alike]")] = None,
    turns: Annotated[
        str | None,
        typer.Option(
            metavar="word|sentence|line",
            help="several models write in turns [they average instead]; --length then counts characters",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="the same seed writes the same text [random]")] = None,
    arithmetic: Annotated[
        str, typer.Option(metavar="float32|int8", help="int8: several times as fast, hardly less exact, other texts")
    ] = "float32",
    as_json: AsJson = False,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="in JSON: of each token")] = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="write to this file: .abc, .mid, .svg, .png make music or drawings of it"),
    ] = None,
) -> None:
    """Write with a model."""
    rules = given(locals(), Rules.model_fields.keys() - {"temperature"})
    if cycle is not None:
        rules["temperature_cycle"] = tuple(numbers(cycle, "--temperature-cycle"))
    if probabilities and not as_json:
        raise UsageError("--probabilities needs --json")
    for name, needed in NEEDED.items():
        if name in rules and not rules.keys() & set(needed):
            flags = " or ".join("--" + each.replace("_", "-").removesuffix("-multiplier") for each in needed)
            raise UsageError(f"--{name.replace('_', '-')} changes nothing alone: give {flags} too")
    temperatures = numbers(temperature or "1", "--temperature")
    if cycle is not None and temperature is not None:
        raise UsageError("--temperature-cycle says each token's temperature: leave --temperature out")
    make = None if output is None else made_of_texts(output, as_json)
    writers = [load(model, prompt, arithmetic, labels, label_strength) for model in models or [the_model(None)]]
    shares = None if weights is None else numbers(weights, "--weights")
    if len(writers) == 1 and (shares or turns):
        raise UsageError(f"--{'weights' if shares else 'turns'} needs several models")
    if turns:
        if as_json or n != 1 or novel is not None or corpus or stop or output or usual_lengths or len(temperatures) > 1:
            left_out = "-n, --json, --output, --stop, --novel, --corpus and --usual-lengths"
            raise UsageError(f"--turns writes one text on the screen: leave {left_out} out")
        say_turns(writers, prompt, turns, shares, {"length": length, "seed": seed, **rules}, temperatures[0])
        return
    writer = writers[0] if len(writers) == 1 else averaged(writers, shares)
    call: dict[str, Any] = {"length": length, "seed": seed, "stop": stop or (), **rules}
    call["novel"] = novelty(writer, novel, corpus)
    for each in stop or ():
        if unknown := writer.unknown(each):
            tell([f"--stop {each!r} never comes: the model does not write {' '.join(map(repr, unknown[:5]))}"])
    if n == 1 and not (as_json or output or usual_lengths):
        for degrees in temperatures:
            if len(temperatures) > 1:
                print(heading(f"temperature {degrees:g}"))
            say_pieces(writer.stream(prompt, temperature=degrees, **call))
        return
    call |= {"probabilities": probabilities, "usual_lengths": usual_lengths}
    texts = [
        (degrees, text) for degrees in temperatures for text in writer.texts(n, prompt, temperature=degrees, **call)
    ]
    deliver(texts, output, make, as_json)


def made_of_texts(output: str, as_json: bool) -> "Output | None":
    """How the file is made of texts, where it is no text itself; that it can be made is known before any is written."""
    from parrotlet.outputs import output_for

    make = output_for(output)
    if make is not None and as_json:
        raise UsageError(f"--json writes text, and {output} is none: leave --json out, or name another file")
    if not Path(output).parent.is_dir():
        raise ParrotletError(f"cannot write {output}: there is no folder {Path(output).parent}; make it first")
    if Path(output).suffix.lower() in (".png", ".svg") and find_spec("matplotlib") is None:
        raise ParrotletError("pictures need matplotlib: pip install 'parrotlet[plot]'")
    return make


def averaged(writers: "list[Writer]", weights: list[float] | None) -> "Writer":
    from parrotlet.ensembles import average

    return average(writers, weights)


def say_turns(
    writers: "list[Writer]",
    prompt: str,
    turn: str,
    weights: list[float] | None,
    call: dict[str, Any],
    temperature: float,
) -> None:
    from parrotlet.turns import in_turns

    say_pieces(in_turns(writers, prompt, turn=turn, weights=weights, temperature=temperature, **call))  # type: ignore[arg-type]


def novelty(writer: "Writer", n: int | None, corpus: list[str] | None) -> "Novelty | None":
    """What must not be copied: the spans of the corpus, in the model's own normal form."""
    if n is None or not corpus:
        if n is None and not corpus:
            return None
        raise UsageError("--novel N and --corpus SOURCE go together: how much may not be copied, and from what")
    from parrotlet.novelty import Novelty

    return Novelty.from_corpus(corpus_like(writer, corpus), writer.tokenizer.normalise, n)


def deliver(texts: Written, output: str | None, make: "Output | None", as_json: bool) -> None:
    """The texts on the screen, or in the file that they are wanted in; on the screen too where it can't be written."""
    told = listed(texts) if as_json else [f"{line}\n" for line in laid_out(texts)]
    if output is None:
        say_pieces(told)
        return
    try:
        if make is None:
            save("".join(told), output)
        else:
            tell(make([text.text for _, text in texts], Path(output)))
    except ParrotletError:
        say_pieces(told)
        raise


def laid_out(texts: Written) -> Iterator[str]:
    """Several texts to be read: one a line where they are lines, else each below a heading."""
    temperatures = len({degrees for degrees, _ in texts})
    per = len(texts) // max(1, temperatures)
    lines = not any("\n" in text.text for _, text in texts)
    for place, (degrees, text) in enumerate(texts):
        titles = [f"{place % per + 1} of {per}"] if per > 1 and not lines else []
        titles += [f"temperature {degrees:g}"] if temperatures > 1 and (place % per == 0 or not lines) else []
        if titles:
            yield heading(", ".join(titles))
        yield text.text.removesuffix("\n")


def listed(texts: Written) -> list[str]:
    """The texts as JSON; with several temperatures each tells its own."""
    several = len({degrees for degrees, _ in texts}) > 1
    entries = []
    for degrees, text in texts:
        entry = {"text": text.text, "tokens": text.tokens, "seed": text.seed, "finish": text.finish}
        if several:
            entry["temperature"] = degrees
        if text.probabilities is not None:
            entry["probabilities"] = [{"token": token, "probability": value} for token, value in text.probabilities]
        entries.append(entry)
    return [to_json(entries), "\n"]


def save(text: str, path: str) -> None:
    """A text into a file, whole or not at all."""
    from parrotlet.container import write_atomically

    write_atomically(path, [text.encode("utf-8", "replace")])

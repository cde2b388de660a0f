"""A model or a run comes in; a picture goes out as PNG or SVG."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson, Header, Model, corpus_like, load, numbers

if TYPE_CHECKING:
    from parrotlet.corpus import Document

LONGEST = 20_000  # characters of a text on a map
app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Pictures, as PNG or SVG by the suffix.")
Output = Annotated[str | None, typer.Option("--output", "-o", help="the picture [MODEL-next.png, and so on]")]
Prompt = Annotated[str, typer.Option(help="what stands before")]


@app.command()
def loss(
    files: Annotated[list[str], typer.Argument(metavar="MODEL...", help="models, or metrics.jsonl of runs")],
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """How bits per character fell, of one model or several."""
    from parrotlet.plots import plot_loss, read_histories

    path = target(output, files[0], "loss")
    plot_loss(read_histories(files), path)
    tell_picture(path, as_json)


@app.command()
def next(
    model: Model,
    prompt: Prompt = "",
    n: Annotated[int, typer.Option("-n", min=1, help="how many tokens")] = 12,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """The likeliest next tokens after a prompt."""
    from parrotlet.plots import plot_next

    path = target(output, model, "next")
    plot_next(load(model, prompt).next_tokens(prompt, n), prompt, path)
    tell_picture(path, as_json)


@app.command()
def temperature(
    model: Model,
    prompt: Prompt = "",
    temperatures: Annotated[str, typer.Option("--temperature", help="which to compare")] = "0.2,0.5,1.0,1.5",
    n: Annotated[int, typer.Option("-n", min=1, help="how many tokens")] = 8,
    length: Annotated[int, typer.Option(help="tokens written at each")] = 300,
    seed: Annotated[int, typer.Option(help="of the texts")] = 1,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """What temperature does: to the next token's distribution, and to a text."""
    from parrotlet.plots import plot_temperature

    path = target(output, model, "temperature")
    degrees = numbers(temperatures, "--temperature")
    plot_temperature(load(model, prompt), prompt, degrees, path, tokens=n, length=length, seed=seed)
    tell_picture(path, as_json)


@app.command()
def steps(
    model: Model,
    prompt: Prompt = "",
    length: Annotated[int, typer.Option("--steps", help="how many tokens are written")] = 12,
    n: Annotated[int, typer.Option("-n", min=1, help="how many of the likeliest at each step")] = 5,
    temperature: Annotated[float, typer.Option(help="of the writing; 0 greedy")] = 1.0,
    seed: Annotated[int, typer.Option(help="of the text")] = 1,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """A text as it is written: at each step the likeliest tokens, and the one that was taken."""
    from parrotlet.plots import plot_steps

    path = target(output, model, "steps")
    traced = load(model, prompt).trace(prompt, length=length, n=n, seed=seed, temperature=temperature)
    plot_steps(traced, prompt, path)
    tell_picture(path, as_json)


@app.command()
def map(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="CORPUS", help="the texts")],
    n: Annotated[int, typer.Option("-n", min=3, max=5000, help="most texts, spread over the corpus")] = 500,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="colour them by this column of labels")] = None,
    neighbours: Annotated[bool, typer.Option("--tsne", help="by t-SNE (scikit-learn) [principal components]")] = False,
    header: Header = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Texts of a corpus as dots, those that a model holds alike near one another."""
    from parrotlet.plots import plot_map
    from parrotlet.vectors import PrincipalComponents, neighbour_map, text_summaries

    path = target(output, model, "map")
    writer = load(model)
    corpus = corpus_like(writer, [file], "lines", header, [by] if by else [])
    chosen = drawn(corpus.documents(), n)
    texts = [document.text[:LONGEST] for document in chosen]
    vectors = text_summaries(writer, texts)
    if neighbours:
        places, how = neighbour_map(vectors, 2, seed=1)[0], "t-SNE"
    else:
        places, how = PrincipalComponents(2).fit_transform(vectors), "the two directions in which they differ most"
    plot_map(places, texts, [document.labels[by] for document in chosen] if by else None, path, how)
    tell_picture(path, as_json)


def drawn(documents: "Iterable[Document]", n: int) -> "list[Document]":
    """``n`` of the documents in their order, each as likely as any other (reservoir sampling: Vitter 1985, R)."""
    random, kept = Random(1), list[tuple[int, "Document"]]()
    for place, document in enumerate(documents):
        if len(kept) < n:
            kept.append((place, document))
        elif (other := random.randrange(place + 1)) < n:
            kept[other] = place, document
    return [document for _, document in sorted(kept, key=lambda each: each[0])]


def target(output: str | None, model: str, what: str) -> Path:
    """The picture's path, checked before any work is done."""
    from parrotlet.plots import check_path

    return check_path(output or f"{Path(model).stem}-{what}.png")


def tell_picture(path: Path, as_json: bool) -> None:
    print(to_json({"path": str(path)}) if as_json else f"saved {path}")

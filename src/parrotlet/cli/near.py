"""A model, a text and a corpus come in; the texts of the corpus that are most like it go out."""

from itertools import islice
from typing import Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import tell
from parrotlet.cli.options import AsJson, Header, Model, corpus_like, load
from parrotlet.show import harmless

app = typer.Typer(add_completion=False, rich_markup_mode=None)
MOST_TEXTS, LONGEST = 20_000, 20_000  # that are looked among, and characters of each


@app.command()
def nearest(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="CORPUS", help="the texts to look among")],
    text: Annotated[str, typer.Option("--text", help="what they should be like")],
    n: Annotated[int, typer.Option("-n", help="how many")] = 5,
    header: Header = None,
    as_json: AsJson = False,
) -> None:
    """Texts of a corpus that a model holds most like a given one."""
    from parrotlet.vectors import nearest_texts

    writer = load(model, text)
    corpus = corpus_like(writer, [file], "lines", header)
    texts = [document.text[:LONGEST] for document in islice(corpus.documents(), MOST_TEXTS + 1)]
    if len(texts) > MOST_TEXTS:
        tell([f"only the first {MOST_TEXTS:,} texts are looked among"])
        texts = texts[:MOST_TEXTS]
    found = nearest_texts(writer, text, texts, n)
    if as_json:
        print(to_json([{"text": each, "cosine": value} for each, value in found]))
        return
    tell([note.replace(" (as told)", "") for note in corpus.notes])
    for each, value in found:
        print(f"{value:6.3f}  {harmless(' '.join(each.split()))}")

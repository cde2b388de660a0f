"""A model and a text come in; bits per character go out, and on request how surprising each token is."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import shown, tell
from parrotlet.cli.options import AsJson, ChosenLabels, Header, Model, corpus_like, load, told
from parrotlet.cli.progress import while_scoring
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.writer import Score

app = typer.Typer(add_completion=False, rich_markup_mode=None)
# Backgrounds from calm to loud, for tokens that cost up to so many bits; black letters are read on all but the first.
COLOURS = ((1.0, ""), (2.5, "on #ffffb2"), (4.5, "on #fecc5c"), (7.0, "on #fd8d3c"), (1e9, "on #f03b20"))


@app.command()
def score(
    model: Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="a text that the model was not trained on")],
    form: Annotated[str | None, typer.Option(help="text or lines [as the model was trained]")] = None,
    header: Header = None,
    labels: ChosenLabels = None,
    surprise: Annotated[bool, typer.Option("--surprise", help="also show the bits of each token")] = False,
    as_json: AsJson = False,
) -> None:
    """How well a model foresees a text."""
    writer = load(model, labels=labels)
    corpus = corpus_like(writer, [file], form, header)
    with while_scoring([writer], corpus) as progress:
        result = writer.score(corpus, form, surprise=surprise, progress=progress)  # type: ignore[arg-type]
    if as_json:
        data = asdict(result)
        listed = data.pop("surprise")
        if listed is not None:
            data["surprise"] = [{"token": token, "bits": bits} for token, bits in listed]
        print(to_json(data))
        return
    tell(told(corpus, form))
    show_surprise(result)
    print(f"{result.bits_per_character:.4f} bits per character")
    print(f"{result.nats_per_token:.4f} nats per token, perplexity {result.perplexity:.4g}")
    print(f"{result.characters:,} characters, {result.tokens:,} tokens")
    if not result.comparable:
        print(f"not comparable with models of another tokenizer: {result.not_comparable}")


def show_surprise(result: "Score") -> None:
    """Each token coloured by its bits on a terminal, else one a line with its bits."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        for token, bits in result.surprise or ():
            print(f"{bits:.3f}\t{shown(token)}")
        return
    text = Text()
    for token, bits in result.surprise or ():
        style = next(style for most, style in COLOURS if bits <= most)
        text.append("↵\n" if token == "\n" else harmless(token), ("black " + style) if style else "")
    if text:
        console.print(text)

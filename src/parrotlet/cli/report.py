"""A model comes in, and a text to make its report card anew; the report card goes out as a table or as JSON."""

from typing import Annotated

import typer

from parrotlet.cli.compare import show_table
from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import tell
from parrotlet.cli.options import AsJson, load, the_model, told

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def report(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="a model file [the only one here, or pretrained]")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE", help="make the card anew against this training text (repeatable) [the file's own]"
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="with --text: human text that the model never read (repeatable) [what training held back]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The report card: what a model writes, beside human text and an n-gram model."""
    from parrotlet.report import as_trained, report_card

    path = the_model(model)
    if text:
        writer = load(path)
        corpora = [as_trained(writer, sources) for sources in (text, held_out) if sources]
        for corpus in corpora:
            tell(told(corpus))
        card = report_card(writer, *corpora)
    else:
        card = report_card(path, held_out=held_out)
    if as_json:
        print(to_json(card.model_dump(mode="json") | {"sentence": card.sentence}))
        return
    print(card.sentence)
    print()
    show_table(card.rows())
    for note in card.notes():
        print(note)

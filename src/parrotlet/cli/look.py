"""A model and a text come in; what goes on inside the network goes out: in colours, as a picture, or as a page."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.console import shown, tell
from parrotlet.cli.options import AsJson, ChosenLabels, Model, load, text_of
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.inside import View
    from parrotlet.writer import Writer

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="What goes on inside a network while it reads: colours on a terminal, or with -o a picture or a page.",
)
WRITTEN, LINKED = 400, 60  # tokens that the model writes itself where no text is given
SHOWN_UNITS = 4
Text = Annotated[str | None, typer.Option("--text", help="what the network reads [a text that it writes itself]")]
File = Annotated[str | None, typer.Option("--file", help="the same from a file in UTF-8")]
Seed = Annotated[int, typer.Option(help="of the text that it writes itself")]
Layer = Annotated[int | None, typer.Option(min=0, help="which recurrent layer, from 0 [the last]")]
Output = Annotated[str | None, typer.Option("--output", "-o", help="a picture (.png, .svg) or a page (.html)")]


def view(name: str, about: str, length: int = WRITTEN) -> None:
    """A command that needs nothing but a text: the function of that name in parrotlet.inside makes its view."""

    @app.command(name, help=about)
    def command(
        model: Model,
        text: Text = None,
        file: File = None,
        seed: Seed = 1,
        labels: ChosenLabels = None,
        output: Output = None,
        as_json: AsJson = False,
    ) -> None:
        from parrotlet import inside

        writer = checked(model, output, labels)
        found = getattr(inside, name)(writer, read(writer, text, file, seed, length))
        give(found, name.capitalize(), output, as_json)


view("surprise", "How many bits each token costs: what the network did not expect.")


@app.command()
def units(
    model: Model,
    text: Text = None,
    file: File = None,
    seed: Seed = 1,
    unit: Annotated[list[int] | None, typer.Option(help="which units (repeatable) [those that follow a trait]")] = None,
    layer: Layer = None,
    labels: ChosenLabels = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Hidden units over a text, and which of them know of quotes, line ends, words."""
    from parrotlet import inside

    writer = checked(model, output, labels)
    given = read(writer, text, file, seed)
    found = inside.detectors(writer, given, layer)
    chosen = list(unit or dict.fromkeys([each.unit for each in found][:SHOWN_UNITS]))
    if not chosen:
        raise ParrotletError("no unit follows a known trait of this text: give a longer text, or --unit N to see one")
    notes = [f"unit {each.unit}: {each.trait} (correlation {each.correlation:+.2f})" for each in found]
    give(inside.units(writer, given, chosen, layer), "Hidden units", output, as_json, notes)


@app.command()
def gates(
    model: Model,
    text: Text = None,
    file: File = None,
    seed: Seed = 1,
    unit: Annotated[int | None, typer.Option(min=0, help="of one unit [the mean of all]")] = None,
    layer: Layer = None,
    dots: Annotated[
        bool, typer.Option("--dots", help="draw each unit as a dot: how often shut, how often open")
    ] = False,
    labels: ChosenLabels = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """How far the gates of an LSTM or GRU are open."""
    from parrotlet import inside

    writer = checked(model, output, labels)
    given = read(writer, text, file, seed)
    if dots:
        if output is None or unit is not None:
            raise UsageError("--dots draws all units into a picture: name it with --output FILE.png, without --unit")
        from parrotlet.plots import plot_saturation

        plot_saturation(inside.saturation(writer, given, layer), "How long gates stay shut and open", output)
        print(to_json({"path": output}) if as_json else f"saved {output}")
        return
    give(inside.gates(writer, given, layer, unit), "Gates", output, as_json)


view("attention", "Which tokens each one was read from, by the weights of textgenrnn's attention.", LINKED)
view(
    "influence", "How many bits each token bears on those after it, for every network: others stand in for it.", LINKED
)


def checked(model: str, output: str | None, labels: Sequence[str] | None) -> "Writer":
    """The model, once the picture's name is known to be right."""
    if output is not None:
        from parrotlet.plots import check_path

        check_path(output, pages=True)
    return load(model, labels=labels)


def read(
    writer: "Writer", text: str | None, file: str | None, seed: int, length: int = WRITTEN
) -> "str | Sequence[str]":
    """The text to look at; without one, what the model writes: of short documents some."""
    if text is not None and file is not None:
        raise UsageError("--text and --file: give one of the two")
    if file is not None:
        return text_of(file, "--file")
    if text is not None:
        return text
    if writer.card.form == "text":
        return writer.write(length=length, seed=seed, temperature=0.8)
    chosen = list[str]()
    for each in writer.generate(20, length=length, seed=seed, temperature=0.8):
        if each and len(writer.tokenizer.encode("".join(chosen) + each)) + len(chosen) <= length:
            chosen.append(each)
    return chosen


def give(view: "View", title: str, output: str | None, as_json: bool, notes: Sequence[str] = ()) -> None:
    """A view as JSON, as a picture or page, in colours on a terminal, and as plain lines elsewhere."""
    notes = [*notes, *view.notes]
    if output is not None:
        from dataclasses import replace

        from parrotlet.plots import plot_view

        plot_view(replace(view, notes=tuple(notes)), title, output)
        if not as_json:
            tell(notes)
        print(to_json({"path": output}) if as_json else f"saved {output}")
    elif as_json:
        print(to_json(as_data(view, notes)))
    else:
        for note in notes:
            print(note)
        if sys.stdout.isatty():
            in_colours(view)
        else:
            in_lines(view)


def as_data(view: "View", notes: Sequence[str]) -> dict[str, object]:
    data: dict[str, object] = {"tokens": view.tokens, "notes": notes}
    data["strips"] = [{"title": strip.title, "values": strip.values} for strip in view.strips]
    if view.links is not None:
        data["links"] = {"title": view.links.title, "unit": view.links.unit, "rows": view.links.values.tolist()}
    return data


def in_lines(view: "View") -> None:
    """A token a line: its values, or the tokens that counted most for it."""
    for place, token in enumerate(view.tokens):
        cells = [f"{strip.values[place]:+.3f}" for strip in view.strips]
        if view.links is not None:
            row = view.links.values[place]
            order = [each for each in row.argsort()[::-1][:3].tolist() if row[each] > 0]
            cells += [f"{row[each]:.3f} {shown(view.tokens[each])}@{each}" for each in order]
        print("\t".join([shown(token), *cells]))


def in_colours(view: "View") -> None:
    """The text once for each strip; of links, what bears on the text as a whole."""
    from rich.console import Console
    from rich.text import Text

    from parrotlet.inside import Strip
    from parrotlet.plots.views import colour

    strips = list(view.strips)
    if view.links is not None:
        sums = view.links.values.sum(0)
        strips.append(Strip(f"{view.links.title} on all that follows ({view.links.unit}); -o page.html shows each",
                            tuple(sums.tolist()), 0.0, float(max(sums.max(initial=0.0), 1e-9))))  # fmt: skip
    console = Console(highlight=False)
    for strip in strips:
        console.print(Text(strip.title, style="bold"))
        text = Text()
        for token, value in zip(view.tokens, strip.values, strict=True):
            red, green, blue = (round(255 * part) for part in colour(value, strip.low, strip.high))
            style = f"black on #{red:02x}{green:02x}{blue:02x}" if (red, green, blue) != (255, 255, 255) else ""
            text.append("↵\n" if token == "\n" else harmless(token), style)
        console.print(text)
        console.print()

"""A model file comes in; what it holds goes out: sizes, settings, card and the course of its training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson, the_model
from parrotlet.errors import ParrotletError
from parrotlet.show import clock, harmless

if TYPE_CHECKING:
    from parrotlet.bundle import Bundle, Card
    from parrotlet.settings import LayerSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)
MOST_NAMES = 20
BLOCKS = "▁▂▃▄▅▆▇█"


@app.command()
def inspect(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="a model file [the only one here, or pretrained]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a model file holds."""
    from parrotlet.bundle import load_bundle
    from parrotlet.pretrained import found

    path = str(found(the_model(model)))
    bundle = load_bundle(path)
    if as_json:
        print(to_json(facts(bundle, path)))
        return
    for name, value in lines(bundle, path):
        print(harmless(f"{name:<12} {value}").rstrip())


def facts(bundle: "Bundle", path: str) -> dict[str, Any]:
    """All that is in the file but the weights themselves, and but the settings of a training that is not known."""
    from parrotlet.comparison import was_trained

    unknown = None if was_trained(bundle.card) else {"training"}
    return {
        "path": path,
        "bytes": Path(path).stat().st_size,
        "card": bundle.card.model_dump(mode="json"),
        "settings": bundle.settings.model_dump(mode="json", exclude=unknown),
        "tokenizer": {"level": bundle.tokenizer.level, "tokens": len(bundle.tokenizer)},
        "labels": {column: list(names) for column, names in bundle.labels.items()},
        "arrays": {name: list(array.shape) for name, array in bundle.weights.items()},
        "report": dict(bundle.report),
    }


def lines(bundle: "Bundle", path: str) -> Iterator[tuple[str, str]]:
    """The same to be read: a name and what is to be said."""
    from parrotlet.comparison import telling, was_trained
    from parrotlet.runtime.compiled import library

    card, network = bundle.card, bundle.settings.network
    weights = sum(array.size for array in bundle.weights.values())
    yield "file", f"{path}, {Path(path).stat().st_size:,} bytes, {weights:,} weights"
    yield "network", network.in_words()
    yield "tokenizer", f"{bundle.tokenizer.level}, {len(bundle.tokenizer):,} tokens"
    for column, names in bundle.labels.items():
        yield "labels", f"{column}: {', '.join(names[:MOST_NAMES])}{' …' if len(names) > MOST_NAMES else ''}"
    yield from course(card) if was_trained(card) else origin(card)
    kernel = library()
    yield "writes with", f"numpy: {kernel}" if isinstance(kernel, str) else "the compiled kernel"
    yield "made", f"{card.date} by parrotlet {card.version}"
    if bundle.report:
        yield "report", main_line(bundle, path)
    for note in card.notes:
        yield "note", note
    yield "", ""
    yield "network:", listed(telling(network))
    for place, layer in enumerate(network.stack, 1):
        yield f"  layer {place}", layer_in_words(layer)
    if was_trained(card):
        yield "", ""
        yield "training:", listed(bundle.settings.training.model_dump())


def main_line(bundle: "Bundle", path: str) -> str:
    """The report card in plain words, or why it cannot be read."""
    from parrotlet.report import report_in

    try:
        return f"{report_in(bundle, path).sentence} (parrotlet report {path})"
    except ParrotletError as error:
        return str(error)


def course(card: "Card") -> Iterator[tuple[str, str]]:
    """What it was trained on, for how long, and how that went."""
    best = card.validation_bits_per_character
    kind = "one long text" if card.form == "text" else f"{card.documents:,} documents"
    yield "trained on", f"{card.trained_on}, {kind}, {card.characters:,} characters"
    yield "training", f"{card.steps:,} steps, {card.epochs:.2f} epochs, {clock(card.seconds)} on {card.device}"
    yield "validation", "none was held back" if best is None else f"{best:.4f} bits per character"
    yield "history", sparkline([each.validation or each.train for each in card.history])


def origin(card: "Card") -> Iterator[tuple[str, str]]:
    """The same of a model that was not trained here."""
    if card.trained_on:
        yield "origin", card.trained_on
    yield "writes", "one long text" if card.form == "text" else "short documents"
    yield "training", "not known (taken over from another program)"


def listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def layer_in_words(layer: "LayerSettings") -> str:
    """``lstm, 256 units, bidirectional, final, activation tanh, gate sigmoid``."""
    told = [layer.kind, f"{layer.units} units"]
    told += [name for name in ("bidirectional", "final") if getattr(layer, name)]
    told.append(f"activation {layer.activation}")
    if layer.kind in ("lstm", "gru"):
        told.append(f"gate {layer.gate}")
    if layer.kind == "gru" and not layer.reset_after:
        told.append("reset before the product")
    return ", ".join(told)


def sparkline(values: Sequence[float | None]) -> str:
    """The course of some figures in one word, with the first and the last beside it."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return f"{known[0]:.3f} {''.join(BLOCKS[round((value - low) * scale)] for value in known)} {known[-1]:.3f}"

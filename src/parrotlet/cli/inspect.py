"""A model file comes in; what it holds goes out: sizes, settings, card and the course of its training."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parrotlet.cli.console import as_json as to_json
from parrotlet.cli.options import AsJson, the_model
from parrotlet.show import clock, harmless

if TYPE_CHECKING:
    from parrotlet.bundle import Bundle

app = typer.Typer(add_completion=False, rich_markup_mode=None)
BLOCKS = "▁▂▃▄▅▆▇█"


@app.command()
def inspect(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="a model file [the only one here]")] = None,
    as_json: AsJson = False,
) -> None:
    """What a model file holds."""
    from parrotlet.bundle import load_bundle

    path = the_model(model)
    bundle = load_bundle(path)
    if as_json:
        print(to_json(facts(bundle, path)))
        return
    for name, value in lines(bundle, path):
        print(harmless(f"{name:<12} {value}").rstrip())


def facts(bundle: "Bundle", path: str) -> dict[str, Any]:
    """All that is in the file but the weights themselves."""
    return {
        "path": path,
        "bytes": Path(path).stat().st_size,
        "card": bundle.card.model_dump(mode="json"),
        "settings": bundle.settings.model_dump(mode="json"),
        "tokenizer": {"level": bundle.tokenizer.level, "tokens": len(bundle.tokenizer)},
        "arrays": {name: list(array.shape) for name, array in bundle.weights.items()},
        "report": dict(bundle.report),
    }


def lines(bundle: "Bundle", path: str) -> Iterator[tuple[str, str]]:
    """The same to be read: a name and what is to be said."""
    from parrotlet.runtime.compiled import library

    card = bundle.card
    best = card.validation_bits_per_character
    weights = sum(array.size for array in bundle.weights.values())
    yield "file", f"{path}, {Path(path).stat().st_size:,} bytes, {weights:,} weights"
    yield "network", bundle.settings.network.in_words()
    yield "tokenizer", f"{bundle.tokenizer.level}, {len(bundle.tokenizer):,} tokens"
    kind = "one long text" if card.form == "text" else f"{card.documents:,} documents"
    yield "trained on", f"{card.trained_on}, {kind}, {card.characters:,} characters"
    yield "training", f"{card.steps:,} steps, {card.epochs:.2f} epochs, {clock(card.seconds)} on {card.device}"
    yield "validation", "none was held back" if best is None else f"{best:.4f} bits per character"
    yield "history", sparkline([each.validation or each.train for each in card.history])
    kernel = library()
    yield "writes with", f"numpy: {kernel}" if isinstance(kernel, str) else "the compiled kernel"
    yield "made", f"{card.date} by parrotlet {card.version}"
    for note in card.notes:
        yield "note", note
    for section, model in (("network", bundle.settings.network), ("training", bundle.settings.training)):
        values = model.model_dump(exclude_none=True)
        yield "", ""
        yield section + ":", ", ".join(f"{name} {value}" for name, value in values.items())


def sparkline(values: Sequence[float | None]) -> str:
    """The course of some figures in one word, with the first and the last beside it."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return f"{known[0]:.3f} {''.join(BLOCKS[round((value - low) * scale)] for value in known)} {known[-1]:.3f}"

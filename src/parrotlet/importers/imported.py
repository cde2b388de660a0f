"""The parts of a model that was taken over come in; a Bundle and what is to be told about it go out."""

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from parrotlet._version import VERSION
from parrotlet.bundle import Bundle, Card
from parrotlet.errors import ParrotletError
from parrotlet.importers.vocabulary import Vocabulary
from parrotlet.importers.weights import FloatArray
from parrotlet.runtime.shapes import checked_weights
from parrotlet.settings import CorpusSettings, LayerSettings, NetworkSettings, Settings

CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN", "dense": "Dense"}


@dataclass(frozen=True)
class Imported:
    """A model that was taken over: what kind of file it was, its layers, its vocabulary, and what was assumed."""

    bundle: Bundle
    kind: str
    layers: tuple[str, ...]
    vocabulary: str
    assumed: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """All of it as plain data."""
        network = self.bundle.settings.network
        return {
            "kind": self.kind,
            "layers": list(self.layers),
            "vocabulary": self.vocabulary,
            "tokens": len(self.bundle.tokenizer),
            "context": network.context,
            "form": self.bundle.card.form,
            "parameters": self.bundle.card.parameters,
            "assumed": list(self.assumed),
        }


def finished(
    name: str,
    kind: str,
    layers: Sequence[str],
    network: NetworkSettings,
    weights: Mapping[str, FloatArray],
    vocabulary: Vocabulary,
    form: Literal["text", "lines"],
    assumed: Sequence[str],
) -> Imported:
    """A sound Bundle, its card telling where it came from; raises ParrotletError where weights and settings differ."""
    told = (*vocabulary.notes, *assumed)
    try:
        weights = checked_weights(network, weights, len(vocabulary.tokenizer))
    except ParrotletError as error:
        raise ParrotletError(f"{name}: {error}") from None
    card = Card(
        trained_on=f"imported from {os.path.basename(name)}",
        form=form,
        parameters=sum(values.size for values in weights.values()),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=VERSION,
        notes=(f"imported from {os.path.basename(name)}, {kind}: {', '.join(layers)}", *told),
    )
    settings = Settings(corpus=CorpusSettings(form=form), tokenizer=vocabulary.settings, network=network)
    bundle = Bundle(weights, settings, vocabulary.tokenizer, card)
    return Imported(bundle, kind, tuple(layers), _described(vocabulary), told)


def _described(vocabulary: Vocabulary) -> str:
    """How many classes, of what."""
    what = "words" if vocabulary.settings.level == "textgenrnn-word" else "characters"
    return f"{sum(each is not None for each in vocabulary.classes):,} classes of {what}"


def told_layer(layer: LayerSettings) -> str:
    """One layer in the words of Keras."""
    told = f"{CLASSES[layer.kind]} {layer.units}"
    if layer.bidirectional:
        told = f"Bidirectional {told}"
    options: list[str] = (
        [] if layer.activation == ("linear" if layer.kind == "dense" else "tanh") else [layer.activation]
    )
    options += [layer.gate] if layer.kind in ("lstm", "gru") and layer.gate != "sigmoid" else []
    options += ["reset before the product"] if layer.kind == "gru" and not layer.reset_after else []
    return told + (f" ({', '.join(options)})" if options else "")

"""Sources and settings come in; all that the training loop needs goes out: tokenizer, ids, network, starting weights.

A run starts anew, from a model (fine-tuning) or from its own folder (resuming).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle
from parrotlet.corpus import Corpus, open_corpus
from parrotlet.dataset import Encoded, Split, encode_corpus, open_encoded, split
from parrotlet.errors import ParrotletError
from parrotlet.learning.checkpoint import Arrays, Progress, RunFolder
from parrotlet.learning.machine import settle_threads
from parrotlet.learning.plan import plan, sensible_minutes
from parrotlet.networks import Network, build_network
from parrotlet.runtime.shapes import expected_shapes
from parrotlet.settings import Settings, parse_settings
from parrotlet.tokenizers import Tokenizer, load_tokenizer, train_tokenizer

Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Corpus

# How much of a long text is looked at to find its symbols' frequencies: enough for a starting point.
FREQUENCY_SAMPLE = 4_000_000


@dataclass
class Prepared:
    """A run that is ready to begin or to go on."""

    settings: Settings
    tokenizer: Tokenizer
    encoded: Encoded
    split: Split
    network: Network
    trained_on: str
    notes: list[str]
    progress: Progress
    weights: Arrays | None = None  # to begin with, where they are not the network's own
    best: Arrays | None = None
    resumable: Arrays | None = None


def as_corpus(sources: Sources, settings: Settings) -> Corpus:
    """A corpus as it is, or the files, folders, addresses and names that ``sources`` lists."""
    if isinstance(sources, Corpus):
        return sources
    return open_corpus([sources] if isinstance(sources, str | os.PathLike) else list(sources), settings.corpus)


def prepare(
    sources: Sources, settings: Settings, folder: RunFolder, start_from: Bundle | None, seconds_used: float
) -> Prepared:
    """Read the corpus, make or take over a tokenizer, encode, decide what was left open, build the network."""
    corpus = as_corpus(sources, settings)
    tokenizer = _tokenizer(corpus, settings, start_from)
    notes = list(corpus.notes)  # after the first pass, which counts what had to be left out
    encoded = encode_corpus(corpus, tokenizer, folder.folder)
    if start_from is not None:
        settings = settings.model_copy(
            update={"network": start_from.settings.network, "tokenizer": start_from.settings.tokenizer}
        )
        notes.extend(_growth(start_from.tokenizer, tokenizer))
    settings = settings.model_copy(update={"corpus": settings.corpus.model_copy(update={"form": corpus.form})})
    settings = _with_budget(settings, encoded, notes)
    minutes = settings.training.minutes
    if minutes and (remark := settle_threads()):
        notes.append(remark)
    settings = plan(settings, encoded.tokens, len(tokenizer), minutes * 60 - seconds_used if minutes else None)
    network = build_network(settings.network, len(tokenizer), settings.training.seed)
    division = split(encoded, settings.training.validation)
    prepared = Prepared(settings, tokenizer, encoded, division, network, corpus.name, notes, Progress())
    if start_from is not None:
        prepared.weights = grow(start_from, tokenizer, settings.training.seed)
    else:
        _start_at_frequencies(network, encoded)
    facts = {
        "settings": settings.model_dump(mode="json"),
        "tokenizer": tokenizer.to_json(),
        "trained_on": corpus.name,
        "notes": notes,
    }
    folder.create(facts)
    return prepared


def take_up(folder: RunFolder) -> Prepared | None:
    """What the folder of an interrupted run holds, None where the run is finished; ParrotletError where damaged."""
    facts = folder.facts()
    try:
        settings = parse_settings(facts["settings"])
        tokenizer = load_tokenizer(facts["tokenizer"])
        trained_on, notes = str(facts["trained_on"]), [str(note) for note in facts["notes"]]
    except (KeyError, TypeError) as error:
        raise ParrotletError(f"{folder.folder / 'run.json'} is damaged, so this run cannot go on: {error}") from error
    progress, weights, best, resumable = folder.load()
    if progress.finished:
        return None
    encoded = open_encoded(folder.folder)
    network = build_network(settings.network, len(tokenizer), settings.training.seed)
    division = split(encoded, settings.training.validation)
    return Prepared(
        settings, tokenizer, encoded, division, network, trained_on, notes, progress, weights, best or None, resumable
    )


def _tokenizer(corpus: Corpus, settings: Settings, start_from: Bundle | None) -> Tokenizer:
    pieces = (piece for document in corpus.documents() for piece in document.pieces)
    if start_from is not None:
        return start_from.tokenizer.extended(pieces, start_from.settings.tokenizer)
    return train_tokenizer(pieces, settings.tokenizer)


def _growth(before: Tokenizer, after: Tokenizer) -> list[str]:
    added = [after.token(index) for index in range(len(before), len(after))]
    if not added:
        return []
    shown = " ".join(repr(token)[1:-1] for token in added[:20]) + (" …" if len(added) > 20 else "")
    return [f"the vocabulary grew by {len(added)} from {len(before)}: {shown}"]


def _with_budget(settings: Settings, encoded: Encoded, notes: list[str]) -> Settings:
    training = settings.training
    if training.minutes or training.epochs or training.steps:
        return settings
    minutes = sensible_minutes(encoded.tokens)
    notes.append(f"no --minutes, --epochs or --steps given: training for {minutes:g} minutes, by the corpus length")
    return settings.model_copy(update={"training": training.model_copy(update={"minutes": minutes})})


def _start_at_frequencies(network: Network, encoded: Encoded) -> None:
    """Let the output biases begin at the log frequencies, which saves the first steps from learning them."""
    bias = network.output.bias.data
    step = max(1, len(encoded.ids) // FREQUENCY_SAMPLE)
    counts = np.bincount(encoded.ids[::step].astype(np.int64), minlength=len(bias)) + 0.01
    bias.copy_(bias.new_tensor(np.log(counts / counts.sum())))


def grow(bundle: Bundle, tokenizer: Tokenizer, seed: int) -> dict[str, npt.NDArray[Any]]:
    """The weights of ``bundle`` with room for the ids that ``tokenizer`` has more: what was learned stays as it is.

    New embeddings are drawn like the learned ones are spread, new output rows are zero with the lowest learned bias.
    """
    before, after = len(bundle.tokenizer), len(tokenizer)
    weights = {name: array.copy() for name, array in bundle.weights.items()}
    if before == after:
        return weights
    random = np.random.default_rng(seed)
    for name, shape in expected_shapes(bundle.settings.network, after).items():
        old = weights[name]
        if old.shape == shape:
            continue
        new = np.zeros(shape, np.float32)
        if name.endswith("bias"):
            new[:] = old.min()
        elif name != "output.weight":  # an embedding or one-hot input weights
            new[:] = random.normal(0.0, float(old.std()), shape)
        new[tuple(slice(size) for size in old.shape)] = old
        weights[name] = new
    if bundle.settings.network.input == "number":  # the id is divided by the size of the vocabulary, which grew
        weights["layers.0.weight_ih_l0"] *= after / before
    return weights

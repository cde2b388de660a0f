"""Sources and settings come in; all that the training loop needs goes out: tokenizer, ids, network, starting weights.

A run starts anew, from a model (fine-tuning) or from its own folder (resuming).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parrotlet.bundle import Bundle, Labels, check_header
from parrotlet.corpus import Corpus, Sources, as_read, from_texts
from parrotlet.dataset import (
    POSITION,
    Encoded,
    Split,
    check_batches,
    encode_corpus,
    longer_documents,
    open_encoded,
    remove_encoded,
    split,
)
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.learning.checkpoint import Arrays, Progress, RunFolder
from parrotlet.learning.learner import choose_device, choose_precision
from parrotlet.learning.machine import settle_threads
from parrotlet.learning.plan import plan, sensible_minutes
from parrotlet.learning.remarks import without_effect
from parrotlet.learning.starting import grow, start_at_frequencies
from parrotlet.networks import Network, build_network
from parrotlet.runtime.shapes import expected_shapes, state_shape
from parrotlet.settings import (
    NetworkSettings,
    Section,
    Settings,
    TokenizerSettings,
    check,
    parse_settings,
)
from parrotlet.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from parrotlet.writer import Writer

KNOWN_BY = 2000  # tokens of a text by which it is seen whether a model knows its like
NO_ORIGIN: Mapping[str, str] = {}


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
    labels: Labels  # by which the network tells texts apart
    fine_tunes: bool = False
    weights: Arrays | None = None  # to begin with, where they are not the network's own
    best: Arrays | None = None
    resumable: Arrays | None = None
    origin: Mapping[str, str] = field(default_factory=dict)  # what its sources and the model it began from were called


def prepare(
    sources: Sources,
    settings: Settings,
    folder: RunFolder,
    start_from: Bundle | None,
    began: float,
    check: Callable[[], None] = lambda: None,
    origin: Mapping[str, str] = NO_ORIGIN,
) -> Prepared:
    """Read the corpus, make or take over a tokenizer, encode, decide what was left open, build the network.

    ``began`` is the ``time.perf_counter()`` from which minutes are counted; ``check`` is called at each piece of the
    text and may raise, to end it early; ``origin``: what to call the sources and the model that it begins from.
    """
    asked = settings
    if asked.network.label_counts:
        counts = asked.network.label_counts
        raise UsageError(f"network.label_counts = {counts!r} follows from the labels of the texts: see corpus.labels")
    if start_from is not None:
        settings = _with_model(settings, start_from.settings)
    corpus, read_by = as_read(sources, settings.corpus, asked.corpus)
    settings = settings.model_copy(update={"corpus": read_by})
    labels = _check(settings, corpus)
    known = start_from.labels if start_from is not None else {}
    parts = _parts(settings, labels, known)  # before anything of an earlier run is touched
    tokenizer = _tokenizer(corpus, settings, start_from, check)
    columns = {column: names for column, names in known.items() if column != POSITION}
    with folder.begun() as place:
        encode_corpus(corpus, tokenizer, place, check, columns if labels else None, parts)
    encoded = open_encoded(folder.folder)
    try:
        prepared = _decided(asked, settings, corpus, encoded, tokenizer, start_from, began)
        prepared.origin = origin
        folder.create(_facts(prepared))
    except BaseException:
        remove_encoded(folder.folder)  # nothing could go on from it
        raise
    return prepared


def _decided(
    asked: Settings,
    settings: Settings,
    corpus: Corpus,
    encoded: Encoded,
    tokenizer: Tokenizer,
    start_from: Bundle | None,
    began: float,
) -> Prepared:
    """The run over an encoded corpus: every setting that was left open, the network, and what is told of them."""
    known = start_from.labels if start_from is not None else {}
    if encoded.label_names and not settings.network.attention:
        known = encoded.label_names
    counts = tuple(len(names) for names in known.values())
    settings = settings.model_copy(update={"network": settings.network.model_copy(update={"label_counts": counts})})
    notes = _remarks(settings, corpus, encoded, tokenizer)
    if start_from is not None:
        taken_over = () if start_from.card.steps else start_from.card.notes[:1]
        notes = [*taken_over, *notes, *_growth(start_from.tokenizer, tokenizer)]
        if tokenizer.level == "bpe" and (size := asked.tokenizer.size) not in (None, len(tokenizer)):
            why = f"the model has {len(tokenizer)} tokens, and merges are not added to"
            notes.append(f"tokenizer.size = {size} changes nothing: {why}")
    settings = _resolved(settings, corpus.form, encoded, notes)
    minutes = settings.training.minutes
    left = max(1.0, minutes * 60 - (time.perf_counter() - began)) if minutes else None
    settings = plan(settings, encoded.tokens, len(tokenizer), left, _known(start_from, tokenizer, encoded))
    notes += without_effect(asked, settings)
    check_header(settings, tokenizer, known)
    network = build_network(settings.network, len(tokenizer), settings.training.seed)
    division = split(encoded, settings.training.validation)
    prepared = Prepared(settings, tokenizer, encoded, division, network, corpus.name, notes, Progress(), known)
    if start_from is not None:
        prepared.fine_tunes = True
        prepared.weights = grow(start_from, tokenizer, settings.training.seed, counts)
    else:
        start_at_frequencies(network, encoded)
    return prepared


def _facts(run: Prepared) -> dict[str, Any]:
    """What ``run.json`` holds: all of a run that neither its arrays nor its encoded text hold."""
    return {
        "settings": run.settings.model_dump(mode="json"),
        "tokenizer": run.tokenizer.to_json(),
        "trained_on": run.trained_on,
        "notes": run.notes,
        "labels": {column: list(names) for column, names in run.labels.items()},
        "origin": dict(run.origin),
    }


def _remarks(settings: Settings, corpus: Corpus, encoded: Encoded, tokenizer: Tokenizer) -> list[str]:
    """What is told of the text, after a whole pass over it."""
    notes = [*corpus.notes]
    if encoded.empty:
        documents = "1 document is" if encoded.empty == 1 else f"{encoded.empty:,} documents are"
        notes.append(f"{documents} left out: nothing is left of them by tokenizer.level = {tokenizer.level!r}")
    window = settings.training.window
    if settings.training.sequences and (cut := longer_documents(encoded, window)):
        notes.append(
            f"{cut:,} of {encoded.documents:,} documents are longer than training.window = {window}: "
            "what lies behind it is not learned"
        )
    return notes


def take_up(folder: RunFolder) -> Prepared | None:
    """What the folder of an interrupted run holds, None where the run is finished; ParrotletError where damaged."""
    facts = folder.facts()
    try:
        settings = parse_settings(facts["settings"])
        tokenizer = load_tokenizer(facts["tokenizer"])
        trained_on, notes = str(facts["trained_on"]), [str(note) for note in facts["notes"]]
        labels = {str(column): tuple(map(str, names)) for column, names in facts["labels"].items()}
        origin = {str(what): str(name) for what, name in facts.get("origin", {}).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ParrotletError(f"{folder.folder / 'run.json'} is damaged, so this run cannot go on: {error}") from error
    progress, weights, best, resumable = folder.load()
    if progress.finished:
        remove_encoded(folder.folder)  # where a kill came between the two
        return None
    _check_weights(weights, settings, len(tokenizer), folder)
    encoded = open_encoded(folder.folder)
    network = build_network(settings.network, len(tokenizer), settings.training.seed)
    division = split(encoded, settings.training.validation)
    return Prepared(
        settings,
        tokenizer,
        encoded,
        division,
        network,
        trained_on,
        notes,
        progress,
        labels,
        weights=weights,
        best=best or None,
        resumable=resumable,
        origin=origin,
    )


def _check(settings: Settings, corpus: Corpus) -> list[str]:
    """The columns of labels; raises UsageError for what cannot be trained, before an earlier run is touched."""
    state_shape(settings.network)
    check_batches(settings, corpus.form)
    first = next(corpus.documents(), None)
    labels = list(settings.corpus.labels or (first.labels if first is not None else ()))
    if labels and first is not None and not first.labels:
        why = "one long text has none: leave form = 'text' out" if corpus.form == "text" else f"{corpus.name} has none"
        raise UsageError(f"corpus.labels = {labels!r}: {why}")
    if first is not None and labels != (found := list(first.labels)):
        raise UsageError(f"corpus.labels = {labels!r}: {corpus.name} has labels for {found!r}")
    network = settings.network
    if settings.corpus.position and network.attention:
        raise UsageError("corpus.position does not go with network.attention: leave it out")
    if (labels or settings.corpus.position) and not network.attention and (network.tied or network.input != "learned"):
        other = "network.tied" if network.tied else f"network.input = {network.input!r}"
        given = f"corpus.labels = {labels!r} do" if labels else "corpus.position does"
        raise UsageError(f"{given} not go with {other}: leave one of them out")
    return labels


def _parts(settings: Settings, labels: Sequence[str], known: Labels) -> int:
    """Into how many parts documents are divided; raises UsageError where a model that is gone on from knows others."""
    parts, before = settings.corpus.position, len(known.get(POSITION, ()))
    if known and (parts or labels):
        parts = parts or before
        wanted, found = [*(each for each in known if each != POSITION)], list(labels)
        if wanted != found:
            raise UsageError(f"corpus.labels = {found!r}: the model has labels for {wanted!r}, give the same columns")
        if parts != before:
            raise UsageError(f"corpus.position = {parts} cannot be changed: the model has {before}")
    return parts


def _check_weights(weights: Arrays, settings: Settings, vocabulary: int, folder: RunFolder) -> None:
    if {name: array.shape for name, array in weights.items()} != expected_shapes(settings.network, vocabulary):
        raise ParrotletError(f"{folder.folder} is damaged, so this run cannot go on: its weights fit no such network")


def _with_model(settings: Settings, model: Settings) -> Settings:
    """The settings of a run that goes on from a model: its tokenizer and network, with another dropout if asked for.

    What learned conversations reads conversations, unless told otherwise.
    """
    both: dict[str, Section] = {}
    for section, kind in (("network", NetworkSettings), ("tokenizer", TokenizerSettings)):
        given, known = getattr(settings, section), getattr(model, section)
        for name in kind.model_fields:  # in their order, which a set has not
            value, before = getattr(given, name), getattr(known, name)
            changed = name in given.model_fields_set and value != before
            if changed and not name.startswith("dropout") and name not in ("size", "min_count"):
                raise UsageError(f"{section}.{name} = {value!r} cannot be changed: the model has {before!r}")
        both[section] = check(kind, {**known.model_dump(), **given.model_dump(exclude_unset=True)}, section)
    dialogue = settings.corpus.dialogue or (
        model.corpus.dialogue and "dialogue" not in settings.corpus.model_fields_set
    )
    corpus = settings.corpus.model_copy(update={"dialogue": dialogue})
    return settings.model_copy(update={**both, "corpus": corpus})


def _known(start_from: Bundle | None, tokenizer: Tokenizer, encoded: Encoded) -> float:
    """How well a model knows a text, by its first tokens: 1 where they cost at most half of what guessing would."""
    if start_from is None:
        return 0.0
    ids = np.asarray(encoded.ids[: min(KNOWN_BY, encoded.tokens)])
    texts = [tokenizer.decode(part.tolist()) for part in np.split(ids, np.flatnonzero(ids == encoded.stop))]
    signs = len(set("".join(texts)))
    if signs < 2:
        return 0.0
    try:
        bits = Writer(start_from).score(from_texts(texts, encoded.form), encoded.form).bits_per_character
    except ParrotletError:  # nothing but blanks, or nothing that the model can read
        return 0.0
    return min(1.0, max(0.0, 2 - 2 * bits / math.log2(signs)))


def _tokenizer(corpus: Corpus, settings: Settings, start_from: Bundle | None, check: Callable[[], None]) -> Tokenizer:
    def read() -> Iterator[str]:
        for document in corpus.documents():
            for piece in document.pieces:
                check()
                yield piece

    pieces = read()
    if start_from is not None:
        return start_from.tokenizer.extended(pieces, settings.tokenizer)
    return train_tokenizer(pieces, settings.tokenizer)


def _growth(before: Tokenizer, after: Tokenizer) -> list[str]:
    added = [after.token(index) for index in range(len(before), len(after))]
    if not added:
        return []
    shown = " ".join(repr(token)[1:-1] for token in added[:20]) + (" …" if len(added) > 20 else "")
    return [f"the vocabulary grew by {len(added)} from {len(before)}: {shown}"]


def _resolved(settings: Settings, form: str, encoded: Encoded, notes: list[str]) -> Settings:
    """What was automatic is named: the form, the device, the precision, and a budget where none was given."""
    device = choose_device(settings.training.device)
    precision = choose_precision(settings.training.precision, device)
    chosen: dict[str, Any] = {"device": device.type, "precision": str(precision).removeprefix("torch.")}
    if not (settings.training.minutes or settings.training.epochs or settings.training.steps):
        chosen["minutes"] = sensible_minutes(encoded.tokens)
        notes.append(
            f"no --minutes, --epochs or --steps given: training for {chosen['minutes']:g} minutes, by the corpus length"
        )
    training = settings.training.model_copy(update=chosen)
    if training.minutes and device.type == "cpu" and (remark := settle_threads()):
        notes.append(remark)
    corpus = settings.corpus.model_copy(update={"form": form})
    return settings.model_copy(update={"corpus": corpus, "training": training})

"""The archive of textgenrnn's weights comes in, with its vocabulary and configuration; an Imported model goes out.

textgenrnn 2.0 (model.py): an embedding, LSTM layers that each read the one before, and a weighted average over time of
the embedding and all layers. Its class 0 is at once the padding of the window and every unknown token.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.importers.alphabet import Path, read_json
from parrotlet.importers.imported import Imported, finished
from parrotlet.importers.keras import in_words
from parrotlet.importers.published import VOCABULARY
from parrotlet.importers.reader import Archive
from parrotlet.importers.stored import Stored
from parrotlet.importers.vocabulary import Meaning, are_words, build_vocabulary, counted
from parrotlet.importers.weights import NEVER, FloatArray, dense_arrays, layer_arrays, selected
from parrotlet.settings import LayerSettings, NetworkSettings, check

STOP = "<s>"
PUBLISHED_ROWS = len(VOCABULARY) + 1
PUBLISHED = "textgenrnn's published vocabulary (textgenrnn_vocab.json of its package)"
WINDOW = 40  # its max_length by default
SIZES = {"rnn_layers": int, "rnn_size": int, "rnn_bidirectional": bool, "dim_embeddings": int}
CHOICES = {"max_length": int, "word_level": bool, "single_text": bool}
Layers = Mapping[str, Sequence[FloatArray]]


@dataclass(frozen=True)
class Sizes:
    """What the shapes say, under the names of textgenrnn's options; ``rows``: classes, class 0 among them."""

    rows: int
    rnn_layers: int
    rnn_size: int
    rnn_bidirectional: bool
    dim_embeddings: int


def is_textgenrnn(layers: Sequence[Stored]) -> bool:
    """Whether the layers bear the names that textgenrnn gives."""
    return {"embedding", "rnn_1", "attention", "output"} <= {layer.name for layer in layers}


def import_textgenrnn(
    archive: Archive,
    layers: Sequence[Stored],
    vocab: Path | Mapping[str, int] | None,
    config: Any = None,
    context: int | None = None,
    lowercase: bool | None = None,
    config_name: str = "the configuration",
) -> Imported:
    """``config``: the parsed config.json; ``context``, ``lowercase``: other than it says.

    What is not given is looked for beside the weights, as NAME_vocab.json and NAME_config.json, and told.
    Raises ParrotletError where weights and vocabulary are not of one model.
    """
    arrays = {layer.name: layer.arrays for layer in layers}
    sizes = _sizes(archive, arrays)
    notes: list[str] = []
    name, found, together = _vocabulary(archive, vocab, sizes.rows, notes)
    tokens = _tokens(archive, name, found, sizes.rows, notes)
    options = _options(config, config_name)
    if config is None and together:
        options = _options_beside(archive, sizes, notes)
    notes += [
        f"the configuration says {name} = {options[name]}, the weights {getattr(sizes, name)}: the weights count"
        for name in SIZES
        if options.get(name, getattr(sizes, name)) != getattr(sizes, name)
    ]
    window = context or options.get("max_length")
    if window is None:
        window = WINDOW
        notes.append(f"no configuration: a window of max_length = {WINDOW} is assumed")
    meaning = _meaning(tokens, options, notes)
    if lowercase is not None:
        meaning = replace(meaning, lowercase=lowercase)
    vocabulary = build_vocabulary(meaning, sizes.rows)
    values = {
        **{"kind": "lstm", "hidden": sizes.rnn_size, "layers": sizes.rnn_layers, "embedding": sizes.dim_embeddings},
        **{"context": window, "padded": True, "attention": True, "bidirectional": sizes.rnn_bidirectional},
    }
    try:
        network = check(NetworkSettings, values, "network")
    except UsageError as error:
        raise archive.error(str(error)) from None
    weights = _weights(archive, arrays, sizes, vocabulary.classes)
    each = f"{'Bidirectional ' * sizes.rnn_bidirectional}LSTM {sizes.rnn_size}"
    told = [f"Embedding {sizes.rows} × {sizes.dim_embeddings}", *[each] * sizes.rnn_layers]
    told += [f"attention-weighted average of {counted(window, 'step')}", f"Dense {sizes.rows}"]
    layout = ", cuDNN layout" if arrays["rnn_1"][-1].size == 8 * sizes.rnn_size else ""
    version = archive.attributes.get("", {}).get("keras_version")
    wrote = in_words(str(version)[:20]) if version else "an unknown Keras"
    kind = f"weights of textgenrnn ({wrote}{layout})"
    return finished(archive.name, kind, told, network, weights, vocabulary, "lines" if meaning.ends else "text", [])


def _sizes(archive: Archive, arrays: Layers) -> Sizes:
    """The shapes must be those of textgenrnn's network."""
    shapes = {name: [array.shape for array in of_layer] for name, of_layer in arrays.items()}
    cell = shapes["rnn_1"]
    count = 1
    while f"rnn_{count + 1}" in shapes:
        count += 1
    if len(shapes["embedding"][0]) != 2 or len(cell) not in (3, 6) or len(cell[1]) != 2:
        raise archive.error("its layers have the names of textgenrnn's but not their shapes")
    rows, embedding = shapes["embedding"][0]
    sizes = Sizes(rows, count, cell[1][0], len(cell) == 6, embedding)
    features = embedding + count * sizes.rnn_size * (2 if sizes.rnn_bidirectional else 1)
    if shapes["attention"] != [(features, 1)] or shapes["output"] != [(features, rows), (rows,)]:
        raise archive.error(
            f"its attention has the shape {shapes['attention'][0]}; {rows} classes and {count} layers ask for "
            f"{(features, 1)}"
        )
    return sizes


def _options(config: Any, where: str) -> dict[str, Any]:
    """The options of a config.json that bear on the model; all others are passed over. ``where``: its name."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ParrotletError(f'{where}: a configuration of textgenrnn is a JSON object such as {{"max_length": 40}}')
    options = {}
    for name, kind in {**SIZES, **CHOICES}.items():
        if name in config:
            if type(config[name]) is not kind:
                raise ParrotletError(f"{where} says {name} = {str(config[name])[:80]!r}, not a {kind.__name__}")
            options[name] = config[name]
    return options


def _options_beside(archive: Archive, sizes: Sizes, notes: list[str]) -> dict[str, Any]:
    """The options of the configuration beside the weights; of one that describes another network none are taken."""
    beside = _beside(archive, "config")
    if beside is None:
        return {}
    options = _options(read_json(beside), os.fspath(beside))
    differing = [name for name in SIZES if options.get(name, getattr(sizes, name)) != getattr(sizes, name)]
    if differing:
        name = differing[0]
        notes.append(f"{beside.name} beside it is of another model ({name} = {options[name]}) and is left out")
        return {}
    notes.append(f"its configuration is {beside.name}, which lies beside it")
    return options


def _vocabulary(
    archive: Archive, vocab: Path | Mapping[str, int] | None, rows: int, notes: list[str]
) -> tuple[str, Mapping[str, int], bool]:
    """The name of the vocabulary, what it holds, and whether a configuration beside the weights goes with it.

    Where none is given it is the one beside the weights, or the published one where the weights have its rows.
    """
    if vocab is not None:
        name = "the vocabulary" if isinstance(vocab, Mapping) else os.fspath(vocab)
        return name, _checked(vocab if isinstance(vocab, Mapping) else read_json(vocab), name), True
    beside = _beside(archive, "vocab")
    if beside is not None:
        name = os.fspath(beside)
        found = _checked(read_json(beside), name)
        if rows != PUBLISHED_ROWS or max(found.values(), default=0) == rows - 1:
            notes.append(f"its vocabulary is {beside.name}, which lies beside it")  # no path: it goes into the file
            return name, found, True
        notes.append(f"{beside.name} beside it has {counted(len(found), 'entry')}: it is of another model, left out")
    if rows == PUBLISHED_ROWS:
        notes.append(f"its vocabulary is {PUBLISHED}: the weights have its {rows} rows")
        return PUBLISHED, VOCABULARY, beside is None
    raise archive.error(
        f"it needs its vocabulary, --vocab FILE: the NAME_vocab.json of {counted(rows - 1, 'entry')} that was saved "
        "with it"
    )


def _checked(found: Any, name: str) -> Mapping[str, int]:
    if not isinstance(found, Mapping) or not all(type(each) is int and 0 < each < 1 << 31 for each in found.values()):
        raise ParrotletError(f"{name}: a vocabulary of textgenrnn gives each token a number from 1")
    return found


def _tokens(archive: Archive, name: str, found: Mapping[str, int], rows: int, notes: list[str]) -> dict[int, str]:
    """The token of each class from 1; the vocabulary must be the one of these weights."""
    tokens = {number: token for token, number in found.items()}  # of two with one number the last, as in textgenrnn
    if not tokens or max(tokens) != rows - 1:
        which = f": its rows are those of {PUBLISHED}" if rows == PUBLISHED_ROWS else ""
        which += f": {name} is {PUBLISHED}" if found == VOCABULARY else ""
        raise archive.error(
            f"its {rows} rows need a vocabulary of {counted(rows - 1, 'entry')}, {name} has {len(found)}, so it is of "
            f"another model{which}"
        )
    notes += _told(found, tokens, rows)
    return tokens


def _told(found: Mapping[str, int], tokens: Mapping[int, str], rows: int) -> Iterator[str]:
    """What is unusual about a vocabulary."""
    lost = [token for token, number in found.items() if tokens[number] != token]
    for token in lost[:5]:
        number = found[token]
        last = tokens[number][:40]
        yield f"{token[:40]!r} and {last!r} both have the number {number}: it is read as {last!r}"
    if rows == PUBLISHED_ROWS and found != VOCABULARY:
        yield f"{rows} rows are those of the published weights, but this is not {PUBLISHED}"


def _meaning(tokens: Mapping[int, str], options: Mapping[str, Any], notes: list[str]) -> Meaning:
    """Characters or words, short documents or one long text: the vocabulary knows better than the configuration."""
    stop = next((number for number, token in tokens.items() if token == STOP), None)
    plain = {number: token for number, token in tokens.items() if number != stop}
    words = bool(options.get("word_level")) or are_words(plain)
    if words and options.get("word_level") is False:
        notes.append("the configuration says word_level = false, but the vocabulary holds words: they count")
    single = stop is None or bool(options.get("single_text"))
    return Meaning(
        tokens=plain,
        stop=stop,
        unknown=0,
        padding=0,
        words=words,
        lowercase=words,
        stop_learned=not single,
        ends=not single,
        notes=tuple(notes),
    )


def _weights(archive: Archive, arrays: Layers, sizes: Sizes, classes: Sequence[int | None]) -> dict[str, FloatArray]:
    """All arrays under torch's names, their rows in the order of the new ids; the padding's row comes last."""
    layer = LayerSettings(kind="lstm", units=sizes.rnn_size, bidirectional=sizes.rnn_bidirectional)
    weights: dict[str, FloatArray] = {}
    width = sizes.dim_embeddings
    for place in range(sizes.rnn_layers):
        name = f"rnn_{place + 1}"
        found = layer_arrays(layer, width, arrays[name], archive.layer(name))
        weights |= {f"layers.{place}.{part}": array for part, array in found.items()}
        width = sizes.rnn_size * (2 if sizes.rnn_bidirectional else 1)
    table, attention = arrays["embedding"][0], arrays["attention"][0]
    output = dense_arrays(len(attention), sizes.rows, arrays["output"], archive.layer("output"))
    return weights | {
        "embedding.weight": np.concatenate((selected(table, classes), table[:1])),  # (V + 1, E)
        "attention": attention[:, 0].copy(),  # (F,)
        "output.weight": selected(output["weight"], classes),  # (V, F)
        "output.bias": selected(output["bias"], classes, NEVER),  # (V,)
    }


def _beside(archive: Archive, what: str) -> FilePath | None:
    """The file of the same model that lies beside the weights, if one does."""
    path = FilePath(archive.name)
    name, found, _ = path.stem.rpartition("_weights")
    other = path.with_name(f"{name}_{what}.json")
    return other if found and other.is_file() else None

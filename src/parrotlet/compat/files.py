"""The files of a textgenrnn script come in: texts with their labels, models; plain lists and a Bundle go out.

What textgenrnn did without a word (a first line dropped, bytes skipped) is looked at here, and told.
"""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from parrotlet.bundle import Bundle, load_bundle
from parrotlet.compat.telling import tell
from parrotlet.corpus.encodings import decoded, detect
from parrotlet.corpus.forms import looks_like_header
from parrotlet.corpus.records import LARGEST_RECORD
from parrotlet.corpus.sources import Source, find
from parrotlet.corpus.tables import looks_like_header as looks_like_names
from parrotlet.errors import ParrotletError, UsageError

PathLike = str | os.PathLike[str]
SUFFIX = ".safetensors"
OLD_SUFFIXES = (".hdf5", ".h5", ".keras")
LOOKED_AT = 100  # rows of a table
# What the importers' flags are called here; a text is taken by parrotlet's own function alone.
TYPED = {
    "vocab": "vocab_path",
    "alphabet": "vocab_path",
    "config": "config_path",
    "text": "parrotlet.import_model's text",
    "context": "parrotlet.import_model's context",
}


class _Look(int):
    """Equal to True, as textgenrnn's default was; yet known from a True that somebody wrote."""

    def __repr__(self) -> str:
        return "True"


LOOK = cast(bool, _Look(1))
"""The default of ``header``: look whether the first line reads like a header."""


def textgenrnn_texts_from_file(
    file_path: PathLike, header: bool = LOOK, delim: str = "\n", is_csv: bool = False
) -> list[str]:
    """The texts of a file, parted by ``delim``, or the first column of a CSV.

    ``header``: True drops the first line, False keeps it; left alone, it is dropped where it reads like a column's
    name. Either way what was done is told. A folder gives the texts of all its files.
    """
    if not isinstance(delim, str) or not delim:
        raise UsageError(f"delim must be the text that parts one text from the next, not {delim!r}")
    texts: list[str] = []
    for source in find(os.fspath(file_path), []):
        if is_csv:
            texts += [row[0] for row in _rows(source, header)]
        else:
            found = _body(source, header).split(delim.replace("\r\n", "\n"))
            texts += found if found[-1].strip() else found[:-1]  # what follows the last delimiter is no text
    return texts


def textgenrnn_texts_from_file_context(file_path: PathLike, header: bool = LOOK) -> tuple[list[str], list[str]]:
    """The texts and the labels of a CSV of two columns; ``header`` as above."""
    texts, labels = [], []
    for source in find(os.fspath(file_path), []):
        for number, row in enumerate(_rows(source, header), 1):
            if len(row) < 2:
                raise ParrotletError(
                    f"{source.name}: row {number:,} ({row[0][:40]!r}) has one column; context=True needs text,label"
                )
            texts.append(row[0])
            labels.append(row[1])
    return texts, labels


def whole_text(file_path: PathLike) -> str:
    """A file, or all files of a folder, as one text."""
    return "\n".join(_content(source) for source in find(os.fspath(file_path), []))


def _content(source: Source) -> str:
    return "".join(decoded(source.name, source.open, detect(source.name, source.open)))


def _body(source: Source, header: bool) -> str:
    """The text without its first line, where that is a header."""
    text = _content(source)
    first, _, rest = text.partition("\n")
    return rest if _drops(header, source.name, first, looks_like_header(first)) else text


def _rows(source: Source, header: bool) -> Iterator[Sequence[str]]:
    """The rows of a CSV that hold anything, without the names of the columns."""
    csv.field_size_limit(LARGEST_RECORD)
    reader = csv.reader(io.StringIO(_content(source), newline=""))
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise ParrotletError(f"{source.name}: line {reader.line_num:,} can not be read ({error})") from None
    names = bool(rows) and looks_like_names(rows[:LOOKED_AT])
    yield from rows[1:] if rows and _drops(header, source.name, ",".join(rows[0]), names) else rows


def _drops(header: bool, name: str, first: str, looks: bool) -> bool:
    """Whether the first line is left out; tells."""
    shown = repr(first if len(first) <= 60 else first[:60] + "…")
    if header is LOOK:
        done = "reads like a header and is left out" if looks else "is kept"
        other = "header=False keeps it" if looks else "header=True leaves it out"
        tell(f"{name}: the first line {shown} {done} ({other})")
    elif header:
        tell(f"{name}: the first line {shown} is left out (header=True)")
    return looks if header is LOOK else bool(header)


def saved_name(weights_path: PathLike) -> Path:
    """The name under which parrotlet saves what a script calls ``x.hdf5``: ``x.safetensors``."""
    path = Path(weights_path)
    if path.suffix.lower() in OLD_SUFFIXES:
        return path.with_suffix(SUFFIX)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def open_model(weights_path: PathLike, vocab_path: PathLike | None, config_path: PathLike | None) -> Bundle:
    """A parrotlet file, or textgenrnn's files imported.

    Where a script names ``x.hdf5`` alone and parrotlet has saved ``x.safetensors`` since, that one is read, and told;
    with a vocabulary or a configuration beside its name the old file is read.
    """
    path, own = Path(weights_path), saved_name(weights_path)
    if path.suffix == SUFFIX:
        return load_bundle(path)
    if not own.exists():
        return _imported(path, vocab_path, config_path)
    if not path.exists():
        tell(f"{path} was saved as {own}, which is read")
        return load_bundle(own)
    if path.stat().st_mtime_ns > own.stat().st_mtime_ns:
        return _imported(path, vocab_path, config_path)
    if vocab_path is None and config_path is None:
        bundle = load_bundle(own)
        tell(f"{own} is newer than {path} and is read ({_origin(bundle)}); for the old file give its vocab_path too")
        return bundle
    tell(f"{path} is read, as its vocab_path or config_path is given; {own} is newer: give that name alone to read it")
    return _imported(path, vocab_path, config_path)


def _origin(bundle: Bundle) -> str:
    """What a model learned from, and when it was made."""
    made = bundle.card.date[:16].replace("T", " ")
    learned = f"trained on {bundle.card.trained_on}" if bundle.card.steps else bundle.card.trained_on
    return ", ".join(filter(None, (learned, made and f"{made} UTC")))


def _imported(weights: Path, vocab: PathLike | None, config: PathLike | None) -> Bundle:
    """textgenrnn's files; what is not named is looked for beside the weights, and told."""
    from parrotlet.importers import in_python, read_model

    try:
        found = read_model(weights, vocab=vocab, config=config)
    except ParrotletError as error:
        raise type(error)(in_python(str(error), **TYPED)) from None
    for note in found.assumed:
        tell(f"{weights.name}: {in_python(note, **TYPED)}")
    return found.bundle


def read_config(path: PathLike) -> Mapping[str, Any]:
    """The options of a textgenrnn ``config.json``."""
    from parrotlet.importers.alphabet import read_json

    data = read_json(Path(path))
    if not isinstance(data, dict):
        raise ParrotletError(f"{os.fspath(path)}: a config.json holds an object, not {type(data).__name__}")
    return data

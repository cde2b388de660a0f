"""Old models come in, textgenrnn's and those of the Keras lessons; a Bundle goes out that writes as they did."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parrotlet.errors import ParrotletError, UsageError

if TYPE_CHECKING:
    from parrotlet.bundle import Bundle
    from parrotlet.importers.imported import Imported
    from parrotlet.importers.reader import Reader

Path = str | os.PathLike[str]
FLAG = re.compile(r"--(vocab|config|text|alphabet|context)\b(?: (FILE|N|MODEL\.json)\b)?")


def import_model(
    path: Path,
    *,
    vocab: Path | Mapping[str, int] | None = None,
    config: Path | Mapping[str, Any] | None = None,
    text: Path | None = None,
    alphabet: Path | Sequence[str] | Mapping[str, int] | None = None,
    context: int | None = None,
    lowercase: bool | None = None,
) -> "Bundle":
    """The model in an ``.hdf5``, ``.h5``, ``.weights.h5`` or ``.keras`` file; the notes of its card tell what it was.

    ``vocab``, ``config``: textgenrnn's two other files (or what they hold); left alone, they are looked for beside it,
    and weights with the rows of the published ones are read with the published vocabulary.
    For Keras: ``text``, what the model was trained on, or ``alphabet``, its symbols in their order or with their
    numbers (or a file of them); ``config``: the JSON of ``model.to_json()`` for a file of weights alone;
    ``context``: read only so many symbols, anew for each (0: carry the state on); ``lowercase``: whether prompts are
    lowered (None: where the alphabet has no capitals).
    Raises ParrotletError with one line where a file is missing, unsound or of a kind that cannot be taken over.
    """
    try:
        return read_model(
            path, vocab=vocab, config=config, text=text, alphabet=alphabet, context=context, lowercase=lowercase
        ).bundle
    except ParrotletError as error:
        raise type(error)(in_python(str(error))) from None


def in_python(message: str, **names: str) -> str:
    """What is told of flags, told of arguments: ``vocab=FILE`` for ``--vocab FILE``; ``names``: other names of them."""

    def argument(found: re.Match[str]) -> str:
        name = names.get(found[1], found[1])
        return f"{name}={found[2]}" if found[2] else name

    return FLAG.sub(argument, message)


def read_model(path: Path, *, reader: "Reader | None" = None, **given: Any) -> "Imported":
    """The same with what is to be told about it; ``reader``: a process that is to read more files after this one."""
    # Here and not above, because the process that reads the files imports this package too.
    from parrotlet.importers.alphabet import read_json
    from parrotlet.importers.keras import Given, import_keras
    from parrotlet.importers.reader import Reader
    from parrotlet.importers.stored import stored_layers
    from parrotlet.importers.textgenrnn import import_textgenrnn, is_textgenrnn

    if reader is None:
        with Reader() as reader:
            archive = reader.read(path)
    else:
        archive = reader.read(path)
    vocab, config, alphabet = given.pop("vocab", None), given.pop("config", None), given.pop("alphabet", None)
    if isinstance(config, str | os.PathLike):
        given["config_name"] = os.fspath(config)
        config = read_json(config)
    layers = stored_layers(archive)
    if vocab is not None and alphabet is not None:
        raise UsageError("--vocab and --alphabet both name the symbols: give one of the two")
    if is_textgenrnn(layers):
        if given.pop("text", None) is not None:
            raise UsageError(f"{path} is of textgenrnn, whose symbols are those of --vocab: leave --text out")
        if given.get("context") == 0:
            raise UsageError(f"{path} is of textgenrnn, whose network carries no state: --context must be 1 or more")
        return import_textgenrnn(archive, layers, alphabet if vocab is None else vocab, config, **given)
    return import_keras(
        archive, layers, Given(alphabet=vocab if alphabet is None else alphabet, config=config, **given)
    )

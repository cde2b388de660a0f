"""The schema of the settings comes in; flags whose help is the settings' own words go out, and what the user typed."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel

from parrotlet.errors import ParrotletError, UsageError

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus
    from parrotlet.writer import Writer

# In a corpus' notes: that the form was given.
AS_TOLD = re.compile(r"(?<=text|line) \(as told\)")
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="the first line or row is a header, no text [as it looks]")
]
ChosenLabels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="COLUMN=LABEL", help="as the texts with this label; COLUMN=ONE:2,OTHER:1 mixes"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="a model file (.safetensors)", show_default=False)]


def flag(model: type[BaseModel], name: str, *flags: str, default: bool = False) -> Any:
    """A flag for one setting; ``default`` tells its default in the help."""
    field = model.model_fields[name]
    text = field.description or name
    if default:
        text += f" [{json.dumps(field.default)}]"
    metavar = None if field.annotation is bool else "|".join(choices(field.annotation)) or name.upper()
    return typer.Option(*flags, help=text, show_default=False, metavar=metavar)


def choices(annotation: Any) -> list[Any]:
    """What a setting, or each member of its list, may be, where that is a choice."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for part in get_args(annotation) for choice in choices(part)]


def given(values: Mapping[str, Any], names: Any) -> dict[str, Any]:
    """Those of the values that the user gave and that are among ``names``."""
    return {
        name: value for name, value in values.items() if name in names and not (value in (None, []) or value is False)
    }


def numbers(text: str, name: str) -> list[float]:
    """``0.2,0.5,1`` as numbers; raises UsageError."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{name} {text!r} is not a number or a list such as 0.2,0.5,1.0") from None


def text_of(path: str, option: str) -> str:
    """The text of a file that an option names; raises one line where it is no text in UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ParrotletError(f"{path}: {option} must be a text in UTF-8") from None
    except ValueError:  # a NUL in the name
        raise UsageError(f"{option} {path!r} is no name of a file") from None


def the_model(model: str | None, pretrained: bool = True) -> str:
    """The model that was named, or the only one in the current folder, or where there is none the pretrained one.

    Without ``pretrained`` that is no offer: for what it can not do.
    """
    from parrotlet.cli.console import tell
    from parrotlet.pretrained import FILE, PRETRAINED

    if model is not None:
        return model
    found = sorted(path.name for path in Path().glob("*.safetensors"))
    if len(found) == 1:
        tell([f"{found[0]}, the only model here"])
        return found[0]
    if not found and pretrained and FILE.is_file():
        tell([f"there is no model here: the one that comes with parrotlet writes ({PRETRAINED})"])
        return PRETRAINED
    offered = [*found[:5], PRETRAINED] if pretrained else found[:5]
    more = " …" * (len(found) > 5)
    what = "there are several here: " + ", ".join(offered) + more if found else "there is none in this folder"
    raise UsageError(f"which model? Name its file; {what}")


def corpus_like(
    writer: "Writer",
    sources: list[str],
    form: str | None = None,
    header: bool | None = None,
    labels: Sequence[str] = (),
) -> "Corpus":
    """Sources read as the model's own text was (see ``open_like``)."""
    from parrotlet.corpus import open_like

    return open_like(sources, writer.settings.corpus, form or writer.card.form, header, labels)


def told(corpus: "Corpus", form: str | None = None) -> list[str]:
    """What was decided by looking; without a form it is the model's."""
    return corpus.notes if form else [AS_TOLD.sub(" (as the model was trained)", note) for note in corpus.notes]


def load(
    model: str | None,
    prompt: str = "",
    arithmetic: str = "float32",
    labels: Sequence[str] | None = None,
    label_strength: float = 1.0,
) -> "Writer":
    """The writer of a model file, under these labels; what of the prompt it does not know is told once."""
    from parrotlet.cli.console import tell
    from parrotlet.writer import load as load_writer

    writer = load_writer(the_model(model), arithmetic=arithmetic)  # type: ignore[arg-type]
    if label_strength != 1.0 and not labels:
        raise UsageError("--label-strength says how much a --label counts: name one")
    if labels:
        from parrotlet.labels import parse_choice

        writer = writer.labelled(parse_choice(labels), label_strength)
    if prompt and (unknown := writer.unknown(prompt)):
        tell(["the model does not know " + " ".join(map(repr, unknown[:20])) + (" …" if len(unknown) > 20 else "")])
    return writer

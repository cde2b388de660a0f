"""A model and what a person types come in; a draft grows from both: by keys in a terminal, by lines in a pipe."""

import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from parrotlet.cli.console import as_json_line, piped_lines
from parrotlet.cli.generate import save
from parrotlet.cli.keys import Keys, pressed
from parrotlet.cli.options import ChosenLabels, load, text_of
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.continuations import Continuation
    from parrotlet.cowriting import Draft

app = typer.Typer(add_completion=False, rich_markup_mode=None)
MOST_OFFERS = 9  # one digit chooses
SHOWN = 400  # last characters of the draft that are shown
KEYS = "1-9 take an offer   o others   t type   Enter new line   u undo   s save   q quit"
LINES = "a number takes an offer; /others, /undo, /save FILE, /quit; any other line is typed, exactly so after a +"
ENTER, BACKSPACE = ("\r", "\n"), ("\x7f", "\x08")


@app.command()
def cowrite(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="a model file [the only one here, or pretrained]")
    ] = None,
    prompt: Annotated[str, typer.Option(help="what the draft begins with")] = "",
    draft_file: Annotated[
        str | None, typer.Option("--draft", metavar="FILE", help="go on with the text of this file")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=MOST_OFFERS, help="how many offers")] = 5,
    words: Annotated[int, typer.Option(min=1, max=20, help="words of an offer")] = 1,
    temperature: Annotated[float, typer.Option(min=0, max=100, help="of the pieces that are drawn (o, /others)")] = 0.8,
    labels: ChosenLabels = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="keep the draft in this file")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="lines: print the draft and the offers as JSON")] = False,
) -> None:
    """Write together with a model.

    It offers the likeliest ways to go on, by whole words. In a terminal one key does one thing; where the input is a
    pipe or a file, one line does: a number takes an offer, /others, /undo, /save FILE and /quit do what they say, and
    any other line is typed. At the end the draft is printed, or saved with --output.
    """
    from parrotlet.cowriting import Draft

    if draft_file is not None and prompt:
        raise UsageError("--draft and --prompt: give one of the two")
    other = output is not None and (draft_file is None or Path(output).resolve() != Path(draft_file).resolve())
    if output is not None and other and Path(output).exists():
        raise UsageError(f"--output {output}: there is such a file already; --draft {output} goes on with its text")
    text = prompt if draft_file is None else text_of(draft_file, "--draft")
    table = Table(Draft(load(model, text, labels=labels), text), n, words, temperature, output or draft_file)
    listen()
    try:
        if sys.stdin.isatty() and not as_json:
            by_keys(table)
        else:
            by_lines(table, as_json)
    finally:  # whatever happened, the draft is not lost
        keep(table, as_json)


def keep(table: "Table", as_json: bool) -> None:
    """Save the draft where it belongs; print it where there is no such place, or it can not be written there.

    A file whose text did not change is left as it is.
    """
    text = table.draft.text
    shown = as_json_line({"draft": text}) if as_json else harmless(text)
    try:
        if table.output is not None:
            if not (Path(table.output).is_file() and text_of(table.output, "--output") == text):
                save_as_before(text, table.output)
            return
    except (ParrotletError, OSError):
        print(shown, flush=True)
        raise
    print(shown, flush=True)


def save_as_before(text: str, path: str) -> None:
    """A draft into a file; the line ends and the mark at the begin of one that is there are kept."""
    before = Path(path).read_bytes() if Path(path).is_file() else b""
    mark = "\ufeff" if before.startswith(b"\xef\xbb\xbf") else ""
    save(mark + (text.replace("\n", "\r\n") if b"\r\n" in before else text), path)


def listen() -> None:
    """A terminal that is closed, or a command that is told to end, ends as after Ctrl-D: with the draft kept."""

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    for name in ("SIGHUP", "SIGTERM"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


class Table:
    """A draft, what is offered for it, and what a person may do; ``told`` is to be said once."""

    def __init__(self, draft: "Draft", n: int, words: int, temperature: float, output: str | None) -> None:
        self.draft, self.output = draft, output
        self._n, self._words, self._temperature = n, words, temperature
        self._saved: set[str] = set()
        self.told = ""
        self.offers: Sequence[Continuation] = ()
        self.offer()

    def offer(self) -> None:
        self.offers = self.draft.offers(self._n, self._words)

    def others(self) -> None:
        """Pieces that are drawn, instead of the likeliest words."""
        self.offers = self.draft.drawn(self._n, temperature=self._temperature)

    def take(self, number: int) -> None:
        """Offer ``number``, counted from 1."""
        if not 1 <= number <= len(self.offers):
            self.told = f"there is no offer {number}"
            return
        offer = self.offers[number - 1]
        if offer.ends:
            self.told = "the model would end the text here"
        if offer.text:
            self.draft.choose(number - 1)
            self.offer()

    def type(self, text: str) -> None:
        """What a person typed, on a line of its own where that is empty; behind a word a blank comes first.

        After a ``+`` it is taken exactly as it stands.
        """
        if text.startswith("+"):
            text = text[1:]
        elif re.match(r"\w", text) and re.search(r"\w\Z", self.draft.text):
            text = " " + text
        self.draft.type(text or "\n")
        self.offer()

    def typed(self, text: str) -> None:
        """The same where nothing typed means nothing."""
        if text:
            self.type(text)

    def undo(self) -> None:
        if not self.draft.undo():
            self.told = "there is nothing to take back"
        self.offer()

    def save(self, path: str | None) -> None:
        """Write the draft into a file, whole or not at all."""
        path = path or self.output
        if path is None:
            self.told = "no file was named: begin with --output FILE"
            return
        if path != self.output and path not in self._saved and Path(path).exists():
            self.told = f"{path} is there already: give another name"
            return
        try:
            save_as_before(self.draft.text, path)
            self._saved.add(path)
            self.told = f"saved in {path}"
        except ParrotletError as error:
            self.told = str(error)


def offer_lines(table: Table) -> Iterator[str]:
    """One offer a line: its number, how likely it is, and what it writes."""
    for number, offer in enumerate(table.offers, 1):
        text = harmless(offer.text.replace("\n", "↵")) + "(the end)" * offer.ends
        likely = " " * 6 if offer.probability is None else f"{offer.probability:6.1%}"
        yield f"  {number}  {likely}  {text}"


def by_keys(table: Table) -> None:
    """One key, one deed, until q, Ctrl-D or Ctrl-C."""
    print(KEYS)
    with Keys() as keys:
        actions: dict[str, Callable[[], None]] = {"o": table.others, "u": table.undo, "s": lambda: table.save(None)}
        actions |= dict.fromkeys(BACKSPACE, table.undo) | dict.fromkeys(ENTER, lambda: table.type("\n"))
        actions["t"] = lambda: table.typed(keys.line("type: "))
        show(table)
        for key in pressed(keys):
            if key == "q":
                return
            if key.isascii() and key.isdigit():
                table.take(int(key))
            elif key in actions:
                actions[key]()
            elif key:
                table.told = KEYS
            show(table)


def show(table: Table) -> None:
    """The end of the draft, the offers, and what else is to be said."""
    text = table.draft.text
    print(f"\n{'…' * (len(text) > SHOWN)}{harmless(text[-SHOWN:])}▏", *offer_lines(table), sep="\n", flush=True)
    if table.told:
        print(table.told, flush=True)
        table.told = ""


def by_lines(table: Table, as_json: bool) -> None:
    """One line, one deed, until /quit or the end of the input; after each the draft and the offers are printed."""
    say(table, as_json)
    for line in piped_lines():
        text = line.rstrip("\r\n")
        command, _, rest = text.partition(" ")
        if command == "/quit":
            return
        if text.isascii() and text.isdigit():
            table.take(int(text[:9]))
        elif command == "/others":
            table.others()
        elif command == "/undo":
            table.undo()
        elif command == "/save":
            table.save(rest.strip() or None)
        elif command.startswith("/"):
            table.told = LINES
        else:
            table.type(text)
        say(table, as_json)


def say(table: Table, as_json: bool) -> None:
    """The draft as it is now, what is offered, and what else is to be said."""
    if as_json:
        offers = [{"text": each.text, "probability": each.probability, "ends": each.ends} for each in table.offers]
        entry = {"draft": table.draft.text, "offers": offers, "told": table.told}
        print(as_json_line(entry), flush=True)
    else:
        lines = [harmless(table.draft.text), *offer_lines(table), *([table.told] if table.told else [])]
        print("\n".join(lines), flush=True)
    table.told = ""

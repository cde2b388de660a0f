"""A model that learned conversations comes in; a talk with it goes on, line by line, in a terminal or a pipe."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parrotlet.cli.console import as_json_line, piped_lines
from parrotlet.cli.options import ChosenLabels, load, the_model
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.chatting import Chat

app = typer.Typer(add_completion=False, rich_markup_mode=None)
HELP = "/forget begins anew, /quit ends (so do Ctrl-D and Ctrl-C); everything else is said to the model"


@app.command()
def chat(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="a model file [the only one here]")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=100, help="below 1 safer, above 1 wilder, 0 greedy")] = 0.4,
    memory: Annotated[int, typer.Option(min=1, help="how many of the last turns the model reads")] = 6,
    suggest: Annotated[int, typer.Option(min=0, max=20, help="show so many short replies to choose from")] = 0,
    you: Annotated[str | None, typer.Option(metavar="NAME", help="who you are, where speakers have names")] = None,
    it: Annotated[str | None, typer.Option(metavar="NAME", help="who the model is, where speakers have names")] = None,
    labels: ChosenLabels = None,
    seed: Annotated[int | None, typer.Option(help="the same seed and words give the same replies [random]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object for each reply")] = False,
) -> None:
    """Talk with a model that was trained on conversations (parrotlet train TALK --recipe chat).

    /forget begins anew, /quit ends.
    """
    from parrotlet.chatting import Chat
    from parrotlet.corpus.dialogues import ANSWERED, ASKED

    marks = {"asker": ASKED if you is None else f"{you}: ", "answerer": ANSWERED if it is None else f"{it}: "}
    talk = Chat(load(the_model(model, pretrained=False), labels=labels), memory=memory, **marks)
    terminal = sys.stdin.isatty() and not as_json
    if terminal:
        print(HELP)
    for number, line in enumerate(lines(terminal)):
        text = line.strip()
        if text == "/quit":
            break
        if text == "/forget":
            talk.forget()
        elif text.startswith("/"):
            print(HELP, file=sys.stderr)
        elif text:
            given = {"temperature": temperature, "seed": None if seed is None else seed + number}
            answer(talk, text, given, suggest, as_json)


def lines(terminal: bool) -> Iterator[str]:
    """What is typed, behind a mark in a terminal, until the end."""
    while terminal:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            print()
            return
    yield from piped_lines()


def answer(talk: "Chat", text: str, given: dict[str, Any], suggest: int, as_json: bool) -> None:
    """Suggestions, where they are wanted, then the reply."""
    suggested = talk.suggest(text, suggest, seed=given["seed"]) if suggest else []
    if as_json:
        reply = talk.say(text, **given)
        print(as_json_line({"said": text, "reply": reply, "suggested": suggested}), flush=True)
        return
    if suggested:
        print(harmless("(" + " | ".join(suggested) + ")"), flush=True)
    for piece in talk.stream(text, **given):
        print(harmless(piece), end="", flush=True)
    print(flush=True)

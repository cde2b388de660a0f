"""What a user types comes in; one command is imported and run, and its exit status goes out.

0: done. 1: a failure, told in one line. 2: a wrong call, told in one line. 130: interrupted, with the work saved.
"""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from parrotlet._version import VERSION
from parrotlet.errors import ParrotletError, nearest
from parrotlet.show import forgiving, harmless

NO_MEMORY = ("out of memory", "allocate memory", "not enough memory")  # as torch says it on each system

# Name: the module that holds its typer app, and its line in the help. Only the command that is called is imported.
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train", "teach a network to write like a text"),
    "generate": ("generate", "write with a model"),
    "cowrite": ("cowrite", "write together: it offers, you choose, undo or type your own"),
    "chat": ("chat", "talk with a model that learned conversations"),
    "score": ("score", "bits per character of a text, and what surprises the model in it"),
    "next": ("next", "the likeliest next tokens after a prompt"),
    "look": ("look", "what goes on inside: surprise, hidden units, gates, attention, influence"),
    "nearest": ("near", "texts of a corpus that are most like a given one"),
    "compare": ("compare", "models side by side: figures, curves, texts"),
    "report": ("report", "the report card: what a model writes, beside human text"),
    "inspect": ("inspect", "what a model file holds"),
    "import": ("import_", "take over a model of textgenrnn or Keras"),
    "settings": ("settings", "every setting, its default and what it is for"),
    "recipes": ("recipes", "settings made for a kind of text"),
    "corpora": ("corpora", "texts that are known by name"),
    "plot": ("plot", "pictures: the loss, the next token, what temperature does"),
    "demo": ("demo", "learn from Python's own manual for a minute, and write"),
}
# The base of all errors about a wrong call, by way of its child: older versions of typer have it elsewhere.
WrongCall: type[Exception] = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


class LazyGroup(TyperGroup):
    """The commands by name, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            raise typer.BadParameter(f"unknown command {cmd_name!r}: {nearest(cmd_name, COMMANDS)}")
        module = importlib.import_module(f"parrotlet.cli.{COMMANDS[cmd_name][0]}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def parrotlet(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="show the version")] = False,
) -> None:
    """Teach a tiny neural network to write like your text. Begin with: parrotlet demo"""
    if version:
        print(f"parrotlet {VERSION}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (None: the one this process was called with) and return its exit status.

    What the user can mend is told in one line on stderr.
    """
    forgiving(sys.stdout)
    forgiving(sys.stderr)
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except ParrotletError as error:
        return _fail(str(error), error.status)
    except (KeyboardInterrupt, typer.Abort, EOFError):
        if sys.stdout.isatty():
            print()  # the text stopped in the middle of a line
        return _fail("interrupted", 130)
    except WrongCall as error:
        return _fail(_one_line(error), 2)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in NO_MEMORY):
            raise
        return _fail("out of memory: try a smaller network.hidden, training.batch or training.window", 1)
    except OSError as error:
        _drop_output()
        if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == 22):
            return 1  # whoever read along has gone: nothing to tell, and nobody to tell it
        place = f" ({error.filename})" if error.filename else ""
        return _fail(f"the system refuses: {error.strerror or error}{place}", 1)


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("parrotlet", arguments) as context:
            result = command.invoke(context)
    except typer.Exit as done:
        result = done.exit_code
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _fail(message: str, status: int) -> int:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()
    with contextlib.suppress(OSError, ValueError):
        print("parrotlet: " + harmless(" ".join(message.split())), file=sys.stderr, flush=True)
    return status


def _one_line(error: Any) -> str:
    """What is wrong with a call, and the flag that was probably meant."""
    context = getattr(error, "ctx", None)
    wrong = getattr(error, "option_name", None)
    if wrong and context and type(error).__name__ == "NoSuchOption":
        flags = [flag for parameter in context.command.params for flag in parameter.opts if flag.startswith("--")]
        return f"unknown option {wrong}: {nearest(wrong, [*flags, '--help'])}"
    typed = re.match("No such command '(.*?)'", str(error.format_message()))
    if typed and context:
        return f"unknown command {typed[1]!r}: {nearest(typed[1], context.command.list_commands(context))}"
    message = str(error.format_message()).removeprefix("Invalid value: ").rstrip(".")
    return message + (f" (see {context.command_path} --help)" if context and context.parent else "")


def _drop_output() -> None:
    """Send what is still waiting to be written nowhere, so that Python does not complain when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

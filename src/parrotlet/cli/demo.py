"""Nothing comes in; a network learns from Python's own manual for a minute, writes, and what to type next goes out."""

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

import parrotlet
from parrotlet.cli.console import heading
from parrotlet.cli.options import AsJson, flag
from parrotlet.errors import ParrotletError
from parrotlet.settings import TrainingSettings
from parrotlet.show import harmless

if TYPE_CHECKING:
    from parrotlet.writer import Writer

app = typer.Typer(add_completion=False, rich_markup_mode=None)
OUTPUT = "demo.safetensors"
WORD = re.compile(r"[^\W\d_]+")
PROMPT, CHARACTERS, SHOWN, TEMPERATURE, SEED = "The ", 4000, 600, 0.5, 1
NEXT = f"""what to type next:
  parrotlet generate {OUTPUT} --prompt "The " --temperature 0.2,0.5,1.0
  parrotlet plot temperature {OUTPUT} --prompt "The "
  parrotlet train YOUR-TEXT.txt --minutes 2"""


@app.command()
def demo(
    minutes: Annotated[float, flag(TrainingSettings, "minutes")] = 1.0,
    as_json: AsJson = False,
) -> int:
    """Learn from the manual that every Python carries for about a minute, and write."""
    from parrotlet.corpus import MANUAL, open_corpus
    from parrotlet.show import run_training
    from parrotlet.writer import Writer

    show = "json" if as_json else "auto"
    run, done = run_training([MANUAL], OUTPUT, show=show, started=parrotlet.STARTED, minutes=minutes)  # type: ignore[arg-type]
    if run.bundle is None or done.reason == "not finite":
        raise ParrotletError(done.advice)
    if done.reason == "interrupted":
        return 130
    text, share = written_words(Writer(run.bundle), "".join(each.text for each in open_corpus([MANUAL]).documents()))
    if as_json:
        print(json.dumps({"event": "demo", "text": text, "words_in_manual": share}))
        return 0
    print(heading(f"written at temperature {TEMPERATURE:g}"))
    print(harmless(text[:SHOWN].strip()))
    print(heading(f"{share:.0%} of the words it writes occur in the manual"))
    print(NEXT)
    return 0


def written_words(writer: "Writer", source: str) -> tuple[str, float]:
    """A text, and the share of its words that occur in ``source``; the last one, which may be cut, is left out."""
    text = writer.write(PROMPT, length=CHARACTERS, temperature=TEMPERATURE, seed=SEED)
    known = set(WORD.findall(source))
    words = WORD.findall(text)[:-1]
    return text, sum(word in known for word in words) / max(1, len(words))

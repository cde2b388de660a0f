"""Questions with their answers come in; how many of them a network answers after training goes out.

The network itself answers, greedily: nothing looks an answer up. An answer counts where its letters and figures are
those that were taught; a question asked twice has several.
"""

import argparse
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.harness import Table, data_folder, train, use_utf8
from parrotlet import load, open_corpus
from parrotlet.chatting import Chat
from parrotlet.settings import CorpusSettings

FILE = "chat/chatterbot_trivia.yml"
ASKED, CHANGED = 50, 20
UNKNOWN = ("What is the colour of the moon?", "do you like cheese", "Who painted the sea?", "42?", "Why not?")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench chat", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    chosen = parser.parse_args(arguments)
    use_utf8()
    source = data_folder() / FILE
    taught: dict[str, set[str]] = defaultdict(set)
    for document in open_corpus([source], CorpusSettings(dialogue=True)).documents():
        question, answer = document.text.split("\n")[:2]
        taught[question[2:]].add(bare(answer[2:]))
    draw = random.Random(0)
    asked = draw.sample(sorted(taught), ASKED)
    changed = [(question, recased(question, draw)) for question in draw.sample(sorted(taught), CHANGED)]
    table = Table("asked", "questions", "answered", "wanted", title="chat")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        train(source, model, "--recipe", "chat", "--minutes", 0.1 if chosen.quick else chosen.minutes)
        writer = load(model)
        answers = {question: Chat(writer).say(question, temperature=0) for question in asked}
        right = sum(bare(answer) in taught[question] for question, answer in answers.items())
        table.add(asked="as taught", questions=ASKED, answered=right, wanted=ASKED // 2)
        again = sum(bare(Chat(writer).say(typed, temperature=0)) in taught[question] for question, typed in changed)
        table.add(asked="in other case", questions=CHANGED, answered=again, wanted=CHANGED // 2)
        told = [Chat(writer).say(question, temperature=0.4, seed=1) for question in UNKNOWN]
        table.add(asked="never taught", questions=len(UNKNOWN), answered=sum(map(bool, told)), wanted=len(UNKNOWN))
    table.find("trivia: questions answered as taught", right, f"of {ASKED}", goal=ASKED / 2, least=ASKED / 2 - 1e-9)
    table.find("trivia: the same in other case", again, f"of {CHANGED}", goal=CHANGED / 2, least=CHANGED / 2 - 1e-9)
    table.finish(*shown(answers), *(f"{question} – {answer}" for question, answer in zip(UNKNOWN, told, strict=True)))
    return 0


def bare(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def recased(text: str, draw: random.Random) -> str:
    return "".join(draw.choice((str.upper, str.lower))(letter) for letter in text)


def shown(answers: dict[str, str]) -> Sequence[str]:
    """Two of them, to be read."""
    return [f"{question} – {answer}" for question, answer in list(answers.items())[:2]]

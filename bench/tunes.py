"""A book of tunes comes in; how many of those that parrotlet writes play without an error goes out.

abc2midi, a real tool (Debian's abcmidi), judges each. A copy is a tune half of whose notes stand in one piece in one
tune of the book. The share of the book's own held-out tunes that play stands beside.
"""

import tempfile
from pathlib import Path

from bench.harness import Table, chosen_for_writing, data_folder, train
from bench.held_out import divided
from parrotlet import load
from parrotlet.corpus import open_corpus
from parrotlet.corpus.tunes import FIELD
from parrotlet.outputs.music import faults, tune_book
from parrotlet.report.copying import SOURCE_SEPARATOR, Copies

PLAYED, COPIED = 0.9, 0.05
TEMPERATURE = 0.8


def main(arguments: list[str]) -> int:
    chosen = chosen_for_writing("tunes", __doc__, arguments, minutes=3.0, tunes=200, top_p=0.85)
    book = open_corpus([data_folder() / "abc_nottingham" / "nottingham.abc"])
    learned, held_out = divided([document.text for document in book.documents()], "lines", ())
    with tempfile.TemporaryDirectory() as folder:
        source, model = Path(folder) / "learned.abc", Path(chosen.keep or folder) / "tunes.safetensors"
        source.write_text(tune_book(learned), encoding="utf-8")
        train(source, model, "--recipe", "tunes", "--minutes", chosen.minutes)
        rules = {"temperature": TEMPERATURE, "top_p": chosen.top_p, "usual_lengths": True}
        written = load(model).generate(chosen.tunes, length=3000, seed=1, **rules)
    if chosen.keep:
        (Path(chosen.keep) / "tunes.abc").write_text(tune_book(written), encoding="utf-8")
    table = Table("tunes", "number", "notes", "play", "copies", title="tunes")
    known = SOURCE_SEPARATOR.join(map(notes, learned))
    for name, tunes in (("held out", held_out), ("written", written)):
        bodies = [notes(tune) for tune in tunes]
        table.add(
            tunes=name,
            number=len(tunes),
            notes=sum(map(len, bodies)) / len(bodies),
            play=sum(not faults(tune) for tune in tunes) / len(tunes),
            copies=sum(copied(known, body) for body in bodies) / len(bodies),
        )
    real, ours = table.records
    table.find("tunes that play", ours["play"], "share", peer="held-out tunes", beside=real["play"], goal=PLAYED,
               least=PLAYED - 1e-9)  # fmt: skip
    table.find("tunes that are copies", ours["copies"], "share", peer="held-out tunes", beside=real["copies"],
               goal=COPIED, least=COPIED)  # fmt: skip
    table.finish(
        f"written at temperature {TEMPERATURE:g} and top-p {chosen.top_p:g}, with usual lengths; notes: characters "
        "without the head"
    )
    return 0


def notes(tune: str) -> str:
    """A tune without its head and without blanks."""
    return "".join("".join(line.split()) for line in tune.split("\n") if not FIELD.fullmatch(line))


def copied(known: str, body: str) -> bool:
    return len(body) > 0 and Copies(known, body).longest(0, len(body)) >= len(body) / 2

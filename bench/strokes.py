"""Drawings as pen strokes come in; how like them those are that parrotlet writes goes out, and a sheet of both.

Strokes per drawing, and moves per stroke, of drawings that were written beside those of held-out ones: mean and spread.
"""

import statistics
import tempfile
from pathlib import Path

from bench.harness import Table, chosen_for_writing, data_folder, train
from bench.held_out import divided
from parrotlet import load
from parrotlet.errors import ParrotletError
from parrotlet.outputs.drawings import Stroke, strokes_of, write_sheet

NEAR = 0.15  # of the held-out figure, at most
SHOWN = 60


def main(arguments: list[str]) -> int:
    chosen = chosen_for_writing("strokes", __doc__, arguments, minutes=5.0, temperature=1.0)
    lines = (data_folder() / "strokes" / "kanji_strokes.txt").read_text(encoding="utf-8").split("\n")
    learned, held_out = divided([line for line in lines if line.strip()], "lines", ())
    with tempfile.TemporaryDirectory() as folder:
        source, model = Path(folder) / "learned.txt", Path(chosen.keep or folder) / "strokes.safetensors"
        source.write_text("\n".join(learned) + "\n", encoding="utf-8")
        train(source, model, "--recipe", "strokes", "--minutes", chosen.minutes)
        rules = {"temperature": chosen.temperature, "usual_lengths": True}
        written = load(model).generate(len(held_out), length=2000, seed=1, **rules)
    if chosen.keep:
        write_sheet(written[:SHOWN], Path(chosen.keep) / "written.png")
        write_sheet(held_out[:SHOWN], Path(chosen.keep) / "real.png")
    table = Table("drawings", "number", "whole", "strokes", "spread", "moves a stroke", "copies", title="strokes")
    for name, texts in (("held out", held_out), ("written", written)):
        drawings = [drawing for text in texts if (drawing := drawn(text))]
        counts = [len(drawing) for drawing in drawings]
        table.add(
            drawings=name,
            number=len(texts),
            whole=len(drawings) / len(texts),
            strokes=statistics.mean(counts),
            spread=statistics.stdev(counts),
            moves_a_stroke=statistics.mean(len(stroke) for drawing in drawings for stroke in drawing),
            copies=sum(text in learned for text in texts) / len(texts),
        )
    real, ours = table.records
    for figure, what in (("strokes", "strokes of a drawing, mean"), ("spread", "strokes of a drawing, spread")):
        apart = abs(ours[figure] / real[figure] - 1)
        table.find(f"{what}: apart from held-out ones", apart, "share", peer="held out", beside=real[figure],
                   goal=NEAR, least=NEAR)  # fmt: skip
    table.finish(f"written at temperature {chosen.temperature:g}, with usual lengths")
    return 0


def drawn(text: str) -> list[Stroke]:
    """The strokes of a drawing; none where it is not whole."""
    try:
        return strokes_of(text)
    except ParrotletError:
        return []

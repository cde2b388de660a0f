"""The peers come in; how fast each does its own task in its own environment, and parrotlet the same one, goes out."""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.environments import python_of
from bench.harness import Table, data_folder, run, score, speed, train, use_utf8
from bench.held_out import divide
from bench.training import KERAS, WINDOWED, keras, ours
from bench.windows import model_nats
from parrotlet import Writer, import_model, load

BACKENDS = ("tensorflow", "jax")  # Keras on torch steps through the windows in Python: a hundredth of their speed
PROMPT, GREEDY = "Show HN: ", 60  # what textgenrnn and parrotlet must go on with alike, and for how many characters
TEXTS = 100  # side by side
MOST_APART = 0.15  # of the losses of both while they learn: from the same weights, on the same titles
REFERENCE = 1.87  # nats of the transformer after 2,000 steps
MOST = 1.95  # nats: above it the transformer has not learnt as it should


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PEER", help=f"{', '.join(PEERS)} (all)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="a few seconds each")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - PEERS.keys():
        parser.error(f"unknown peer {', '.join(sorted(unknown))}: choose from {', '.join(PEERS)}")
    use_utf8()
    sound = True
    for name in chosen.names or PEERS:
        table = Table("peer", "task", "figure", "parrotlet", "ratio", "sound", "what tells that it is", title=name)
        PEERS[name](table, data_folder(), 6.0 if chosen.quick else chosen.seconds, chosen.quick)
        table.finish()
        sound &= all(record["sound"] for record in table.records)
    return 0 if sound or chosen.quick else 1


def keras_backends(table: Table, data: Path, seconds: float, quick: bool) -> None:
    """The lesson's script on each backend, beside parrotlet's recipe of it."""
    text = data / "nietzsche" / "nietzsche.txt"
    recipe = ours(text, WINDOWED, seconds)["targets_per_second"]
    for backend in BACKENDS:
        found = keras(text, "--seconds", seconds, backend=backend)
        peer, sound = f"{KERAS} ({backend}, {found['version']})", (found["bits"] < 4, f"{found['bits']:.2f} bits")
        _add(table, peer, "targets/s, learning one target per window", found["targets_per_second"], recipe, *sound)


def textgenrnn(table: Table, data: Path, seconds: float, quick: bool) -> None:
    """textgenrnn on its published weights, beside parrotlet with the same weights taken over."""
    titles = data / "textgenrnn" / "hacker_news_2000.txt"
    script = Path(__file__).parent / "peers" / "textgenrnn_speed.py"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ("--seconds", seconds, "--prompt", PROMPT, "--length", GREEDY)
        command = [python_of("textgenrnn"), script, titles, *options]
        found = json.loads(run([*map(str, command)], folder).splitlines()[-1])
        model = folder / "published.safetensors"
        import_model(found["weights"], vocab=found["vocabulary"]).save(model)
        writer = load(model)
        greedy = writer.write(PROMPT, length=GREEDY, temperature=0)
        options = ("--from", model, "--recipe", "textgenrnn", "--minutes", 2 * seconds / 60)  # half of it to begin
        _, events = train(titles, folder / "trained.safetensors", *options)
    bits = [each["train"] for each in events if each.get("train") is not None][-1]
    same = greedy == found["greedy"], f"both go on {greedy!r}"
    peer = f"textgenrnn {found['version']}"
    for texts in (1, TEXTS):
        written = _characters_per_second(writer, texts, seconds)
        _add(
            table,
            peer,
            f"characters/s, writing {texts} side by side",
            found["characters_per_second"],
            written,
            *same,
        )
    alike = abs(bits / found["bits"] - 1) < MOST_APART, f"it costs {found['bits']:.2f} bits there, {bits:.2f} here"
    _add(table, peer, "targets/s, learning one target per window", found["targets_per_second"], speed(events), *alike)


def transformer(table: Table, data: Path, seconds: float, quick: bool) -> None:
    """nanoGPT's setting for a CPU, 2,000 steps; beside parrotlet after as many seconds, in the same windows."""
    text = data / "tinyshakespeare" / "input.txt"
    command = [sys.executable, "-m", "bench.peers.transformer", str(text), *["--quick"] * quick]
    found = json.loads(run(command))
    with tempfile.TemporaryDirectory() as folder:
        train_file, held_out = divide(text, "text", (), Path(folder))
        model = Path(folder) / "model.safetensors"
        train(train_file, model, "--minutes", found["seconds"] / 60)
        short, carried = model_nats(model, held_out, 64), score(model, held_out)["bits_per_character"] * math.log(2)
    task = f"nats after {found['seconds']:.0f} s"
    sound = found["nats_64"] < MOST, f"known: {REFERENCE} nats"
    _add(table, "transformer", f"{task}, learning, scored in windows of 64", found["nats_64"], short, *sound)
    _add(
        table,
        "transformer",
        f"{task}, learning, parrotlet scored with its state carried",
        found["nats_64"],
        carried,
        *sound,
    )


PEERS: dict[str, Callable[[Table, Path, float, bool], None]] = {
    "keras": keras_backends,
    "textgenrnn": textgenrnn,
    "transformer": transformer,
}


def _add(table: Table, peer: str, task: str, figure: float, parrotlet: float, sound: bool, why: str) -> None:
    ratio = parrotlet / figure
    record: dict[str, Any] = {"peer": peer, "task": task, "figure": figure, "parrotlet": parrotlet, "ratio": ratio}
    table.add(**record, sound=sound, what_tells_that_it_is=why)
    unit, _, what = task.partition(", ")
    table.find(what, parrotlet, unit, peer=peer, beside=figure, ratio=ratio)


def _characters_per_second(writer: Writer, texts: int, seconds: float) -> float:
    """Of ``generate``, with new texts until so many seconds have passed."""
    start, characters, seed = time.perf_counter(), 0, 0
    while (taken := time.perf_counter() - start) < seconds:
        characters += sum(map(len, writer.generate(texts, temperature=0.5, length=300, seed=seed)))
        seed += 1
    return characters / taken

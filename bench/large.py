"""A text comes in; repeated with changes up to a gigabyte it is trained on, and the peak memory of that goes out."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.harness import Table, parrotlet, use_utf8

WANTED = 1.5  # GB


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench large", description=__doc__)
    parser.add_argument("--source", default="manual", help="a file or a named corpus")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--folder", help="where the text is written (twice its size is needed)")
    parser.add_argument("--quick", action="store_true", help="20 MB, a few seconds")
    chosen = parser.parse_args(arguments)
    if os.name == "nt":
        parser.error("this row asks the system for a process's peak memory in a way that Windows does not have")
    if chosen.quick:
        chosen.gigabytes, chosen.minutes = 0.02, 0.25
    use_utf8()
    table = Table("gigabytes", "minutes", "peak GB", "met", "seconds", "steps", "train", "validation")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        text, model, log = (Path(folder) / name for name in ("large.txt", "model.safetensors", "log.jsonl"))
        size = write_large(text, chosen.source, round(chosen.gigabytes * 1e9))
        started = time.perf_counter()
        command = parrotlet("train", text, "-o", model, "--minutes", chosen.minutes, "--json")
        peak = peak_memory(command, log)
        taken = time.perf_counter() - started
        lines = log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    last = [each for each in events if each["event"] == "evaluation"][-1]
    table.add(
        gigabytes=size / 1e9,
        minutes=chosen.minutes,
        peak_GB=peak / 1e9,
        met=peak < WANTED * 1e9,
        seconds=taken,
        steps=last["step"],
        train=last["train"],
        validation=last["validation"],
    )
    table.find(f"memory of training on {size / 1e9:.2g} GB of text", peak / 1e9, "GB", goal=WANTED, least=WANTED)
    table.finish()
    return 0 if peak < WANTED * 1e9 else 1


def write_large(path: Path, source: str, size: int) -> int:
    """Write about ``size`` bytes: the text again and again, each time its paragraphs shuffled and some words exchanged.

    Done by a process of its own, so that this one stays small: a child's peak is at least its parent's size.
    """
    code = "import sys; from bench.large import repeat; repeat(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
    subprocess.run([sys.executable, "-c", code, str(path), source, str(size)], check=True)
    return path.stat().st_size


def repeat(path: str, source: str, size: int) -> None:
    """See :func:`write_large`."""
    from parrotlet import open_corpus

    text = "\n".join(document.text for document in open_corpus([source]).documents())
    paragraphs = text.split("\n\n")
    words = sorted({word for word in text.split() if word.isalpha() and len(word) > 3})
    chance = random.Random(0)
    written = 0
    with open(path, "wb") as file:
        while written < size:
            chance.shuffle(paragraphs)
            copy = "\n\n".join(paragraphs)
            for _ in range(5):
                old, new = chance.sample(words, 2)
                copy = copy.replace(f" {old} ", f" {new} ")
            written += file.write((copy + "\n\n").encode())


def peak_memory(command: list[str], log: Path) -> int:
    """Run a command, what it prints into ``log``; the most memory it held, in bytes."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"status {process.returncode}: {log.read_text(encoding='utf-8')[-500:]}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

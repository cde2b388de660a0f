"""A small model comes in; how long a user waits goes out: --help, the import, the first character of generate."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.harness import Table, median_seconds, parrotlet, run, small_model


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench startup", description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="three times")
    chosen = parser.parse_args(arguments)
    times = 3 if chosen.quick else chosen.times
    table = Table("what", "milliseconds", "wanted", "met")
    with tempfile.TemporaryDirectory() as folder:
        model = small_model(Path(folder), steps=20)
        actions = {
            "python -c pass": (lambda: run([sys.executable, "-c", "pass"]), None),
            "import parrotlet": (lambda: run([sys.executable, "-c", "import parrotlet"]), 300),
            "parrotlet --help": (lambda: run(parrotlet("--help")), 400),
            "first character of generate": (lambda: first_character(model), 1000),
        }
        for what, (action, wanted) in actions.items():
            taken = 1000 * median_seconds(action, times)
            met = "" if wanted is None else taken < wanted
            table.add(what=what, milliseconds=taken, wanted=wanted or "", met=met, times=times)
    table.finish()
    return 0


def first_character(model: Path) -> None:
    """Start ``parrotlet generate`` and return as soon as it has written something."""
    command = parrotlet("generate", model, "--length", 300, "--seed", 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        process.kill()
        if not first:
            raise RuntimeError("parrotlet generate wrote nothing")

"""A small model comes in; how long its user waits goes out: for the import, for --help, for the first character."""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.harness import Table, parrotlet, run, small_model

NOT_READ = {"torch", "functorch", "torchgen"}  # gigabytes of the environment that no measured command opens
FIRST, IMPORT = "first character of generate", "import parrotlet"
WANTED = {FIRST: (0.5, 0.9), IMPORT: (0.15, 0.3)}  # seconds: goal and least, with a warm cache


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench startup", description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="three times")
    chosen = parser.parse_args(arguments)
    times = 3 if chosen.quick else chosen.times
    table = Table("what", "seconds warm", "slowest warm", "seconds cold", "slowest cold")
    with tempfile.TemporaryDirectory() as folder:
        model = small_model(Path(folder), steps=20)
        command = parrotlet("generate", model, "--length", 300, "--seed", 1)
        files = [*files_read(), model]
        first = json.loads(run([*command, "--json"]))[0]["text"][:1]
        actions: dict[str, Callable[[], object]] = {
            "python -c pass": lambda: run([sys.executable, "-c", "pass"]),
            IMPORT: lambda: run([sys.executable, "-c", "import parrotlet"]),
            "parrotlet --help": lambda: run(parrotlet("--help")),
            FIRST: lambda: wait_for(command, first),
        }
        for what, action in actions.items():
            action()  # warms the cache
            warm = [_seconds(action) for _ in range(times)]
            cold = [_seconds(action) for _ in range(times) if forget(files)]
            figures = {"seconds_warm": statistics.median(warm), "slowest_warm": max(warm)}
            if cold:
                figures |= {"seconds_cold": statistics.median(cold), "slowest_cold": max(cold)}
            table.add(what=what, **figures, times=times)
            goal, least = WANTED.get(what, (None, None))
            if goal is not None:
                table.find(f"{what}, warm cache", statistics.median(warm), "s", goal=goal, least=least)
    cold_note = (
        "cold: the files of the environment were dropped from the system's cache before each run (what this program "
        "itself has open stays: the interpreter; below a virtual machine its host may still hold them)"
    )
    table.finish(cold_note if hasattr(os, "posix_fadvise") else "cold: this system does not let a program drop files")
    return 0


def wait_for(command: list[str], first: str) -> None:
    """Start a command on a terminal, where there are such, and return when it has shown the character ``first``."""
    reading, writing = os.openpty() if hasattr(os, "openpty") else os.pipe()
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        shown = os.read(reading, 4)  # bytes of one character at most
        process.kill()
    os.close(reading)
    if shown[: len(first.encode())].decode(errors="replace") != first:
        raise RuntimeError(f"generate showed {shown!r} where {first!r} was to come")


def files_read() -> list[Path]:
    """The files of Python and of its environment that a command may open."""
    found = importlib.util.find_spec("parrotlet")
    assert found is not None and found.origin is not None
    library = [each for each in Path(sysconfig.get_path("stdlib")).iterdir() if each.name != "site-packages"]
    packages = [each for each in Path(sysconfig.get_path("purelib")).iterdir() if each.name not in NOT_READ]
    roots = [*library, *packages, Path(found.origin).parent]
    return [path for root in roots for path in (root.rglob("*") if root.is_dir() else [root]) if path.is_file()]


def forget(files: Iterable[Path]) -> bool:
    """Drop these from the system's cache of files; False where the system does not allow it."""
    if not hasattr(os, "posix_fadvise"):
        return False
    os.sync()  # what is not yet written cannot be dropped
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return True


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start

"""Sound files of textgenrnn and Keras come in; thousands of mutated copies are imported; what became of them goes out.

A copy may be refused with one line or, where the change does no harm, be taken over; then it must write. Anything but
a ParrotletError in this process fails the row. Files, configurations and archives are changed, each in many ways.
"""

import argparse
import contextlib
import json
import random
import struct
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.crafted import crafted
from bench.harness import Table
from parrotlet.errors import ParrotletError
from parrotlet.importers import read_model
from parrotlet.importers.reader import Reader
from parrotlet.writer import Writer

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
HUGE = (10**9, 2**31 - 1, 2**32, 2**40, 2**63 - 1, 2**64 - 1, 0, 1)
VALUES = (None, True, False, -1, 0, 1, 3.5, 10**9, 10**30, "", "x" * 5000, "tanh", "Lambda", [], {}, [[]], [None, 0, 0])
SECONDS = 20.0  # for one file


@dataclass
class Source:
    """A sound file with what belongs to it."""

    path: Path
    given: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """How many copies ended how, and the first of those that went wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def sources(folder: Path = FIXTURES) -> list[Source]:
    """The fixtures, each with its vocabulary, alphabet or configuration."""
    found = [
        Source(path, {"vocab": stem.with_name(stem.name + "_vocab.json"), "config": _config(stem)})
        for path in sorted((folder / "textgenrnn").glob("*_weights.hdf5"))
        if (stem := path.with_name(path.name.removesuffix("_weights.hdf5")))
    ]
    for path in sorted([*(folder / "keras").glob("*.keras"), *(folder / "keras").glob("*.h5")]):
        golden = path.name.startswith(("lesson", "keras2"))
        alphabet = json.loads((folder / "keras" / "alphabet.json").read_text()) if golden else list("\n abcdefghij")
        found.append(Source(path, {"alphabet": alphabet}))
    return found


def _config(stem: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(stem.with_name(stem.name + "_config.json").read_text(encoding="utf-8"))
    return data


def flipped(data: bytes, draw: random.Random) -> bytes:
    """A few bytes are others, most of them near the beginning, where the structure lies."""
    changed = bytearray(data)
    end = draw.choice((512, 4096, 20_000, len(data)))
    for _ in range(draw.choice((1, 2, 8, 64))):
        changed[draw.randrange(min(end, len(data)))] = draw.randrange(256)
    return bytes(changed)


def cut(data: bytes, draw: random.Random) -> bytes:
    """The file ends early, or a piece is missing, doubled or zero."""
    start = draw.randrange(len(data))
    end = min(len(data), start + draw.choice((1, 8, 100, 5000)))
    piece = draw.choice((b"", data[start:end] * 2, bytes(end - start)))
    return draw.choice((data[:start], data[:start] + piece + data[end:]))


def resized(data: bytes, draw: random.Random) -> bytes:
    """A number in the file, wherever one that is small stands, promises something else."""
    changed = bytearray(data)
    for _ in range(200):
        place = draw.randrange(0, len(data) - 8)
        width = draw.choice((4, 8))
        if 0 < int.from_bytes(data[place : place + width], "little") < 100_000:
            changed[place : place + width] = (draw.choice(HUGE) & (2 ** (8 * width) - 1)).to_bytes(width, "little")
            if draw.random() < 0.5:
                break
    return bytes(changed)


def rezipped(data: bytes, draw: random.Random) -> bytes:
    """The archive is sound, what lies in it is not: names, texts, weights, sizes."""
    if not data.startswith(b"PK"):
        return resized(data, draw)
    with tempfile.TemporaryFile() as old, tempfile.TemporaryFile() as new:
        old.write(data)
        with zipfile.ZipFile(old) as archive, zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as changed:
            victim = draw.choice(archive.namelist())
            for name in archive.namelist():
                content = archive.read(name)
                if name == victim:
                    content = draw.choice((flipped, cut, resized))(content, draw) if content else content
                    content = draw.choice((content, content, bytes(1 << 20)))
                    name = draw.choice((name, name, name, "../" + name, "/" + name, "c:\\" + name, name * 50))
                    if draw.random() < 0.05:
                        continue
                changed.writestr(name, content, draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        new.seek(0)
        raw = bytearray(new.read())
    if draw.random() < 0.2:  # a header that lies about a size or asks for another method
        place = raw.rfind(b"PK\x01\x02") + draw.choice((8, 10, 20, 24, 42))
        raw[place : place + 4] = struct.pack("<I", draw.choice(HUGE) & 0xFFFFFFFF)
    return bytes(raw)


def reconfigured(data: bytes, draw: random.Random) -> bytes:
    """The configuration of a .keras file is sound JSON that says something else; other files get a changed word."""
    if not data.startswith(b"PK"):
        return _other_word(data, draw)
    with tempfile.TemporaryFile() as old, tempfile.TemporaryFile() as new:
        old.write(data)
        with zipfile.ZipFile(old) as archive, zipfile.ZipFile(new, "w") as changed:
            for name in archive.namelist():
                content = archive.read(name)
                if name == "config.json":
                    config = json.loads(content)
                    for _ in range(draw.choice((1, 1, 3))):
                        other_value(config, draw)
                    content = json.dumps(config).encode()
                changed.writestr(name, content)
        new.seek(0)
        return new.read()


def other_value(data: Any, draw: random.Random) -> None:
    """One value somewhere in nested data becomes another, is taken away or doubled."""
    places = list(_places(data))
    if not places:
        return
    holder, key = draw.choice(places)
    way = draw.randrange(4)
    if way == 0 and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = draw.choice([*VALUES, draw.choice(places)[0]] if draw.random() < 0.9 else [_deep(5000)])
        with contextlib.suppress(ValueError):
            json.dumps(data)
            return
        holder[key] = None  # it would have held itself


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from _places(data[key])


def _deep(depth: int) -> Any:
    data: list[Any] = []
    for _ in range(min(depth, 400)):
        data = [data]
    return data


def _other_word(data: bytes, draw: random.Random) -> bytes:
    """A word in an HDF5 file (a name, an option) is replaced by another one of its length."""
    words = [b"kernel", b"lstm", b"dense", b"layer_names", b"weight_names", b"units", b"softmax", b"rnn_1", b"vars"]
    found = [word for word in words if word in data]
    word = draw.choice(found or [data[:4]])
    other = bytes(draw.choice(b"abz/.\0:\\") for _ in word)
    return data.replace(word, other, draw.choice((1, 100)))


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes flipped": flipped,
    "cut": cut,
    "sizes changed": resized,
    "archive changed": rezipped,
    "configuration changed": reconfigured,
    "made hostile": crafted,
}


def attack(count: int, seed: int, outcome: dict[str, Outcome], found: list[Source]) -> None:
    """Import ``count`` mutated copies; what belongs to a file (vocabulary, alphabet) is changed in some of them."""
    draw = random.Random(seed)
    originals = {source.path: source.path.read_bytes() for source in found}
    with tempfile.TemporaryDirectory() as folder, Reader(SECONDS) as reader:
        for number in range(count):
            source, name = draw.choice(found), draw.choice(list(MUTATIONS))
            # A name of its own for each: HDF5 may still hold a damaged file open.
            path = Path(folder) / f"{number}{''.join(source.path.suffixes)}"
            path.write_bytes(MUTATIONS[name](originals[source.path], draw))
            given = dict(source.given)
            if draw.random() < 0.1:
                key = draw.choice(list(given))
                if isinstance(given[key], Path):
                    given[key] = json.loads(given[key].read_text(encoding="utf-8"))
                given[key] = json.loads(json.dumps(given[key]))
                other_value(given[key], draw)
            try_import(path, given, reader, outcome.setdefault(name, Outcome()))
            path.unlink()


def try_import(path: Path, given: dict[str, Any], reader: Reader, outcome: Outcome) -> None:
    """One import, counted as refused, taken over or wrong; what was taken over must write."""
    try:
        bundle = read_model(path, reader=reader, **given).bundle
        Writer(bundle, "numpy").write("", length=1, seed=1)
        outcome.counts["taken over"] += 1
    except ParrotletError as error:
        outcome.counts["refused"] += 1
        if "\n" in str(error) or len(str(error)) > 1000:
            outcome.wrong.append(f"not one clear line: {error!r}"[:300])
    except Exception as error:
        outcome.counts["wrong"] += 1
        outcome.wrong.append(f"{path.name}: {type(error).__name__}: {error}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench hostile", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="500 files")
    chosen = parser.parse_args(arguments)
    outcome: dict[str, Outcome] = {}
    began = time.perf_counter()
    attack(500 if chosen.quick else chosen.files, chosen.seed, outcome, sources())
    seconds = time.perf_counter() - began
    table = Table("change", "files", "refused", "taken over", "wrong")
    for name, each in sorted(outcome.items()):
        counts = {key.replace(" ", "_"): each.counts[key] for key in ("refused", "taken over", "wrong")}
        table.add(change=name, files=each.counts.total(), **counts)
    wrong = [line for each in outcome.values() for line in each.wrong]
    table.finish(f"{seconds:.0f} seconds; {len(wrong)} wrong", *wrong[:20])
    return 1 if wrong else 0

"""A corpus file comes in; two files of the same kind go out: nine tenths to train on and a tenth to score."""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["text", "lines", "csv", "json"]
SEED = 0


def numbered(text: str) -> tuple[list[int], int]:
    """Each character by its number in the order of the alphabet, and how many characters that has."""
    number = {symbol: index for index, symbol in enumerate(sorted(set(text)))}
    return [number[symbol] for symbol in text], len(number)


def divide(source: Path, kind: Kind, fields: Sequence[str], folder: Path) -> tuple[Path, Path]:
    """Write ``train`` and ``held_out`` into ``folder``, with the suffix of ``source``.

    A long text is cut at nine tenths of its characters. Short documents are shuffled by SEED; copies of one document
    (for records: equal in ``fields``) fall on one side.
    """
    train, held_out = (folder / f"{part}{source.suffix}" for part in ("train", "held_out"))
    if kind == "text":
        text = source.read_text(encoding="utf-8")
        cut = len(text) * 9 // 10
        train.write_text(text[:cut], encoding="utf-8", newline="")
        held_out.write_text(text[cut:], encoding="utf-8", newline="")
        return train, held_out
    records, header = _records(source, kind)
    for path, part in zip((train, held_out), divided(records, kind, fields), strict=True):
        _write(path, kind, header, part)
    return train, held_out


def _records(source: Path, kind: Kind) -> tuple[list[Any], list[str]]:
    """The documents of a file, and the names of its columns where it has some."""
    if kind == "lines":
        return [line for line in source.read_text(encoding="utf-8").split("\n") if line.strip()], []
    if kind == "json":
        return json.loads(source.read_text(encoding="utf-8")), []
    with source.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader), list(reader.fieldnames or [])


def divided(records: list[Any], kind: Kind, fields: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Nine tenths and one tenth, both in shuffled order."""
    copies: dict[Hashable, list[Any]] = defaultdict(list)
    for record in records:
        copies[record if kind == "lines" else json.dumps([record.get(field) for field in fields])].append(record)
    groups = list(copies.values())
    random.Random(SEED).shuffle(groups)
    train: list[Any] = []
    held_out: list[Any] = []
    for group in groups:
        (held_out if len(held_out) < len(records) // 10 else train).extend(group)
    return train, held_out


def _write(path: Path, kind: Kind, header: list[str], records: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind == "lines":
            file.writelines(line + "\n" for line in records)
        elif kind == "json":
            json.dump(records, file, ensure_ascii=False)
        else:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(records)

"""Candidates, corpora, minutes and seeds come in; a table of what each writes after the same wall-clock goes out."""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.harness import data_folder, use_utf8
from bench.study.candidates import CANDIDATES
from bench.study.loop import run
from parrotlet.settings import assign

CORPORA = {
    "tinyshakespeare": ("tinyshakespeare/input.txt", False),
    "nietzsche": ("nietzsche/nietzsche.txt", True),
    "kjv": ("kjv/kjv.txt", False),
    "onegin": ("russian/onegin.txt", False),
    "moby_dick": ("moby_dick/moby_dick.txt", False),
}
STUDIED = ("tinyshakespeare", "nietzsche", "kjv")  # the others only judge the choice
RECORDS = Path(__file__).parent / "records.jsonl"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench study", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(CANDIDATES)} (all)")
    parser.add_argument("--corpora", nargs="*", default=list(STUDIED), choices=list(CORPORA))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="a setting of the usual training, as in train")
    parser.add_argument(
        "--dynamic", nargs="*", type=float, default=[], help="also score while learning on, at these rates"
    )
    parser.add_argument("--table", action="store_true", help="only show what was measured before")
    parser.add_argument("--quick", action="store_true", help="two candidates for three seconds, nothing is recorded")
    chosen = parser.parse_args(arguments)
    use_utf8()
    if chosen.table:
        print(table(chosen.minutes))
        return 0
    if chosen.quick:
        chosen.names, chosen.minutes, chosen.corpora = chosen.names or ["usual", "min_gru-2x512"], 0.05, ["nietzsche"]
    unknown = set(chosen.names) - set(CANDIDATES)
    if unknown:
        print(f"unknown candidates: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    usual: dict[str, Any] = {}
    for assignment in chosen.set:
        assign(usual, assignment)
    for name in chosen.names or CANDIDATES:
        for corpus in chosen.corpora:
            for seed in range(chosen.seeds):
                path, lower = CORPORA[corpus]
                text = (data_folder() / path).read_text(encoding="utf-8")
                found = run(
                    text.lower() if lower else text, CANDIDATES[name], chosen.minutes * 60, seed, usual, chosen.dynamic
                )
                record = {"name": name, "corpus": corpus, "minutes": chosen.minutes, "seed": seed, "set": chosen.set}
                record |= {"day": time.strftime("%Y-%m-%d"), **found}
                print(json.dumps(record), flush=True)
                if not chosen.quick:
                    with RECORDS.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(record) + "\n")
    return 0


def table(minutes: float) -> str:
    """What was recorded for a budget: bits per character, the median of the seeds, best mean first; in Markdown."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in RECORDS.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["minutes"] == minutes:
            name = " ".join([record["name"], *record["set"]])
            figures[name][record["corpus"]].append(record["bits"])
    corpora = [name for name in CORPORA if any(name in row for row in figures.values())]
    rows = []
    for name, row in figures.items():
        medians = [statistics.median(row[corpus]) if row.get(corpus) else None for corpus in corpora]
        known = [each for each in medians if each is not None]
        cells = ["" if each is None else f"{each:.3f}" for each in medians]
        rows.append((len(corpora) - len(known), sum(known) / len(known), f"| {name} | {' | '.join(cells)} |"))
    head = f"| candidate | {' | '.join(corpora)} |\n|{'---|' * (len(corpora) + 1)}"
    return "\n".join([head, *(line for *_, line in sorted(rows))])

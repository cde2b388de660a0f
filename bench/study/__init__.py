"""Candidates, corpora, minutes and seeds come in; a table of what each writes after the same minutes goes out.

The minutes are those of two quiet cores: each candidate makes as many steps as they would make (see bench.study.paces),
whatever else the machine does meanwhile. What was recorded for such a processor is not measured again, so that a long
grid may be stopped and gone on with.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.calibration import processor
from bench.harness import apart, data_folder, use_utf8
from bench.study.candidates import CANDIDATES, Candidate
from bench.study.loop import Task, run
from bench.study.paces import Paces
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
PACES = Path(__file__).parent / "paces.json"
USUAL = "usual"
DEFAULTS = 3  # how often the usual was changed after what the study found, from 1; each is compared with its own
Record = dict[str, Any]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench study", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(CANDIDATES)} (all)")
    parser.add_argument("--corpora", nargs="*", default=list(STUDIED), choices=list(CORPORA))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--best", type=int, metavar="N", help="only the N candidates that were best --after some minutes"
    )
    parser.add_argument("--after", type=float, default=1.0, help="minutes [1]")
    parser.add_argument("--set", action="append", default=[], help="a setting of the usual training, as in train")
    parser.add_argument(
        "--dynamic", nargs="*", type=float, default=[], help="also score while learning on, at these rates"
    )
    parser.add_argument("--processor", default=processor(), help="whose minutes they are [this one]")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="runs at once that share the cores [1]")
    parser.add_argument("--paces", action="store_true", help="only time the steps, once more; nothing else may run")
    parser.add_argument("--table", action="store_true", help="only show what was measured before")
    parser.add_argument("--quick", action="store_true", help="two candidates for a second, nothing is recorded")
    chosen = parser.parse_args(arguments)
    use_utf8()
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as parrotlet does: threads that wait must not spin for long
    if chosen.table:
        print(table(chosen.minutes))
        return 0
    if chosen.quick:
        chosen.names, chosen.minutes, chosen.corpora = chosen.names or [USUAL, "min_gru-2x512"], 0.02, ["nietzsche"]
    unknown = set(chosen.names) - set(CANDIDATES)
    if unknown:
        print(f"unknown candidates: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    paces = Paces(None, chosen.processor, measurements=1) if chosen.quick else Paces(PACES, chosen.processor)
    if chosen.paces:
        chosen.seeds = 1
        tasks = [(cell, task(cell, paces)) for cell in cells(chosen)]
        for name, given in {pace_of(cell, given): given for cell, given in tasks}.items():
            paces.measure(name, given)
        return 0
    scored = [f"dynamic {rate:g}" for rate in chosen.dynamic]
    known = [cell_of(each) for each in records() if all(name in each for name in scored)] if not chosen.quick else []
    counted = [(cell, counts(cell, paces)) for cell in cells(chosen) if cell not in known]  # while nothing else runs
    if chosen.at_once > 1:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // chosen.at_once))
    with ThreadPoolExecutor(chosen.at_once) as pool:
        runs = {pool.submit(measured, cell, count, paces, chosen.dynamic): cell for cell, count in counted}
        for done in as_completed(runs):
            record = {**runs[done], "day": time.strftime("%Y-%m-%d"), **done.result()}
            print(json.dumps(record), flush=True)
            if not chosen.quick:
                with RECORDS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
    return 0


def cells(chosen: argparse.Namespace) -> Iterator[Record]:
    """What is to be measured: each of the names on each of the corpora from each of the seeds."""
    names = chosen.names or (best(chosen.best, chosen.after) if chosen.best else CANDIDATES)
    for name in names:
        for corpus in chosen.corpora:
            for seed in range(chosen.seeds):
                cell = {"name": name, "corpus": corpus, "minutes": chosen.minutes, "seed": seed, "set": chosen.set}
                yield {"processor": chosen.processor, "defaults": DEFAULTS, **cell}


def cell_of(record: Record) -> Record:
    names = ("processor", "defaults", "name", "corpus", "minutes", "seed", "set")
    return {name: record[name] for name in names}


def pace_of(cell: Record, given: Task) -> str:
    """What the pace of its steps is kept under: that of candidates whose steps do the same is the same."""
    return f"{cell['name']} {given.prepared().work()}" if given.candidate.own_steps else given.prepared().work()


def task(cell: Record, paces: Paces) -> Task:
    usual: dict[str, Any] = {}
    for assignment in cell["set"]:
        assign(usual, assignment)
    path, lower = CORPORA[cell["corpus"]]
    text = (data_folder() / path).read_text(encoding="utf-8")
    minutes, speed = cell["minutes"], paces.products()
    return Task(text.lower() if lower else text, CANDIDATES[cell["name"]], minutes * 60, speed, cell["seed"], usual)


def counts(cell: Record, paces: Paces) -> tuple[int, int]:
    """The steps that its minutes allow: its own, and those of the teacher that it may have."""
    given = task(cell, paces)
    share = given.candidate.teacher
    steps = max(1, round((1 - share) * given.seconds / paces.step(pace_of(cell, given), given)))
    if not share:
        return steps, 0
    alone = {**cell, "name": USUAL}
    usual = task(alone, paces)
    return steps, max(1, round(share * given.seconds / paces.step(pace_of(alone, usual), usual)))


def measured(cell: Record, count: tuple[int, int], paces: Paces, rates: list[float]) -> Record:
    """A run of so many steps in a process of its own; what the usual gave, where the candidate does as it does here."""
    given = task(cell, paces)
    if is_usual(given):
        for record in records():
            if cell_of(record) == {**cell, "name": USUAL} and all(f"dynamic {rate:g}" in record for rate in rates):
                return {name: value for name, value in record.items() if name not in cell and name != "day"}
    return apart(run, given, *count, rates)


def is_usual(given: Task) -> bool:
    """Whether a candidate differs from the usual only in settings, all of which the usual has for this text too."""
    settings_only = Candidate(given.candidate.group, given.candidate.network, given.candidate.training)
    usual = replace(given, candidate=CANDIDATES[USUAL])
    return given.candidate == settings_only and given.prepared().settings == usual.prepared().settings


def records() -> list[Record]:
    return [{"defaults": 1, **json.loads(line)} for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def figures(minutes: float) -> dict[str, dict[str, float]]:
    """What was recorded for a budget: candidate → corpus → bits per character more than the usual's.

    Of seeds the median. Each is compared with the usual of its day on the same kind of processor, and only so: what a
    minute is worth differs between them. What was found here, and last, counts.
    """
    found: dict[tuple[str, int, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records():
        if record["minutes"] == minutes:
            name = " ".join([record["name"], *record["set"]])
            found[record["processor"], record["defaults"], record["corpus"]][name].append(record["bits"])
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for (_, _, corpus), row in sorted(found.items(), key=lambda each: (each[0][0] == processor(), each[0][1])):
        if USUAL in row:
            for name, bits in row.items():
                rows[name][corpus] = median(bits) - median(row[USUAL])
    return rows


def ranked(rows: dict[str, dict[str, float]], corpora: list[str]) -> list[str]:
    """The candidates by their mean over the corpora; those that lack one come after those that do not."""
    known = {name: [row[corpus] for corpus in corpora if corpus in row] for name, row in rows.items()}
    return sorted((name for name in rows if known[name]), key=lambda name: (-len(known[name]), fmean(known[name])))


def best(count: int, minutes: float) -> list[str]:
    """The usual, and the candidates that were best on the studied corpora; what was set by hand is none of them."""
    rows = {name: row for name, row in figures(minutes).items() if name in CANDIDATES}
    return [USUAL, *(name for name in ranked(rows, list(STUDIED)) if name != USUAL)][:count]


def table(minutes: float) -> str:
    """What was recorded for a budget, best mean first; in Markdown."""
    rows = figures(minutes)
    corpora = [name for name in CORPORA if any(name in row for row in rows.values())]
    head = f"| candidate | {' | '.join(corpora)} |\n|{'---|' * (len(corpora) + 1)}"
    lines = []
    for name in ranked(rows, corpora):
        values = [f"{rows[name][corpus]:+.3f}" if corpus in rows[name] else "" for corpus in corpora]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join([head, *lines, "", *usual_figures(minutes)])


def usual_figures(minutes: float) -> list[str]:
    """Lines that tell what the usual of today reached, corpus by corpus, on each kind of processor."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records():
        today = record["defaults"] == DEFAULTS
        if today and record["minutes"] == minutes and record["name"] == USUAL and not record["set"]:
            found[record["processor"], record["corpus"]].append(record["bits"])
    return [f"{corpus}, {where}: usual {median(bits):.3f}" for (where, corpus), bits in found.items()]

"""The name of a row comes in; its table goes out and is recorded. ``all`` runs the rows that stand beside a peer."""

import importlib
import subprocess
import sys
from pathlib import Path

from bench.results import Results, summary
from bench.table import Table

FOLDER = Path(__file__).parent
ROWS = {
    "training": "targets per second of training beside the Keras lesson's script and plain torch; 2 minutes a time",
    "keras-quality": "how soon the lesson's script is overtaken, in bits per character; 4 minutes",
    "peers": "the Keras script, textgenrnn itself and a small transformer, each beside parrotlet; 6 minutes",
    "quality": "bits per character after 1-15 minutes beside the plain prototype and a transformer; long",
    "penn": "the Penn Treebank by letter and by word, 20 minutes each; --choose",
    "writing": "characters per second of the public generate, beside a plain torch loop; --network shapes",
    "startup": "time of --help, of the import and to the first character of generate, warm and cold",
    "scaling": "time and memory against corpus size, model size and streams, with plots; 40 minutes",
    "study": "which network and settings write best after the same minutes; --minutes, --corpora; hours",
    "corpora": "held-out bits per token on sixteen corpora, beside an interpolated n-gram model over the same tokens",
    "labels": "how surely a classifier tells under which label a text was written; a minute a table",
    "chat": "how many trivia questions a network answers after a minute of training on them",
    "pretrain": "the pretrained model of the package, and what it is worth; 80 minutes",
    "adaptive": "an adaptive softmax beside the full one at 33,000 words: speed, memory, perplexity; 16 minutes",
    "tunes": "how many tunes that were written play, by abc2midi, and how many are copies; 4 minutes",
    "strokes": "how like real drawings those are that were written stroke by stroke; 6 minutes",
    "large": "peak memory of training on a text of 1 GB",
    "kill": "kill -9 at random moments and --resume, compared bit for bit with a run that was never stopped",
    "hostile": "thousands of damaged and hostile files of textgenrnn and Keras, imported",
    "prototype": "the plain prototype alone, on one file",
}
MODULES = {"peers": "bench.beside"}  # of rows whose name is taken
# What `all` runs, and how: everything that the goals of speed and quality are about, in three to four hours.
ALL = (
    ("training", "--times", "3"),
    ("keras-quality",),
    ("peers",),
    ("writing",),
    ("writing", "--network", "shapes"),
    ("startup",),
    ("penn",),
    ("scaling",),
    *(
        ("quality", f"tinyshakespeare-{minutes}", "--seeds", "3", "--transformer", "64", "256")
        for minutes in (1, 3, 15)
    ),
)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("python -m bench ROW [--help] [--quick]\npython -m bench all [--quick]\n")
        print("\n".join(f"  {name:<13} {about}" for name, about in ROWS.items()))
        return 0
    name, *options = arguments
    results = Results(FOLDER.parent / ".bench" / "quick.json" if "--quick" in options else FOLDER / "results.json")
    if name == "all":
        return run_all(options, results)
    if name not in ROWS:
        print(f"unknown row {name!r}: choose from all, {', '.join(ROWS)}", file=sys.stderr)
        return 2
    Table.row, Table.results = name, results
    module = MODULES.get(name, f"bench.{name.replace('-', '_')}")
    return int(importlib.import_module(module).main(options))


def run_all(options: list[str], results: Results) -> int:
    """Every row of ALL in a process of its own, then one table of what they found; 1 where one of them failed."""
    failed = []
    for row in ALL:
        print(f"\n== {' '.join(row)}\n", flush=True)
        if subprocess.run([sys.executable, "-m", "bench", *row, *options], check=False).returncode:
            failed.append(row[0])
    print(f"\n== {results.path.with_suffix('.md')}\n\n{summary(results.sections())}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

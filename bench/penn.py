"""The Penn Treebank comes in; what its recipes reach on the test file goes out: bits per letter, perplexity of words.

Settings are chosen on the validation file (``--choose``, with ``--set``); the test file is scored by the row alone.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Table, data_folder, event, score, train


@dataclass(frozen=True)
class Trial:
    """A recipe, the files it is for, the figure that counts, its goal and the least that counts as done."""

    recipe: str
    files: str
    figure: str
    wanted: tuple[float, float]


TRIALS = {
    "characters": Trial("penn-characters", "ptb/ptb.char.{}.txt", "bits_per_token", (1.35, 1.42)),
    "words": Trial("penn-words", "ptb/ptb.{}.txt", "perplexity", (95, 115)),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench penn", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="LEVEL", help=f"{', '.join(TRIALS)} (both)")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", action="store_true", help="score the validation file only, record nothing")
    parser.add_argument("--set", action="append", default=[], help="a setting besides the recipe's, as in train")
    parser.add_argument("--quick", action="store_true", help="ten seconds each")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - TRIALS.keys():
        parser.error(f"unknown level {', '.join(sorted(unknown))}: choose from {', '.join(TRIALS)}")
    options = [each for setting in chosen.set for each in ("--set", setting)]
    options += ["--seed", str(chosen.seed), "--minutes", str(1 / 6 if chosen.quick else chosen.minutes)]
    for name in chosen.names or TRIALS:
        _measure(name, TRIALS[name], options, chosen.choose)
    return 0


def _measure(name: str, trial: Trial, options: list[str], choose: bool) -> None:
    """One run of a recipe and what it reaches on the files it did not see."""
    table = Table("validation", "test", "tokens", "hidden", "epochs", "seconds", title=name)
    train_file, valid, test = (data_folder() / trial.files.format(part) for part in ("train", "valid", "test"))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        taken, events = train(train_file, model, "--recipe", trial.recipe, *options)
        scored = {"validation": score(model, valid)} | ({} if choose else {"test": score(model, test)})
    settings = event(events, "started")["settings"]
    table.add(
        **{part: found[trial.figure] for part, found in scored.items()},
        tokens=list(scored.values())[-1]["tokens"],
        hidden=settings["network"]["hidden"],
        epochs=event(events, "done")["epoch"],
        seconds=taken,
        settings=settings,
    )
    if choose:
        return
    goal, least = trial.wanted
    what = f"Penn Treebank, {name}, {settings['training']['minutes']:g} min"
    table.find(what, scored["test"][trial.figure], trial.figure.replace("_", " "), goal=goal, least=least)
    table.finish(f"validation, test: {trial.figure.replace('_', ' ')}, line ends included")

"""Texts with labels come in; how surely a classifier tells under which label a model wrote goes out.

The classifier counts words (naive Bayes: Manning et al. 2008, §13.2). It learns from the real texts that the model was
trained on; its accuracy on held-out real texts stands beside that on what the model wrote, copies left out.
"""

import argparse
import math
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Table, data_folder, train, use_utf8
from bench.held_out import divide
from parrotlet import CorpusSettings, load, open_corpus
from parrotlet.recipes import load_recipe

WANTED = 0.85
TEMPERATURE = 0.8
STRENGTHS = (1.0, 2.0)


@dataclass(frozen=True)
class Trial:
    """A table of texts, what its columns are called, and the recipe for such texts."""

    path: str
    text: str
    label: str
    recipe: str | None = None

    def rows(self, path: Path) -> list[tuple[str, str]]:
        """Its texts as they are learned, each with its label."""
        corpus = load_recipe(self.recipe).get("corpus", {}) if self.recipe else {}
        settings = CorpusSettings.model_validate({**corpus, "column": self.text, "labels": (self.label,)})
        return [(each.text.strip(), each.labels[self.label]) for each in open_corpus(path, settings).documents()]


TRIALS = {
    "reddit": Trial("textgenrnn/reddit_rarepuppers_politics_2000_context.csv", "title", "context_label"),
    "tweets": Trial("tweets/election_tweets_2016.csv", "text", "author", "tweets"),
}


class WordCounts:
    """A classifier of texts by their words, each at least once seen more than it was."""

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._texts = Counter(label for _, label in texts)
        for text, label in texts:
            self._counts.setdefault(label, Counter()).update(words(text))
        self._known = {word for counts in self._counts.values() for word in counts}

    def label(self, text: str) -> str:
        def likelihood(label: str) -> float:
            counts = self._counts[label]
            total = sum(counts.values()) + len(self._known)
            seen = (word for word in words(text) if word in self._known)
            return math.log(self._texts[label]) + sum(math.log((counts[word] + 1) / total) for word in seen)

        return max(self._counts, key=likelihood)

    def accuracy(self, texts: Sequence[tuple[str, str]]) -> float:
        return sum(self.label(text) == label for text, label in texts) / len(texts)


def words(text: str) -> list[str]:
    return re.findall(r"[\w@#']+", text.lower())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench labels", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(TRIALS)} (all)")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--texts", type=int, default=100, help="written under each label")
    parser.add_argument("--quick", action="store_true", help="a few seconds each")
    chosen = parser.parse_args(arguments)
    use_utf8()
    table = Table("corpus", "label", "strength", "written", "copies", "told", "real texts told", title="labels")
    for name in chosen.names or TRIALS:
        trial, minutes = TRIALS[name], 0.1 if chosen.quick else chosen.minutes
        with tempfile.TemporaryDirectory() as folder:
            fields = (trial.text, trial.label)
            learned, held_out = divide(data_folder() / trial.path, "csv", fields, Path(folder))
            model = Path(folder) / "model.safetensors"
            recipe = ["--recipe", trial.recipe] if trial.recipe else []
            train(learned, model, "--minutes", minutes, *recipe, "--column", trial.text, "--label", trial.label)
            judged(table, name, load(model), trial.rows(learned), trial.rows(held_out), chosen.texts)
    table.finish(
        f"told: the share of texts written at temperature {TEMPERATURE:g} whose label a classifier of word counts finds"
    )
    return 0


def judged(table, name, writer, learned, held_out, texts) -> None:  # type: ignore[no-untyped-def]
    """What the classifier says of the texts of each label, and of all of them, at each strength."""
    judge, known = WordCounts(learned), {text for text, _ in learned}
    (column,) = writer.labels
    for strength in STRENGTHS:
        shares = []
        for label in writer.labels[column]:
            labelled = writer.labelled({column: label}, strength)
            fresh, copies, seed = dict[str, None](), 0, 0
            while len(fresh) < texts and seed < 20:
                found = labelled.generate(texts, length=300, temperature=TEMPERATURE, seed=seed)
                written = [text.strip() for text in found]
                copies += sum(text in known for text in written)
                fresh |= dict.fromkeys(text for text in written if text and text not in known)
                seed += 1
            kept = list(fresh)[:texts]
            shares.append(judge.accuracy([(text, label) for text in kept]))
            real = judge.accuracy([each for each in held_out if each[1] == label])
            table.add(
                corpus=name, label=label, strength=strength, written=len(kept), copies=copies, told=shares[-1],
                real_texts_told=real,
            )  # fmt: skip
        table.find(
            f"{name}: label told of what was written, strength {strength:g}", sum(shares) / len(shares), "share",
            peer="real held-out texts", beside=judge.accuracy(held_out), goal=WANTED, least=WANTED - 1e-9,
        )  # fmt: skip

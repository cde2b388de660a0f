"""Real corpora come in; for each, what parrotlet learns in a minute beside an n-gram model of the same tokens.

And whether the text comes back whole from its ids: the share of its lines that do. At word level a line with a word
that the model does not know is lost.
"""

import argparse
import json
import shlex
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness import Table, data_folder, event, parrotlet, run, score, train, use_utf8
from bench.held_out import Kind, divide
from parrotlet.report.ngram import NGram


@dataclass(frozen=True)
class Trial:
    """One corpus: its file below PARROTLET_DATA, how it is divided, and the options of its command."""

    path: str
    kind: Kind
    options: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # of a record, which make it a document
    order: int = 5  # of the n-gram model


WORDS = ("--level", "word", "--set", "tokenizer.breaker=icu")
TRIALS: dict[str, Trial] = {
    "nietzsche": Trial("nietzsche/nietzsche.txt", "text", ("--lowercase",)),
    "tinyshakespeare": Trial("tinyshakespeare/input.txt", "text"),
    "hacker_news": Trial("textgenrnn/hacker_news_2000.txt", "lines"),
    "reddit_csv": Trial(
        "textgenrnn/reddit_rarepuppers_politics_2000_context.csv", "csv", ("--column", "title"), ("title",)
    ),
    "recipes": Trial(
        "recipes/epicurious_recipes.json",
        "json",
        ("--level", "word", "--template", "Recipe for {title} | {directions}"),
        ("title", "directions"),
        order=3,
    ),
    "tang_poems": Trial("chinese_poetry/tang_poems.txt", "text"),
    "onegin": Trial("russian/onegin.txt", "text"),
    "emoji_csv": Trial("emoji/tweets_crying.csv", "csv", ("--column", "Tweets"), ("Tweets",)),
    "names": Trial("names/names.txt", "lines"),
    "strokes": Trial("strokes/kanji_strokes.txt", "lines", ("--level", "symbol")),
    "song_ci": Trial("chinese_poetry/song_ci_300.txt", "text"),
    "tang_words": Trial("chinese_poetry/tang_poems.txt", "text", WORDS, order=3),
    "japanese": Trial("japanese/wagahai_neko.txt", "text"),
    "japanese_words": Trial("japanese/wagahai_neko.txt", "text", WORDS, order=3),
    "hebrew": Trial("hebrew/hebrew_bible_sample.txt", "text"),
    "hebrew_graphemes": Trial("hebrew/hebrew_bible_sample.txt", "text", ("--set", "tokenizer.graphemes=true")),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench corpora", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CORPUS", help=f"{', '.join(TRIALS)} (all)")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="a few seconds each")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - TRIALS.keys():
        parser.error(f"unknown corpus {', '.join(sorted(unknown))}: choose from {', '.join(TRIALS)}")
    use_utf8()
    data = data_folder()
    table = Table(
        *(
            "corpus",
            "form",
            "vocabulary",
            "tokens",
            "parrotlet",
            "n-gram",
            "ratio",
            "beaten",
            "bits per char",
            "back",
            "seconds",
        ),
        title=" ".join(chosen.names),
    )
    for name in chosen.names or TRIALS:
        with tempfile.TemporaryDirectory() as folder:
            measure(table, name, TRIALS[name], data, Path(folder), 0.15 if chosen.quick else chosen.minutes)
    _samples(table)
    beaten = sum(record["beaten"] for record in table.records)
    table.finish(
        f"{beaten} of {len(table.records)} beat the n-gram model (bits per token on the last tenth)",
        "back: the share of the held-out text, line by line, that is the same after encoding and decoding",
    )
    return 0


def measure(table: Table, name: str, trial: Trial, data: Path, folder: Path, minutes: float) -> None:
    """Train, score, count and write on one corpus: one row."""
    train_file, held_out = divide(data / trial.path, trial.kind, trial.fields, folder)
    model = folder / "model.safetensors"
    seconds, events = train(train_file, model, "--minutes", minutes, *trial.options)
    scored = score(model, held_out)
    started = time.perf_counter()
    bits, tokens, vocabulary = ngram_bits(model, train_file, held_out, trial.order)
    if tokens != scored["tokens"]:
        raise RuntimeError(f"{name}: the n-gram model read {tokens} tokens, score {scored['tokens']}")
    per_token, form = scored["bits_per_token"], event(events, "started")["settings"]["corpus"]["form"]
    table.add(
        corpus=name,
        form=form,
        vocabulary=vocabulary,
        tokens=tokens,
        parrotlet=per_token,
        **{"n-gram": bits / tokens},
        ratio=per_token * tokens / bits,
        beaten=per_token < bits / tokens,
        bits_per_char=scored["bits_per_character"],
        back=coming_back(model, held_out),
        seconds=seconds,
        unknown_share=scored.get("unknown_share"),
        order=trial.order,
        ngram_seconds=time.perf_counter() - started,
        steps=event(events, "done")["step"],
        epochs=event(events, "done")["epoch"],
        network=event(events, "started")["settings"]["network"],
        command=shlex.join(["parrotlet", "train", trial.path, "--minutes", f"{minutes:g}", *trial.options]),
        sample=sample(model, form),
    )


def coming_back(model: Path, source: Path) -> float:
    """The share of a text's characters that stand in lines which are decoded as they were, but for normalisation."""
    from parrotlet import load_bundle, open_corpus

    bundle = load_bundle(model)
    tokenizer, whole, back = bundle.tokenizer, 0, 0
    for document in open_corpus([source], bundle.settings.corpus).documents():
        for line in tokenizer.normalise(document.text).splitlines():
            decoder = tokenizer.decoder()
            whole += len(line)
            back += len(line) * (decoder.push(tokenizer.encode(line).tolist()) + decoder.flush() == line)
    return back / max(1, whole)


def ngram_bits(model: Path, train_file: Path, held_out: Path, order: int) -> tuple[float, int, int]:
    """Bits and number of the held-out tokens under an n-gram model of the training tokens, and the vocabulary."""
    from parrotlet import load_bundle

    bundle = load_bundle(model)
    tokenizer, closing = bundle.tokenizer, bundle.card.form == "lines"

    def documents(path: Path) -> Iterator[npt.NDArray[np.int64]]:
        from parrotlet import open_corpus

        for document in open_corpus([path], bundle.settings.corpus).documents():
            ids = np.concatenate([tokenizer.encode(piece) for piece in document.pieces])
            if len(ids):
                yield ids

    ngram = NGram(documents(train_file), len(tokenizer), tokenizer.stop, order, closing)
    return *ngram.bits(documents(held_out)), len(tokenizer)


def sample(model: Path, form: str) -> list[str]:
    """Two lines that the model writes, or two documents with their line ends shown."""
    printed = run(parrotlet("generate", model, "-n", 2, "--length", 300, "--temperature", 0.5, "--seed", 1, "--json"))
    texts = [each["text"] for each in json.loads(printed)]
    if form == "lines":
        return [text.strip().replace("\n", " ↵ ") for text in texts]
    return [line for line in texts[0].splitlines() if line.strip()][:2]


def _samples(table: Table) -> None:
    print("\nTwo lines of what each wrote (temperature 0.5, seed 1):\n")
    for record in table.records:
        print(f"- {record['corpus']} (`{record['command']}`)")
        print("".join(f"  > {line}\n" for line in record["sample"]))

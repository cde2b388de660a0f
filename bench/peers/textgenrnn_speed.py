"""A file of titles comes in; how fast textgenrnn itself learns from them and writes goes out.

Run by the Python that has textgenrnn, in a folder that it may write its files into; it prints one JSON object last.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import textgenrnn as package
from textgenrnn import textgenrnn

SHORTEST = 300  # windows: textgenrnn wants a batch at least, and TensorFlow compiles at the first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=10, help="about how long it learns, and how long it writes")
    parser.add_argument("--prompt", default="Show HN: ")
    parser.add_argument("--length", type=int, default=60, help="characters of the greedy text")
    chosen = parser.parse_args()
    titles = chosen.file.read_text(encoding="utf-8").splitlines()[1:]  # the first line is a header
    textgen = textgenrnn()
    length = 1 + len(chosen.prompt) + chosen.length  # with <s>
    greedy = textgen.generate(1, True, chosen.prompt, 0.0, max_gen_length=length)[0]
    folder = Path(package.__file__).parent
    record = {
        "version": "2.0.0",
        "greedy": greedy,
        "weights": str(folder / "textgenrnn_weights.hdf5"),
        "vocabulary": str(folder / "textgenrnn_vocab.json"),
        "characters_per_second": writing(textgen, chosen.seconds),
        "targets_per_second": learning(textgen, titles, chosen.seconds),
        "bits": textgen.model.history.history["loss"][-1] / math.log(2),  # of a target, while it learned
    }
    print(json.dumps(record))


def writing(textgen: textgenrnn, seconds: float) -> float:
    """Characters a second of ``generate``, which has written before and is compiled."""
    start, characters = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        characters += len(textgen.generate(1, True, temperature=0.5, progress=False)[0])
    return characters / taken


def learning(textgen: textgenrnn, titles: list[str], seconds: float) -> float:
    """Windows a second of ``train_on_texts``, one prediction each; every title is read once."""
    unread = iter(titles)
    _seconds_of(textgen, unread, SHORTEST)
    windows = round(seconds * 10 * SHORTEST / _seconds_of(textgen, unread, 10 * SHORTEST))
    return windows / _seconds_of(textgen, unread, windows)


def _seconds_of(textgen: textgenrnn, unread: Iterator[str], windows: int) -> float:
    """Learn once from about so many windows: a title gives one more than it has characters."""
    chosen, count = [], 0
    while count < windows:
        chosen.append(next(unread))
        count += len(chosen[-1]) + 1
    start = time.perf_counter()
    textgen.train_on_texts(chosen, num_epochs=1, gen_epochs=0, verbose=0)
    return (time.perf_counter() - start) * windows / count


if __name__ == "__main__":
    main()

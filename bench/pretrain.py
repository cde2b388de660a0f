"""Public-domain texts come in; the pretrained model of the package, and what it is worth, go out.

It learns from nine tenths and a half of each source, books in passages and in single sentences, an alphabet for Western
text, and is saved with its matrices in bytes. Then: bits per character on what is left of each source, and a minute of
fine-tuning on headlines beside a minute from nothing.
"""

import argparse
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.harness import Table, data_folder, event, score, train, use_utf8
from bench.held_out import divide
from parrotlet import from_texts, load, training
from parrotlet.learning import Run
from parrotlet.plots import plot_loss, read_histories
from parrotlet.pretrained import FILE

HELD_OUT = 20  # of so many parts of a source the last is scored
PASSAGE = (1500, 4000)  # characters: a passage ends with the first paragraph between them
SENTENCES = 6  # of so many passages one is cut into its sentences, a document each
LARGEST = 4_000_000  # bytes of the file
GAIN = 0.15  # bits per character that a minute of fine-tuning must be ahead
LETTERS = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x180)])) + "“”‘’„‚–—…•€™→−′″\n"
BEYOND = "😀🎉❤"  # spelt in bytes, so that the network knows such spellings
SETTINGS = {"hidden": 896, "most_epochs": 40, "validation": 0.002, "min_count": 1}
NOTE = (
    "pretrained on public-domain English (Austen, Carroll, Hume, Milton, Whitman, Melville, Nietzsche, Shakespeare, "
    "the King James Bible, public-domain recipes) by python -m bench pretrain"
)


def unwrapped(text: str) -> str:
    """Prose whose lines were broken at a width: a paragraph a line."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n\n".join(part for part in paragraphs if part)


def as_it_is(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def recipes(text: str) -> str:
    """Recipes without their pictures and the heads that tell date and author."""
    text = re.sub(r'---\ntitle: "?(.*?)"?\n(?:[^\n]*\n)*?---\n', r"\1\n", text)
    return as_it_is(re.sub(r"!\[[^\n]*\n", "", text))


SOURCES: dict[str, tuple[str, Callable[[str], str]]] = {
    "austen": ("english_classics/austen-sense.txt", unwrapped),
    "carroll": ("english_classics/carroll.txt", unwrapped),
    "hume": ("english_classics/hume-enquiry.txt", unwrapped),
    "milton": ("english_classics/milton-paradise.txt", as_it_is),
    "whitman": ("english_classics/whitman-leaves.txt", as_it_is),
    "bible": ("kjv/kjv.txt", as_it_is),
    "melville": ("moby_dick/moby_dick.txt", unwrapped),
    "nietzsche": ("nietzsche/nietzsche.txt", unwrapped),
    "shakespeare": ("tinyshakespeare/input.txt", as_it_is),
    "recipes": ("recipes/public_domain_recipes.md", recipes),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench pretrain", description=__doc__)
    parser.add_argument("--minutes", type=float, default=75.0)
    parser.add_argument("--output", type=Path, default=FILE)
    parser.add_argument("--only-worth", action="store_true", help="do not train: what the model that is there is worth")
    parser.add_argument("--picture", type=Path, help="draw the two curves of fine-tuning into this file")
    parser.add_argument("--quick", action="store_true", help="ten seconds, a small network, into a folder that goes")
    chosen = parser.parse_args(arguments)
    use_utf8()
    texts = {name: clean((data_folder() / path).read_text(encoding="utf-8")) for name, (path, clean) in SOURCES.items()}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "english.safetensors" if chosen.quick else chosen.output
        if not chosen.only_worth:
            settings = SETTINGS | ({"hidden": 64, "minutes": 0.2} if chosen.quick else {"minutes": chosen.minutes})
            learn(texts, model, Path(folder), settings)
        table = Table("source", "characters", "bits per character", title="pretrain")
        writer = load(model)
        for name, text in texts.items():
            rest = text[cut(text) :]
            bits = writer.score(rest, "text").bits_per_character
            table.add(source=name, characters=len(rest), bits_per_character=bits)
        fine_tuned(table, model, Path(folder), 0.1 if chosen.quick else 1.0, chosen.picture)
        table.find("size of the pretrained model", model.stat().st_size, "bytes", goal=LARGEST, least=LARGEST)
        table.finish("each source: its last twentieth, as one text; headlines: a tenth of hacker_news, shuffled")
    return 0


def learn(texts: dict[str, str], model: Path, folder: Path, settings: dict[str, object]) -> None:
    """Train, and save with matrices in bytes."""
    run: Run = training(
        from_texts(documents(texts), "lines", "public-domain English"), folder / "whole.safetensors", **settings
    )
    for each in run:
        if each.event in ("evaluation", "remark", "started"):
            print(each, flush=True)
    card = run.bundle.card.model_copy(update={"notes": (NOTE,)})
    model.parent.mkdir(exist_ok=True)
    replace(run.bundle, card=card).save(model, compact=True)


def documents(texts: dict[str, str]) -> Iterator[str]:
    """Passages of each text, some cut into sentences, and the alphabet; nothing twice."""
    yield LETTERS * 2 + BEYOND
    for text in texts.values():
        for number, passage in enumerate(passages(text[: cut(text)])):
            if number % SENTENCES:
                yield passage
            else:
                sentences = re.split(r"(?<=[.!?])\s+|\n+", passage)
                yield from (sentence for sentence in sentences if 20 <= len(sentence) <= 250)


def cut(text: str) -> int:
    return len(text) * (HELD_OUT - 1) // HELD_OUT


def passages(text: str) -> Iterator[str]:
    least, most = PASSAGE
    while len(text) > most:
        end = text.find("\n", least, most)
        end = text.rfind(" ", least, most) if end < 0 else end
        end = most if end < 0 else end
        yield text[:end].strip()
        text = text[end:].strip()
    yield text


def fine_tuned(table: Table, model: Path, folder: Path, minutes: float, picture: Path | None) -> None:
    """A minute on headlines, from the model and from nothing."""
    source = data_folder() / "textgenrnn" / "hacker_news_2000.txt"
    learned, held_out = divide(source, "lines", (), folder)
    bits, models = {}, {}
    for name, start in (("from nothing", ()), ("from pretrained", ("--from", model))):
        models[name] = folder / f"{name}.safetensors"
        _, events = train(learned, models[name], "--minutes", minutes, *start)
        bits[name] = score(models[name], held_out)["bits_per_character"]
        table.add(
            source=f"headlines, {name}, {event(events, 'done')['epoch']:.1f} epochs", bits_per_character=bits[name]
        )
    ahead, least = bits["from nothing"] - bits["from pretrained"], GAIN - 1e-9
    table.find("headlines after a minute: what pretraining saves", ahead, "bits per character", peer="from nothing",
               beside=bits["from nothing"])  # fmt: skip
    table.find("headlines after a minute, from pretrained", bits["from pretrained"], "bits per character",
               goal=bits["from nothing"] - GAIN, least=bits["from nothing"] - least)  # fmt: skip
    if picture:
        histories = read_histories([str(path) for path in models.values()])
        plot_loss(histories, picture, over="seconds")

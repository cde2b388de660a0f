"""A writer and the material of its report card come in; what it writes is measured, and the report card goes out."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from parrotlet.report.card import Figures, Report, Unit
from parrotlet.report.copying import SOURCE_SEPARATOR, TEXT_SEPARATOR, Copies
from parrotlet.report.figures import count_words, cut, distinct, made_of_words, repetition, words_of
from parrotlet.report.material import IdArray, Material, characters_of
from parrotlet.report.ngram import NGram
from parrotlet.sampling import Rules
from parrotlet.tokenizers import Tokenizer
from parrotlet.writer import Writer

CHARACTERS = 20_000
PIECE = 2000  # characters of a text written at once, and in which repetition and variety are counted
LEAST_PIECE = 500  # of a shorter text neither is told
ORDER = 5
SEED = 0
TOGETHER, MOST_ROUNDS = 256, 100  # short documents written at a time, and how many times at most


@dataclass(frozen=True)
class Yardstick:
    """What every text is measured with: ``words`` and ``documents`` of the training text, where they say anything."""

    copies: Copies
    unit: Unit
    words: frozenset[str] | None
    documents: frozenset[str] | None
    piece: int
    compared: int | None

    def figures(self, text: str, start: int, bits: float | None) -> Figures:
        """The figures of one of the texts in ``copies``, which stands there from ``start`` on."""
        plain, documents, stop = text.replace(TEXT_SEPARATOR, "\n"), text.split(TEXT_SEPARATOR), start + len(text)
        pieces = cut(plain, self.piece)
        units = [self._units(piece) for piece in pieces]
        inside = slice(1, -1) if self.documents is None else slice(None)  # long texts begin and end within a word
        words = [word for document in documents for word in words_of(document)[inside]] if self.words else []
        compared = self.compared
        return Figures(
            characters=len(text),
            bits_per_character=bits,
            repetition=repetition(units, 4),
            repetition_characters=repetition(pieces, 20),
            distinct_1=distinct(units, 1),
            distinct_2=distinct(units, 2),
            real_words=share(words, self.words),
            longest_copy=self.copies.longest(start, stop),
            longest_copy_compared=compared and self.copies.longest(start, min(stop, start + compared)),
            copied=self.copies.covered(start, stop) / max(1, sum(map(len, documents))),
            copied_documents=share(documents, self.documents),
        )

    def _units(self, piece: str) -> Sequence[str]:
        if self.unit == "characters":
            return piece
        return words_of(piece) if self.unit == "words" else piece.split()


def make_report(writer: Writer, material: Material, characters: int = CHARACTERS) -> Report:
    """Let the writer and an n-gram model write so many characters, and measure both texts and the one held out.

    A pure function of its arguments. The n-gram model has learned the same tokens, and writes as the writer does: from
    its own distribution, at temperature 1.
    """
    tokenizer = writer.tokenizer
    source = SOURCE_SEPARATOR.join(_decoded(tokenizer, material.training))
    ngram = NGram(material.training, len(tokenizer), tokenizer.stop, ORDER, material.closing)
    model = _joined(_written(writer, material, characters), characters)
    human = _joined(_decoded(tokenizer, material.held_out), characters)
    baseline = _joined(_written_by(ngram, tokenizer, material, characters), characters)
    yardstick = _yardstick(source, [model, human, baseline], tokenizer, material)
    starts = np.cumsum([0, len(model) + 1, len(human) + 1]).tolist()
    looked_at = len(source) - source.count(SOURCE_SEPARATOR)
    return Report(
        temperature=Rules().temperature,
        seed=SEED,
        unit=yardstick.unit,
        piece=yardstick.piece,
        compared=yardstick.compared,
        looked_at=looked_at,
        training=looked_at if material.whole else max(looked_at, material.characters),
        order=ORDER,
        model=yardstick.figures(model, starts[0], material.bits),
        human=_human(yardstick.figures(human, starts[1], None)) if human else None,
        ngram=yardstick.figures(baseline, starts[2], _bits(ngram, tokenizer, material)),
    )


def _yardstick(source: str, texts: Sequence[str], tokenizer: Tokenizer, material: Material) -> Yardstick:
    counts = count_words(source)
    words = tokenizer.level != "symbol" and made_of_words(source, counts)
    unit: Unit = "words" if words else "symbols" if tokenizer.level == "symbol" else "characters"
    lengths = [len(text) for text in texts if text]
    return Yardstick(
        copies=Copies(source, TEXT_SEPARATOR.join(texts)),
        unit=unit,
        words=frozenset(counts) if words else None,
        documents=frozenset(source.split(SOURCE_SEPARATOR)) if material.closing else None,
        piece=min([PIECE, *(length for length in lengths if length >= LEAST_PIECE)]),
        compared=min(lengths) if texts[1] and len(set(lengths)) > 1 else None,
    )


def _human(figures: Figures) -> Figures:
    """Without the share of whole documents: the split keeps equal documents on one side, so it is none by design."""
    return figures.model_copy(update={"copied_documents": None})


def share(found: Sequence[str], known: frozenset[str] | None) -> float | None:
    """The share of what was found that is known; None where nothing was found, or nothing can be known."""
    return sum(each in known for each in found) / len(found) if found and known is not None else None


def _bits(ngram: NGram, tokenizer: Tokenizer, material: Material) -> float | None:
    if not material.held_out:
        return None
    return ngram.bits(material.held_out)[0] / characters_of(material.held_out, tokenizer, material.writing_density)


def _joined(texts: Iterable[str], characters: int) -> str:
    """Texts with separators between them, cut to so many characters."""
    found, length = [], -1
    for text in texts:
        found.append(text)
        length += 1 + len(text)
        if length >= characters:
            break
    return TEXT_SEPARATOR.join(found)[:characters]


def _decoded(tokenizer: Tokenizer, documents: Iterable[IdArray]) -> Iterator[str]:
    """The texts of documents, which are parted where an unknown word was left out."""
    for ids in documents:
        parts = [ids]
        if tokenizer.unknown_id is not None:
            parts = np.split(ids, np.flatnonzero(ids == tokenizer.unknown_id))
        yield from (text for part in parts if (text := tokenizer.decode(part.tolist())))


def _written(writer: Writer, material: Material, characters: int) -> Iterator[str]:
    """What the model writes: long texts of one piece each, or short documents until there are enough."""
    if not material.closing:
        texts, length = -(-characters // PIECE), math.ceil(PIECE / material.density)
        yield from (text[:PIECE] for text in writer.generate(texts, length=length, seed=SEED))
        return
    length = math.ceil(min(PIECE, 4 * material.length + 20) / material.density)
    for turn in range(MOST_ROUNDS):
        texts = max(1, min(TOGETHER, round(characters / material.length)))
        yield from (text for text in writer.generate(texts, length=length, seed=SEED + turn) if text)


def _written_by(ngram: NGram, tokenizer: Tokenizer, material: Material, characters: int) -> Iterator[str]:
    """What the n-gram model writes: one long text, or short documents."""
    tokens = math.ceil(1.1 * characters / material.density)
    ids = np.fromiter(islice(ngram.write(SEED, tokenizer.unwritable), tokens), np.int64, tokens)
    return _decoded(tokenizer, np.split(ids, np.flatnonzero(ids == tokenizer.stop)))

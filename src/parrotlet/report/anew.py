"""A model comes in, and a text if a report card is to be made anew; its report card goes out."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from parrotlet.bundle import Bundle, load_bundle
from parrotlet.corpus import Corpus, Document, PathName, Sources, open_like
from parrotlet.dataset import encode_corpus, split
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.report.card import Report
from parrotlet.report.material import Material, gather
from parrotlet.report.measure import CHARACTERS, make_report
from parrotlet.writer import Writer, load


def report_card(model: PathName | Writer, text: Sources | None = None, held_out: Sources | None = None) -> Report:
    """The report card of a model: what it writes, measured beside human text and an n-gram model's writing.

    Without ``text`` it is the one that training wrote into the file. With it, the card is made anew against this text:
    where it is the training text, what training held back is the human text; of any other text all counts as learned
    from. ``held_out``: another human text, which the model never read. Sources are read as the model's own were.
    Raises ParrotletError where the file has no report card, or what can not be read; UsageError for a wrong call.
    """
    if text is None:
        if held_out:
            raise UsageError("a text held out is compared with the training text: give that too (--text)")
        if isinstance(model, Writer):
            return report_in(model.bundle, "this model")
        return report_in(load_bundle(model), os.fspath(model))
    writer = model if isinstance(model, Writer) else load(model)
    with tempfile.TemporaryDirectory(prefix="parrotlet-", ignore_cleanup_errors=True) as folder:
        material = _material(writer, as_trained(writer, text), Path(folder))
        if held_out is not None:
            material = _beside(writer, material, as_trained(writer, held_out))
        return make_report(writer, material)


def report_in(bundle: Bundle, name: str) -> Report:
    """The report card in a model file; raises ParrotletError where there is none."""
    if report := Report.read(bundle.report, name):
        return report
    raise ParrotletError(f"{name} has no report card; its training text makes one: parrotlet report {name} --text FILE")


def as_trained(writer: Writer, sources: Sources) -> Corpus:
    """Sources read as those were that the model was trained on."""
    if isinstance(sources, Corpus):
        return sources
    return open_like(sources, writer.settings.corpus, writer.card.form)


def _material(writer: Writer, corpus: Corpus, folder: Path) -> Material:
    card, encoded = writer.card, encode_corpus(corpus, writer.tokenizer, folder)
    found = (encoded.characters, encoded.tokens, encoded.documents)
    own = found == (card.characters, card.tokens, card.documents)
    division = split(encoded, writer.settings.training.validation if own else 0.0)
    return gather(encoded, division, card.validation_bits_per_character if own else None)


def _beside(writer: Writer, material: Material, corpus: Corpus) -> Material:
    """The material with the beginning of a corpus as the text held out."""
    texts = list(_beginning(corpus, CHARACTERS))
    ids = [ids for ids in map(writer.tokenizer.encode, texts) if len(ids)]
    bits = writer.score(Document([text]) for text in texts).bits_per_character
    return replace(material, held_out=ids, bits=bits)


def _beginning(corpus: Corpus, characters: int) -> Iterator[str]:
    """The first documents, of each its first piece, up to so many characters."""
    for document in corpus.documents():
        if characters <= 0:
            return
        text = next(iter(document.pieces), "")[:characters]
        yield text
        characters -= len(text)

"""The figures of a model's writing come in, also from a file not to be trusted; they go out in words and as a table."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field

from parrotlet.bundle import checked_section
from parrotlet.settings import Section

MOST = 10**15
LITTLE = 1000  # characters of human text: of less it is told how much there is
HEAVY = 0.1  # shares from which copying and repetition are told, where they are also twice those of human text

Rows = list[list[str]]
Unit = Literal["words", "symbols", "characters"]


class Figures(Section):
    """What one text is like, in shares from 0 to 1; None where a figure says nothing of such a text.

    ``characters``: its length. ``bits_per_character``: of the text held back, under the model that wrote this one.
    ``repetition``: n-grams of four units (see Report) that stood in the same piece before; ``repetition_characters``:
    of twenty characters. ``distinct_1``, ``distinct_2``: different units, and pairs of them, for each unit of a piece.
    ``real_words``: words that occur in the training text. ``longest_copy``: characters of the longest span that stands
    in the training text (2,000: that or more); ``longest_copy_compared``: the same in the first characters, as many as
    the report compares. ``copied``: characters in such spans of over 20 characters. ``copied_documents``: documents
    that are, whole, among those of the training text.
    """

    characters: int = Field(ge=0, le=MOST)
    bits_per_character: float | None = Field(None, ge=0, le=1e6)
    repetition: float | None = Field(None, ge=0, le=1)
    repetition_characters: float | None = Field(None, ge=0, le=1)
    distinct_1: float | None = Field(None, ge=0, le=1)
    distinct_2: float | None = Field(None, ge=0, le=1)
    real_words: float | None = Field(None, ge=0, le=1)
    longest_copy: int = Field(ge=0, le=MOST)
    longest_copy_compared: int | None = Field(None, ge=0, le=MOST)
    copied: float = Field(ge=0, le=1)
    copied_documents: float | None = Field(None, ge=0, le=1)


class Report(Section):
    """The report card: what a model writes, beside human text that it never read and what an n-gram model writes.

    ``temperature`` and ``seed``: of what was written. ``unit``: what repetition and variety are counted in, within
    pieces of ``piece`` characters. ``compared``: characters in which the longest copies are compared, since more text
    holds longer ones. ``looked_at``: characters of the training text that copies and words were looked for in, and that
    the n-gram model of this ``order`` was made from; ``training``: characters of the whole of it.
    """

    temperature: float = Field(ge=0, le=100)
    seed: int = Field(ge=0, le=MOST)
    unit: Unit
    piece: int = Field(ge=1, le=MOST)
    compared: int | None = Field(None, ge=1, le=MOST)
    looked_at: int = Field(ge=0, le=MOST)
    training: int = Field(ge=0, le=MOST)
    order: int = Field(ge=1, le=100)
    model: Figures
    human: Figures | None = None
    ngram: Figures

    @classmethod
    def read(cls, data: Mapping[str, Any], name: str) -> "Report | None":
        """The report card of a model file, None where it has none; raises ParrotletError where it is none."""
        return checked_section(cls, data, f"{name}: report card") if data else None

    @property
    def sentence(self) -> str:
        """The main figures in plain words."""
        told = [self._words() or self._documents(), self._loops(), self._copies()]
        return "; ".join(part for part in told if part)

    def _beside(self, figure: Callable[[Figures], float | None]) -> str:
        """The same figure of human text, in brackets."""
        share = None if self.human is None else figure(self.human)
        if self.human is None or share is None:
            return ""
        length = self.human.characters
        return f" ({'' if length >= LITTLE else f'{length:,} characters of '}human text: {percent(share)})"

    def _heavy(self, figure: Callable[[Figures], float | None]) -> bool:
        """Whether it is much, and much more than in human text."""
        share, human = figure(self.model) or 0.0, figure(self.human) if self.human else None
        return share >= max(HEAVY, 2 * (human or 0.0))

    def _words(self) -> str:
        if self.model.real_words is None:
            return ""
        return f"{percent(self.model.real_words)} real words{self._beside(lambda each: each.real_words)}"

    def _documents(self) -> str:
        if self.model.copied_documents is None:
            return ""
        return f"{percent(self.model.copied_documents)} of its documents stand in the training text as they are"

    def _loops(self) -> str:
        if self.model.repetition is None or not self._heavy(lambda each: each.repetition):
            return ""
        beside = self._beside(lambda each: each.repetition)
        return f"{percent(self.model.repetition)} of all 4 {self.unit} in a row repeat earlier ones{beside}"

    def _copies(self) -> str:
        longest, copied = f"{self.model.longest_copy:,}", percent(self.model.copied)
        told = f"nothing longer than {longest} characters is copied"
        if self._heavy(lambda each: each.copied):
            beside = self._beside(lambda each: each.copied)
            told = f"{copied} is copied in spans of over 20 characters{beside}, the longest of {longest}"
        if self.looked_at >= self.training:
            return told
        return f"{told} (looked for in {percent(self.looked_at / self.training)} of the training text)"

    def rows(self) -> Rows:
        """A table: one row a figure, one column a text. Rows without any figure are left out."""
        columns = [self.model, *([self.human] if self.human else []), self.ngram]
        titles = ["model", *(["human text"] if self.human else []), f"{self.order}-gram model"]
        rows = [["", *titles]]
        for name, figure, form in self._figures():
            values = [figure(each) for each in columns]
            if any(value is not None for value in values):
                rows.append([name, *("" if value is None else form(value) for value in values)])
        return rows

    def _figures(self) -> list[tuple[str, Callable[[Figures], Any], Callable[[Any], str]]]:
        pairs, compared = f"{self.unit.removesuffix('s')} pairs", f"{self.compared or 0:,} characters"
        return [
            ("characters", lambda each: each.characters, "{:,}".format),
            ("bits per character, text held back", lambda each: each.bits_per_character, "{:.3f}".format),
            ("real words", lambda each: each.real_words, percent),
            (f"repeated, 4 {self.unit}", lambda each: each.repetition, percent),
            ("repeated, 20 characters", lambda each: each.repetition_characters, percent),
            (f"distinct {self.unit}", lambda each: each.distinct_1, percent),
            (f"distinct {pairs}", lambda each: each.distinct_2, percent),
            ("copied, spans over 20 characters", lambda each: each.copied, percent),
            ("copied, whole documents", lambda each: each.copied_documents, percent),
            ("longest copied span", lambda each: each.longest_copy, "{:,}".format),
            (f"the same in {compared}", lambda each: each.longest_copy_compared, "{:,}".format),
        ]

    def notes(self) -> list[str]:
        """What the figures mean, one line each."""
        lines = [f"written at temperature {self.temperature:g}, seed {self.seed}, as generate writes by default"]
        if self.model.real_words is not None:
            lines.append("real words: those that occur in the training text, in all columns")
        lines.append(f"repeated and distinct: within {self.piece:,} characters, on average")
        if self.looked_at < self.training:
            seen = f"{self.looked_at:,} of {self.training:,} characters, spread over all of it"
            lines.append(f"looked at of the training text: {seen}; more than that may be copied")
        return lines


def percent(share: float) -> str:
    """``91 %``; with one decimal below ten and near a hundred, so that neither 0 nor 100 is said of what is not."""
    value = 100 * share
    if 0 < value < 0.05 or 99.95 <= value < 100:
        return "<0.1 %" if value < 1 else ">99.9 %"
    return f"{value:.0f} %" if 10 <= value < 99 or value in (0, 100) else f"{value:.1f} %"

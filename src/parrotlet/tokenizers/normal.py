"""Normal forms: any string comes in, the one form that a model sees goes out; every function here is idempotent."""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers.fields import choice, flag

Form = Literal["NFC", "NFKC", "none"]
FORMS: tuple[Form, ...] = get_args(Form)
FIRST_MARK = 0x300  # every text below this code point is in NFC


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Unicode form, letter case and line ends, in the recorded choice of one tokenizer."""

    form: Form = "NFC"
    lowercase: bool = False
    blank_ends: bool = False  # line ends are blanks, as in the text that an imported model was trained on

    def __call__(self, text: str) -> str:
        """The normal form: no lone surrogates (U+FFFD instead), line ends ``\\n``, then form and case."""
        text = line_ends(text)
        if self.blank_ends:
            text = text.replace("\n", " ")
        if text.isascii():
            return text.lower() if self.lowercase else text
        text = in_form(self.form, whole(text))
        if not self.lowercase:
            return text
        # Lower case can undo the form ('J' + caron has no capital of its own) and the form never brings capitals
        # back; in all of Unicode the second round is the last one, the bound only keeps a surprise finite.
        for _ in range(4):
            lowered = text.lower()
            text = in_form(self.form, lowered)
            if text == lowered:
                break
        return text

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {name: value for name, value in asdict(self).items() if value or name != "blank_ends"}

    @classmethod
    def of(cls, settings: TokenizerSettings) -> "Normalisation":
        """As a user's settings say."""
        return cls(settings.normalisation, settings.lowercase)

    @classmethod
    def from_json(cls, data: object) -> "Normalisation":
        """Reads untrusted data; raises ParrotletError."""
        if not isinstance(data, Mapping) or set(data) - {"blank_ends"} != {"form", "lowercase"}:
            raise ParrotletError("tokenizer field normalisation must hold form and lowercase")
        form = cast(Form, choice(data, "form", FORMS))
        return cls(form, flag(data, "lowercase"), "blank_ends" in data and flag(data, "blank_ends"))


def line_ends(text: str) -> str:
    """``\\r\\n`` and ``\\r`` become ``\\n``."""
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def whole(text: str) -> str:
    """Surrogates that make a pair become their code point, all others U+FFFD, so that the text has a UTF-8 form."""
    try:
        text.encode("utf-32-le")  # the quickest way to look at each code point
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def in_form(form: Form, text: str) -> str:
    """The text in NFC or NFKC, or as it is for "none".

    Taken line by line: nothing composes across a line end, and a line without rare marks passes CPython's quick
    check, which one mark anywhere spoils for a whole text (100 times slower).
    """
    if form == "none" or text.isascii():
        return text
    if form == "NFC" and np.frombuffer(text.encode("utf-32-le"), dtype="<u4").max() < FIRST_MARK:
        return text
    return "\n".join([unicodedata.normalize(form, line) for line in text.split("\n")])


def single_spaced(text: str) -> str:
    """Runs of blanks become one space, blanks at line ends and starts go; a Unicode line break is a line end."""
    if not text.isascii():
        text = text.replace("\x85", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return "\n".join([" ".join(line.split()) for line in text.split("\n")])

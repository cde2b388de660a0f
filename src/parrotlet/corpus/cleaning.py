"""The documents of a source come in; what posts carry beside their text is taken out, and they go out."""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from parrotlet.corpus.documents import Document, LeftOut, Reading
from parrotlet.settings import Cleaning

LINK = re.compile(r"(?:https?://|www\.|pic\.twitter\.com/)\S+")
MENTION = re.compile(r"(?<![\w@])[.]?@\w{1,30}:?")
HASHTAG = re.compile(r"(?<![\w#&])#\w+")
RETWEET = re.compile(r'\s*["“]?RT\s+@')
BLANKS = re.compile(r"[ \t]{2,}")

# In the order in which they are applied; "retweets" leaves whole documents out.
STEPS: dict[str, Callable[[str], str]] = {
    "entities": html.unescape,
    "links": lambda text: LINK.sub("", text),
    "mentions": lambda text: MENTION.sub("", text),
    "hashtags": lambda text: HASHTAG.sub("", text),
}


def cleaned(reading: Reading, clean: Sequence[Cleaning]) -> Reading:
    """The same source with its documents cleaned; those of which nothing is left are counted."""
    steps = [step for name, step in STEPS.items() if name in clean]

    def tidy(text: str) -> str:
        for step in steps:
            text = step(text)
        return BLANKS.sub(" ", text)

    def read(left_out: LeftOut) -> Iterator[Document]:
        for document in reading.read(left_out):
            if not isinstance(document.pieces, tuple):  # a long text, piece by piece
                yield replace(document, pieces=_Tidied(document.pieces, tidy))
                continue
            text = "".join(document.pieces)
            if "retweets" in clean and RETWEET.match(text):
                left_out["{n} retweet{s} left out"] += 1
            elif kept := tidy(text).strip():
                yield replace(document, pieces=(kept,))
            else:
                left_out["{n} document{s} of nothing but links and the like left out"] += 1

    told = [name for name in clean if name != "retweets" or reading.form == "lines"]
    notes = [f"{reading.name}: without {', '.join(told)}"] if told else []
    if "retweets" in clean and "retweets" not in told:
        notes.append(f"{reading.name}: retweets are left out of short documents only, and this is one long text")
    return Reading(reading.name, reading.form, [*reading.notes, *notes], read, reading.bytes)


class _Tidied:
    """Pieces of a long text, cleaned as they are read, as often as wanted."""

    def __init__(self, pieces: Iterable[str], tidy: Callable[[str], str]) -> None:
        self._pieces, self._tidy = pieces, tidy

    def __iter__(self) -> Iterator[str]:
        return map(self._tidy, self._pieces)

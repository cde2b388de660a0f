"""A writer and what a person does come in; a draft that both write goes out, step by step."""

from itertools import islice

from parrotlet.continuations import Continuation
from parrotlet.errors import UsageError
from parrotlet.writer import Writer

USUAL_LENGTH = 40  # tokens of a piece that is drawn
MOST_TRIES = 5  # rounds of as many drafts as pieces are wanted


class Draft:
    """A text that a person and a model write in turns: it offers, you choose, type your own or take back.

    >>> draft = Draft(parrotlet.load("book.safetensors"), "The ")        # doctest: +SKIP
    >>> [offer.text for offer in draft.offers(3)]                        # doctest: +SKIP
    ['man', 'same', 'other']
    >>> draft.choose(0).text                                             # doctest: +SKIP
    'The man'
    """

    def __init__(self, writer: Writer, text: str = "") -> None:
        self._writer = writer
        self._texts = [text]
        self._offers: list[Continuation] = []

    @property
    def text(self) -> str:
        return self._texts[-1]

    def offers(self, n: int = 5, words: int = 1) -> list[Continuation]:
        """The ``n`` likeliest ways to go on, likeliest first."""
        self._offers = self._writer.continuations(self.text, n, words)
        return self._offers

    def drawn(self, n: int = 5, *, length: int = USUAL_LENGTH, temperature: float = 0.8) -> list[Continuation]:
        """Up to ``n`` different pieces as the model draws them, to the end of a sentence or line.

        They have no probability: it is not what they were chosen for.
        """
        found: dict[str, None] = {}
        for _ in range(MOST_TRIES):
            texts = self._writer.texts(n, self.text, length=length, temperature=temperature)
            found |= dict.fromkeys(piece for text in texts if (piece := first_sentence(text.new)))
            if len(found) >= n:
                break
        self._offers = [Continuation(piece, None) for piece in islice(found, n)]
        return self._offers

    def choose(self, offer: int | Continuation) -> "Draft":
        """Take one of the last offers, by its place from 0 or itself. Raises UsageError for one that was not made."""
        if isinstance(offer, int):
            if isinstance(offer, bool) or not 0 <= offer < len(self._offers):
                raise UsageError(f"there is no offer {offer}: {len(self._offers)} were made")
            offer = self._offers[offer]
        if offer not in self._offers:
            raise UsageError("this offer is not among the last that were made")
        return self._go_on(self._writer.shown(self.text) + offer.text)

    def type(self, text: str) -> "Draft":
        """Add a text of one's own."""
        if not isinstance(text, str):
            raise UsageError(f"what is typed must be a text, not {type(text).__name__}")
        return self._go_on(self.text + text)

    def _go_on(self, text: str) -> "Draft":
        if text != self.text:
            self._texts.append(text)
            self._offers = []
        return self

    def undo(self) -> bool:
        """Take back the last piece, chosen or typed; False where there is nothing to take back."""
        if len(self._texts) == 1:
            return False
        self._texts.pop()
        self._offers = []
        return True


def first_sentence(text: str) -> str:
    """The beginning of a text up to the end of its first sentence or line, where there is one."""
    for place, sign in enumerate(text):
        if sign == "\n" and text[:place].strip():
            return text[: place + 1]
        if sign in ".!?…。！？" and text[:place].strip() and (place + 1 == len(text) or text[place + 1].isspace()):
            return text[: place + 1]
    return text

"""Ids of one text come in, one by one; its text goes out as it is decided, up to a stop string."""

from collections import deque
from collections.abc import Iterator, Sequence

from parrotlet.tokenizers import Tokenizer


def decode_after(tokenizer: Tokenizer, before: list[int], ids: list[int]) -> list[str]:
    """The pieces of ``ids`` when they follow ``before``; what an unfinished last character would add is left out."""
    pieces = list(tokenizer.stream([*before, *ids]))
    return pieces[len(before) : len(before) + len(ids)]


class Decoder:
    """Text from ids that are pushed one by one, in the context of the ids before them."""

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int]) -> None:
        self._waiting: deque[int] = deque(before)
        self._pieces = tokenizer.stream(self._feed())
        for _ in range(len(before)):
            next(self._pieces)

    def _feed(self) -> Iterator[int]:
        while self._waiting:
            yield self._waiting.popleft()

    def push(self, token: int) -> str:
        self._waiting.append(token)
        return next(self._pieces)

    def finish(self) -> str:
        return "".join(self._pieces)


class StopWatch:
    """Lets text through up to the first complete stop string, holding back only what may begin one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops, self._held, self.stopped = stops, "", False

    def push(self, piece: str) -> str:
        """What is certain to belong to the text; sets ``stopped`` when a stop string is complete."""
        if not self._stops:
            return piece
        text = self._held + piece
        # The string that is complete first counts, the longest of those: so it does not matter how the text is cut.
        found = [(text.find(stop) + len(stop), -len(stop)) for stop in self._stops if stop in text]
        if found:
            end, negative = min(found)
            self._held, self.stopped = "", True
            return text[: end + negative]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0


class Follower:
    """One text as it is written: pieces from ids, how many ids count, and whether a stop string has ended it.

    The ids up to the one that completes a stop string count, those after it do not.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stops: tuple[str, ...]) -> None:
        self._decoder, self._watch = Decoder(tokenizer, prompt), StopWatch(stops)
        self.tokens = 0

    @property
    def stopped(self) -> bool:
        return self._watch.stopped

    def push(self, ids: Sequence[int]) -> Iterator[str]:
        """The pieces that are certain once ``ids`` are written; nothing after a stop string."""
        for token in ids:
            self.tokens += 1
            piece = self._watch.push(self._decoder.push(token))
            if piece:
                yield piece
            if self.stopped:
                return

    def finish(self) -> Iterator[str]:
        """What was held back, once no more ids come."""
        if self.stopped:
            return
        piece = self._watch.push(self._decoder.finish()) + self._watch.finish()
        if piece:
            yield piece

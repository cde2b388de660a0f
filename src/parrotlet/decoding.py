"""Ids of one text come in as they are drawn; its text goes out as it is decided, up to a stop string."""

from collections.abc import Iterable, Iterator, Sequence

from parrotlet.tokenizers import Decoder, Tokenizer


def decoder_after(tokenizer: Tokenizer, before: Iterable[int]) -> Decoder:
    """A decoder that goes on where the ids ``before`` have ended."""
    decoder = tokenizer.decoder()
    decoder.push(before)
    return decoder


class StopWatch:
    """Lets text through up to the first complete stop string, holding back only what may begin one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops, self._held, self.stopped = stops, "", False

    def push(self, piece: str) -> str:
        """What is certain to belong to the text; sets ``stopped`` when a stop string is complete."""
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

    def __init__(self, tokenizer: Tokenizer, prompt: Iterable[int], stops: tuple[str, ...]) -> None:
        self._decoder, self._watch = decoder_after(tokenizer, prompt), StopWatch(stops) if stops else None
        self.tokens = 0

    @property
    def stopped(self) -> bool:
        return self._watch is not None and self._watch.stopped

    def push(self, ids: Sequence[int]) -> Iterator[str]:
        """The pieces that are certain once ``ids`` are written, none of them empty; nothing after a stop string."""
        if self._watch is None:
            self.tokens += len(ids)
            if piece := self._decoder.push(ids):
                yield piece
            return
        for token in ids:
            self.tokens += 1
            if piece := self._watch.push(self._decoder.push((token,))):
                yield piece
            if self.stopped:
                return

    def finish(self) -> Iterator[str]:
        """What was held back, once no more ids come."""
        piece = self._decoder.flush()
        if self._watch is not None:
            piece = "" if self.stopped else self._watch.push(piece) + self._watch.finish()
        if piece:
            yield piece

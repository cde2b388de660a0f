"""A model that learned conversations and what a person says come in; its replies go out, with the talk in mind."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

from parrotlet.corpus.dialogues import ANSWERED, ASKED, said
from parrotlet.errors import UsageError, whole_number
from parrotlet.writer import Writer

LONGEST = 300  # tokens of a reply
MEMORY = 6  # turns of the talk that are read again, this question among them
USUAL_TEMPERATURE = 0.4
MOST_SUGGESTED = 20
SHORT, MOST_TRIES = 60, 8  # characters of a suggested reply, and rounds of drawing for them
WARMER = 0.3  # each round, where too few are different


class Chat:
    """A talk with a model that was trained on conversations (recipe ``chat``, or ``corpus.dialogue``).

    ``memory``: how many of the last turns the model reads before it answers. ``asker`` and ``answerer``: the marks
    before what you say and what the model says, where speakers have names in its training text ("Ann: "). Raises
    UsageError for a model that learned no conversations.

    >>> chat = Chat(parrotlet.load("talk.safetensors"))            # doctest: +SKIP
    >>> chat.say("How are you?")                                   # doctest: +SKIP
    "i'm fine. how about yourself?"
    """

    def __init__(self, writer: Writer, *, memory: int = MEMORY, asker: str = ASKED, answerer: str = ANSWERED) -> None:
        if not writer.settings.corpus.dialogue:
            raise UsageError("this model did not learn conversations: train one with --recipe chat")
        memory = whole_number("memory", memory, 1, of="turns")
        if missing := [mark.strip() for mark in (asker, answerer) if writer.unknown(mark)]:
            raise UsageError(
                f"this model never read {' and '.join(map(repr, missing))}: where its speakers have names, say who you "
                "are and who it is (asker='Ann: ' and answerer='Bob: ', or --you Ann --it Bob)"
            )
        self._writer, self._memory, self._asker, self._answerer = writer, memory, asker, answerer
        self.turns: list[tuple[str, str]] = []  # what you said and what it answered, oldest first

    def say(self, text: str, *, temperature: float = USUAL_TEMPERATURE, seed: int | None = None, **rules: Any) -> str:
        """The model's reply; it and what you said are remembered. ``rules`` as for ``Writer.write``."""
        for _ in self.stream(text, temperature=temperature, seed=seed, **rules):
            pass
        return self.turns[-1][1]

    def stream(
        self, text: str, *, temperature: float = USUAL_TEMPERATURE, seed: int | None = None, **rules: Any
    ) -> Iterator[str]:
        """The same in pieces as they are decided; remembered once all have come."""
        stop = rules.pop("stop", ())
        stops = ("\n", *([stop] if isinstance(stop, str) else stop))  # a turn ends with its line, whatever else ends it
        given = {"length": LONGEST, "temperature": temperature, "seed": seed, **rules, "stop": stops}
        pieces = self._writer.stream(self._prompt(text), **given)  # here, so that a wrong call fails at once
        return self._heard(text, pieces)

    def _heard(self, text: str, pieces: Iterator[str]) -> Iterator[str]:
        next(pieces)  # the prompt
        reply = ""
        for piece in pieces:
            shown = piece if reply else piece.lstrip()
            reply += shown
            if shown:
                yield shown
        self.turns.append((text, reply.rstrip()))

    def suggest(self, text: str, n: int = 3, *, seed: int | None = None) -> list[str]:
        """Up to ``n`` different short replies to what was said, likeliest first drawn; nothing is remembered."""
        n = whole_number("n", n, 1, MOST_SUGGESTED)
        seed = secrets.randbits(32) if seed is None else whole_number("seed", seed, 0)
        prompt, found = self._prompt(text), dict[str, str]()
        for round_ in range(MOST_TRIES):
            texts = self._writer.texts(
                4 * n, prompt, length=LONGEST, stop="\n", temperature=0.3 + WARMER * round_, seed=seed + round_
            )
            for each in texts:
                reply = _first_sentence(each.new)
                if 0 < len(reply) <= SHORT:
                    found.setdefault(_bare(reply), reply)
            if len(found) >= n:
                break
        return list(found.values())[:n]

    def forget(self) -> None:
        """Begin anew."""
        self.turns.clear()

    def _prompt(self, text: str) -> str:
        """The last turns and what is said now, up to where the reply begins."""
        if not isinstance(text, str) or not text.strip():
            raise UsageError("what you say must be a text that is not empty")
        before = self.turns[-(self._memory - 1) :] if self._memory > 1 else []
        lines = []
        for question, answer in before:
            lines += [self._asker + said(question, self._asker), self._answerer + answer]
        return "\n".join([*lines, self._asker + said(text, self._asker), self._answerer])


def _first_sentence(text: str) -> str:
    found = re.match(r".*?[.!?…](?=\s|$)", text.strip())
    return found[0] if found else text.strip()


def _bare(text: str) -> str:
    """What makes two replies different: their letters and figures."""
    return re.sub(r"\W+", " ", text.lower()).strip()

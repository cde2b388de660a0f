"""A writer and what somebody types come in; the text that both wrote goes out (textgenrnn's interactive mode)."""

import numpy as np
from numpy.typing import NDArray

from parrotlet.compat.telling import say
from parrotlet.compat.texts import Ask
from parrotlet.errors import whole_number
from parrotlet.writer import Writer


def write_together(writer: Writer, ask: Ask, top_n: int) -> str:
    """One text, written with whoever sits at the keyboard; no temperature changes the order of what is offered."""
    return _Together(writer, ask).write(whole_number("top_n", top_n, 1))


class _Together:
    """One text that grows step by step: the writer offers, the user chooses, undoes or types."""

    def __init__(self, writer: Writer, ask: Ask) -> None:
        self._writer, self._tokenizer, self._prefix = writer, writer.tokenizer, ask.prefix
        self._most = ask.max_gen_length - (writer.card.form == "lines")
        self._ids = {self._tokenizer.token(id): id for id in range(len(self._tokenizer))}
        self._steps: list[NDArray[np.int64]] = [np.array([id]) for id in self._tokenizer.encode(ask.prefix).tolist()]
        self._given = len(self._steps)
        self._end = self._tokenizer.token(self._tokenizer.stop)

    def write(self, top_n: int) -> str:
        """Ask until the text is stopped, ended by ``<s>``, or as long as it may be."""
        going = True
        while going and len(self._steps) < self._most:
            options = self._options(top_n)
            say("Controls:\n\ts: stop.\tx: backspace.\to: write your own.\n\nOptions:")
            for number, option in enumerate(options, 1):
                say(f"\t{number}: {option}")
            say(f"\nProgress: {self._text()}\n\nYour choice?")
            going = self._take(_typed(), options)
        return self._text()

    def _text(self, *more: int) -> str:
        """The text so far, and what it would be with more; the prefix stands as it was given, until it is undone."""
        decode = self._tokenizer.decode
        ids = [id for step in self._steps for id in step.tolist()]
        if len(self._steps) < self._given:
            return decode([*ids, *more])
        return self._prefix + decode([*ids, *more])[len(decode(ids[: self._given])) :]

    def _options(self, top_n: int) -> list[str]:
        """The likeliest next tokens that show something, or end the text."""
        text, options = self._text(), []
        for token, _ in self._writer.next_tokens(text, len(self._ids)):
            after = self._text(self._ids[token])
            if token == self._end or (after != text and not after.endswith("\ufffd")):
                options.append(token)
            if len(options) == top_n:
                break
        return options

    def _take(self, typed: str | None, options: list[str]) -> bool:
        """Do what was typed; False where it ends the text."""
        choice = "s" if typed is None else typed.strip()
        if choice == "s":
            return False
        if choice == "x":
            del self._steps[-1:]
        elif choice == "o":
            self._own(_typed() or "")
        elif choice.isdecimal() and 1 <= int(choice) <= len(options):
            if options[int(choice) - 1] == self._end:
                return False
            self._steps.append(np.array([self._ids[options[int(choice) - 1]]]))
        else:
            say("That's not an option!")
        return True

    def _own(self, typed: str) -> None:
        """The user's own text, one step; a word stands apart from the word before."""
        apart = self._writer.settings.tokenizer.level == "word" and self._steps and typed[:1].isalnum()
        if unknown := self._writer.unknown(typed):
            say(f"The model does not know {' '.join(map(repr, unknown))}: left out.")
        ids = self._tokenizer.encode(" " + typed if apart else typed)
        if len(ids):
            self._steps.append(ids)


def _typed() -> str | None:
    """A line that was typed; None where there is nobody left to type."""
    try:
        return input("> ")
    except EOFError:
        return None

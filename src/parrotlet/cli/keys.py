"""A terminal comes in; its keys go out one by one, as they are pressed, with nothing lost in between."""

import codecs
import contextlib
import os
import sys
from collections.abc import Iterator


class Keys:
    """The keyboard of a terminal; used in a ``with`` block, after which the terminal is as it was before.

    The input is not waited for line by line, and not shown, while the block lasts.
    """

    def __init__(self) -> None:
        self._before: list[object] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> "Keys":
        if os.name != "nt":
            import termios

            self._before = termios.tcgetattr(sys.stdin.fileno())
            self._set_raw()
        return self

    def __exit__(self, *_: object) -> None:
        self._set_back()

    def next(self) -> str:
        """The next key; raises EOFError where the terminal is gone."""
        if os.name == "nt":
            import msvcrt

            return str(msvcrt.getwch())  # type: ignore[attr-defined,unused-ignore]
        key = ""
        while not key:
            byte = os.read(sys.stdin.fileno(), 1)
            if not byte:
                raise EOFError
            key = self._decoder.decode(byte)
        return key

    def line(self, prompt: str) -> str:
        """A whole line, typed as usual."""
        self._set_back()
        try:
            return input(prompt)
        finally:
            self._set_raw()

    def _set_raw(self) -> None:
        if self._before is None:
            return
        import termios

        now = termios.tcgetattr(sys.stdin.fileno())
        now[3] &= ~(termios.ICANON | termios.ECHO)
        now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, now)  # what was typed ahead is kept

    def _set_back(self) -> None:
        if self._before is not None:
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)  # type: ignore[arg-type]


def pressed(keys: Keys) -> Iterator[str]:
    """Every key until Ctrl-C, Ctrl-D or the end of the terminal."""
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while (key := keys.next()) not in ("\x03", "\x04", "\x1a"):
            yield key

"""A terminal comes in; its keys go out one by one, as they are pressed, with nothing lost in between."""

import codecs
import contextlib
import os
import select
import sys
from collections.abc import Iterator

ESCAPE, ESCAPE_SECONDS = "\x1b", 0.05  # keys without a sign of their own send it and more at once


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
        """The next key, "" for one that writes nothing (an arrow, Delete); EOFError where the terminal is gone."""
        if os.name == "nt":
            import msvcrt

            key = str(msvcrt.getwch())  # type: ignore[attr-defined,unused-ignore]
            if key in ("\x00", "\xe0"):
                msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
                return ""
            return key
        key = ""
        while not key:
            byte = os.read(sys.stdin.fileno(), 1)
            if not byte:
                raise EOFError
            key = self._decoder.decode(byte)
        if key != ESCAPE:
            return key
        self._swallow()
        return ""

    def line(self, prompt: str) -> str:
        """A whole line, typed as usual; "" where it was broken off by Ctrl-C or Ctrl-D."""
        self._set_back()
        try:
            return input(prompt)
        except (EOFError, KeyboardInterrupt):
            return ""
        finally:
            self._set_raw()

    def _swallow(self) -> None:
        """The rest of what such a key sends: ``[`` or ``O``, figures, one sign (ECMA-48, 5.4)."""
        sequence = b""
        while select.select([sys.stdin.fileno()], [], [], ESCAPE_SECONDS)[0]:
            byte = os.read(sys.stdin.fileno(), 1)
            if not byte or (b"@" <= byte <= b"~" and (sequence or byte not in b"[O")):
                return
            sequence += byte

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

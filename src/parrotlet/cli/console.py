"""Plain data and texts come in; they go out on the screen in a form that no console and no pipe chokes on."""

import io
import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from parrotlet.show import finite, harmless

FLUSH_SECONDS = 0.02


def as_json(data: Any) -> str:
    """JSON of plain data. Numbers that JSON does not know become null; ASCII only where stdout is not Unicode."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return json.dumps(finite(data), ensure_ascii=not unicode, indent=2, allow_nan=False)


def as_json_line(data: Any) -> str:
    """The same on one line."""
    return " ".join(as_json(data).split("\n"))


def piped_lines() -> Iterator[str]:
    """The lines of a pipe or a file, in UTF-8 whatever the system's own encoding is; what is none becomes U+FFFD."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    yield from sys.stdin


def heading(title: str) -> str:
    """The line that stands before one of several texts."""
    return f"----- {title} " + "-" * max(5, 50 - len(title))


def say_pieces(pieces: Iterable[str]) -> None:
    """A text on the screen as it is written, ended by a line end."""
    terminal, last, flushed = sys.stdout.isatty(), "", 0.0
    for piece in pieces:
        sys.stdout.write(harmless(piece) if terminal else piece)
        last = piece or last
        now = time.perf_counter()
        if terminal or now - flushed > FLUSH_SECONDS:  # a pipe is not flushed a million times
            sys.stdout.flush()
            flushed = now
    if not last.endswith("\n"):
        sys.stdout.write("\n")


def shown(token: str) -> str:
    """A token as one word on the screen: ``'a'``, ``' '``, ``'\\n'``, but ``<s>`` as it is."""
    return token if len(token) > 2 and token[0] == "<" and token[-1] == ">" else repr(token)


def tell(lines: Iterable[str]) -> None:
    """Remarks: on stderr, so that they never mix with what was asked for."""
    for line in lines:
        print(line, file=sys.stderr)

"""A command comes in; it runs in a pseudo-terminal, where a test types keys and waits for what is shown."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence

# The terminal becomes the new session's own, so that its Ctrl-C is heard.
OWN_TERMINAL = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A command with a terminal as its input, output and errors."""

    def __init__(self, command: Sequence[str]) -> None:
        import pty

        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *command],
            stdin=slave, stdout=slave, stderr=slave, close_fds=True, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, pattern: str, seconds: float = 60) -> str:
        """What is shown from now on up to a pattern; AssertionError where it never comes."""
        seen, end = "", time.monotonic() + seconds
        while time.monotonic() < end and not re.search(pattern, seen):
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    seen += os.read(self._master, 4096).decode("utf-8", "replace")
                except OSError:
                    break
        assert re.search(pattern, seen), f"{pattern!r} never came: {seen!r}"
        return seen

    def wait(self, seconds: float = 60) -> int:
        """The exit status, once the command has ended."""
        status = self._process.wait(seconds)
        os.close(self._master)
        return status

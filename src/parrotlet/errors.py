"""Errors that are for the user: one clear line that names the setting, the value and the nearest right one."""

import difflib
from collections.abc import Iterable


class ParrotletError(Exception):
    """Something failed and the user can mend it; the message is one line. The commands exit with status 1."""

    status = 1


class UsageError(ParrotletError):
    """The call itself is wrong (an unknown setting, a value out of range). The commands exit with status 2."""

    status = 2


def nearest(value: str, choices: Iterable[str]) -> str:
    """A hint that ends an error line: the choice most like ``value``, or all choices where none is alike.

    >>> nearest("lsmt", ["lstm", "gru"])
    "did you mean 'lstm'?"
    """
    known = sorted(choices)
    alike = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    if alike:
        return f"did you mean {alike[0]!r}?"
    return "choose from " + ", ".join(known)

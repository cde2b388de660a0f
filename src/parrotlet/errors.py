"""Errors that are for the user: one clear line that names the setting, the value and the nearest right one."""

import difflib
from collections.abc import Iterable
from numbers import Integral
from pathlib import PurePath

FILES_SHOWN = 5
MODELS = (".safetensors", ".keras", ".h5", ".hdf5")


class ParrotletError(Exception):
    """Something failed and the user can mend it; the message is one line. The commands exit with status 1."""

    status = 1


class UsageError(ParrotletError):
    """The call itself is wrong (an unknown setting, a value out of range). The commands exit with status 2."""

    status = 2


def whole_number(name: str, value: object, least: int, most: int | None = None, of: str = "") -> int:
    """A value as an int, numpy's too; raises UsageError where it is no whole number from ``least`` to ``most``.

    >>> whole_number("n", 3, 1)
    3
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if least <= number and (most is None or number <= most):
            return number
    bounds = f"from {least}" if most is None else f"from {least} to {most}"
    raise UsageError(f"{name} must be a whole number{of and ' of ' + of} {bounds}, not {value!r}")


def nearest(value: str, choices: Iterable[str], shown: Iterable[str] | None = None) -> str:
    """A hint that ends an error line: the choice most like ``value``, or all choices where none is alike.

    ``shown``: what is listed then, where there are too many choices.

    >>> nearest("lsmt", ["lstm", "gru"])
    "did you mean 'lstm'?"
    """
    known = sorted(choices)
    alike = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    if alike:
        return f"did you mean {alike[0]!r}?"
    return "choose from " + ", ".join(known if shown is None else shown)


def nearest_file(wanted: str, names: Iterable[str]) -> str:
    """The same for the name of a file among those of its folder: of the same suffix first, then of a model's.

    The suffix makes no name alike, and no more than a few are listed; empty where there is none of these suffixes.

    >>> nearest_file("bok.h5", ["book.h5", "book.txt", "verses.h5"])
    "did you mean 'book.h5'?"
    >>> nearest_file("x.h5", ["book.safetensors", "verses.h5", "notes.txt"])
    "there are 'verses.h5', 'book.safetensors'"
    """
    suffix = PurePath(wanted).suffix.lower()
    suffixes = [suffix] if suffix and suffix not in MODELS else sorted(MODELS, key=lambda each: each != suffix)
    known = sorted((suffixes.index(end), name) for name in names if (end := PurePath(name).suffix.lower()) in suffixes)
    stems = {PurePath(name).stem.lower(): name for _, name in reversed(known)}
    alike = difflib.get_close_matches(PurePath(wanted).stem.lower(), stems, n=1, cutoff=0.6)
    if alike:
        return f"did you mean {stems[alike[0]]!r}?"
    if not known:
        return ""
    shown = ", ".join(repr(name) for _, name in known[:FILES_SHOWN]) + " …" * (len(known) > FILES_SHOWN)
    return f"there {'is' if len(known) == 1 else 'are'} {shown}"

"""What a user names (files, folders, globs, "-", URLs) comes in; Sources that can be opened anew come out."""

import glob
import gzip
import io
import os
import re
import shutil
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from parrotlet.corpus.documents import Scratch
from parrotlet.errors import ParrotletError, nearest

LARGEST_UNPACKED = 256 << 30
"""Bytes that a .gz may become."""
LARGEST_RATIO = 300
"""How many times larger than its file a .gz may become, past its first 64 MiB (texts: 3 to 10)."""

_UNCHECKED = 64 << 20
A_TEXT = "; a text itself is given in Python as from_texts([text])"


@dataclass
class Source:
    """A named stream of bytes that can be opened from the start again; .gz is unpacked as it is read.

    ``suffix`` is the lower-case suffix that tells the kind, without .gz; ``bytes`` the size on disk.
    """

    name: str
    path: Path
    suffix: str
    _keep: object = field(default=None, repr=False)

    @property
    def bytes(self) -> int:
        """Size on disk, packed where it is."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """A new stream from the start. Raises ParrotletError where the system refuses."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise ParrotletError(f"{self.name}: {(error.strerror or str(error)).lower()}") from None
        if file.read(2) == b"\x1f\x8b":
            file.seek(0)
            return cast(BinaryIO, io.BufferedReader(_Unpacked(self.name, file, self.bytes), 1 << 18))
        file.seek(0)
        return file


class _Unpacked(io.RawIOBase):
    """A .gz as it is read, with its errors in plain words and a guard against small files that unpack without end."""

    def __init__(self, name: str, packed: BinaryIO, size: int) -> None:
        self._name, self._packed, self._file = name, packed, gzip.GzipFile(fileobj=packed)
        self._most = min(LARGEST_UNPACKED, max(_UNCHECKED, LARGEST_RATIO * size))
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error):
            raise ParrotletError(f"{self._name}: the .gz is damaged or cut short") from None
        self._seen += len(data)
        if self._seen > self._most:
            raise ParrotletError(
                f"{self._name}: unpacked it is more than {self._most >> 20:,} MiB, which no text of its size is; "
                "unpack it yourself if you trust it"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._packed.close()
        super().close()


def kind_suffix(name: str) -> str:
    """The suffix that tells the kind of a file: ``.csv`` of ``a.CSV.gz``."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_url(source: str) -> bool:
    """Whether it names a scheme of two or more letters, so that C:\\texts is a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def find(source: str, also: list[str]) -> list[Source]:
    """The sources that one word of the user names; ``also`` are names known elsewhere, for the hint of an error."""
    if source == "-":
        return [_spooled("stdin", sys.stdin.buffer, "")]
    if is_url(source):
        return [_downloaded(source)]
    path = Path(os.path.expanduser(source))
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return [_file(path, path.name)]
    except OSError as error:
        raise ParrotletError(f"{_shown(source)}: {(error.strerror or str(error)).lower()}{A_TEXT}") from None
    if "\n" in source:
        raise ParrotletError(f"{_shown(source)}: there is no such file{A_TEXT}")
    if any(mark in source for mark in "*?["):
        found = sorted(path for path in glob.glob(str(path), recursive=True) if os.path.isfile(path))
        if found:
            return [_file(Path(one), Path(one).name) for one in found]
        raise ParrotletError(f"{source}: no file fits this pattern")
    raise ParrotletError(f"{source}: there is no such file, {_hint(path, also)}")


def _shown(source: str) -> str:
    return repr(source if len(source) <= 60 else source[:60] + "…")


def _hint(path: Path, also: list[str]) -> str:
    try:
        siblings = [path.with_name(entry.name) for entry in os.scandir(path.parent)]
    except OSError:
        return f"and no such folder as {path.parent}"
    known = {sibling.name: str(sibling) for sibling in siblings} | {name: name for name in also}
    hint = nearest(path.name, known)
    if not hint.startswith("did you mean"):
        return "nor corpus of that name (parrotlet corpora lists them)"
    return next((hint.replace(repr(name), repr(full)) for name, full in known.items() if repr(name) in hint), hint)


def _file(path: Path, name: str) -> Source:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        if not regular:  # a pipe or a device can be read once only
            with path.open("rb") as file:
                return _spooled(name, file, kind_suffix(name))
    except OSError as error:
        raise ParrotletError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return Source(name, path, kind_suffix(name))


def _folder(folder: Path) -> list[Source]:
    found = []
    for path in _walk(folder):
        found.append(Source(path.relative_to(folder).as_posix(), path, kind_suffix(path.name)))
    if not found:
        raise ParrotletError(f"{folder}: this folder holds no files")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Every regular file below a folder in a fixed order; hidden ones, models and their run folders are passed by."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_run(Path(root) / name))
        for name in sorted(files):
            path = Path(root) / name
            if not name.startswith(".") and path.suffix != ".safetensors" and path.is_file():
                yield path


def _is_run(folder: Path) -> bool:
    """Whether a folder is what training left beside a model."""
    return folder.suffix == ".run" and (folder / "run.json").is_file()


def _spooled(name: str, stream: IO[bytes], suffix: str) -> Source:
    """A stream that can be read once, copied to a temporary file that goes with the Source."""
    scratch = Scratch()
    try:
        with scratch.path.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
    except OSError as error:
        raise ParrotletError(f"{name}: can not be copied to {scratch.path.parent}: {error.strerror or error}") from None
    return Source(name, scratch.path, suffix, scratch)


def _downloaded(url: str) -> Source:
    from parrotlet.corpus.web import download, file_name  # imported late: it is slow to load

    scratch = Scratch()
    with scratch.path.open("wb") as copy:
        download(url, copy)
    name = file_name(url)
    return Source(name, scratch.path, kind_suffix(name), scratch)

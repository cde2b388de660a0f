"""A path comes in and the checked header of a safetensors file goes out, then its arrays; and back, written atomically.

Files are untrusted: each size and name is compared with what the file really holds before memory is taken for it.
The layout is that of safetensors (https://github.com/huggingface/safetensors): eight bytes of header length, little
endian; a JSON header; the arrays, which tile the rest of the file. It is written here and not by the safetensors
library because that one orders the metadata anew on each run; the same model must give the same bytes.
"""

import contextlib
import itertools
import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from parrotlet.errors import ParrotletError, nearest_file

Array = npt.NDArray[Any]  # float32 or int8
FORMAT_KEY = "parrotlet.format"
KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I8": np.dtype("i1")}
HEADER_LIMIT = 32 << 20  # bytes; a vocabulary of a million words takes about 20 MB
SKELETON_LIMIT = 256 << 10  # bytes of the header outside strings; 200 arrays take about 10 kB
STRING_LIMIT = 16_384  # strings in the header; each array takes four
MARKS_LIMIT = 8_000_000  # brackets, commas and quotes of one JSON text: bounds the memory of the objects made from it
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
FOREIGN = {
    b"PK": "a zip archive; if Keras wrote it: parrotlet import {}",
    b"\x89HDF": "an HDF5 file; if Keras or textgenrnn wrote it: parrotlet import {}",
    b"\x80": "a Python pickle, which is never opened",
    b"GGUF": "a GGUF file",
    b"\x1f\x8b": "a gzip file",
}


@dataclass(frozen=True)
class Header:
    """What a file says of itself: metadata texts, and each array's shape, kind and range of bytes in the file."""

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    ranges: dict[str, tuple[int, int]]
    kinds: dict[str, str]  # a key of KINDS


def parse_json(text: str | bytes, what: str) -> Any:
    """Plain data from untrusted JSON: no duplicate names, no NaN, no lone surrogates; one ParrotletError otherwise."""
    try:
        raw = text.encode() if isinstance(text, str) else text
        if sum(raw.count(mark) for mark in (b"[", b"{", b",", b'"')) > MARKS_LIMIT:
            raise ValueError("too many values")
        data = json.loads(raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        if re.search(rb"\\u[dD][89a-fA-F]", raw):
            json.dumps(data, ensure_ascii=False).encode()  # a lone surrogate fails here
    except RecursionError as error:
        raise ParrotletError(f"{what} is nested too deeply") from error
    except ValueError as error:
        raise ParrotletError(f"{what} is not valid JSON ({_one_line(error)})") from error
    return data


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name occurs twice")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


@contextlib.contextmanager
def open_container(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file to read; what is missing, a folder or a device is one clear error."""
    name = os.fspath(path)
    try:
        # A device or a pipe is told apart before it is opened: opening a pipe would wait for ever.
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise ParrotletError(f"{name} is a folder, not a model file")
        if not stat.S_ISREG(mode):
            raise ParrotletError(f"{name} is not a regular file")
        with open(name, "rb") as file:
            yield file
    except FileNotFoundError:
        raise ParrotletError(f"there is no file {name}{_neighbour(Path(name))}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ParrotletError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error


def _neighbour(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            hint = nearest_file(path.name, [entry.name for entry in itertools.islice(entries, 1000)])
    except (OSError, ValueError):
        return ""
    return f"; {hint}" if hint else ""


def read_header(file: BinaryIO, name: str) -> Header:
    """The checked header: arrays of KINDS that tile the file without holes or overlaps."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise ParrotletError(f"{name} is empty")
    start = file.read(9)
    for magic, kind in FOREIGN.items():
        # The first bytes of a true file are a length; only one that cannot be true is looked at for its kind.
        if start.startswith(magic) and start[8:] != b"{":
            raise ParrotletError(f"{name} is not a model of parrotlet: it looks like {kind.format(name)}")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:] != b"{" or not 2 <= length <= HEADER_LIMIT:
        raise ParrotletError(f"{name} is not a model of parrotlet")
    if 8 + length > size:
        raise ParrotletError(f"{name} is cut short: its header alone needs {8 + length} bytes, it has {size}")
    file.seek(8)
    raw = file.read(length)
    _check_skeleton(raw, name)
    data = parse_json(raw, f"the header of {name}")
    metadata = data.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ParrotletError(f"the header of {name} is malformed: metadata must be texts")
    if FORMAT_KEY not in metadata:
        raise ParrotletError(f"{name} is a safetensors file of something else, not a model of parrotlet")
    shapes, ranges, kinds = {}, {}, {}
    for array, entry in data.items():
        shapes[array], (begin, end), kinds[array] = _entry(entry, array, name)
        ranges[array] = (8 + length + begin, 8 + length + end)
    _check_tiling(ranges, 8 + length, size, name)
    return Header(metadata, shapes, ranges, kinds)


def _check_skeleton(raw: bytes, name: str) -> None:
    """Bound what the header's objects can take: it may hold long texts, but few of them and little else."""
    strings = inside = 0
    for match in STRING.finditer(raw):
        strings += 1
        inside += match.end() - match.start()
        if strings > STRING_LIMIT:
            break
    padding = len(raw) - len(raw.rstrip(b" "))
    if strings > STRING_LIMIT or len(raw) - inside - padding > SKELETON_LIMIT:
        raise ParrotletError(f"the header of {name} is malformed: it names too many arrays for a model of parrotlet")


def _entry(entry: Any, array: str, name: str) -> tuple[tuple[int, ...], tuple[int, int], str]:
    bad = ParrotletError(f"the header of {name} is malformed at the array {array[:80]!r}")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise bad
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**62 for n in numbers):
            raise bad
    if len(offsets) != 2 or len(shape) > 8 or offsets[0] > offsets[1]:
        raise bad
    kind = entry["dtype"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ParrotletError(f"{name}: the array {array[:80]!r} must be of type F32 or I8, not {str(kind)[:20]!r}")
    count = 1
    for n in shape:
        count *= n
    if KINDS[kind].itemsize * count != offsets[1] - offsets[0]:
        raise bad
    return tuple(shape), (offsets[0], offsets[1]), kind


def _check_tiling(ranges: Mapping[str, tuple[int, int]], begin: int, size: int, name: str) -> None:
    position = begin
    for array, (start, end) in sorted(ranges.items(), key=lambda item: item[1]):
        if start != position:
            raise ParrotletError(
                f"the header of {name} is malformed: the array {array[:80]!r} overlaps or leaves a hole"
            )
        position = end
    if position > size:
        raise ParrotletError(f"{name} is cut short: it has {size} of {position} bytes")
    if position < size:
        raise ParrotletError(f"{name} is malformed: {size - position} bytes follow its last array")


def read_arrays(file: BinaryIO, header: Header, name: str) -> dict[str, Array]:
    """The arrays, read into memory of their own (a mapped file could change or shrink while it is used)."""
    arrays: dict[str, Array] = {}
    for array, (begin, end) in header.ranges.items():
        kind = KINDS[header.kinds[array]]
        values = np.empty((end - begin) // kind.itemsize, dtype=kind)
        file.seek(begin)
        if file.readinto(values.data.cast("B") if len(values) else bytearray()) != end - begin:  # type: ignore[attr-defined]
            raise ParrotletError(f"{name} is cut short")
        if not np.isfinite(values).all():
            raise ParrotletError(f"{name}: the array {array!r} holds numbers that are not finite")
        arrays[array] = values.astype(kind.newbyteorder("="), copy=False).reshape(header.shapes[array])
    return arrays


def container_chunks(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a file, in order: the same arrays and metadata give the same bytes.

    Arrays of float32 come first, so that they begin at multiples of four; then those of int8.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    position = 0
    kinds = {name: "I8" if values.dtype == np.int8 else "F32" for name, values in arrays.items()}
    order = sorted(arrays, key=lambda name: (kinds[name], name))
    for name in order:
        end = position + KINDS[kinds[name]].itemsize * arrays[name].size
        header[name] = {"dtype": kinds[name], "shape": list(arrays[name].shape), "data_offsets": [position, end]}
        position = end
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # arrays begin at a multiple of eight
    if len(raw) > HEADER_LIMIT:
        raise ParrotletError(
            f"the vocabulary is too large for a model file ({len(raw) >> 20} MB): lower tokenizer.size"
        )
    yield len(raw).to_bytes(8, "little")
    yield raw
    for name in order:
        values = np.ascontiguousarray(arrays[name], dtype=KINDS[kinds[name]]).reshape(-1)
        if len(values):
            yield values.data.cast("B")


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all: a temporary file in the same folder, synced to disk, takes the old one's place.

    Raises ParrotletError with one line where the folder is missing, the disk is full or writing is not allowed; the
    file that was there before is then untouched and the temporary one is gone.
    """
    try:
        target = Path(os.path.realpath(path))  # a link stays a link
        if target.exists() and not target.is_file():
            kind = "a folder" if target.is_dir() else "not a file"
            raise ParrotletError(f"cannot write {os.fspath(path)}: it is {kind}")
        if not target.parent.is_dir():
            raise ParrotletError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}; make it first")
        _sweep(target)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with open(temporary, "xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, target)
        except BaseException:  # an interrupt too must leave nothing behind
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ParrotletError(f"cannot write {os.fspath(path)}: {reason}") from error


def _replace(temporary: Path, target: Path) -> None:
    """Rename over the old file; Windows refuses while a reader or a virus scanner has it open, which passes."""
    for _ in range(20 if sys.platform == "win32" else 0):
        try:
            return os.replace(temporary, target)
        except PermissionError:
            time.sleep(0.05)
    os.replace(temporary, target)


def _sweep(target: Path) -> None:
    """Remove what a killed process left of this very file an hour ago or more."""
    for leftover in target.parent.glob(f".{_literal(target.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 3600:
                leftover.unlink()


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

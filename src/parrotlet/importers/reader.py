"""The path of a Keras or textgenrnn file comes in; what it holds goes out as plain, checked data: an Archive.

The file is opened by a child process alone (see child.py), which has a memory limit and a time limit. Nothing that it
answers is trusted: names, shapes and sizes are checked again.
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from parrotlet.container import open_container, parse_json, read_header
from parrotlet.errors import ParrotletError

FloatArray = npt.NDArray[np.float32]
SECONDS = 60.0  # for one file
HEADER_LIMIT = 32 << 20  # bytes
MOST_FLOATS = 1 << 27  # of all arrays: 512 MB
MOST_ARRAYS = 4096
HDF5_MARK, ZIP_MARK = b"\x89HDF\r\n\x1a\n", b"PK"
# What a child process needs of the environment to start Python.
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",  # the child may write no files
    "HDF5_PLUGIN_PRELOAD": "::",  # no filter is ever loaded from a library on the disk
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",  # each thread would take address space
}


@dataclass(frozen=True)
class Archive:
    """What one file holds.

    ``attributes``: of each group, by its path, strings and lists of strings, in the order in which the groups were
    made; ``arrays``: by their paths; ``config`` and ``metadata``: the parsed JSON texts of a .keras file, else None.
    """

    name: str  # of the file, for messages
    attributes: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, FloatArray]
    config: Any = None
    metadata: Any = None

    def layer(self, name: str) -> str:
        """A layer of the file, for messages."""
        return f"{self.name}: its layer {name[:80]!r}"

    def error(self, what: str) -> ParrotletError:
        """The one line for a file that cannot be taken over."""
        return ParrotletError(f"{self.name}: {what[:600]}")


class Reader:
    """Reads any number of files through one child process, which is started anew when a file has ended it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """``seconds``: the most that one file may take.

        Raises ParrotletError where h5py is not installed.
        """
        if importlib.util.find_spec("h5py") is None:
            raise ParrotletError("importing Keras and textgenrnn files needs h5py: pip install 'parrotlet[keras]'")
        if not sys.executable:
            raise ParrotletError("importing needs a Python that can be started as a process of its own")
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def read(self, path: str | os.PathLike[str]) -> Archive:
        """What the file holds; raises ParrotletError with one line where it is not a sound file."""
        name = os.fspath(path)
        if os.path.isdir(name) and os.path.exists(os.path.join(name, "saved_model.pb")):
            raise ParrotletError(f"{name} is a SavedModel folder: save the model as one .keras or .h5 file instead")
        with open_container(path) as file:
            start = file.read(len(HDF5_MARK) + 1)
            own = name.endswith(".safetensors") and start[8:] == b"{"
            if own:
                file.seek(0)
                read_header(file, name)  # raises where something else wrote it
        if own:
            raise ParrotletError(f"{name} is already a model of parrotlet's: parrotlet generate {name}")
        if not start.startswith((HDF5_MARK, ZIP_MARK)):
            raise ParrotletError(f"{name} is neither an HDF5 nor a .keras file")
        header, arrays = self._asked(name)
        if "refused" in header:
            raise ParrotletError(f"{name}: " + " ".join(str(header["refused"])[:300].split()))
        for path, array in arrays.items():
            if not np.isfinite(array).all():
                raise ParrotletError(f"{name}: the array {path[:80]!r} holds numbers that are not finite")
        config, metadata = (
            None if header.get(part) is None else parse_json(str(header[part]), f"{part} of {name}")
            for part in ("config", "metadata")
        )
        return Archive(name, header["attributes"], arrays, config, metadata)

    def _asked(self, name: str) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """The child's answer; ParrotletError where it ends, takes too long or makes no sense."""
        child = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return _answer(child, name)
        except (OSError, EOFError):
            self.close()
            what = f"took more than {self._seconds:g} seconds" if late.is_set() else "ended the process that read it"
            raise ParrotletError(f"{name}: it is damaged: it {what}") from None
        except BaseException:  # interrupted: the rest of the answer is still to come
            self.close()
            raise
        finally:
            timer.cancel()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._child is None or self._child.poll() is not None:
            self.close()
            # Python's own paths, but not the current folder: a module that lies beside a model is not to be run.
            paths = [os.path.abspath(each) for each in sys.path if each]
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "parrotlet.importers.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        return self._child


def _answer(child: "subprocess.Popen[bytes]", name: str) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """One question and its whole answer; EOFError where that is not as the child promises."""
    assert child.stdin is not None
    child.stdin.write(json.dumps({"path": os.path.abspath(name)}).encode() + b"\n")
    child.stdin.flush()
    length = int.from_bytes(_exactly(child, 8), "little")
    if length > HEADER_LIMIT:
        raise EOFError
    try:
        header = parse_json(bytes(_exactly(child, length)), "the answer")
    except ParrotletError:
        raise EOFError from None
    if not isinstance(header, dict):
        raise EOFError
    if "refused" in header:
        return header, {}
    _check_attributes(header.get("attributes"))
    return header, _arrays(child, header.get("arrays"))


def _exactly(child: "subprocess.Popen[bytes]", size: int) -> bytearray:
    """So many bytes of the answer; EOFError where the child ends before."""
    assert child.stdout is not None
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = child.stdout.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        filled += count
    return data


def _check_attributes(data: Any) -> None:
    if not isinstance(data, dict) or not all(isinstance(group, dict) for group in data.values()):
        raise EOFError
    for group in data.values():
        for value in group.values():
            if not all(isinstance(text, str) for text in (value if isinstance(value, list) else [value])):
                raise EOFError


def _arrays(child: "subprocess.Popen[bytes]", listed: Any) -> dict[str, FloatArray]:
    """The arrays that the header lists, each read by its size."""
    if not isinstance(listed, list) or len(listed) > MOST_ARRAYS:
        raise EOFError
    shapes: dict[str, tuple[int, ...]] = {}
    for entry in listed:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise EOFError
        path, shape = entry
        if not isinstance(shape, list) or not all(type(n) is int and 0 <= n <= MOST_FLOATS for n in shape):
            raise EOFError
        shapes[path] = tuple(shape)
    if len(shapes) != len(listed) or sum(map(math.prod, shapes.values())) > MOST_FLOATS:
        raise EOFError
    return {
        path: np.frombuffer(_exactly(child, 4 * math.prod(shape)), "<f4").astype(np.float32, copy=False).reshape(shape)
        for path, shape in shapes.items()
    }

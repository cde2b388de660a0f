"""A process of its own: paths come in on stdin, a line each; what their HDF5 or .keras files hold goes out on stdout.

HDF5 is a large C library and the files come from anyone, so it is used here only, with a memory limit, and whatever a
file does to it happens here. An answer is the length of a JSON text in eight bytes, little endian, the text, and the
bytes of the arrays that it lists. Every size is compared with the limits before memory is taken for it.
"""

import contextlib
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import h5py
    import numpy as np

MEMORY = 3 << 30  # bytes of address space; reading the largest file takes a little over 1 GB
MOST_FLOATS = 1 << 27  # of all arrays: 512 MB
MOST_OBJECTS = 4096
DEEPEST = 12  # groups within groups
LONGEST_NAME = 1000
LONGEST_TEXT = 4 << 20  # characters of a configuration
MOST_DEFLATED = 1040  # bytes that one byte of a deflated stream can become
ENTRY_LIMITS = {"config.json": LONGEST_TEXT, "metadata.json": 1 << 16, "model.weights.h5": 640 << 20}
ATTRIBUTES = ("backend", "keras_version", "layer_names", "model_config", "name", "weight_names")
# What is of use in training only; it may hold whole numbers and is never looked at.
SKIPPED = ("optimizer", "optimizer_weights")
DEFLATE = 1  # HDF5's number of the only filter that is let through


INSTALL = "pip install 'parrotlet[keras]'"


class Refused(Exception):
    """The file is not one that may be read; the message says why."""


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing that a library prints may come between the answers
    limit_resources()
    for line in sys.stdin.buffer:
        try:
            header, arrays = read(json.loads(line)["path"])
        except Refused as refusal:
            header, arrays = {"refused": str(refusal)}, []
        except ImportError as error:
            header, arrays = {"refused": f"h5py cannot be loaded ({str(error)[:200]}): {INSTALL}"}, []
        except MemoryError:
            header, arrays = {"refused": "it needs more memory than a model should"}, []
        except Exception as error:  # whatever the libraries make of an unsound file
            header, arrays = {"refused": f"it is damaged ({type(error).__name__}: {error})"[:300]}, []
        text = json.dumps(header).encode()
        answers.write(len(text).to_bytes(8, "little") + text)
        for array in arrays:
            answers.write(array.data.cast("B") if array.size else b"")
        answers.flush()


def limit_resources() -> None:
    """Bound memory, files and core dumps, where the system knows such limits."""
    try:
        import resource
    except ImportError:
        return
    for name, limit in (("RLIMIT_AS", MEMORY), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0), ("RLIMIT_NOFILE", 64)):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (limit, limit))


def read(path: str) -> tuple[dict[str, Any], "list[np.ndarray]"]:
    """The header of the answer and the arrays that it lists."""
    with open(path, "rb") as file:
        if file.read(2) == b"PK":
            file.seek(0)
            return read_archive(file)
    import h5py

    with h5py.File(path, "r") as opened:
        return read_hdf5(opened, os.path.getsize(path))


def read_archive(file: BinaryIO) -> tuple[dict[str, Any], "list[np.ndarray]"]:
    """A .keras file: a zip of two JSON texts and an HDF5 file, all of which stay in memory."""
    import h5py

    entries = {}
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) > MOST_OBJECTS:
            raise Refused(f"the archive has {len(infos)} entries")
        for info in infos:
            check_entry(info)
        names = [info.filename for info in infos]
        if len(set(names)) != len(names):
            raise Refused("the archive has two entries of one name")
        for name, limit in ENTRY_LIMITS.items():
            if name not in names:
                raise Refused(f"the archive has no {name}, so Keras did not write it")
            info = archive.getinfo(name)
            if info.file_size > min(limit, MOST_DEFLATED * info.compress_size + 1):
                raise Refused(f"{name} in the archive promises {info.file_size} bytes")
            with archive.open(info) as entry:
                entries[name] = entry.read(info.file_size)
    weights = entries["model.weights.h5"]
    with h5py.File(io.BytesIO(weights), "r") as opened:
        header, arrays = read_hdf5(opened, len(weights))
    return header | {name: entries[name + ".json"].decode() for name in ("config", "metadata")}, arrays


def check_entry(info: zipfile.ZipInfo) -> None:
    """An entry may be stored or deflated, not encrypted, and its name must stay inside the archive."""
    name = info.orig_filename.replace("\\", "/")
    if name.startswith("/") or ":" in name or "\0" in name or ".." in name.split("/") or len(name) > LONGEST_NAME:
        raise Refused(f"the archive has an entry with the unsafe name {name[:80]!r}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise Refused(f"{name[:80]!r} in the archive is packed or encrypted in a way that Keras does not use")


def read_hdf5(opened: "h5py.File", size: int) -> tuple[dict[str, Any], "list[np.ndarray]"]:
    """Attributes and arrays of a file of ``size`` bytes; all is checked before any array is read."""
    import h5py
    import numpy as np

    groups: list[tuple[int, str, h5py.Group]] = []
    datasets: list[tuple[str, h5py.Dataset]] = []
    for path, found in objects(opened, ""):
        if len(groups) + len(datasets) >= MOST_OBJECTS:
            raise Refused("it holds more groups and arrays than a model should")
        if hasattr(found, "keys"):
            groups.append((h5py.h5o.get_info(found.id).addr, path, found))
        else:
            datasets.append((path, found))
    groups.sort(key=lambda group: group[0])  # as they were made: layer by layer
    attributes = {path: attributes_of(group) for _, path, group in groups}
    total = 0
    for path, dataset in datasets:
        check_dataset(path, dataset, size)
        total += math.prod(dataset.shape)
    if total > MOST_FLOATS:
        raise Refused(f"its arrays promise {4 * total} bytes; at most {4 * MOST_FLOATS} are read")
    arrays = [np.ascontiguousarray(dataset[()], dtype="<f4").reshape(dataset.shape) for _, dataset in datasets]
    listed = [[path, list(dataset.shape)] for path, dataset in datasets]
    return {"attributes": attributes, "arrays": listed}, arrays


def objects(group: "h5py.Group", path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Groups and datasets with their paths, the group itself first; nothing but plain links is followed."""
    import h5py

    if depth > DEEPEST:
        raise Refused("its groups are nested too deeply")
    yield path, group
    for raw in group.id:
        name = raw.decode()
        inner = f"{path}/{name}" if path else name
        if len(inner) > LONGEST_NAME:
            raise Refused("a name in it is too long")
        if group.id.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
            raise Refused(f"{inner[:80]!r} is a link to another place, which is never followed")
        if (depth == 0 and name in SKIPPED) or name.startswith("seed_generator"):
            continue
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from objects(found, inner, depth + 1)
        elif isinstance(found, h5py.Dataset):
            yield inner, found
        else:
            raise Refused(f"{inner[:80]!r} is neither a group nor an array")


def attributes_of(group: "h5py.Group") -> dict[str, Any]:
    """The attributes that Keras wrote, as strings and lists of strings."""
    found: dict[str, Any] = {}
    for name in ATTRIBUTES:
        if name in group.attrs:
            found[name] = attribute(group, name)
        elif f"{name}0" in group.attrs:  # a long list lies in pieces
            pieces: list[str] = []
            for number in range(MOST_OBJECTS):
                if f"{name}{number}" not in group.attrs:
                    break
                pieces += attribute(group, f"{name}{number}")
            found[name] = pieces
    return found


def attribute(group: "h5py.Group", name: str) -> Any:
    """One attribute, a string or a list of strings."""
    import h5py

    id = group.attrs.get_id(name)
    if h5py.check_string_dtype(id.dtype) is None or len(id.shape) > 1:
        if math.prod(id.shape) == 0:  # Keras writes an empty list of names as numbers
            return []
        raise Refused(f"the attribute {name} is not made of strings")
    if math.prod(id.shape) > MOST_OBJECTS or id.get_storage_size() > LONGEST_TEXT:
        raise Refused(f"the attribute {name} is too long")
    value = group.attrs[name]
    texts = [one.decode() if isinstance(one, bytes) else str(one) for one in ([value] if not id.shape else value)]
    if sum(map(len, texts)) > LONGEST_TEXT:
        raise Refused(f"the attribute {name} is too long")
    "".join(texts).encode()  # bytes that are no UTF-8 fail here
    return texts if id.shape else texts[0]


def check_dataset(path: str, dataset: "h5py.Dataset", size: int) -> None:
    """An array holds floats, which lie in this file as they are or deflated, and promises no more than it can hold."""
    import h5py

    shape, plan = dataset.shape, dataset.id.get_create_plist()
    name = repr(path[:80])
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
        raise Refused(f"the array {name} holds {str(dataset.dtype)[:20]}, not floats")
    if shape is None or len(shape) > 4:
        raise Refused(f"the array {name} has an unusual shape")
    if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise Refused(f"the array {name} lies in another file")
    if any(plan.get_filter(place)[0] != DEFLATE for place in range(plan.get_nfilters())):
        raise Refused(f"the array {name} is packed in a way that Keras does not use")
    promised = math.prod(shape) * dataset.dtype.itemsize
    held = min(size, dataset.id.get_storage_size()) * (MOST_DEFLATED if plan.get_nfilters() else 1)
    if promised > held:
        raise Refused(f"the array {name} promises {promised} bytes, the file holds {held}")
    if dataset.chunks and math.prod(dataset.chunks) > MOST_FLOATS:
        raise Refused(f"the array {name} is cut into pieces of {math.prod(dataset.chunks)} numbers")


if __name__ == "__main__":
    main()

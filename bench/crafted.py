"""A sound HDF5 or .keras file comes in; one with something in it that no model has goes out, well-formed otherwise."""

import contextlib
import io
import random
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np


def crafted(data: bytes, draw: random.Random) -> bytes:
    """A sound HDF5 file with something in it that no model has: links, promises, types, loops."""
    import h5py

    zipped = data.startswith(b"PK")
    with tempfile.TemporaryFile() as old:
        old.write(data)
        weights = zipfile.ZipFile(old).read("model.weights.h5") if zipped else data
    memory = io.BytesIO(weights)
    with h5py.File(memory, "r+") as file:
        arrays: list[str] = []
        file.visititems(lambda name, found: arrays.append(name) if isinstance(found, h5py.Dataset) else None)
        HOSTILE[draw.choice(list(HOSTILE))](file, draw.choice(arrays), draw)
    if not zipped:
        return memory.getvalue()
    with tempfile.TemporaryFile() as old, io.BytesIO() as new:
        old.write(data)
        with zipfile.ZipFile(old) as archive, zipfile.ZipFile(new, "w") as changed:
            for name in archive.namelist():
                changed.writestr(name, memory.getvalue() if name == "model.weights.h5" else archive.read(name))
        return new.getvalue()


def _replace(file: Any, name: str, **made: Any) -> None:
    del file[name]
    file.create_dataset(name, **made)


def _virtual(file: Any, name: str, draw: random.Random) -> None:
    import h5py

    layout = h5py.VirtualLayout(file[name].shape, "f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def _link(file: Any, name: str, draw: random.Random) -> None:
    import h5py

    del file[name]
    other = h5py.ExternalLink("/etc/passwd", "/x"), h5py.ExternalLink("other.h5", name), h5py.SoftLink("/" + name)
    file[name] = draw.choice([*other, h5py.SoftLink("/")])


def _loop(file: Any, name: str, draw: random.Random) -> None:
    group = file[name].parent
    for number in range(draw.choice((1, 3, 40))):
        group[f"again{number}"] = draw.choice((file, group))


def _attribute(file: Any, name: str, draw: random.Random) -> None:
    import h5py

    strings = h5py.string_dtype()
    value = draw.choice((b"x" * 60_000, 7, [[1, 2]], [0.5], h5py.Empty("f"), ["../../x", "/", "."], [b"\xff\xfe"]))
    holder = draw.choice((file, file[name].parent, file.get("model_weights", file)))
    key = draw.choice(("layer_names", "weight_names", "model_config", "keras_version", "name"))
    dtype = strings if isinstance(value, list) and isinstance(value[0], str) else None
    with contextlib.suppress(TypeError, ValueError, RuntimeError, OSError):
        holder.attrs.create(key, value, dtype=dtype)


def _types(file: Any, name: str, draw: random.Random) -> None:
    import h5py

    kinds = [h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype("f4"), "i4", "u1", "c8", "S10", "f2", "f8", ">f4"]
    _replace(file, name, shape=file[name].shape, dtype=draw.choice([*kinds, [("a", "f4"), ("b", "i8")]]))


def _rows(file: Any, name: str, draw: random.Random) -> None:
    _replace(file, name, shape=(10**9, *file[name].shape[1:]), dtype="f4", chunks=draw.choice((True, None)))


def _shape(file: Any, name: str, draw: random.Random) -> None:
    _replace(file, name, data=[[draw.random()] * draw.randrange(1, 60)] * draw.randrange(1, 60), dtype="f4")


def _packed(file: Any, name: str, draw: random.Random) -> None:
    """A bomb of zeros, a filter that Keras does not use, or one that does no harm."""
    if not file[name].shape:
        return
    if draw.random() < 0.3:
        _replace(
            file, name, shape=(10**7,), dtype="f4", chunks=(10**6,), compression="gzip", data=np.zeros(10**7, "f4")
        )
        return
    filters = draw.choice(({"compression": "lzf"}, {"shuffle": True}, {"fletcher32": True}, {"compression": "gzip"}))
    _replace(file, name, data=file[name][()], **filters)


def _numbers(file: Any, name: str, draw: random.Random) -> None:
    file[name][...] = draw.choice((float("nan"), float("inf"), 1e38, 0.0))


def _outside(file: Any, name: str, draw: random.Random) -> None:
    _replace(file, name, shape=file[name].shape, dtype="f4", external=[("/etc/passwd", 0, 10**6)])


HOSTILE: dict[str, Callable[[Any, str, random.Random], None]] = {
    "rows": _rows,
    "shape": _shape,
    "packed": _packed,
    "numbers": _numbers,
    "outside": _outside,
    "virtual": _virtual,
    "link": _link,
    "loop": _loop,
    "attribute": _attribute,
    "types": _types,
}

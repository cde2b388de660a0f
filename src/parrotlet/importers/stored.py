"""The archive of a file comes in; each layer's arrays go out, under the layer's own name and in Keras' order.

Keras' older HDF5 files list the layers and their arrays in attributes. Those of Keras 3 name groups by class, ``lstm``,
``lstm_1``, and number the arrays; the layer's own name is an attribute in newer ones. Of a subclassed model Keras 3
names the groups as the class names its attributes, and nothing says in which order they compute.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from parrotlet.importers.chain import Described
from parrotlet.importers.reader import Archive
from parrotlet.importers.weights import FloatArray

NUMBERED = re.compile(r"(?:.*/)?vars/(\d{1,3})")
ATTRIBUTE = re.compile(r"(.+?)/((?:(?:forward_layer|backward_layer)/)?(?:cell/)?vars/\d{1,3})")
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # of Keras 3, and of 2.12


@dataclass(frozen=True)
class Stored:
    """One layer that has arrays: its own name, that of its group, and the arrays in their order.

    ``turn``: layers whose turn begins alike compute in the order of its number.
    """

    name: str
    group: str
    arrays: tuple[FloatArray, ...]
    turn: tuple[str, int]


def stored_layers(archive: Archive) -> list[Stored]:
    """The layers that have arrays, in the order in which the file holds them; raises ParrotletError."""
    root = "model_weights" if "layer_names" in archive.attributes.get("model_weights", {}) else ""
    if "layer_names" in archive.attributes.get(root, {}):
        return _listed(archive, root)
    for container in CONTAINERS:
        if container in archive.attributes:
            return _numbered(archive, container + "/")
    if is_subclassed(archive):
        return _numbered(archive, "")
    raise archive.error("it is an HDF5 file, but neither Keras nor textgenrnn wrote it")


def is_subclassed(archive: Archive) -> bool:
    """Whether the file names its layers as the attributes of a class, so that they have no order."""
    listed = any("layer_names" in archive.attributes.get(group, {}) for group in ("", "model_weights"))
    contained = any(container in archive.attributes for container in CONTAINERS)
    return not listed and not contained and any(map(ATTRIBUTE.fullmatch, archive.arrays))


def _listed(archive: Archive, root: str) -> list[Stored]:
    found: list[Stored] = []
    for name in _strings(archive, root, "layer_names"):
        group = f"{root}/{name}" if root else name
        arrays = []
        for path in _strings(archive, group, "weight_names"):
            if path.split("/")[-1].startswith("seed_generator"):
                continue
            if f"{group}/{path}" not in archive.arrays:
                raise archive.error(f"it is damaged: the layer {name[:80]!r} has no array {path[:80]!r}")
            arrays.append(archive.arrays[f"{group}/{path}"])
        if arrays:
            found.append(Stored(name, name, tuple(arrays), ("", len(found))))
    return found


def _strings(archive: Archive, group: str, attribute: str) -> list[str]:
    found = archive.attributes.get(group, {}).get(attribute, [])
    if not isinstance(found, list):
        raise archive.error(f"it is damaged: {attribute} of {group[:80]!r} is no list")
    return found


def _numbered(archive: Archive, container: str) -> list[Stored]:
    """The layers in the order in which their groups were made; arrays of a forward cell first, then by number.

    ``container``: the beginning of their paths; empty for the attributes of a class.
    """
    groups: dict[str, list[tuple[bool, str, int, FloatArray]]] = {
        path.removeprefix(container): [] for path in archive.attributes if path.startswith(container)
    }
    names: dict[str, str] = {}
    for path, array in archive.arrays.items():
        if not path.startswith(container):
            continue
        group, _, inner = path.removeprefix(container).partition("/")
        if not container and (attribute := ATTRIBUTE.fullmatch(path)):  # it may be a list or a layer of the user's own
            group, inner = attribute.groups()
        number = NUMBERED.fullmatch(inner)
        if number is None:
            raise archive.error(f"the array {path[:80]!r} is not one that Keras writes for a layer known here")
        folder = inner.rpartition("/")[0]
        entries = groups.setdefault(group, [])
        entries.append((inner.startswith("backward"), folder, int(number[1]), array))
        own = archive.attributes.get(f"{container}{group}/vars", {}).get("name")
        # Until Keras 3.5 no name is kept: then a group's, counted within the file, must not be taken for a layer's,
        # counted within the session; a path is no layer's name.
        names[group] = own if container and isinstance(own, str) and own else container + group
    return [
        Stored(
            names[group],
            group,
            tuple(entry[-1] for entry in sorted(entries, key=lambda entry: entry[:3])),
            _turn(group, "_" if container else "_?"),
        )
        for group, entries in groups.items()
        if entries
    ]


def _turn(group: str, apart: str) -> tuple[str, int]:
    """lstm comes before lstm_1; ``apart``: the pattern between the name and the number."""
    found = re.fullmatch(f"(.+?){apart}([0-9]{{1,4}})", group, re.DOTALL)
    return (found[1], int(found[2])) if found else (group, 0)


def arrays_of(layers: Sequence[Stored], wanted: Sequence[Described], archive: Archive) -> list[tuple[FloatArray, ...]]:
    """The arrays of each wanted layer, looked up by its name, else by its class and its place among that class."""
    by_name = {layer.name: layer for layer in layers}
    by_group = {layer.group: layer for layer in layers}
    counts: dict[str, int] = {}
    found: list[tuple[FloatArray, ...]] = []
    if twice := next((name for name, count in Counter(each.name for each in wanted).items() if count > 1), None):
        raise archive.error(f"its layer {twice!r} is used more than once, which is not known here")
    for each in wanted:
        count = counts.get(each.kind, 0)
        counts[each.kind] = count + 1
        group = snake_case(each.kind) + (f"_{count}" if count else "")
        layer = by_name.get(each.name) or by_group.get(group)
        if layer is None:
            raise archive.error(f"it holds no weights of its layer {each.name!r}")
        found.append(layer.arrays)
    return found


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in files: SimpleRNN is simple_rnn."""
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()

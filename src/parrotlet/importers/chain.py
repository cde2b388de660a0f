"""The configuration of a Keras model comes in; its layers go out one by one, in the order in which they compute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parrotlet.errors import ParrotletError

MOST_LAYERS = 100
LONGEST_NAME = 200
LISTING = ("Sequential", "Functional", "Model")  # the classes whose configuration lists their layers


@dataclass(frozen=True)
class Described:
    """A layer as the file describes it: its own name, that of its class, and its options."""

    name: str
    kind: str
    options: Mapping[str, Any]


def chain(config: Any) -> Iterator[Described]:
    """The layers of a model in their order; a model that is not one chain of layers raises ParrotletError."""
    if not isinstance(config, Mapping):
        raise ParrotletError("its configuration describes no model")
    kind, inner = config.get("class_name"), config.get("config")
    if kind == "Sequential":
        layers = inner.get("layers") if isinstance(inner, Mapping) else inner  # old versions wrote the list alone
        yield from (described(each, "Sequential") for each in _listed(layers))
        return
    if kind not in LISTING:
        raise ParrotletError(f"it is a model of the class {str(kind)[:80]!r}; known are Sequential and Functional")
    entries = _listed(inner.get("layers") if isinstance(inner, Mapping) else None)
    after: dict[str, Mapping[str, Any]] = {}  # the name of a layer → the layer that it enters
    first: list[Mapping[str, Any]] = []
    for entry in entries:
        sources = set(_sources(entry.get("inbound_nodes")))
        if len(sources) > 1 or sources & after.keys():
            raise ParrotletError(f"at its layer {str(entry.get('name'))[:80]!r} it is not one chain of layers")
        if sources:
            after[sources.pop()] = entry
        else:
            first.append(entry)
    if len(first) != 1:
        raise ParrotletError(f"it has {len(first)} inputs; only one chain of layers can be taken over")
    entry, count = first[0], 0
    while True:
        yield described(entry, "Functional")
        count += 1
        name = str(entry.get("name"))
        if name not in after:
            break
        entry = after.pop(name)
    if count != len(entries):
        raise ParrotletError("it is not one chain of layers")


def is_subclassed(config: Any) -> bool:
    """Whether it is that of a class of the user's own, which names neither its layers nor how they compute."""
    if not isinstance(config, Mapping) or not isinstance(config.get("config"), Mapping):
        return False
    return config.get("class_name") not in LISTING and "layers" not in config["config"]


def described(entry: Any, where: str) -> Described:
    """One layer's class, options and name."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        raise ParrotletError(f"its configuration describes no layer at {where!r}")
    options: Mapping[str, Any] = entry["config"]
    kind = str(entry.get("class_name"))[:LONGEST_NAME]
    name = str(options.get("name") or entry.get("name") or kind)[:LONGEST_NAME]
    return Described(name, kind, options)


def flag(options: Mapping[str, Any], option: str, name: str) -> bool:
    """A true or false; absent is false."""
    value = options.get(option, False)
    if value not in (True, False, None):
        raise ParrotletError(f"its layer {name!r} has {option} = {str(value)[:80]!r}, not true or false")
    return bool(value)


def text(options: Mapping[str, Any], option: str, name: str, default: str) -> str:
    """A name such as that of an activation, plain or wrapped as newer versions write it."""
    value = options.get(option, default)
    if isinstance(value, Mapping):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise ParrotletError(f"its layer {name!r} has {option} = {str(value)[:80]!r}, which is not a name")
    return value[:LONGEST_NAME]


def _listed(layers: Any) -> list[Mapping[str, Any]]:
    if not isinstance(layers, list) or not all(isinstance(each, Mapping) for each in layers):
        raise ParrotletError("its configuration lists no layers")
    if len(layers) > MOST_LAYERS:
        raise ParrotletError(f"it has {len(layers)} layers; at most {MOST_LAYERS} are read")
    return layers


def _sources(nodes: Any) -> Iterator[str]:
    """The names of the layers that enter one, however deep they lie in what the versions of Keras wrote."""
    waiting = [nodes]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting.extend(node.values())
        elif isinstance(node, list):
            if len(node) >= 3 and isinstance(node[0], str) and type(node[1]) is int and type(node[2]) is int:
                yield node[0]
            else:
                waiting.extend(node)

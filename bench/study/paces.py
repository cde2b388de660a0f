"""A candidate comes in; how long two quiet cores need for one of its steps goes out.

A neighbour of the machine slows a run of a minute by a tenth, which is worth more than most candidates differ by, and
an hour of a machine is slower than another one. So the steps that fit into the minutes are counted: what a step takes
is told in steps of one network that stays the same, timed in turn with it, and only of that one the seconds count.
"""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.harness import apart
from bench.study.loop import Task, products, relative_pace, unit_pace

MEASUREMENTS = 5  # of the unit: the fastest counts


class Paces:
    """Seconds per step of what was measured for one kind of processor; kept in a file unless ``path`` is None."""

    def __init__(self, path: Path | None, processor: str, measurements: int = MEASUREMENTS) -> None:
        self._path, self._measurements = path, measurements
        self._all: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._all = json.loads(path.read_text(encoding="utf-8"))
        self._known = self._all.setdefault(processor, {})
        self._steps: dict[str, list[float]] = self._known.setdefault("steps", {})

    def products(self) -> float:
        """Operations a second of a matrix product, on which the usual network depends: once measured, it stays."""
        return self._once("products", lambda: max(apart(products) for _ in range(self._measurements)))

    def unit(self) -> float:
        """Seconds of a step of the network that others are timed beside: once measured, it stays."""
        return self._once("unit", lambda: min(apart(unit_pace) for _ in range(self._measurements)))

    def step(self, name: str, task: Task) -> float:
        """Seconds of a step of what is called so; measured where it is not known."""
        if name not in self._steps:
            self.measure(name, task)
        return self.unit() * median(self._steps[name])

    def measure(self, name: str, task: Task) -> None:
        """Once more: the median of all times counts."""
        self._steps.setdefault(name, []).append(round(apart(relative_pace, task), 4))
        self._save()

    def _once(self, name: str, measure: Callable[[], float]) -> float:
        if name not in self._known:
            self._known[name] = measure()
            self._save()
        value: float = self._known[name]
        return value

    def _save(self) -> None:
        if self._path is not None:
            self._path.write_text(json.dumps(self._all, indent=1, sort_keys=True) + "\n", encoding="utf-8")

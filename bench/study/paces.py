"""A candidate comes in; how long two quiet cores need for one of its steps goes out.

A neighbour of the machine slows a run of a minute by a tenth, which is worth more than most candidates differ by. So
the steps that fit into the minutes are counted from short bursts: the fastest of all that were ever measured counts.
"""

import json
from pathlib import Path
from typing import Any

from bench.harness import apart
from bench.study.loop import Task, burst, products

BURSTS = 3  # at first; further ones whenever they are asked for


class Paces:
    """Seconds per step of what was measured for one kind of processor; kept in a file unless ``path`` is None."""

    def __init__(self, path: Path | None, processor: str, bursts: int = BURSTS) -> None:
        self._path, self._processor, self._bursts = path, processor, bursts
        self._all: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._all = json.loads(path.read_text(encoding="utf-8"))
        self._known = self._all.setdefault(processor, {"steps": {}})

    def products(self) -> float:
        """Operations a second of a matrix product, on which the usual network depends: once measured, it stays."""
        if "products" not in self._known:
            self._known["products"] = max(apart(products) for _ in range(self._bursts))
            self._save()
        speed: float = self._known["products"]
        return speed

    def step(self, name: str, task: Task) -> float:
        """Seconds of a step of what is called so; measured where it is not known."""
        if name not in self._known["steps"]:
            for _ in range(self._bursts):
                self.measure(name, task)
        pace: float = self._known["steps"][name]
        return pace

    def measure(self, name: str, task: Task) -> None:
        """One burst more."""
        self.found(name, apart(burst, task))

    def found(self, name: str, seconds: float) -> None:
        """What a step took: it stays if none was faster."""
        steps = self._known["steps"]
        if seconds < steps.get(name, float("inf")):
            steps[name] = seconds
            self._save()

    def _save(self) -> None:
        if self._path is not None:
            self._path.write_text(json.dumps(self._all, indent=1, sort_keys=True) + "\n", encoding="utf-8")

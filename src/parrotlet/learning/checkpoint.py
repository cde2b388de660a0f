"""The state of a run comes in; a folder from which the very next step can be taken goes out.

It is never needed to write text. The folder ``MODEL.run`` holds ``run.json`` (what the run is), the encoded text,
``metrics.jsonl`` and ``checkpoint.safetensors``. The checkpoint is written beside its place, flushed and renamed, so
that a kill at any moment leaves the one before.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as as_safetensors

from parrotlet.container import write_atomically
from parrotlet.dataset import remove_encoded
from parrotlet.errors import ParrotletError

Arrays = dict[str, npt.NDArray[Any]]
NEW = "new"  # what a run writes while it begins, in a folder that may hold an earlier one


@dataclass
class Progress:
    """Where a run stands, apart from its arrays."""

    step: int = 0
    epoch: int = 0
    index: int = 0  # of the next batch in this epoch
    seconds: float = 0.0
    extra: float = 0.0  # seconds beyond a budget in minutes, where reading the text took most of it
    evaluations: int = 0
    best: float | None = None  # validation bits per character of the state that is kept
    lowest: float | None = None  # lowest figure that decides which states get a file of their own
    stale: int = 0  # evaluations since the best one
    loss_tokens: int = 0
    metrics_bytes: int = 0
    threads: int = 0  # sums on the processor depend on how many threads share them
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


_newest: dict[Path, object] = {}  # the last one of this process that held a folder


class RunFolder:
    """The folder beside a model file from which its training goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FileLock | None = None
        self._mark = object()

    def hold(self) -> None:
        """Keep other processes out until :meth:`release`; raises ParrotletError where one learns here.

        An earlier run of this process, which may have been broken off, gives way.
        """
        if self._lock is not None or not self.folder.is_dir():
            return
        _newest[self.folder.resolve()] = self._mark
        lock = FileLock(self.folder / "lock", timeout=0, thread_local=False, is_singleton=True)
        try:
            lock.acquire()
        except Timeout:
            raise ParrotletError(
                f"another run is learning in {self.folder}: wait until it ends, or give this one another --output"
            ) from None
        except (OSError, NotImplementedError):  # a file system without locks
            return
        self._lock = lock

    def check(self) -> None:
        """Before anything is written: raises ParrotletError where a newer run of this process writes here."""
        if _newest.get(self.folder.resolve(), self._mark) is not self._mark:
            raise ParrotletError(f"a newer run has begun in {self.folder}: this one cannot go on")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def exists(self) -> bool:
        return (self.folder / "run.json").is_file() and (self.folder / "checkpoint.safetensors").is_file()

    @property
    def unfinished(self) -> bool:
        """Whether it holds a run that could go on."""
        return self.exists and (self.folder / "ids.bin").is_file()

    @contextlib.contextmanager
    def begun(self) -> Iterator[Path]:
        """A folder for what a new run encodes. What an earlier run left goes when that is done, and not before."""
        place = self.folder / NEW
        with self._told_where():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.hold()
            self._sweep()
            place.mkdir()
        try:
            yield place
            with self._told_where():
                remove_encoded(self.folder)  # not written over: a run of this process may still have it mapped
                for name in ("checkpoint.safetensors", "run.json", "metrics.jsonl"):
                    (self.folder / name).unlink(missing_ok=True)
                for each in place.iterdir():
                    os.replace(each, self.folder / each.name)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    @contextlib.contextmanager
    def _told_where(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ParrotletError(f"cannot write {self.folder}: {error.strerror or error}") from error

    def create(self, facts: Mapping[str, Any]) -> None:
        """Write what the run is; ``facts`` are what :meth:`facts` gives back."""
        write_atomically(self.folder / "run.json", [json.dumps(facts).encode()])

    def facts(self) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ParrotletError(f"{self.folder / 'run.json'} is damaged, so this run cannot go on: {error}") from error
        return facts

    def save(self, progress: Progress, weights: Arrays, best: Arrays, resumable: Arrays) -> None:
        self.check()
        groups = {"weights": weights, "best": best, "resumable": resumable}
        arrays = {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}
        data = as_safetensors(arrays, metadata={"progress": json.dumps(asdict(progress))})
        write_atomically(self.folder / "checkpoint.safetensors", [data])

    def finish(self, progress: Progress) -> None:
        """Keep the record that the run is over; what only a further step would need is deleted."""
        self.save(progress, {}, {}, {})
        remove_encoded(self.folder)

    def load(self) -> tuple[Progress, Arrays, Arrays, Arrays]:
        """Progress, weights, best weights and what else the next step depends on."""
        path = self.folder / "checkpoint.safetensors"
        self._sweep()
        groups: dict[str, Arrays] = {"weights": {}, "best": {}, "resumable": {}}
        try:
            with safe_open(path, framework="numpy") as file:
                progress = Progress(**json.loads(file.metadata()["progress"]))
                for key in file.keys():  # noqa: SIM118 (not a dict)
                    group, name = key.split("/", 1)
                    groups[group][name] = file.get_tensor(key)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ParrotletError(f"{path} is damaged, so this run cannot go on: {error}") from error
        if not progress.finished:
            self._cut_metrics(progress.metrics_bytes)
        return progress, groups["weights"], groups["best"], groups["resumable"]

    def add_metrics(self, record: Mapping[str, Any]) -> int:
        """Append one line to ``metrics.jsonl``; returns the size of the file after it."""
        self.check()
        try:
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
                return file.tell()
        except OSError as error:
            raise ParrotletError(f"cannot write {self.folder / 'metrics.jsonl'}: {error.strerror or error}") from error

    def _sweep(self) -> None:
        """Remove half-written files of a run that was killed."""
        for leftover in self.folder.glob(".*.part"):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(self.folder / NEW, ignore_errors=True)

    def _cut_metrics(self, size: int) -> None:
        """Drop what was written after the checkpoint: the resumed run writes it again."""
        path = self.folder / "metrics.jsonl"
        if path.exists() and path.stat().st_size > size:
            with open(path, "r+b") as file:
                file.truncate(size)


def sound(weights: Arrays) -> bool:
    """Whether every number of these weights is finite."""
    return all(bool(np.isfinite(array).all()) for array in weights.values())

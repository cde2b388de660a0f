"""Figures come in one record at a time; they go out as a Markdown table while they are measured, and to the results."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, ClassVar, Literal

from bench.calibration import calibration, machine, verdict
from bench.results import Results, cell


@dataclass(frozen=True)
class Finding:
    """One line of the table of all rows: what was measured, beside what, and how much was wanted.

    ``goal`` and ``least`` (that counts as done) are of the ratio or of parrotlet's own figure; less is better where the
    goal is below the least, or equal to it. Or the figure should lie ``between`` the two.
    """

    what: str
    parrotlet: float
    unit: str
    peer: str = ""
    beside: float | None = None
    ratio: float | None = None
    goal: float | None = None
    least: float | None = None
    of: Literal["ratio", "figure", "between"] = "figure"
    remark: str = ""

    @property
    def met(self) -> str:
        """``goal``, ``least``, ``no``, or nothing where nothing was wanted."""
        figure = self.ratio if self.of == "ratio" else self.parrotlet
        if figure is None or self.goal is None or self.least is None:
            return ""
        if self.of == "between":
            return "goal" if self.goal <= figure <= self.least else "no"
        sign = 1 if self.goal > self.least else -1
        reached = [name for name in ("goal", "least") if sign * figure >= sign * getattr(self, name)]
        return reached[0] if reached else "no"


class Table:
    """Rows printed as they are measured, in Markdown; at the end once more as one line of JSON, and recorded."""

    results: ClassVar[Results | None] = None  # where finished tables are recorded; nowhere when a row is called by hand
    row: ClassVar[str] = ""

    def __init__(self, *columns: str, title: str = "") -> None:
        """``title`` tells this table from others of the same row, whose records it must not replace."""
        self.columns, self.title = columns, title
        self.records, self.findings = list[dict[str, Any]](), list[Finding]()
        self._calibrations = [calibration()]
        about = machine()
        print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}, torch {about['torch']}")
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns), flush=True)

    def add(self, **record: Any) -> None:
        """One row; values beyond the columns (their names with blanks for underscores) appear in the JSON alone."""
        self.records.append(record)
        cells = [cell(record.get(column.replace(" ", "_"), "")) for column in self.columns]
        print("| " + " | ".join(cells) + " |", flush=True)

    def earlier(self) -> list[dict[str, Any]]:
        """The rows that were recorded under this title on a machine like this one, whose quietness counts here too."""
        section = Table.results.sections().get(self._name(), {}) if Table.results else {}
        if section.get("machine") != machine():
            return []
        self._calibrations = section["calibrations"] + self._calibrations
        rows: list[dict[str, Any]] = section["records"]
        return rows

    def take_over(self) -> list[dict[str, Any]]:
        """The earlier rows are rows of this table too."""
        for record in self.earlier():
            self.add(**record)
        return list(self.records)

    def _name(self) -> str:
        return f"{Table.row} {self.title}".strip()

    def find(self, what: str, parrotlet: float, unit: str, **more: Any) -> None:
        """What the table comes to: see :class:`Finding`."""
        self.findings.append(Finding(what, parrotlet, unit, **more))

    def finish(self, *notes: str) -> None:
        """Print what is left to say, and record everything; ``notes`` are lines to stand below the table."""
        self._calibrations.append(calibration())
        section = {
            "date": date.today().isoformat(),
            "machine": machine(),
            "calibrations": self._calibrations,
            "verdict": verdict(self._calibrations),
            "columns": self.columns,
            "records": self.records,
            "findings": [asdict(each) | {"met": each.met} for each in self.findings],
            "notes": notes,
        }
        print("\n" + json.dumps(self.records, ensure_ascii=False))
        print("".join(f"\n{note}" for note in (*notes, f"machine: {section['verdict']}")), flush=True)
        if Table.results is not None:
            Table.results.record(self._name(), section)

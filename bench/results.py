"""Sections of figures come in by name; a JSON file that holds the newest of each, and a page made from it, go out."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Measurements

Made by `make bench` (all of it) and `python -m bench ROW` (one section); a row that is run again replaces its section.
The figures are kept in {name}, this page is made from it. *machine* says whether large matrix products ran at their
quiet speed just before and after (200 GFLOP/s in float32 on two cores with 512-bit vectors); where it says *noisy*,
the figures are not to be trusted. *goal* and *least* are those of the ratio where they end in ×, else of parrotlet's
own figure.
"""
SUMMARY = ("what", "parrotlet", "unit", "beside", "peer", "ratio", "goal (least)", "met", "machine", "section")


class Results:
    """The results in ``FOLDER/NAME.json`` and the page ``FOLDER/NAME.md``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sections(self) -> dict[str, dict[str, Any]]:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}

    def record(self, name: str, section: dict[str, Any]) -> None:
        """Replace the section of that name, and make the page anew."""
        sections = self.sections() | {name: section}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = json.dumps(dict(sorted(sections.items())), ensure_ascii=False, indent=1)
        self.path.write_text(written + "\n", encoding="utf-8")
        self.path.with_suffix(".md").write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """All of it as Markdown: the table of what was found, then every section."""
        sections = self.sections()
        parts = [HEAD.format(name=self.path.name), summary(sections)]
        parts += [_section(name, section) for name, section in sections.items()]
        return "\n".join(parts)


def summary(sections: dict[str, dict[str, Any]]) -> str:
    """One table of what all rows found: ratios, what was wanted, whether it was reached on a quiet machine."""
    rows = []
    for name, section in sections.items():
        for each in section["findings"]:
            figures = (each["what"], each["parrotlet"], each["unit"], each["beside"], each["peer"], each["ratio"])
            rows.append((*figures, _wanted(each), each["met"], section["verdict"].partition(" ")[0].strip(":"), name))
    remarks = [each for section in sections.values() for each in section["findings"] if each["remark"]]
    lines = [f"- {each['what']}: {each['remark']}\n" for each in remarks]
    return _markdown(SUMMARY, rows) + ("\n" + "".join(lines) if lines else "")


def _wanted(finding: dict[str, Any]) -> str:
    if finding["goal"] is None:
        return ""
    goal, least = cell(finding["goal"]), cell(finding["least"])
    if finding["of"] == "between":
        return f"{goal} to {least}"
    times = "×" if finding["of"] == "ratio" else ""
    return f"{goal}{times} ({least}{times})"


def _section(name: str, section: dict[str, Any]) -> str:
    about, columns = section["machine"], section["columns"]
    speeds = " and ".join(f"{each['float32']:.0f} / {each['bfloat16']:.0f}" for each in section["calibrations"])
    keys = [column.replace(" ", "_") for column in columns]
    rows = [[record.get(key) for key in keys] for record in section["records"] if record.keys() & set(keys)]
    lines = [
        f"## {name}\n",
        f"{section['date']}, {about['processor']}, {about['cores']} cores, {about['system']}, Python "
        f"{about['python']}, torch {about['torch']}; {speeds} GFLOP/s (float32 / bfloat16) before and after: "
        f"{section['verdict']}.\n",
        _markdown(columns, rows),
        *(f"{note}\n" for note in section["notes"]),
    ]
    return "\n".join(lines)


def _markdown(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell(value) for value in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")

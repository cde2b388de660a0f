"""The README is executed: every Python block and every shell block, on a text made here, with seconds for minutes."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = [code for kind, code in BLOCKS if kind == "python"]
SHELL = [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines() if line.startswith("parrotlet ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every file that the README's lines name, made of nothing but the examples' words."""
    folder = tmp_path_factory.mktemp("readme")
    book = "".join(f"The old man number {n} went to the sea, and the sea was calm.\n" for n in range(400))
    (folder / "book.txt").write_text(book, encoding="utf-8")
    rows = "".join(f'{n},"Ask the crowd: is version {n} good?",{("pets", "news")[n % 2]}\n' for n in range(300))
    (folder / "posts.csv").write_text("id,title,topic\n" + rows, encoding="utf-8")
    talk = "".join(f"Where is cat {n}?\tOn mat {n * n % 13}.\n" for n in range(150))
    (folder / "talk.tsv").write_text(talk, encoding="utf-8")
    (folder / "more.txt").write_text(book.replace("sea", "hill"), encoding="utf-8")
    (folder / "held_out.txt").write_text(book.replace("sea", "well"), encoding="utf-8")
    return folder


def soon(code: str) -> str:
    """The same call with a budget of a second or two."""
    code = re.sub(r"--minutes [\d.]+", "--minutes 0.05 --hidden 32", code)
    return re.sub(r"minutes=[\d.]+", "minutes=0.05, hidden=32", code)


def test_there_are_three_lines_of_python_and_three_of_shell():
    assert any(3 <= len(code.strip().splitlines()) <= 4 for code in PYTHON)
    assert len(SHELL) >= 3


def test_every_block_runs_in_its_order(folder):
    for kind, code in BLOCKS:
        if kind == "python":
            check(folder, "-c", soon(code))
        for line in code.splitlines() if kind == "sh" else ():
            if line.startswith("parrotlet "):
                check(folder, "-m", "parrotlet", *shlex.split(soon(line), comments=True)[1:])


def check(folder, *arguments):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "encoding": "utf-8"}
    done = subprocess.run([sys.executable, *arguments], input="Where is cat 5?\n", **options)
    assert done.returncode == 0, f"{arguments}\n{done.stderr}"
    assert done.stdout.strip()


def test_the_file_map_names_what_is_there():
    package = Path(__file__).parent.parent
    section = README.split("## File map", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^ *(\S+?)/? {2,}\S", section, re.MULTILINE)
    assert named
    for name in named:
        assert (package / "src" / "parrotlet" / name).exists() or (package / name).exists(), name
    rooms = {path.name for path in (package / "src" / "parrotlet").iterdir() if not path.name.startswith(("_", "py."))}
    assert rooms <= {Path(name).name for name in named}


def test_no_page_waits_for_its_text():
    """A line that is one word in capitals stands for what is still to be written."""
    for page in (Path(__file__).parent.parent / "docs").glob("*.md"):
        assert not re.search(r"^[A-Z]{4,}$", page.read_text(encoding="utf-8"), re.M), page.name

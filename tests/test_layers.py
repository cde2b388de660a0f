"""The law of the layers: imports point one way only, and nothing on the road to writing text imports torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import parrotlet

ROOT = Path(parrotlet.__file__).parent

# Each room may import rooms of its own rank or lower; faces (rank 9) never import one another.
RANKS = {
    "_version": 0,
    "errors": 0,
    "settings": 1,
    "corpus": 2,
    "tokenizers": 2,
    "recipes": 2,
    "pretrained": 2,
    "container": 2,
    "sampling": 3,
    "dataset": 3,
    "runtime": 4,
    "networks": 4,
    "bundle": 5,
    "novelty": 5,
    "decoding": 6,
    "generation": 6,
    "writing": 6,
    "lengths": 6,
    "scoring": 6,
    "trace": 6,
    "traits": 6,
    "labels": 6,
    "continuations": 6,
    "writer": 7,
    "importers": 7,
    "report": 8,
    "learning": 8,
    "comparison": 8,
    "compare": 8,
    "cowriting": 8,
    "chatting": 8,
    "ensembles": 8,
    "inside": 8,
    "vectors": 8,
    "turns": 8,
    "show": 9,
    "plots": 9,
    "outputs": 9,
    "compat": 9,
    "cli": 10,
    "__main__": 11,
    "__init__": 11,
}
TRAINING_ONLY = {"networks", "learning", "dataset"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path: Path):
    """Rooms of parrotlet, and other top-level modules, that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module == "parrotlet":
                names = [f"parrotlet.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "parrotlet":
                yield "room", parts[1] if len(parts) > 1 else "__init__"
            else:
                yield "module", parts[0]


FILES = sorted(ROOT.rglob("*.py"))


def test_every_room_has_a_rank():
    assert {room(path) for path in FILES} <= set(RANKS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    if room(path) == "__init__":
        return
    for kind, name in imports(path):
        if kind == "room" and name in RANKS and name != "__init__":
            assert RANKS[name] <= RANKS[room(path)], f"{path.name} ({room(path)}) imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_training_imports_torch(path):
    if any(name == "torch" for kind, name in imports(path) if kind == "module"):
        assert room(path) in TRAINING_ONLY


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_code_from_data(path):
    source = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.id for node in ast.walk(source) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "compile", "__import__"}
    assert not {name for kind, name in imports(path)} & {"pickle", "marshal", "shelve", "joblib"}
    loads = [node for node in ast.walk(source) if isinstance(node, ast.Attribute) and node.attr == "load"]
    assert not [node for node in loads if isinstance(node.value, ast.Name) and node.value.id == "torch"]


def test_writing_never_imports_torch():
    model = Path(__file__).parent / "fixtures" / "format1.safetensors"
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import parrotlet\n"
        f"writer = parrotlet.load({str(model)!r})\n"
        "assert len(writer.generate(2, length=20, seed=1)) == 2\n"
        "from parrotlet.cli import main\n"
        f"sys.argv = ['parrotlet', 'generate', {str(model)!r}, '--length', '5', '--seed', '1']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_importing_parrotlet_imports_nothing_heavy():
    code = (
        "import sys, parrotlet\n"
        "print([name for name in ('torch', 'numpy', 'pydantic', 'typer', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

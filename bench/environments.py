"""The name of a peer comes in; the Python that has it installed goes out, made on first use and kept in ``.bench/``."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers.mend_textgenrnn import MENDS, Mend, mend

FOLDER = Path(__file__).parent.parent / ".bench"
CONSTRAINTS = Path(__file__).parent / "peers"  # NAME.txt: the exact version of every package of an environment
TENSORFLOW = "tensorflow" if sys.platform == "darwin" else "tensorflow-cpu"


@dataclass(frozen=True)
class Environment:
    """What pip installs; ``alone`` without what those packages ask for, which no longer exists or is there already."""

    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    mends: tuple[Mend, ...] = ()  # of what was installed


ENVIRONMENTS: dict[str, Environment] = {
    "keras": Environment((TENSORFLOW, "jax", "keras")),
    "textgenrnn": Environment(
        (TENSORFLOW, "scikit-learn", "tqdm", "h5py", "setuptools", "wheel"),
        alone=("tf-keras", "textgenrnn"),
        mends=MENDS,
    ),
}


def python_of(name: str) -> Path:
    """The Python of an environment; installs it (a minute or two) where it is missing or what belongs in it changed."""
    folder, constraints, environment = FOLDER / name, CONSTRAINTS / f"{name}.txt", ENVIRONMENTS[name]
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    parts = (constraints.read_text(encoding="utf-8"), environment.packages, environment.alone, environment.mends)
    installed, wanted = folder / "installed.txt", "\n".join(map(str, parts))
    if installed.is_file() and installed.read_text(encoding="utf-8") == wanted:
        return python
    print(f"making {folder} (once; a minute or two)", file=sys.stderr, flush=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints]
    _call(sys.executable, "-m", "venv", "--clear", folder)
    _call(*install, *environment.packages)
    if environment.alone:
        _call(*install, "--no-deps", "--no-build-isolation", *environment.alone)
    printed = _call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    mend(Path(printed.strip()), environment.mends)
    installed.write_text(wanted, encoding="utf-8")
    return python


def _call(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["(nothing printed)"]
        raise RuntimeError(f"{' '.join(map(str, command))} failed: {lines[-1]}")
    return done.stdout

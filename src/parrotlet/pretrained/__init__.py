"""The name of the model that comes with the package comes in; its file goes out."""

import os
from pathlib import Path

PRETRAINED = "pretrained"
FILE = Path(__file__).parent / "english.safetensors"


def found(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """``pretrained`` is the model in the package, unless there is a file of that name; any other path is itself."""
    return FILE if os.fspath(path) == PRETRAINED and not os.path.exists(path) and FILE.is_file() else path

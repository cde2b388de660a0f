"""The packages that pip installed come in; textgenrnn 2.0.0 among them can be imported and trained again afterwards.

TensorFlow has dropped what two of its lines import (neither is used on a CPU) and has renamed an argument; numpy gives
a tuple where it gave a list.
"""

from collections.abc import Iterable
from pathlib import Path

Mend = tuple[str, str, str]  # a file, what stands in it, and what should

MENDS: tuple[Mend, ...] = (
    ("textgenrnn/textgenrnn.py", "from tensorflow.keras.utils import multi_gpu_model\n", ""),
    ("textgenrnn/textgenrnn.py", "from keras.backend.tensorflow_backend import set_session\n", ""),
    ("textgenrnn/textgenrnn.py", "Adam(lr=4e-3)", "Adam(learning_rate=4e-3)"),
    ("textgenrnn/textgenrnn.py", "np.block(indices_list[0])", "np.block(list(indices_list[0]))"),
    ("textgenrnn/textgenrnn.py", "np.block(indices_list[i+1])", "np.block(list(indices_list[i+1]))"),
    ("textgenrnn/model.py", "Adam(lr=4e-3)", "Adam(learning_rate=4e-3)"),
)


def mend(packages: Path, mends: Iterable[Mend] = MENDS) -> None:
    """Change the files below ``packages`` in place; raises RuntimeError where one holds something else."""
    for name, old, new in mends:
        path = packages / name
        source = path.read_text(encoding="utf-8")
        if old not in source:
            raise RuntimeError(f"{path} holds no {old.strip()!r}: is it another release?")
        path.write_text(source.replace(old, new), encoding="utf-8")

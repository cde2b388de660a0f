"""parrotlet teaches a tiny neural network to write like your text.

>>> import parrotlet
>>> writer = parrotlet.train("tweets.csv", minutes=1)              # doctest: +SKIP
>>> writer.write("Once upon", length=300, temperature=0.8)         # doctest: +SKIP
"""

import importlib
import time
from typing import TYPE_CHECKING, Any

from parrotlet._version import VERSION as __version__

if TYPE_CHECKING:
    from parrotlet.bundle import Bundle, load_bundle
    from parrotlet.chatting import Chat
    from parrotlet.corpus import Corpus, from_texts, open_corpus
    from parrotlet.cowriting import Draft
    from parrotlet.ensembles import average
    from parrotlet.errors import ParrotletError, UsageError
    from parrotlet.importers import import_model
    from parrotlet.learning import training
    from parrotlet.novelty import Novelty
    from parrotlet.report import Report, report_card
    from parrotlet.sampling import Rules
    from parrotlet.settings import CorpusSettings, Settings
    from parrotlet.show import train
    from parrotlet.turns import in_turns
    from parrotlet.writer import Writer, load

STARTED = time.perf_counter()  # a command's minutes are counted from here

_HOMES = {
    "average": "ensembles",
    "in_turns": "turns",
    "Bundle": "bundle",
    "Chat": "chatting",
    "Draft": "cowriting",
    "load_bundle": "bundle",
    "Corpus": "corpus",
    "from_texts": "corpus",
    "open_corpus": "corpus",
    "ParrotletError": "errors",
    "UsageError": "errors",
    "import_model": "importers",
    "training": "learning",
    "Report": "report",
    "report_card": "report",
    "Novelty": "novelty",
    "Rules": "sampling",
    "CorpusSettings": "settings",
    "Settings": "settings",
    "train": "show",
    "Writer": "writer",
    "load": "writer",
}

__all__ = [
    "Bundle",
    "Chat",
    "Corpus",
    "CorpusSettings",
    "Draft",
    "Novelty",
    "ParrotletError",
    "Report",
    "Rules",
    "Settings",
    "UsageError",
    "Writer",
    "__version__",
    "average",
    "from_texts",
    "import_model",
    "in_turns",
    "load",
    "load_bundle",
    "open_corpus",
    "report_card",
    "train",
    "training",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing parrotlet costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'parrotlet' has no attribute {name!r}")
    return getattr(importlib.import_module(f"parrotlet.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

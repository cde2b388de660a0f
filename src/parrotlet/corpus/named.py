"""The name of a well-known corpus comes in; a Source of its checked bytes, from disk or the web, comes out."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from parrotlet.corpus.sources import Source, kind_suffix
from parrotlet.errors import ParrotletError
from parrotlet.settings import CorpusSettings

DATA_FOLDER = "PARROTLET_DATA"
"""The environment variable that names a folder in which named corpora are looked for first."""


@dataclass(frozen=True)
class NamedCorpus:
    """Where a corpus comes from. ``path`` is its place below the folder that PARROTLET_DATA names."""

    about: str
    url: str
    sha256: str
    licence: str
    path: str
    bytes: int
    settings: CorpusSettings


_TEXT = CorpusSettings(form="text", encoding="utf-8")
_LINES = CorpusSettings(form="lines", encoding="utf-8")
_RAW = "https://raw.githubusercontent.com/"
_KON = _RAW + "adatzer/kon/fd44f930dc8d4a3bb543cd952859e08ccff10642/data/"

NAMED: dict[str, NamedCorpus] = {
    "nietzsche": NamedCorpus(
        "Nietzsche in English, the text of the Keras lesson",
        "https://s3.amazonaws.com/text-datasets/nietzsche.txt",
        "23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647",
        "public domain",
        "nietzsche/nietzsche.txt",
        600_901,
        _TEXT,
    ),
    "shakespeare": NamedCorpus(
        "scenes from Shakespeare, the text of char-rnn (tinyshakespeare)",
        _RAW + "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "public domain",
        "tinyshakespeare/input.txt",
        1_115_394,
        _TEXT,
    ),
    "moby-dick": NamedCorpus(
        "Herman Melville: Moby-Dick",
        _RAW + "stdlib-js/datasets-moby-dick/235160635e0a8955eadef98901e24b1c01f75858/data/data.txt",
        "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240",
        "public domain (data: ODC PDDL-1.0)",
        "moby_dick/moby_dick.txt",
        1_204_997,
        _TEXT,
    ),
    "onegin": NamedCorpus(
        "Alexander Pushkin: Eugene Onegin, in Russian",
        _RAW + "osdrv/onegin-gpt/75084c5d6bcfdaace69452aade1d78cc7acedecf/data/onegin.txt",
        "c9e458d35fecf777328fd8903ddb03685bee134c10774151642bf4567ac69576",
        "public domain",
        "russian/onegin.txt",
        255_050,
        _TEXT,
    ),
    "austen": NamedCorpus(
        "Jane Austen: Sense and Sensibility",
        _KON + "austen-sense.txt",
        "dd376c525e58a7147685b5b44b9f94ab665441107b99fa2c52a8667065399aaf",
        "public domain",
        "english_classics/austen-sense.txt",
        672_273,
        _TEXT,
    ),
    "milton": NamedCorpus(
        "John Milton: Paradise Lost",
        _KON + "milton-paradise.txt",
        "8c8d5c42fe72d485411358053f6cd05f749a4870faf2fccc38b8618002690b74",
        "public domain",
        "english_classics/milton-paradise.txt",
        456_699,
        _TEXT,
    ),
    "whitman": NamedCorpus(
        "Walt Whitman: Leaves of Grass",
        _KON + "whitman-leaves.txt",
        "f5b4582d03384129d75f652c63318384e081961cba71f8d7cdd28a1b6723b59e",
        "public domain",
        "english_classics/whitman-leaves.txt",
        710_503,
        _TEXT,
    ),
    "names": NamedCorpus(
        "32,033 first names of the United States, one a line",
        _RAW + "karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        "public domain facts (repository: MIT)",
        "names/names.txt",
        228_145,
        _LINES,
    ),
}
MANUAL = "manual"
"""The embedded default: the language manual that every CPython carries."""


def manual() -> str:
    """The topics of Python's own help, in the order of their names, as one text; its wording follows the version."""
    from pydoc_data.topics import topics

    return "\n".join(topics[topic] for topic in sorted(topics))


def fetch(name: str) -> Source:
    """A named corpus, checked against its sha256: from PARROTLET_DATA, else the cache, else the web."""
    corpus = NAMED[name]
    folder = os.environ.get(DATA_FOLDER)
    path = Path(folder) / corpus.path if folder else None
    if path is None or not path.is_file() or _sha256(path) != corpus.sha256:
        path = _cached(name, corpus)
    return Source(name, path, kind_suffix(corpus.path))


def _cached(name: str, corpus: NamedCorpus) -> Path:
    import platformdirs

    try:
        import pooch
    except ImportError:
        raise ParrotletError(f"corpus {name!r} is fetched with pooch: pip install 'parrotlet[corpora]'") from None
    from parrotlet.corpus.web import download

    folder = Path(platformdirs.user_cache_dir("parrotlet", appauthor=False)) / "corpora"
    pooch.get_logger().setLevel("ERROR")

    def fetcher(url: str, output_file: str | IO[bytes], _: Any) -> None:
        if isinstance(output_file, (str, os.PathLike)):
            with open(output_file, "wb") as file:
                download(url, file, most=2 * corpus.bytes)
        else:
            download(url, output_file, most=2 * corpus.bytes)

    try:
        kept = pooch.retrieve(
            corpus.url, f"sha256:{corpus.sha256}", fname=f"{name}.txt", path=folder, downloader=fetcher
        )
    except ParrotletError as error:
        raise ParrotletError(f"corpus {name!r} is not on this machine, and {error}") from None
    except ValueError:
        raise ParrotletError(f"corpus {name!r}: {corpus.url} sends another text than expected (sha256)") from None
    except OSError as error:
        raise ParrotletError(f"corpus {name!r} can not be kept in {folder}: {error.strerror or error}") from None
    return Path(kept)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

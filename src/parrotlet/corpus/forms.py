"""The beginning of a plain text comes in; whether it is one long text or a document a line, and why, comes out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from parrotlet.corpus.documents import Shape

SAMPLE = 1 << 18
"""Characters that are looked at."""

_FEW = 8
_ENDS = frozenset(".!?…:;\"'”’»)]。！？」』׃؟।")
_TITLES = frozenset(
    ["title", "titles", "text", "texts", "name", "names", "tweet", "tweets", "headline", "headlines", "message"]
)


@dataclass(frozen=True)
class Verdict:
    """The form and the reason, as told to the user."""

    form: Shape
    reason: str


def decide(sample: str) -> Verdict:
    """Looks at how lines end, begin, repeat and vary in length. The rules run from the surest to the default."""
    lines = sample.split("\n")
    lines = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut by the sample's end
    filled = [line for line in lines if line.strip()]
    if len(filled) < _FEW:
        return Verdict("text", "it has few lines")
    return (
        _wrapped(filled)
        or _spaced(lines, filled)
        or _separated(filled)
        or _sentences(filled)
        or Verdict("lines", "its lines stand alone")
    )


def looks_like_header(line: str) -> bool:
    """Whether a first line such as ``title`` reads like the name of a column."""
    return line.strip().lower() in _TITLES


def _wrapped(filled: Sequence[str]) -> Verdict | None:
    """Prose broken at a width, or verse: lines run on into the next."""
    lengths = sorted(len(line.rstrip()) for line in filled)
    full = lengths[len(lengths) * 9 // 10] <= 1.3 * median(lengths) and median(lengths) >= 30
    run_on = sum(a.rstrip()[-1] not in _ENDS and b.lstrip()[0].islower() for a, b in pairwise(filled))
    if full and run_on > 0.25 * len(filled):
        return Verdict("text", "its lines run on into the next")
    if sum(line.rstrip()[-1] in ",;，、；،" for line in filled) > 0.1 * len(filled):
        return Verdict("text", "many lines end in a comma")
    return None


def _spaced(lines: Sequence[str], filled: Sequence[str]) -> Verdict | None:
    """Paragraphs, stanzas, records or code: blank lines or indentation give it a shape."""
    if len(lines) - len(filled) > 0.02 * len(lines):
        return Verdict("text", "blank lines part it")
    indented = sum(line[0].isspace() for line in filled) / len(filled)
    if 0.1 < indented < 0.9:
        return Verdict("text", "some of its lines are indented")
    return None


def _separated(filled: Sequence[str]) -> Verdict | None:
    """The same separator in every line makes it a table or a list of pairs."""
    for separator in "\t|:;":
        counts = Counter(line.count(separator) for line in filled)
        count, often = counts.most_common(1)[0]
        if count and often > 0.95 * len(filled):
            return Verdict("lines", f"each line holds {count} {separator!r}")
    return None


def _sentences(filled: Sequence[str]) -> Verdict | None:
    """Whole sentences or paragraphs on each line: a text where neighbours share more than strangers do."""
    if sum(line.rstrip()[-1] in _ENDS for line in filled) < 0.85 * len(filled):
        return None
    parts = [_fours(line) for line in filled[:1000]]
    near = [_shared(a, b) for a, b in pairwise(parts)]
    half = len(parts) // 2
    far = [_shared(part, parts[(place + half) % len(parts)]) for place, part in enumerate(parts)]
    if sum(near) / len(near) > 1.3 * sum(far) / len(far):
        return Verdict("text", "its lines are sentences that follow one another")
    return Verdict("lines", "its lines are sentences that stand alone")


def _fours(line: str) -> set[str]:
    line = line.strip().lower()[:1000]
    return {line[place : place + 4] for place in range(len(line) - 3)}


def _shared(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(1, len(a | b))

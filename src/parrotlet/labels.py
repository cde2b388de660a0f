"""A model with labels and a choice among them come in; the weights of a network that writes so go out.

A label moves the vector of every id that enters the network by a vector of its own, in training as in writing. So a
choice is one sum for the whole table of vectors, and the network that writes has no labels any more.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle, Labels
from parrotlet.errors import UsageError, nearest
from parrotlet.runtime.shapes import label_table
from parrotlet.settings import NetworkSettings

Mixture = Mapping[str, float]  # the share of each label; those of one column are divided by their sum
Choice = Mapping[str, str | Mixture]  # by column: a label, "one:2,other:1" or the same as a mapping; or no label
Weights = dict[str, npt.NDArray[np.float32]]
STRONGEST = 10.0


def parse_choice(given: Sequence[str]) -> dict[str, str]:
    """``column=label`` or ``column=label:2,other:1`` → what to choose; raises UsageError.

    >>> parse_choice(["subreddit=politics", "author=Ann:3,Bob:1"])
    {'subreddit': 'politics', 'author': 'Ann:3,Bob:1'}
    """
    chosen: dict[str, str] = {}
    for each in given:
        column, sign, wanted = each.partition("=")
        if not (column and sign):
            raise UsageError(f"label {each!r} is not of the form column=label, or column=label:2,other:1")
        if column in chosen:
            raise UsageError(f"label {each!r}: {column} was chosen before; a mixture is {column}=one:2,other:1")
        chosen[column] = wanted
    return chosen


def _mixture(wanted: object, known: Sequence[str]) -> dict[str, float] | None:
    """The share of each label: a label as it stands, else ``one:2,other:1``; None where it is neither nor a mapping."""
    if isinstance(wanted, Mapping):
        return dict(wanted)
    if not isinstance(wanted, str):
        return None
    alone, shares = {wanted: 1.0}, dict[str, float]()
    for part in wanted.split(",") if wanted not in known else ():
        label, sign, share = part.rpartition(":")
        try:
            shares[label] = shares.get(label, 0.0) + float(share)
        except ValueError:
            return alone
        if not sign:
            return alone
    return shares or alone


def checked_choice(labels: Labels, chosen: Choice) -> dict[str, dict[str, float]]:
    """Each chosen column with the share of each of its labels, 1 in all; raises UsageError with the nearest name."""
    shares: dict[str, dict[str, float]] = {}
    if not isinstance(chosen, Mapping):
        raise UsageError(f"labels are chosen by column, as in {{'author': 'Ann'}}, not by {chosen!r}")
    for column, wanted in chosen.items():
        if column not in labels:
            known = nearest(column, labels) if labels else "this model was trained without labels"
            raise UsageError(f"label {column!r} is not a column of labels: {known}")
        mixture = _mixture(wanted, labels[column])
        if mixture is None:
            raise UsageError(f"label {column}: a label or a mapping of labels to shares is chosen, not {wanted!r}")
        for label, share in mixture.items():
            if label not in labels[column]:
                raise UsageError(f"label {column} = {label!r} is not known: {nearest(label, labels[column])}")
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < np.inf:
                raise UsageError(f"label {column} = {label!r}: its share must be a number from 0 on, not {share!r}")
        total = sum(mixture.values())
        if not 0 < total < np.inf:
            raise UsageError(f"label {column}: the shares must be more than 0 in all, not {total:g}")
        shares[column] = {label: share / total for label, share in mixture.items()}
    return shares


def labelled_network(bundle: Bundle, chosen: Choice, strength: float = 1.0) -> tuple[NetworkSettings, Weights]:
    """Settings and weights of a network without labels that writes as the model does under these.

    A mixture is the weighted mean of its labels' vectors. ``strength``: how far from no label to go, 1 as in training;
    beyond it what sets a label apart is overdone (as in Ho and Salimans 2022, §3, but of the vectors). Raises
    UsageError for a label that the model does not have.
    """
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= STRONGEST:
        raise UsageError(f"the strength of labels must be a number from 0 to {STRONGEST:g}, not {strength!r}")
    shares = checked_choice(bundle.labels, chosen)
    tables = [label_table(column) for column in range(len(bundle.labels))]
    weights = {name: array for name, array in bundle.weights.items() if name not in tables}
    moved = np.zeros(bundle.settings.network.embedding, np.float32)
    for name, (column, labels) in zip(tables, bundle.labels.items(), strict=True):
        table = bundle.weights[name]  # (labels + 1, E)
        moved += table[-1]
        for label, share in shares.get(column, {}).items():
            moved += np.float32(strength * share) * (table[list(labels).index(label)] - table[-1])
    if tables:
        weights["embedding.weight"] = weights["embedding.weight"] + moved
    return bundle.settings.network.model_copy(update={"label_counts": ()}), weights

"""A writer and a text come in; what goes on inside the network while it reads goes out, as figures over the tokens.

Which unit knows of quotes and line ends, how far its gates are open, what each next token was read from: by attention
where the network has it, else by what would have been foreseen had another token stood there.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from parrotlet.errors import UsageError
from parrotlet.runtime.reference import Looked
from parrotlet.scoring import LOGITS_LIMIT
from parrotlet.tokenizers import first_ids
from parrotlet.trace import softmax
from parrotlet.traits import traits
from parrotlet.writer import Writer

Floats = npt.NDArray[np.float64]
Shown = str | Sequence[str]  # a text, or several documents, of which each begins anew

MOST_TOKENS = 20_000  # that hidden units are looked at over
MOST_LINKED = 400  # tokens of which each is compared with all before
MOST_NUMBERS = 1 << 32  # chances that are computed for it: half a minute
REPLACED_BY = 4  # other tokens that stand in for one
LEAST_SEEN = 20  # characters for which a trait must hold, and not hold, to be looked for
LEAST_TOLD = 0.3  # correlation below which a unit is not said to know of a trait
SHUT, OPEN = 0.1, 0.9  # a gate below and above is shut and open (Karpathy et al. 2015, §4.2)


@dataclass(frozen=True)
class Strip:
    """One value for each token of a text, NaN where there is none; between ``low`` and ``high``."""

    title: str
    values: tuple[float, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Links:
    """For each token of a text how much each token before it counted: (T, T), row t over the columns before t."""

    title: str
    values: Floats
    unit: str


@dataclass(frozen=True)
class View:
    """A text in tokens, as each writes it (they join to the text, but for ``<unk>``), and what was found over them."""

    tokens: tuple[str, ...]
    strips: tuple[Strip, ...] = ()
    links: Links | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Detector:
    """A unit (counted from 0) and the trait of the text that it follows.

    ``correlation``: Pearson's, on the second half of the text; the unit was chosen on the first.
    """

    trait: str
    unit: int
    correlation: float


def surprise(writer: Writer, text: Shown) -> View:
    """The bits that each token costs: how little the network expected it."""
    ids, tokens = _read(writer, text, MOST_TOKENS)
    foreseen = zip(_foreseen(writer, ids), ids.tolist(), strict=True)
    bits = [-math.log2(max(softmax(row)[id], 1e-300)) for row, id in foreseen]
    return View(tokens, (Strip("bits of surprise", tuple(bits), 0.0, 8.0),))


def activations(writer: Writer, text: Shown, layer: int | None = None) -> Floats:
    """What each hidden unit holds after each token: (T, U).

    ``layer``: which recurrent layer of a network that carries its state, from 0 (None: the last). Of other networks it
    is what enters the output layer.
    """
    ids, _ = _read(writer, text, MOST_TOKENS)
    before = writer.opening(ids)
    if _carries_on(writer):
        return _layer(writer, np.concatenate((before, ids)), layer).hidden[len(before) :].astype(np.float64)
    if layer is not None:
        raise UsageError("layer: only a network that carries its state shows its layers one by one")
    features, _ = writer.readable().features(np.concatenate((before, ids))[None])
    return features[0, len(before) :].astype(np.float64)


def units(writer: Writer, text: Shown, chosen: Sequence[int], layer: int | None = None) -> View:
    """The values of some hidden units over a text."""
    _, tokens = _read(writer, text, MOST_TOKENS)
    values = activations(writer, text, layer)
    for unit in chosen:
        _check_unit(unit, values.shape[1])
    size = 1.0 if _carries_on(writer) else float(np.abs(values).max(initial=1e-9))
    strips = [Strip(f"unit {unit}", tuple(values[:, unit].tolist()), -size, size) for unit in chosen]
    return View(tokens, tuple(strips))


def detectors(writer: Writer, text: Shown, layer: int | None = None) -> list[Detector]:
    """For each trait of a text the unit that follows it best, the surest first; what none follows is left out.

    Looked for on the first half of the text and told by the second, so that chance is not taken for knowledge.
    """
    _, tokens = _read(writer, text, MOST_TOKENS)
    values, middle = activations(writer, text, layer), len(tokens) // 2
    found = []
    for name, trait in traits(tokens).items():
        if not _varies(trait[:middle]) or not _varies(trait[middle:]):
            continue
        first = _correlations(values[:middle], trait[:middle])
        unit = int(np.abs(first).argmax())
        second = float(_correlations(values[middle:, unit : unit + 1], trait[middle:])[0])
        if abs(second) >= LEAST_TOLD and second * first[unit] > 0:
            found.append(Detector(name, unit, second))
    return sorted(found, key=lambda each: -abs(each.correlation))


def gates(writer: Writer, text: Shown, layer: int | None = None, unit: int | None = None) -> View:
    """How far the gates of a layer are open after each token: of one unit, or on the mean of all (None)."""
    ids, tokens = _read(writer, text, MOST_TOKENS)
    before = writer.opening(ids)
    opened = _gates(writer, np.concatenate((before, ids)), layer)
    strips, notes = [], []
    for name, values in opened.items():
        values = values[len(before) :]
        if unit is not None:
            _check_unit(unit, values.shape[1])
        shown = values.mean(1) if unit is None else values[:, unit]
        low, high = (float(shown.min()), float(shown.max())) if unit is None else (0.0, 1.0)
        title = f"{name} gate" + (
            f", mean of all units, {low:.2f} to {high:.2f}" if unit is None else f" of unit {unit}"
        )
        strips.append(Strip(title, tuple(shown.tolist()), low, high))
        shut, held = (values < SHUT).mean(0), (values > OPEN).mean(0)
        most = int(held.argmax())
        notes.append(
            f"{name} gate: {shut.mean():.0%} of the time below {SHUT}, {held.mean():.0%} above {OPEN}; "
            f"unit {most} is open the most ({held[most]:.0%})"
        )
    return View(tokens, tuple(strips), notes=tuple(notes))


def saturation(writer: Writer, text: Shown, layer: int | None = None) -> dict[str, Floats]:
    """Of each gate by name: for each unit the share of the text where it is shut and where it is open, (U, 2).

    A point far to the right in Karpathy et al. 2015, figure 3, is a unit that is nearly always open: a forget gate that
    remembers for long.
    """
    ids, _ = _read(writer, text, MOST_TOKENS)
    opened = _gates(writer, np.concatenate((writer.opening(ids), ids)), layer)
    return {name: np.stack([(each < SHUT).mean(0), (each > OPEN).mean(0)], 1) for name, each in opened.items()}


def attention(writer: Writer, text: Shown) -> View:
    """From which tokens each one was read, by the weights of the network's attention.

    What a row lacks to 1 went to what stands before the text: its begin, and of padded networks the padding.
    """
    network = writer.settings.network
    if not network.attention or network.context is None:
        raise UsageError("this network has no attention: influence shows for every network what a token was read from")
    ids, tokens = _read(writer, text, MOST_LINKED)
    read = np.concatenate((writer.opening(ids), ids))
    runtime, shift = writer.readable(), len(read) - len(ids)
    values = np.zeros((len(ids), len(ids)))
    for t in range(len(ids)):
        last = t + shift  # ids that stand before this token
        window = read[max(0, last - network.context) : last]
        if network.padded:
            window = np.pad(window, (network.context - len(window), 0), constant_values=len(writer.tokenizer))
        if len(window):
            weights = runtime.attention(window[None])[0, -min(t, len(window)) or len(window) :]  # of the text itself
            values[t, t - len(weights) : t] = weights
    return View(tokens, links=Links("attention", values, "share"))


def influence(writer: Writer, text: Shown) -> View:
    """How much each token bears on those after it, in bits, for every network.

    Each token is replaced by the others that were likeliest in its place, and the text read on: the divergence
    (Kullback and Leibler 1951) of what was foreseen from what then is, averaged by how likely they were.
    """
    ids, tokens = _read(writer, text, MOST_LINKED)
    before = _before(writer, ids)
    read = np.concatenate((before, ids))
    if len(ids) ** 2 * len(writer.tokenizer) > MOST_NUMBERS:
        most = int((MOST_NUMBERS / len(writer.tokenizer)) ** 0.5)
        raise UsageError(f"the text has {len(ids):,} tokens; with this vocabulary at most {most:,} can be compared")
    expected = np.stack([softmax(row) for row in _foreseen(writer, ids)])  # (T, V)
    never = [*writer.tokenizer.unwritable, writer.tokenizer.stop]
    values = np.zeros((len(ids), len(ids)))
    for place, id in enumerate(ids.tolist()[:-1]):
        chances = expected[place].copy()
        chances[[*never, id]] = 0.0
        others = np.argsort(-chances, kind="stable")[:REPLACED_BY]
        others = others[chances[others] > 0]
        if not len(others):
            continue
        changed = np.repeat(read[None], len(others), axis=0)  # (R, T')
        changed[:, len(before) + place] = others
        logits, _ = writer.runtime.read(changed[:, :-1])  # (R, T' - 1, V)
        shares = chances[others] / chances[others].sum()
        for t in range(place + 1, len(ids)):
            with np.errstate(divide="ignore", invalid="ignore"):
                for share, row in zip(shares, logits[:, len(before) + t - 1], strict=True):
                    terms = expected[t] * np.log2(expected[t] / np.maximum(softmax(row), 1e-300))
                    values[t, place] += share * float(np.where(expected[t] > 0, terms, 0.0).sum())
    return View(tokens, links=Links("influence", np.maximum(values, 0.0), "bits"))


def _varies(trait: Floats) -> bool:
    """Whether a trait was seen often enough, and not seen, that a unit which follows it does not do so by chance."""
    rest = np.unique(trait)
    if len(trait) < 2 * LEAST_SEEN:
        return False
    return len(rest) > 2 or (len(rest) == 2 and min((trait == each).sum() for each in rest) >= LEAST_SEEN)


def _correlations(values: Floats, trait: Floats) -> Floats:
    """Pearson's correlation of each column with a trait: (T, U), (T,) → (U,); 0 where one does not vary."""
    centred, wanted = values - values.mean(0), trait - trait.mean()
    sizes = np.sqrt((centred**2).sum(0) * (wanted**2).sum())
    return np.asarray(np.divide(wanted @ centred, sizes, out=np.zeros(values.shape[1]), where=sizes > 0))


def _read(writer: Writer, text: Shown, most: int) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """The ids of a text and what each writes; raises UsageError for one that is empty or too long.

    Between documents stands the id that ends one, which is shown as a line end.
    """
    documents = [text] if isinstance(text, str) else text
    if not isinstance(documents, Sequence) or not all(isinstance(each, str) for each in documents):
        raise UsageError(f"text must be a text or several, not {type(text).__name__}")
    ids, pieces = list[int](), list[str]()
    unknown = writer.tokenizer.unknown_id
    for document in documents:
        if ids:
            ids.append(writer.tokenizer.stop)
            pieces.append("\n")
        decoder, own = writer.tokenizer.decoder(), list(writer.tokenizer.encode(document))
        # What is unknown writes nothing; here it should be seen all the same.
        pieces += [decoder.push((id,)) or (writer.tokenizer.token(id) if id == unknown else "") for id in own]
        if own:
            pieces[-1] += decoder.flush()
        ids += own
    if not ids:
        raise UsageError("there is nothing to look at: the text is empty")
    if len(ids) > most:
        raise UsageError(f"the text has {len(ids):,} tokens; this looks at no more than {most:,}: give a part of it")
    if not any(pieces):
        raise UsageError("there is nothing to look at: the text writes nothing")
    return np.asarray(ids, np.int64), tuple(pieces)


def _check_unit(unit: object, count: int) -> None:
    if isinstance(unit, bool) or not isinstance(unit, int) or not 0 <= unit < count:
        raise UsageError(f"unit {unit!r}: this layer has the units 0 to {count - 1}")


def _foreseen(writer: Writer, ids: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float32]]:
    """The logits before each of these ids, (V,) each; read in parts to bound the memory."""
    before = _before(writer, ids)
    read, state = np.concatenate((before, ids))[:-1], None
    step = max(1, LOGITS_LIMIT // len(writer.tokenizer))
    for start in range(0, len(read), step):
        logits, state = writer.runtime.read(read[None, start : start + step], state)  # (1, step, V)
        yield from logits[0, max(0, len(before) - 1 - start) :]


def _before(writer: Writer, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What stands before a text, so that its first token is foreseen too."""
    before = writer.opening(ids)
    return before if len(before) else first_ids(writer.tokenizer)


def _carries_on(writer: Writer) -> bool:
    """Whether the network has recurrent layers that carry a state from token to token."""
    network = writer.settings.network
    return network.context is None and network.kind != "convolution"


def _layer(writer: Writer, ids: npt.NDArray[np.int64], layer: int | None) -> Looked:
    found = writer.readable().looked_into(ids)
    if layer is not None and (isinstance(layer, bool) or not 0 <= layer < len(found)):
        raise UsageError(f"layer {layer!r}: this network has the layers 0 to {len(found) - 1}")
    return found[-1 if layer is None else layer]


def _gates(writer: Writer, ids: npt.NDArray[np.int64], layer: int | None) -> dict[str, npt.NDArray[np.float32]]:
    if not _carries_on(writer):
        raise UsageError(
            "gates are shown of networks that carry a state from token to token; units and influence of all"
        )
    found = _layer(writer, ids, layer).gates
    if not found:
        raise UsageError("this network has no gates: only lstm and gru have them")
    return found

"""Models by name, a text and prompts come in; their figures, curves and texts side by side go out, and what they gain.

Each model is set against the first. Two figures are compared only where they were measured on the same text in the same
normal form; where they were not, the reason stands beside them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parrotlet.comparison import Comparison, Figures, Gain, Sample, telling, was_trained
from parrotlet.errors import UsageError
from parrotlet.scoring import pieces_of
from parrotlet.writer import Score, Writer, load

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus

HELD_BACK = "the text held back"
WRITES = {"text": "one long text", "lines": "short documents"}
# Settings of a training that say nothing about the model, or whose outcome is a figure of its own.
ASIDE = frozenset({"minutes", "epochs", "steps", "validation", "evaluations", "keep", "seed", "device"})


def open_models(paths: Sequence[str | os.PathLike[str]]) -> dict[str, Writer]:
    """The writers of model files by short names, in order. Raises ParrotletError, for a double UsageError."""
    stems = [Path(path).stem for path in paths]
    names = [stem if stems.count(stem) == 1 else os.fspath(path) for stem, path in zip(stems, paths, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is named twice: name different models")
    return {name: load(path) for name, path in zip(names, paths, strict=True)}


def compare_models(
    models: Mapping[str, Writer],
    text: "str | Corpus | None" = None,
    prompts: Sequence[str] = ("",),
    temperatures: Sequence[float] = (0.2, 0.5, 1.0),
    *,
    length: int = 200,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Two models or more side by side.

    ``text``: one that all of them are scored on, read in the form that the first was trained on. Each prompt is gone
    on with at each temperature, ``length`` new tokens with the same seed. ``progress`` is told the characters scored so
    far, by all models together. Raises UsageError for fewer than two models and for what the writing refuses.
    """
    if len(models) < 2:
        raise UsageError(f"a comparison needs at least two models, not {len(models)}")
    writers = list(models.values())
    samples = tuple(
        Sample(name, prompt, degrees, seed, writer.write(prompt, length=length, seed=seed, temperature=degrees))
        for prompt in prompts
        for degrees in temperatures
        for name, writer in (models.items() if length else ())
    )
    scores = [None] * len(writers) if text is None else _scores(writers, text, progress)
    reasons = [""] * len(writers) if text is None else _scores_apart(writers, scores, text)
    measure = next((each for each in writers if each.card.validation_bits_per_character is not None), writers[0])
    figures = tuple(
        _figures(name, writer, measure, score, reason, prompts)
        for (name, writer), score, reason in zip(models.items(), scores, reasons, strict=True)
    )
    about = None if text is None else "the text given" if isinstance(text, str) else text.name
    gains = tuple(gain for other in figures[1:] for gain in _gains(figures[0], other, about))
    return Comparison(figures, _differing(writers), gains, samples, about)


def _figures(
    name: str, writer: Writer, measure: Writer, score: Score | None, score_apart: str, prompts: Sequence[str]
) -> Figures:
    card, bundle = writer.card, writer.bundle
    return Figures(
        name=name,
        network=bundle.settings.network.in_words(),
        parameters=sum(array.size for array in bundle.weights.values()),
        level=bundle.tokenizer.level,
        vocabulary=len(bundle.tokenizer),
        trained=was_trained(card),
        trained_on=card.trained_on,
        characters=card.characters,
        device=card.device,
        seconds=card.seconds,
        epochs=card.epochs,
        steps=card.steps,
        validation=card.validation_bits_per_character,
        validation_apart=_held_back_apart(measure, writer),
        score=score,
        score_apart=score_apart,
        unknown=tuple(dict.fromkeys(each for prompt in prompts for each in writer.unknown(prompt))),
        history=card.history,
    )


def _held_back_apart(first: Writer, other: Writer) -> str:
    """Why two figures on the text held back are not of the same text; empty where they are."""
    if other.card.validation_bits_per_character is None:
        known = was_trained(other.card)
        told = "nothing was held back in its training" if known else "nothing is known of its training"
        return "" if other is first else told
    if (told := _source(other)) != (expected := _source(first)):
        return f"it was trained on {told}, not on {expected}"
    if other.tokenizer.to_json() != first.tokenizer.to_json():
        return "its tokenizer is another one, so it held back another part of the text"
    share, first_share = (writer.settings.training.validation for writer in (other, first))
    if share != first_share:
        return f"it held back {share:.3%} of the text, not {first_share:.3%} (training.validation)"
    return ""


def _source(writer: Writer) -> str:
    card = writer.card
    form = "" if card.form == "text" else f" in {card.documents:,} documents"
    return f"{card.trained_on or 'a text that it does not name'} of {card.characters:,} characters{form}"


def _scores(
    writers: Sequence[Writer], text: "str | Corpus", progress: Callable[[int], None] | None
) -> list[Score | None]:
    """Each on the same text, read in the form that the first was trained on."""
    scores: list[Score | None] = []
    before = 0

    def tell(characters: int) -> None:
        if progress is not None:
            progress(before + characters)

    for writer in writers:
        score = writer.score(text, writers[0].card.form, progress=tell)
        scores.append(score)
        before += score.characters
    return scores


def _scores_apart(writers: Sequence[Writer], scores: Sequence[Any], text: "str | Corpus") -> list[str]:
    """Why each score is not comparable with the first; of the first, why with no other.

    Models of the same tokenizer are scored on the very same tokens, whatever these leave out of the text.
    """
    digests = [_digest(writer, text) for writer in writers]
    tokenizers = [writer.tokenizer.to_json() for writer in writers]
    alike = [each == tokenizers[0] for each in tokenizers]
    reasons = []
    for writer, score, digest, same in zip(writers, scores, digests, alike, strict=True):
        if writer.card.form != writers[0].card.form:
            reason = f"it writes {WRITES[writer.card.form]}, the first {WRITES[writers[0].card.form]}"
        elif same and sum(alike) > 1:
            reason = ""
        elif not score.comparable:
            reason = score.not_comparable
        elif digest != digests[0]:
            reason = f"it reads it in another normal form, as {score.characters:,} characters"
        elif not scores[0].comparable:
            reason = "the first model does not know all of it"
        else:
            reason = ""
        reasons.append(reason)
    return reasons


def _digest(writer: Writer, text: "str | Corpus") -> bytes:
    """Of the text as the model sees it: letter case, Unicode form and blanks as its tokenizer has them."""
    pieces = pieces_of(text) if isinstance(text, str) else (piece for each in text.documents() for piece in each.pieces)
    digest = blake2b(digest_size=16)
    for piece in pieces:
        digest.update(writer.tokenizer.normalise(piece).encode())
    return digest.digest()


def _gains(first: Figures, other: Figures, text: str | None) -> Iterator[Gain]:
    if first.validation is not None and other.validation is not None and not other.validation_apart:
        better, worse = (other, first) if other.validation <= first.validation else (first, other)
        yield _gain_in_training(better, worse)
    if text and first.score and other.score and not first.score_apart and not other.score_apart:
        pairs = sorted([(other.score.bits_per_character, other.name), (first.score.bits_per_character, first.name)])
        yield Gain(text, pairs[0][1], pairs[1][1], pairs[0][0], pairs[1][0])


def _gain_in_training(better: Figures, worse: Figures) -> Gain:
    assert better.validation is not None and worse.validation is not None
    bits = worse.validation
    curve = worse.curve("validation")
    lowest = min((figure for _, figure in curve), default=bits)  # before calibration, which comes after the curve
    reached = next((seconds for seconds, figure in better.curve("validation") if figure <= lowest), None)
    took = next((seconds for seconds, figure in curve if figure <= lowest), None)
    untimed = ""
    if better.device != worse.device:
        untimed = f"their times are of different devices ({better.device}, {worse.device})"
    for model in (better, worse):
        if model.history and model.history[0].step == 0:
            untimed = f"their times are not compared, since {model.name} began from another model"
    if untimed:
        reached = took = None
    return Gain(HELD_BACK, better.name, worse.name, better.validation, bits, reached, took, lowest, untimed)


def _differing(writers: Sequence[Writer]) -> dict[str, tuple[Any, ...]]:
    """The settings that are not the same in all that have them, by their full names."""
    every = [dict(_described(writer)) for writer in writers]
    found = {}
    for name in dict.fromkeys(name for one in every for name in one):
        values = [one[name] for one in every if name in one]
        if any(value != values[0] for value in values):
            found[name] = tuple(one.get(name) for one in every)
    return found


def _described(writer: Writer) -> Iterator[tuple[str, Any]]:
    """The settings that say something about a model: how it reads, what it is, how it was trained if that is known."""
    sections = {
        "tokenizer": writer.settings.tokenizer.model_dump(mode="json"),
        "network": telling(writer.settings.network),
        "training": writer.settings.training.model_dump(mode="json") if was_trained(writer.card) else {},
    }
    for section, values in sections.items():
        for name, value in values.items():
            if section != "training" or not (name in ASIDE or name.startswith("sample_")):
                yield f"{section}.{name}", value

"""A run that ends comes in; why it ended goes out, and its model with a report card that the budget has room for."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from parrotlet._version import VERSION
from parrotlet.bundle import Bundle, Card, Evaluation
from parrotlet.learning.checkpoint import Arrays
from parrotlet.learning.events import Note
from parrotlet.learning.prepare import Prepared
from parrotlet.report import CHARACTERS, PIECE, gather, make_report
from parrotlet.report.material import LOOKED_AT
from parrotlet.writer import Writer

FULL_MINUTES, FULL_TOKENS = 0.5, 1_000_000  # of training, from which the card is as large as it gets
LEAST_LOOKED_AT = 100_000
MOST_SHARE = 0.02  # of a budget in minutes
FIXED_SECONDS, SECONDS_OF_CHARACTER = 0.1, 5e-7  # of the card, and for each character looked at
SECONDS_OF_PRODUCT = 1e-10  # of the arithmetic of one weight, until it is known how fast this model writes
SIDE_BY_SIDE = 2.0  # at least so many times as fast are several texts written together


@dataclass(frozen=True)
class CardSize:
    """How much a report card writes and looks at, in characters, and how long that will take, in seconds."""

    characters: int
    looked_at: int
    seconds: float


def card_size(run: Prepared, parameters: int, seconds_of_character: float | None) -> CardSize:
    """A full card, or the part of one that suits a short run; ``seconds_of_character``: of a text written alone.

    Where the run is counted in steps or epochs it depends on these only, so that it is the same on every machine.
    """
    training, context = run.settings.training, run.settings.network.context
    if seconds_of_character is None:
        seconds_of_character = parameters * (context or 1) * SECONDS_OF_PRODUCT
    learned = run.progress.step * training.batch * (context or training.window)
    full = training.minutes / FULL_MINUTES if training.minutes else learned / FULL_TOKENS
    looked_at = max(LEAST_LOOKED_AT, round(min(1.0, full) * LOOKED_AT))
    pieces = max(1, round(min(1.0, full) * CHARACTERS / PIECE))
    fixed = FIXED_SECONDS + min(looked_at, run.encoded.characters) * SECONDS_OF_CHARACTER
    piece = PIECE * seconds_of_character / SIDE_BY_SIDE
    if training.minutes:
        room = MOST_SHARE * training.minutes * 60 - fixed
        pieces = max(1, min(pieces, int(room / piece)))
    return CardSize(pieces * PIECE, looked_at, fixed + pieces * piece)


def with_report(bundle: Bundle, run: Prepared, size: CardSize) -> tuple[Bundle, list[Note]]:
    """The best model of a run with its report card; what goes wrong with that is told, and leaves the model alone."""
    try:
        material = gather(run.encoded, run.split, bundle.card.validation_bits_per_character, size.looked_at)
        report = make_report(Writer(bundle), material, size.characters)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return bundle, [Note(f"no report card could be made ({reason})")]
    return replace(bundle, report=report.model_dump(mode="json")), []


def advice(reason: str, run: Prepared, kept: bool, saved: bool) -> str:
    """Why a run ended and what to do then; ``kept``: whether there is a state to keep, ``saved``: in a file."""
    if reason == "not finite":
        rate = run.settings.training.learning_rate
        state = "the best state so far is kept" if kept else "no state was good enough to keep"
        return (
            f"the loss is no longer a finite number at step {run.progress.step}; {state}. Try "
            f"training.learning_rate = {rate / 4:g} instead of {rate:g}, or a smaller training.clip"
        )
    if reason == "interrupted":
        return "stopped; to go on, give the same command with --resume" if saved else "stopped"
    if reason == "early":
        return f"stopped early: no gain in the last {run.progress.stale} evaluations"
    return "finished"


def card_of(run: Prepared, weights: Arrays, seconds: float, epochs: float, device: str) -> Card:
    """What stands in the file about a run, so far as it has come."""
    encoded, progress = run.encoded, run.progress
    return Card(
        trained_on=run.trained_on,
        form=encoded.form,
        characters=encoded.characters,
        tokens=encoded.tokens,
        documents=encoded.documents,
        lengths=encoded.usual_lengths,
        seconds=seconds,
        steps=progress.step,
        epochs=epochs,
        validation_bits_per_character=progress.best,
        parameters=sum(array.size for array in weights.values()),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        version=VERSION,
        device=device,
        history=tuple(Evaluation(**record) for record in progress.history),
        notes=tuple(run.notes),
    )

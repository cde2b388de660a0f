"""A split corpus and a run's settings come in; the batches that the run learns from go out."""

from parrotlet.dataset.batches import Batches, LineBatches, StreamBatches
from parrotlet.dataset.division import Split
from parrotlet.dataset.encoded import Encoded
from parrotlet.dataset.windows import SequenceBatches, WindowBatches
from parrotlet.errors import UsageError
from parrotlet.settings import Settings


def check_batches(settings: Settings, form: str) -> None:
    """Raises UsageError where what is to be read does not go with the network or with the form of the corpus."""
    training, context = settings.training, settings.network.context
    if training.sequences and (form != "lines" or context is not None):
        reason = "network.context is set" if context is not None else "the corpus is one long text"
        raise UsageError(f"training.sequences = true reads one document a row, but {reason}")
    if training.stride > 1 and context is None:
        raise UsageError(
            f"training.stride = {training.stride} needs a network that reads windows: set network.context too"
        )


def training_batches(encoded: Encoded, split: Split, settings: Settings, vocabulary: int) -> Batches:
    """Windows for a network that reads a context; else sequences, documents or a stream (see check_batches)."""
    training, context = settings.training, settings.network.context
    rows, window, seed = training.batch, training.window, training.seed
    if context is not None:
        return WindowBatches(encoded, split, vocabulary, rows, context, training.stride, seed)
    if training.sequences:
        return SequenceBatches(encoded, split, rows, window, seed)
    if encoded.form == "lines":
        return LineBatches(encoded, split, rows, window, seed)
    return StreamBatches(encoded, split.train, rows, window, seed)

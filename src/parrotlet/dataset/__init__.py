"""A corpus comes in; ids on disk and then numbered batches go out."""

from parrotlet.dataset.batches import NOTHING, Batch, Batches, LineBatches, StreamBatches, validation_batches
from parrotlet.dataset.division import Split, excerpt, held_back, split
from parrotlet.dataset.encoded import (
    POSITION,
    Encoded,
    encode_corpus,
    longer_documents,
    open_encoded,
    remove_encoded,
)
from parrotlet.dataset.training import check_batches, training_batches
from parrotlet.dataset.windows import SequenceBatches, WindowBatches

__all__ = [
    "NOTHING",
    "POSITION",
    "Batch",
    "Batches",
    "Encoded",
    "LineBatches",
    "SequenceBatches",
    "Split",
    "StreamBatches",
    "WindowBatches",
    "check_batches",
    "encode_corpus",
    "excerpt",
    "held_back",
    "longer_documents",
    "open_encoded",
    "remove_encoded",
    "split",
    "training_batches",
    "validation_batches",
]

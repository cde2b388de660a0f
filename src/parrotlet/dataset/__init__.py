"""A corpus comes in; ids on disk and then numbered batches go out."""

from parrotlet.dataset.batches import (
    NOTHING,
    Batch,
    Batches,
    LineBatches,
    StreamBatches,
    training_batches,
    validation_batches,
)
from parrotlet.dataset.encoded import Encoded, Split, encode_corpus, held_back, open_encoded, remove_encoded, split

__all__ = [
    "NOTHING",
    "Batch",
    "Batches",
    "Encoded",
    "LineBatches",
    "Split",
    "StreamBatches",
    "encode_corpus",
    "held_back",
    "open_encoded",
    "remove_encoded",
    "split",
    "training_batches",
    "validation_batches",
]

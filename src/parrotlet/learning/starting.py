"""What a run begins from comes in; the weights of its first step go out: frequencies, or a model that has grown."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle
from parrotlet.dataset import Encoded
from parrotlet.importers.weights import NEVER
from parrotlet.networks import Network
from parrotlet.runtime.shapes import ENTERED, expected_shapes, label_table
from parrotlet.tokenizers import Tokenizer

# How much of a long text is looked at to find its symbols' frequencies: enough for a starting point.
FREQUENCY_SAMPLE = 4_000_000
FREQUENCY_BLOCKS = 64


def start_at_frequencies(network: Network, encoded: Encoded) -> None:
    """Let the output biases begin at the log frequencies, which saves the first steps from learning them."""
    bias = network.output.bias.data
    counts = np.full(len(bias), 0.01)
    places = np.linspace(0, len(encoded.ids), FREQUENCY_BLOCKS + 1).astype(np.int64)
    for start, stop in pairwise(places):  # blocks, so that little of a large file is touched
        block = encoded.ids[start : min(stop, start + FREQUENCY_SAMPLE // FREQUENCY_BLOCKS)]
        counts += np.bincount(block.astype(np.int64), minlength=len(bias))
    bias.copy_(bias.new_tensor(np.log(counts / counts.sum())))


def grow(bundle: Bundle, tokenizer: Tokenizer, seed: int, labels: Sequence[int] = ()) -> dict[str, npt.NDArray[Any]]:
    """The weights of ``bundle`` with room for the ids that ``tokenizer`` has more: what was learned stays as it is.

    So with ``labels``, how many of them there are now in each column: new ones begin like no label, the last row.
    New embeddings are drawn like the learned ones are spread, new output rows are zero with a bias below the learned
    ones: a symbol that never occurred is not to be written before it is learned.
    """
    before, after = len(bundle.tokenizer), len(tokenizer)
    weights = {name: array.copy() for name, array in bundle.weights.items()}
    bias = weights["output.bias"]
    absent = bias <= NEVER / 2  # of tokens that an imported model did not have: they begin like new ones
    lowest = float(bias[~absent].min(initial=0.0))
    unseen = min(lowest, max(lowest - 4, -10))
    bias[absent] = unseen
    for column, count in enumerate(labels):
        name = label_table(column)
        table = weights.get(name, np.zeros((1, bundle.settings.network.embedding), np.float32))
        weights[name] = np.concatenate([table, np.repeat(table[-1:], count + 1 - len(table), axis=0)])
    if before == after:
        return weights
    random = np.random.default_rng(seed)
    network = bundle.settings.network.model_copy(update={"label_counts": tuple(labels)})
    for name, shape in expected_shapes(network, after).items():
        old = weights[name]
        if old.shape == shape:
            continue
        new = np.zeros(shape, np.float32)
        if name.endswith("bias"):
            new[:] = unseen
        elif name != "output.weight":  # an embedding or one-hot input weights
            new[:] = random.normal(0.0, float(old.std()), shape)
        new[tuple(slice(size) for size in old.shape)] = old
        weights[name] = new
    if bundle.settings.network.padded:  # the padding's row is the last one, wherever that is
        table = weights["embedding.weight"]
        table[[before, after]] = np.stack([table[after], bundle.weights["embedding.weight"][before]])
    if bundle.settings.network.input == "number":  # the id is divided by the size of the vocabulary, which grew
        for name in weights.keys() & ENTERED:
            weights[name] *= after / before
    return weights

"""Writes small models with Keras itself, and what they answer: ``python tests/make_keras_fixtures.py``.

Needs keras, which is no dependency (KERAS_BACKEND=torch serves). The weights are random, biases too; what is written is
committed.
"""

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "fixtures" / "keras"
ALPHABET = "\n abcdefghij"
SIZE, STEPS = len(ALPHABET), 6


def chain() -> keras.Model:
    """A Functional model whose layers' names are no help."""
    entry = keras.Input((None,), name="z")
    x = layers.Embedding(SIZE, 5, name="y")(entry)
    x = layers.SimpleRNN(4, activation="relu", return_sequences=True, name="b")(x)
    x = layers.LSTM(4, activation="sigmoid", name="a")(x)
    x = layers.Dense(6, activation="sigmoid", name="x")(x)
    return keras.Model(entry, layers.Dense(SIZE, name="c")(x))


def sequential(*shape: int | None) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape)])


def models() -> dict[str, keras.Model]:
    """File name → model."""
    mixed = sequential(STEPS, SIZE)
    mixed.add(layers.LSTM(5, return_sequences=True))
    mixed.add(layers.Dropout(0.2))
    mixed.add(layers.GRU(4, reset_after=False))
    mixed.add(layers.Dense(6, activation="relu"))
    mixed.add(layers.Dense(SIZE, activation="softmax"))
    both_ways = sequential(STEPS)
    both_ways.add(layers.Embedding(SIZE, 5))
    both_ways.add(layers.Bidirectional(layers.LSTM(4, return_sequences=True)))
    both_ways.add(layers.Bidirectional(layers.GRU(3)))
    both_ways.add(layers.Dense(SIZE, activation="softmax"))
    each_step = sequential(STEPS)
    each_step.add(layers.Embedding(SIZE, 5))
    each_step.add(layers.Bidirectional(layers.GRU(4, return_sequences=True)))
    each_step.add(layers.TimeDistributed(layers.Dense(SIZE)))
    each_step.add(layers.Activation("softmax"))
    hard = sequential(STEPS, 1)
    hard.add(layers.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True))
    hard.add(layers.LSTM(4, recurrent_activation="hard_sigmoid"))
    hard.add(layers.Dense(SIZE, activation="softmax"))
    order = sequential(None)
    order.add(layers.Embedding(SIZE, 4))
    for kind in (layers.GRU, layers.LSTM, layers.GRU, layers.SimpleRNN):
        order.add(kind(4, return_sequences=kind is not layers.SimpleRNN))
    order.add(layers.Dense(4, activation="relu"))
    order.add(layers.Dense(SIZE, activation="softmax"))
    return {
        "mixed.keras": mixed,
        "both_ways.keras": both_ways,
        "each_step.h5": each_step,
        "hard.h5": hard,
        "chain.keras": chain(),
        "order.weights.h5": order,
    }


def answer(model: keras.Model, ids: np.ndarray) -> list[float]:
    """The probabilities after the last of these classes, whatever the model takes and gives."""
    shape = model.input_shape
    batch = ids[None]
    if len(shape) == 3:
        batch = (ids / SIZE).astype("float32")[None, :, None] if shape[2] == 1 else np.eye(SIZE, dtype="f4")[ids][None]
    given = keras.ops.convert_to_numpy(model(batch, training=False)).astype(np.float64)
    last = given.reshape(-1, SIZE)[-1]
    if last.min() < 0 or abs(last.sum() - 1) > 1e-3:  # logits
        last = np.exp(last) / np.exp(last).sum()
    return [round(float(each), 7) for each in last]


def main() -> None:
    random = np.random.default_rng(7)
    expected = {}
    for name, model in models().items():
        for weight in model.weights:
            if str(weight.dtype) == "float32":
                weight.assign(random.normal(0, 0.6, weight.shape).astype("float32"))
        prompts = random.integers(0, SIZE, (4, STEPS))
        expected[name] = [
            {"prompt": "".join(ALPHABET[each] for each in ids), "probabilities": answer(model, ids)} for ids in prompts
        ]
        path = FOLDER / name
        model.save_weights(path) if name.endswith(".weights.h5") else model.save(path)
    (FOLDER / "stacks_expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""A text comes in; the Keras lesson's network learns to foresee it from windows; its speed and its bits go out.

Run by a Python that has Keras 3, not by parrotlet's; it prints one JSON object. Network and training are those of the
lesson "Character-level text generation with LSTM" (keras.io): one LSTM of 128 units over one-hot windows, one target
per window, RMSprop at 0.01, batches of 128, the text in lower case.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

HIDDEN, STRIDE, BATCH, RATE = 128, 3, 128, 0.01
WARM_UP, TRIAL = 20, 60  # batches: to compile, and to guess the speed from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "jax", "torch"])
    parser.add_argument("--window", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seconds", type=float, help="train for about so long, on as many windows as that takes")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.environ["KERAS_BACKEND"] = chosen.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(chosen.seed)
    text = chosen.file.read_text(encoding="utf-8").lower()
    symbols = sorted(set(text))
    ids = np.array([symbols.index(symbol) for symbol in text])  # (T,)
    cut = len(ids) * 9 // 10
    x, y = examples(ids[:cut], chosen.window, STRIDE, len(symbols))
    model = network(keras, chosen.window, len(symbols))
    seconds_of(model, x[: WARM_UP * BATCH], y[: WARM_UP * BATCH])
    epochs = chosen.epochs
    if chosen.seconds:
        batches = TRIAL * chosen.seconds / seconds_of(model, x[: TRIAL * BATCH], y[: TRIAL * BATCH])
        x, y, epochs = x[: round(batches) * BATCH], y[: round(batches) * BATCH], 1
    seconds = seconds_of(model, x, y, epochs)
    record = {
        "backend": chosen.backend,
        "version": keras.__version__,
        "seconds": seconds,
        "targets_per_second": epochs * len(x) / seconds,
        "bits": bits(model, *examples(ids[cut - chosen.window :], chosen.window, 1, len(symbols))),
    }
    print(json.dumps(record))


def examples(ids: np.ndarray, window: int, stride: int, symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """Every window, ``stride`` apart, and the symbol after it, both one-hot: (N, W, V) and (N, V) bool."""
    known = np.eye(symbols, dtype=bool)
    starts = np.arange(0, len(ids) - window, stride)
    return known[ids[starts[:, None] + np.arange(window)]], known[ids[starts + window]]


def network(keras, window: int, symbols: int):
    layers = [
        keras.Input((window, symbols)),
        keras.layers.LSTM(HIDDEN),
        keras.layers.Dense(symbols, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(learning_rate=RATE))
    return model


def seconds_of(model, x: np.ndarray, y: np.ndarray, epochs: int = 1) -> float:
    """Train; how long it took."""
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return time.perf_counter() - start


def bits(model, x: np.ndarray, y: np.ndarray) -> float:
    """Bits per character: the mean of −log2 of what was foreseen of each symbol that came."""
    foreseen = model.predict(x, batch_size=1024, verbose=0)[y]  # (N,)
    return float(-np.log2(np.maximum(foreseen, 1e-7)).mean())


if __name__ == "__main__":
    main()

"""Writes the fixture of the current format: ``python tests/make_fixture.py``. Never again for a released format.

The weights come from a fixed generator; the texts it must write are stored in its report card.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from parrotlet.bundle import FORMAT, Bundle, Card, Evaluation, load_bundle
from parrotlet.runtime import expected_shapes
from parrotlet.settings import Settings
from parrotlet.tokenizers import train_tokenizer
from parrotlet.writer import Writer

FIXTURE = Path(__file__).parent / "fixtures" / f"format{FORMAT}.safetensors"
TEXT = "the parrot said: hello, world! the parrot said it again.\n" * 3


def make() -> Bundle:
    # large enough for one matrix in bytes, which is what format 2 has beyond format 1
    settings = Settings.model_validate({"network": {"hidden": 32, "embedding": 4, "layers": 1, "layer_norm": True}})
    tokenizer = train_tokenizer([TEXT], settings.tokenizer)
    rng = np.random.default_rng(1)
    weights = {
        name: rng.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in expected_shapes(settings.network, len(tokenizer)).items()
    }
    history = (Evaluation(step=1, epoch=1.0, seconds=0.5, train=5.0, validation=5.5, learning_rate=0.004),)
    card = Card(
        trained_on="a made-up text",
        form="text",
        characters=len(TEXT),
        tokens=len(TEXT),
        documents=1,
        seconds=0.5,
        steps=1,
        epochs=1.0,
        validation_bits_per_character=5.5,
        parameters=sum(values.size for values in weights.values()),
        date="2026-01-01T00:00:00+00:00",
        version="0.1.0",
        device="cpu",
        history=history,
        notes=("a fixture: the weights are random",),
    )
    with tempfile.TemporaryDirectory() as folder:
        Bundle(weights, settings, tokenizer, card).save(Path(folder) / "model.safetensors", compact=True)
        bundle = load_bundle(Path(folder) / "model.safetensors")
    writer = Writer(bundle, "numpy")
    report = {
        "written": writer.generate(2, "the ", length=20, seed=7, temperature=0.8),
        "next": writer.next_tokens("the par", 3),
        "bits_per_character": writer.score(TEXT).bits_per_character,
    }
    return Bundle(bundle.weights, settings, tokenizer, card, report)


if __name__ == "__main__":
    if FIXTURE.exists() and "--again" not in sys.argv:
        sys.exit(f"{FIXTURE} is there already; files of its kind may be in use. --again overwrites it")
    make().save(FIXTURE, compact=True)
    print(f"{FIXTURE}: {FIXTURE.stat().st_size} bytes")

"""The bench of writing tells a network that draws what it states from one that does not."""

from typing import Any

import numpy as np
import pytest

from bench import writing_shapes
from bench.writing_shapes import LEAST_LIKELY, chi_square_p, drawn_as_stated
from parrotlet.bundle import Bundle, Card
from parrotlet.runtime import ARITHMETICS, Arithmetic, expected_shapes
from parrotlet.settings import Settings
from parrotlet.tokenizers import train_tokenizer


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    settings = Settings.model_validate({"network": {"hidden": 16, "embedding": 8}})
    tokenizer = train_tokenizer(["the parrot said: hello, world!\n" * 3], settings.tokenizer)
    random = np.random.default_rng(1)
    shapes = expected_shapes(settings.network, len(tokenizer))
    weights = {name: random.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    return Bundle(weights, settings, tokenizer, Card(form="text"))


def test_the_tables_of_chi_square() -> None:
    for value, freedom, expected in ((3.841, 1, 0.05), (18.307, 10, 0.05), (82.529, 63, 0.05), (103.442, 63, 0.001)):
        assert chi_square_p(value, freedom) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("texts", [1, 20])
def test_what_is_drawn_is_what_is_stated(bundle: Bundle, arithmetic: Arithmetic, texts: int) -> None:
    assert drawn_as_stated(bundle, arithmetic, texts, 4000 // texts) > LEAST_LIKELY


@pytest.mark.parametrize("change", [{"temperature": 0.7}, {"temperature": 0.9}, {"top_p": 0.9}, {"top_p": 1.0}])
def test_what_is_drawn_by_other_rules_is_found_out(
    bundle: Bundle, change: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = writing_shapes.distribution

    def wrong(logits: Any, rules: Any, *more: Any) -> Any:
        return right(logits, rules.model_copy(update=change), *more)

    monkeypatch.setattr(writing_shapes, "distribution", wrong)
    assert drawn_as_stated(bundle, "float32", 1, 8000) < LEAST_LIKELY

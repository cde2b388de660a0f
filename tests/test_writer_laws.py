"""The Writer's laws over every tokenizer and every runtime path, with networks of random weights."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet import cli
from parrotlet.bundle import Bundle, Card, load_bundle
from parrotlet.novelty import Novelty
from parrotlet.runtime import ARITHMETICS, PATHS, CompiledRuntime, expected_shapes, open_runtime
from parrotlet.runtime.compiled import library
from parrotlet.settings import Settings
from parrotlet.tokenizers import TOKENIZERS, train_tokenizer
from parrotlet.writer import Writer, load

TEXT = 'Don\'t say $5.00, said the parrot; say hello!\nHello, "world": été 🦜 the parrot the parrot\n' * 4
NETWORK = {"hidden": 16, "embedding": 8, "layers": 2}
PATH_NAMES: list[str] = [
    name for name, kind in PATHS.items() if kind is not CompiledRuntime or not isinstance(library(), str)
]
WAYS = [*PATH_NAMES, "int8"]  # the last: the path that is chosen by itself, in bytes
WRITERS: dict[tuple[str, str, str], Writer] = {}


def writer_of(level: str, form: str = "text", path: str = "auto") -> Writer:
    """A model whose random weights are large enough that it prefers some tokens to others."""
    if (level, form, path) not in WRITERS:
        if level == "bpe":
            pytest.importorskip("tokenizers")
        every = Settings.model_validate({"network": NETWORK, "tokenizer": {"level": level, "min_count": 1}})
        tokenizer = train_tokenizer(TEXT.splitlines(keepends=True), every.tokenizer)
        rng = np.random.default_rng(3)
        shapes = expected_shapes(every.network, len(tokenizer))
        weights = {name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
        bundle = Bundle(weights, every, tokenizer, Card(form=form))  # type: ignore[arg-type]
        way: Any = {"arithmetic": path} if path == "int8" else {"runtime": path}
        WRITERS[level, form, path] = Writer(bundle, **way)
    return WRITERS[level, form, path]


ASKED: list[dict[str, Any]] = [
    {},
    {"prompt": "Hello, the ", "temperature": 0.7, "top_p": 0.95, "repetition_penalty": 1.2},
    {"prompt": "日本 ab", "stop": ["e", " a", "\n"]},
    {"prompt": "the", "novel": 6, "length": 40},
    {"rule": lambda probabilities, ids: probabilities**2, "length": 40},
]


@pytest.mark.parametrize("asked", ASKED, ids=["plain", "rules", "stop", "novel", "rule"])
@pytest.mark.parametrize("form", ["text", "lines"])
@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize("level", TOKENIZERS)
def test_alone_in_a_batch_or_streamed_it_is_the_same_text(
    level: str, path: str, form: str, asked: dict[str, Any]
) -> None:
    writer = writer_of(level, form, path)
    asked = {"length": 90, "seed": 11, **asked}
    if "novel" in asked:
        asked["novel"] = Novelty([writer.tokenizer.normalise(TEXT)], asked["novel"])
    texts = writer.texts(5, **asked)
    assert writer.texts(2, **asked) == texts[:2]
    assert "".join(writer.stream(**asked)) == writer.write(**asked) == texts[0].text
    for text in texts:
        assert text.finish in ("stop", "length", "novel")
        assert text.text.startswith(asked.get("prompt", "").rstrip(" "))
        assert text.tokens <= asked["length"]
        assert "<unk>" not in text.text and "<s>" not in text.text


@pytest.mark.parametrize("level", TOKENIZERS)
def test_novel_text_copies_no_span(level: str) -> None:
    writer = writer_of(level)
    source, n = writer.tokenizer.normalise(TEXT), 4
    for seed in range(5):
        written = writer.write(length=60, seed=seed, novel=Novelty([source], n), temperature=0.5)
        spans = [written[start : start + n] for start in range(len(written) - n + 1)]
        assert not [span for span in spans if span in source]


@pytest.mark.parametrize(("level", "token", "text"), [("symbol", "say", "the say"), ("word", " say", "the say")])
def test_the_space_between_a_prompt_and_what_follows_is_the_tokenizers_own(level: str, token: str, text: str) -> None:
    writer = writer_of(level)
    names = [writer.tokenizer.token(id) for id in range(len(writer.tokenizer))]
    asked: dict[str, Any] = {"length": 1, "rule": lambda p, ids: np.array([name == token for name in names], float)}
    for prompt in ("the", "the ", "the \t "):
        assert writer.write(prompt, **asked) == "".join(writer.stream(prompt, **asked)) == text


@pytest.mark.parametrize("level", TOKENIZERS)
@pytest.mark.parametrize("form", ["text", "lines"])
def test_a_score_does_not_depend_on_the_path_or_the_batch(level: str, form: Any) -> None:
    scores = [writer_of(level, form, path).score(TEXT, surprise=True) for path in PATH_NAMES]
    for score in scores:
        assert score.bits_per_character == pytest.approx(scores[0].bits_per_character, rel=1e-4)
        bits = sum(bits for _, bits in score.surprise or ())
        assert bits == pytest.approx(score.bits_per_character * score.characters, rel=1e-6)
        assert (score.tokens, score.comparable) == (len(score.surprise or ()), True)
    if form == "lines":
        alone = [writer_of(level, form).score(line, surprise=True) for line in TEXT.splitlines()[:2]]
        together = writer_of(level, form).score(TEXT, surprise=True).surprise or ()
        first = (alone[0].surprise or ()) + (alone[1].surprise or ())
        assert [token for token, _ in together[: len(first)]] == [token for token, _ in first]
        assert [bits for _, bits in together[: len(first)]] == pytest.approx([bits for _, bits in first], rel=1e-5)


@pytest.mark.parametrize("level", TOKENIZERS)
@pytest.mark.parametrize("form", ["text", "lines"])
def test_the_score_is_the_sum_over_the_tokens_that_write_the_text(level: str, form: str) -> None:
    writer, line = writer_of(level, form), TEXT.splitlines()[0]
    ids = [writer.tokenizer.stop, *writer.tokenizer.encode(line).tolist()]
    targets = [*ids[1:], writer.tokenizer.stop] if form == "lines" else ids[1:]
    runtime = open_runtime(writer.settings.network, writer.bundle.weights, len(writer.tokenizer), "numpy")
    logits = runtime.read([ids])[0][0, : len(targets)].astype(np.float64)
    nats = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets]
    score, characters = writer.score(line), len(writer.tokenizer.normalise(line))
    assert score.bits_per_character == pytest.approx(nats.sum() / np.log(2) / characters, rel=1e-4)
    assert (score.tokens, score.characters) == (len(targets), characters)
    assert score.perplexity == pytest.approx(np.exp(nats.mean()), rel=1e-4)


@pytest.mark.parametrize("level", TOKENIZERS)
@settings(max_examples=20, deadline=None)
@given(prompt=st.text(max_size=20))
def test_any_prompt_is_accepted(level: str, prompt: str) -> None:
    writer = writer_of(level)
    text = writer.write(prompt, length=8, seed=1)
    assert text == "".join(writer.stream(prompt, length=8, seed=1))
    text.encode()
    assert isinstance(writer.unknown(prompt), list)
    writer.next_tokens(prompt, n=3)


@pytest.mark.parametrize("level", TOKENIZERS)
@pytest.mark.parametrize("form", ["text", "lines"])
def test_next_tokens_are_the_shares_in_which_the_next_token_is_drawn(level: str, form: str) -> None:
    writer = writer_of(level, form)
    likeliest, probability = writer.next_tokens("the ", n=1)[0]
    (text,) = writer.texts(prompt="the ", length=1, temperature=0, probabilities=True)
    assert (text.probabilities or ())[0] == (likeliest, pytest.approx(probability, rel=1e-5))


@pytest.mark.parametrize("level", TOKENIZERS)
def test_a_model_of_every_tokenizer_comes_back_from_its_file(level: str, tmp_path: Any) -> None:
    writer, path = writer_of(level), tmp_path / "m.safetensors"
    writer.save(path)
    again = Writer(load_bundle(path))
    assert again.generate(3, "the", length=50, seed=2) == writer.generate(3, "the", length=50, seed=2)
    assert path.read_bytes() == (again.save(path), path.read_bytes())[1]


def test_the_arithmetic_is_chosen_by_name(tmp_path: Any, capfd: Any) -> None:
    path = tmp_path / "m.safetensors"
    writer_of("char").save(path)
    flags = ["generate", str(path), "--prompt", "the", "--length", "500", "--seed", "2"]
    written: list[str] = []
    for arithmetic in ARITHMETICS:
        assert cli.main([*flags, "--arithmetic", arithmetic]) == 0
        text = load(path, arithmetic=arithmetic).write("the", length=500, seed=2)
        written.append(capfd.readouterr().out)
        assert written[-1].rstrip("\n") == text.rstrip("\n")
    assert cli.main(flags) == 0
    assert capfd.readouterr().out == written[0] != written[1]
    assert cli.main([*flags, "--arithmetic", "int9"]) == 2
    assert capfd.readouterr().err == "parrotlet: unknown arithmetic 'int9': did you mean 'int8'?\n"

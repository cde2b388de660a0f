"""A text step by step: the same text that is written otherwise, and at each step the network's own probabilities."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fakes import always, even, fake_writer
from test_writer_laws import ASKED, PATH_NAMES, TEXT, writer_of

import parrotlet.trace
from parrotlet import cli
from parrotlet.bundle import load_bundle
from parrotlet.errors import UsageError
from parrotlet.novelty import Novelty
from parrotlet.runtime import Runtime, State
from parrotlet.tokenizers import TOKENIZERS
from parrotlet.writer import Writer

MODEL = Path(__file__).parent / "fixtures" / "format1.safetensors"


def check_trace(writer: Writer, asked: dict[str, Any]) -> None:
    """The law: the text that is written, token by token, each with the probability that the network gave it."""
    steps = writer.trace(n=4, **asked)
    (text,) = writer.texts(probabilities=True, **asked)
    written, prompt = "".join(step.text for step in steps), asked.get("prompt", "")
    assert text.text in (prompt + written, prompt.rstrip(" ") + written)
    assert [step.token for step in steps] == [token for token, _ in text.probabilities or ()]
    values = [value for _, value in text.probabilities or ()]
    assert [step.probability for step in steps] == pytest.approx(values, rel=1e-3, abs=1e-6)
    for step in steps:
        likeliest = [value for _, value in step.likeliest]
        assert len(likeliest) == 4 and likeliest == sorted(likeliest, reverse=True)
        assert dict(step.likeliest).get(step.token, step.probability) == step.probability
        assert step.token in dict(step.likeliest) or step.probability <= likeliest[-1]
    assert not steps or list(steps[0].likeliest) == writer.next_tokens(prompt, 4)


# The law, over every tokenizer and every path


@pytest.mark.parametrize("asked", ASKED, ids=["plain", "rules", "stop", "novel", "rule"])
@pytest.mark.parametrize("form", ["text", "lines"])
@pytest.mark.parametrize("path", PATH_NAMES)
@pytest.mark.parametrize("level", TOKENIZERS)
def test_the_steps_are_those_of_the_text(level: str, path: str, form: str, asked: dict[str, Any]) -> None:
    writer = writer_of(level, form, path)
    asked = {"length": 60, "seed": 11, **asked}
    if "novel" in asked:
        asked["novel"] = Novelty([writer.tokenizer.normalise(TEXT)], asked["novel"])
    check_trace(writer, asked)


class Forgetful:
    """Reads as if nothing had stood before; for the rest as the runtime it stands for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def read(self, ids: npt.ArrayLike, state: State | None = None) -> Any:
        return self._runtime.read(ids, None)


def test_the_law_rejects_a_trace_that_forgets_the_beginning() -> None:
    writer = writer_of("char")
    broken = Writer(writer.bundle, Forgetful(writer._runtime))
    assert broken.write("the", length=9, seed=1) == writer.write("the", length=9, seed=1)
    with pytest.raises(AssertionError):
        check_trace(broken, {"prompt": "the", "length": 9, "seed": 1})


# Known answers


def test_each_step_names_the_likeliest_and_what_was_written() -> None:
    def known(ids: Any) -> dict[str, float]:
        return {"a": 0.5, "b": 0.3, "<unk>": 0.15, "c": 0.05} if len(ids) % 2 else {"d": 1.0}

    writer, _ = fake_writer(known)
    first, second, third = writer.trace(length=3, n=2, temperature=0)
    assert (first.token, first.text, [token for token, _ in first.likeliest]) == ("a", "a", ["a", "b"])
    assert first.probability == pytest.approx(0.5) and first.likeliest[1][1] == pytest.approx(0.3)
    assert second.token == "d" and second.probability == pytest.approx(1)
    assert third.likeliest == first.likeliest
    assert "<unk>" not in [token for token, _ in writer.trace(length=1, n=99)[0].likeliest]  # it is never drawn


def test_a_temperature_changes_what_is_written_but_not_what_the_network_says() -> None:
    writer, _ = fake_writer(lambda ids: {"a": 0.6, "b": 0.4})
    cold, hot = (writer.trace(length=50, n=2, seed=1, temperature=degrees) for degrees in (0, 2.0))
    assert {step.token for step in cold} == {"a"} and {step.token for step in hot} == {"a", "b"}
    assert [step.likeliest for step in cold] == [step.likeliest for step in hot]


def test_a_document_ends_with_its_mark_and_a_text_before_its_stop_string() -> None:
    writer, _ = fake_writer(always("d", "abc", "<s>"), form="lines")
    assert [(step.token, step.text) for step in writer.trace(length=9)] == [("d", "d"), ("abc", "abc"), ("<s>", "")]
    writer, _ = fake_writer(always("abc", "d", "e", "f"))
    steps = writer.trace(length=9, stop="cde")
    assert [(step.token, step.text) for step in steps] == [("abc", "ab"), ("d", ""), ("e", "")]
    steps = writer.trace(length=1, stop="cde")
    assert [step.text for step in steps] == ["abc"]  # what was held back belongs to the last


def test_nothing_may_be_written() -> None:
    assert fake_writer(even("a"))[0].trace(length=0) == []


def test_a_long_text_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of("char")
    whole = writer.trace("the", length=30, seed=3)
    monkeypatch.setattr(parrotlet.trace, "LOGITS_LIMIT", 7 * len(writer.tokenizer))
    parts = writer.trace("the", length=30, seed=3)
    assert [step.token for step in parts] == [step.token for step in whole]
    assert np.allclose([step.probability for step in parts], [step.probability for step in whole], rtol=1e-5)


@pytest.mark.parametrize(
    ("asked", "line"), [({"n": 0}, "n must be"), ({"n": True}, "n must be"), ({"length": -1}, "length")]
)
def test_a_wrong_call_is_told(asked: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        fake_writer(even("a"))[0].trace(**asked)


def test_as_json_is_plain() -> None:
    (step,) = fake_writer(always("a"))[0].trace(length=1, n=1)
    assert json.loads(json.dumps(step.as_json())) == {
        **{"token": "a", "probability": pytest.approx(1), "text": "a"},
        "likeliest": [{"token": "a", "probability": pytest.approx(1)}],
    }


# parrotlet next --steps


def said(capsys: Any, *arguments: object) -> tuple[int, str, str]:
    status = cli.main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    return status, out, err


FLAGS = ["--prompt", "the ", "--steps", 12, "-n", 3, "--temperature", 0.7, "--seed", 5]


def test_next_prints_the_steps_as_json(capsys: Any) -> None:
    status, out, err = said(capsys, "next", MODEL, *FLAGS, "--json")
    steps = Writer(load_bundle(MODEL)).trace("the ", length=12, n=3, temperature=0.7, seed=5)
    assert (status, err) == (0, "") and json.loads(out) == [step.as_json() for step in steps]


def test_next_shows_a_step_a_line_with_what_was_written_in_brackets(capsys: Any) -> None:
    _, out, _ = said(capsys, "next", MODEL, *FLAGS)
    steps = Writer(load_bundle(MODEL)).trace("the ", length=12, n=3, temperature=0.7, seed=5)
    rare = [step.token not in dict(step.likeliest) for step in steps]
    assert set(rare) == {True, False}
    for number, (line, step) in enumerate(zip(out.splitlines(), steps, strict=True), 1):
        token, share = repr(step.token), f"{step.probability:.1%}"
        assert line.removeprefix(f"{number:>2}  {token}").lstrip().startswith(f"{share}  ")
        assert (f"[{token} {share}]" in line) != rare[number - 1]
        assert all(f"{token!r} {value:.1%}" in line for token, value in step.likeliest)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--temperature", "0.5"], "--temperature needs --steps"),
        (["--seed", "1"], "--seed needs --steps"),
        (["--steps", "0"], "'--steps'"),
        (["--steps", "2", "-n", "0"], "n must be"),
        (["--steps", "2", "--temperature", "-1"], "temperature = -1.0 is not allowed"),
    ],
)
def test_a_wrong_call_of_next_is_one_line(capsys: Any, flags: list[str], line: str) -> None:
    status, out, err = said(capsys, "next", MODEL, *flags)
    assert (status, out) == (2, "") and line in err and err.count("\n") == 1

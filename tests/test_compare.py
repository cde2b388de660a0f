"""Models side by side: what is compared and what is not, and every figure from what the models themselves hold."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parrotlet import cli
from parrotlet.bundle import Bundle, Card, Evaluation
from parrotlet.cli.compare import clocks
from parrotlet.compare import compare_models, open_models
from parrotlet.comparison import Comparison, Gain
from parrotlet.corpus import from_texts
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.runtime import expected_shapes
from parrotlet.settings import NetworkSettings, Settings
from parrotlet.tokenizers import train_tokenizer
from parrotlet.writer import Writer, load

TEXT = "The parrot said: hello, world! the Parrot said it again.\n" * 3
SLOW = [(10, 3.0), (50, 2.6), (100, 2.5), (200, 2.55)]  # seconds and bits: its best after 100 seconds
FAST = [(4, 2.9), (12, 2.45), (40, 2.29), (60, 2.3)]


def model(course: Any = SLOW, seed: int = 1, first_step: int = 1, **changed: Any) -> Writer:
    """A model whose training went as told; its weights are random. ``changed``: settings and fields of the card."""
    card: dict[str, Any] = {"trained_on": "a text", "characters": len(TEXT), "documents": 1, "device": "cpu"}
    card["steps"] = 100
    sections: dict[str, Any] = {"network": {"hidden": 8, "embedding": 4}, "tokenizer": {}, "training": {}}
    for name, value in changed.items():
        if name in sections:
            sections[name] |= value
        else:
            card[name] = value
    every = Settings.model_validate(sections)
    tokenizer = train_tokenizer([TEXT], every.tokenizer)
    rng = np.random.default_rng(seed)
    shapes = expected_shapes(every.network, len(tokenizer))
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    history = tuple(
        Evaluation(step=first_step + place, epoch=place, seconds=at, train=bits + 0.1, validation=bits, learning_rate=0)
        for place, (at, bits) in enumerate(course)
    )
    best = min((bits for _, bits in course if bits is not None), default=None)
    facts = {
        "history": history,
        "validation_bits_per_character": best,
        "seconds": course[-1][0] if course else 0,
    } | card
    return Writer(Bundle(weights, every, tokenizer, Card(**facts)))


def compare(*models: Writer, **asked: Any) -> Comparison:
    return compare_models(dict(zip("ABCD", models, strict=False)), **({"length": 0} | asked))


# What the difference buys


def test_the_sentence_is_computed_from_the_histories() -> None:
    (gain,) = compare(model(SLOW), model(FAST)).gains
    assert (gain.better, gain.worse, gain.seconds, gain.worse_seconds) == ("B", "A", 12, 100)
    assert gain.bits == pytest.approx(0.21)
    assert gain.sentence == (
        "B has reached A's best figure (2.500 bits per character) by 12 s, 12% of the 100 s that A needed, "
        "and ends 0.210 bits lower"
    )
    assert [compare(model(FAST), model(SLOW)).gains[0].better] == ["A"]  # whichever stands first


def test_a_figure_that_was_reached_is_one_of_the_curve() -> None:
    """Calibration may leave a model better than any of its evaluations, which the other one need not have reached."""
    (gain,) = compare(model(SLOW, validation_bits_per_character=2.31), model(FAST)).gains
    assert (gain.worse_bits, gain.worse_lowest, gain.seconds) == (2.31, 2.5, 12)
    assert "A's best figure (2.500 bits per character) by 12 s" in gain.sentence and "0.020 bits" in gain.sentence


def test_prompts_are_looked_at_one_by_one() -> None:
    assert compare(model(SLOW), model(FAST), prompts=["the", "hello"]).models[0].unknown == ()


def test_a_better_model_may_be_the_slower_one_or_no_better() -> None:
    slower = compare(model([(2, 2.5)]), model([(300, 2.6), (900, 2.2)])).gains[0]
    assert slower.sentence.endswith("by 15.0 min, 450.0 times the 2 s that A needed, and ends 0.300 bits lower")
    level = compare(model([(30, 2.5001)]), model([(60, 2.5)])).gains[0]
    assert level.sentence.endswith("by 60 s, 2.0 times the 30 s that A needed, and ends level with it")


def test_what_calibration_gained_after_the_curve_needs_no_time() -> None:
    (gain,) = compare(
        model(SLOW, validation_bits_per_character=2.49), model(FAST, validation_bits_per_character=2.28)
    ).gains
    assert (gain.seconds, gain.worse_seconds) == (12, 100) and gain.bits == pytest.approx(0.21)


def test_every_model_is_set_against_the_first() -> None:
    gains = compare(model(SLOW), model(FAST), model([(5, 2.4)])).gains
    assert [(gain.better, gain.worse) for gain in gains] == [("B", "A"), ("C", "A")]


def test_a_sentence_without_times() -> None:
    gain = Gain("poem.txt", "B", "A", 2.0, 2.1)
    assert gain.sentence == "B needs 0.100 bits per character less than A on poem.txt (2.000 against 2.100)"
    assert Gain("poem.txt", "B", "A", 2.0, 2.0002).sentence.startswith("B does as well as A on poem.txt")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"device": "cuda"}, "their times are of different devices (cuda, cpu)"),
        ({"first_step": 0}, "since B began from another model"),
    ],
)
def test_times_that_say_nothing_are_left_out(changed: Any, why: str) -> None:
    (gain,) = compare(model(SLOW), model(FAST, **changed)).gains
    assert gain.seconds is gain.worse_seconds is None and gain.untimed in gain.sentence and why in gain.sentence
    assert "needs 0.210 bits per character less than A on the text held back (2.290 against 2.500)" in gain.sentence


def test_without_a_history_only_the_figures_are_compared() -> None:
    (gain,) = compare(model([], validation_bits_per_character=2.0), model(FAST)).gains
    assert gain.sentence == "A needs 0.290 bits per character less than B on the text held back (2.000 against 2.290)"


# What is not comparable


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"trained_on": "other"},
            f"trained on other of {len(TEXT)} characters, not on a text of {len(TEXT)} characters",
        ),
        ({"characters": 9}, "trained on a text of 9 characters"),
        ({"form": "lines", "documents": 3}, "characters in 3 documents"),
        ({"tokenizer": {"lowercase": True}}, "its tokenizer is another one"),
        ({"tokenizer": {"level": "word"}}, "its tokenizer is another one"),
        ({"training": {"validation": 0.1}}, "it held back 10.000% of the text, not 5.000%"),
        ({"course": []}, "nothing was held back"),
    ],
)
def test_figures_on_different_texts_are_never_compared(changed: Any, why: str) -> None:
    found = compare(model(), model(**changed))
    assert why in found.models[1].validation_apart and not found.models[0].validation_apart
    assert not found.gains


def test_settings_that_do_not_touch_the_text_leave_figures_comparable() -> None:
    found = compare(model(), model(network={"hidden": 16, "kind": "gru"}, training={"optimizer": "sgd"}))
    assert not found.models[1].validation_apart and len(found.gains) == 1
    assert found.settings == {
        **{"network.kind": ("lstm", "gru"), "network.hidden": (8, 16), "training.optimizer": ("muon", "sgd")}
    }


def test_settings_that_do_not_describe_the_model_are_left_out() -> None:
    aside = {"seed": 7, "device": "cpu", "keep": "every", "evaluations": 3, "validation": 0.2, "minutes": 3.0}
    samples = {"sample_prompt": "the", "sample_length": 9, "sample_temperatures": (1.0,), "sample_from_text": True}
    assert compare(model(), model(training=aside | samples)).settings == {}
    stacks = [model(network={"kind": "stack", "stack": STACK, "hidden": hidden}) for hidden in (8, 9)]
    assert compare(*stacks).settings == {}  # hidden means nothing there: the stack has its own units
    assert "network.hidden" not in compare(model(), stacks[0]).settings  # nor is it set against another's


STACK = [{"kind": "lstm", "units": 5, "final": True}, {"kind": "dense", "units": 4, "activation": "relu"}]
TAKEN_OVER = {"course": [], "steps": 0, "trained_on": "taken over from old.h5", "characters": 0, "device": ""}


def test_of_a_model_that_was_taken_over_no_training_is_made_up() -> None:
    found = compare(model(), model(**TAKEN_OVER), model(training={"learning_rate": 0.5}))
    assert [each.trained for each in found.models] == [True, False, True]
    assert found.settings == {"training.learning_rate": (0.008, None, 0.5)}
    assert found.models[1].validation_apart == "nothing is known of its training"
    assert compare(model(), model(training={"optimizer": "sgd"}, **TAKEN_OVER)).settings == {}
    first = compare(
        model(**TAKEN_OVER), model(), model(trained_on="other")
    )  # figures are set against one that is there
    assert [bool(each.validation_apart) for each in first.models] == [True, False, True]


# A text that all of them are scored on


@pytest.mark.parametrize("form", ["text", "lines"])
def test_a_text_is_scored_by_each_in_the_same_form(form: str) -> None:
    models = model(form=form), model(FAST, seed=2, form=form)
    found = compare(*models, text=TEXT)
    assert [each.score for each in found.models] == [each.score(TEXT, form) for each in models]
    (gain,) = (gain for gain in found.gains if gain.on == "the text given")
    scores = {name: each.score(TEXT, form).bits_per_character for name, each in zip("AB", models, strict=True)}
    assert (gain.better_bits, gain.worse_bits) == (min(scores.values()), max(scores.values()))
    assert scores[gain.better] == gain.better_bits and gain.seconds is None
    corpus = compare(*models, text=from_texts([TEXT], "text")) if form == "text" else None
    assert corpus is None or [each.score for each in corpus.models] == [each.score for each in found.models]


def test_scores_of_models_of_another_form_are_never_compared() -> None:
    for order in (("text", "lines"), ("lines", "text")):
        found = compare(*(model(form=form, seed=seed) for seed, form in enumerate(order, 1)), text=TEXT)
        assert found.models[1].score_apart.startswith("it writes ") and not found.models[0].score_apart
        assert not [gain for gain in found.gains if gain.on == "the text given"]


@pytest.mark.parametrize(
    ("tokenizer", "text", "why"),
    [
        ({"lowercase": True}, TEXT, "another normal form"),
        ({"level": "word"}, "The  parrot said", "another normal form, as 15 characters"),
        ({"level": "word"}, "The parrot saw", "33.3% of it is unknown"),
    ],
)
def test_scores_of_different_texts_are_never_compared(tokenizer: Any, text: str, why: str) -> None:
    found = compare(model(), model(tokenizer=tokenizer), model(seed=3), text=text)
    assert why in found.models[1].score_apart and not found.models[0].score_apart
    assert [(gain.on, {gain.better, gain.worse}) for gain in found.gains if gain.on == "the text given"] == [
        ("the text given", {"A", "C"})
    ]
    turned = compare(model(tokenizer=tokenizer), model(), text=text)
    assert turned.models[1].score_apart and not [gain for gain in turned.gains if gain.on == "the text given"]


def test_models_of_one_tokenizer_are_compared_on_a_text_that_they_do_not_know_whole() -> None:
    words = {"tokenizer": {"level": "word"}}
    found = compare(model(**words), model(seed=2, **words), model(), text="The parrot saw")
    assert not any(each.score.comparable for each in found.models[:2])
    assert [each.score_apart for each in found.models] == ["", "", "the first model does not know all of it"]
    assert [{gain.better, gain.worse} for gain in found.gains if gain.on == "the text given"] == [{"A", "B"}]


def test_progress_is_told_over_all_models() -> None:
    told: list[int] = []
    found = compare(model(), model(seed=2), text=TEXT, progress=told.append)
    assert told == sorted(told) and told[-1] == 2 * len(TEXT) == sum(each.score.characters for each in found.models)


def test_levels_that_write_the_same_text_are_compared() -> None:
    found = compare(model(), model(tokenizer={"level": "byte"}), text=TEXT)
    assert not found.models[1].score_apart and [gain.on for gain in found.gains] == ["the text given"]


# Curves and texts


def test_the_curves_are_a_table_of_what_was_measured() -> None:
    found = compare(model(SLOW), model(FAST))
    assert found.curves(rows=99) == [
        (4, [None, 2.9]),
        (10, [3.0, 2.9]),
        (12, [3.0, 2.45]),
        (40, [3.0, 2.29]),
        (50, [2.6, 2.29]),
        (60, [2.6, 2.3]),
        (100, [2.5, None]),
        (200, [2.55, None]),
    ]
    assert [seconds for seconds, _ in found.curves(rows=3)] == [4, 50, 200]
    assert found.curves(rows=1) == [(4, [None, 2.9])]
    assert found.curves("train", rows=1)[0][1] == [None, pytest.approx(3.0)]
    assert compare(model([]), model([])).curves() == []


def test_each_writes_after_the_same_prompts_with_the_same_seed() -> None:
    models = model(seed=1), model(seed=2)
    found = compare(*models, prompts=["the ", "Ж"], temperatures=[0, 0.8], length=20, seed=4)
    assert [(each.prompt, each.temperature, each.model) for each in found.samples] == [
        (prompt, degrees, name) for prompt in ("the ", "Ж") for degrees in (0, 0.8) for name in "AB"
    ]
    for each in found.samples:
        writer = models["AB".index(each.model)]
        assert each.text == writer.write(each.prompt, length=20, seed=4, temperature=each.temperature)
    assert [each.unknown for each in found.models] == [("Ж",), ("Ж",)]


def test_networks_in_words() -> None:
    def words(**settings: Any) -> str:
        return NetworkSettings(**settings).in_words()

    assert words(hidden=128, input="one-hot") == "lstm of 128 units, one-hot input"
    assert words(kind="gru", layers=2, hidden=9) == "gru of 2 × 9 units"
    assert words(hidden=128, context=40, attention=True) == "lstm of 128 units, attention, context 40"
    stack = [{"kind": "lstm", "units": 256, "bidirectional": True}, {"kind": "dense", "units": 9}]
    assert words(kind="stack", stack=stack, context=9) == "bidirectional lstm 256 → dense 9, context 9"


# Errors


def test_a_comparison_needs_two_different_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least two models, not 1"):
        compare(model())
    model().save(tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="named twice"):
        open_models([tmp_path / "a.safetensors"] * 2)
    (tmp_path / "x").mkdir()
    model().save(tmp_path / "x" / "a.safetensors")
    names = list(open_models([tmp_path / "a.safetensors", tmp_path / "x" / "a.safetensors"]))
    assert names == [str(tmp_path / "a.safetensors"), str(tmp_path / "x" / "a.safetensors")]
    with pytest.raises(ParrotletError, match="there is no file"):
        open_models([tmp_path / "a.safetensors", tmp_path / "gone.safetensors"])


# parrotlet compare


@pytest.fixture
def call(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in a folder with two models and a text."""
    monkeypatch.chdir(tmp_path)
    model(SLOW, seed=1).save("lesson.safetensors")
    model(FAST, seed=2, network={"hidden": 16}).save("mine.safetensors")
    model(FAST, seed=3, tokenizer={"lowercase": True}).save("lower.safetensors")
    Path("poem.txt").write_text(TEXT, encoding="utf-8")

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli.main(["compare", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


TWO = ["lesson.safetensors", "mine.safetensors"]


def test_the_figures_stand_side_by_side(call: Any) -> None:
    status, out, err = call(*TWO, "--text", "poem.txt", "--prompt", "the ", "--temperature", "0.5", "--length", 30)
    assert status == 0 and "poem.txt: utf-8" in err
    lines = out.splitlines()
    assert lines[0].split() == ["lesson", "mine"]
    cells = {line[:27].strip(): line[27:].split() for line in lines if line.strip()}
    assert cells["parameters"] == [f"{sum(a.size for a in load(path).bundle.weights.values()):,}" for path in TWO]
    assert cells["bits on the text held back"] in (["2.5000", "2.2900"], ["lesson", "mine"])
    assert "bits on the text held back  2.5000" in out and "network.hidden" in cells
    score = load(TWO[1]).score(TEXT).bits_per_character
    assert f"{score:.4f}" in next(line for line in lines if line.startswith("bits on poem.txt"))
    assert "mine has reached lesson's best figure" in out and "on poem.txt (" in out
    assert "\n0:12  " in out and MARKED not in out
    for path in TWO:
        assert load(path).write("the ", length=30, seed=1, temperature=0.5) in out
    assert out.count("----- ") == 2


MARKED = " *"


def test_what_is_not_comparable_is_marked_and_told(call: Any) -> None:
    status, out, _ = call("lesson.safetensors", "lower.safetensors", "--text", "poem.txt", "--length", 0)
    assert status == 0 and out.count(MARKED) == 3 and out.count("\n* lower, bits on ") == 2
    assert "not comparable with lesson's: its tokenizer is another one" in out
    assert "best figure" not in out and "-----" not in out
    model(tokenizer={"level": "word"}).save("words.safetensors")
    Path("other.txt").write_text("The parrot saw.\n", encoding="utf-8")
    _, out, _ = call("words.safetensors", "lesson.safetensors", "--text", "other.txt", "--length", 0)
    assert "* words, bits on other.txt: not comparable with the others': " in out and "is unknown to this model" in out


def test_a_model_that_was_taken_over_stands_beside_others(call: Any) -> None:
    model(**TAKEN_OVER).save("old.safetensors")
    status, out, _ = call("lesson.safetensors", "old.safetensors", "--length", 0)
    cells = {line[:27].strip(): line[27:].split() for line in out.splitlines() if line.strip()}
    assert status == 0 and cells["steps"] == ["100", "not", "known"] and "epochs" in cells
    assert "taken over from old.h5\n" in out and re.search("held back +2.5000 +none\n", out)
    assert "*" not in out and "not comparable" not in out  # a cell that reads none needs no footnote
    assert "old: no history" in out and "bits on the text held back  lesson" in out and "0:10 " in out
    model(**TAKEN_OVER, seed=2).save("older.safetensors")
    _, out, _ = call("old.safetensors", "older.safetensors", "--length", 0)
    assert not [line for line in out.splitlines() if line.startswith(("training time", "epochs", "steps"))]


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([7, 125.4], ["0:07", "2:05"]),
        ([2.1, 2.3, 59.96, 2.1], ["0:02.1", "0:02.3", "1:00.0", "0:02.1"]),
        ([2.01, 2.04], ["0:02.01", "0:02.04"]),
        ([60.001, 60.002], ["1:00", "1:00"]),
        ([], []),
    ],
)
def test_times_that_would_print_alike_have_decimals(times: list[float], told: list[str]) -> None:
    assert clocks(times) == told


def test_json_has_everything(call: Any) -> None:
    status, out, _ = call(*TWO, "--text", "poem.txt", "--length", 9, "--json")
    data = json.loads(out)
    assert status == 0 and set(data) == {"models", "settings", "gains", "samples", "text"}
    assert [each["name"] for each in data["models"]] == ["lesson", "mine"] and data["text"] == "poem.txt"
    first = data["models"][0]
    assert [(each["seconds"], each["validation"]) for each in first["history"]] == SLOW
    assert first["score"]["bits_per_character"] == pytest.approx(load(TWO[0]).score(TEXT).bits_per_character)
    assert data["settings"] == {"network.hidden": [8, 16]}
    assert [gain["on"] for gain in data["gains"]] == ["the text held back", "poem.txt"]
    assert "12% of the 100 s" in data["gains"][0]["sentence"]
    assert len(data["samples"]) == 6 and {each["seed"] for each in data["samples"]} == {1}


def test_the_curves_are_drawn(call: Any) -> None:
    status, out, _ = call(*TWO, "--length", 0, "--output", "curves.png")
    assert status == 0 and "saved curves.png\n" in out and "\n0:12  " not in out
    assert struct.unpack(">II", Path("curves.png").read_bytes()[16:24])[0] > 400
    assert json.loads(call(*TWO, "--json", "-o", "curves.svg")[1])["path"] == "curves.svg"


def test_a_table_on_a_terminal(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    status, out, _ = call(*TWO, "--length", 5, "--prompt", "a", "--prompt", "b")
    assert status == 0 and "───" in out and "2.2900" in out and "after 'b'" in out


def test_what_a_row_is_about_is_never_cut(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"tokenizer": {"lowercase": True, "normalisation": "NFKC"}, "network": {"dropout_between": 0.25}}
    model(trained_on="a text with a long name of many words", **more).save("a-model-with-a-long-name.safetensors")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call(*TWO, "lower.safetensors", "a-model-with-a-long-name.safetensors", "--length", 0)
    names = ["bits on the text held back", "training time", "tokenizer.normalisation", "network.dropout_between"]
    assert all(f" {name}  " in out for name in names) and "…" not in out
    plain = re.sub("\x1b\\[[0-9;]*m", "", out.partition("* lower")[0]).splitlines()
    assert max(map(len, plain)) <= 80 and len(plain) > 15


def test_what_the_models_do_not_know_is_told(call: Any) -> None:
    assert "mine does not know 'Ж'\n" in call(*TWO, "--prompt", "ЖЖ", "--length", 3)[2]


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["lesson.safetensors"], 2, "at least two models, not 1"),
        ([], 2, "MODEL"),
        (["lesson.safetensors", "lesson.safetensors"], 2, "lesson.safetensors is named twice"),
        (["lesson.safetensors", "gone.safetensors"], 1, "there is no file gone.safetensors"),
        (["lesson.safetensors", "poem.txt"], 1, "poem.txt is not a model"),
        ([*TWO, "--text", "gone.txt"], 1, "gone.txt"),
        ([*TWO, "--temperature", "hot"], 2, "--temperature 'hot' is not a number"),
        ([*TWO, "--temperature", "-1"], 2, "temperature = -1.0 is not allowed"),
        ([*TWO, "--length", "-1"], 2, "length must be"),
        ([*TWO, "-o", "curves.pgn"], 2, "did you mean '.png'?"),
        ([*TWO, "-o", "none/curves.png"], 1, "does not exist"),
    ],
)
def test_a_wrong_call_is_one_line(call: Any, arguments: list[str], status: int, line: str) -> None:
    found, out, err = call(*arguments)
    assert (found, out) == (status, "") and line in err and err.count("\n") == 1

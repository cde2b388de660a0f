"""What the lessons and textgenrnn do while they learn: windows, whole sequences, labels, files and samples by epoch."""

import json
import math
import re

import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, from_texts, load, training  # noqa: E402
from parrotlet.errors import ParrotletError, UsageError  # noqa: E402
from parrotlet.learning.events import Evaluated, Sample, Saved  # noqa: E402
from parrotlet.learning.schedule import learning_rate  # noqa: E402
from parrotlet.networks import build_network  # noqa: E402
from parrotlet.settings import NetworkSettings, TrainingSettings  # noqa: E402
from tests.test_learning import ATTENTION, TINY, labelled_texts, long_text, run, short_texts  # noqa: E402

WINDOWS = {"kind": "lstm", "hidden": 16, "input": "one-hot", "context": 8}


def test_windows_teach_a_network():
    _, events = run(long_text(), steps=200, batch=32, network=WINDOWS, learning_rate=1e-2, stride=3)
    figures = [event.validation for event in events if isinstance(event, Evaluated)]
    assert figures[-1] < 0.6 * figures[0]


def test_a_window_has_one_target_and_an_epoch_has_all_of_them():
    corpus = from_texts(["the cat sat on the mat. " * 40], "text")
    running, events = run(corpus, epochs=1, batch=10, network=WINDOWS, stride=3, validation=0.0)
    tokens = running.bundle.card.tokens
    assert events[-1].step == math.ceil(math.ceil(tokens / 3) / 10)


def test_whole_sequences_learn_where_documents_end():
    texts = from_texts(["abc", "ab", "abcd"] * 20)
    settings = {"sequences": True, "window": 12, "batch": 16, "hidden": 32, "learning_rate": 1e-2, "validation": 0.0}
    running, _ = run(texts, steps=200, **settings)
    assert set(Writer(running.bundle).generate(20, length=30, temperature=0.3)) <= {"abc", "ab", "abcd"}


def test_labels_teach_through_a_second_output_that_is_not_kept(tmp_path):
    output = tmp_path / "m.safetensors"
    _, events = run(labelled_texts(), output, steps=250, batch=32, network=ATTENTION, learning_rate=1e-2)
    figures = [event.validation for event in events if isinstance(event, Evaluated)]
    assert figures[-1] < 0.8 * figures[0]
    assert not [name for name in load(output).bundle.weights if "label" in name]


def test_labels_change_what_is_learned():
    bundles = [
        run(corpus, steps=5, network=ATTENTION)[0].bundle
        for corpus in (labelled_texts(), from_texts([d.text for d in labelled_texts().documents()]))
    ]
    assert (bundles[0].weights["attention"] != bundles[1].weights["attention"]).any()


def test_every_epoch_leaves_a_file_named_by_epoch_and_loss(tmp_path):
    output = tmp_path / "m.safetensors"
    _, events = run(short_texts(), output, epochs=3, evaluations=None, keep="every", validation=0.0)
    saved = [event.path for event in events if isinstance(event, Saved) and event.path != str(output)]
    assert [re.sub(r"-\d\.\d{4}\.", ".", path) for path in saved] == [
        str(tmp_path / f"m-0{epoch}.00.safetensors") for epoch in (1, 2, 3)
    ]
    assert load(saved[0]).write(length=5, seed=1)
    last = next(event for event in reversed(events) if isinstance(event, Evaluated))
    nats = last.train * math.log(2) * load(output).card.characters / load(output).card.tokens
    assert saved[-1].endswith(f"-{nats:.4f}.safetensors")


def test_only_better_states_leave_a_file_where_only_those_are_wanted(tmp_path):
    output = tmp_path / "m.safetensors"
    settings = {"epochs": 4, "evaluations": None, "keep": "better", "validation": 0.0, "learning_rate": 2.0, "clip": 0}
    _, events = run(short_texts(), output, schedule="constant", optimizer="sgd", **settings)
    trains = [event.train for event in events if isinstance(event, Evaluated)]
    better = sum(figure == min(trains[: place + 1]) for place, figure in enumerate(trains))
    assert len(list(tmp_path.glob("m-*.safetensors"))) == better


def test_samples_are_written_as_they_are_asked_for():
    settings = {"sample_temperatures": (0.0, 1.2), "sample_length": 7, "sample_prompt": "cat"}
    _, events = run(short_texts(), steps=4, evaluations=1, **settings)
    samples = [event for event in events if isinstance(event, Sample)]
    assert [sample.temperature for sample in samples] == [0.0, 1.2]
    assert all(sample.prompt == "cat" and sample.text.startswith("cat") for sample in samples)
    assert all(len(sample.text) <= 10 for sample in samples)


def test_samples_go_on_from_a_piece_of_the_training_text():
    _, events = run(long_text(), steps=8, evaluations=2, network=WINDOWS, sample_from_text=True, sample_length=5)
    prompts = [event.prompt for event in events if isinstance(event, Sample)]
    text = next(iter(long_text().documents())).text
    assert len(set(prompts)) == 2 and all(prompt in text and len(prompt) <= 8 for prompt in prompts)


def test_fine_tuning_with_new_symbols_keeps_the_padding(tmp_path):
    first, _ = run(short_texts(), steps=20, network=ATTENTION)
    kept = {name: value for name, value in TINY.items() if name not in ("hidden", "embedding")}
    second = training(from_texts(["ça va où déjà"] * 30), start_from=first.bundle, **kept, steps=1, learning_rate=1e-9)
    list(second)
    before, after = (each.bundle.weights["embedding.weight"] for each in (first, second))
    assert len(after) > len(before)
    assert abs(before[-1] - after[-1]).max() < 1e-6
    assert abs(before[:-1] - after[: len(before) - 1]).max() < 1e-6


def test_events_of_a_lesson_are_plain_json():
    _, events = run(long_text(), steps=2, network=WINDOWS)
    assert all(json.loads(json.dumps(event.as_json()))["event"] for event in events)


def test_a_batch_in_which_all_was_held_back_ends_no_run():
    _, events = run(short_texts(), steps=150, network=WINDOWS, batch=1, validation=0.5, evaluations=50)
    assert (events[-1].reason, events[-1].step) == ("finished", 150)
    _, events = run(short_texts(), steps=150, sequences=True, batch=1, validation=0.5, evaluations=50)
    assert (events[-1].reason, events[-1].step) == ("finished", 150)


def test_windows_that_leave_nothing_to_learn_are_told():
    with pytest.raises(ParrotletError, match="leaves nothing to train on"):
        run(from_texts(["a short text"], "text"), steps=3, network={**WINDOWS, "context": 4}, stride=5000)


def test_a_wrong_call_leaves_an_unfinished_run_alone(tmp_path):
    output = tmp_path / "m.safetensors"
    running = training(long_text(), output, **TINY, steps=50)
    for event in running:
        if isinstance(event, Evaluated):
            running.stop()
    before = (tmp_path / "m.run" / "checkpoint.safetensors").read_bytes()
    deep = {"kind": "convolution", "layers": 30}
    for wrong in ({"stride": 3}, {"sequences": True}, {"network": deep}):
        with pytest.raises(UsageError):
            run(long_text(), output, steps=3, **wrong)
    with pytest.raises(UsageError):
        run(labelled_texts(), output, steps=3, tied=True, embedding=16)
    assert (tmp_path / "m.run" / "checkpoint.safetensors").read_bytes() == before


def test_a_model_that_is_gone_on_from_is_kept_at_every_epoch(tmp_path):
    first, _ = run(short_texts(), steps=5)
    kept = {name: value for name, value in TINY.items() if name not in ("hidden", "embedding", "evaluations")}
    output = tmp_path / "m.safetensors"
    list(training(short_texts(), output, start_from=first.bundle, **kept, epochs=3, keep="every"))
    names = sorted(path.name[:7] for path in tmp_path.glob("m-*.safetensors"))
    assert names == ["m-01.00", "m-02.00", "m-03.00"]


def test_the_padding_of_sequences_does_not_flatter_the_figure():
    _, events = run(short_texts(), steps=60, sequences=True, window=200, validation=0.2)
    last = next(event for event in reversed(events) if isinstance(event, Evaluated))
    assert last.train > 0.8 * last.validation


def test_documents_that_are_cut_are_told():
    _, events = run(short_texts(), steps=1, sequences=True, window=5)
    assert any(
        "120 of 120 documents are longer than training.window = 5" in e.text for e in events if e.event == "note"
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"network": WINDOWS, "window": 9}, "training.window = 9 changes nothing"),
        ({"network": {"kind": "stack", "stack": [{"kind": "gru", "units": 4}]}}, "network.hidden = 16 changes nothing"),
        ({"stem": "english"}, "tokenizer.stem = 'english' changes nothing: tokenizer.level = 'char' does not use it"),
        ({"momentum": 0.9}, "training.momentum = 0.9 changes nothing: training.optimizer = 'muon' has none"),
        ({"step_stages": 3}, "training.step_stages = 3 changes nothing"),
        ({"dropout_between": 0.5}, "network.dropout_between = 0.5 changes nothing: there is one layer"),
        ({"sample_prompt": "cat", "sample_from_text": True}, "training.sample_from_text = True changes nothing"),
    ],
)
def test_what_changes_nothing_is_told(settings, told):
    _, events = run(short_texts(), steps=1, **settings)
    assert any(told in event.text for event in events if event.event == "note")


def test_what_is_decided_later_makes_a_setting_matter():
    """A convolution gets its layers from the plan: what is dropped between them changes something."""
    kind = {"kind": "convolution", "dropout_between": 0.1, "hidden": 8}
    _, events = run(short_texts(), steps=1, network=kind)
    assert not any("dropout_between" in event.text for event in events if event.event == "note")


def test_a_rate_by_epoch_changes_between_epochs_only():
    _, events = run(short_texts(), epochs=3, evaluations=6, schedule="linear", final_rate=0.0, rate_by_epoch=True)
    rates = [event.learning_rate for event in events if isinstance(event, Evaluated)]
    settings = TrainingSettings(epochs=3, schedule="step", step_decay=0.5, step_start=2, rate_by_epoch=True, warmup=0)
    stages = [learning_rate(settings, 9, epoch / 3, epoch) / settings.learning_rate for epoch in (0.9, 1.9, 2.1)]
    assert len(set(rates[:-1])) <= 3 and rates[0] == max(rates)
    assert stages == [1, 1, 0.5]


def test_dropout_can_be_drawn_anew_at_each_step():
    network = build_network(NetworkSettings(hidden=64, dropout_output=0.5, dropout_each_step=True), 5, 0).train()
    leaving, _ = network.read(torch.zeros(2, 7, dtype=torch.int64))
    dropped = leaving == 0  # (B, T, H)
    assert not torch.equal(dropped[:, 0], dropped[:, 1])
    network = build_network(NetworkSettings(hidden=64, dropout_output=0.5), 5, 0).train()
    leaving, _ = network.read(torch.zeros(2, 7, dtype=torch.int64))
    assert torch.equal(leaving[:, 0] == 0, leaving[:, 1] == 0)


def test_an_alphabet_without_bytes_numbers_its_symbols_closely():
    running, _ = run(from_texts(["abcab"] * 9), steps=2, fallback=False)
    tokenizer = running.bundle.tokenizer
    assert [tokenizer.token(number) for number in range(len(tokenizer))] == ["<s>", "<unk>", "a", "b", "c"]
    assert tokenizer.decode(tokenizer.encode("aXb")) == "ab"


def test_a_recipe_teaches_a_model_that_has_its_own_network():
    first, _ = run(short_texts(), steps=2)
    running = training(short_texts(), start_from=first.bundle, recipe="textgenrnn", steps=2, batch=4)
    notes = [event.text for event in running if event.event == "note"]
    assert "network and tokenizer are the model's: of the recipe only the rest is taken" in notes
    settings = running.bundle.settings
    assert settings.network == first.bundle.settings.network and settings.training.optimizer == "adam"


def test_a_short_run_is_evaluated_a_few_times_only():
    quick = {name: value for name, value in TINY.items() if name != "evaluations"}
    for steps, count in ((10, 1), (75, 3), (1000, 20)):
        events = list(training(short_texts(12), **quick, steps=steps))
        assert sum(isinstance(event, Evaluated) for event in events) == count


def test_a_symbol_that_is_new_is_not_written_before_it_is_learned():
    first, _ = run(short_texts(), steps=30, learning_rate=1e-2)
    kept = {name: value for name, value in TINY.items() if name not in ("hidden", "embedding")}
    corpus = from_texts([d.text.replace(" ", "\u2003") for d in short_texts().documents()])
    second = training(corpus, start_from=first.bundle, **kept, steps=1, learning_rate=1e-6, calibrate=False)
    list(second)
    assert "\u2003" not in "".join(Writer(second.bundle).generate(20, length=60, seed=1))


def test_files_that_are_kept_are_announced_and_named_by_step_without_epochs(tmp_path):
    _, events = run(short_texts(), tmp_path / "m.safetensors", steps=8, evaluations=2, keep="every")
    notes = [event.text for event in events if event.event == "note"]
    assert "every evaluation leaves a file m-STEP-LOSS.safetensors, the loss in nats per token" in notes
    assert sorted(path.name[:8] for path in tmp_path.glob("m-*.safetensors")) == ["m-000004", "m-000008"]

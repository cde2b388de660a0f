"""Old models, imported: what textgenrnn and Keras answered, files that must be refused, and what a user is told."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import parrotlet
from parrotlet import cli
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.importers import child, import_model, read_model
from parrotlet.importers.keras import in_words
from parrotlet.importers.published import VOCABULARY
from parrotlet.importers.reader import Reader
from parrotlet.importers.vocabulary import Meaning, build_vocabulary
from parrotlet.importers.weights import layer_arrays
from parrotlet.runtime.compiled import library
from parrotlet.settings import LayerSettings
from parrotlet.tokenizers import load_tokenizer
from parrotlet.writer import Writer

h5py = pytest.importorskip("h5py")

FIXTURES = Path(__file__).parent / "fixtures"
OLD, KERAS = FIXTURES / "textgenrnn", FIXTURES / "keras"
WORDS = ["the", "cat", "sat", "on", "mat", "and", "dog", "ran", "far", "off", "home"]
LETTERS = "\n abcdefghij"  # of the stacks that make_keras_fixtures.py writes
PATHS = ["numpy", pytest.param("compiled", marks=pytest.mark.skipif(isinstance(library(), str), reason=str(library())))]
TOLERANCE = 1e-4
PUBLISHED = "textgenrnn's published vocabulary"


@pytest.fixture(scope="module")
def reader():
    with Reader() as opened:
        yield opened


def expected(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    return data["cases"] if isinstance(data, dict) and "cases" in data else data


def check_answers(bundle, cases, tokens, path):
    """Each token's probability after each prompt; ``tokens``: the class of each, class 0 of textgenrnn is not drawn."""
    writer = Writer(bundle, path)
    for case in cases:
        answers = dict(writer.next_tokens(case.get("prefix", case.get("prompt")), len(writer.tokenizer)))
        wanted = case["probabilities"]
        assert set(answers) == set(tokens)
        for token, number in tokens.items():
            assert abs(answers[token] - wanted[number]) < TOLERANCE
        if "greedy60" in case:
            length = max(0, 59 - len(case["prefix"]))
            assert writer.write(case["prefix"], length=length, temperature=0) == case["greedy60"]


def textgenrnn_model(folder, name, reader=None):
    files = {what: folder / f"{name}_{what}.json" for what in ("vocab", "config")}
    found = read_model(folder / f"{name}_weights.hdf5", reader=reader, **files)
    return found.bundle, json.loads(files["vocab"].read_text(encoding="utf-8"))


def keras_model(name, reader, **given):
    return read_model(KERAS / name, reader=reader, **{"alphabet": list(LETTERS), **given}).bundle


# --- what the originals answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["char_bidirectional", "word"])
def test_textgenrnn_models_answer_as_textgenrnn_did(name, path, reader):
    bundle, tokens = textgenrnn_model(OLD, name, reader)
    check_answers(bundle, expected(OLD / f"{name}_expected.json"), tokens, path)


@pytest.mark.parametrize("path", PATHS)
def test_the_published_weights_answer_and_write_as_textgenrnn_did(corpora, path):
    golden = corpora.parent / "golden" / "textgenrnn" / "default.json"
    vocab = corpora / "textgenrnn" / "textgenrnn_vocab.json"
    if not golden.exists():
        pytest.skip("there is no golden/textgenrnn beside PARROTLET_DATA")
    bundle = import_model(corpora / "textgenrnn" / "textgenrnn_weights.hdf5", vocab=vocab)
    assert bundle.settings.network.context == 40
    check_answers(bundle, expected(golden), json.loads(vocab.read_text(encoding="utf-8")), path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("name", "golden"),
    [("keras2_scalar_2lstm.weights_only.h5", "keras2_scalar_2lstm"), ("lesson_embedding_gru.keras",) * 2],
)
def test_models_of_the_lessons_answer_as_keras_did(name, golden, path, reader):
    alphabet = json.loads((KERAS / "alphabet.json").read_text(encoding="utf-8"))
    found = read_model(KERAS / name, alphabet=KERAS / "alphabet.json", reader=reader)
    cases = expected(KERAS / f"{golden.removesuffix('.keras')}_expected.json")
    check_answers(found.bundle, cases, {token: number for number, token in enumerate(alphabet)}, path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", json.loads((KERAS / "stacks_expected.json").read_text(encoding="utf-8")))
def test_other_stacks_answer_as_keras_did(name, path, reader):
    cases = json.loads((KERAS / "stacks_expected.json").read_text(encoding="utf-8"))[name]
    found = read_model(KERAS / name, alphabet=list(LETTERS), reader=reader)
    check_answers(found.bundle, cases, {token: number for number, token in enumerate(LETTERS)}, path)


@pytest.mark.parametrize("path", PATHS)
def test_everything_in_the_golden_folder_answers(corpora, path, reader):
    folder = corpora.parent / "golden"
    if not folder.exists():
        pytest.skip("there is no golden folder beside PARROTLET_DATA")
    answered = 0
    for weights in sorted((folder / "textgenrnn").glob("*_weights.hdf5")):
        name = weights.name.removesuffix("_weights.hdf5")
        bundle, tokens = textgenrnn_model(folder / "textgenrnn", name, reader)
        check_answers(bundle, expected(weights.with_name(f"{name}_expected.json")), tokens, path)
        answered += 1
    assert answered > 2
    alphabet = json.loads((folder / "keras" / "alphabet.json").read_text(encoding="utf-8"))
    for cases in sorted((folder / "keras").glob("*_expected.json")):
        for model in sorted(cases.parent.glob(cases.name.removesuffix("_expected.json") + ".*")):
            bundle = read_model(model, alphabet=alphabet, reader=reader).bundle
            check_answers(bundle, expected(cases), {token: number for number, token in enumerate(alphabet)}, path)
            answered += 1
    assert answered > 6


# --- imported models live like others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [
    lambda reader: textgenrnn_model(OLD, "char_bidirectional", reader)[0],
    lambda reader: textgenrnn_model(OLD, "word", reader)[0],
    lambda reader: keras_model("lesson_embedding_gru.keras", reader, alphabet=KERAS / "alphabet.json"),
    lambda reader: keras_model("mixed.keras", reader),
    lambda reader: keras_model("hard.h5", reader),
], ids=["characters", "words", "keras", "one-hot", "number"])  # fmt: skip
def test_imported_models_write_score_save_and_load(make, reader, tmp_path):
    bundle = make(reader)
    bundle.save(tmp_path / "model.safetensors")
    before, after = Writer(bundle), parrotlet.load(tmp_path / "model.safetensors")
    assert after.generate(3, "a c", length=40, seed=3) == before.generate(3, "a c", length=40, seed=3)
    assert len(before.write("", length=20, seed=1, stop="zzz")) > 5
    assert "".join(before.stream("abc ", length=30, seed=2)) == before.write("abc ", length=30, seed=2)
    score = before.score("a bad cab\nfaced a big hag")
    assert np.isfinite(score.bits_per_character) and score.bits_per_character < 12
    assert before.card.trained_on.startswith("imported from ")


def test_a_model_that_never_saw_stop_reads_its_prompt_alone(reader):
    bundle = read_model(KERAS / "order.weights.h5", alphabet=list(LETTERS), reader=reader).bundle
    writer = Writer(bundle, "numpy")
    assert not writer.tokenizer.stop_learned and writer.card.form == "text"
    assert bundle.weights["output.bias"][writer.tokenizer.stop] == -1e4
    runtime = writer._runtime
    ids = writer.tokenizer.encode("abc")
    alone = runtime.read(ids[None])[0][0]
    after = np.exp(alone[-1] - alone[-1].max())
    assert dict(writer.next_tokens("abc", 12))["a"] == pytest.approx(after[3] / after.sum(), rel=1e-5)
    # The scorer reads a line end, as an empty prompt does, and then each symbol after the one before it.
    whole = runtime.read(np.concatenate((writer.tokenizer.encode("\n"), ids))[None])[0][0].astype(np.float64)
    nats = [np.log(np.exp(row).sum()) - row[id] for row, id in zip(whole, ids, strict=False)]
    assert writer.score("abc").nats_per_token == pytest.approx(np.mean(nats), rel=1e-5)
    lines = writer.score("abc\nabc", form="lines")
    assert lines.nats_per_token == pytest.approx(np.mean(nats), rel=1e-5)
    assert (lines.tokens, lines.comparable) == (6, False)
    assert writer.next_tokens("") == writer.next_tokens("\n")


def test_the_public_name_and_the_bundle():
    assert parrotlet.import_model is import_model
    bundle, tokens = textgenrnn_model(OLD, "word")
    assert bundle.settings.network.attention and bundle.settings.network.padded and bundle.card.form == "lines"
    assert bundle.tokenizer.level == "textgenrnn-word" == bundle.settings.tokenizer.level
    assert len(bundle.tokenizer) == len(tokens) + 1
    assert load_tokenizer(bundle.tokenizer.to_json()).to_json() == bundle.tokenizer.to_json()


# --- layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "gates", "order"), [("lstm", 4, (0, 1, 2, 3)), ("gru", 3, (1, 0, 2))])
def test_the_cudnn_layout_is_that_of_cudnn(kind, gates, order):
    """CuDNNLSTM hands each gate's kernel to cuDNN as it lies in memory, where it is read as (U, I)."""
    random = np.random.default_rng(1)
    wanted = {  # in torch's order of gates
        "weight_ih_l0": random.normal(size=(gates * 3, 5)).astype(np.float32),
        "weight_hh_l0": random.normal(size=(gates * 3, 3)).astype(np.float32),
        "bias_ih_l0": random.normal(size=gates * 3).astype(np.float32),
        "bias_hh_l0": random.normal(size=gates * 3).astype(np.float32),
    }
    parts = {name: [np.split(array, gates)[place] for place in order] for name, array in wanted.items()}
    kernel = np.concatenate([gate.reshape(5, 3) for gate in parts["weight_ih_l0"]], axis=1)
    recurrent = np.concatenate([gate.reshape(3, 3) for gate in parts["weight_hh_l0"]], axis=1)
    bias = np.concatenate([*parts["bias_ih_l0"], *parts["bias_hh_l0"]])
    layer = LayerSettings(kind=kind, units=3)
    found = layer_arrays(layer, 5, [kernel, recurrent, bias], "a layer")
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in wanted.items()
    }


def copy_of(path, target, change):
    """A copy of an HDF5 file in which ``change`` has changed something."""
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "r+") as file:
        change(file)
    return target


def test_array_names_of_other_writers_do_not_matter(tmp_path, reader):
    """Keras 2.1 wrote rnn_1_3/kernel:0, its attributes as bytes; and lists of names in several pieces."""

    def rename(file):
        for layer in ("rnn_1", "rnn_2"):
            names = list(file[layer].attrs["weight_names"])
            for number, name in enumerate(names):
                file[layer].move(name, f"{layer}_7/array_{number}")
            file[layer].attrs["weight_names"] = [f"{layer}_7/array_{number}".encode() for number in range(len(names))]
        layers = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = layers[:3], layers[3:]

    other = copy_of(OLD / "word_weights.hdf5", tmp_path / "w.hdf5", rename)
    bundle, _ = textgenrnn_model(OLD, "word", reader)
    again = read_model(other, vocab=OLD / "word_vocab.json", config=OLD / "word_config.json", reader=reader).bundle
    assert all((again.weights[name] == array).all() for name, array in bundle.weights.items())


def test_a_whole_model_in_the_older_format_and_config_of_the_first_versions(tmp_path, reader):
    """Keras 2.0 wrote a Sequential's layers as a plain list; its hard gates are not those of Keras 3."""

    def age(file):
        config = json.loads(file.attrs["model_config"])
        layers = [each for each in config["config"]["layers"] if each["class_name"] != "InputLayer"]
        for each in layers:
            each["config"].pop("batch_shape", None)
        layers[0]["config"]["batch_input_shape"] = [None, 6, 1]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        file["model_weights"].attrs["keras_version"] = file.attrs["keras_version"] = "2.1.6"

    old = copy_of(KERAS / "hard.h5", tmp_path / "old.h5", age)
    network = read_model(old, alphabet=list(LETTERS), reader=reader).bundle.settings.network
    assert network.context == 6 and {layer.gate for layer in network.stack} == {"hard-sigmoid-keras2"}
    new = read_model(KERAS / "hard.h5", alphabet=list(LETTERS), reader=reader).bundle.settings.network
    assert {layer.gate for layer in new.stack} == {"hard-sigmoid"}


def test_weights_alone_are_told_what_they_do_not_say(reader):
    found = read_model(KERAS / "order.weights.h5", alphabet=list(LETTERS), reader=reader)
    told = " ".join(found.assumed)
    assert "weights alone" in told and "relu is assumed" in told and "--context N" in told
    assert [layer.kind for layer in found.bundle.settings.network.stack] == ["gru", "lstm", "gru", "rnn", "dense"]
    windowed = read_model(KERAS / "order.weights.h5", alphabet=list(LETTERS), context=6, reader=reader)
    assert windowed.bundle.settings.network.context == 6
    carried = read_model(KERAS / "mixed.keras", alphabet=list(LETTERS), context=0, reader=reader)
    assert carried.bundle.settings.network.context is None
    with zipfile.ZipFile(KERAS / "chain.keras") as archive:
        config = json.loads(archive.read("config.json"))
    with pytest.raises(ParrotletError, match=r"its layer 'x' holds \(4, 4\), \(4,\); its settings ask for \(4, 6\)"):
        read_model(KERAS / "order.weights.h5", alphabet=list(LETTERS), config=config, reader=reader)


# --- vocabularies -----------------------------------------------------------------------------------------------------


def test_a_missing_vocabulary_is_explained(tmp_path, reader):
    shutil.copy(OLD / "word_weights.hdf5", tmp_path / "mine.hdf5")
    with pytest.raises(
        ParrotletError, match=r"needs its vocabulary, --vocab FILE: the NAME_vocab\.json of 601 entries"
    ):
        read_model(tmp_path / "mine.hdf5", reader=reader)
    with pytest.raises(ParrotletError, match=r"needs its vocabulary, vocab=FILE: the NAME_vocab\.json of 601 entries"):
        import_model(tmp_path / "mine.hdf5")


def test_vocabulary_and_configuration_beside_the_weights_are_taken(tmp_path, reader):
    found = read_model(OLD / "word_weights.hdf5", reader=reader)
    assert found.bundle.settings.network.context == 8
    assert [note.split(",")[0] for note in found.assumed] == [
        "its vocabulary is word_vocab.json",
        "its configuration is word_config.json",
    ]
    named = read_model(OLD / "word_weights.hdf5", vocab=OLD / "word_vocab.json", reader=reader)
    assert named.bundle.settings.network.context == 8
    shutil.copy(OLD / "word_weights.hdf5", tmp_path / "word_weights.hdf5")
    shutil.copy(OLD / "word_vocab.json", tmp_path)
    config = json.loads((OLD / "word_config.json").read_text(encoding="utf-8"))
    (tmp_path / "word_config.json").write_text(json.dumps({**config, "rnn_size": 99}), encoding="utf-8")
    other = read_model(tmp_path / "word_weights.hdf5", reader=reader)
    assert other.bundle.settings.network.context == 40
    assert "word_config.json beside it is of another model (rnn_size = 99) and is left out" in other.assumed
    (tmp_path / "word_config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ParrotletError, match=r"word_config\.json: a configuration of textgenrnn is a JSON object"):
        read_model(tmp_path / "word_weights.hdf5", reader=reader)
    shutil.copy(OLD / "char_bidirectional_vocab.json", tmp_path / "word_vocab.json")
    with pytest.raises(ParrotletError, match=r"602 rows need a vocabulary of 601 entries, .*word_vocab\.json has 88"):
        read_model(tmp_path / "word_weights.hdf5", reader=reader)


def test_a_vocabulary_of_another_model_is_explained(reader):
    with pytest.raises(ParrotletError, match=r"602 rows need a vocabulary of 601 entries, .* has 88"):
        read_model(OLD / "word_weights.hdf5", vocab=OLD / "char_bidirectional_vocab.json", reader=reader)


def grown(file, rows=465):
    """The same network with the number of rows that the published one has."""
    for name, axis in (
        ("embedding/embedding/embeddings:0", 0),
        ("output/output/kernel:0", 1),
        ("output/output/bias:0", 0),
    ):
        old = file[name][()]
        shape = list(old.shape)
        shape[axis] = rows
        del file[name]
        file[name] = np.resize(old, shape)


def test_the_published_vocabulary_is_that_of_its_number_of_rows(tmp_path, reader):
    weights = copy_of(OLD / "char_bidirectional_weights.hdf5", tmp_path / "mine_weights.hdf5", grown)
    alone = read_model(weights, reader=reader)
    assert PUBLISHED in " ".join(alone.assumed) and alone.bundle.tokenizer.alphabet[:4] == tuple("It's")
    (tmp_path / "mine_vocab.json").write_text(json.dumps({"a": 1, "b": 2}), encoding="utf-8")
    assert (
        "mine_vocab.json beside it has 2 entries: it is of another model, left out"
        in read_model(weights, reader=reader).assumed
    )
    with pytest.raises(ParrotletError, match=f"465 rows need a vocabulary of 464 entries, .* has 88.*{PUBLISHED}"):
        read_model(weights, vocab=OLD / "char_bidirectional_vocab.json", reader=reader)
    fewer = copy_of(OLD / "char_bidirectional_weights.hdf5", tmp_path / "few.hdf5", lambda file: grown(file, 464))
    with pytest.raises(ParrotletError, match=r"464 rows need a vocabulary of 463 entries, .*has 464.*is textgenrnn's"):
        read_model(fewer, vocab=VOCABULARY, reader=reader)
    with pytest.raises(ParrotletError, match="463 entries that was saved with it"):
        read_model(fewer, reader=reader)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({chr(0x4E00 + number): number + 1 for number in range(464)}))
    assert PUBLISHED in " ".join(read_model(weights, vocab=other, reader=reader).assumed)


def test_two_tokens_of_one_number_and_a_number_of_none(reader):
    """As found in the wild: the last counts, as when Python turns a dict around; nothing else moves."""
    vocab = json.loads((OLD / "word_vocab.json").read_text(encoding="utf-8"))
    token = next(token for token, number in vocab.items() if number == 80)
    vocab.pop("<s>")
    vocab |= {token: 601, "<s>": 601}
    config = {"max_length": 8, "word_level": False, "rnn_size": 99, "temperature": 0.5}
    found = read_model(OLD / "word_weights.hdf5", vocab=vocab, config=config, reader=reader)
    told = " ".join(found.assumed)
    assert f"{token!r} and '<s>' both have the number 601" in told
    assert "no token is known for 1 class (80)" in told
    assert "word_level = false" in told and "rnn_size = 99, the weights 32" in told
    straight, _ = textgenrnn_model(OLD, "word", reader)
    before, after = Writer(straight, "numpy"), Writer(found.bundle, "numpy")
    ours, theirs = (dict(writer.next_tokens("how to", 602)) for writer in (after, before))
    assert {each: ours[each] for each in ours if each in theirs} == {
        each: theirs[each] for each in ours if each in theirs
    }
    assert after.unknown(token) == [token]


def test_a_model_of_one_long_text_has_no_stop(tmp_path, reader):
    vocab = json.loads((OLD / "char_bidirectional_vocab.json").read_text(encoding="utf-8"))
    vocab["\n"] = vocab.pop("<s>")
    bundle = read_model(
        OLD / "char_bidirectional_weights.hdf5", vocab=vocab, config={"max_length": 20}, reader=reader
    ).bundle
    assert bundle.card.form == "text" and not bundle.tokenizer.stop_learned
    assert len(bundle.tokenizer) == 90  # <s> beside the 89 classes
    writer = Writer(bundle, "numpy")
    # The state holds the prompt alone; an empty one begins from class 0, as textgenrnn does.
    assert writer._begin("ab").state.hidden[0, -3:].tolist() == [90, *writer.tokenizer.encode("ab")]
    assert writer._begin("").state.hidden[0, -2:].tolist() == [90, 1]


@pytest.mark.parametrize(
    ("content", "name", "shown"),
    [
        (json.dumps(list(LETTERS)), "list.json", LETTERS),
        (json.dumps({letter: number for number, letter in enumerate(LETTERS)}), "numbers.json", LETTERS),
        (json.dumps({str(number): letter for number, letter in enumerate(LETTERS)}), "letters.json", LETTERS),
        ("\ufeff" + json.dumps(list(LETTERS)), "mark.json", LETTERS),
        ("abcdefghijkl", "plain.txt", "abcdefghijkl"),
        ("abcdefghijkl\n", "line.txt", "abcdefghijkl"),
        ("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n", "lines.txt", "abcdefghijkl"),
    ],
)
def test_alphabets_of_every_form(content, name, shown, tmp_path, reader):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    tokenizer = read_model(KERAS / "each_step.h5", alphabet=path, reader=reader).bundle.tokenizer
    assert [tokenizer.token(id) for id in range(len(tokenizer))] == ["<s>", *shown]
    assert tokenizer.normalise("AB") == "ab"


def test_the_alphabet_of_a_text_is_chosen_by_its_size(tmp_path, reader):
    def tokenizer_of(data):
        (tmp_path / "book.txt").write_bytes(data)
        return read_model(KERAS / "each_step.h5", text=tmp_path / "book.txt", reader=reader).bundle.tokenizer

    assert tokenizer_of(b"Jig hedge bad face\r\n").alphabet == tuple(sorted("Jig hedbafc\n"))
    lowered = tokenizer_of(b"JIG hedge Bad Face jigbf\n")
    assert lowered.alphabet == tuple(sorted("jig hedbafc\n")) and lowered.normalise("A") == "a"
    assert "\r" in tokenizer_of(b"ig hedge bad face\r\n").alphabet
    assert "\ufeff" in tokenizer_of("\ufeffig hedge bad face\n".encode()).alphabet
    eleven = tokenizer_of(b"ig hedge bad fac\n")
    assert (len(eleven), eleven.unknown_id) == (13, 1)  # class 0 is padding and what is unknown
    with pytest.raises(ParrotletError, match=r"12 classes, but .* has 4 different symbols, 3 with line ends made blan"):
        tokenizer_of(b"a ab\n")
    with pytest.raises(ParrotletError, match=r"has 1 different symbol: it is another text"):
        tokenizer_of(b"aa")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("text", "lowered"), [(b"kig hedge%bad face", False), (b"KIG hedge%Bad Face", True)])
def test_a_text_whose_line_ends_became_blanks(text, lowered, end, tmp_path, reader):
    """keras.io's lesson: ``text.lower().replace("\\n", " ")``."""
    (tmp_path / "book.txt").write_bytes(text.replace(b"%", end) + b" j")
    found = read_model(KERAS / "each_step.h5", text=tmp_path / "book.txt", reader=reader)
    tokenizer = found.bundle.tokenizer
    assert tokenizer.alphabet == tuple(sorted("kig hedbafcj"))
    assert "line ends made blanks" in found.assumed[0]
    assert "a line end in a prompt is read as a blank" in found.assumed[1]
    assert tokenizer.encode("bad\r\nface").tolist() == tokenizer.encode("bad face").tolist()
    assert tokenizer.decode(tokenizer.encode("bad\nface")) == tokenizer.normalise("bad\nface") == "bad face"
    assert tokenizer.unknown("bad\nface") == [] and tokenizer.normalise("A\nB") == ("a b" if lowered else "A B")
    found.bundle.save(tmp_path / "model.safetensors")
    again = parrotlet.load(tmp_path / "model.safetensors")
    assert again.tokenizer.to_json() == tokenizer.to_json() and again.tokenizer.normalise("\n") == " "
    assert again.write("bad\nface", length=9, seed=1).startswith("bad\nface")
    with pytest.raises(ParrotletError, match="blank_ends"):
        load_tokenizer({**tokenizer.to_json(), "normalisation": {"form": "none", "lowercase": True, "blank_ends": 3}})


def test_word_indices_of_keras(reader):
    index = {word: number for number, word in enumerate(WORDS, 1)}
    for given in (index, index | {"never": 12, "seen": 13}, {"class_name": "Tokenizer", "config": {
        "word_index": json.dumps(index), "lower": True, "filters": "!"}}):  # fmt: skip
        bundle = read_model(KERAS / "each_step.h5", alphabet=given, reader=reader).bundle
        tokenizer = bundle.tokenizer
        assert (tokenizer.level, tokenizer.punctuation, tokenizer.unknown_id) == ("textgenrnn-word", "delete", 1)
        assert tokenizer.decode(tokenizer.encode("The cat, the DOG!")) == "the cat the dog"
        assert bundle.settings.network.padded  # with class 0, whose row it has
        assert (bundle.weights["embedding.weight"][-1] == bundle.weights["embedding.weight"][1]).all()
    layer = ["", "[UNK]", "the", ".", ",", "cat", "sat", "on", "mat", "and", "dog", "ran"]
    bundle = read_model(KERAS / "each_step.h5", alphabet=layer, reader=reader).bundle
    assert bundle.tokenizer.encode("the cat, zorp.").tolist() == [2, 5, 4, 1, 3]
    assert (bundle.tokenizer.stop, bundle.card.form, len(bundle.tokenizer)) == (0, "lines", 12)
    with pytest.raises(ParrotletError, match="12 classes, but the alphabet names 464 symbols: it belongs to another"):
        read_model(KERAS / "each_step.h5", vocab=VOCABULARY, reader=reader)
    attached = read_model(
        KERAS / "each_step.h5", alphabet=[f"Word{number}," for number in range(12)], reader=reader
    ).bundle
    assert attached.tokenizer.encode("Word3, Word5,").tolist() == [5, 7]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "12 classes but does not say which symbols .* --text .* --alphabet"),
        ({"alphabet": list("abc")}, "12 classes, but the alphabet names 3 symbols"),
        ({"alphabet": dict.fromkeys(LETTERS, 3)}, "12 classes, but the alphabet names 12 symbols"),
        ({"alphabet": ["a"] * 12}, "lists a symbol twice"),
        ({"alphabet": list(range(12))}, "a list of symbols or the number of each"),
        ({"alphabet": {"a": -1}}, "does not give each symbol a number"),
        ({"alphabet": "no/such.json"}, "there is no file no/such.json"),
        ({"text": "x", "alphabet": ["a"]}, "--text or --alphabet, not both"),
        ({"alphabet": list("a")}, "the alphabet names 1 symbol:"),
        ({"alphabet": list(LETTERS), "config": {"class_name": "Lambda"}}, "class 'Lambda'"),
        (
            {"alphabet": list(LETTERS), "config": KERAS / "alphabet.json"},
            r"alphabet\.json: its configuration describes",
        ),
        ({"alphabet": list(LETTERS), "config": {"class_name": "Sequential", "config": 3}}, "lists no layers"),
        ({"alphabet": list(LETTERS), "context": 9999}, "network.context = 9999"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(given, line, reader):
    with pytest.raises(ParrotletError, match=line) as refusal:
        read_model(KERAS / "each_step.h5", reader=reader, **given)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"text": "book.txt"}, "leave --text out"),
        ({"context": 0}, "carries no state: --context must be 1 or more"),
        ({"alphabet": list("abc")}, "--vocab and --alphabet both name the symbols"),
    ],
)
def test_what_textgenrnn_has_no_use_for_is_refused(given, line, reader):
    with pytest.raises(UsageError, match=line):
        read_model(OLD / "word_weights.hdf5", vocab=OLD / "word_vocab.json", reader=reader, **given)


# --- subclassed models ------------------------------------------------------------------------------------------------


def subclassed(path, arrays):
    """A file as Keras 3 writes it for a class of one's own: a group for each attribute that is a layer."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            for number, array in enumerate(values):
                file[f"{name}/vars/{number}"] = array
        file.create_group("vars")
    return path


def shapes(**sizes):
    random = np.random.default_rng(1)
    return {
        name.replace("__", "/"): [random.normal(size=shape).astype(np.float32) for shape in each]
        for name, each in sizes.items()
    }


def gru(inputs, units):
    return [(inputs, 3 * units), (units, 3 * units), (2, 3 * units)]


def keras_archive(path, weights, config):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.9.0"}))
        archive.write(weights, "model.weights.h5")
    return path


def test_a_subclassed_model_is_read_where_its_shapes_are_unmistakable(tmp_path, reader):
    straight = read_model(KERAS / "lesson_embedding_gru.keras", alphabet=KERAS / "alphabet.json", reader=reader).bundle
    with zipfile.ZipFile(KERAS / "lesson_embedding_gru.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        places = {"zzz": "embedding/vars", "my_gru/cell": "gru/cell/vars", "a": "dense/vars"}
        arrays = {name: [array[()] for array in file[f"layers/{place}"].values()] for name, place in places.items()}
    weights = subclassed(tmp_path / "mine.weights.h5", arrays)
    config = {"class_name": "Mine", "config": {"trainable": True}, "registered_name": "Mine"}
    for path in (weights, keras_archive(tmp_path / "mine.keras", weights, config)):
        found = read_model(path, alphabet=KERAS / "alphabet.json", reader=reader)
        assert "a subclassed model: its file does not list its layers" in found.assumed[0]
        assert found.kind.startswith("a subclassed Keras 3")
        assert all((found.bundle.weights[name] == array).all() for name, array in straight.weights.items())


def test_two_recurrent_attributes_of_one_name_stand_in_the_order_of_their_numbers(tmp_path, reader):
    arrays = shapes(out=[(6, 12), (12,)], gru2__cell=gru(6, 6), gru1__cell=gru(6, 6), emb=[(12, 6)])
    path = subclassed(tmp_path / "two.weights.h5", arrays)
    bundle = read_model(path, alphabet=list(LETTERS), reader=reader).bundle
    update, reset, new = np.split(arrays["gru1/cell"][1], 3, axis=1)
    assert (bundle.weights["layers.0.weight_hh_l0"] == np.concatenate((reset, update, new), axis=1).T).all()


@pytest.mark.parametrize(
    ("sizes", "line"),
    [
        ({"a__cell": gru(6, 6), "b__cell": gru(6, 6)}, "can stand in more than one order"),
        ({"g__cell": gru(6, 6), "hidden": [(6, 6), (6,)]}, "are not an Embedding, then LSTM, GRU"),
        ({"g__cell": gru(5, 6)}, "are not an Embedding, then LSTM, GRU"),
        ({"g": [(6, 6, 6)]}, "belong to no layer that is known here"),
    ],
)
def test_a_subclassed_model_that_could_be_another_is_refused(sizes, line, tmp_path, reader):
    arrays = shapes(out=[(6, 12), (12,)], emb=[(12, 6)], **sizes)
    with pytest.raises(ParrotletError, match=line):
        read_model(subclassed(tmp_path / "m.weights.h5", arrays), alphabet=list(LETTERS), reader=reader)


# --- layers that cannot be taken over ---------------------------------------------------------------------------------


def recurrent(kind="LSTM", units=4, **options):
    return {"class_name": kind, "config": {"name": "mine", "units": units, **options}}


ENTRY = {"class_name": "InputLayer", "config": {"batch_shape": [None, 6, 12]}}
LAST = {"class_name": "Dense", "config": {"units": 12, "activation": "softmax", "name": "last"}}


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ([recurrent("ConvLSTM1D"), LAST], "'mine' is of the class 'ConvLSTM1D'"),
        ([{"class_name": "Lambda", "config": {"name": "mine", "function": "os.system"}}, LAST], "class 'Lambda'"),
        ([recurrent(go_backwards=True), LAST], "'mine' has go_backwards = True"),
        ([recurrent(activation="gelu"), LAST], "'mine' has the activation 'gelu'; known are tanh"),
        ([recurrent(recurrent_activation="tanh"), LAST], "mine.gate = 'tanh' is not known"),
        ([recurrent(units=10**9), LAST], "mine.units = 1000000000 is not allowed"),
        ([recurrent(), {"class_name": "Dense", "config": {"units": 12, "activation": "elu"}}], "ends with 'elu'"),
        ([recurrent(), recurrent(), LAST], "gives only its last step"),
        ([LAST, recurrent(), LAST], "a Dense layer before a recurrent one"),
        ([LAST], "no LSTM, GRU or SimpleRNN"),
        ([recurrent()], "does not end with a Dense layer"),
        ([{"class_name": "Bidirectional", "config": {"layer": recurrent(), "merge_mode": "ave"}}, LAST], "'ave'; only"),
        ([{"class_name": "Bidirectional", "config": {"layer": LAST}}, LAST], "a Bidirectional 'Dense'"),
        ([{"class_name": "TimeDistributed", "config": {"layer": recurrent()}}, LAST], "applies a 'LSTM' to each step"),
        ([recurrent(), {"class_name": "Activation", "config": {"activation": "relu"}}, LAST], "puts 'relu' after"),
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, 6, 2, 3]}}, recurrent(), LAST], "the shape"),
        (["no layer"], "lists no layers"),
        ([recurrent(return_sequences=3), LAST], "return_sequences = '3', not true or false"),
    ],
)  # fmt: skip
def test_layers_that_cannot_be_taken_over_are_named(layers, line, reader):
    config = {"class_name": "Sequential", "config": {"layers": [ENTRY, *layers]}}
    with pytest.raises(ParrotletError, match=line):
        read_model(KERAS / "mixed.keras", alphabet=list(LETTERS), config=config, reader=reader)


def test_a_mask_is_taken_over_only_where_it_does_not_matter(tmp_path, reader):
    def masked(file, layer=None, **options):
        config = json.loads(file.attrs["model_config"])
        layers = config["config"]["layers"]
        if layer:
            layers.insert(1, {"class_name": layer, "config": {"name": "mask", **options}})
        else:
            layers[1]["config"].update(options)
        file.attrs["model_config"] = json.dumps(config)

    letters = {letter: number for number, letter in enumerate("abcdefghijk", 1)}
    zero = copy_of(KERAS / "each_step.h5", tmp_path / "zero.h5", lambda file: masked(file, mask_zero=True))
    with pytest.raises(ParrotletError, match=r"class 0 \(mask_zero\), which stands for '.n'"):
        read_model(zero, alphabet=list(LETTERS), reader=reader)
    bundle = read_model(zero, alphabet=letters, reader=reader).bundle
    assert not bundle.settings.network.padded and bundle.tokenizer.encode("a?b").tolist() == [1, 2]
    number = copy_of(KERAS / "hard.h5", tmp_path / "n.h5", lambda file: masked(file, "Masking", mask_value=0.25))
    with pytest.raises(ParrotletError, match="passes over a symbol, number 3"):
        read_model(number, alphabet=list(LETTERS), reader=reader)
    harmless = copy_of(KERAS / "hard.h5", tmp_path / "h.h5", lambda file: masked(file, "Masking", mask_value=-1))
    read_model(harmless, alphabet=list(LETTERS), reader=reader)


def without_names(entries, renamed):
    """A .keras file as Keras until 3.5 wrote it, which kept no layer's name; ``renamed``: layers in its config."""
    entries = dict(entries)
    with h5py.File(io.BytesIO(entries["model.weights.h5"]), "r+") as file:
        file.visititems(lambda _, item: item.attrs.clear())
        file.flush()
        entries["model.weights.h5"] = file.id.get_file_image()
    config = json.loads(entries["config.json"])
    for layer in config["config"]["layers"]:
        layer["config"]["name"] = renamed.get(layer["config"]["name"], layer["config"]["name"])
    entries["config.json"] = json.dumps(config)
    return entries.items()


def test_a_layers_number_in_the_session_is_not_its_groups_number_in_the_file(tmp_path, reader):
    """Of two Dense layers built after another one, dense_1 and dense_2, the first is the file's group dense."""
    wanted = read_model(KERAS / "mixed.keras", alphabet=list(LETTERS), reader=reader).bundle.weights
    later = archive_with(tmp_path, lambda entries: without_names(entries, {"dense": "dense_1", "dense_1": "dense_2"}))
    found = read_model(later, alphabet=list(LETTERS), reader=reader).bundle.weights
    assert all((found[name] == array).all() for name, array in wanted.items())


def test_a_layer_that_is_used_twice_is_refused(tmp_path, reader):
    twice = archive_with(tmp_path, lambda entries: without_names(entries, {"dense": "dense_1"}))
    with pytest.raises(ParrotletError, match="its layer 'dense_1' is used more than once"):
        read_model(twice, alphabet=list(LETTERS), reader=reader)


def test_more_classes_than_there_are_symbols_for(reader):
    with pytest.raises(ParrotletError, match="tells 140,000 classes apart"):
        build_vocabulary(Meaning({0: "a"}), 140_000)


# --- hostile files ----------------------------------------------------------------------------------------------------


def test_mutated_files_never_reach_the_parent():
    """``python -m bench hostile`` does the same with ten thousand."""
    from bench import hostile

    outcome = {}
    hostile.attack(300, 2, outcome, hostile.sources())
    assert not [line for each in outcome.values() for line in each.wrong]
    assert set(outcome) == set(hostile.MUTATIONS)
    assert sum(each.counts["refused"] for each in outcome.values()) > 100
    assert sum(each.counts["taken over"] for each in outcome.values()) > 10


@pytest.mark.parametrize("way", ["rows", "packed", "outside", "virtual", "link", "loop", "types"])
def test_what_no_model_has_is_refused(way, tmp_path, reader):
    import random

    from bench.crafted import HOSTILE

    name = "rnn_1/rnn_1/lstm_cell/kernel:0"
    for seed in range(6):
        draw = random.Random(seed)
        path = tmp_path / f"{seed}.hdf5"
        copy_of(OLD / "word_weights.hdf5", path, lambda file, draw=draw: HOSTILE[way](file, name, draw))
        try:
            read_model(path, vocab=OLD / "word_vocab.json", reader=reader)
        except ParrotletError as refusal:
            assert str(refusal).startswith(f"{path}: ")
        else:
            assert way in ("packed", "types")  # deflated, or floats of another size


def archive_with(tmp_path, change):
    """A copy of a .keras file with its entries changed: a list of (name or ZipInfo, content)."""
    with zipfile.ZipFile(KERAS / "mixed.keras") as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(entries):
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda entries: [*entries, ("../evil.txt", b"x")], "unsafe name '../evil.txt'"),
        (lambda entries: [*entries, ("/etc/evil", b"x")], "unsafe name '/etc/evil'"),
        (lambda entries: [*entries, ("a\\..\\..\\evil", b"x")], "unsafe name"),
        (lambda entries: [*entries, entries[0]], "two entries of one name"),
        (lambda entries: entries[:1], "has no .*, so Keras did not write it"),
        (lambda entries: {**dict(entries), "config.json": bytes(5 << 20)}.items(), "promises"),
        (lambda entries: {**dict(entries), "config.json": b"[" * 90_000}.items(), "deeply|JSON"),
        (lambda entries: {**dict(entries), "model.weights.h5": b"not HDF5"}.items(), "damaged"),
        (lambda entries: [(f"{number}.txt", b"") for number in range(5000)], "5000 entries"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_keras_does_not_write_are_refused(change, line, tmp_path, reader):
    with pytest.raises(ParrotletError, match=line):
        read_model(archive_with(tmp_path, change), alphabet=list(LETTERS), reader=reader)


def test_a_deflated_archive_is_read_and_a_packed_one_is_not(tmp_path, reader):
    def packed(how):
        def change(entries):
            for name, content in entries:
                info = zipfile.ZipInfo(name)
                info.compress_type = how
                yield info, content

        return change

    found = read_model(archive_with(tmp_path, packed(zipfile.ZIP_DEFLATED)), alphabet=list(LETTERS), reader=reader)
    assert found.kind.startswith("a model of Keras 3")
    with pytest.raises(ParrotletError, match="packed or encrypted in a way"):
        read_model(archive_with(tmp_path, packed(zipfile.ZIP_BZIP2)), alphabet=list(LETTERS), reader=reader)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.h5", b"", "neither an HDF5 nor a .keras file"),
        ("a.h5", b"\x80\x04pickle", "neither an HDF5 nor a .keras file"),
        ("a.keras", b"PK\x03\x04", "damaged"),
        ("a.hdf5", b"\x89HDF\r\n\x1a\n" + bytes(500), "damaged"),
    ],
)
def test_other_files_are_refused(name, content, line, tmp_path, reader):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParrotletError, match=line):
        read_model(tmp_path / name, reader=reader)
    with pytest.raises(ParrotletError, match="there is no file"):
        read_model(tmp_path / "other.h5", reader=reader)
    with pytest.raises(ParrotletError, match="is a folder"):
        read_model(tmp_path, reader=reader)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ParrotletError, match="SavedModel folder"):
        read_model(tmp_path, reader=reader)


def test_a_model_of_parrotlets_own_is_told_to_be_one(tmp_path, reader):
    path = tmp_path / "mine.safetensors"
    keras_model("hard.h5", reader).save(path)
    with pytest.raises(ParrotletError, match=r"mine\.safetensors is already a model of parrotlet's"):
        read_model(path, reader=reader)
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "torch.safetensors")
    with pytest.raises(ParrotletError, match=r"torch\.safetensors is a safetensors file of something else"):
        read_model(tmp_path / "torch.safetensors", reader=reader)


def test_an_hdf5_file_of_something_else(tmp_path, reader):
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["numbers"] = np.zeros(3, np.float32)
    with pytest.raises(ParrotletError, match="neither Keras nor textgenrnn wrote it"):
        read_model(tmp_path / "table.h5", reader=reader)


# --- the process that reads -------------------------------------------------------------------------------------------


class Answers:
    """In place of the child: a program that answers as it likes."""

    def __init__(self, monkeypatch, program):
        self.started = 0
        popen = subprocess.Popen

        def start(command, **options):
            self.started += 1
            return popen([sys.executable, "-c", program], **options)

        monkeypatch.setattr("parrotlet.importers.reader.subprocess.Popen", start)


def saying(text, length=None):
    """A program that reads a question and answers with a header."""
    data = (length or len(text)).to_bytes(8, "little") + text.encode()
    return f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({data!r})"


@pytest.mark.parametrize(
    "program",
    [
        "",
        "import os; os.abort()",
        "import sys; sys.stdin.readline(); sys.stdout.write('x' * 100)",
        saying("[]"),
        saying('{"a":', 9),
        saying('{"attributes": {}, "arrays": [["a", [9999999999999]]]}'),
        saying('{"attributes": {"": {"a": 1}}, "arrays": []}'),
        saying('{"attributes": {}, "arrays": [["a", [9]]]}'),
    ],
    ids=["silent", "crash", "garbage", "list", "cut", "promise", "numbers", "short"],
)  # fmt: skip
def test_a_child_that_fails_is_one_line_and_is_started_anew(program, monkeypatch):
    answers = Answers(monkeypatch, program)
    with Reader() as reader:
        for _ in range(2):
            with pytest.raises(ParrotletError, match="damaged: it ended the process that read it"):
                reader.read(KERAS / "hard.h5")
    assert answers.started == 2


def test_a_child_that_hangs_is_ended(monkeypatch):
    Answers(monkeypatch, "import time; time.sleep(60)")
    with Reader(seconds=0.2) as reader, pytest.raises(ParrotletError, match=r"took more than 0\.2 seconds"):
        reader.read(KERAS / "hard.h5")


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no limit of memory")
def test_the_child_cannot_take_all_memory():
    code = (
        "from parrotlet.importers import child; child.limit_resources()\n"
        "try: bytearray(child.MEMORY + 1)\n"
        "except MemoryError: print('no')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ("no\n" if sys.platform == "linux" else done.stdout)


def test_the_child_answers_refusals_and_goes_on(capfdbinary, monkeypatch):
    lines = [json.dumps({"path": str(path)}) for path in (KERAS / "nothing.h5", KERAS / "hard.h5")]
    done = subprocess.run(
        [sys.executable, "-m", child.__name__], input="\n".join(lines).encode(), capture_output=True, check=True
    )
    length = int.from_bytes(done.stdout[:8], "little")
    assert "FileNotFoundError" in json.loads(done.stdout[8 : 8 + length])["refused"]
    rest = io.BytesIO(done.stdout[8 + length :])
    header = json.loads(rest.read(int.from_bytes(rest.read(8), "little")))
    assert len(rest.read()) == 4 * sum(np.prod(shape, dtype=int) for _, shape in header["arrays"])


def test_this_process_never_loads_hdf5_nor_runs_what_lies_in_the_folder(tmp_path):
    (tmp_path / "h5py.py").write_text("raise SystemExit('run')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('run')")
    code = (
        "import os, sys, parrotlet\n"
        f"bundle = parrotlet.import_model({str(KERAS / 'mixed.keras')!r}, alphabet=list({LETTERS!r}))\n"
        "assert 'h5py' not in sys.modules and 'torch' not in sys.modules\n"
        "print(len(bundle.tokenizer))"
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # of this process; the child looks after itself
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout == "13\n", done.stderr


def test_without_h5py_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ParrotletError, match=r"pip install 'parrotlet\[keras\]'$"):
        import_model(KERAS / "hard.h5", alphabet=list(LETTERS))


def test_an_h5py_that_cannot_be_loaded_is_told_the_same(tmp_path, monkeypatch):
    (tmp_path / "h5py.py").write_text("raise ImportError('its libraries ' * 99)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ParrotletError, match=r"h5py cannot be loaded .* pip install 'parrotlet\[keras\]'$"):
        import_model(KERAS / "hard.h5", alphabet=list(LETTERS))


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_what_it_found(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["import", str(OLD / "word_weights.hdf5"), "--vocab", str(OLD / "word_vocab.json")]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().out
    assert "weights of textgenrnn" in told and "LSTM 32, LSTM 32" in told and "602 classes of words" in told
    assert "its configuration is word_config.json, which lies beside it" in told and "in place of" not in told
    assert "the last 8 symbols, anew for each" in told and "tf_keras 2." in told
    bundle = parrotlet.load("word_weights.safetensors")
    assert bundle.settings.network.context == 8
    assert bundle.card.notes[0].startswith("imported from word_weights.hdf5, weights of textgenrnn (tf_keras 2.")
    assert cli.main(["inspect", "word_weights.safetensors"]) == 0
    assert "imported from word_weights.hdf5, weights of textgenrnn (" in capsys.readouterr().out
    assert cli.main([*arguments, "--config", str(OLD / "word_config.json"), "-o", "w.safetensors", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["path"], facts["context"], facts["tokens"], facts["assumed"]) == ("w.safetensors", 8, 602, [])
    there = Path("word_weights.safetensors").read_bytes()
    assert cli.main(arguments) == 2  # a model may have been trained to that name
    assert "give -o word_weights.safetensors to write it anew, or another name" in capsys.readouterr().err
    assert Path("word_weights.safetensors").read_bytes() == there
    assert cli.main([*arguments, "-o", "word_weights.safetensors"]) == 0
    assert "word_weights.safetensors, in place of the one that was there, " in capsys.readouterr().out
    assert cli.main(["import", str(KERAS / "hard.h5")]) == 1
    assert "--alphabet FILE" in capsys.readouterr().err
    (tmp_path / "abc.json").write_text(json.dumps(list(LETTERS)))
    given = ["--alphabet", "abc.json", "--context", "0", "--no-lowercase", "-o", "hard.safetensors"]
    assert cli.main(["import", str(KERAS / "hard.h5"), *given]) == 0
    assert "carrying its state" in capsys.readouterr().out
    assert cli.main(["generate", "hard.safetensors", "--prompt", "abc", "--length", "9", "--seed", "1"]) == 0


def test_checkpoints_are_imported_under_names_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("abc.json").write_text(json.dumps(list(LETTERS)))
    for name in ("weights.05-1.94.h5", "weights.10-1.52.h5"):
        shutil.copy(KERAS / "hard.h5", name)
        assert cli.main(["import", name, "--alphabet", "abc.json"]) == 0
    assert {each.name for each in tmp_path.glob("*.safetensors")} == {
        "weights.05-1.94.safetensors", "weights.10-1.52.safetensors",
    }  # fmt: skip


def test_the_old_file_is_never_written_over(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(KERAS / "hard.h5", "hard.h5")
    shutil.copy(KERAS / "hard.h5", "odd.safetensors")
    Path("abc.json").write_text(json.dumps(list(LETTERS)))
    for old, new, line in (
        ("hard.h5", "hard.h5", "output = 'hard.h5' must end in .safetensors: try 'hard.safetensors'"),
        ("hard.h5", "model", "must end in .safetensors: try 'model.safetensors'"),
        ("odd.safetensors", "odd.safetensors", "output = 'odd.safetensors' is the old file itself"),
    ):
        assert cli.main(["import", old, "--alphabet", "abc.json", "-o", new]) == 2
        assert line in capsys.readouterr().err
        assert Path(old).read_bytes() == (KERAS / "hard.h5").read_bytes()
    assert cli.main(["generate", "hard.h5"]) == 1
    assert "parrotlet import hard.h5" in capsys.readouterr().err


def test_a_missing_file_is_told_with_a_few_of_the_others(tmp_path, reader):
    for number in range(9):
        (tmp_path / f"verses{number}.safetensors").touch()
    (tmp_path / "book.h5").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ParrotletError) as refusal:
        read_model(tmp_path / "x.h5", reader=reader)
    assert str(refusal.value).endswith("x.h5; there are 'book.h5', " + ", ".join(
        f"'verses{number}.safetensors'" for number in range(4)) + " …")  # fmt: skip
    with pytest.raises(ParrotletError, match=r"bok\.h5; did you mean 'book\.h5'\?$") as refusal:
        read_model(tmp_path / "bok.h5", reader=reader)
    assert refusal.value.__cause__ is None and refusal.value.__suppress_context__
    with pytest.raises(ParrotletError, match=r"there is no file .*q\.json$"):
        read_model(KERAS / "hard.h5", alphabet=tmp_path / "q.json", reader=reader)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.21.0", "tf_keras 2.21.0"),
        ("2.15.0", "Keras 2.15.0"),
        ("2.2.4-tf", "Keras 2.2.4-tf"),
        ("3.9.0", "Keras 3.9.0"),
    ],
)
def test_a_version_is_told_with_the_program_it_is_of(version, words):
    assert in_words(version) == words


def test_wrong_calls_of_the_function():
    with pytest.raises(UsageError, match="not both"):
        import_model(KERAS / "hard.h5", text="a", alphabet="b")
    with pytest.raises(TypeError):
        import_model(KERAS / "hard.h5", vocabulary="a")


# --- learning on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "lines"])
@pytest.mark.parametrize(
    "make",
    [
        lambda reader: keras_model("mixed.keras", reader),
        lambda reader: keras_model("hard.h5", reader),
        lambda reader: keras_model("each_step.h5", reader, alphabet={word: at for at, word in enumerate(WORDS, 1)}),
        lambda reader: textgenrnn_model(OLD, "char_bidirectional", reader)[0],
        lambda reader: textgenrnn_model(OLD, "word", reader)[0],
    ],
    ids=["one-hot", "number", "keras words", "characters", "words"],
)
def test_an_imported_model_learns_on(make, form, reader, tmp_path):
    """New symbols and <s>, which some old models never had, begin with a chance."""
    pytest.importorskip("torch")
    bundle = make(reader)
    bundle.save(tmp_path / "old.safetensors")
    (tmp_path / "more.txt").write_text("the bad cab ÄÖ ran home\na mat and a dog\n" * 30, encoding="utf-8")
    call = {"form": form, "steps": 4, "batch": 4, "window": 8, "evaluations": 1, "show": "nothing"}
    writer = parrotlet.train(tmp_path / "more.txt", start_from=tmp_path / "old.safetensors", **call)
    assert writer.tokenizer.stop_learned and writer.unknown("ÄÖ") == []
    assert writer.bundle.weights["output.bias"].min() > -100
    assert writer.score("the bad cab ÄÖ ran home", form=form).nats_per_token < 12
    assert [writer.tokenizer.token(id) for id in range(len(bundle.tokenizer))] == [
        bundle.tokenizer.token(id) for id in range(len(bundle.tokenizer))
    ]

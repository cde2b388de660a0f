"""The command line from end to end, in this process where that is enough: what is said, where, and the exit status."""

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer

import parrotlet.pretrained
from parrotlet import __version__, cli
from parrotlet.settings import SECTIONS

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "an", "old", "dog", "near", "some", "green", "hills"]
TINY = ["--steps", "20", "--hidden", "16"]
for _setting in ("batch=4", "window=16", "evaluations=1", "precision='float32'"):
    TINY += ["--set", f"training.{_setting}"]


def sentences(lines, seed=1):
    draw = random.Random(seed)
    return "".join(" ".join(draw.choice(WORDS) for _ in range(8)) + ".\n" for _ in range(lines))


class Result(SimpleNamespace):
    """What one call said and how it ended."""

    @property
    def error(self):
        """The one line on stderr."""
        assert self.err.startswith("parrotlet: ") and self.err.count("\n") == 1, self.err
        return self.err.strip()


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("parrotlet.STARTED", __import__("time").perf_counter())

    def run(*arguments):
        capfd.readouterr()
        status = cli.main([str(each) for each in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Result(status=status, out=out, err=err)

    return run


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model of a long text and one of lines, each of 20 steps, and their text."""
    folder = tmp_path_factory.mktemp("models")
    source = folder / "book.txt"
    source.write_text(sentences(100), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        for form in ("text", "lines"):
            target = folder / f"{form}.safetensors"
            assert cli.main(["train", str(source), "-o", str(target), "--form", form, *TINY]) == 0
    return SimpleNamespace(text=folder / "text.safetensors", lines=folder / "lines.safetensors", source=source)


# What is said before any command


def test_help_names_every_command(call):
    result = call("--help")
    assert result.status == 0 and not result.err
    assert all(f"\n  {name} " in result.out for name in cli.COMMANDS)
    assert call().out == result.out
    assert call("--version").out == f"parrotlet {__version__}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_and_json(call, name):
    assert call(name, "--help").status == 0
    command = cli.LazyGroup(name="parrotlet").get_command(None, name)
    for each in getattr(command, "commands", {name: command}).values():
        assert each.help and any("--json" in parameter.opts for parameter in each.params)
        assert all(parameter.help for parameter in each.params if parameter.name != "help")


def test_flags_of_settings_speak_the_words_of_the_schema():
    from parrotlet.cli import train

    words = {field.description for section in SECTIONS.values() for field in section.model_fields.values()}
    helps = {parameter.name: parameter.help for parameter in typer.main.get_command(train.app).params}
    assert {name for name in helps if helps[name] in words} == train.FLAGS


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from parrotlet.cli import main; main(['--help'])\n"
        "print([name for name in ('torch', 'numpy', 'pydantic', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'?"),
        (["plot", "los", "x"], "unknown command 'los': did you mean 'loss'?"),
        (["train", "--minuets", "3"], "unknown option --minuets: did you mean '--minutes'?"),
        (["next", "x", "--jsn"], "unknown option --jsn: did you mean '--json'?"),
        (["train", "x", "--minutes", "two"], "'--minutes'"),
        (["score", "x"], "'FILE' (see parrotlet score --help)"),
        (["plot"], "Missing command"),
        (["next", "a", "b"], "unexpected extra argument"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_nearest_flag(call, arguments, line):
    result = call(*arguments)
    assert result.status == 2 and line in result.error and not result.out


# train


def test_train_says_where_the_model_goes_and_what_to_type_next(call, models):
    result = call("train", models.source, *TINY)
    assert result.status == 0 and not result.err
    assert "the model goes to book.safetensors\n" in result.out
    assert "validation" in result.out and "\n  0.2  " in result.out and "\n  1.0  " in result.out
    assert result.out.endswith("saved; write with: parrotlet generate book.safetensors\n")
    assert call("generate", "--length", "5").status == 0  # the only model here
    assert "in place of the one there" in call("train", models.source, *TINY).out


def test_train_prints_events_as_json(call, models):
    result = call("train", models.source, *TINY, "--json", "-o", "x.safetensors")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert records[-1]["event"] == "done" and records[-1]["reason"] == "finished"
    assert {"note", "started", "evaluation", "sample", "saved"} <= {record["event"] for record in records}


def test_other_texts_are_read_as_the_learned_one_was(call, tmp_path):
    """Of a table the same column, with or without a header as before; a plain text has no columns."""
    rows = "".join(f"{n},{line}\n" for n, line in enumerate(sentences(30).splitlines()))
    (tmp_path / "posts.csv").write_text(rows, encoding="utf-8")
    assert call("train", "posts.csv", *TINY, "--column", "2", "--no-header", "-o", "m.safetensors").status == 0
    (tmp_path / "more.csv").write_text("body,the cat sat\nx,the dog sat\n", encoding="utf-8")
    (tmp_path / "held.txt").write_text("the cat sat\nthe dog sat\n", encoding="utf-8")
    for name in ("more.csv", "held.txt"):
        assert json.loads(call("score", "m.safetensors", name, "--json").out)["characters"] == 22
    reported = call("report", "m.safetensors", "--text", "posts.csv", "--held-out", "held.txt")
    assert reported.status == 0 and "held.txt: utf-8, a document a line (as the model was trained)" in reported.err
    corpora = ("--novel", "9", "--corpus", "more.csv", "--corpus", "held.txt", "-n", "20", "--seed", "1")
    assert "at sat" not in call("generate", "m.safetensors", *corpora, "--prompt", "the ").out


def test_a_column_of_labels_teaches_textgenrnn_s_network(call, tmp_path):
    rows = "".join(f'"{line}",{("cat", "dog")[n % 2]}\n' for n, line in enumerate(sentences(30).splitlines()))
    (tmp_path / "posts.csv").write_text("title,animal\n" + rows, encoding="utf-8")
    flags = ["--column", "title", "--label", "animal", "-o", "m.safetensors", "--set", "training.sample_length=5"]
    assert call("train", "posts.csv", *TINY, *flags, "--recipe", "textgenrnn").status == 0
    assert json.loads(call("inspect", "--json").out)["settings"]["corpus"]["labels"] == ["animal"]
    assert json.loads(call("inspect", "--json").out)["labels"] == {}


def test_writing_under_a_label_of_the_texts(call, tmp_path):
    rows = "".join(f"{'abc'[n % 3] * 12},{('cat', 'dog', 'cow')[n % 3]}\n" for n in range(120))
    (tmp_path / "posts.csv").write_text("title,animal\n" + rows, encoding="utf-8")
    flags = ["--column", "title", "--label", "animal", "-o", "m.safetensors", "--set", "training.learning_rate=0.02"]
    assert call("train", "posts.csv", *TINY, *flags, "--steps", "200", "--set", "training.validation=0").status == 0
    assert json.loads(call("inspect", "--json").out)["labels"] == {"animal": ["cat", "dog", "cow"]}
    assert "labels       animal: cat, dog, cow\n" in call("inspect").out
    for letter, animal in zip("abc", ("cat", "dog", "cow"), strict=True):
        written = call("generate", "--label", f"animal={animal}", "--temperature", "0", "--length", "9").out
        assert written == letter * 9 + "\n"
        (tmp_path / "text.txt").write_text(letter * 12 + "\n", encoding="utf-8")
        own, other = (
            json.loads(call("score", "m.safetensors", "text.txt", "--json", "--label", f"animal={each}").out)
            for each in (animal, "cat" if animal != "cat" else "cow")
        )
        assert own["bits_per_character"] < 0.5 * other["bits_per_character"]
    listed = json.loads(call("next", "m.safetensors", "--by", "animal", "-n", "2", "--json").out)
    assert [(each["label"], each["likeliest"][0]["token"]) for each in listed] == [
        ("cat", "a"),
        ("dog", "b"),
        ("cow", "c"),
    ]
    lines = call("next", "m.safetensors", "--by", "animal", "-n", "2").out.splitlines()
    assert [line[:9] for line in lines] == ["cat   'a'", "dog   'b'", "cow   'c'"]
    (mixed,) = json.loads(call("next", "m.safetensors", "--label", "animal=cat:1,cow:1", "-n", "1", "--json").out)
    assert mixed["token"] in "ac"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--label", "animal"], "label 'animal' is not of the form column=label"),
        (["--label", "animal=cat"], "label 'animal' is not a column of labels: this model was trained without labels"),
    ],
)
def test_a_wrong_label_is_one_clear_line(call, models, flags, message):
    refused = call("generate", models.text, *flags)
    assert refused.status == 2 and message in refused.error
    assert call("next", models.text, "--by", "animal").status == 2
    drawn = call("next", models.text, "--by", "animal", "--temperature", "0.5")
    assert drawn.status == 2 and "leave --temperature out" in drawn.error


def test_flags_reach_the_settings(call, models):
    flags = ["--network", "gru", "--layers", "2", "--level", "word", "--lowercase", "--seed", "7", "--form", "lines"]
    result = call(
        "train", models.source, *TINY, *flags, "--set", "network.embedding=8", "--quiet", "-o", "x.safetensors"
    )
    assert result.status == 0 and not result.out + result.err
    settings = json.loads(call("inspect", "--json").out)["settings"]
    assert settings["network"] | {"kind": "gru", "layers": 2, "embedding": 8, "hidden": 16} == settings["network"]
    assert settings["tokenizer"] | {"level": "word", "lowercase": True} == settings["tokenizer"]
    assert settings["training"]["seed"] == 7 and settings["corpus"]["form"] == "lines"


def test_a_recipe_file_brings_its_own_sources(call, models, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f"sources = [{json.dumps(str(models.source))}]\n[network]\nkind = 'rnn'\n", encoding="utf-8")
    assert call("train", "--recipe", recipe, *TINY, "--quiet").status == 0
    assert json.loads(call("inspect", "book.safetensors", "--json").out)["settings"]["network"]["kind"] == "rnn"


def test_standard_input_is_read(call, models, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(models.source.read_bytes())))
    assert call("train", "-", *TINY, "--quiet").status == 0
    assert Path("stdin.safetensors").is_file()


def test_fine_tuning_from_a_model(call, models):
    assert call("train", models.source, "--from", models.text, *TINY[:2], "--quiet", "-o", "x.safetensors").status == 0
    assert Path("x.safetensors").is_file()


def test_an_interrupt_saves_the_model_and_the_run_goes_on(call, models, monkeypatch):
    from parrotlet.show import Lines

    with monkeypatch.context() as patch:
        patch.setattr(Lines, "evaluation", lambda self, event: signal.raise_signal(signal.SIGINT))
        often = ("--set", "training.evaluations=10")
        result = call("train", models.source, *TINY, *often, "-o", "x.safetensors")
    assert result.status == 130 and "--resume" in result.out
    assert call("generate", "x.safetensors", "--length", "5").status == 0
    result = call("train", models.source, *TINY, "-o", "x.safetensors", "--resume")
    assert result.status == 0 and "from step" in result.out
    result = call("train", models.source, *TINY, "-o", "x.safetensors", "--resume")
    assert result.status == 0 and result.out.startswith("x.safetensors is finished already")


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (["texts/My book (2).txt.gz", "b.txt"], "Mybook2"),
        (["https://example.org/a/caf%C3%A9.csv?x=1"], "café"),
        (["nietzsche"], "nietzsche"),
        (["-"], "stdin"),
        (["*"], "model"),
        (None, "model"),
    ],
)
def test_a_model_is_named_after_its_first_source(sources, name):
    from parrotlet.cli.train import default_output

    assert default_output(sources) == f"{name}.safetensors"


def test_a_loss_that_is_no_number_is_one_line(call, models, monkeypatch):
    done = SimpleNamespace(reason="not finite", advice="the loss is no number: try training.learning_rate = 0.002")
    monkeypatch.setattr("parrotlet.show.run_training", lambda *_, **__: (None, done))
    result = call("train", models.source)
    assert result.status == 1 and result.error == "parrotlet: " + done.advice


# Bad input


@pytest.fixture
def bad(tmp_path, models):
    """Files that cannot be used, by name."""
    draw = random.Random(3)
    files = {
        "empty.txt": b"",
        "blank.txt": b" \n\n",
        "one.txt": b"a",
        "binary.txt": bytes(draw.randrange(256) for _ in range(5000)),
        "table.csv": b"title,body\nhello,world\nbye,now\n",
        "cut.safetensors": models.text.read_bytes()[:3000],
        "stub.safetensors": models.text.read_bytes()[:4],
        "book.txt": models.source.read_bytes(),
        "other.safetensors": other_safetensors(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def other_safetensors():
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["empty.txt"], 1, "empty.txt: it is empty"),
        (["blank.txt"], 1, "blanks only"),
        (["one.txt"], 1, "one.txt holds too little text"),
        (["binary.txt"], 1, "not a text but a binary file"),
        (["bok.txt"], 1, "did you mean 'book.txt'?"),
        (["nietzshe"], 1, "did you mean 'nietzsche'?"),
        (["table.csv", "--column", "bdy"], 2, "did you mean 'body'?"),
        (["table.csv", "--template", "{titel}"], 2, "did you mean 'title'?"),
        (
            ["table.csv", "--column", "body", "--label", "title", "--form", "text"],
            2,
            "one long text has none: leave form",
        ),
        (["book.txt", "--column", "title"], 2, "book.txt has no such field; it is no table (.csv"),
        (["manual", "--column", "title"], 2, "column = 'title': manual is no table; leave it out"),
        (["book.txt", "--hidden", "8", "--set", "network.hidden=9"], 2, "network.hidden is given twice"),
        (["book.txt", "--json", "--quiet"], 2, "--json and --quiet: give one of the two"),
        (["book.txt", "--encoding", "utf-9"], 2, "did you mean 'utf-8'?"),
        (["book.txt", "--set", "network.hiden=3"], 2, "unknown setting 'network.hiden': did you mean 'hidden'?"),
        (["book.txt", "--set", "netwrk.hidden=3"], 2, "unknown section 'netwrk' in --set: did you mean 'network'?"),
        (["book.txt", "--set", "hidden=3"], 2, "section.name=value"),
        (["book.txt", "--network", "lsmt"], 2, "network.kind = 'lsmt' is not known: did you mean 'lstm'?"),
        (["book.txt", "--level", "wrod"], 2, "did you mean 'word'?"),
        (["book.txt", "--form", "line"], 2, "did you mean 'lines'?"),
        (["book.txt", "--set", "corpus.clean=links"], 2, 'it takes a list, such as ["links"]'),
        (["book.txt", "--hidden", "0"], 2, "network.hidden = 0 is not allowed"),
        (["book.txt", "--steps", "0"], 2, "training.steps = 0 is not allowed"),
        (["book.txt", "--minutes", "nan"], 2, "training.minutes"),
        (["book.txt", "--minutes", "1", "--epochs", "1"], 2, "give one of minutes, epochs and steps"),
        (["book.txt", "--recipe", "bok"], 2, "unknown recipe 'bok': did you mean 'book'?"),
        (["book.txt", "--device", "cud"], 2, "did you mean 'cuda'?"),
        (["book.txt", "-o", "none/x.safetensors"], 1, "the output folder 'none' does not exist"),
        (["book.txt", "-o", "x.txt"], 2, "must end in .safetensors"),
        (["book.txt", "--from", "book.txt"], 1, "book.txt is not a model"),
        (["book.txt", "--from", "cut.safetensors"], 1, "cut short"),
        ([], 2, "no source given"),
    ],
)
def test_bad_training_is_one_line(call, bad, arguments, status, line):
    before = sorted(bad.rglob("*"))
    result = call("train", *arguments)
    assert (result.status, result.out) == (status, "") and line in result.error
    assert not [path for path in bad.rglob("*.safetensors") if path not in before]


def test_a_file_shorter_than_a_window_trains_or_is_one_line(call, tmp_path):
    (tmp_path / "short.txt").write_text("a short text", encoding="utf-8")
    result = call("train", "short.txt", "--steps", "2", "--hidden", "8")
    assert result.status == 0 or (result.status == 1 and "short.txt" in result.error)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("book.txt", "is not a model"),
        ("empty.txt", "empty.txt"),
        ("stub.safetensors", "stub.safetensors"),
        ("cut.safetensors", "cut short"),
        ("other.safetensors", "a safetensors file of something else"),
        ("gone.safetensors", "there is no file gone.safetensors"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "next", "inspect", "score", "plot loss"])
def test_a_file_that_is_no_model_is_one_line(call, bad, command, name, line):
    result = call(*command.split(), name, *(["book.txt"] if command == "score" else []))
    assert (result.status, result.out) == (1, "") and line in result.error


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the file size are a matter of Unix")
def test_a_full_disk_is_one_line_and_the_old_model_stays(call, models, tmp_path):
    import resource

    target = tmp_path / "x.safetensors"
    old = models.text.read_bytes()
    target.write_bytes(old)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, before[1]))
    try:
        result = call("train", models.source, "-o", target, *TINY, "--quiet")
        written = call("generate", models.text, "--length", "9000", "--output", "long.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.status == 1 and "x.safetensors" in result.error
    assert target.read_bytes() == old and not list(tmp_path.glob(".*.part"))
    assert written.status == 1 and "long.txt" in written.error and not Path("long.txt").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_a_redirection_is_one_line(models):
    with open("/dev/full", "w") as full:
        done = process("generate", models.text, "--length", "50", stdout=full)
        _, err = done.communicate()
    assert done.returncode == 1 and err.startswith("parrotlet: ") and err.count("\n") == 1


def process(*arguments, **options):
    command = [sys.executable, "-m", "parrotlet", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"} | options
    return subprocess.Popen(command, **options)


def test_a_broken_pipe_is_quiet(models):
    with process("generate", models.text, "--length", "3000000") as done:
        assert len(done.stdout.read(10)) == 10
        done.stdout.close()
        err = done.stderr.read()
    assert done.returncode == 1 and not err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_an_interrupt_while_writing_is_130(models):
    def heard():  # where the tests run in the background of a shell, their children would not hear it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with process("generate", models.text, "--length", "50000000", preexec_fn=heard) as done:
        assert len(done.stdout.read(10)) == 10
        done.send_signal(signal.SIGINT)
        done.stdout.close()
        err = done.stderr.read()
    assert (done.returncode, err) == (130, "parrotlet: interrupted\n")


def test_a_console_that_lacks_a_character_never_raises(models, tmp_path, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", errors="strict")
    monkeypatch.setattr(sys, "stdout", console)
    for arguments in (["generate", models.text], ["inspect", models.text], ["generate", models.text, "--json"]):
        prompt = ["--prompt", "春é ", "--length", "3", "--seed", "1"] if arguments[0] == "generate" else []
        assert cli.main([str(each) for each in [*arguments, *prompt]]) == 0
    console.flush()
    written = console.buffer.getvalue().decode("cp1252")
    assert written.startswith("?é ") and json.loads(written[written.index("[\n") :])[0]["text"].startswith("春é")


def test_torch_that_is_not_installed_is_one_line():
    code = (
        "import sys; sys.modules['torch'] = None; from parrotlet.cli import main; sys.exit(main(['train', 'manual']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "parrotlet: training needs torch: pip install 'parrotlet[train]'\n"


# generate


def test_what_is_written_is_the_same_on_the_screen_in_json_and_in_a_file(call, models):
    flags = ["generate", models.text, "--prompt", "the cat", "--length", "40", "--seed", "5", "--temperature", "0.7"]
    (entry,) = json.loads(call(*flags, "--json").out)
    assert entry["text"].startswith("the cat") and (entry["tokens"], entry["seed"]) == (40, 5)
    assert entry["finish"] == "length" and set(entry) == {"text", "tokens", "seed", "finish"}
    assert call(*flags).out == entry["text"].removesuffix("\n") + "\n"
    assert not call(*flags, "--output", "out.txt").out
    assert Path("out.txt").read_bytes().decode() == entry["text"].removesuffix("\n") + "\n"
    both = json.loads(call(*flags, "--json", "-n", "2").out)
    assert both[0] == entry and both[1]["text"] != entry["text"]


def test_probabilities_are_those_of_each_token(call, models):
    (entry,) = json.loads(call("generate", models.text, "--json", "--probabilities", "--length", "9").out)
    assert len(entry["probabilities"]) == entry["tokens"] == 9
    assert all(0 < each["probability"] <= 1 for each in entry["probabilities"])


def test_a_list_of_temperatures_gives_a_sample_at_each(call, models):
    flags = ["generate", models.text, "--length", "20", "--seed", "1", "--temperature", "0,0.5,1"]
    entries = json.loads(call(*flags, "--json").out)
    assert [entry["temperature"] for entry in entries] == [0, 0.5, 1] and len({entry["text"] for entry in entries}) > 1
    out = call(*flags).out
    for degrees, entry in zip(("0", "0.5", "1"), entries, strict=True):
        assert f"----- temperature {degrees} ---" in out and entry["text"] in out


def test_short_texts_are_one_a_line_and_long_ones_are_parted(call, models):
    out = call("generate", models.lines, "-n", "4", "--length", "12", "--seed", "1").out
    assert out.count("\n") == 4 and "-----" not in out
    from parrotlet.cli.generate import laid_out

    texts = [(1.0, SimpleNamespace(text=text)) for text in ("a\nb\n", "c")]
    assert [line.rstrip("- ").lstrip("- ") for line in laid_out(texts)] == ["1 of 2", "a\nb", "2 of 2", "c"]


def test_texts_of_usual_length(call, models):
    card = json.loads(call("inspect", models.lines, "--json").out)["card"]
    call_it = ["generate", models.lines, "--length", "200", "--seed", "1", "--temperature", "0.8", "--usual-lengths"]
    texts = json.loads(call(*call_it, "-n", "8", "--json").out)
    assert len(texts) == 8 and all(each["tokens"] <= card["lengths"][-1] + 1 for each in texts)
    assert call(*call_it).out == texts[0]["text"] + "\n"
    assert "usual_lengths: the model does not know" in call("generate", models.text, "--usual-lengths").error


def test_every_rule_reaches_the_writer(call, models, monkeypatch):
    from parrotlet.sampling import Rules
    from parrotlet.writer import Writer

    seen = {}

    def texts(self, n, prompt, **rules):
        seen.update(rules)
        return []

    monkeypatch.setattr(Writer, "texts", texts)
    values = {
        "--min-length": 2, "--top-k": 3, "--top-p": 0.5, "--min-p": 0.1, "--typical": 0.9, "--repetition-penalty": 1.1,
        "--presence-penalty": 0.2, "--frequency-penalty": 0.3, "--dry": 0.8, "--length": 9, "--seed": 0,
    }  # fmt: skip
    flags = [str(part) for pair in values.items() for part in pair]
    rest = ["--temperature-cycle", "1,0.5", "--stop", "a", "--stop", "b"]
    assert call("generate", models.text, "-n", "2", *flags, *rest).status == 0
    names = {"--dry": "dry_multiplier"}
    for flag, value in values.items():
        assert seen[names.get(flag, flag[2:].replace("-", "_"))] == value
    assert (seen["temperature_cycle"], seen["stop"]) == ((1.0, 0.5), ["a", "b"])
    assert call("generate", models.text, "-n", "2", "--temperature", "0.4").status == 0 and seen["temperature"] == 0.4
    assert set(Rules.model_fields) & set(seen) == set(Rules.model_fields) - {
        *("penalty_window", "dry_base", "dry_length", "dry_window"),
    }


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--temperature", "hot"], "--temperature 'hot' is not a number"),
        (["--temperature", "-1"], "temperature = -1.0 is not allowed"),
        (["--temperature-cycle", "1;2"], "--temperature-cycle '1;2'"),
        (["--top-p", "0"], "top_p = 0.0 is not allowed"),
        (["--repetition-penalty", "0"], "repetition_penalty = 0.0 is not allowed"),
        (["-n", "0"], "n must be"),
        (["--length", "-1"], "length must be"),
        (["--seed", "-1"], "seed must be"),
        (["--stop", ""], "stop"),
        (["--novel", "5"], "--novel N and --corpus SOURCE go together"),
        (["--corpus", "x"], "--novel N and --corpus SOURCE go together"),
        (["--probabilities"], "--probabilities needs --json"),
        (["--penalty-window", "9"], "changes nothing alone: give --repetition-penalty or --presence-penalty or"),
        (["--dry-length", "9"], "--dry-length changes nothing alone: give --dry too"),
        (["--temperature", "0.2,1", "--temperature-cycle", "0"], "leave --temperature out"),
        (["--temperature", "0.1", "--temperature-cycle", "1.5"], "leave --temperature out"),
    ],
)
def test_wrong_rules_are_one_line(call, models, flags, line):
    result = call("generate", models.text, *flags)
    assert (result.status, result.out) == (2, "") and line in result.error


def test_novel_text_copies_nothing(call, models):
    flags = ["--novel", "6", "--corpus", models.source, "--length", "80", "--temperature", "0.5", "--seed", "1"]
    (entry,) = json.loads(call("generate", models.text, *flags, "--json").out)
    source, text = models.source.read_text(encoding="utf-8"), entry["text"]
    assert not [place for place in range(len(text) - 5) if text[place : place + 6] in source]


def test_what_the_model_does_not_know_is_told_once(call, models):
    result = call("generate", models.text, "--prompt", "ЖЖ the Ж", "--length", "5", "--temperature", "0.5,1")
    assert result.status == 0 and result.err == "the model does not know 'Ж'\n"


def test_the_model_must_be_named_where_there_is_no_single_one(call, models, tmp_path, monkeypatch):
    monkeypatch.setattr(parrotlet.pretrained, "FILE", tmp_path / "missing.safetensors")
    assert "there is none in this folder" in call("generate").error
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes(models.text.read_bytes())
    result = call("generate")
    assert result.status == 2 and "a.safetensors, b.safetensors" in result.error


# The other commands


def test_score(call, models):
    result = call("score", models.text, models.source, "--json")
    score = json.loads(result.out)
    assert {"bits_per_character", "nats_per_token", "perplexity", "characters", "tokens"} <= set(score)
    assert score["characters"] == len(models.source.read_text(encoding="utf-8"))
    plain = call("score", models.text, models.source)
    assert f"{score['bits_per_character']:.4f} bits per character\n" in plain.out and "book.txt: utf-8" in plain.err
    listed = json.loads(call("score", models.text, models.source, "--json", "--surprise").out)["surprise"]
    total = sum(each["bits"] for each in listed)
    assert len(listed) == score["tokens"] and total / score["characters"] == pytest.approx(score["bits_per_character"])
    lines = call("score", models.text, models.source, "--surprise").out.splitlines()
    assert len(lines) == score["tokens"] + 3 and lines[0].endswith("\t" + repr(listed[0]["token"]))
    by_line = json.loads(call("score", models.text, models.source, "--json", "--form", "lines").out)
    assert by_line["characters"] == score["characters"] - 100
    assert "did you mean 'lines'" in call("score", models.text, models.source, "--form", "line").error


def test_a_header_is_left_out_where_it_is_asked_for(call, models):
    Path("posts.txt").write_text("title\n" + sentences(20), encoding="utf-8")
    kept = call("score", models.lines, "posts.txt")
    assert "(--header leaves it out)" in kept.err and "a document a line (as the model was trained)" in kept.err
    assert "(as told)" in call("score", models.lines, "posts.txt", "--form", "lines").err
    left = call("score", models.lines, "posts.txt", "--header", "--json")
    assert "title" not in left.err
    characters = [json.loads(call("score", models.lines, "posts.txt", "--json", *flag).out)["characters"] for flag in
                  ([], ["--header"], ["--no-header"])]  # fmt: skip
    assert characters[0] - characters[1] == len("title") and characters[0] == characters[2]


@pytest.mark.parametrize(
    ("share", "why"),
    [
        (0.25, "25.0% of it is unknown to this model"),
        (0.0007, "0.1% of it is unknown to this model"),
        (0.0003, "<0.1% of it is unknown to this model"),
        (0.0, "this model knows no ends of documents"),
    ],
)
def test_why_a_score_is_not_comparable_is_told_in_words(call, models, monkeypatch, share, why):
    from parrotlet.writer import Score, Writer

    result = Score(2.0, 1.0, 2.7, 10, 10, share, comparable=False)
    monkeypatch.setattr(Writer, "score", lambda *_, **__: result)
    out = call("score", models.text, models.source).out
    assert out.endswith(f"not comparable with models of another tokenizer: {why}\n")


def test_progress_of_a_score_stands_on_a_terminal_s_stderr_alone(call, models, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("parrotlet.scoring.STEP", 64)
    silent = call("score", models.text, models.source, "--json")
    assert "scoring" not in silent.err  # it does not take long
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "scoring" not in call("score", models.text, models.source, "--json").err  # not even a second
    monkeypatch.setattr("parrotlet.cli.progress.PATIENCE", 0.0)
    shown = call("score", models.text, models.source, "--json")
    assert "scoring" in shown.err and "100%" in shown.err
    assert json.loads(shown.out)["bits_per_character"] == pytest.approx(json.loads(silent.out)["bits_per_character"])


def test_what_will_take_long_is_told_in_one_line_where_there_is_no_terminal(call, models, monkeypatch):
    from parrotlet.cli.progress import waits

    def bundle(context):
        return SimpleNamespace(
            settings=SimpleNamespace(network=SimpleNamespace(context=context)),
            weights={"layer": SimpleNamespace(size=50_000), "output.weight": SimpleNamespace(size=10_000)},
        )

    assert list(waits([bundle(60)], 600_893)) == ["scoring 600,893 characters in windows of 60"]
    assert list(waits([bundle(60)], 6_000)) == list(waits([bundle(None)], 600_893)) == []
    monkeypatch.setattr("parrotlet.cli.progress.LONG", 1)
    result = call("score", models.text, models.source, "--json")
    characters = len(models.source.read_text(encoding="utf-8"))
    assert result.err == f"scoring {characters:,} characters\n" and json.loads(result.out)


def test_the_scorer_tells_how_far_it_is(models, monkeypatch):
    from parrotlet.writer import load

    monkeypatch.setattr("parrotlet.scoring.STEP", 64)
    text = models.source.read_text(encoding="utf-8")
    for form, size in (("text", len(text)), ("lines", len(text) - 100)):
        told = []
        load(models.text).score(text, form, progress=told.append)
        assert told == sorted(told) and told[-1] == size and len(told) > 20


def test_surprise_is_coloured_on_a_terminal(monkeypatch):
    from rich.console import Console

    from parrotlet.cli.score import show_surprise

    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="truecolor", width=80)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    show_surprise(SimpleNamespace(surprise=(("a", 0.1), ("[b]", 9.0), ("\x1b", 1.0))))
    assert "a\x1b[30;48;2;240;59;32m[b]\x1b[0m" in file.getvalue() and "\x1b\x1b" not in file.getvalue()


def test_next(call, models):
    listed = json.loads(call("next", models.text, "--prompt", "th", "-n", "5", "--json").out)
    assert len(listed) == 5 and [set(each) for each in listed] == [{"token", "probability"}] * 5
    assert [each["probability"] for each in listed] == sorted((each["probability"] for each in listed), reverse=True)
    lines = call("next", models.text, "--prompt", "th", "-n", "5").out.splitlines()
    assert len(lines) == 5 and lines[0].startswith(repr(listed[0]["token"])) and lines[0].endswith("#" * 40)
    assert call("next", models.text, "-n", "0").status == 2


def test_inspect(call, models):
    facts = json.loads(call("inspect", models.lines, "--json").out)
    assert facts["bytes"] == models.lines.stat().st_size and facts["card"]["form"] == "lines"
    assert facts["tokenizer"]["level"] == "char" and facts["arrays"]["output.bias"] == [facts["tokenizer"]["tokens"]]
    out = call("inspect", models.lines).out
    assert "lstm of 16 units" in out and "book.txt, 100 documents" in out and "validation   " in out


def test_inspect_makes_up_no_training_of_a_model_that_was_taken_over(call):
    from parrotlet.bundle import Bundle, Card
    from parrotlet.runtime.shapes import expected_shapes
    from parrotlet.settings import parse_settings
    from parrotlet.tokenizers import train_tokenizer

    layers = [
        {"kind": "gru", "units": 5, "bidirectional": True, "final": True, "reset_after": False},
        {"kind": "dense", "units": 4, "activation": "relu"},
    ]
    settings = parse_settings({"network": {"kind": "stack", "stack": layers, "context": 9}})
    tokenizer = train_tokenizer(["a cat and a dog\n"], settings.tokenizer)
    shapes = expected_shapes(settings.network, len(tokenizer))
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    Bundle(weights, settings, tokenizer, Card(trained_on="taken over from old.h5", form="lines")).save("x.safetensors")
    out = call("inspect", "x.safetensors").out
    assert "\ntraining     not known (taken over from another program)\n" in out
    assert "\norigin       taken over from old.h5\nwrites       short documents\n" in out
    assert "\nnetwork      bidirectional gru 5 → dense 4, context 9\n" in out
    assert "\n  layer 1    gru, 5 units, bidirectional, final, activation tanh, gate sigmoid, reset before" in out
    assert "\n  layer 2    dense, 4 units, activation relu\n" in out
    assert not [word for word in ("0 steps", "epochs", "adamw", "hidden", "384", "{", "0 characters") if word in out]
    assert set(json.loads(call("inspect", "x.safetensors", "--json").out)["settings"]) == set(SECTIONS) - {"training"}


def test_inspect_of_a_model_that_was_trained_names_its_training(call, models):
    out = call("inspect", models.text).out
    assert "training     20 steps" in out and "optimizer muon" in out and "hidden 16" in out and ", kernel" not in out


def test_the_sparkline_falls_with_the_loss():
    from parrotlet.cli.inspect import sparkline

    assert sparkline([4.0, None, 3.0, 2.0]) == "4.000 █▅▁ 2.000" and sparkline([]) == "none"
    assert sparkline([2.0, 2.0]) == "2.000 ▁▁ 2.000"


def test_recipes(call):
    from parrotlet.recipes import recipe_names

    listed = json.loads(call("recipes", "--json").out)
    assert [each["name"] for each in listed] == recipe_names() and all(each["title"] for each in listed)
    assert call("recipes").out.count("\n") == len(listed)
    import tomllib

    printed = call("recipes", listed[0]["name"])
    assert tomllib.loads(printed.out) == json.loads(call("recipes", listed[0]["name"], "--json").out)
    result = call("recipes", "bok")
    assert result.status == 2 and "did you mean 'book'?" in result.error


def test_corpora(call, tmp_path, monkeypatch):
    from parrotlet.corpus import NAMED

    folder = tmp_path / "data"
    (folder / NAMED["names"].path).parent.mkdir(parents=True)
    (folder / NAMED["names"].path).write_text("ann\n", encoding="utf-8")
    monkeypatch.setenv("PARROTLET_DATA", str(folder))
    listed = {each["name"]: each for each in json.loads(call("corpora", "--json").out)}
    assert set(listed) == {"manual", *NAMED} and all(each["licence"] for each in listed.values())
    assert listed["names"]["found"] == "in PARROTLET_DATA" and listed["manual"]["found"] == "in Python"
    assert all(f"\n{name}" in "\n" + call("corpora").out for name in ("manual", "names"))


def test_every_setting_is_listed_and_a_wrong_name_is_told_the_nearest(call):
    listed = {each["name"]: each for each in json.loads(call("settings", "--json").out)}
    assert set(listed) == {f"{name}.{field}" for name, section in SECTIONS.items() for field in section.model_fields}
    assert all(each["about"] for each in listed.values())
    assert listed["network.kind"]["default"] == "lstm"
    assert (
        listed["training.optimizer"]["choices"][0] == "muon" and "adamw" in call("settings", "training.optimizer").out
    )
    found = call("settings", "tempera").out
    assert "temperature" in found and all("tempera" in line for line in found.splitlines() if not line.startswith(" "))
    result = call("settings", "lerning_rate")
    assert result.status == 2 and "did you mean 'training.learning_rate'?" in result.error
    result = call("settings", "nonsense")
    assert result.status == 2 and result.error.endswith("choose from " + ", ".join(SECTIONS))


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("what", ["loss", "next", "temperature"])
def test_plots(call, models, what, suffix):
    result = call("plot", what, models.text, "-o", f"x.{suffix}")
    assert (result.status, result.out) == (0, f"saved x.{suffix}\n")
    assert Path(f"x.{suffix}").stat().st_size > 5000


def test_a_picture_is_named_after_its_model(call, models):
    assert json.loads(call("plot", "loss", models.text, models.lines, "--json").out) == {"path": "text-loss.png"}
    result = call("plot", "next", models.text, "-o", "x.pgn")
    assert result.status == 2 and "did you mean '.png'?" in result.error


def test_demo_learns_writes_and_says_what_is_next(call, monkeypatch):
    monkeypatch.setattr("parrotlet.cli.demo.CHARACTERS", 500)
    result = call("demo", "--minutes", "0.04")
    assert result.status == 0 and Path("demo.safetensors").is_file()
    assert "written at temperature 0.5" in result.out and "of the words it writes occur in the manual" in result.out
    following = result.out.partition("what to type next:\n")[2].splitlines()
    assert len(following) == 3 and all(line.startswith("  parrotlet ") for line in following)
    assert call(*following[0].split()[1:3]).status == 0


def test_known_words_are_counted():
    from parrotlet.cli.demo import written_words

    writer = SimpleNamespace(write=lambda *_, **__: "the cat: xyzzy THE cat")
    assert written_words(writer, "the cat")[1] == 0.5  # the last word may be cut and does not count

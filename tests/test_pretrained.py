"""The model that comes with the package: by its name, and where no other is."""

from pathlib import Path

import pytest

import parrotlet.pretrained
from parrotlet import ParrotletError, load
from parrotlet.cli import main
from parrotlet.pretrained import FILE

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def packaged(monkeypatch, tmp_path):
    """Another model in its place, and an empty folder to work in."""
    monkeypatch.setattr(parrotlet.pretrained, "FILE", FIXTURES / "format1.safetensors")
    monkeypatch.chdir(tmp_path)


def test_it_is_opened_by_its_name(packaged, tmp_path):
    assert load("pretrained").card.trained_on == "a made-up text"
    (tmp_path / "pretrained").write_bytes((FIXTURES / "format2.safetensors").read_bytes())
    assert load("pretrained").settings.network.hidden == 32  # a file of one's own comes first


def test_it_writes_where_there_is_no_other_model(packaged, tmp_path, capsys):
    assert main(["generate", "--seed", "1", "--length", "20"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() and "there is no model here: the one that comes with parrotlet writes" in said.err
    (tmp_path / "mine.safetensors").write_bytes((FIXTURES / "format2.safetensors").read_bytes())
    assert main(["generate", "--seed", "1", "--length", "20"]) == 0
    assert "there is no model here" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [["inspect"], ["next", "--prompt", "a"]], ids=lambda words: words[0])
def test_every_command_takes_its_name(packaged, command, capsys):
    name, *options = command
    assert main([name, "pretrained", *options]) == 0
    assert capsys.readouterr().out.strip()


def test_the_one_in_the_package_is_small_knows_western_text_and_writes():
    if not FILE.is_file():
        pytest.skip("this copy has no pretrained model")
    assert FILE.stat().st_size <= 4_000_000
    writer = load(FILE)
    assert not writer.unknown("The Žižkov café – “Straße” costs 5 €; ¿qué tal? 😀 \n")
    assert writer.score("And it came to pass, that the king said unto him", "text").bits_per_character < 2
    assert "".join(writer.generate(5, length=200, seed=1)).count(" ") > 20
    assert writer.card.notes


def test_it_is_trained_on(packaged, tmp_path):
    pytest.importorskip("torch")
    from parrotlet import from_texts, training

    run = training(from_texts(["the parrot said hello"] * 30), start_from="pretrained", steps=2, device="cpu")
    list(run)
    assert run.bundle.settings.network.hidden == 8


def test_without_it_all_is_as_it_was(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(parrotlet.pretrained, "FILE", tmp_path / "missing.safetensors")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParrotletError, match="there is no file pretrained"):
        load("pretrained")
    assert main(["generate"]) == 2 and "there is none in this folder" in capsys.readouterr().err

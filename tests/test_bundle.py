"""What is saved is loaded; what is not a sound model is one clear line, whatever it is, and takes little memory."""

import errno
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

import parrotlet.bundle
from parrotlet.bundle import Bundle, Card, Evaluation, load_bundle
from parrotlet.container import HEADER_LIMIT, write_atomically
from parrotlet.errors import ParrotletError
from parrotlet.runtime import expected_shapes
from parrotlet.settings import Settings
from parrotlet.tokenizers import train_tokenizer
from parrotlet.writer import Writer, load

FIXTURE = Path(__file__).parent / "fixtures" / "format1.safetensors"
NETWORKS: list[dict[str, Any]] = [
    {"kind": "lstm", "hidden": 8, "embedding": 4},
    {"kind": "gru", "hidden": 6, "embedding": 6, "tied": True, "layers": 2},
    {"kind": "rnn", "hidden": 5, "input": "one-hot", "layer_norm": True, "residual": True, "layers": 2},
    {"kind": "lstm", "hidden": 4, "input": "number"},
]


def make_bundle(network: dict[str, Any] | None = None, seed: int = 0) -> Bundle:
    settings = Settings.model_validate({"network": network or NETWORKS[0]})
    tokenizer = train_tokenizer(["hello world\n" * 3], settings.tokenizer)
    rng = np.random.default_rng(seed)
    shapes = expected_shapes(settings.network, len(tokenizer))
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    history = (Evaluation(step=1, epoch=0.5, seconds=1.0, train=2.0, validation=None, learning_rate=0.1),)
    card = Card(trained_on="größe.txt", form="text", characters=36, history=history, notes=("a note",))
    return Bundle(weights, settings, tokenizer, card, {"novel": 0.5, "lines": ["é", 1, None]})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    make_bundle().save(path)
    return path


def error_of(path: Path) -> str:
    """The one line that loading ends with; any other exception fails the test."""
    with pytest.raises(ParrotletError) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000 and path.name in message
    message.encode()  # can be printed
    return message


# What is saved is loaded


@pytest.mark.parametrize("network", NETWORKS)
def test_a_bundle_comes_back_as_it_was(network: dict[str, Any], tmp_path: Path) -> None:
    bundle, path = make_bundle(network), tmp_path / "größe.safetensors"
    bundle.save(path)
    again = load_bundle(path)
    assert list(again.weights) == sorted(bundle.weights)
    for name, values in bundle.weights.items():
        assert again.weights[name].dtype == np.float32
        assert np.array_equal(again.weights[name], values)
    assert (again.settings, again.card, again.report) == (bundle.settings, bundle.card, bundle.report)
    assert again.tokenizer.to_json() == bundle.tokenizer.to_json()
    asked: dict[str, Any] = {"n": 2, "prompt": "wo", "length": 30, "seed": 1}
    assert Writer(again).generate(**asked) == Writer(bundle).generate(**asked)


def test_the_same_bundle_gives_the_same_bytes_and_is_read_by_safetensors(saved: Path, tmp_path: Path) -> None:
    first = saved.read_bytes()
    load_bundle(saved).save(saved)
    assert saved.read_bytes() == first
    with safe_open(saved, framework="numpy") as file:
        weights = make_bundle().weights
        assert set(file.keys()) == set(weights)
        assert all(np.array_equal(file.get_tensor(name), values) for name, values in weights.items())
        assert set(file.metadata()) == {"parrotlet.format", "settings", "tokenizer", "card", "report"}


@pytest.mark.parametrize("number", range(1, parrotlet.bundle.FORMAT + 1))
def test_the_fixture_of_each_format_loads_for_ever(number: int) -> None:
    fixture = FIXTURE.with_name(f"format{number}.safetensors")
    assert fixture.stat().st_size < 25_000
    writer = load(fixture, "numpy")
    report = writer.bundle.report
    assert writer.card.trained_on == "a made-up text"
    assert writer.generate(2, "the ", length=20, seed=7, temperature=0.8) == report["written"]
    assert [token for token, _ in writer.next_tokens("the par", 3)] == [token for token, _ in report["next"]]
    values = [value for _, value in writer.next_tokens("the par", 3)]
    assert values == pytest.approx([value for _, value in report["next"]], rel=1e-4)
    text = "the parrot said: hello, world! the parrot said it again.\n" * 3
    assert writer.score(text).bits_per_character == pytest.approx(report["bits_per_character"], rel=1e-5)


COMPACT = {"kind": "lstm", "hidden": 128, "embedding": 64}


def test_a_compact_file_is_small_and_hardly_worse(tmp_path: Path) -> None:
    bundle, whole, small = make_bundle(COMPACT), tmp_path / "whole.safetensors", tmp_path / "small.safetensors"
    bundle.save(whole)
    bundle.save(small, compact=True)
    assert small.stat().st_size < 0.35 * whole.stat().st_size
    again = load_bundle(small)
    for name, values in bundle.weights.items():
        assert again.weights[name].dtype == np.float32 and again.weights[name].shape == values.shape
        if values.size < parrotlet.bundle.LEAST_COMPACTED:
            assert np.array_equal(again.weights[name], values)
        else:  # at most half a step of its row
            steps = np.abs(values).max(axis=1, keepdims=True) / 127
            assert (np.abs(again.weights[name] - values) <= 0.5001 * steps).all()
    assert not np.array_equal(again.weights["layers.0.weight_hh_l0"], bundle.weights["layers.0.weight_hh_l0"])
    second = tmp_path / "second.safetensors"
    again.save(second, compact=True)
    for name, values in load_bundle(second).weights.items():
        np.testing.assert_allclose(values, again.weights[name], rtol=1e-6)  # to compact it twice loses nothing more
    with safe_open(small, framework="numpy") as file:
        assert file.get_tensor("layers.0.weight_hh_l0").dtype == np.int8


@pytest.mark.parametrize(
    "attack", ["scales are missing", "scales of another shape", "scales in bytes", "endless scales"]
)
def test_a_compact_file_without_sound_scales_is_one_clear_line(tmp_path: Path, attack: str) -> None:
    path, name = tmp_path / "model.safetensors", "layers.0.weight_hh_l0"
    make_bundle(COMPACT).save(path, compact=True)
    header, body = pieces_of(path)
    scales = header[name + ".scales"]
    begin, end = scales["data_offsets"]
    if attack == "scales are missing":
        header["other"] = header.pop(name + ".scales")
    elif attack == "scales of another shape":
        scales["shape"] = [scales["shape"][0] // 2, 2]
    elif attack == "scales in bytes":
        scales["dtype"], scales["shape"] = "I8", [end - begin]
    else:
        body = body[:begin] + np.full((end - begin) // 4, 3e38, np.float32).tobytes() + body[end:]
    rewrite(path, header, body)
    assert (
        "not finite" in error_of(path) if attack == "endless scales" else "have no scales beside it" in error_of(path)
    )


def test_the_writer_saves_what_it_holds(saved: Path, tmp_path: Path) -> None:
    load(saved).save(tmp_path / "copy.safetensors")
    assert (tmp_path / "copy.safetensors").read_bytes() == saved.read_bytes()


def test_an_older_format_is_brought_up_to_date(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(parts: dict[str, Any]) -> dict[str, Any]:
        card = {**parts["card"], "notes": ["renewed"]}
        return {**parts, "card": card}

    monkeypatch.setattr(parrotlet.bundle, "FORMAT", 3)
    monkeypatch.setattr(parrotlet.bundle, "MIGRATIONS", {1: rename, 2: lambda parts: parts})
    assert load_bundle(saved).card.notes == ("renewed",)


def test_every_older_format_has_a_migration() -> None:
    assert sorted(parrotlet.bundle.MIGRATIONS) == list(range(1, parrotlet.bundle.FORMAT))


def test_loading_runs_no_code_and_imports_no_torch(saved: Path) -> None:
    watch = """
import sys, parrotlet.writer, parrotlet.bundle
writer = parrotlet.writer.load(sys.argv[1])  # imports whatever is still to come
def hook(event, arguments):
    if event in ("pickle.find_class", "subprocess.Popen", "os.system", "socket.connect", "exec", "compile"):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(hook)
parrotlet.bundle.load_bundle(sys.argv[1])
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", watch, str(saved)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Saving is whole or nothing


def test_weights_that_do_not_fit_or_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for change, message in [
        (lambda weights: weights.pop("output.bias"), "no array 'output.bias'"),
        (lambda weights: weights.update(more=np.zeros(1, np.float32)), "'more'"),
        (lambda weights: weights.update({"output.bias": np.zeros(1, np.float32)}), "shape"),
        (lambda weights: weights["output.bias"].fill(np.nan), "not finite"),
    ]:
        bundle = make_bundle()
        change(bundle.weights)
        with pytest.raises(ParrotletError, match=message):
            bundle.save(path)
    with pytest.raises(ParrotletError, match="report card"):
        Bundle(
            *[getattr(make_bundle(), name) for name in ("weights", "settings", "tokenizer", "card")], {"a": np.nan}
        ).save(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    before = saved.read_bytes()

    def fail(*_: Any) -> Any:
        raise OSError(number, os.strerror(number))

    def chunks() -> Any:
        yield b"begun"
        fail()

    with monkeypatch.context() as broken:
        if call != "write":
            broken.setattr(os, call, fail)
        with pytest.raises(ParrotletError, match=r"cannot write .*model\.safetensors: " + os.strerror(number)):
            write_atomically(saved, chunks() if call == "write" else [b"new"])
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(saved: Path) -> None:
    before = saved.read_bytes()

    def chunks() -> Any:
        yield b"begun"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(saved, chunks())
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_where_a_file_can_not_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParrotletError, match=r"there is no folder .*missing; make it first"):
        make_bundle().save(tmp_path / "missing" / "m.safetensors")
    with pytest.raises(ParrotletError, match="it is a folder"):
        make_bundle().save(tmp_path)
    with pytest.raises(ParrotletError, match="cannot write"):
        make_bundle().save(tmp_path / "a\0b")
    if os.path.exists(os.devnull) and os.name == "posix":
        with pytest.raises(ParrotletError, match="it is not a file"):
            make_bundle().save(os.devnull)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_save_left_is_removed_once_it_is_old(saved: Path) -> None:
    old, new = saved.with_name(f".{saved.name}.00.part"), saved.with_name(f".{saved.name}.11.part")
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    make_bundle().save(saved)
    assert sorted(os.listdir(saved.parent)) == sorted([new.name, saved.name])


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_stays_a_link(saved: Path) -> None:
    link = saved.with_name("link.safetensors")
    link.symlink_to(saved)
    make_bundle(seed=1).save(link)
    assert link.is_symlink()
    assert not np.array_equal(load_bundle(saved).weights["output.bias"], make_bundle().weights["output.bias"])


# Files that are not models

Rewrite = Callable[[dict[str, Any], bytes], tuple[Any, bytes]]


def pieces_of(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def rewrite(path: Path, header: Any, body: bytes) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x00", "is not a model"),
        (b"hello, this is a text and not a model", "is not a model"),
        (b"PK\x03\x04" + b"\0" * 100, "zip archive"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5.*import"),
        (b"\x80\x04\x95" + b"\0" * 100, "pickle"),
        ((2**63).to_bytes(8, "little") + b"{}", "is not a model"),
        ((2**64 - 1).to_bytes(8, "little") + b"{}", "is not a model"),
        ((HEADER_LIMIT + 1).to_bytes(8, "little") + b"{}", "is not a model"),
        ((100).to_bytes(8, "little") + b"{}", "is cut short"),
        ((0).to_bytes(8, "little") + b"{}", "is not a model"),
        ((2).to_bytes(8, "little") + b"{}", "something else"),
        ((2).to_bytes(8, "little") + b"{]", "not valid JSON"),
        ((4).to_bytes(8, "little") + b"{\xff\xff}", "not valid JSON"),
    ],
)
def test_what_is_not_a_model_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ParrotletError, match=message):
        load_bundle(path)
    error_of(path)


def test_what_is_no_file_is_told(saved: Path) -> None:
    with pytest.raises(ParrotletError, match=r"did you mean 'model\.safetensors'"):
        load_bundle(saved.with_name("modell.safetensors"))
    with pytest.raises(ParrotletError, match="there is no file"):
        load_bundle(saved.parent / "missing" / "m.safetensors")
    with pytest.raises(ParrotletError, match="is a folder"):
        load_bundle(saved.parent)
    with pytest.raises(ParrotletError, match=r"cannot read|no file"):
        load_bundle("a\0b")
    if os.name == "posix":
        os.mkfifo(saved.with_name("pipe"))
        with pytest.raises(ParrotletError, match="not a regular file"):
            load_bundle(saved.with_name("pipe"))


def test_a_safetensors_file_of_something_else_is_told(saved: Path) -> None:
    header, body = pieces_of(saved)
    del header["__metadata__"]
    for dtype in ("F32", "BF16"):
        header["output.bias"]["dtype"] = dtype
        rewrite(saved, header, body)
        assert "something else" in error_of(saved)


@pytest.mark.parametrize("number", ["3", "999999999"])
def test_a_file_of_a_newer_version_is_told(saved: Path, number: str) -> None:
    header, body = pieces_of(saved)
    header["__metadata__"]["parrotlet.format"] = number
    header["__metadata__"]["settings"] = '{"whatever": 1}'
    rewrite(saved, header, body)
    assert "update parrotlet" in error_of(saved)


def change_entry(**changes: Any) -> Rewrite:
    def change(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        header["output.bias"].update(changes)
        return header, body

    return change


def change_metadata(**changes: Any) -> Rewrite:
    def change(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        header["__metadata__"].update(changes)
        return header, body

    return change


def change_part(part: str, **changes: Any) -> Rewrite:
    def change(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        data = json.loads(header["__metadata__"][part])
        for path, value in changes.items():
            *way, last = path.split("__")
            target = data
            for step in way:
                target = target[step]
            target[last] = value
        header["__metadata__"][part] = json.dumps(data)
        return header, body

    return change


def overlap(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    header["layers.0.bias_ih_l0"]["data_offsets"] = header["layers.0.bias_hh_l0"]["data_offsets"]
    return header, body


def hole(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 4 for offset in entry["data_offsets"]]
    return header, b"\0\0\0\0" + body


def twice(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    raw = json.dumps(header)
    return (raw[:-1] + ', "output.bias": ' + json.dumps(header["output.bias"]) + "}").encode(), body


def twice_within(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    header["__metadata__"]["settings"] = '{"network": {}, "network": {}}'
    return header, body


def rename(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    header["output.bia\ud800s"] = header.pop("output.bias")
    return header, body


def remove_last(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    last = max((entry["data_offsets"][0], name) for name, entry in header.items() if name != "__metadata__")
    del header[last[1]]
    return header, body[: last[0]]


def not_finite(value: float) -> Rewrite:
    def change(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        return header, body[:-4] + np.float32(value).tobytes()

    return change


def many_arrays(header: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
    for number in range(100_000):
        header[f"x{number}"] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return header, body


DEEP = "[" * 100_000 + "]" * 100_000
ATTACKS: dict[str, tuple[Rewrite, str]] = {
    "many dimensions": (change_entry(shape=[1] * 10_000), "malformed"),
    "huge shape": (change_entry(shape=[10**9, 10**9, 10**9]), "malformed"),
    "huge shape and offsets": (
        change_entry(shape=[10**15], data_offsets=[0, 4 * 10**15]),
        "malformed|overlaps|cut short",
    ),
    "number of 5000 digits": (lambda h, b: (json.dumps(h)[:-1].encode() + b', "x": ' + b"9" * 5000 + b"}", b), "JSON"),
    "negative shape": (change_entry(shape=[-1]), "malformed"),
    "negative offsets": (change_entry(data_offsets=[-4, 0]), "malformed"),
    "offsets reversed": (change_entry(data_offsets=[100, 0]), "malformed"),
    "shape of truth values": (change_entry(shape=[True]), "malformed"),
    "shape of floats": (change_entry(shape=[28.0]), "malformed"),
    "other type": (change_entry(dtype="F64"), "F32"),
    "type is a list": (change_entry(dtype=["F32"] * 1000), "F32"),
    "more in an entry": (change_entry(code="import os"), "malformed"),
    "entry is a number": (lambda h, b: ({**h, "output.bias": 5}, b), "malformed"),
    "metadata is a list": (lambda h, b: (b'{"__metadata__": []}', b""), "metadata must be texts"),
    "overlapping offsets": (overlap, "overlaps or leaves a hole"),
    "hole": (hole, "overlaps or leaves a hole"),
    "name twice": (twice, "twice"),
    "name twice in the settings": (twice_within, "twice"),
    "lone surrogate in a name": (rename, "surrogate"),
    "array missing": (remove_last, "no array|no model|cut short"),
    "bytes at the end": (lambda h, b: (h, b + b"PK\x05\x06"), "4 bytes follow"),
    "polyglot header": (lambda h, b: (json.dumps(h).encode() + b"\0" * 300_000, b), "malformed|JSON"),
    "deeply nested header": (lambda h, b: (b'{"a":' + DEEP.encode() + b"}", b), "deep|JSON"),
    "deeply nested part": (change_metadata(report=DEEP), "deep"),
    "many arrays": (many_arrays, "too many arrays"),
    "NaN": (not_finite(float("nan")), "not finite"),
    "infinity": (not_finite(float("-inf")), "not finite"),
    "metadata not text": (change_metadata(settings={"network": {}}), "must be texts"),
    "format not a number": (change_metadata(**{"parrotlet.format": "one"}), "whole number"),
    "format zero": (change_metadata(**{"parrotlet.format": "0"}), "whole number"),
    "format of 5000 digits": (change_metadata(**{"parrotlet.format": "1" * 5000}), "whole number"),
    "part not JSON": (change_metadata(settings="import os"), "settings is not valid JSON"),
    "part with NaN": (change_metadata(report='{"a": NaN}'), "NaN"),
    "part is a list": (change_metadata(card="[]"), "card"),
    "report is a list": (change_metadata(report="[]"), "report"),
    "tokenizer is a list": (change_metadata(tokenizer="[]"), "tokenizer must be an object"),
    "tokenizer of an unknown level": (change_part("tokenizer", level="codec"), "tokenizer"),
    "tokenizer without its parts": (change_metadata(tokenizer='{"level": "char"}'), "tokenizer"),
    "tokenizer of 10^7 tokens": (
        change_metadata(tokenizer='{"level": "char", "symbols": [' + "0," * 10_000_000 + "0]}"),
        "JSON|longer|model",
    ),
    "long settings": (change_metadata(settings='"' + "x" * 100_000 + '"'), "longer"),
    "long report": (change_metadata(report='"' + "x" * 10_000_000 + '"'), "longer"),
    "hidden is another size": (change_part("settings", network__hidden=8192), "its settings ask for"),
    "hidden is huge": (change_part("settings", network__hidden=10**9), "network.hidden"),
    "layers is a float": (change_part("settings", network__layers=1.5), "network.layers"),
    "more layers": (change_part("settings", network__layers=32), "no array"),
    "tied without a fit": (change_part("settings", network__tied=True), "tied"),
    "unknown setting": (change_part("settings", network__code="import os"), "network.code"),
    "unknown kind": (change_part("settings", network__kind="os.system"), "network.kind"),
    "surrogate in the card": (change_part("card", trained_on="\ud800"), "card"),
    "surrogate in the report": (change_metadata(report='{"a": "\\ud800"}'), "report"),
    "infinite float in the card": (change_metadata(card='{"seconds": 1e999}'), "card: seconds"),
    "negative steps": (change_part("card", steps=-1), "card: steps"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malformed_file_is_one_clear_line_and_takes_little_memory(saved: Path, attack: str) -> None:
    change, message = ATTACKS[attack]
    rewrite(saved, *change(*pieces_of(saved)))
    size = saved.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(ParrotletError, match=message):
            load_bundle(saved)
        assert tracemalloc.get_traced_memory()[1] < 20 * size + (20 << 20)
    finally:
        tracemalloc.stop()
    error_of(saved)


@pytest.mark.parametrize("part", ["settings", "tokenizer", "card", "report"])
def test_a_missing_part_is_named(saved: Path, part: str) -> None:
    header, body = pieces_of(saved)
    del header["__metadata__"][part]
    rewrite(saved, header, body)
    assert f"no {part}" in error_of(saved)


def test_a_truncated_file_is_told_at_every_length(saved: Path) -> None:
    data = saved.read_bytes()
    for length in [*range(0, 64), *range(64, len(data), 97), len(data) - 1]:
        saved.write_bytes(data[:length])
        assert any(word in error_of(saved) for word in ("cut short", "empty", "not a model"))


def test_random_changes_give_a_model_or_one_clear_line(saved: Path) -> None:
    data, rng = saved.read_bytes(), np.random.default_rng(0)
    length = 8 + int.from_bytes(data[:8], "little")
    outcomes = {"loaded": 0, "refused": 0}
    for turn in range(400):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(0, len(data) if turn % 4 == 0 else length))
            match int(rng.integers(0, 3)):
                case 0:
                    changed[place] = int(rng.integers(0, 256))
                case 1:
                    del changed[place : place + int(rng.integers(1, 9))]
                case _:
                    changed[place:place] = changed[place // 2 : place // 2 + int(rng.integers(1, 30))]
        saved.write_bytes(changed)
        try:
            writer = load(saved)
            writer.write("he", length=5, seed=1)
            outcomes["loaded"] += 1
        except ParrotletError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            outcomes["refused"] += 1
    assert outcomes["refused"] > 200


def test_random_digits_in_the_header_give_a_model_or_one_clear_line(saved: Path) -> None:
    """Changes that keep the JSON whole reach the checks behind it."""
    data, rng = saved.read_bytes(), np.random.default_rng(1)
    digits = [place for place in range(8, 8 + int.from_bytes(data[:8], "little")) if chr(data[place]).isdigit()]
    for _ in range(200):
        changed = bytearray(data)
        for place in rng.choice(digits, size=2):
            changed[int(place)] = int(rng.integers(48, 58))
        saved.write_bytes(changed)
        try:
            load(saved).write("he", length=5, seed=1)
        except ParrotletError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000

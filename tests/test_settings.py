"""Settings: what is wrong is one line that names the setting, the value and the nearest right one."""

import pytest

from parrotlet.errors import UsageError
from parrotlet.settings import assign, flat, merge, parse_settings


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"network": {"hiden": 3}}, "unknown setting 'network.hiden': did you mean 'hidden'?"),
        ({"netwrok": {}}, "unknown setting 'netwrok': did you mean 'network'?"),
        ({"network": {"kind": "lsmt"}}, "network.kind = 'lsmt' is not known: did you mean 'lstm'?"),
        ({"tokenizer": {"level": "words"}}, "tokenizer.level = 'words' is not known: did you mean 'word'?"),
        (
            {"network": {"hidden": 10**9}},
            "network.hidden = 1000000000 is not allowed: input should be less than or equal to 8192",
        ),
        (
            {"training": {"minutes": 1, "steps": 5}},
            "training: give one of minutes, epochs and steps, not minutes and steps",
        ),
    ],
)
def test_a_wrong_setting_is_one_clear_line(data, line):
    with pytest.raises(UsageError) as error:
        parse_settings(data)
    assert str(error.value) == line


def test_bare_names_find_their_sections():
    nested = flat({"minutes": 1, "network": "gru", "level": "word", "training": {"batch": 8}})
    assert nested == {
        "training": {"minutes": 1, "batch": 8},
        "network": {"kind": "gru"},
        "tokenizer": {"level": "word"},
    }
    with pytest.raises(UsageError, match="unknown setting 'minuts': did you mean 'minutes'"):
        flat({"minuts": 1})


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("network.hidden=512", {"network": {"hidden": 512}}),
        ("network.kind=gru", {"network": {"kind": "gru"}}),
        ("tokenizer.lowercase=true", {"tokenizer": {"lowercase": True}}),
        ('corpus.labels=["a", "b"]', {"corpus": {"labels": ["a", "b"]}}),
    ],
)
def test_assignments_are_read_as_toml(assignment, expected):
    data = {}
    assign(data, assignment)
    assert data == expected


@pytest.mark.parametrize("assignment", ["hidden=3", "network.hidden", "=3", "network.=3"])
def test_a_malformed_assignment_is_one_clear_line(assignment):
    with pytest.raises(UsageError, match=r"is not of the form section\.name=value"):
        assign({}, assignment)


def test_a_budget_on_top_replaces_the_one_beneath():
    merged = merge({"training": {"epochs": 9, "batch": 8}}, {"training": {"minutes": 1}})
    assert merged == {"training": {"minutes": 1, "batch": 8}}


def test_settings_survive_a_round_trip():
    settings = parse_settings({"network": {"kind": "gru", "tied": True}, "training": {"steps": 9}})
    assert parse_settings(settings.model_dump(mode="json")) == settings

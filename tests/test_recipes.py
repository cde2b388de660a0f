"""Every recipe learns and writes: on a small text of its form that is made here, and on a real corpus if at hand."""

import json

import pytest

pytest.importorskip("torch")

from parrotlet import Writer, training
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.recipes import load_recipe, read_recipe, recipe_names
from parrotlet.settings import parse_settings

LINES = "".join(f"the grey cat number {n} sat on mat {n * n % 13}.\n" for n in range(150))
DISHES = [{"title": f"Soup {n}", "directions": ["Cut the roots.", f"Boil for {n % 50} minutes."]} for n in range(80)]
POEMS = "".join(chr(0x4E00 + n * n % 300) + ("\n" if n % 6 == 5 else "") for n in range(3000))
STROKES = "".join(" ".join(f"{k * n % 9},{k % 5},{int(k == n % 7)}" for k in range(9)) + "\n" for n in range(200))
TUNES = "".join(f"X:{n}\nT:Walk {n}\nK:{'CDG'[n % 3]}\n" + "cdefgab"[n % 7] * 4 + "|gab|\n\n" for n in range(150))
CHORALES = "".join(
    " ".join(f"{48 + (k * n + n * n // 3) % 9}.{60 + (n + k * k) % 11}" for k in range(12)) + "\n" for n in range(400)
)
POSTS = "author,text\n" + "".join(
    f"{'AB'[n % 2]},the cat {n} sat on mat {n * n % 13} https://t.co/{n}\n" for n in range(150)
)
TALK = "".join(f"Where is cat {n}?\tOn mat {n * n % 13}.\n" for n in range(150))

# For each recipe: the name and the content of a small file of its form, and a real file of that form.
MADE = {
    "book": ("book.txt", LINES, "nietzsche/nietzsche.txt"),
    "bytes": ("bytes.txt", LINES, "russian/onegin.txt"),
    "char-rnn": ("book.txt", LINES, "tinyshakespeare/input.txt"),
    "chat": ("talk.tsv", TALK, "chat/dialogs.txt"),
    "chorales": ("chorales.txt", CHORALES, "midi_text/jsb_chorales_tokens.txt"),
    "convolution": ("book.txt", LINES, "nietzsche/nietzsche.txt"),
    "king-lear": ("book.txt", LINES, "king_lear/king_lear.txt"),
    "nietzsche": ("book.txt", LINES, "nietzsche/nietzsche.txt"),
    "penn-characters": ("letters.txt", " ".join(LINES.replace(" ", "_")), "ptb/ptb.char.valid.txt"),
    "penn-words": ("words.txt", LINES, "ptb/ptb.valid.txt"),
    "poems": ("poems.txt", POEMS, "chinese_poetry/song_ci_300.txt"),
    "recipes": ("dishes.json", json.dumps(DISHES), "recipes/epicurious_recipes.json"),
    "strokes": ("strokes.txt", STROKES, "strokes/kanji_strokes.txt"),
    "syllables": ("book.txt", LINES, "king_lear/king_lear.txt"),
    "textgenrnn": ("titles.txt", LINES, "textgenrnn/hacker_news_2000.txt"),
    "tweets": ("posts.csv", POSTS, "tweets/election_tweets_2016.csv"),
    "titles": ("titles.txt", LINES, "textgenrnn/hacker_news_2000.txt"),
    "tunes": ("tunes.abc", TUNES, "abc_nottingham/nottingham.abc"),
}


STEPS = {
    "chat": 150,
    "chorales": 120,
    "king-lear": 150,
    "penn-words": 150,
}  # slow to learn; the others show it after 30


def learns_and_writes(source, recipe, steps):
    small = {"hidden": 16, "learning_rate": 0.01, "sample_length": 8, "device": "cpu"}
    running = training(source, recipe=recipe, steps=steps, evaluations=2, **small)
    events = list(running)
    found = [event for event in events if event.event == "evaluation"]
    figures = [event.train if event.validation is None else event.validation for event in found]
    assert figures[-1] < figures[0]
    writer = Writer(running.bundle)
    texts = writer.generate(3, length=30, min_length=5, seed=1)
    assert any(text.strip() for text in texts)
    assert texts == writer.generate(3, length=30, min_length=5, seed=1)


def test_every_recipe_has_a_text_of_its_form():
    assert set(MADE) == set(recipe_names())


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_learns_from_a_small_text_and_writes(tmp_path, recipe):
    if recipe == "syllables":
        pytest.importorskip("tokenizers")
    name, content, _ = MADE[recipe]
    (tmp_path / name).write_text(content, encoding="utf-8")
    learns_and_writes(tmp_path / name, recipe, STEPS.get(recipe, 30))


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_learns_from_a_real_corpus_and_writes(corpora, recipe):
    source = corpora / MADE[recipe][2]
    if not source.is_file():
        pytest.skip(f"{MADE[recipe][2]} is not at hand")
    learns_and_writes(source, recipe, STEPS.get(recipe, 30))


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_is_made_of_known_settings_and_has_a_title(recipe):
    parse_settings(load_recipe(recipe))
    assert read_recipe(recipe)["title"]


def test_a_recipe_of_one_s_own_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text('[network]\nkind = "gru"\n', encoding="utf-8")
    assert load_recipe(tmp_path / "mine.toml") == {"network": {"kind": "gru"}}


def test_a_wrong_recipe_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="unknown recipe 'bok': did you mean 'book'"):
        load_recipe("bok")
    (tmp_path / "broken.toml").write_text("[network\n", encoding="utf-8")
    with pytest.raises(ParrotletError, match="is not TOML"):
        load_recipe(tmp_path / "broken.toml")
    with pytest.raises(ParrotletError, match="cannot read the recipe"):
        load_recipe(tmp_path / "missing.toml")

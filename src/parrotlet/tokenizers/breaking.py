"""A text in a script without blanks comes in; its words go out, as the dictionaries of ICU part them."""

from parrotlet.errors import ParrotletError
from parrotlet.tokenizers.clusters import pattern, spaced_tokens

# Scripts that are written without blanks between words, and the marks that their words hold.
RUN = r" ?[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]++"


def broken_tokens(text: str) -> list[str]:
    """The tokens of a single-spaced text, each with the space before it; they join to it.

    Chinese, Japanese, Thai, Lao, Khmer and Burmese words are looked up (ICU's rules and dictionaries: Unicode Standard
    Annex 29); all else is as ``spaced_tokens`` has it. Raises ParrotletError where icu4py is not installed.
    """
    found: list[str] = []
    place = 0
    for run in pattern(RUN).finditer(text):
        found += spaced_tokens(text[place : run.start()])
        found += _words(run[0])
        place = run.end()
    return found + spaced_tokens(text[place:])


def _words(run: str) -> list[str]:
    try:
        from icu4py.breakers import WordBreaker
    except ModuleNotFoundError:
        raise ParrotletError("tokenizer.breaker = 'icu' needs icu4py: pip install 'parrotlet[words]'") from None
    space = run[: run.startswith(" ")]
    words = list(WordBreaker(run.removeprefix(" "), "und"))
    return [space + words[0], *words[1:]]

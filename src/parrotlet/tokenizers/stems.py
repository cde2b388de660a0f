"""Stemming by a Snowball stemmer: a token comes in, the token with its word cut to the stem goes out."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock

from parrotlet.errors import ParrotletError, UsageError, nearest
from parrotlet.tokenizers.clusters import WORD, pattern
from parrotlet.tokenizers.normal import Normalisation

CACHED = 1 << 17  # words whose stem is remembered


class Stemmer:
    """Maps each token to one that is mapped to itself, so that a stemmed text stays as it is."""

    def __init__(self, language: str, normalisation: Normalisation) -> None:
        """Takes a language that snowballstemmer knows, such as english; UsageError names the nearest one."""
        self._rules = _rules(language)
        self._normalisation = normalisation
        self._lock = Lock()  # a Snowball stemmer works in place
        self._cached = lru_cache(CACHED)(self._settled)

    def __call__(self, token: str) -> str:
        """The stemmed token; the space before it stays."""
        return self._cached(token)

    def _settled(self, token: str) -> str:
        word = token.removeprefix(" ")
        if not pattern(WORD).fullmatch(word):
            return token
        # Rules applied to a stem can cut it again, or go in a ring: then one member stands for all of it.
        seen = [word]
        while (word := self._step(word)) not in seen:
            seen.append(word)
        return (" " if token.startswith(" ") else "") + min(seen[seen.index(word) :])

    def _step(self, word: str) -> str:
        """One stemming, refused where the stem would not stay one word of its own among the same neighbours."""
        with self._lock:
            stem = self._rules(word)
        if stem == word or not pattern(WORD).fullmatch(stem) or self._normalisation(stem) != stem:
            return word
        for before, after in ((word[0], stem[0]), (word[-1], stem[-1])):
            if before != after and not (before.isalpha() and after.isalpha()):
                return word
        return stem


def _rules(language: str) -> Callable[[str], str]:
    try:
        import snowballstemmer
    except ImportError:
        raise ParrotletError("stemming needs: pip install 'parrotlet[words]'") from None
    known = snowballstemmer.algorithms()
    if language not in known:
        raise UsageError(f"tokenizer.stem is {language[:40]!r}; {nearest(language[:40], known)}")
    rules: Callable[[str], str] = snowballstemmer.stemmer(language).stemWord
    return rules

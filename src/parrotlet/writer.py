"""A model file comes in; texts go out, whole or in pieces as they are decided, likely next tokens, and scores."""

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle, Card, Labels, load_bundle
from parrotlet.continuations import Continuation, continuations
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.generation import Beginning, Plan, UserRule
from parrotlet.labels import Choice, labelled_network
from parrotlet.lengths import of_usual_length
from parrotlet.novelty import Novelty
from parrotlet.runtime import Arithmetic, ReferenceRuntime, Runtime, State, after_last, open_runtime
from parrotlet.sampling import Rules
from parrotlet.scoring import LOGITS_LIMIT, Score, Scorer, pieces_of
from parrotlet.settings import Settings, check
from parrotlet.tokenizers import Tokenizer, first_ids
from parrotlet.trace import TraceStep, likeliest, trace_text
from parrotlet.writing import Text, stream_text, write_rows

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus, Document

__all__ = ["Score", "Text", "Writer", "load"]

Path = Literal["auto", "compiled", "numpy"]
LONGEST = 100_000_000  # tokens of one text
MOST_TEXTS = 100_000
MOST_STOPS, LONGEST_STOP = 1000, 1000
ROWS = 256  # texts written side by side
MOST_CONTINUATIONS = 100


class Writer:
    """Writes with one model.

    The same prompt, settings and seed give the same text, alone or among others, streamed or not. Every writing method
    takes ``prompt``; ``length``, the most new tokens; ``seed`` (None: a random one); ``stop``, strings that end a text
    before them; ``novel``, what may not be copied; ``rule``, a function of probabilities (V,) and the ids so far that
    gives back probabilities (V,); and the fields of ``sampling.Rules`` by name, such as ``temperature=0.8``. They raise
    UsageError where one of these is wrong.
    """

    def __init__(
        self,
        bundle: Bundle,
        path: Path | Runtime = "auto",
        arithmetic: Arithmetic = "float32",
        labels: Choice | None = None,
        label_strength: float = 1.0,
    ) -> None:
        """``path``: how to compute, "compiled" or "numpy" ("auto": the faster there is), or a runtime of one's own.

        ``arithmetic``: "float32", or "int8", which holds the matrices in bytes: several times as fast, hardly less
        exact (less than 0.001 bits per character were lost wherever it was measured), and it writes other texts.
        ``labels`` and ``label_strength``: see ``labelled``.
        """
        self.bundle = bundle
        self._path, self._arithmetic, self._labels, self._label_strength = path, arithmetic, labels, label_strength
        if isinstance(path, str):
            network, weights = labelled_network(bundle, labels or {}, label_strength)
            path = open_runtime(network, weights, len(bundle.tokenizer), path, arithmetic)
        elif labels:
            raise UsageError("labels cannot be chosen for a runtime of one's own")
        self._runtime: Runtime = path

    def labelled(self, labels: Choice, strength: float = 1.0) -> "Writer":
        """A Writer with the same model that writes, and scores, under these labels of the training texts.

        ``labels``: by column a label, or several with their shares: ``{"author": {"Ann": 3, "Bob": 1}}``. A column that
        is not named has no label. ``strength``: above 1 overdoes what sets a label apart, 0 is no label. Raises
        UsageError for one that the model does not have.
        """
        return Writer(self.bundle, self._path, self._arithmetic, labels, strength)

    @property
    def labels(self) -> Labels:
        """The labels that this model can write under, by column."""
        return self.bundle.labels

    @property
    def runtime(self) -> Runtime:
        """What reads and writes for it, without torch."""
        return self._runtime

    def readable(self) -> ReferenceRuntime:
        """The same network in plain numpy, whose layers can be looked into."""
        network, weights = labelled_network(self.bundle, self._labels or {}, self._label_strength)
        return ReferenceRuntime(network, weights, len(self.tokenizer))

    @property
    def settings(self) -> Settings:
        return self.bundle.settings

    @property
    def tokenizer(self) -> Tokenizer:
        return self.bundle.tokenizer

    @property
    def card(self) -> Card:
        return self.bundle.card

    def write(
        self,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> str:
        """One text: the prompt and what follows."""
        return self.texts(1, prompt, length=length, seed=seed, stop=stop, novel=novel, rule=rule, **rules)[0].text

    def generate(
        self,
        n: int = 1,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        usual_lengths: bool = False,
        **rules: Any,
    ) -> list[str]:
        """``n`` texts; the first k of them are the same for every ``n``. ``usual_lengths``: see ``texts``."""
        given: dict[str, Any] = {"stop": stop, "novel": novel, "rule": rule, "usual_lengths": usual_lengths, **rules}
        texts = self.texts(n, prompt, length=length, seed=seed, **given)
        return [each.text for each in texts]

    def texts(
        self,
        n: int = 1,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        probabilities: bool = False,
        usual_lengths: bool = False,
        **rules: Any,
    ) -> list[Text]:
        """``n`` texts, each with its seed, why it ended and, where asked for, its tokens' probabilities.

        ``usual_lengths``: drafts are written until their lengths can be spread like those of the training texts.
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_TEXTS:
            raise UsageError(f"n must be a whole number from 1 to {MOST_TEXTS}, not {n!r}")
        plan = replace(self._plan(length, seed, stop, novel, rule, rules), probabilities=probabilities)
        begin = self._begin(prompt)
        if not usual_lengths:
            return self._written(begin, plan, range(n))
        borders = self.card.lengths
        if len(borders) < 2:
            raise UsageError("usual_lengths: the model does not know how long the documents were that it learned from")
        before, most = len(begin.prompt), plan.length
        plan = replace(plan, length=min(most, max(1, borders[-1] - before + 1)))
        return of_usual_length(partial(self._written, begin, plan), n, borders, before, most, plan.seed)

    def _written(self, begin: Beginning, plan: Plan, rows: range) -> list[Text]:
        """The texts with these numbers."""
        together = 1 if plan.by_steps else ROWS
        parts = (rows[start : start + together] for start in range(0, len(rows), together))
        return [text for part in parts for text in write_rows(self._runtime, self.tokenizer, begin, plan, part)]

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> Iterator[str]:
        """The pieces of one text as they are decided, the prompt first; joined they are what ``write`` gives."""
        plan = self._plan(length, seed, stop, novel, rule, rules)  # here, so that a wrong call fails at once
        return stream_text(self._runtime, self.tokenizer, self._begin(prompt), plan)

    def next_tokens(self, prompt: str = "", n: int = 10) -> list[tuple[str, float]]:
        """The ``n`` likeliest next tokens, likeliest first, with the network's own probabilities."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(f"n must be a whole number from 1, not {n!r}")
        return likeliest(self.tokenizer, self._begin(prompt).logits[0], self._banned(), n)

    def continuations(self, text: str = "", n: int = 5, words: int = 1) -> list[Continuation]:
        """The ``n`` likeliest ways to go on with a text by so many whole words, likeliest first, at every level.

        A sign such as a comma counts as a word; a word that the text breaks off in is finished first. The probabilities
        are the network's own.
        """
        for name, value in (("n", n), ("words", words)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_CONTINUATIONS:
                raise UsageError(f"{name} must be a whole number from 1 to {MOST_CONTINUATIONS}, not {value!r}")
        ends = self.card.form == "lines"
        return continuations(self._runtime, self.tokenizer, self._begin(text), self._banned(), ends, n, words)

    def score(
        self,
        text: "str | Corpus | Iterable[Document]",
        form: Literal["text", "lines"] | None = None,
        *,
        surprise: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Score:
        """How well the model foresees a text, a corpus or documents.

        ``form`` (None: the form the model was trained on): "text" reads each document as one long text, "lines" scores
        the end of each document too; a string is then one document a line. ``surprise`` adds each token's bits;
        ``progress`` is told the characters read so far, now and then.
        """
        form = form or self.card.form
        if form not in ("text", "lines"):
            raise UsageError(f"form must be 'text' or 'lines', not {form!r}")
        documents: Iterable[Iterable[str]]
        if isinstance(text, str):
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            documents = [pieces_of(text)] if form == "text" else ([line] for line in lines if line.strip())
        else:
            given: Iterable[Document] = text.documents() if hasattr(text, "documents") else text
            documents = (document.pieces for document in given)
        scorer = Scorer(self._runtime, self.tokenizer, surprise, progress)
        (scorer.add_texts if form == "text" else scorer.add_lines)(documents)
        return scorer.score()

    def shown(self, prompt: str) -> str:
        """The prompt as it stands in the text: as typed, less blanks at its end that the normal form drops."""
        shown = re.sub("[\ud800-\udfff]", "\ufffd", prompt)
        kept = shown.rstrip(" \t")
        return shown if kept == shown or self.tokenizer.normalise(shown)[-1:] in (" ", "\t") else kept

    def unknown(self, prompt: str) -> list[str]:
        """The symbols or words of a prompt that the vocabulary does not hold, in order of appearance."""
        return self.tokenizer.unknown(prompt)

    def save(self, path: str | os.PathLike[str], compact: bool = False) -> None:
        """Write the model to one file, whole or not at all; ``compact``: a quarter of the size, see ``Bundle.save``."""
        self.bundle.save(path, compact)

    def trace(
        self,
        prompt: str = "",
        *,
        length: int = 20,
        n: int = 5,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> list[TraceStep]:
        """The text that ``write`` gives, step by step: each token, and the ``n`` that the network held likeliest."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(f"n must be a whole number from 1, not {n!r}")
        plan = self._plan(length, seed, stop, novel, rule, rules)
        return trace_text(self._runtime, self.tokenizer, self._begin(prompt), plan, n)

    def _plan(
        self,
        length: int,
        seed: int | None,
        stop: str | Sequence[str],
        novel: Novelty | None,
        rule: UserRule | None,
        rules: dict[str, Any],
    ) -> Plan:
        """The call's settings, checked."""
        if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= LONGEST:
            raise UsageError(f"length must be a whole number of tokens from 0 to {LONGEST}, not {length!r}")
        if seed is None:
            seed = secrets.randbits(32)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise UsageError(f"seed must be a whole number from 0 to {2**63 - 1}, not {seed!r}")
        if novel is not None and not isinstance(novel, Novelty):
            raise UsageError("novel must be a Novelty, made from the training text and a number of characters")
        if rule is not None and not callable(rule):
            raise UsageError("rule must be a function of probabilities and ids that gives back probabilities")
        stop_id = self.tokenizer.stop if self.card.form == "lines" else None
        stops = _check_stops(stop)
        return Plan(length, seed, check(Rules, rules), stops, novel, rule, stop_id, self._banned())

    def _banned(self) -> tuple[int, ...]:
        """Ids that are never drawn: in a long text its end is one of them."""
        ends = () if self.card.form == "lines" else (self.tokenizer.stop,)
        return (*self.tokenizer.unwritable, *ends)

    def _begin(self, prompt: str) -> Beginning:
        """Let the network read what comes before the first new token."""
        if not isinstance(prompt, str):
            raise UsageError(f"prompt must be a text, not {type(prompt).__name__}")
        ids = np.asarray(self.tokenizer.encode(prompt), dtype=np.int64)
        return Beginning(self.shown(prompt), ids, *self._read_last(np.concatenate((self.opening(ids), ids))))

    def opening(self, prompt: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The ids read before those of a prompt: a document begins with <s>, a piece of a long text as its lines do.

        Where the training never had <s>, a prompt is read alone, as it was then.
        """
        if not self.tokenizer.stop_learned and len(prompt):
            return prompt[:0]
        if self.tokenizer.stop_learned and self.card.form == "text":
            ids = np.asarray(self.tokenizer.encode("\n"), dtype=np.int64)
            if len(ids) == 1 and self.tokenizer.decode(ids) == "\n":
                return ids
        return first_ids(self.tokenizer)

    def _read_last(self, ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], State]:
        """The logits after the last id, (1, V), and the state; a long prompt is read in parts to bound the memory."""
        step = max(1, LOGITS_LIMIT // len(self.tokenizer))
        state = None
        if context := self.settings.network.context:  # what stands before the last window changes nothing
            state, ids = after_last([ids[:-1]], context, len(self.tokenizer)), ids[-1:]
        for start in range(0, len(ids), step):
            logits, state = self._runtime.read(ids[None, start : start + step], state)
        if state is None:
            raise ParrotletError("there is nothing to begin from")
        return logits[:, -1], state


def _check_stops(stop: str | Sequence[str]) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(stops) > MOST_STOPS:
        raise UsageError(f"stop: at most {MOST_STOPS} strings, not {len(stops)}")
    for each in stops:
        if not isinstance(each, str) or not 1 <= len(each) <= LONGEST_STOP:
            raise UsageError(f"stop: each must be a text of 1 to {LONGEST_STOP} characters, not {each!r:.100}")
    return stops


def load(path: str | os.PathLike[str], path_kind: Path = "auto", arithmetic: Arithmetic = "float32") -> Writer:
    """Open a model file to write with; ``arithmetic`` as for ``Writer``.

    Raises ParrotletError with one line where it is not a sound model.
    """
    return Writer(load_bundle(path), path_kind, arithmetic)

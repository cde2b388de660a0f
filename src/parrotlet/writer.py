"""A model file comes in; texts go out, whole or in pieces as they are decided, likely next tokens, and scores."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from parrotlet.bundle import Bundle, Card, Labels, load_bundle
from parrotlet.continuations import Continuation, continuations
from parrotlet.errors import ParrotletError, UsageError, whole_number
from parrotlet.generation import Beginning, Plan, Stops, UserRule, checked_plan
from parrotlet.labels import Choice, labelled_network
from parrotlet.lengths import of_usual_length
from parrotlet.novelty import Novelty
from parrotlet.runtime import Arithmetic, ReferenceRuntime, Runtime, State, after_last, open_runtime
from parrotlet.sampling import Rules
from parrotlet.scoring import LOGITS_LIMIT, Score, Scorer, documents_of
from parrotlet.settings import Settings, check
from parrotlet.tokenizers import Tokenizer, first_ids
from parrotlet.trace import TraceStep, likeliest, trace_text
from parrotlet.writing import Text, stream_text, write_rows

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus, Document

__all__ = ["Score", "Text", "Writer", "load"]

Computing = Literal["auto", "compiled", "numpy"]
MOST_TEXTS = 100_000
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
        runtime: Computing | Runtime = "auto",
        arithmetic: Arithmetic = "float32",
        labels: Choice | None = None,
        label_strength: float = 1.0,
    ) -> None:
        """``runtime``: what computes, "compiled" or "numpy" ("auto": the faster there is), or one of one's own.

        ``arithmetic``: "float32", or "int8", which holds the matrices in bytes: several times as fast, hardly less
        exact (0.000 to 0.002 bits per character were lost, most by the smallest networks), and it writes other texts.
        ``labels`` and ``label_strength``: see ``labelled``.
        """
        self.bundle = bundle
        self._given = runtime, arithmetic, labels, label_strength
        if isinstance(runtime, str):
            network, weights = labelled_network(bundle, labels or {}, label_strength)
            runtime = open_runtime(network, weights, len(bundle.tokenizer), runtime, arithmetic)
        elif labels:
            raise UsageError("labels cannot be chosen for a runtime of one's own")
        self._runtime: Runtime = runtime

    def __reduce__(self) -> tuple[Any, ...]:
        """What other processes make the same writer of."""
        return type(self), (self.bundle, *self._given)

    def labelled(self, labels: Choice, strength: float = 1.0) -> "Writer":
        """A Writer with the same model that writes, and scores, under these labels of the training texts.

        ``labels``: by column a label, or several with their shares: ``{"author": {"Ann": 3, "Bob": 1}}``. A column that
        is not named has no label. ``strength``: above 1 overdoes what sets a label apart, 0 is no label. Raises
        UsageError for one that the model does not have.
        """
        runtime, arithmetic, *_ = self._given
        return Writer(self.bundle, runtime, arithmetic, labels, strength)

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
        *_, labels, strength = self._given
        network, weights = labelled_network(self.bundle, labels or {}, strength)
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
        stop: Stops = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> str:
        """One text: the prompt and what follows."""
        plan = self._plan(length, seed, stop, novel, rule, rules)
        return self._written(self._begin(prompt), plan, range(1))[0].text

    def generate(
        self,
        n: int = 1,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: Stops = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        usual_lengths: bool = False,
        **rules: Any,
    ) -> list[str]:
        """``n`` texts; the first k of them are the same for every ``n``. ``usual_lengths``: see ``texts``."""
        check(Rules, rules)
        given: dict[str, Any] = {"stop": stop, "novel": novel, "rule": rule, "usual_lengths": usual_lengths, **rules}
        return [each.text for each in self.texts(n, prompt, length=length, seed=seed, **given)]

    def texts(
        self,
        n: int = 1,
        prompt: str = "",
        *,
        length: int = 300,
        seed: int | None = None,
        stop: Stops = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        probabilities: bool = False,
        usual_lengths: bool = False,
        **rules: Any,
    ) -> list[Text]:
        """``n`` texts, each with its seed, why it ended and, where asked for, its tokens' probabilities.

        ``usual_lengths``: drafts are written until their lengths can be spread like those of the training texts.
        """
        n = whole_number("n", n, 1, MOST_TEXTS)
        plan = replace(self._plan(length, seed, stop, novel, rule, rules), probabilities=probabilities)
        begin = self._begin(prompt)
        if not usual_lengths:
            return self._written(begin, plan, range(n))
        borders = self.card.lengths
        if len(borders) < 2:
            raise UsageError("usual_lengths: the model does not know how long the documents were that it learned from")
        before, most = len(begin.prompt), plan.length
        if before + plan.rules.min_length > borders[-1]:
            raise UsageError(f"usual_lengths: no text that was learned has more than {borders[-1]} tokens")
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
        stop: Stops = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> Iterator[str]:
        """The pieces of one text as they are decided, the prompt first; joined they are what ``write`` gives."""
        plan = self._plan(length, seed, stop, novel, rule, rules)  # here, so that a wrong call fails at once
        return stream_text(self._runtime, self.tokenizer, self._begin(prompt), plan)

    def next_tokens(self, prompt: str = "", n: int = 10) -> list[tuple[str, float]]:
        """The ``n`` likeliest next tokens, likeliest first, with the network's own probabilities."""
        n = whole_number("n", n, 1)
        return likeliest(self.tokenizer, self._begin(prompt).logits[0], self._banned(), n)

    def continuations(self, text: str = "", n: int = 5, words: int = 1) -> list[Continuation]:
        """The ``n`` likeliest ways to go on with a text by so many whole words, likeliest first, at every level.

        A sign such as a comma counts as a word; a word that the text breaks off in is finished first. The probabilities
        are the network's own.
        """
        n, words = (whole_number(name, value, 1, MOST_CONTINUATIONS) for name, value in (("n", n), ("words", words)))
        ends = self.card.form == "lines"
        return continuations(self._runtime, self.tokenizer, self._begin(text), self._banned(), ends, n, words)

    def score(
        self,
        text: "str | Corpus | Iterable[str | Document]",
        form: Literal["text", "lines"] | None = None,
        *,
        surprise: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Score:
        """How well the model foresees a text, a corpus or documents, each from its begin as in training.

        So of one long text the first letters cost more here than ``next_tokens`` says, which goes on after a line end.

        ``form`` (None: the form the model was trained on): "text" reads each document as one long text, "lines" scores
        the end of each document too; a string is then one document a line. ``surprise`` adds each token's bits;
        ``progress`` is told the characters read so far, now and then.
        """
        form = form or self.card.form
        if form not in ("text", "lines"):
            raise UsageError(f"form must be 'text' or 'lines', not {form!r}")
        documents = documents_of(text, form)
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
        stop: Stops = (),
        novel: Novelty | None = None,
        rule: UserRule | None = None,
        **rules: Any,
    ) -> list[TraceStep]:
        """The text that ``write`` gives, step by step: each token, and the ``n`` that the network held likeliest."""
        n = whole_number("n", n, 1)
        plan = self._plan(length, seed, stop, novel, rule, rules)
        return trace_text(self._runtime, self.tokenizer, self._begin(prompt), plan, n)

    def _plan(
        self,
        length: int,
        seed: int | None,
        stop: Stops,
        novel: Novelty | None,
        rule: UserRule | None,
        rules: dict[str, Any],
    ) -> Plan:
        """The call's settings, checked."""
        stop_id = self.tokenizer.stop if self.card.form == "lines" else None
        given = checked_plan(length, seed, stop, novel, rule, rules)
        return replace(given, stop_id=stop_id, banned=self._banned())

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


def load(path: str | os.PathLike[str], runtime: Computing = "auto", arithmetic: Arithmetic = "float32") -> Writer:
    """Open a model file to write with; ``runtime`` and ``arithmetic`` as for ``Writer``.

    Raises ParrotletError with one line where it is not a sound model.
    """
    return Writer(load_bundle(path), runtime, arithmetic)

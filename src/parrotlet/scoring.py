"""Documents and a runtime come in; a Score goes out: how well the model foresees the text, in bits per character."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.runtime import Runtime, State
from parrotlet.tokenizers import Tokenizer, first_ids

if TYPE_CHECKING:
    from parrotlet.corpus import Corpus, Document

IdArray = npt.NDArray[np.int64]
NatsArray = npt.NDArray[np.float64]
LOGITS_LIMIT = 4 << 20  # numbers held at once while reading: 16 MB
STEP = 8192  # most tokens read between two reports of progress
PIECE = 1 << 20  # characters encoded at once
LONG = 1 << 16  # characters of a document that is read alone
WAITING = 4096  # short documents gathered before they are sorted by length
ROWS = 64  # short documents read side by side


@dataclass(frozen=True)
class Score:
    """How well a model foresees a text.

    ``bits_per_character``: −log2 of the probability of every token that writes the text, the ends of documents
    included, divided by the code points of the normalised text. ``comparable`` is False where the tokens do not write
    the whole text (``unknown_share`` of them are unknown) or a model knows no ends of the documents: the figure must
    not be compared with those of models that have another tokenizer then.
    ``surprise`` lists each token with its bits, where asked for.
    """

    bits_per_character: float
    nats_per_token: float
    perplexity: float
    characters: int
    tokens: int
    unknown_share: float
    comparable: bool
    surprise: tuple[tuple[str, float], ...] | None = None

    @property
    def not_comparable(self) -> str:
        """Why the figure must not be compared with another tokenizer's, in words; empty where it may."""
        if self.comparable:
            return ""
        if self.unknown_share == 0:
            return "this model knows no ends of documents"
        share = f"{self.unknown_share:.1%}"
        return f"{'<0.1%' if share == '0.0%' else share} of it is unknown to this model"


class Scorer:
    """Adds up what each document costs; the state starts at zero at each.

    ``progress`` is called with the characters read so far, a few thousand tokens after the call before.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        surprise: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._runtime, self._tokenizer, self._progress = runtime, tokenizer, progress
        self._encoded, self._read_so_far = 0, 0  # tokens
        self._nats, self._tokens, self._characters, self._unknown, self._lost = 0.0, 0, 0, 0, 0
        self._surprise: list[tuple[str, float]] | None = [] if surprise else None
        self._begin, self._ends, self._endless = first_ids(tokenizer), tokenizer.stop_learned, False

    def add_texts(self, documents: Iterable[Iterable[str]]) -> None:
        """Long texts: ``<s>`` (see first_ids) is read first, the state is carried over the pieces, no end is scored."""
        for pieces in documents:
            self._add_long(pieces, closing=False)

    def add_lines(self, documents: Iterable[Iterable[str]]) -> None:
        """Short documents: ``<s>`` before and after each; read side by side, sorted by length.

        Where the model never learned ``<s>``, the ends are not scored.
        """
        self._endless |= not self._ends
        waiting: list[IdArray] = []
        for pieces in documents:
            rest = iter(pieces)
            parts = list(islice(rest, 2))
            if len(parts) > 1 or (parts and len(parts[0]) > LONG):
                self._add_waiting(waiting)  # first, so that the surprise stays in order
                waiting = []
                self._add_long(chain(parts, rest), closing=self._ends)
            elif parts and len(ids := self._encode(parts[0])):
                waiting.append(ids)
            if len(waiting) >= WAITING:
                self._add_waiting(waiting)
                waiting = []
        self._add_waiting(waiting)

    def score(self) -> Score:
        """The sums so far. Raises ParrotletError where there was no text."""
        if not self._characters or not self._tokens:
            raise ParrotletError("there is nothing to score: the text is empty")
        per_token = self._nats / self._tokens
        # Where unknown symbols are skipped there is no token to count them by: their characters are counted then.
        unknown = self._unknown / self._tokens or max(0, self._lost) / self._characters
        return Score(
            bits_per_character=self._nats / math.log(2) / self._characters,
            nats_per_token=per_token,
            perplexity=math.exp(min(per_token, 700.0)),
            characters=self._characters,
            tokens=self._tokens,
            unknown_share=unknown,
            comparable=unknown == 0 and self._lost == 0 and not self._endless,
            surprise=None if self._surprise is None else tuple(self._surprise),
        )

    def _encode(self, piece: str) -> IdArray:
        """The ids of one piece; counts its characters and what of it the ids do not write."""
        ids = np.asarray(self._tokenizer.encode(piece), dtype=np.int64)
        normal, written = self._tokenizer.normalise(piece), self._tokenizer.decode(ids)
        self._characters += len(normal)
        self._encoded += len(ids)
        self._unknown += int((ids == self._tokenizer.unknown_id).sum()) if self._tokenizer.unknown_id is not None else 0
        if written != normal:
            self._lost += max(1, len(normal) - len(written))
        return ids

    def _count(self, ids: IdArray, nats: NatsArray) -> None:
        self._nats += float(nats.sum())
        self._tokens += len(ids)
        if self._surprise is not None:
            bits = nats / math.log(2)
            names = (self._tokenizer.token(token) for token in ids.tolist())
            self._surprise.extend(zip(names, bits.tolist(), strict=True))

    def _add_long(self, pieces: Iterable[str], closing: bool) -> None:
        stop = np.array([self._tokenizer.stop], dtype=np.int64)
        before, state = self._begin, None
        for piece in pieces:
            targets = self._encode(piece)
            if len(targets):
                nats, state = self._read(np.concatenate((before, targets[:-1]))[None], targets[None], state)
                self._count(targets, nats[0])
                before = targets[-1:]
        if closing and before is not self._begin:
            nats, _ = self._read(before[None], stop[None], state)
            self._count(stop, nats[0])

    def _add_waiting(self, waiting: Sequence[IdArray]) -> None:
        results: dict[int, NatsArray] = {}
        order = sorted(range(len(waiting)), key=lambda place: len(waiting[place]))
        for start in range(0, len(order), ROWS):
            places = order[start : start + ROWS]
            longest = len(waiting[places[-1]])
            ids = np.full((len(places), longest + 2), self._tokenizer.stop, dtype=np.int64)  # (B, T + 2)
            ids[:, 0] = self._begin
            for row, place in enumerate(places):
                ids[row, 1 : 1 + len(waiting[place])] = waiting[place]
            nats, _ = self._read(ids[:, :-1], ids[:, 1:], None)
            for row, place in enumerate(places):
                # the padding after the end is not counted
                results[place] = nats[row, : len(waiting[place]) + self._ends]
        for place, document in enumerate(waiting):
            self._count(np.append(document, self._tokenizer.stop)[: len(results[place])], results[place])

    def _read(self, ids: IdArray, targets: IdArray, state: State | None) -> tuple[NatsArray, State | None]:
        """The cost in nats of each target after its id: (B, T) float64, and the state after the last."""
        nats = np.empty(targets.shape, dtype=np.float64)
        step = max(1, min(LOGITS_LIMIT // len(self._tokenizer), STEP) // len(ids))
        for start in range(0, ids.shape[1], step):
            end = start + step
            logits, state = self._runtime.read(np.ascontiguousarray(ids[:, start:end]), state)  # (B, step, V)
            highest = logits.max(axis=-1)
            sums = np.exp(logits - highest[..., None]).sum(axis=-1, dtype=np.float64)
            chosen = np.take_along_axis(logits, targets[:, start:end, None], axis=-1)[..., 0]
            nats[:, start:end] = np.log(sums) + highest - chosen.astype(np.float64)
            self._report(targets[:, start:end].size)
        return nats, state

    def _report(self, tokens: int) -> None:
        """Tell how far it is; padding and the ends of documents are counted as tokens, hence the bound."""
        self._read_so_far = min(self._read_so_far + tokens, self._encoded)
        if self._progress is not None and self._encoded:
            self._progress(self._characters * self._read_so_far // self._encoded)


def documents_of(text: "str | Corpus | Iterable[str | Document]", form: str) -> Iterator[Iterable[str]]:
    """The pieces of each document; a string is one, or with form ``lines`` one a line. Raises UsageError."""
    if isinstance(text, str):
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return iter([pieces_of(text)]) if form == "text" else ([line] for line in lines if line.strip())
    given: Iterable[str | Document] = text.documents() if hasattr(text, "documents") else text
    if not isinstance(given, Iterable):
        raise UsageError(f"what is scored must be a text, a corpus or documents, not {text!r}")
    return map(_pieces, given)


def _pieces(document: "str | Document") -> Iterable[str]:
    pieces = pieces_of(document) if isinstance(document, str) else getattr(document, "pieces", None)
    if pieces is None:
        raise UsageError(f"a document that is scored must be a text, not {document!r}")
    return pieces


def pieces_of(text: str) -> Iterator[str]:
    """One string as pieces of bounded size, cut after a line end where there is one."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        yield text[start:end]
        start = end

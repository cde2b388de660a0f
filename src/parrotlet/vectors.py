"""A model and texts come in; a vector for each text goes out, and what vectors are good for: maps and likeness."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.bundle import Bundle
from parrotlet.errors import ParrotletError, UsageError, whole_number
from parrotlet.labels import labelled_network
from parrotlet.runtime import ReferenceRuntime, State, after_last
from parrotlet.runtime.shapes import features_width
from parrotlet.tokenizers import first_ids
from parrotlet.writer import Writer

Floats = NDArray[np.float64]

ROWS = 64  # texts read side by side
PIECE = 1024  # tokens of a long text read at once
LOOKED_EVERY, MOST_SUMMARISED = 8, 2000  # tokens between two looks at a state, and of a text in all
PERPLEXITY = 30.0  # of t-SNE, where there are texts enough


def text_vectors(bundle: Bundle, texts: Sequence[str]) -> Floats:
    """What enters the output layer after each text has been read: (N, F) float64.

    With a context of W ids only the first W tokens of a text count (textgenrnn, ``encode_text_vectors``); the vector of
    a network with attention is then the average that it weighs. Else the whole text is read.
    """
    rows = [_ids(bundle, text) for text in texts]
    network, weights = labelled_network(bundle, {})
    if not rows:
        return np.zeros((0, features_width(network, len(bundle.tokenizer))))
    runtime = ReferenceRuntime(network, weights, len(bundle.tokenizer))
    if network.context is None:
        found = [_after(runtime, row) for row in rows]
    else:
        starts = range(0, len(rows), ROWS)
        found = [_windows(runtime, rows[start : start + ROWS], network.context) for start in starts]
    return np.concatenate(found).astype(np.float64)  # (N, F)


def _ids(bundle: Bundle, text: str) -> NDArray[np.int64]:
    if not isinstance(text, str):
        raise UsageError(f"texts: each must be a text, not {type(text).__name__}")
    ids = np.asarray(bundle.tokenizer.encode(text), np.int64)[: bundle.settings.network.context]
    begins = bundle.card.form == "lines" and bundle.tokenizer.stop_learned
    return np.concatenate((first_ids(bundle.tokenizer), ids)) if begins or not len(ids) else ids


def _after(runtime: ReferenceRuntime, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """The features after the last of these ids (T,), read from the beginning: (1, F)."""
    state: State | None = None
    for start in range(0, len(ids), PIECE):
        features, state = runtime.features(ids[None, start : start + PIECE], state)
    return features[:, -1]  # (1, F)


def _windows(runtime: ReferenceRuntime, rows: Sequence[NDArray[np.int64]], context: int) -> NDArray[np.float32]:
    """The features of the one window that ends each row: (B, F)."""
    before = after_last([row[:-1] for row in rows], context, runtime.vocabulary_size)  # (B, W)
    features, _ = runtime.features(np.array([row[-1:] for row in rows]), before)
    return features[:, 0]  # (B, F)


def text_summaries(writer: Writer, texts: Sequence[str]) -> Floats:
    """What a network holds on the average while it reads each text: (N, F) float64; quick, and for likeness.

    Of networks that carry a state it is the mean of the last layer's hidden vector, looked at every few tokens: the
    vector after the last token alone knows little but the last word. Of others it is ``text_vectors``.
    """
    network = writer.settings.network
    if network.context is not None or network.kind == "convolution":
        return text_vectors(writer.bundle, texts)
    found = [_mean_state(writer, _ids(writer.bundle, text)) for text in texts]
    return np.array(found, np.float64).reshape(len(texts), -1)  # (N, H)


def _mean_state(writer: Writer, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    state, seen = None, []
    for start in range(0, min(len(ids), MOST_SUMMARISED), LOOKED_EVERY):
        _, state = writer.runtime.read(ids[None, start : start + LOOKED_EVERY], state)
        if state.hidden.ndim < 4:
            raise UsageError("an ensemble has no layers of its own: take one of its models")
        seen.append(state.hidden[0, -1, 0])
    return np.asarray(np.mean(seen, axis=0))


def nearest_texts(writer: Writer, text: str, others: Sequence[str], n: int = 10) -> list[tuple[str, float]]:
    """The ``n`` of the other texts that are most like a text, each once, with the cosine, likest first.

    Vectors are taken from the mean of the others, which all texts share.
    """
    n = whole_number("n", n, 1)
    kept = list(dict.fromkeys(others))
    if not kept:
        raise UsageError("there are no other texts to look among")
    vectors = text_summaries(writer, [*kept, text])
    vectors -= vectors[:-1].mean(axis=0)
    likeness = cosine_similarity(vectors[-1], vectors[:-1])
    return [(kept[place], float(likeness[place])) for place in np.argsort(-likeness, kind="stable")[:n]]


class PrincipalComponents:
    """The directions in which vectors differ most, by a singular value decomposition (Pearson 1901).

    Has the names that scikit-learn's PCA has: ``fit_transform``, ``transform``, ``components_`` (K, F), ``mean_`` (F,),
    ``explained_variance_`` (K,), ``explained_variance_ratio_`` (K,), ``n_components_``.
    """

    def __init__(self, n_components: int) -> None:
        self.n_components = whole_number("pca_dims", n_components, 1)

    def fit_transform(self, vectors: ArrayLike) -> Floats:
        """Vectors (N, F) → (N, K), K the wanted dimensions, or N or F where those are fewer."""
        given = np.asarray(vectors, np.float64)
        if given.ndim != 2 or len(given) < 2:
            raise UsageError("pca_dims needs more than one text: give several, or pca_dims=None")
        self.mean_: Floats = given.mean(axis=0)
        _, sizes, directions = np.linalg.svd(given - self.mean_, full_matrices=False)
        # A direction and its opposite are alike: the largest share of each is taken as positive.
        largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)  # (K, 1)
        variance = sizes**2 / (len(given) - 1)
        self.n_components_ = min(self.n_components, len(sizes))
        self.components_: Floats = (directions * np.where(largest < 0, -1.0, 1.0))[: self.n_components_]
        self.explained_variance_: Floats = variance[: self.n_components_]
        self.explained_variance_ratio_: Floats = self.explained_variance_ / max(variance.sum(), np.finfo(float).tiny)
        return self.transform(given)

    def transform(self, vectors: ArrayLike) -> Floats:
        """Vectors (N, F) of any texts in the dimensions found: (N, K)."""
        return np.asarray((np.asarray(vectors, np.float64) - self.mean_) @ self.components_.T)  # (N, K)


def neighbour_map(vectors: Floats, dims: int, seed: int | None = None) -> tuple[Floats, Any]:
    """t-SNE (van der Maaten and Hinton 2008) by scikit-learn: (N, F) → (N, dims), and the object that made it."""
    if len(vectors) < 2:
        raise UsageError("tsne_dims needs more than one text")
    try:
        manifold = importlib.import_module("sklearn.manifold")
    except ModuleNotFoundError:
        raise ParrotletError(
            "t-SNE (tsne_dims) needs scikit-learn: pip install scikit-learn; principal components (pca_dims) do not"
        ) from None
    made = manifold.TSNE(dims, perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), random_state=seed)
    return np.asarray(made.fit_transform(vectors), np.float64), made


def cosine_similarity(one: ArrayLike, others: ArrayLike) -> Floats:
    """The cosine of the angle between a vector (F,) and each of (N, F): (N,), 0 where one of them is zero."""
    vector, rows = np.asarray(one, np.float64), np.asarray(others, np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
    return np.asarray(np.divide(rows @ vector, lengths, out=np.zeros(len(rows)), where=lengths > 0))  # (N,)

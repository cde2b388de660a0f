"""The calls of a script written for textgenrnn come in; parrotlet does them, and what textgenrnn printed goes out.

The methods take the arguments and defaults of textgenrnn 2.0.0 (https://github.com/minimaxir/textgenrnn); its defects
are not copied, and docs/textgenrnn.md lists what differs.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from parrotlet import pretrained
from parrotlet.bundle import Bundle, load_bundle
from parrotlet.compat.files import (
    LOOK,
    PathLike,
    open_model,
    read_config,
    saved_name,
    textgenrnn_texts_from_file,
    textgenrnn_texts_from_file_context,
    whole_text,
)
from parrotlet.compat.interactive import write_together
from parrotlet.compat.options import (
    MODEL,
    TRAINING,
    config_of,
    fine_tuning_settings,
    named,
    new_model_settings,
)
from parrotlet.compat.teaching import Lesson, corpus_of, teach
from parrotlet.compat.telling import say, tell
from parrotlet.compat.texts import CYCLE, Ask, Temperature, random_seed, write_texts
from parrotlet.compat.turns import write_lines
from parrotlet.errors import UsageError, whole_number
from parrotlet.writer import Writer

SAMPLES: list[float] = [0.2, 0.5, 1.0]
WRITING = ("prefix", "max_gen_length", "interactive", "top_n")  # of generate, in the methods that hand them on
NO_MODEL = (
    "there is no model to write with: this parrotlet was packed without its pretrained one; give weights, such as "
    "textgenrnn('textgenrnn_weights.hdf5'), or train first, such as train_from_file('texts.txt')"
)
NO_KERAS = (
    "textgen.model was a Keras model and is not there; textgen.writer is the model here: it writes, streams and "
    "scores; textgen.writer.bundle.weights are its arrays"
)


class textgenrnn:
    """What textgenrnn's class of this name does, with parrotlet's models; ``writer`` is parrotlet's own view of it."""

    META_TOKEN: ClassVar[str] = "<s>"
    default_config: ClassVar[Mapping[str, Any]] = MappingProxyType(dict(MODEL))

    @named()
    def __init__(
        self,
        weights_path: PathLike | None = None,
        vocab_path: PathLike | None = None,
        config_path: PathLike | None = None,
        name: str = "textgenrnn",
        allow_growth: bool | None = None,
    ) -> None:
        """``weights_path``: a parrotlet file (.safetensors) or textgenrnn's .hdf5, with its vocabulary and config.

        ``name`` begins the name of each file that training writes. ``allow_growth`` has nothing to decide here.
        """
        self._paths = (vocab_path, config_path)
        # A parrotlet file needs no config, so one that an old script names beside it need not exist.
        readable = config_path is not None and (weights_path is None or os.path.exists(config_path))
        options = read_config(config_path) if config_path is not None and readable else {}
        # New models begin with these; each instance has its own.
        self._options = {**MODEL, **{key: options[key] for key in MODEL if key in options}, "name": name}
        self._described = bool(options)  # what new models are like; the pretrained one is not
        self.config: dict[str, Any] = dict(self._options)
        self._writer: Writer | None = None
        if weights_path is not None:
            self.load(weights_path)

    @property
    def writer(self) -> Writer:
        """Parrotlet's Writer of the model: where none was given or trained yet, of the pretrained one."""
        if self._writer is None:
            if not pretrained.FILE.is_file():
                raise UsageError(NO_MODEL)
            self._take(load_bundle(pretrained.FILE))
        assert self._writer is not None
        return self._writer

    @property
    def model(self) -> NoReturn:
        """Raises AttributeError: in textgenrnn this was a Keras model."""
        raise AttributeError(NO_KERAS)

    @property
    def vocab(self) -> dict[str, int]:
        """The id of each token of the model."""
        tokenizer = self.writer.tokenizer
        return {tokenizer.token(id): id for id in range(len(tokenizer))}

    @named()
    def generate(
        self,
        n: int = 1,
        return_as_list: bool = False,
        prefix: str | None = None,
        temperature: Temperature = CYCLE,
        max_gen_length: int = 300,
        interactive: bool = False,
        top_n: int = 3,
        progress: bool = True,
    ) -> list[str] | None:
        """Write ``n`` texts: print each with a blank line after it, or return them as a list.

        ``temperature``: a number, or a list that is taken in turn, one for each token. ``max_gen_length`` counts the
        tokens of a text, its beginning and ``prefix`` included. ``interactive``: choose each token among the ``top_n``
        likeliest. ``progress`` has nothing to show: all texts are written at once.
        """
        n = whole_number("n", n, 0)
        writer, ask = self.writer, Ask.of(prefix, temperature, max_gen_length)
        texts = [write_together(writer, ask, top_n) for _ in range(n)] if interactive else write_texts(writer, n, ask)
        if return_as_list:
            return texts
        for text in texts:
            say(f"{text}\n")
        return None

    @named("return_as_list", *WRITING)
    def generate_samples(self, n: int = 3, temperatures: Sequence[Temperature] = SAMPLES, **kwargs: Any) -> None:
        """Print ``n`` texts for each temperature; ``kwargs`` as for ``generate``."""
        for temperature in temperatures:
            say(f"{'#' * 20}\nTemperature: {temperature}\n{'#' * 20}")
            self.generate(n, temperature=temperature, progress=False, **kwargs)

    @named("n", "temperature", "progress", *WRITING)
    def generate_to_file(self, destination_path: PathLike, **kwargs: Any) -> None:
        """Texts of ``generate``, which takes the other options, one a line, in UTF-8."""
        write_lines(destination_path, self.generate(return_as_list=True, **kwargs) or [])

    @named(*MODEL, *TRAINING)
    def train_from_file(
        self,
        file_path: PathLike,
        header: bool = LOOK,
        delim: str = "\n",
        new_model: bool = False,
        context: bool | None = None,
        is_csv: bool = False,
        **kwargs: Any,
    ) -> None:
        """Train on the texts of a file, one a line, or the first column of a CSV; ``kwargs`` as ``train_on_texts``.

        ``header``: True drops the first line, False keeps it; left alone, it is dropped where it reads like a column's
        name; it is told. ``context``: the file is a CSV of a text and its label in each row.
        """
        labels = None
        if context:
            texts, labels = textgenrnn_texts_from_file_context(file_path, header)
        else:
            texts = textgenrnn_texts_from_file(file_path, header, delim, is_csv)
        say(f"{len(texts):,} texts collected.")
        self._train(texts, labels, new_model, kwargs, Path(file_path).name)

    @named(*MODEL, *TRAINING)
    def train_from_largetext_file(self, file_path: PathLike, new_model: bool = True, **kwargs: Any) -> None:
        """Train on a file as one long text; ``kwargs`` as for ``train_on_texts``."""
        self._train([whole_text(file_path)], None, new_model, {**kwargs, "single_text": True}, Path(file_path).name)

    @named(*MODEL, *TRAINING)
    def train_on_texts(
        self,
        texts: Iterable[str],
        context_labels: Iterable[Any] | None = None,
        batch_size: int = 128,
        num_epochs: int = 50,
        verbose: int = 1,
        new_model: bool = False,
        gen_epochs: int = 1,
        train_size: float = 1.0,
        max_gen_length: int = 300,
        validation: bool = True,
        dropout: float = 0.0,
        via_new_model: bool = False,
        save_epochs: int = 0,
        multi_gpu: bool = False,
        **kwargs: Any,
    ) -> None:
        """Train the model on, or a new one, on a list of texts.

        ``context_labels``: one for each text, for a second output that explains what they explain; the model that
        stays writes without them. ``train_size`` below 1 holds texts back. ``gen_epochs``, ``save_epochs``: after how
        many epochs samples are printed, and a file ``{name}_weights_epoch_{n}.safetensors`` is kept. With
        ``new_model``, ``kwargs`` describe it: ``rnn_layers``, ``rnn_size``, ``rnn_bidirectional``, ``max_length``,
        ``max_words``, ``dim_embeddings``, ``word_level``, ``single_text``, ``name``. ``via_new_model`` and
        ``multi_gpu`` have nothing to decide here.
        """
        given = {key: value for key, value in locals().items() if key in TRAINING}
        self._train(texts, context_labels, new_model, {**given, **kwargs}, "texts")

    @named(*MODEL, *TRAINING)
    def train_new_model(
        self,
        texts: Iterable[str],
        context_labels: Iterable[Any] | None = None,
        num_epochs: int = 50,
        gen_epochs: int = 1,
        batch_size: int = 128,
        dropout: float = 0.0,
        train_size: float = 1.0,
        validation: bool = True,
        save_epochs: int = 0,
        multi_gpu: bool = False,
        **kwargs: Any,
    ) -> None:
        """``train_on_texts`` with a new model, whatever there was before."""
        given = {key: value for key, value in locals().items() if key in TRAINING}
        self._train(texts, context_labels, True, {**given, **kwargs}, "texts")

    @named()
    def save(self, weights_path: PathLike = "textgenrnn_weights_saved.hdf5") -> None:
        """Write the model as parrotlet's file, with everything in it; ``x.hdf5`` becomes ``x.safetensors``, told."""
        path = saved_name(weights_path)
        self.writer.save(path)
        tell(f"saved as {path}: weights, vocabulary and settings in one file")

    @named()
    def load(self, weights_path: PathLike) -> None:
        """Take another model: a parrotlet file, or textgenrnn's, with the vocabulary and config of the constructor."""
        self._take(open_model(weights_path, *self._paths))

    @named()
    def reset(self) -> None:
        """Back to the beginning: no model, textgenrnn's default options, the same name."""
        vars(self).update(vars(textgenrnn(name=self.config["name"])))

    @named()
    def encode_text_vectors(
        self,
        texts: str | Sequence[str],
        pca_dims: int | None = 50,
        tsne_dims: int | None = None,
        tsne_seed: int | None = None,
        return_pca: bool = False,
        return_tsne: bool = False,
    ) -> Any:
        """A vector for each text, (N, F), what the network's attention makes of its first ``max_length`` tokens.

        ``pca_dims``: in so many principal components, or as many as there are; None: as it is. ``tsne_dims``: then laid
        out by t-SNE (needs scikit-learn). With ``return_pca``, ``return_tsne`` a list: the vectors, then those objects.
        """
        from parrotlet.vectors import PrincipalComponents, neighbour_map, text_vectors

        listed = [texts] if isinstance(texts, str) else list(texts)
        if not listed:
            raise UsageError("texts = [] holds no text")
        vectors: NDArray[np.float64] = text_vectors(self.writer.bundle, listed)
        components, made = None, None
        if pca_dims is not None:
            components = PrincipalComponents(pca_dims)
            vectors = components.fit_transform(vectors)
        if tsne_dims is not None:
            vectors, made = neighbour_map(vectors, tsne_dims, tsne_seed)
        asked = [each for wanted, each in ((return_pca, components), (return_tsne, made)) if wanted]
        return [vectors, *asked] if asked else vectors

    @named()
    def similarity(self, text: str, texts: Sequence[str], use_pca: bool = True) -> list[tuple[str, float]]:
        """Each of ``texts`` with its likeness to ``text``, from 1 (alike) to -1, likest first: cosine similarity."""
        from parrotlet.vectors import cosine_similarity

        if isinstance(texts, str) or len(texts) < 1 + use_pca:
            least = "several, or one and use_pca=False" if use_pca else "at least one"
            raise UsageError(f"texts must be a list of texts to compare with: {least}")
        one = self.encode_text_vectors(text, pca_dims=None)
        if use_pca:
            others, components = self.encode_text_vectors(texts, return_pca=True)
            one = components.transform(one)
        else:
            others = self.encode_text_vectors(texts, pca_dims=None)
        likeness = cosine_similarity(one[0], others).tolist()
        return sorted(zip(texts, likeness, strict=True), key=lambda pair: -pair[1])

    def _take(self, bundle: Bundle) -> None:
        self._writer = Writer(bundle)
        self.config = config_of(bundle.settings, bundle.card.form, self.config["name"])

    def _train(
        self,
        texts: Iterable[str],
        labels: Iterable[Any] | None,
        new_model: bool,
        options: Mapping[str, Any],
        source: str,
    ) -> None:
        """Every way to train ends here."""
        training = {key: options.get(key, default) for key, default in TRAINING.items()}
        model = {key: value for key, value in options.items() if key in MODEL}
        Ask.of("", CYCLE, training["max_gen_length"])  # a wrong length is told before, not after an epoch
        if training["multi_gpu"]:
            tell("multi_gpu = True: one device is used")
        if not new_model and self._writer is None:
            new_model = self._described or not pretrained.FILE.is_file()
            if not new_model:
                tell("going on from parrotlet's pretrained model; new_model=True begins anew")
            elif not self._described:
                tell("this parrotlet was packed without its pretrained model: a new one is trained")
        if new_model:
            config = {**self._options, "name": self.config["name"], **model}
            settings = new_model_settings(config, training, random_seed())
        else:
            config = self._config_to_go_on(model)
            windowed = self.writer.settings.network.context is not None
            settings = fine_tuning_settings(training, random_seed(), windowed)
        corpus = corpus_of(texts, labels, "text" if config["single_text"] else "lines", source)
        if new_model:
            direction = "Bidirectional " if config["rnn_bidirectional"] else ""
            say(f"Training new model w/ {config['rnn_layers']}-layer, {config['rnn_size']}-cell {direction}LSTMs")
        self.config["name"] = config["name"]
        teach(
            Lesson(
                corpus,
                settings,
                training,
                config["name"],
                None if new_model else self.writer.bundle,
                self._take,
                lambda: self.generate_samples(max_gen_length=training["max_gen_length"]),
            )
        )

    def _config_to_go_on(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The model's own; raises UsageError for an option that describes another, since it would do nothing."""
        for key, value in model.items():
            if key not in ("name", "single_text") and value != self.config[key]:
                raise UsageError(
                    f"{key} = {value!r} is for a new model, this one has {self.config[key]!r}: add new_model=True"
                )
        return {**self.config, **model}

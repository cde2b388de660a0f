"""The keywords of textgenrnn's methods come in, checked by name; parrotlet's settings go out."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from parrotlet.errors import UsageError, nearest
from parrotlet.settings import Settings, parse_settings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Sections = dict[str, dict[str, Any]]

MODEL: Mapping[str, Any] = {
    "rnn_layers": 2,
    "rnn_size": 128,
    "rnn_bidirectional": False,
    "max_length": 40,
    "max_words": 10000,
    "dim_embeddings": 100,
    "word_level": False,
    "single_text": False,
    "name": "textgenrnn",
}
"""What describes a model, with textgenrnn's defaults."""

TRAINING: Mapping[str, Any] = {
    "batch_size": 128,
    "num_epochs": 50,
    "verbose": 1,
    "gen_epochs": 1,
    "train_size": 1.0,
    "max_gen_length": 300,
    "validation": True,
    "dropout": 0.0,
    "save_epochs": 0,
    "multi_gpu": False,
}
"""What describes a training call, with textgenrnn's defaults."""

# What the settings of parrotlet are called in a script, so that an error names what was typed.
TYPED = {
    "network.hidden": "rnn_size",
    "network.layers": "rnn_layers",
    "network.bidirectional": "rnn_bidirectional",
    "network.context": "max_length",
    "network.embedding": "dim_embeddings",
    "network.dropout_input": "dropout",
    "tokenizer.size": "max_words",
    "training.batch": "batch_size",
    "training.epochs": "num_epochs",
}
WORD_LEVELS = ("word", "textgenrnn-word")
RENAMED = {"prop_keep": "train_size"}  # of textgenrnn 1.0


def refuse_unknown(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raises UsageError, with the nearest right name, for the first name that is not known."""
    choices = set(known)
    for name in names:
        if name not in choices:
            hint = nearest(name, choices) if choices else "it takes none"
            hint = f"it is {RENAMED[name]!r} now" if RENAMED.get(name) in choices else hint
            raise UsageError(f"{where} has no option {name!r}: {hint}")


def named(*more: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Lets a function answer a misspelt keyword with the nearest right one; ``more`` are those that it hands on."""

    def checking(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        parameters = inspect.signature(function).parameters.values()
        known = [each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD]
        where = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

        @functools.wraps(function)
        def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            refuse_unknown(kwargs, [*known, *more], where)
            return function(*args, **kwargs)

        return checked

    return checking


def new_model_settings(config: Mapping[str, Any], training: Mapping[str, Any], seed: int) -> Sections:
    """Settings of a new network as textgenrnn builds it, and of its training."""
    return _checked(
        {
            "tokenizer": {
                "level": "word" if config["word_level"] else "char",
                "lowercase": bool(config["word_level"]),
                "size": config["max_words"],
                "min_count": 1,
            },
            "network": {
                "kind": "lstm",
                "hidden": config["rnn_size"],
                "layers": config["rnn_layers"],
                "bidirectional": config["rnn_bidirectional"],
                "embedding": config["dim_embeddings"],
                "context": config["max_length"],
                "padded": True,
                "attention": True,
                "dropout_input": training["dropout"],
                "dropout_between": 0.0,
                "dropout_output": 0.0,
            },
            "training": _training(training, seed),
        }
    )


def fine_tuning_settings(training: Mapping[str, Any], seed: int, windowed: bool) -> Sections:
    """Settings to train a model on: its network stays as it is, but for the dropout.

    ``windowed``: whether it reads windows, as textgenrnn's do; for others its schedule was not made.
    """
    network = {"dropout_input": training["dropout"]} if training["dropout"] else {}
    return _checked({"network": network, "training": _training(training, seed) if windowed else _run(training, seed)})


def _training(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """textgenrnn's schedule: Adam at 4e-3, linear to zero (2.0.0, ``train_on_texts``)."""
    return {
        **_run(options, seed),
        "batch": options["batch_size"],
        "optimizer": "adam",
        "beta2": 0.999,
        "learning_rate": 4e-3,
        "schedule": "linear",
        "rate_by_epoch": True,
        "final_rate": 0.0,
        "warmup": 0,
        "weight_decay": 0.0,
        "clip": 0.0,
    }


def _run(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What does not depend on the network."""
    return {
        "epochs": options["num_epochs"],
        "validation": held_back(options["train_size"]),
        "calibrate": False,
        "keep": "every",
        "sample_temperatures": (),
        "seed": seed,
    }


def held_back(train_size: Any) -> float:
    """The share of the texts that is not trained on."""
    if isinstance(train_size, bool) or not isinstance(train_size, int | float) or not 0.5 <= train_size <= 1:
        raise UsageError(f"train_size must be a share from 0.5 to 1, not {train_size!r}")
    return 1.0 - train_size


def every(options: Mapping[str, Any], name: str) -> int:
    """An option that says after how many epochs something is done; 0 for never."""
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{name} must be a number of epochs, or 0 for never, not {value!r}")
    return value


def _checked(data: Sections) -> Sections:
    """The same settings, once they are known to be right."""
    try:
        parse_settings(data)
    except UsageError as error:
        message = str(error)
        for ours, typed in TYPED.items():
            message = message.replace(ours, typed)
        raise UsageError(message) from None
    return data


def config_of(settings: Settings, form: str, name: str) -> dict[str, Any]:
    """What textgenrnn's ``config`` says of a model."""
    network = settings.network
    return {
        "rnn_layers": network.layers,
        "rnn_size": network.hidden,
        "rnn_bidirectional": network.bidirectional,
        "max_length": network.context,
        "max_words": settings.tokenizer.size or MODEL["max_words"],
        "dim_embeddings": network.embedding,
        "word_level": settings.tokenizer.level in WORD_LEVELS,
        "single_text": form == "text",
        "name": name,
    }

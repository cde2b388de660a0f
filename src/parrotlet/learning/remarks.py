"""The settings that a user gave come in; a line for each that changes nothing, beside the others, goes out."""

from collections.abc import Iterator

from parrotlet.settings import SECTIONS, Settings

# Of the tokenizer's settings, the levels that read them; all levels read those that are not named.
READ_BY = {
    "graphemes": {"char"},
    "fallback": {"char"},
    "size": {"char", "word", "bpe", "symbol", "textgenrnn-word"},
    "min_count": {"char", "word", "bpe", "symbol", "textgenrnn-word"},
    "punctuation": {"word", "textgenrnn-word"},
    "breaker": {"word"},
    "stem": {"word"},
}


def without_effect(asked: Settings, settings: Settings) -> Iterator[str]:
    """Notes, so that nothing that was asked for is passed by in silence; ``settings``: what was decided after it."""
    network, training, level = settings.network, settings.training, settings.tokenizer.level
    given = {f"{section}.{name}" for section in SECTIONS for name in getattr(asked, section).model_fields_set}
    stack = network.kind == "stack"
    unused = f"training.optimizer = {training.optimizer!r} has none"
    layers = len(network.stack) or network.layers
    dropped = (network.dropout_input, network.dropout_between, network.dropout_output)
    tied = (network.tied, "with network.tied the logits are not scaled")
    nothing_held = (not training.validation, "nothing is held back (training.validation = 0)")
    not_step = (training.schedule != "step", f"training.schedule = {training.schedule!r} has no stages")
    reasons = {
        "training.window": (network.context is not None, f"windows are as long as network.context = {network.context}"),
        "network.hidden": (stack, "network.stack says the units of each layer"),
        "network.layers": (stack, "network.stack lists the layers"),
        "network.kernel": (network.kind != "convolution", f"network.kind = {network.kind!r} has none"),
        "network.residual": (
            network.kind == "convolution" or layers == 1,
            "there is one layer" if layers == 1 else "a convolution always adds what entered it",
        ),
        "network.dropout_each_step": (not any(dropped), "nothing is dropped"),
        "network.embedding": (network.input != "learned", f"network.input = {network.input!r} has none"),
        "network.dropout_between": (layers == 1, "there is one layer"),
        "corpus.header": (settings.corpus.form == "text", "one long text has no columns"),
        "training.patience": nothing_held,
        "training.calibrate": tied if network.tied else nothing_held,
        "training.sample_from_text": (bool(training.sample_prompt), "training.sample_prompt is given"),
        "training.momentum": (training.optimizer not in ("sgd", "rmsprop"), unused),
        "training.beta2": (training.optimizer == "sgd", unused),
        "training.step_decay": not_step,
        "training.step_start": not_step,
        "training.step_stages": not_step,
        "training.final_rate": (training.schedule in ("step", "constant"), "training.schedule does not end at a share"),
        "training.rate_by_epoch": (not training.epochs and training.schedule != "step", "it needs training.epochs"),
        "training.most_epochs": (bool(training.epochs or training.steps), "only a run of minutes ends by it"),
        **{
            f"tokenizer.{name}": (level not in levels, f"tokenizer.level = {level!r} does not use it")
            for name, levels in READ_BY.items()
        },
    }
    for name, (idle, reason) in reasons.items():
        if name in given and idle:
            section, field = name.split(".")
            yield f"{name} = {getattr(getattr(asked, section), field)!r} changes nothing: {reason}"

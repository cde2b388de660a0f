"""The settings that a user gave come in; a line for each that changes nothing, beside the others, goes out."""

from collections.abc import Iterator

from parrotlet.settings import Settings


def without_effect(settings: Settings) -> Iterator[str]:
    """Notes, so that nothing that was asked for is passed by in silence."""
    network, training = settings.network, settings.training
    given = {
        f"{section}.{name}"
        for section in ("network", "training")
        for name in getattr(settings, section).model_fields_set
    }
    reasons = {
        "training.window": (network.context is not None, f"windows are as long as network.context = {network.context}"),
        "network.hidden": (network.kind == "stack", "network.stack says the units of each layer"),
        "network.layers": (network.kind == "stack", "network.stack lists the layers"),
        "network.kernel": (network.kind != "convolution", f"network.kind = {network.kind!r} has none"),
        "network.residual": (network.kind == "convolution", "a convolution always adds what entered it"),
        "network.embedding": (network.input != "learned", f"network.input = {network.input!r} has none"),
        "training.sample_from_text": (bool(training.sample_prompt), "training.sample_prompt is given"),
    }
    for name, (idle, reason) in reasons.items():
        if name in given and idle:
            section, field = name.split(".")
            yield f"{name} = {getattr(getattr(settings, section), field)!r} changes nothing: {reason}"

"""How far a run is (0 to 1, and in epochs) comes in; the learning rate goes out."""

import math

from parrotlet.settings import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, fraction: float, epoch: float) -> float:
    """Linear warm-up over the first steps, then the named schedule down to ``final_rate`` of the peak.

    cosine: Loshchilov and Hutter 2017 (one cycle, §3); linear: down in a straight line; step: ``step_decay`` times the
    rate before in stage ``step_start`` (from 0) and each later one of ``step_stages`` equal stages; constant: the peak.
    With ``rate_by_epoch`` all of an epoch has the rate of its beginning, and for step an epoch is a stage.
    """
    warm = min(1.0, (step + 1) / (settings.warmup + 1))
    fraction = min(1.0, max(0.0, fraction))
    if settings.rate_by_epoch and settings.epochs:
        fraction = min(1.0, int(epoch) / settings.epochs)
    if settings.schedule == "step":
        stage = min(settings.step_stages - 1, int(fraction * settings.step_stages))
        stage = int(epoch) if settings.rate_by_epoch else stage
        return settings.learning_rate * warm * settings.step_decay ** max(0, stage - settings.step_start + 1)
    falling = {
        "cosine": 0.5 * (1 + math.cos(math.pi * fraction)),
        "linear": 1 - fraction,
        "constant": 1.0,
    }[settings.schedule]
    floor = 0.0 if settings.schedule == "constant" else settings.final_rate
    return settings.learning_rate * warm * (floor + (1 - floor) * falling)

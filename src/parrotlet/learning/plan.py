"""The corpus, the budget and the machine come in; every setting that the user left open is decided and told."""

import math

from parrotlet.learning.learner import choose_device, choose_precision
from parrotlet.learning.machine import matrix_speed
from parrotlet.networks.compiled import arithmetic
from parrotlet.runtime.shapes import ENTERED, expected_shapes, label_table, layers_of
from parrotlet.settings import NetworkSettings, Settings, TrainingSettings

SIZES = (64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536)
# What a size costs in bits per character where it is read too little or the text too often (LOG.md, 2026-11-20).
READINGS_PER_WEIGHT, UNREAD_COST = 14.0, 0.02
FRESH_EPOCHS, STALE_COST = 6.0, 0.06
WEIGHTS_PER_TOKEN = 8  # most weights for each token of the corpus
VALIDATION_SHARE = 0.01  # most tokens to validate on, of those that are read: 20 times takes a twentieth of the time
LEAST_VALIDATION_TOKENS = 2_000
MOST_VALIDATION_TOKENS = 10_000  # tell states apart to a hundredth of a bit; what is held back is not learned from
FEW_SYMBOLS = 512  # whose sums at the input are looked up in a table
USUAL_SPEED = 4e11  # operations a second that sizes are chosen for where no time is given
# Of the speed of a large matrix product, what is reached while training, by torch's own layers and by compiled ones.
SHARE_OF_PEAK = {"lstm": 0.40, "gru": 0.20, "rnn": 0.20, "stack": 0.20, "convolution": 0.20}
COMPILED_SHARE = {"lstm": 0.64, "gru": 0.48}  # a quarter of what is multiplied for a GRU is zero
LONG_TEXT, LONG_WINDOW = 300_000, 128  # tokens from which there are steps enough for longer ones
ROWS = 64  # of a batch, at most
WINDOWS_AT_ONCE = 256  # rows of networks that read windows, with one target each (textgenrnn's)
FINE_TUNING_RATE, FINE_TUNING_DECAY = 0.2, 0.05  # times the rate from nothing; of Muon (LOG.md, 2026-11-21)
WINDOWS_OPTIMIZER = "adamw"
MUON_RATE, LSTM_MUON_RATE = 3.5e-2, 6e-2  # whatever the size (LOG.md, 2026-11-22)
RATE, WINDOWS_RATE = 8e-3, 6e-3  # of other optimizers, with 512 units (LOG.md, 2026-11-21)
DECAY, LEAST_DECAY, MOST_DECAY = 0.14, 0.1, 0.5  # of Muon: with a weight for each token; least; most
# Readings times the root of weights for each token of a text, up to which so much is dropped at the output; and of what
# is read more often than OFTEN, where the network can, at output and input (LOG.md, 2026-11-22).
DROPOUT = ((3, 0.0), (4.5, 0.1), (6, 0.2), (9, 0.3), (15, 0.4), (math.inf, 0.5))
OFTEN, DROPOUTS = 12.0, ((18, 0.2, 0.1), (30, 0.3, 0.2), (math.inf, 0.4, 0.3))
CONVOLUTIONS = 6  # layers, each looking back twice as far: 64 tokens


def sensible_minutes(tokens: int) -> float:
    """The budget when none is given: a minute for a few pages, ten for a shelf."""
    return min(10.0, max(1.0, round(tokens / 400_000, 1)))


def weights_in(network: NetworkSettings, vocabulary: int, context: int = 1) -> int:
    """Weights that are multiplied with for a prediction, those before the output layer ``context`` times."""
    sizes = {name: math.prod(shape) for name, shape in expected_shapes(network, vocabulary).items() if len(shape) > 1}
    output = network.hidden * vocabulary if network.tied else sizes.pop("output.weight")
    looked_up = {"embedding.weight"} | (ENTERED if network.input == "one-hot" or vocabulary <= FEW_SYMBOLS else set())
    looked_up |= {label_table(column) for column in range(len(network.label_counts))}
    inner = sum(size for name, size in sizes.items() if name not in looked_up)
    return inner * context + output


def plan(
    settings: Settings,
    tokens: int,
    vocabulary: int,
    seconds: float | None,
    known: float = 0.0,
    speed: float | None = None,
) -> Settings:
    """Fill what was left open; what the user set stays.

    ``tokens`` is the length of the training text, ``seconds`` the time that is left to train in, or None where the
    budget counts steps or epochs: then the sizes suit about a minute. ``known``: how well, from 0 to 1, the
    model knows such text from which the run begins; then it should not go far from its weights. ``speed``: operations
    a second of a large matrix product on the training device; measured where it is not given.
    """
    chosen = settings.network.model_fields_set | settings.training.model_fields_set
    network, training = settings.network, settings.training
    if not seconds:
        seconds, speed = 60.0, USUAL_SPEED  # a run counted in steps is the same on any machine
    operations = seconds * (speed or matrix_speed(training)) * _share_of_peak(network, training)
    if network.kind == "convolution" and "layers" not in chosen:
        network = network.model_copy(update={"layers": CONVOLUTIONS})
    if "hidden" not in chosen and network.kind != "stack":
        network = _sized(network, vocabulary, operations, tokens)
    if network.tied:
        network = network.model_copy(update={"embedding": network.hidden})
    elif "embedding" not in chosen:  # words and syllables need more room than letters
        network = network.model_copy(update={"embedding": min(network.hidden, 64 if vocabulary <= 512 else 128)})
    if "window" not in chosen and not network.context and tokens >= LONG_TEXT:
        training = training.model_copy(update={"window": LONG_WINDOW})
    if "batch" not in chosen:
        batch = WINDOWS_AT_ONCE if network.context else _batch(tokens, training.window)
        training = training.model_copy(update={"batch": batch})
    if "optimizer" not in chosen and network.context:
        training = training.model_copy(update={"optimizer": WINDOWS_OPTIMIZER})
    if "learning_rate" not in chosen:
        rate = _peak_rate(network, training, known) * FINE_TUNING_RATE**known
        training = training.model_copy(update={"learning_rate": float(f"{rate:.2g}")})
    if training.epochs is not None:
        readings = training.epochs
    elif training.steps is not None:
        at_once = training.batch * (training.stride if network.context else training.window)
        readings = training.steps * at_once / tokens
    else:
        readings = operations / (6 * weights_in(network, vocabulary, network.context or 1)) * training.stride / tokens
        readings = min(readings, training.most_epochs)
    crowding = (weights_in(network, vocabulary) / tokens) ** 0.5  # how easily the text is learned by heart
    if "dropout_output" not in chosen:
        plain = network.kind != "stack" and not network.context and network.input == "learned"
        shares = _dropouts(readings * crowding, plain and "dropout_input" not in chosen)
        network = network.model_copy(update=shares)
    if "weight_decay" not in chosen and training.optimizer == "muon":
        decay = (1 - known) * _decay(crowding, training) + known * FINE_TUNING_DECAY
        training = training.model_copy(update={"weight_decay": decay})
    if "validation" not in chosen:
        affordable = max(VALIDATION_SHARE * readings * tokens / training.stride, LEAST_VALIDATION_TOKENS)
        share = min(training.validation, min(affordable, MOST_VALIDATION_TOKENS) / tokens)
        training = training.model_copy(update={"validation": share})
    return settings.model_copy(update={"network": network, "training": training})


def _share_of_peak(network: NetworkSettings, training: TrainingSettings) -> float:
    device = choose_device(training.device)
    compiled = arithmetic(device, choose_precision(training.precision, device), network.hidden) is not None
    return (COMPILED_SHARE if compiled else {}).get(network.kind, SHARE_OF_PEAK[network.kind])


def _sized(network: NetworkSettings, vocabulary: int, operations: float, tokens: int) -> NetworkSettings:
    """The size that costs least, of equals the largest; a token takes 6 operations a weight (Kaplan 2020, §2.1).

    A network is read too little where its weights see too few tokens, the text too often where it is learned by heart.
    """
    best, least = network, math.inf
    for size in SIZES:
        trial = network.model_copy(update={"hidden": size} | ({"embedding": size} if network.tied else {}))
        learned = weights_in(trial, vocabulary) - size * vocabulary / 2  # most words are rare: not all rows need much
        read = operations / (6 * weights_in(trial, vocabulary, network.context or 1))
        unread = max(0.0, math.log(READINGS_PER_WEIGHT * learned / read))
        stale = max(0.0, math.log(read / tokens / FRESH_EPOCHS))
        cost = UNREAD_COST * unread**2 + STALE_COST * stale**2
        if cost <= least and (learned <= WEIGHTS_PER_TOKEN * tokens or size == SIZES[0]):
            best, least = trial, cost
    return best


def _batch(tokens: int, window: int) -> int:
    """Rows such that a text is read in about a hundred steps: few pages want many updates more than long ones."""
    return min(ROWS, max(16, 8 * round(tokens / (100 * window) / 8)))


def _peak_rate(network: NetworkSettings, training: TrainingSettings, known: float) -> float:
    """Smaller batches and deeper networks want smaller steps, and larger ones but with Muon, which sees to that.

    With Muon an LSTM takes large steps, but for what it already knows.
    """
    layers = layers_of(network, 1)
    depth = 1 if network.attention else len(layers) or network.layers  # attention sees every layer itself
    rate: float = (training.batch / (WINDOWS_AT_ONCE if network.context else ROWS)) ** 0.25 / depth**0.5
    if training.optimizer == "muon":
        larger: float = LSTM_MUON_RATE / MUON_RATE if network.kind == "lstm" else 1.0
        return float(MUON_RATE * larger ** (1 - known) * rate)
    widest = max((layer.settings.units for layer in layers), default=network.hidden)
    return (WINDOWS_RATE if network.context else RATE) * math.sqrt(512 / widest) * rate


def _decay(crowding: float, training: TrainingSettings) -> float:
    """Large networks want more; small batches less, whose noise already keeps a text from being learned by heart."""
    wanted = DECAY * crowding * (training.batch * training.window / 8192) ** 0.5
    return float(f"{min(MOST_DECAY, max(LEAST_DECAY, wanted)):.2g}")


def _dropouts(learned_by_heart: float, at_input: bool) -> dict[str, float]:
    """More dropout the more often the whole text is read, and the more weights there are for each of its tokens."""
    if at_input and learned_by_heart > OFTEN:
        shares = next((output, entering) for most, output, entering in DROPOUTS if learned_by_heart <= most)
        return dict(zip(("dropout_output", "dropout_input"), shares, strict=True))
    return {"dropout_output": next(share for most, share in DROPOUT if learned_by_heart <= most)}

"""Logits and a set of rules come in; the distribution that the next token is drawn from goes out (numpy only).

The rules are data, applied in the one fixed order of :data:`RULES`: bans, repetition, presence and frequency, DRY,
temperature, softmax, top_k, typical, top_p, min_p; then one draw by a random number that is counted, not consumed.
Every function here is the readable twin of compiled code in ``runtime/rules.h``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parrotlet.settings import HOTTEST, Section, Temperature

Array = NDArray[np.float64]
IdArray = NDArray[np.int64]

LARGEST_DRY_PENALTY = 1000.0  # a factor of exp(-1000): as good as a ban, yet a ban of every token can not come of it


class Rules(Section):
    """How the next token is chosen from what the network says; the defaults draw from its own distribution."""

    temperature: float = Field(1.0, ge=0, le=HOTTEST, description="below 1 safer, above 1 wilder; 0 greedy")
    temperature_cycle: tuple[Temperature, ...] = Field((), description="temperatures taken in turn, one per token")
    top_k: int = Field(0, ge=0, description="draw from the k likeliest tokens only; 0 is off")
    top_p: float = Field(1.0, gt=0, le=1, description="draw from the fewest likeliest tokens with this probability")
    min_p: float = Field(0.0, ge=0, le=1, description="drop tokens less likely than this share of the likeliest")
    typical: float = Field(1.0, gt=0, le=1, description="draw from the most typical tokens with this probability")
    repetition_penalty: float = Field(1.0, gt=0, le=100, description="divides the logits of recent tokens; 1 is off")
    presence_penalty: float = Field(0.0, ge=-100, le=100, description="taken from the logit of every recent token")
    frequency_penalty: float = Field(0.0, ge=-100, le=100, description="taken once per recent occurrence")
    penalty_window: int = Field(64, ge=0, description="how many last tokens are recent; 0 is all")
    dry_multiplier: float = Field(0.0, ge=0, le=100, description="strength of the penalty on loops; 0 is off")
    dry_base: float = Field(1.75, ge=1, le=10, description="growth of that penalty with each further repeated token")
    dry_length: int = Field(12, ge=1, le=65_536, description="repeated tokens from which it begins")
    dry_window: int = Field(512, ge=1, le=65_536, description="how many last tokens are searched for loops")
    min_length: int = Field(0, ge=0, description="tokens to write before a text may end by itself")

    def temperature_at(self, position: int) -> float:
        """The temperature of the token that is ``position`` tokens after the prompt."""
        cycle = self.temperature_cycle
        return cycle[position % len(cycle)] if cycle else self.temperature

    @property
    def dry_reach(self) -> int:
        """How many repeated tokens beyond ``dry_length`` still raise the penalty below its largest value."""
        reach, penalty = 0, self.dry_multiplier
        while 0 < penalty < LARGEST_DRY_PENALTY and self.dry_base > 1 and reach < self.dry_window:
            reach, penalty = reach + 1, penalty * self.dry_base
        return reach

    @property
    def memory(self) -> int | None:
        """How many last tokens the rules look back on; None is all of them."""
        penalties = self.repetition_penalty != 1 or self.presence_penalty != 0 or self.frequency_penalty != 0
        if penalties and self.penalty_window == 0:
            return None
        return max(self.penalty_window if penalties else 0, self.dry_window if self.dry_multiplier > 0 else 0)


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules may look at besides the logits."""

    history: IdArray = field(default_factory=lambda: np.zeros(0, np.int64))  # prompt and text so far, oldest first
    position: int = 0  # tokens written in this text so far
    banned: Sequence[int] = ()  # ids that are never drawn
    stop: int | None = None  # the id that ends a text


Rule = Callable[[Array, Rules, Context], Array]


def bans(logits: Array, rules: Rules, context: Context) -> Array:
    """What can not be written gets minus infinity: banned ids, not-a-number, an end before ``min_length``."""
    result = np.where(np.isnan(logits), -np.inf, logits)
    result[list(context.banned)] = -np.inf
    if context.stop is not None and context.position < rules.min_length:
        result[context.stop] = -np.inf
    return result


def _recent_counts(size: int, rules: Rules, context: Context) -> IdArray:
    recent = context.history[-rules.penalty_window :] if rules.penalty_window else context.history
    return np.bincount(recent, minlength=size).astype(np.int64)


def repetition(logits: Array, rules: Rules, context: Context) -> Array:
    """Recent tokens: positive logits are divided, negative ones multiplied (Keskar et al. 2019, CTRL)."""
    if rules.repetition_penalty == 1:
        return logits
    weaker = np.where(logits > 0, logits / rules.repetition_penalty, logits * rules.repetition_penalty)
    return np.where(_recent_counts(len(logits), rules, context) > 0, weaker, logits)


def presence_frequency(logits: Array, rules: Rules, context: Context) -> Array:
    """Takes ``presence_penalty`` and count × ``frequency_penalty`` from the logits of recent tokens."""
    if rules.presence_penalty == 0 and rules.frequency_penalty == 0:
        return logits
    counts = _recent_counts(len(logits), rules, context)
    return logits - (rules.presence_penalty * (counts > 0) + rules.frequency_penalty * counts)


def repeated_lengths(size: int, rules: Rules, history: IdArray) -> IdArray:
    """For each id the length of the longest earlier run that this id would prolong; 0 where none: (V,)."""
    recent = [int(each) for each in history[-rules.dry_window :]]
    longest = np.zeros(size, np.int64)
    for end in range(1, len(recent)):
        length = 0
        while length < end and recent[end - 1 - length] == recent[-1 - length]:
            length += 1
        longest[recent[end]] = max(longest[recent[end]], length)
    return longest


def dry(logits: Array, rules: Rules, context: Context) -> Array:
    """Against loops: multiplier × base^(repeated − dry_length) off tokens that prolong a repetition (DRY, p-e-w)."""
    if rules.dry_multiplier == 0:
        return logits
    repeated = repeated_lengths(len(logits), rules, context.history)
    beyond = np.clip(repeated - rules.dry_length, 0, rules.dry_reach)
    penalty = np.minimum(rules.dry_multiplier * rules.dry_base ** beyond.astype(np.float64), LARGEST_DRY_PENALTY)
    return np.where(repeated >= rules.dry_length, logits - penalty, logits)


def temperature(logits: Array, rules: Rules, context: Context) -> Array:
    """Logits below their maximum, divided by the temperature; at 0 only the first maximum is left."""
    degrees = rules.temperature_at(context.position)
    highest = logits.max()
    if degrees == 0 or not np.isfinite(highest):
        result = np.full_like(logits, -np.inf)
        result[_first_possible(logits, context)] = 0.0
        return result
    return np.asarray((logits - highest) / degrees)


def _first_possible(logits: Array, context: Context) -> int:
    """The lowest id among the likeliest; where nothing has a finite logit, the lowest id that is not banned."""
    if logits.max() > -np.inf:
        return int(logits.argmax())
    banned = set(context.banned)
    return next((id for id in range(len(logits)) if id not in banned), 0)


def softmax(logits: Array, rules: Rules, context: Context) -> Array:
    """exp(logits) divided by their sum."""
    exponentials = np.exp(logits - logits.max())
    return np.asarray(exponentials / exponentials.sum())


def _first_in_order(probabilities: Array, order: IdArray, count: int) -> Array:
    kept = np.zeros_like(probabilities)
    kept[order[:count]] = probabilities[order[:count]]
    return np.asarray(kept / kept.sum())


def _count_with_mass(probabilities: Array, order: IdArray, mass: float) -> int:
    """How many tokens of ``order`` it takes to reach ``mass``; at least one."""
    return int((np.cumsum(probabilities[order]) < mass).sum()) + 1


def _likeliest_first(probabilities: Array) -> IdArray:
    return np.argsort(-probabilities, kind="stable")  # stable: of equals the lowest id comes first


def top_k(probabilities: Array, rules: Rules, context: Context) -> Array:
    """Keeps the k likeliest tokens (Fan et al. 2018)."""
    if rules.top_k == 0:
        return probabilities
    return _first_in_order(probabilities, _likeliest_first(probabilities), rules.top_k)


def typical(probabilities: Array, rules: Rules, context: Context) -> Array:
    """Keeps the tokens whose surprise is nearest the mean surprise (Meister et al. 2022)."""
    if rules.typical >= 1:
        return probabilities
    possible = probabilities > 0
    surprise = -np.log(probabilities, where=possible, out=np.full_like(probabilities, -np.inf))
    mean = (probabilities[possible] * surprise[possible]).sum()
    order = np.argsort(np.abs(surprise - mean), kind="stable")
    return _first_in_order(probabilities, order, _count_with_mass(probabilities, order, rules.typical))


def top_p(probabilities: Array, rules: Rules, context: Context) -> Array:
    """Keeps the fewest likeliest tokens that together reach ``top_p`` (nucleus; Holtzman et al. 2020)."""
    if rules.top_p >= 1:
        return probabilities
    order = _likeliest_first(probabilities)
    return _first_in_order(probabilities, order, _count_with_mass(probabilities, order, rules.top_p))


def min_p(probabilities: Array, rules: Rules, context: Context) -> Array:
    """Keeps tokens at least ``min_p`` times as likely as the likeliest (Nguyen et al. 2024)."""
    if rules.min_p == 0:
        return probabilities
    kept = np.where(probabilities >= rules.min_p * probabilities.max(), probabilities, 0.0)
    return np.asarray(kept / kept.sum())


RULES: dict[str, Rule] = {
    "bans": bans,
    "repetition": repetition,
    "presence_frequency": presence_frequency,
    "dry": dry,
    "temperature": temperature,
    "softmax": softmax,
    "top_k": top_k,
    "typical": typical,
    "top_p": top_p,
    "min_p": min_p,
}


def distribution(
    logits: NDArray[np.floating],
    rules: Rules,
    history: IdArray | None = None,
    position: int = 0,
    banned: Sequence[int] = (),
    stop: int | None = None,
) -> Array:
    """The probabilities the next token is drawn from, after all rules in order.

    ``logits`` is (V,); ``history`` the ids of prompt and text so far, oldest first; ``position`` counts the tokens
    written so far; ``stop`` is the id that may not come before ``rules.min_length``. The result is (V,) float64, sums
    to one and is never empty (not even where the logits are not numbers).
    """
    ids = np.zeros(0, np.int64) if history is None else np.asarray(history, np.int64)
    context = Context(ids, position, banned, stop)
    values: Array = np.asarray(logits, np.float64)
    for rule in RULES.values():
        values = rule(values, rules, context)
    return values


def draw(probabilities: Array, uniform: float) -> int:
    """The id at which the running sum of probabilities, in id order, first exceeds ``uniform`` in [0, 1)."""
    running = np.cumsum(probabilities)
    chosen = int(np.searchsorted(running, uniform * running[-1], side="right"))
    return min(chosen, int(np.flatnonzero(probabilities)[-1]))


def uniforms(seed: int, stream: int, start: int, n: int) -> Array:
    """Random numbers ``start`` … ``start + n − 1`` of one stream, each in [0, 1): (n,) float64.

    Philox4x64-10 (Salmon et al. 2011) keyed by (seed, stream): four positions share one counter, so that number i
    depends on nothing but seed, stream and i. The same bits as ``numpy.random.Philox``.
    """
    key = np.array([seed % 2**64, stream % 2**64], np.uint64)
    blocks = np.random.Philox(counter=start // 4, key=key)
    raw = np.asarray(blocks.random_raw(start % 4 + n), np.uint64)[start % 4 :]
    return np.asarray((raw >> np.uint64(11)) * 2.0**-53)

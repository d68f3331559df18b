"""PURE: error rates, and how sure they are.

A rate of errors is never given without its interval (Clopper and Pearson, exact for a binomial count): 0 of 600 is "at
most 0.6 %", not "never".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
BISECTIONS = 60


@dataclass(frozen=True)
class Rate:
    """`errors` of `trials`, with the interval that holds the true rate with CONFIDENCE."""

    errors: int
    trials: int

    @property
    def share(self) -> float | None:
        return self.errors / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.errors, self.trials)

    def __str__(self) -> str:
        if self.share is None:
            return "no trial"
        low, high = self.interval
        return (
            f"{self.errors} of {self.trials} = {100 * self.share:.2f} % (95 %: {100 * low:.2f} to {100 * high:.2f} %)"
        )


def clopper_pearson(errors: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    if not 0 <= errors <= trials:
        raise ValueError(f"{errors} errors of {trials} trials")
    tail = (1 - confidence) / 2
    low = _where(lambda rate: at_least(errors, trials, rate) >= tail) if errors > 0 else 0.0
    high = _where(lambda rate: 1 - at_least(errors + 1, trials, rate) <= tail) if errors < trials else 1.0
    return low, high


def at_least(errors: int, trials: int, rate: float) -> float:
    """Probability of `errors` or more in `trials` at `rate`."""
    if errors <= 0:
        return 1.0
    if not 0 < rate < 1:
        return float(rate >= 1)
    counts = range(errors) if errors <= trials - errors else range(errors, trials + 1)
    total = min(1.0, sum(exp(_log_chance(count, trials, rate)) for count in counts))
    return 1 - total if counts.start == 0 else total


def _log_chance(count: int, trials: int, rate: float) -> float:
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return ways + count * log(rate) + (trials - count) * log(1 - rate)


def _where(holds: Callable[[float], bool]) -> float:
    """The least rate from which on `holds` is true."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class Curve:
    """For every threshold: the share of impostors at or above it, and of genuine people below it."""

    thresholds: NDArray[np.float64]
    false_match: NDArray[np.float64]
    false_non_match: NDArray[np.float64]

    @property
    def equal_error(self) -> float:
        """Where the two are the same, or nearest to it."""
        nearest = int(np.abs(self.false_match - self.false_non_match).argmin())
        return float(max(self.false_match[nearest], self.false_non_match[nearest]))


def curve(genuine: Sequence[float] | NDArray[np.float64], impostor: Sequence[float] | NDArray[np.float64]) -> Curve:
    """Higher scores are more alike. Neither may be empty."""
    mated, others = np.sort(np.asarray(genuine, float)), np.sort(np.asarray(impostor, float))
    if not len(mated) or not len(others):
        raise ValueError("scores of both kinds are needed")
    thresholds = np.unique(np.concatenate([mated, others]))
    if len(thresholds) > 4000:
        thresholds = thresholds[np.unique(np.linspace(0, len(thresholds) - 1, 4000).astype(int))]
    below_mated = np.searchsorted(mated, thresholds, side="left")
    below_others = np.searchsorted(others, thresholds, side="left")
    return Curve(thresholds, 1 - below_others / len(others), below_mated / len(mated))

"""PURE: how alike two faces must be at *this* station, from its own roster: its members are each other's impostors.

    scores of every template with every template of somebody else -> histogram -> tail: a line of the score over the
    logarithm of its rate, through the top 1e-2 to 1e-4 -> T = the score whose rate is  target FPIR / templates in all

A threshold from photographs of other people is wrong by an order of magnitude where the workers look otherwise (the
design measured 10-55 times as many false matches). The rate of one comparison that a search among N people with t
templates each can afford is the rate of the whole search over N * t. T is never below the pack's floor; with too few
people for a tail, the pack's own start value holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from station_agent.faces.engine import Embedding
from station_agent.faces.manifest import Threshold
from station_agent.faces.match import Gallery

FPIR_TARGET = 1e-3
"""Of a thousand strangers who try, one may be taken for somebody (before margin and the agreement of frames)."""

VERIFY_FMR_TARGET = 1e-3
"""Of one comparison 1:1, after a valid code; also for telling whether two frames show one person."""

TAIL_FROM, TAIL_TO = 1e-2, 1e-4
"""Share of the highest scores that the line is put through. Less than 1e-4 is left to it: single pairs, and perhaps
brothers."""

SCORES_MIN = 10_000
"""1 / TAIL_TO: fewer have no score at that rate. 48 people with three templates give 10,152."""

TAIL_POINTS = 50
BINS = 20_000  # of the histogram, over -1..1: a ten-thousandth each
BLOCK = 64  # templates compared with all others at a time: a few milliseconds without a break

PEOPLE_MAX = 2000
"""Whose templates are compared. Where more are enrolled nobody is searched for, and the line for 1:1 needs no more."""

Histogram = NDArray[np.int64]


class Row(Protocol):
    @property
    def member(self) -> str: ...

    @property
    def embedding(self) -> Embedding: ...


@dataclass(frozen=True)
class Calibration:
    """`threshold` for a search, `verify` for a comparison with one person; `fitted` tells whether there were enough
    scores. `slope` is what ten times fewer false matches cost in score.
    """

    threshold: float
    verify: float
    people: int
    templates: int
    scores: int
    fitted: bool
    slope: float | None = None


@dataclass(frozen=True)
class Tail:
    """score = at_one + slope * log10(rate); slope <= 0."""

    at_one: float
    slope: float

    def score(self, rate: float) -> float:
        return self.at_one + self.slope * float(np.log10(rate))


def some_people(rows: Sequence[Row]) -> Iterable[tuple[str, Embedding]]:
    """The templates of at most PEOPLE_MAX people, evenly chosen, and always the same for the same people."""
    people = sorted({row.member for row in rows})
    count = min(len(people), PEOPLE_MAX)
    chosen = {people[i * len(people) // count] for i in range(count)}
    return ((row.member, row.embedding) for row in rows if row.member in chosen)


def cross_scores(enrolled: Gallery) -> Histogram:
    """How often each cosine occurs between templates of different people, in BINS bins over -1..1. Each pair is counted
    once. Exact but for the width of a bin: the upper edge stands for all in it.
    """
    rows = enrolled.directions.astype(np.float32)
    counts = np.zeros(BINS, dtype=np.int64)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        scores = rows[block] @ rows[start:].T
        others = enrolled.owner[block, None] < enrolled.owner[None, start:]
        bins = ((scores[others] + 1) * (BINS / 2)).astype(np.int64)
        counts += np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)
    return counts


def fit(histogram: Histogram) -> Tail | None:
    """The tail's line, or None when there are fewer than SCORES_MIN scores. Ranks are taken evenly in the logarithm, so
    that the far end counts as much as the near one.
    """
    total = int(histogram.sum())
    if total < SCORES_MIN:
        return None
    ranks = np.unique(np.geomspace(TAIL_TO * total, TAIL_FROM * total, TAIL_POINTS).round().astype(np.int64))
    at_least = histogram[::-1].cumsum()  # how many scores lie in this bin or above, from the top
    bins = BINS - np.searchsorted(at_least, ranks)  # upper edge of the bin that holds the rank
    scores = bins * (2 / BINS) - 1
    slope, at_one = np.polyfit(np.log10(ranks / total), scores, 1)
    return Tail(float(at_one), min(0.0, float(slope)))


def calibrate(enrolled: Gallery, bounds: Threshold, fpir_target: float = FPIR_TARGET) -> Calibration:
    """The thresholds of a station with these people."""
    people, templates = len(enrolled.people), len(enrolled.owner)
    histogram = cross_scores(enrolled)
    tail = fit(histogram)
    scores = int(histogram.sum())
    if tail is None:
        return Calibration(bounds.start, bounds.floor, people, templates, scores, fitted=False)
    threshold = max(bounds.floor, tail.score(fpir_target / templates))
    verify = min(threshold, max(bounds.verify_floor, tail.score(VERIFY_FMR_TARGET)))
    return Calibration(threshold, verify, people, templates, scores, fitted=True, slope=tail.slope)

"""Rates with their intervals, against figures that are in the books, and curves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.faces.rates import Rate, at_least, clopper_pearson, curve


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [
        (0, 600, 0.0, 1 - 0.025 ** (1 / 600)),  # no error: in closed form
        (600, 600, 0.025 ** (1 / 600), 1.0),
        (0, 10, 0.0, 0.3085),  # tables of Clopper and Pearson
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (2, 100, 0.0024, 0.0704),
    ],
)
def test_the_interval_is_that_of_the_tables(errors: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(errors, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 300).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    errors, trials = counts
    low, high = clopper_pearson(errors, trials)
    assert 0 <= low <= (errors / trials if trials else 0.5) <= high <= 1


@given(st.integers(1, 200), st.floats(0.01, 0.99))
def test_chances_add_up(trials: int, rate: float) -> None:
    least = [at_least(errors, trials, rate) for errors in range(trials + 2)]
    assert least[0] == 1
    assert least[-1] == pytest.approx(0, abs=1e-9)
    assert all(a >= b - 1e-9 for a, b in pairwise(least))
    assert sum(least[1:]) == pytest.approx(trials * rate, rel=1e-6)  # the mean


def test_a_rate_says_how_sure_it_is() -> None:
    assert str(Rate(0, 600)) == "0 of 600 = 0.00 % (95 %: 0.00 to 0.61 %)"
    assert str(Rate(0, 0)) == "no trial"


def test_more_errors_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="3 errors of 2"):
        clopper_pearson(3, 2)


def test_a_curve_counts_both_sides_of_every_threshold() -> None:
    made = curve([0.8, 0.6, 0.4], [0.1, 0.2, 0.5, 0.3])
    at = {round(float(t), 1): i for i, t in enumerate(made.thresholds)}
    assert (made.false_match[at[0.5]], made.false_non_match[at[0.5]]) == (0.25, pytest.approx(1 / 3))
    assert (made.false_match[at[0.6]], made.false_non_match[at[0.6]]) == (0.0, pytest.approx(1 / 3))
    assert made.equal_error == pytest.approx(1 / 3)
    assert curve([1.0], [0.0]).equal_error == 0.0
    with pytest.raises(ValueError, match="both"):
        curve([], [0.1])


def test_a_curve_of_many_scores_stays_small() -> None:
    rng = np.random.default_rng(1)
    made = curve(rng.normal(1, 1, 5000), rng.normal(-1, 1, 50_000))
    assert len(made.thresholds) <= 4000
    assert made.equal_error == pytest.approx(0.1587, abs=0.01)  # the normal distribution beyond one deviation

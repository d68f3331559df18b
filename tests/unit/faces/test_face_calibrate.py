"""The threshold of a station: what the rule promises for any roster, and for rosters whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.faces.calibrate import (
    BINS,
    SCORES_MIN,
    VERIFY_FMR_TARGET,
    Tail,
    calibrate,
    cross_scores,
    fit,
)
from station_agent.faces.manifest import Threshold
from station_agent.faces.match import Gallery, Match, calibrated, gallery, match

BOUNDS = Threshold(floor=0.2, start=0.6, verify_floor=0.1)
NO_BOUNDS = Threshold(floor=0.001, start=0.6, verify_floor=0.001)
WIDTH = 2 / BINS


def roster(people: int, templates: int = 3, dimensions: int = 32, seed: int = 1, spread: float = 0.3) -> Gallery:
    """Faces as points around people, people anywhere."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(people, dimensions))
    return gallery(
        (f"{i:04}", middle + spread * rng.normal(size=dimensions))
        for i, middle in enumerate(middles)
        for _ in range(templates)
    )


def histogram(scores: np.ndarray) -> np.ndarray:
    return np.bincount(((scores + 1) * BINS / 2).astype(int).clip(0, BINS - 1), minlength=BINS)


def test_scores_are_those_of_different_people_only_each_pair_once() -> None:
    enrolled = gallery(
        [("ann", np.array([1.0, 0.0])), ("bea", np.array([0.0, 2.0])), ("ann", np.array([3.0, 0.1]))],
    )
    counts = cross_scores(enrolled)
    assert counts.sum() == 2
    edges = np.nonzero(counts)[0] * WIDTH - 1
    assert edges == pytest.approx([0.0, 0.1 / np.hypot(3, 0.1)], abs=2 * WIDTH)


@given(st.integers(2, 90), st.integers(1, 4), st.integers(0, 5))
def test_the_scores_counted_in_blocks_are_all_scores(people: int, templates: int, seed: int) -> None:
    enrolled = roster(people, templates, seed=seed)
    assert cross_scores(enrolled).sum() == people * (people - 1) // 2 * templates**2


@given(st.floats(-0.15, -0.02), st.floats(-0.1, 0.1), st.integers(0, 1000))
def test_a_tail_that_is_a_line_is_found_again(slope: float, at_one: float, seed: int) -> None:
    rates = (np.arange(50_000) + np.random.default_rng(seed).uniform(0.4, 0.6)) / 50_000
    tail = fit(histogram(np.clip(at_one + slope * np.log10(rates), -1, 0.999)))
    assert tail is not None
    assert tail.slope == pytest.approx(slope, abs=0.01)
    assert tail.score(1e-5) == pytest.approx(at_one + slope * -5, abs=0.03)


def test_a_thousand_strangers_of_the_same_kind_meet_the_target_by_the_score_alone() -> None:
    """The rule's promise, before margin and frames add to it: at most one in a thousand, of people like those here."""
    enrolled = roster(150)
    made = calibrate(enrolled, NO_BOUNDS)
    assert made.fitted
    rng = np.random.default_rng(99)
    strangers = rng.normal(size=(20_000, 32))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    best = (strangers @ enrolled.directions.T).max(axis=1)
    assert (best >= made.threshold).mean() <= 1e-3


def test_too_few_people_leave_the_packs_own_start() -> None:
    few = calibrate(roster(10), BOUNDS)
    assert (few.threshold, few.verify, few.fitted) == (BOUNDS.start, BOUNDS.floor, False)
    assert few.scores < SCORES_MIN
    assert calibrate(Gallery(), BOUNDS).threshold == BOUNDS.start
    assert calibrate(roster(48), BOUNDS).fitted


@given(st.integers(48, 80), st.integers(0, 3), st.floats(0.01, 0.9), st.floats(0.01, 0.9))
def test_never_below_the_floor_and_1_to_1_never_stricter(people: int, seed: int, one: float, other: float) -> None:
    bounds = Threshold(floor=max(one, other), start=max(one, other), verify_floor=min(one, other))
    made = calibrate(roster(people, seed=seed), bounds)
    assert made.threshold >= bounds.floor
    assert bounds.verify_floor <= made.verify <= made.threshold


@given(st.integers(0, 3), st.floats(1e-5, 1e-2), st.floats(1e-5, 1e-2))
def test_a_stricter_target_never_lowers_the_threshold(seed: int, one: float, other: float) -> None:
    enrolled = roster(60, seed=seed)
    low, high = sorted((one, other))
    assert calibrate(enrolled, NO_BOUNDS, low).threshold >= calibrate(enrolled, NO_BOUNDS, high).threshold


@given(st.integers(0, 20), st.randoms())
def test_who_is_called_what_changes_nothing(seed: int, random: object) -> None:
    enrolled = roster(50, seed=seed)
    names = list(enrolled.people)
    random.shuffle(names)  # type: ignore[attr-defined]
    renamed = gallery((names[owner], row) for owner, row in zip(enrolled.owner, enrolled.templates, strict=True))
    assert calibrate(renamed, BOUNDS).threshold == pytest.approx(calibrate(enrolled, BOUNDS).threshold, abs=WIDTH)


def test_the_length_of_an_embedding_changes_nothing() -> None:
    enrolled = roster(50)
    longer = replace(enrolled, templates=enrolled.templates * np.linspace(0.5, 9, len(enrolled.owner))[:, None])
    assert calibrate(longer, BOUNDS).threshold == pytest.approx(calibrate(enrolled, BOUNDS).threshold, abs=2 * WIDTH)


def test_people_who_look_alike_make_the_station_stricter() -> None:
    apart = roster(60, spread=0.3)
    alike = replace(apart, templates=apart.templates + 1.0)  # all share something
    assert calibrate(alike, NO_BOUNDS).threshold > calibrate(apart, NO_BOUNDS).threshold


def test_a_roster_of_one_face_lets_nobody_be_told_apart() -> None:
    same = gallery((f"{i:03}", np.array([1.0, 2.0])) for i in range(200))
    made = calibrate(same, BOUNDS)
    assert made.threshold == pytest.approx(1.0, abs=WIDTH)
    frames = [np.array([1.0, 2.0])] * 3
    assert not isinstance(match(frames, same, calibrated(made.threshold, made.verify)), Match)


def test_the_tails_line_falls_and_never_rises() -> None:
    assert Tail(0.1, -0.1).score(1e-4) == pytest.approx(0.5)
    flat = fit(histogram(np.full(SCORES_MIN, 0.25)))
    assert flat is not None
    assert flat.slope <= 0
    assert flat.score(VERIFY_FMR_TARGET) == pytest.approx(0.25, abs=2 * WIDTH)

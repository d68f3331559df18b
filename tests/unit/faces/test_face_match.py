"""Whose face it is: every rule of the strict policy alone, and what must hold for any faces at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from station_agent.faces.match import (
    STRICT,
    Embedding,
    Gallery,
    Match,
    Metric,
    NoMatch,
    Policy,
    calibrated,
    distances,
    gallery,
    lookalike,
    match,
    one_person,
    person_distances,
    verify,
)
from station_agent.wire.kinds import Reason


def at(*point: float) -> Embedding:
    return np.array(point, dtype=np.float64)


ANN, BEA = at(0, 0), at(2, 0)
BOTH = gallery([("ann", ANN), ("bea", BEA)])


def refused(found: Match | NoMatch) -> Reason:
    assert isinstance(found, NoMatch)
    return found.reason


def test_the_policy_is_the_one_of_the_design() -> None:
    assert (STRICT.distance_max, STRICT.margin_min) == (0.36, 0.10)
    assert (STRICT.frames_min, STRICT.templates_min, STRICT.people_max) == (3, 3, 100)


def test_three_near_frames_are_the_member() -> None:
    found = match([at(0.1, 0), at(0.2, 0), at(0.3, 0)], BOTH, STRICT)
    assert found == Match("ann", pytest.approx(0.2), pytest.approx(1.6), 3)


def test_two_frames_are_too_few_however_near() -> None:
    assert refused(match([ANN, ANN], BOTH, STRICT)) is Reason.NO_FACE


def test_no_frame_is_no_face() -> None:
    assert refused(match([], BOTH, STRICT)) is Reason.NO_FACE


def test_nobody_enrolled_is_nobody_known() -> None:
    assert refused(match([ANN] * 3, Gallery(), STRICT)) is Reason.FACE_UNKNOWN


@pytest.mark.parametrize(("distance", "enters"), [(0.3599, True), (0.3601, False)])
def test_the_distance_has_a_limit(distance: float, enters: bool) -> None:
    assert isinstance(match([at(0, distance)] * 3, BOTH, STRICT), Match) is enters


def test_one_near_frame_does_not_carry_two_far_ones() -> None:
    frames = [at(0, 0.2), at(0, 0.4), at(0, 0.45)]
    assert refused(match(frames, BOTH, STRICT)) is Reason.FACE_UNKNOWN


def test_frames_that_are_each_too_far_do_not_enter_by_their_average() -> None:
    ring = [at(0.38 * np.cos(a), 0.38 * np.sin(a)) for a in (-0.45, 0.0, 0.45)]
    assert np.linalg.norm(np.mean(ring, axis=0)) < STRICT.distance_max
    assert refused(match(ring, BOTH, STRICT)) is Reason.FACE_UNKNOWN


@pytest.mark.parametrize(("other", "enters"), [(0.401, True), (0.399, False)])
def test_the_second_person_must_be_clearly_further(other: float, enters: bool) -> None:
    enrolled = gallery([("ann", at(0.3, 0)), ("bea", at(0, other))])
    found = match([ANN] * 3, enrolled, STRICT)
    assert isinstance(found, Match) if enters else refused(found) is Reason.FACE_AMBIGUOUS


def test_ones_own_second_template_is_no_second_person() -> None:
    enrolled = gallery([("ann", at(0, 0)), ("ann", at(0.01, 0)), ("bea", BEA)])
    assert isinstance(match([ANN] * 3, enrolled, STRICT), Match)


def test_alone_in_the_gallery_there_is_no_margin_to_tell() -> None:
    found = match([ANN] * 3, gallery([("ann", ANN)]), STRICT)
    assert isinstance(found, Match)
    assert found.margin is None


def test_somebody_who_steps_in_half_way_makes_the_look_worthless() -> None:
    assert refused(match([ANN, ANN, ANN, BEA], BOTH, STRICT)) is Reason.FACE_AMBIGUOUS
    assert refused(match([ANN, BEA, ANN], BOTH, STRICT)) is Reason.FACE_AMBIGUOUS


def test_a_single_frame_nearer_to_another_member_spoils_it() -> None:
    enrolled = gallery([("ann", at(0, 0)), ("bea", at(0.5, 0))])
    frames = [at(0, 0), at(0, 0), at(0, 0), at(0.3, 0)]
    assert refused(match(frames, enrolled, STRICT)) is Reason.FACE_AMBIGUOUS


def test_among_too_many_people_nobody_is_searched_for_and_a_codes_member_is_compared_all_the_same() -> None:
    enrolled = gallery([(f"{i:03}", at(i, 0)) for i in range(STRICT.people_max + 1)])
    assert refused(match([ANN] * 3, enrolled, STRICT)) is Reason.FACE_AFTER_CODE
    assert isinstance(verify([at(0, 0)] * 3, enrolled, "000", STRICT), Match)


def test_numbers_that_are_none_match_nobody() -> None:
    for bad in (float("nan"), float("inf")):
        assert isinstance(match([at(bad, 0)] * 3, BOTH, STRICT), NoMatch)
    with pytest.raises(ValueError, match="finite"):
        gallery([("ann", at(float("nan"), 0))])
    with pytest.raises(ValueError, match="equally many"):
        gallery([("ann", at(0, 0)), ("bea", at(0, 0, 0))])


points = hnp.arrays(np.float64, 4, elements=st.floats(-0.5, 0.5, width=32))
galleries = st.lists(st.tuples(st.sampled_from("abcde"), points), min_size=1, max_size=10)
looks = st.lists(points, min_size=1, max_size=6)
near = st.tuples(points, st.lists(hnp.arrays(np.float64, 4, elements=st.floats(-0.1, 0.1)), min_size=3, max_size=6))


@given(galleries, looks | near.map(lambda n: [n[0] + step for step in n[1]]))
def test_whoever_enters_keeps_every_rule(enrolled: list[tuple[str, Embedding]], frames: list[Embedding]) -> None:
    found = match(frames, gallery(enrolled), STRICT)
    if isinstance(found, NoMatch):
        return
    assert len(frames) >= 3
    for a in frames:
        assert all(np.linalg.norm(a - b) <= STRICT.distance_max for b in frames)
    nearest = [
        {
            member: min(float(np.linalg.norm(frame - t)) for owner, t in enrolled if owner == member)
            for member, _ in enrolled
        }
        for frame in frames
    ]
    assert all(min(each.values()) == each[found.member] for each in nearest)
    fused = {member: float(np.median([each[member] for each in nearest])) for member, _ in enrolled}
    assert fused[found.member] <= STRICT.distance_max
    assert all(
        other >= fused[found.member] + STRICT.margin_min - 1e-12
        for member, other in fused.items()
        if member != found.member
    )


@given(galleries, looks, st.randoms())
def test_the_order_of_frames_and_templates_changes_nothing(
    enrolled: list[tuple[str, Embedding]], frames: list[Embedding], random: object
) -> None:
    shuffled, looked = list(enrolled), list(frames)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(looked)  # type: ignore[attr-defined]
    assert match(looked, gallery(shuffled), STRICT) == match(frames, gallery(enrolled), STRICT)


@given(galleries, looks, points)
def test_one_more_person_never_opens_the_door_for_somebody_else(
    enrolled: list[tuple[str, Embedding]], frames: list[Embedding], newcomer: Embedding
) -> None:
    before = match(frames, gallery(enrolled), STRICT)
    after = match(frames, gallery([*enrolled, ("new", newcomer)]), STRICT)
    if isinstance(after, Match) and after.member != "new":
        assert isinstance(before, Match)
        assert before.member == after.member


@given(galleries, looks)
def test_a_stricter_policy_lets_in_nobody_more(enrolled: list[tuple[str, Embedding]], frames: list[Embedding]) -> None:
    stricter = replace(STRICT, distance_max=0.2, margin_min=0.2, frames_min=4)
    if isinstance(match(frames, gallery(enrolled), stricter), Match):
        assert isinstance(match(frames, gallery(enrolled), STRICT), Match)


def test_a_person_is_as_near_as_the_nearest_template() -> None:
    enrolled = gallery([("bea", at(9, 0)), ("ann", at(1, 0)), ("ann", at(0, 3))])
    np.testing.assert_allclose(person_distances([ANN], enrolled, Metric.EUCLIDEAN), [[1.0, 9.0]])
    assert enrolled.people == ("ann", "bea")


def test_the_same_face_under_another_member_is_seen_at_enrolment() -> None:
    assert lookalike([at(1, 0), at(0.3, 0)], BOTH, "carla", STRICT)
    assert not lookalike([at(0.3, 0)], BOTH, "ann", STRICT)  # one's own older template
    assert not lookalike([at(0.4, 0)], BOTH, "carla", STRICT)
    assert not lookalike([ANN], Gallery(), "carla", STRICT)


def test_templates_are_chosen_from_one_person_only() -> None:
    candidates = [at(0, 0), at(2, 0), at(0.1, 0), at(0.2, 0), at(2.1, 0), at(0.47, 0)]
    assert one_person(candidates, replace(STRICT, templates_differ_min=0.05), 5) == [0, 2, 3]


def test_the_same_picture_again_is_no_further_template() -> None:
    assert one_person([ANN, ANN, ANN, ANN], STRICT, 5) == []


def test_no_more_templates_than_allowed() -> None:
    assert one_person([at(i * 0.05, 0) for i in range(8)], STRICT, 5) == [0, 1, 2, 3, 4]


CALIBRATED = calibrated(threshold=0.6, verify=0.4)


def towards(angle: float, length: float = 1.0) -> Embedding:
    """A face whose cosine with towards(0) is that of `angle` in degrees."""
    return at(length * np.cos(np.radians(angle)), length * np.sin(np.radians(angle)))


COSINES = gallery([("ann", towards(0)), ("ann", towards(10)), ("bea", towards(150))])


def test_the_calibrated_policy_is_the_one_of_the_design() -> None:
    assert (CALIBRATED.margin_min, CALIBRATED.frames_min) == (0.10, 3)
    assert (CALIBRATED.templates_min, CALIBRATED.people_max) == (3, 2000)


@pytest.mark.parametrize(("score", "enters"), [(0.601, True), (0.599, False)])
def test_a_calibrated_score_has_a_limit(score: float, enters: bool) -> None:
    found = match([towards(-np.degrees(np.arccos(score)))] * 3, COSINES, CALIBRATED)
    assert isinstance(found, Match) is enters
    assert found.distance == pytest.approx(1 - score)


def test_the_length_of_an_embedding_is_nothing_to_the_score() -> None:
    for length in (1e-3, 1.0, 50.0):
        found = match([towards(5, length)] * 3, COSINES, CALIBRATED)
        assert isinstance(found, Match)
        assert found.distance == pytest.approx(1 - np.cos(np.radians(5)))
    assert not isinstance(match([at(0, 0)] * 3, COSINES, CALIBRATED), Match)
    assert not isinstance(match([towards(0)] * 3, gallery([("ann", at(0, 0))]), CALIBRATED), Match)


def test_the_second_person_must_score_clearly_less() -> None:
    between = gallery([("ann", towards(0)), ("bea", towards(50))])
    assert isinstance(match([towards(0)] * 3, between, CALIBRATED), Match)
    assert refused(match([towards(23)] * 3, between, CALIBRATED)) is Reason.FACE_AMBIGUOUS


def test_frames_must_show_one_person_by_the_1_to_1_limit() -> None:
    one_person = [towards(-30), towards(0), towards(30)]  # 60 degrees: 0.5
    two = [towards(-40), towards(0), towards(40)]  # 80 degrees: 0.17
    assert isinstance(match(one_person, COSINES, CALIBRATED), Match)
    assert refused(match(two, COSINES, CALIBRATED)) is Reason.FACE_AMBIGUOUS


@pytest.mark.parametrize("policy", [STRICT, CALIBRATED])
def test_after_a_code_the_limit_is_that_of_one_comparison(policy: Policy) -> None:
    enrolled = gallery([("ann", towards(0)), ("bea", towards(1))])  # as like as twins: a search tells nobody
    near = [towards(0)] * 3
    assert refused(match(near, enrolled, policy)) is Reason.FACE_AMBIGUOUS
    assert verify(near, enrolled, "ann", policy) == Match("ann", pytest.approx(0, abs=1e-9), None, 3)
    assert refused(verify(near[:2], enrolled, "ann", policy)) is Reason.NO_FACE
    assert refused(verify(near, enrolled, "carla", policy)) is Reason.FACE_NOT_ENROLLED
    assert refused(verify([towards(180)] * 3, enrolled, "ann", policy)) is Reason.FACE_OTHER
    assert refused(verify([towards(0), towards(0), towards(170)], enrolled, "ann", policy)) is Reason.FACE_AMBIGUOUS


def test_a_face_too_unlike_for_a_search_may_do_after_a_code() -> None:
    face = [towards(-60)] * 3  # 0.5: between the two limits
    assert refused(match(face, COSINES, CALIBRATED)) is Reason.FACE_UNKNOWN
    assert isinstance(verify(face, COSINES, "ann", CALIBRATED), Match)
    assert not isinstance(verify([towards(-70)] * 3, COSINES, "ann", CALIBRATED), Match)  # 0.34


@given(galleries, looks, st.sampled_from("abcde"), st.sampled_from([STRICT, CALIBRATED]))
def test_whoever_a_search_knows_is_also_known_after_a_code(
    enrolled: list[tuple[str, Embedding]], frames: list[Embedding], member: str, policy: Policy
) -> None:
    people = gallery(enrolled)
    found = match(frames, people, policy)
    if isinstance(found, Match):
        assert isinstance(verify(frames, people, found.member, policy), Match)
    checked = verify(frames, people, member, policy)
    if isinstance(checked, Match):
        assert checked.member == member
        assert checked.distance <= policy.verify_max


@given(galleries, looks, st.sampled_from(Metric))
def test_a_person_is_as_near_as_each_ones_nearest_template_in_any_metric(
    enrolled: list[tuple[str, Embedding]], frames: list[Embedding], metric: Metric
) -> None:
    people = gallery(enrolled)
    found = person_distances(frames, people, metric)
    for column, person in enumerate(people.people):
        own = np.stack([row for owner, row in enrolled if owner == person])
        np.testing.assert_allclose(found[:, column], distances(np.stack(frames), own, metric).min(axis=1), atol=1e-12)

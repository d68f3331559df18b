"""A living person moves the head as asked; a flat picture cannot, however it is waved about."""

from __future__ import annotations

import random
from math import cos, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.faces.liveness import (
    MOVED_FRAMES,
    REACTION_S,
    Movement,
    Outcome,
    Posture,
    Trial,
    Verdict,
    at_rest,
    choose,
    posture,
    vote,
    vote_of_depth,
)

HEAD_MM = np.array([(-31, 0, 0), (31, 0, 0), (0, 35, 28), (-25, 72, 8), (25, 72, 8)], dtype=float)
"""Eyes, nose tip, mouth corners: to image-right, down, towards the camera."""

AT_REST = Posture(0.0, 0.49)
LEFT, RIGHT = Posture(0.25, 0.49), Posture(-0.25, 0.49)
UP, DOWN = Posture(0.0, 0.35), Posture(0.0, 0.62)
POSTURES = {Movement.TURN_LEFT: LEFT, Movement.TURN_RIGHT: RIGHT, Movement.LOOK_UP: UP, Movement.LOOK_DOWN: DOWN}


def head(yaw: float = 0, pitch: float = 0, roll: float = 0, size: float = 1.0) -> list[tuple[float, float]]:
    """Landmarks of a head, from far away. `yaw` > 0: towards the person's left, `pitch` > 0: down, degrees."""
    y, p, r = radians(yaw), radians(pitch), radians(roll)
    turn = np.array([(cos(y), 0, sin(y)), (0, 1, 0), (-sin(y), 0, cos(y))])
    nod = np.array([(1, 0, 0), (0, cos(p), sin(p)), (0, -sin(p), cos(p))])
    lean = np.array([(cos(r), -sin(r), 0), (sin(r), cos(r), 0), (0, 0, 1)])
    points = HEAD_MM @ (lean @ nod @ turn).T
    return [(320 + size * float(x), 240 + size * float(y)) for x, y, _ in points]


def seen(landmarks: list[tuple[float, float]]) -> Posture:
    found = posture(landmarks)
    assert found is not None
    return found


def trial(movement: Movement, *frames: tuple[float, Posture | None, bool]) -> Outcome:
    """Shown at 10 s."""
    running = Trial(movement, AT_REST, 10.0)
    for at_s, found, same in frames:
        running = running.add(at_s, found, same)
    return running.outcome


@pytest.mark.parametrize("movement", Movement)
def test_what_was_asked_for_answers(movement: Movement) -> None:
    moved = POSTURES[movement]
    assert trial(movement, (10.1, AT_REST, True), (10.6, moved, True), (10.8, moved, True)) is Outcome.ANSWERED


def test_a_head_that_turns_and_nods_is_told_from_its_landmarks() -> None:
    rest = seen(head())
    left, right = seen(head(yaw=30)), seen(head(yaw=-30))
    up, down = seen(head(pitch=-22)), seen(head(pitch=22))
    shown = {Movement.TURN_LEFT: left, Movement.TURN_RIGHT: right, Movement.LOOK_UP: up, Movement.LOOK_DOWN: down}
    for movement, moved in shown.items():
        running = Trial(movement, rest, 0.0)
        for i, one in enumerate((rest, moved, moved)):
            running = running.add(1.0 + i, one, True)
        assert running.outcome is Outcome.ANSWERED, movement


@given(st.floats(-50, 50), st.floats(0.3, 3))
def test_a_head_that_leans_or_comes_nearer_has_the_same_posture(roll: float, size: float) -> None:
    leaning = seen(head(roll=roll, size=size))
    assert (leaning.across, leaning.down) == pytest.approx((seen(head()).across, seen(head()).down))


number = st.floats(-2, 2)


@given(number, number, number, number, st.floats(-500, 500), st.floats(-500, 500), st.floats(-35, 35))
def test_a_flat_picture_keeps_its_posture_however_it_is_turned_tilted_or_stretched(
    a: float, b: float, c: float, d: float, x: float, y: float, yaw: float
) -> None:
    if abs(a * d - b * c) < 0.01:
        return  # seen from the edge
    picture = head(yaw=yaw)
    waved = [(a * px + b * py + x, c * px + d * py + y) for px, py in picture]
    was, now = seen(picture), seen(waved)
    assert (now.across, now.down) == pytest.approx((was.across, was.down), abs=1e-6)


def test_landmarks_on_one_line_have_no_posture() -> None:
    assert posture([(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]) is None
    assert posture([(5, 5)] * 5) is None


def test_an_answer_from_before_the_challenge_was_shown_does_not_count() -> None:
    early = [(9.7, AT_REST, True), (9.8, LEFT, True), (9.9, LEFT, True), (10.0, LEFT, True)]
    assert trial(Movement.TURN_LEFT, *early) is Outcome.WAITING
    still_turned = [(10.5 + i / 10, LEFT, True) for i in range(20)]
    assert trial(Movement.TURN_LEFT, *early, *still_turned) is Outcome.WAITING


def test_a_movement_that_had_begun_when_the_challenge_came_must_be_made_again() -> None:
    soon = 10 + REACTION_S / 2
    begun = [(10.05, AT_REST, True), (soon, LEFT, True), (10.4, LEFT, True), (10.5, LEFT, True)]
    assert trial(Movement.TURN_LEFT, *begun) is Outcome.WAITING
    again = [(10.8, AT_REST, True), (11.0, LEFT, True), (11.1, LEFT, True)]
    assert trial(Movement.TURN_LEFT, *begun, *again) is Outcome.ANSWERED


def test_another_movement_ends_the_trial() -> None:
    for wrong in (RIGHT, UP, DOWN):
        frames = [(10.1, AT_REST, True), (10.5, wrong, True), (10.6, wrong, True)]
        later = [(10.8, AT_REST, True), (11.0, LEFT, True), (11.1, LEFT, True)]
        assert trial(Movement.TURN_LEFT, *frames, *later) is Outcome.WRONG


def test_one_frame_alone_is_neither_answer_nor_fault() -> None:
    assert MOVED_FRAMES == 2
    slips = [(10.1, AT_REST, True), (10.5, LEFT, True), (10.6, AT_REST, True), (10.7, RIGHT, True)]
    assert trial(Movement.TURN_LEFT, *slips, (10.8, AT_REST, True), (10.9, LEFT, True)) is Outcome.WAITING


@pytest.mark.parametrize("gone", [(10.45, None, False), (10.45, LEFT, False)])
def test_whoever_steps_in_for_the_movement_proves_nothing(gone: tuple[float, Posture | None, bool]) -> None:
    """The member's photo at rest, then somebody else's living head: the frames of the other do not count."""
    swapped = [(10.1, AT_REST, True), gone, (10.5, LEFT, True), (10.6, LEFT, True)]
    assert trial(Movement.TURN_LEFT, *swapped) is Outcome.WAITING
    other = [(10.1, AT_REST, True), (10.5, LEFT, False), (10.6, LEFT, False), (10.7, LEFT, False)]
    assert trial(Movement.TURN_LEFT, *other) is Outcome.WAITING


def test_the_same_frame_again_is_no_second_one() -> None:
    assert trial(Movement.TURN_LEFT, (10.1, AT_REST, True), *[(10.5, LEFT, True)] * 5) is Outcome.WAITING


def test_rest_is_the_middle_of_the_frames() -> None:
    assert at_rest([Posture(0.0, 0.5), Posture(0.9, 0.1), Posture(0.02, 0.52)]) == Posture(0.02, 0.5)


def test_every_challenge_is_drawn() -> None:
    drawn = [choose(random.Random(seed)) for seed in range(200)]
    assert all(drawn.count(movement) > 20 for movement in Movement)


def test_the_middle_of_the_frames_decides_the_vote() -> None:
    assert vote([0.9, 0.1, 0.8]) is Verdict.LIVE
    assert vote([0.9, 0.1, 0.2]) is Verdict.ATTACK
    assert vote([0.5]) is Verdict.LIVE


def test_a_frame_without_a_score_is_no_proof() -> None:
    for scores in ([], [None], [0.9, None, 0.9], [0.9, float("nan"), 0.9]):
        assert vote(scores) is Verdict.UNSURE


def test_a_second_camera_must_be_sure_of_most_frames() -> None:
    live, attack, unsure = Verdict.LIVE, Verdict.ATTACK, Verdict.UNSURE
    assert vote_of_depth([live, live, unsure]) is live
    assert vote_of_depth([live, unsure]) is unsure
    assert vote_of_depth([live, attack, attack]) is attack
    assert vote_of_depth([]) is unsure

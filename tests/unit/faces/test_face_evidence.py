"""What the frames of one attempt add up to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from station_agent.faces.engine import Box, Sight
from station_agent.faces.evidence import FRAMES_MAX, Evidence
from station_agent.faces.match import STRICT, Match, NoMatch, gallery
from station_agent.wire.kinds import Reason

MakeSight = Callable[..., Sight]
BOTH = gallery([("ann", np.array([0.0, 0.0])), ("bea", np.array([2.0, 0.0]))])


def look(*sights: Sight) -> Evidence:
    evidence = Evidence()
    for i, sight in enumerate(sights):
        evidence = evidence.add(sight, float(i), STRICT)
    return evidence


def reason(evidence: Evidence) -> Reason:
    found = evidence.decide(BOTH, STRICT)
    assert isinstance(found, NoMatch)
    return found.reason


def test_three_frames_of_a_member_decide(sight: MakeSight) -> None:
    assert isinstance(look(*[sight(0, 0)] * 3).decide(BOTH, STRICT), Match)
    assert reason(look(*[sight(0, 0)] * 2)) is Reason.NO_FACE


def test_a_frame_shown_again_is_no_second_look(sight: MakeSight) -> None:
    evidence = Evidence()
    for mono_s in (5.0, 5.0, 5.0, 4.0):
        evidence = evidence.add(sight(0, 0), mono_s, STRICT)
    assert evidence.fit == 1


def test_after_somebody_else_stepped_in_only_their_own_frames_count(sight: MakeSight) -> None:
    swapped = look(sight(0, 0), sight(0, 0), sight(9, 9), sight(9, 9))
    assert reason(swapped) is Reason.FACE_AMBIGUOUS
    assert reason(look(*[sight(0, 0)] * 2, *[sight(9, 9)] * 3)) is Reason.FACE_UNKNOWN
    back = look(sight(0, 0), sight(0, 0), sight(9, 9), *[sight(0, 0)] * 3).decide(BOTH, STRICT)
    assert isinstance(back, Match)
    assert back.frames == 3


def test_a_second_face_beside_starts_the_look_anew(sight: MakeSight) -> None:
    beside = Sight(sight(0, 0).nearest, (Box(300, 10, 190, 190),))
    assert reason(look(sight(0, 0), sight(0, 0), beside, sight(0, 0))) is Reason.SEVERAL_FACES
    assert isinstance(look(beside, *[sight(0, 0)] * 3).decide(BOTH, STRICT), Match)


def test_frames_without_a_good_face_neither_help_nor_harm(sight: MakeSight) -> None:
    blurred = sight(0, 0, sharpness=1.0)
    assert isinstance(look(sight(0, 0), Sight(None), sight(0, 0), blurred, sight(0, 0)).decide(BOTH, STRICT), Match)
    assert look(Sight(None), blurred).fit == 0


def test_who_was_never_seen_well_is_told_why(sight: MakeSight) -> None:
    found = look(Sight(None), sight(0, 0, light=5.0)).decide(BOTH, STRICT)
    assert isinstance(found, NoMatch)
    assert (found.reason, found.detail) == (Reason.NO_FACE, "it is too dark on the face")


def test_an_attempt_has_a_bounded_number_of_frames(sight: MakeSight) -> None:
    assert not look(*[sight(9, 9)] * (FRAMES_MAX - 1)).exhausted
    assert look(*[sight(i, 9) for i in range(FRAMES_MAX)]).exhausted

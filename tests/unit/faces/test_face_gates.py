"""Which pictures of a face are good enough, and what the person is told otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from station_agent.faces import gates, measures
from station_agent.faces.engine import Box, Face, Sight
from station_agent.faces.gates import Unfit

MakeFace = Callable[..., Face]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"width": 79}, "closer"),
        ({"light": 49.0}, "dark"),
        ({"light": 211.0}, "bright"),
        ({"contrast": 14.0}, "contrast"),
        ({"sharpness": 9.0}, "blurred"),
        ({"turned": 0.36}, "straight"),
        ({"turned": float("nan")}, "straight"),
        ({"nodded": 0.29}, "look up"),
        ({"nodded": 0.71}, "look down"),
        ({"nodded": float("inf")}, "look down"),
        ({"tilted": 20.1}, "upright"),
    ],
)
def test_a_fault_stops_enrolling_and_has_its_own_sentence(face: MakeFace, fault: dict[str, float], told: str) -> None:
    found = gates.to_enrol(Sight(face(0, 0, **fault)))
    assert isinstance(found, Unfit)
    assert told in found.sentence


def test_what_an_engine_does_not_see_is_no_fault(face: MakeFace) -> None:
    assert face(0, 0).nodded is None
    assert not isinstance(gates.to_enrol(Sight(face(0, 0))), Unfit)
    assert not isinstance(gates.to_enrol(Sight(face(0, 0, nodded=0.5, tilted=5.0))), Unfit)


def test_looking_forgives_what_enrolling_does_not(face: MakeFace) -> None:
    poor = face(0, 0, width=65, light=40.0, sharpness=6.0, turned=0.4)
    assert gates.to_look(Sight(poor)) is poor
    assert isinstance(gates.to_enrol(Sight(poor)), Unfit)


def test_looking_still_needs_a_face_that_an_engine_can_judge(face: MakeFace) -> None:
    assert isinstance(gates.to_look(Sight(face(0, 0, width=59))), Unfit)
    assert gates.to_look(Sight(None)) == gates.NO_FACE


def test_a_bystander_far_behind_stops_nobody_at_the_door_but_an_enrolment(face: MakeFace) -> None:
    near = face(0, 0, width=200)
    behind = Sight(near, (Box(400, 10, 100, 100),))
    beside = Sight(near, (Box(400, 10, 101, 101),))
    assert gates.to_look(behind) is near
    assert gates.to_look(beside) == gates.SEVERAL_FACES
    assert gates.to_enrol(behind) == gates.SEVERAL_FACES


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    noise = np.random.default_rng(1).uniform(0, 255, (112, 112))
    blurred = sum(np.roll(np.roll(noise, i, 0), j, 1) for i in range(5) for j in range(5)) / 25
    assert measures.sharpness(blurred) < measures.sharpness(noise) / 5
    assert measures.sharpness(noise / 4 + 10) == pytest.approx(measures.sharpness(noise))
    assert measures.sharpness(np.full((112, 112), 99.0)) == 0.0


def test_turned_is_where_the_nose_lies_between_the_eyes() -> None:
    assert measures.turned((50, 80), (30, 40), (70, 40)) == pytest.approx(0.0)
    assert measures.turned((60, 80), (30, 40), (70, 40)) == pytest.approx(0.25)
    assert measures.turned((10, 50), (50, 30), (50, 70)) == pytest.approx(0.0)  # the head lies on its side
    assert measures.turned((1, 1), (5, 5), (5, 5)) == float("inf")

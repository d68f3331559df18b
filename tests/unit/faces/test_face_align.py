"""Where landmarks put a face."""

from __future__ import annotations

from cmath import rect
from math import radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.faces.align import Point, Similarity, nodded, onto, tilted

TEMPLATE = ((38.0, 52.0), (74.0, 52.0), (56.0, 72.0), (42.0, 92.0), (70.0, 92.0))

moves = st.builds(
    lambda scale, angle, x, y: Similarity(rect(scale, radians(angle)), complex(x, y)),
    st.floats(0.05, 20),
    st.floats(-180, 180),
    st.floats(-2000, 2000),
    st.floats(-2000, 2000),
)


@given(moves)
def test_a_moved_template_is_found_where_it_was_moved_to(move: Similarity) -> None:
    found = onto([move(point) for point in TEMPLATE], TEMPLATE)
    assert found is not None
    for point in TEMPLATE:
        assert found(point) == pytest.approx(move(point), abs=1e-6 * move.scale * 200 + 1e-6)
    assert found.scale == pytest.approx(move.scale)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=5, max_size=5), moves)
def test_no_other_move_lies_nearer(noise: list[Point], other: Similarity) -> None:
    landmarks = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(TEMPLATE, noise, strict=True)]

    def squared(move: Similarity) -> float:
        """On the template, where the embedder looks."""
        return sum(
            abs((complex(*mark) - move.shift) / move.turn - complex(*point)) ** 2
            for point, mark in zip(TEMPLATE, landmarks, strict=True)
        )

    found = onto(landmarks, TEMPLATE)
    assert found is not None
    near = Similarity(found.turn * (1 + 0.01 * (other.turn / abs(other.turn))), found.shift)
    assert squared(found) <= min(squared(other), squared(near)) + 1e-9


def test_a_face_in_a_mirror_is_not_turned_over() -> None:
    found = onto([(-x, y) for x, y in TEMPLATE], TEMPLATE)
    assert found is not None
    left, right = found(TEMPLATE[0]), found(TEMPLATE[1])
    assert not np.allclose((left, right), [(-38.0, 52.0), (-74.0, 52.0)])


@pytest.mark.parametrize("odd", [((5.0, 5.0),) * 5, ((float("nan"), 0.0),) * 5, ((float("inf"), 0.0), *TEMPLATE[1:])])
def test_points_that_are_no_face_have_no_move(odd: tuple[Point, ...]) -> None:
    assert onto(odd, TEMPLATE) is None
    assert onto(TEMPLATE, ((1.0, 1.0),) * 5) is None


def test_the_pose_is_told_from_the_points() -> None:
    assert tilted(TEMPLATE) == 0.0
    assert tilted([(0, 0), (10, 10), *TEMPLATE[2:]]) == pytest.approx(45)
    assert tilted([(0, 0), (10, -10), *TEMPLATE[2:]]) == pytest.approx(45)
    assert nodded(TEMPLATE) == pytest.approx(0.5)
    assert nodded([*TEMPLATE[:2], (56.0, 84.0), *TEMPLATE[3:]]) == pytest.approx(0.8)
    assert nodded([(1.0, 1.0)] * 5) == float("inf")

"""What the passive models are shown: the face with what surrounds it, inside of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.faces.minifas import probability, surroundings


def coordinates(width: int, height: int) -> np.ndarray:
    """Each pixel says where it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // width, rows * 255 // height, 0 * rows], axis=2).astype(np.uint8)


def seen(left: float, top: float, width: float, height: float, times: float) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is shown, as shares of the frame."""
    shown = surroundings(coordinates(200, 200), left, top, width, height, times, 80) / 255
    return float(shown[0, 0, 0]), float(shown[0, 0, 1]), float(shown[-1, -1, 0]), float(shown[-1, -1, 1])


def test_the_picture_is_so_many_times_the_face_about_its_middle() -> None:
    assert seen(90, 90, 20, 20, 4.0) == pytest.approx((0.3, 0.3, 0.7, 0.7), abs=0.02)


def test_at_an_edge_it_is_moved_inside_and_not_cut() -> None:
    assert seen(0, 90, 20, 20, 4.0) == pytest.approx((0.0, 0.3, 0.4, 0.7), abs=0.02)
    assert seen(180, 180, 20, 20, 4.0) == pytest.approx((0.6, 0.6, 1.0, 1.0), abs=0.02)


def test_a_face_too_near_for_that_takes_what_room_there_is() -> None:
    assert seen(50, 50, 100, 100, 4.0) == pytest.approx((0.0, 0.0, 1.0, 1.0), abs=0.02)


edge = st.floats(-50, 250)
size = st.floats(0.5, 400)


@given(edge, edge, size, size, st.floats(1, 10))
def test_any_box_gives_a_picture(left: float, top: float, width: float, height: float, times: float) -> None:
    assert surroundings(coordinates(200, 200), left, top, width, height, times, 80).shape == (80, 80, 3)


def test_the_probability_is_the_softmax_of_its_class() -> None:
    assert probability(np.array([[0.0, 0.0, 0.0]], np.float32), 1) == pytest.approx(1 / 3)
    assert probability(np.array([[0.0, 90.0, 0.0]], np.float32), 1) == pytest.approx(1)
    assert probability(np.array([[900.0, 0.0, 0.0]], np.float32), 1) == pytest.approx(0)

"""What the detector's numbers mean, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from station_agent.faces.yunet import CANDIDATES_MAX, STRIDES_PX, decode

SIDE = 64

Outputs = dict[str, np.ndarray]


def nothing() -> Outputs:
    outputs = {}
    for stride in STRIDES_PX:
        cells = (SIDE // stride) ** 2
        for kind, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{kind}_{stride}"] = np.zeros((1, cells, numbers), np.float32)
    return outputs


def face(outputs: Outputs, stride: int, row: int, column: int, score: float, width: float, height: float) -> None:
    """One whose middle is the cell's corner, with landmarks at the corner too."""
    cell = row * (SIDE // stride) + column
    outputs[f"cls_{stride}"][0, cell] = score
    outputs[f"obj_{stride}"][0, cell] = score
    outputs[f"bbox_{stride}"][0, cell] = [0, 0, np.log(width / stride), np.log(height / stride)]


def test_a_cell_becomes_a_face_in_pixels() -> None:
    outputs = nothing()
    face(outputs, 16, row=1, column=2, score=0.95, width=20, height=30)
    outputs["bbox_16"][0, 6, :2] = [0.5, 0.25]
    outputs["kps_16"][0, 6] = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
    [found] = decode(outputs, SIDE, 0.9, 0.3)
    assert (found.left, found.top, found.width, found.height) == pytest.approx((40 - 10, 20 - 15, 20, 30), rel=1e-5)
    assert found.score == pytest.approx(0.95)
    assert found.landmarks == ((32, 16), (48, 16), (40, 24), (32, 32), (48, 32))


def test_the_score_is_the_geometric_mean_and_has_a_limit() -> None:
    outputs = nothing()
    face(outputs, 8, 0, 0, 1.0, 10, 10)
    outputs["obj_8"][0, 0] = 0.81
    assert [round(found.score, 6) for found in decode(outputs, SIDE, 0.9, 0.3)] == [0.9]
    assert decode(outputs, SIDE, 0.901, 0.3) == []


def test_of_two_that_overlap_the_surer_stays() -> None:
    outputs = nothing()
    face(outputs, 8, 3, 3, 0.92, 20, 20)
    face(outputs, 16, 2, 2, 0.97, 20, 20)  # at 32, 32: eight pixels away
    face(outputs, 32, 0, 0, 0.95, 8, 8)  # elsewhere
    assert [round(found.score, 2) for found in decode(outputs, SIDE, 0.9, 0.2)] == [0.97, 0.95]
    assert len(decode(outputs, SIDE, 0.9, 0.25)) == 3  # they share 144 of 656


def test_nothing_is_nobody_and_numbers_that_are_none_are_nobody() -> None:
    outputs = nothing()
    assert decode(outputs, SIDE, 0.9, 0.3) == []
    face(outputs, 8, 0, 0, float("nan"), 10, 10)
    face(outputs, 8, 1, 1, 1.0, 10, 10)
    outputs["kps_8"][0, 9, 0] = float("inf")
    assert decode(outputs, SIDE, 0.9, 0.3) == []


def test_a_picture_full_of_faces_takes_bounded_work() -> None:
    rng = np.random.default_rng(1)
    side = 640
    outputs = {
        f"{kind}_{stride}": rng.uniform(0.95, 1, (1, (side // stride) ** 2, numbers)).astype(np.float32)
        for stride in STRIDES_PX
        for kind, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    assert 0 < len(decode(outputs, side, 0.9, 0.3)) <= CANDIDATES_MAX

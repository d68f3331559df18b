"""PURE: where the five landmarks of a face put it: the move onto an embedder's template, and the pose.

    image-left eye, image-right eye, nose tip, image-left and image-right corner of the mouth     (x, y) in pixels

A similarity (turn, scale, shift; never a mirror image) is one complex number and a shift: z -> turn * z + shift.
"""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, degrees

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Similarity:
    turn: complex
    shift: complex

    def __call__(self, point: Point) -> Point:
        moved = self.turn * complex(*point) + self.shift
        return moved.real, moved.imag

    @property
    def scale(self) -> float:
        return abs(self.turn)


def onto(landmarks: Sequence[Point], template: Sequence[Point]) -> Similarity | None:
    """The similarity that takes the template's square to where the face is. Its inverse brings `landmarks` onto
    `template` with the least squared error there: it is counted on the template, as embedders are trained; counted in
    the picture, a face whose shape is not the template's would come out smaller. None for points of no extent.
    """
    face = np.array([complex(*point) for point in landmarks])
    goal = np.array([complex(*point) for point in template])
    if not np.isfinite(face).all():
        return None
    from_middle = face - face.mean()
    extent = float((np.abs(from_middle) ** 2).sum())
    if extent == 0.0:
        return None
    inverse = complex((from_middle.conj() * (goal - goal.mean())).sum() / extent)
    if inverse == 0 or not cmath.isfinite(inverse):
        return None
    turn = 1 / inverse
    return Similarity(turn, complex(face.mean() - turn * goal.mean()))


def tilted(landmarks: Sequence[Point]) -> float:
    """Slope of the line of the eyes, in degrees, >= 0."""
    (left_x, left_y), (right_x, right_y) = landmarks[:2]
    return abs(degrees(atan2(right_y - left_y, right_x - left_x)))


def nodded(landmarks: Sequence[Point]) -> float:
    """Where the nose tip lies between the line of the eyes (0) and the mouth (1); some 0.5 when looking straight,
    more when looking down. Infinite when there is no distance between them.
    """
    points = np.array(landmarks, dtype=np.float64)
    eyes, nose, mouth = points[:2].mean(axis=0), points[2], points[3:].mean(axis=0)
    down = mouth - eyes
    squared = float(down @ down)
    return float((nose - eyes) @ down) / squared if squared > 0 else float("inf")

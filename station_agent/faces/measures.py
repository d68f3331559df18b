"""PURE: how good the picture of a face is, in numbers any engine can share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 112
"""Every face is measured at this size, so that sharpness means the same near and far."""

Grey = NDArray[np.float64]


def sharpness(grey: Grey) -> float:
    """Variance of the 4-neighbour Laplacian; blur takes it towards 0."""
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def turned(nose: tuple[float, float], eye: tuple[float, float], other_eye: tuple[float, float]) -> float:
    """Offset of the nose tip from the middle of the eyes along the line of the eyes, in eye distances; >= 0."""
    first, second = np.array(eye, dtype=float), np.array(other_eye, dtype=float)
    between = second - first
    squared = float(between @ between)
    if squared == 0.0:
        return float("inf")
    return abs(float((np.array(nose, dtype=float) - (first + second) / 2) @ between)) / squared

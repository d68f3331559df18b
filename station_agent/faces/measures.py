"""PURE: how good the picture of a face is, in numbers any engine can share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 112
"""Every face is measured at this size, so that sharpness means the same near and far."""

Grey = NDArray[np.float64]


def sharpness(grey: Grey) -> float:
    """Variance of the 4-neighbour Laplacian over the variance of the picture, in thousandths: 0 when flat.

    Blur takes it towards 0; light and contrast, which have measures of their own, do not change it. A sharp face has
    20-60, one blurred by 2 % of its width (standard deviation of the blur) 3-5.
    """
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    spread = float(grey.var())
    return 1000 * float(laplacian.var()) / spread if spread > 0 else 0.0


def turned(nose: tuple[float, float], eye: tuple[float, float], other_eye: tuple[float, float]) -> float:
    """Offset of the nose tip from the middle of the eyes along the line of the eyes, in eye distances; >= 0."""
    first, second = np.array(eye, dtype=float), np.array(other_eye, dtype=float)
    between = second - first
    squared = float(between @ between)
    if squared == 0.0:
        return float("inf")
    return abs(float((np.array(nose, dtype=float) - (first + second) / 2) @ between)) / squared

"""PURE: what the passive liveness models are shown and what their answer means.

MiniFASNet (minivision-ai, Silent-Face-Anti-Spoofing) sees more than the face: the edge of a print, the frame of a
screen. Its picture is `times` the face box, as far as the frame has room, moved inside of the frame rather than cut
off, and squeezed into a square. Bytes as they are (0..255), blue first; the softmax of the output has three classes: an
attack, a living face (1), another attack. Published for the mean of models with different `times`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from station_agent.faces.engine import Picture


def surroundings(
    rgb: Picture, left: float, top: float, width: float, height: float, times: float, side_px: int
) -> Picture:
    """The picture for a model: `times` the box (pixels, width and height > 0) at `side_px` squared."""
    rows, columns = rgb.shape[:2]
    room = max(1.0, min(times, (columns - 1) / width, (rows - 1) / height))
    wide, high = min(width * room, columns), min(height * room, rows)
    x = min(max(left + width / 2 - wide / 2, 0), columns - wide)
    y = min(max(top + height / 2 - high / 2, 0), rows - high)
    seen = rgb[int(y) : max(int(y + high), int(y) + 1), int(x) : max(int(x + wide), int(x) + 1)]
    return np.asarray(Image.fromarray(np.ascontiguousarray(seen)).resize((side_px, side_px), Image.Resampling.BILINEAR))


def probability(output: NDArray[np.float32], live: int) -> float:
    """Of a living face, from a model's raw output of any shape; `live` is the index of that class."""
    raw = np.asarray(output, dtype=np.float64).reshape(-1)
    raised = np.exp(raw - raw.max())
    return float(raised[live] / raised.sum())

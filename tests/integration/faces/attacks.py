"""Attacks that tests can make honestly: flat pictures, drawn by arithmetic. Synthetic: nobody printed anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from station_agent.faces.engine import Picture

FRAME_PX = (640, 480)
PRINT_PX = 190
BORDER_PX = 12


def printed(photo: Picture, rng: np.random.Generator) -> Picture:
    """A print held before a wall: white border, flat light, less contrast, a raster that interferes."""
    paper = _sized(photo, PRINT_PX).astype(np.float64)
    paper = paper * 0.72 + 45
    rows, columns = np.mgrid[:PRINT_PX, :PRINT_PX]
    paper += (9 * np.sin(columns * 1.9 + rows * 0.3) * np.sin(rows * 1.7))[:, :, None]
    sheet = np.full((PRINT_PX + 2 * BORDER_PX,) * 2 + (3,), 232.0)
    sheet[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = paper
    return _held(sheet, rng)


def on_screen(photo: Picture, rng: np.random.Generator) -> Picture:
    """A phone that shows it: black frame, bluish, brighter than the room, the lines of its pixels."""
    shown = _sized(photo, PRINT_PX).astype(np.float64) * np.array([0.9, 1.0, 1.15]) + 12
    shown *= 1 - 0.18 * (np.arange(PRINT_PX) % 3 == 0)[None, :, None]
    phone = np.full((PRINT_PX + 4 * BORDER_PX, PRINT_PX + 2 * BORDER_PX, 3), 14.0)
    phone[2 * BORDER_PX : -2 * BORDER_PX, BORDER_PX:-BORDER_PX] = shown
    return _held(phone, rng)


def _held(flat: NDArray[np.float64], rng: np.random.Generator) -> Picture:
    wide, high = FRAME_PX
    scene = rng.normal(105, 7, (high, wide, 3))
    top, left = (high - flat.shape[0]) // 2, (wide - flat.shape[1]) // 2
    scene[top : top + flat.shape[0], left : left + flat.shape[1]] = flat
    return np.clip(scene, 0, 255).astype(np.uint8)


def waved(photo: Picture, yaw: float, pitch: float, distance: float = 4.0) -> Picture:
    """The flat photo turned about its middle, degrees, seen from `distance` times its width: true perspective."""
    side = photo.shape[0]
    about, over = np.radians(yaw), np.radians(pitch)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=float) / 2
    x = corners[:, 0] * np.cos(about)
    z = corners[:, 0] * np.sin(about)
    y = corners[:, 1] * np.cos(over) - z * np.sin(over)
    z = corners[:, 1] * np.sin(over) + z * np.cos(over)
    seen = np.stack([x, y], axis=1) * (distance / (distance + z))[:, None]
    return np.asarray(
        Image.fromarray(photo).transform(
            (side, side),
            Image.Transform.PERSPECTIVE,
            _homography((seen + 0.5) * side, (corners + 0.5) * side),
            Image.Resampling.BICUBIC,
            fillcolor=(120, 120, 120),
        )
    )


def _homography(to: NDArray[np.float64], of: NDArray[np.float64]) -> list[float]:
    """Pillow's eight numbers, which take each point of the result to one of the source."""
    rows, values = [], []
    for (x, y), (u, v) in zip(to, of, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return [float(number) for number in np.linalg.solve(np.array(rows), np.array(values))]


def _sized(photo: Picture, side: int) -> Picture:
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BICUBIC))

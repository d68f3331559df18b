"""What the test camera sees: a moving background with a barcode of the time, or a picture held before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firmware_bridge.simulators import barcode

Picture = NDArray[np.uint8]


class Scene:
    """Paints frames of one size. Not a clock's reader: every time is given."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        across = np.linspace(40, 150, width, dtype=np.uint8)
        down = np.linspace(20, 90, height, dtype=np.uint8)
        self._background = np.empty((height, width, 3), np.uint8)
        self._background[..., 0] = across[None, :] // 2
        self._background[..., 1] = down[:, None] + across[None, :] // 3
        self._background[..., 2] = across[None, :]
        self._shown: Picture | None = None
        self._shown_until_s = 0.0

    def show(self, picture: Picture, until_s: float) -> None:
        """Holds a picture of any size before the camera until that monotonic time; a newer one replaces it."""
        self._shown = letterboxed(picture, *self._size)
        self._shown_until_s = until_s

    def frame(self, number: int, at_s: float, at_ms: int) -> Picture:
        """The frame at monotonic `at_s`; `at_ms` is what its barcode says. A shown picture has no barcode."""
        if self._shown is not None:
            if at_s < self._shown_until_s:
                return self._shown
            self._shown = None
        frame = self._background.copy()
        width, height = self._size
        side = height // 5
        left = number * 4 % max(1, width - side)
        frame[-side - 8 : -8, left : left + side] = (230, 170, 60)
        barcode.paint(frame, at_ms)
        return frame


def letterboxed(picture: Picture, width: int, height: int) -> Picture:
    """`picture` (h, w, 3) scaled to fit, centred on grey."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    fitted = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    canvas = Image.new("RGB", (width, height), (96, 96, 96))
    scaled = Image.fromarray(picture).resize(fitted, Image.Resampling.BICUBIC)
    canvas.paste(scaled, ((width - fitted[0]) // 2, (height - fitted[1]) // 2))
    return np.asarray(canvas, np.uint8)

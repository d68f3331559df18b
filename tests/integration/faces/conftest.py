"""Photos as a camera would show them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from station_agent.faces.engine import Picture

SHIFTS_PX = ((0, 0), (2, 1), (-1, 2))
"""A still person is never quite where the frame before had them."""


@dataclass(frozen=True)
class PhotoFrame:
    rgb: Picture
    mono_s: float


def picture(path: Path) -> Picture:
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB"))


@pytest.fixture(scope="session")
def still_person() -> Callable[[Path], AsyncIterator[PhotoFrame]]:
    """Three frames of the person of one photo."""

    async def frames(path: Path) -> AsyncIterator[PhotoFrame]:
        rgb = picture(path)
        for i, shift in enumerate(SHIFTS_PX):
            yield PhotoFrame(np.roll(rgb, shift, axis=(0, 1)), i / 5)

    return frames


@pytest.fixture(scope="session")
def one_photo_each() -> Callable[[Sequence[Path]], AsyncIterator[PhotoFrame]]:
    """One frame of each photo, half a second apart."""

    async def frames(paths: Sequence[Path]) -> AsyncIterator[PhotoFrame]:
        for i, path in enumerate(paths):
            yield PhotoFrame(picture(path), i / 2)

    return frames

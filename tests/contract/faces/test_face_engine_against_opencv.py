"""Detector and alignment against OpenCV, which has its own reading of YuNet's output and its own warp.

The network runs in OpenCV's own library there and in onnxruntime here, so the numbers are near, not equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from station_agent.faces import packs
from station_agent.faces.engine import ENGINES, Box, Face, Picture, load

pytestmark = [pytest.mark.contract, pytest.mark.needs_faces, pytest.mark.timeout(180)]

PHOTOS, SEED = 40, 20261125
LANDMARK_PX, BOX_PX = 0.5, 1.5  # our boxes are whole pixels
GREY_LEVELS = 3.0  # of 255, mean over the chip: two ways to interpolate

Looks = Callable[[Sequence[Path]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Seen:
    faces: dict[Box, Face]
    chip: Picture | None
    shape: tuple[int, ...]


def _ours(pack: packs.Pack, photos: Sequence[Path]) -> list[Seen]:
    engine = load(ENGINES["onnx"], str(pack.folder), pack.digest)
    seen = []
    for photo in photos:
        with Image.open(photo) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        faces = {box: engine.describe(rgb, box) for box in engine.detect(rgb)}
        chip = None
        if faces:
            landmarks = faces[max(faces, key=lambda box: box.width)].landmarks
            assert landmarks is not None
            chip = engine.chip(rgb, landmarks)  # type: ignore[attr-defined]
        seen.append(Seen(faces, chip, rgb.shape))
    return seen


def test_the_same_faces_landmarks_and_chips_as_opencv(pack: packs.Pack, opencv_looks: Looks, faces_dir: Path) -> None:
    photos = random.Random(SEED).sample(sorted((faces_dir / "strangers").glob("*.jpg")), PHOTOS)
    answers = opencv_looks(photos)
    with ThreadPoolExecutor(1) as thread:  # onnxruntime turns denormal numbers off in the thread that it runs in
        seen = thread.submit(_ours, pack, photos).result()
    chips = 0
    for i, (photo, ours) in enumerate(zip(photos, seen, strict=True)):
        height, width, _ = ours.shape
        theirs = answers[f"faces_{i}"]
        theirs = theirs[(theirs[:, 0] < width) & (theirs[:, 1] < height)]
        assert len(ours.faces) == len(theirs), photo.name
        for row in theirs:
            box, face = min(ours.faces.items(), key=lambda item: abs(item[0].left - row[0]) + abs(item[0].top - row[1]))
            assert face.landmarks is not None
            np.testing.assert_allclose(face.landmarks, row[4:14].reshape(5, 2), atol=LANDMARK_PX, err_msg=photo.name)
            np.testing.assert_allclose(_edges(box), _clipped(row, width, height), atol=BOX_PX, err_msg=photo.name)
        if ours.chip is not None:
            apart = np.abs(ours.chip.astype(float) - answers[f"chip_{i}"]).mean()
            assert apart < GREY_LEVELS, f"{photo.name}: {apart:.2f} grey levels"
            chips += 1
    assert chips > PHOTOS // 2


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width, box.top + box.height


def _clipped(row: np.ndarray, width: int, height: int) -> list[float]:
    left, top, right, bottom = row[0], row[1], row[0] + row[2], row[1] + row[3]
    return [max(0, left), max(0, top), min(width, right), min(height, bottom)]

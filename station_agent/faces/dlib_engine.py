"""Owns the embedded engine: the `face-recognition` package (dlib HOG detector, 5 landmarks, 128-number ResNet).

It installs from the package index alone, so it is the default; access.md measured it weak on East-Asian faces
(its own tolerance of 0.6 accepts 43-66 % of stranger pairs), so match.py judges its distances far more strictly.
Imported in the face child only.
"""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image

from station_agent.faces import measures
from station_agent.faces.engine import Box, Face, Picture

with warnings.catch_warnings():  # face_recognition_models 0.3.0 asks pkg_resources where its files are
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import face_recognition

DETECT_PX_MAX = 640
"""Longer side of the picture that is searched. The detector finds faces from 80 px: here one that fills an eighth
of the width, which is somebody who stands at the door, in 33 ms."""

UPSAMPLE_BELOW_PX = 320
"""A picture this small is searched at twice its size."""


class DlibEngine:
    name = "dlib"
    dimensions = 128

    def detect(self, rgb: Picture) -> list[Box]:
        height, width = rgb.shape[:2]
        longer = max(height, width)
        scale = max(1.0, longer / DETECT_PX_MAX)
        smaller = max(1, round(width / scale)), max(1, round(height / scale))
        searched = _resized(rgb, *smaller) if scale > 1 else rgb
        upsample = 1 if longer <= UPSAMPLE_BELOW_PX else 0
        found = face_recognition.face_locations(searched, number_of_times_to_upsample=upsample, model="hog")
        boxes = (_box(edges, scale, width, height) for edges in found)
        return [box for box in boxes if box.width > 0 and box.height > 0]

    def describe(self, rgb: Picture, box: Box) -> Face:
        edges = [(box.top, box.left + box.width, box.top + box.height, box.left)]
        marks = face_recognition.face_landmarks(rgb, edges, model="small")[0]
        (embedding,) = face_recognition.face_encodings(rgb, edges, num_jitters=1, model="small")
        inside = rgb[box.top : box.top + box.height, box.left : box.left + box.width]
        grey = np.asarray(_resized(inside, measures.SIDE_PX, measures.SIDE_PX, grey=True), dtype=np.float64)
        return Face(
            box=box,
            sharpness=measures.sharpness(grey),
            light=float(grey.mean()),
            contrast=float(grey.std()),
            turned=measures.turned(marks["nose_tip"][0], _middle(marks["left_eye"]), _middle(marks["right_eye"])),
            embedding=np.asarray(embedding, dtype=np.float64),
        )


def _box(edges: tuple[int, int, int, int], scale: float, width: int, height: int) -> Box:
    top, right, bottom, left = (round(edge * scale) for edge in edges)
    left, top = max(0, left), max(0, top)  # the detector's frame may reach past the picture
    return Box(left, top, min(right, width) - left, min(bottom, height) - top)


def _middle(points: list[tuple[int, int]]) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _resized(rgb: Picture, width: int, height: int, *, grey: bool = False) -> Picture:
    picture = Image.fromarray(rgb)
    if grey:
        picture = picture.convert("L")
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))

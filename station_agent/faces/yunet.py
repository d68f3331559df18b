"""PURE: what YuNet's output says: faces with their five landmarks.

YuNet (libfacedetection; the export of 2023 in the OpenCV Zoo) looks at the picture in cells of 8, 16 and 32 pixels. For
each cell, row by row, there is

    cls_S (1)    that it is a face          obj_S (1)    that something is there        score = sqrt(cls * obj)
    bbox_S (4)   middle, from the cell's corner, in cells; log of width and height, in cells
    kps_S (10)   x, y of image-left eye, image-right eye, nose tip, image-left and -right mouth corner, as the middle
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STRIDES_PX = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES_PX for kind in ("cls", "obj", "bbox", "kps"))

CANDIDATES_MAX = 400
"""The surest cells that are compared with each other; a face gives some dozen."""


@dataclass(frozen=True)
class Found:
    """A face in pixels of the searched picture. `landmarks` as align.py orders them."""

    left: float
    top: float
    width: float
    height: float
    score: float
    landmarks: tuple[tuple[float, float], ...]


def decode(outputs: Mapping[str, Floats], side_px: int, score_min: float, overlap_max: float) -> list[Found]:
    """Faces of a searched picture of `side_px` squared, surest first. `outputs` has OUTPUTS by name, each of shape
    (1, cells, numbers). Of two that share more than `overlap_max` of their union, the surer one stays.
    """
    boxes, points, scores = [], [], []
    for stride in STRIDES_PX:
        cls, obj, bbox, kps = (np.asarray(outputs[f"{kind}_{stride}"])[0] for kind in ("cls", "obj", "bbox", "kps"))
        score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
        (sure,) = np.nonzero(score >= score_min)  # false for NaN
        corner = np.stack([sure % (side_px // stride), sure // (side_px // stride)], axis=1)
        middle = (corner + bbox[sure, :2]) * stride
        size = np.exp(np.clip(bbox[sure, 2:], -10, 10)) * stride
        boxes.append(np.concatenate([middle - size / 2, size], axis=1))
        points.append((corner[:, None, :] + kps[sure].reshape(-1, 5, 2)) * stride)
        scores.append(score[sure])
    box, point, score = np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
    order = np.argsort(-score, kind="stable")[:CANDIDATES_MAX]
    order = order[np.isfinite(box[order]).all(axis=1) & np.isfinite(point[order]).all(axis=(1, 2))]
    kept = _apart(box[order], overlap_max)
    return [_found(box[i], point[i], float(score[i])) for i in order[kept]]


def _apart(boxes: NDArray[np.float64], overlap_max: float) -> list[int]:
    """Indices of those that no earlier kept one overlaps."""
    kept: list[int] = []
    ends, areas = boxes[:, :2] + boxes[:, 2:], boxes[:, 2] * boxes[:, 3]
    for i in range(len(boxes)):
        shared = np.minimum(ends[i], ends[kept]) - np.maximum(boxes[i, :2], boxes[kept, :2])
        common = np.clip(shared, 0, None).prod(axis=1)
        if not (common > overlap_max * (areas[i] + areas[kept] - common)).any():
            kept.append(i)
    return kept


def _found(box: NDArray[np.float64], points: NDArray[np.float64], score: float) -> Found:
    left, top, width, height = (float(edge) for edge in box)
    return Found(left, top, width, height, score, tuple((float(x), float(y)) for x, y in points))

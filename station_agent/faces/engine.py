"""Owns what a face engine is: pixels in, faces with their measures and embeddings out; and the table of engines.

    frame (h, w, 3) RGB -> detect -> [Box, ...] -> describe the nearest -> Face(box, measures, embedding)

Only the nearest face is described: an embedding costs 75-116 ms with dlib, and nobody else is being asked about.
Engines run in a child process only (worker.py, child.py): dlib's embedding holds the GIL, and a station without faces
does not load any of it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

Embedding = NDArray[np.float64]
"""Shape (dimensions,); how two of one engine are compared, its policy says (match.Policy.metric)."""

ENGINES = {
    "dlib": "station_agent.faces.dlib_engine:DlibEngine",
    "onnx": "station_agent.faces.onnx_engine:OnnxEngine",
}
"""Name in the station profile -> where the engine's class is. Imported by the child only."""


@dataclass(frozen=True)
class Box:
    """Where a face is, in pixels of the frame."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Face:
    """One described face.

    `sharpness` as measures.sharpness tells it, of the grey face at 112x112; `light` is its mean (0-255), `contrast` its
    standard deviation. `turned` is how far the nose tip lies off the middle of the eyes, in distances between the eyes:
    0 when looking straight into the camera. What only some engines see is None where it is not seen: `nodded` is where
    the nose tip lies between the line of the eyes (0) and the mouth (1), `tilted` the slope of the eyes in degrees,
    `landmarks` the eyes, nose tip and mouth corners in pixels of the frame, each pair image-left first, `live` the
    passive models' mean probability of a living face.
    The embedding is personal data: no repr shows it.
    """

    box: Box
    sharpness: float
    light: float
    contrast: float
    turned: float
    embedding: Embedding = field(repr=False, compare=False)
    nodded: float | None = None
    tilted: float | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    live: float | None = None


@dataclass(frozen=True)
class Sight:
    """What one frame shows: the nearest (widest) face, described, and where the others are, widest first."""

    nearest: Face | None
    others: tuple[Box, ...] = ()


class Engine(Protocol):
    """`name` is stored with every template: embeddings under different names are never compared."""

    name: str
    dimensions: int

    def detect(self, rgb: Picture) -> list[Box]:
        """Every face of the frame, in any order."""
        ...

    def describe(self, rgb: Picture, box: Box) -> Face:
        """Measures and embedding of the face in `box`."""
        ...


def look(engine: Engine, rgb: Picture) -> Sight:
    boxes = sorted(engine.detect(rgb), key=lambda box: box.width, reverse=True)
    if not boxes:
        return Sight(None)
    return Sight(engine.describe(rgb, boxes[0]), tuple(boxes[1:]))


def load(source: str, *arguments: str) -> Engine:
    """The engine at `source` ("module:Class"), made with `arguments`. Raises whatever its imports raise."""
    module, _, name = source.partition(":")
    return cast(Engine, getattr(importlib.import_module(module), name)(*arguments))

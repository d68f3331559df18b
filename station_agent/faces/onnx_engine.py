"""Owns the engine of a model pack: YuNet finds faces, five landmarks put them upright, an embedder describes them.

    frame -> shrunk into the detector's square -> boxes, landmarks -> chip, upright as the template -> unit vector

onnxruntime alone, on one thread: the second core is the door's. Denormal numbers count as zero; with them an embedding
takes ten times as long. Imported in the face child only (and by `yizhan-station faces report`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from station_agent.faces import align, measures, minifas, packs, yunet
from station_agent.faces.engine import Box, Embedding, Face, Picture
from station_agent.faces.manifest import Model, PackRefused

FATAL_ONLY = 4  # of onnxruntime's log, which goes to standard error

MODEL_ERRORS = (
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf,
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
)

GRAY = np.uint8(128)


class OnnxEngine:
    """`folder` and `digest` of a pack that packs.verify() found sound."""

    def __init__(self, folder: str, digest: str) -> None:
        where = Path(folder)
        self._manifest = manifest = packs.opened(where, digest)
        self._detector = Network(where, manifest.detector)
        self._embedder = Network(where, manifest.embedder)
        self._liveness = [(row, Network(where, row)) for row in manifest.liveness]
        self.name = manifest.space
        self._side_px = self._detector.input_side_px()
        if missing := set(yunet.OUTPUTS) - set(self._detector.outputs):
            raise PackRefused(f"{where / manifest.detector.file}: no YuNet: it has no output {sorted(missing)[0]}")
        side_px = manifest.embedder.side_px
        self.dimensions = self._embed(np.full((side_px, side_px, 3), GRAY)).size
        self._found: dict[Box, yunet.Found] = {}

    def detect(self, rgb: Picture) -> list[Box]:
        height, width = rgb.shape[:2]
        scale = max(1.0, max(height, width) / self._side_px)  # never enlarged: that shows nothing new
        shrunk = _resized(rgb, max(1, round(width / scale)), max(1, round(height / scale))) if scale > 1 else rgb
        square = np.zeros((self._side_px, self._side_px, 3), np.uint8)
        square[: shrunk.shape[0], : shrunk.shape[1]] = shrunk
        row = self._manifest.detector
        faces = yunet.decode(self._detector.run(square), self._side_px, row.score_min, row.overlap_max)
        self._found = {}
        for face in faces:
            large = yunet.Found(
                face.left * scale,
                face.top * scale,
                face.width * scale,
                face.height * scale,
                face.score,
                tuple((x * scale, y * scale) for x, y in face.landmarks),
            )
            box = _box(large, width, height)
            if box.width > 0 and box.height > 0:
                self._found[box] = large
        return list(self._found)

    def describe(self, rgb: Picture, box: Box) -> Face:
        landmarks = self._found[box].landmarks
        chip = self.chip(rgb, landmarks)
        small = Image.fromarray(chip).convert("L")
        if chip.shape[0] != measures.SIDE_PX:
            small = small.resize((measures.SIDE_PX, measures.SIDE_PX), Image.Resampling.BILINEAR)
        grey = np.asarray(small, dtype=np.float64)
        return Face(
            box=box,
            sharpness=measures.sharpness(grey),
            light=float(grey.mean()),
            contrast=float(grey.std()),
            turned=measures.turned(landmarks[2], landmarks[0], landmarks[1]),
            embedding=self._embed(chip),
            nodded=align.nodded(landmarks),
            tilted=align.tilted(landmarks),
            landmarks=landmarks,
            live=self._live(rgb, self._found[box]),
        )

    def _live(self, rgb: Picture, found: yunet.Found) -> float | None:
        """None without liveness models."""
        scores = []
        for row, network in self._liveness:
            where = found.left, found.top, found.width, found.height
            (output,) = network.run(minifas.surroundings(rgb, *where, row.crop, row.side_px)).values()
            scores.append(minifas.probability(output, row.live))
        return sum(scores) / len(scores) if scores else None

    def chip(self, rgb: Picture, landmarks: tuple[align.Point, ...]) -> Picture:
        """The face upright, as the embedder wants it. A face without extent gives a grey one."""
        side_px = self._manifest.embedder.side_px
        move = align.onto(landmarks, self._manifest.embedder.template)
        if move is None:
            return np.full((side_px, side_px, 3), GRAY)
        return _cut(rgb, move, side_px)

    def _embed(self, chip: Picture) -> Embedding:
        (output,) = self._embedder.run(chip).values()
        numbers = np.asarray(output, dtype=np.float64).reshape(-1)
        length = float(np.linalg.norm(numbers))
        return numbers / length if length > 0 else numbers


class Network:
    """One model of a pack on one thread. Its file is checked as it is read."""

    def __init__(self, folder: Path, model: Model) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = FATAL_ONLY
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        content = packs.model_bytes(folder, model)
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except MODEL_ERRORS as error:
            raise PackRefused(f"{folder / model.file}: onnxruntime does not take it: {error}") from error
        self._where = folder / model.file
        self._input = self._session.get_inputs()[0]
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        self._bgr = model.channels == "bgr"
        self._factor = (1 / np.array(model.std, np.float32))[:, None, None]
        self._offset = -np.array(model.mean, np.float32)[:, None, None] * self._factor

    def input_side_px(self) -> int:
        """Of a network whose input has one size, a square."""
        shape = self._input.shape
        if len(shape) != 4 or not isinstance(shape[3], int) or shape[2:] != [shape[3]] * 2:
            raise PackRefused(f"{self._where}: its input is {shape}, not a square of a fixed size")
        return shape[3]

    def run(self, rgb: Picture) -> dict[str, NDArray[np.float32]]:
        """Every output by its name."""
        planes = np.empty((3, *rgb.shape[:2]), np.float32)
        for i in range(3):  # a plane at a time: ten times as fast as the whole picture turned round
            planes[i] = rgb[:, :, 2 - i if self._bgr else i]
        if (self._factor != 1).any() or self._offset.any():
            planes *= self._factor
            planes += self._offset
        values = self._session.run(self.outputs, {self._input.name: planes[None]})
        return dict(zip(self.outputs, values, strict=True))


def _cut(rgb: Picture, move: align.Similarity, side_px: int) -> Picture:
    """The square that `move` takes into the picture, with what lies beyond its edges black. A large face is averaged
    down first, or every few of its pixels alone would be seen.
    """
    corners = [move((x, y)) for x in (-1, side_px) for y in (-1, side_px)]
    left, right = _span([x for x, _ in corners], rgb.shape[1])
    top, bottom = _span([y for _, y in corners], rgb.shape[0])
    if right <= left or bottom <= top:
        return np.zeros((side_px, side_px, 3), np.uint8)
    fewer = max(1, int(move.scale))
    seen = Image.fromarray(np.ascontiguousarray(rgb[top:bottom, left:right])).reduce(fewer)
    turn = move.turn / fewer
    # Pillow counts from a pixel's corner, landmarks count from its middle.
    shift = (move.shift + complex(0.5 - left, 0.5 - top)) / fewer - turn * complex(0.5, 0.5)
    rows = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    return np.asarray(seen.transform((side_px, side_px), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR))


def _span(edges: list[float], length: int) -> tuple[int, int]:
    """From the least to the most, with a pixel more for what lies between pixels, inside of 0..`length`."""
    return int(np.clip(min(edges), 0, length)), int(np.clip(max(edges) + 2, 0, length))


def _box(face: yunet.Found, width: int, height: int) -> Box:
    left, top = max(0, round(face.left)), max(0, round(face.top))
    right, bottom = min(width, round(face.left + face.width)), min(height, round(face.top + face.height))
    return Box(left, top, right - left, bottom - top)


def _resized(rgb: Picture, width: int, height: int) -> Picture:
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))

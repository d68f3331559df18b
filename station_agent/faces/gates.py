"""PURE: which pictures of a face are good enough to be judged, as rows of data with the sentence that helps.

Enrolling asks for more than looking: a template is used for months, a frame for a second. The bounds keep out
what no engine can judge (a face smaller than its input, blurred, in the dark, turned away); who somebody is,
match.py decides alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from station_agent.faces.engine import Face, Sight
from station_agent.wire.kinds import Reason

BYSTANDER_WIDTH_MAX = 0.5
"""Somebody behind, whose face is at most this part as wide as the nearest one, does not stop a person at the door.
Enrolling allows nobody."""


@dataclass(frozen=True)
class Range:
    least: float = -inf
    most: float = inf

    def holds(self, value: float) -> bool:
        return self.least <= value <= self.most  # false for NaN


@dataclass(frozen=True)
class Gate:
    """`measure` is None for an engine that does not see it; then the gate is open."""

    measure: Callable[[Face], float | None]
    enrol: Range
    look: Range
    sentence: str
    zh: str  # the same for the sign: one page


GATES = (
    Gate(
        lambda face: face.box.width,
        Range(least=80),
        Range(least=60),
        "come closer: the face is too small",
        "请靠近一点",
    ),
    Gate(lambda face: face.light, Range(least=50), Range(least=30), "it is too dark on the face", "光线太暗"),
    Gate(lambda face: face.light, Range(most=210), Range(most=230), "it is too bright on the face", "光线太亮"),
    Gate(
        lambda face: face.contrast, Range(least=15), Range(least=10), "the face is veiled: no contrast", "请勿遮挡面部"
    ),
    Gate(lambda face: face.sharpness, Range(least=10), Range(least=5), "hold still: the face is blurred", "请保持不动"),
    Gate(lambda face: face.turned, Range(most=0.35), Range(most=0.5), "look straight into the camera", "请正对摄像头"),
    Gate(
        lambda face: face.nodded, Range(least=0.3), Range(least=0.2), "do not look up: look into the camera", "请勿抬头"
    ),
    Gate(
        lambda face: face.nodded, Range(most=0.7), Range(most=0.8), "do not look down: look into the camera", "请勿低头"
    ),
    Gate(lambda face: face.tilted, Range(most=20), Range(most=35), "hold the head upright", "请把头摆正"),
)


@dataclass(frozen=True)
class Unfit:
    """Why a frame does not count. The sentence is for the person before the camera; `zh` is it for the sign."""

    reason: Reason
    sentence: str
    zh: str


NO_FACE = Unfit(Reason.NO_FACE, "no face is seen", "请正对摄像头")
SEVERAL_FACES = Unfit(
    Reason.SEVERAL_FACES, "more than one face is seen; only one person may stand before the camera", "请一人面对镜头"
)


def to_enrol(sight: Sight) -> Face | Unfit:
    if sight.others:
        return SEVERAL_FACES
    return _gated(sight, lambda gate: gate.enrol)


def alone(sight: Sight) -> Face | None:
    """The nearest face, however it is turned; None when there is none, or not surely only one before the door."""
    face = sight.nearest
    if face is None or any(box.width > BYSTANDER_WIDTH_MAX * face.box.width for box in sight.others):
        return None
    return face


def to_look(sight: Sight) -> Face | Unfit:
    if sight.nearest is not None and alone(sight) is None:
        return SEVERAL_FACES
    return _gated(sight, lambda gate: gate.look)


def _gated(sight: Sight, range_of: Callable[[Gate], Range]) -> Face | Unfit:
    if sight.nearest is None:
        return NO_FACE
    for gate in GATES:
        measured = gate.measure(sight.nearest)
        if measured is not None and not range_of(gate).holds(measured):
            return Unfit(Reason.NO_FACE, gate.sentence, gate.zh)
    return sight.nearest

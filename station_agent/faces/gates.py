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


GATES = (
    Gate(lambda face: face.box.width, Range(least=80), Range(least=60), "come closer: the face is too small"),
    Gate(lambda face: face.light, Range(least=50), Range(least=30), "it is too dark on the face"),
    Gate(lambda face: face.light, Range(most=210), Range(most=230), "it is too bright on the face"),
    Gate(lambda face: face.contrast, Range(least=15), Range(least=10), "the face is veiled: no contrast"),
    Gate(lambda face: face.sharpness, Range(least=10), Range(least=5), "hold still: the face is blurred"),
    Gate(lambda face: face.turned, Range(most=0.35), Range(most=0.5), "look straight into the camera"),
    Gate(lambda face: face.nodded, Range(least=0.3), Range(least=0.2), "do not look up: look into the camera"),
    Gate(lambda face: face.nodded, Range(most=0.7), Range(most=0.8), "do not look down: look into the camera"),
    Gate(lambda face: face.tilted, Range(most=20), Range(most=35), "hold the head upright"),
)

NO_FACE = "no face is seen"
SEVERAL_FACES = "more than one face is seen; only one person may stand before the camera"


@dataclass(frozen=True)
class Unfit:
    """Why a frame does not count. The sentence is for the person before the camera."""

    reason: Reason
    sentence: str


def to_enrol(sight: Sight) -> Face | Unfit:
    if sight.others:
        return Unfit(Reason.SEVERAL_FACES, SEVERAL_FACES)
    return _gated(sight, lambda gate: gate.enrol)


def to_look(sight: Sight) -> Face | Unfit:
    if sight.nearest is not None and any(
        box.width > BYSTANDER_WIDTH_MAX * sight.nearest.box.width for box in sight.others
    ):
        return Unfit(Reason.SEVERAL_FACES, SEVERAL_FACES)
    return _gated(sight, lambda gate: gate.look)


def _gated(sight: Sight, range_of: Callable[[Gate], Range]) -> Face | Unfit:
    if sight.nearest is None:
        return Unfit(Reason.NO_FACE, NO_FACE)
    for gate in GATES:
        measured = gate.measure(sight.nearest)
        if measured is not None and not range_of(gate).holds(measured):
            return Unfit(Reason.NO_FACE, gate.sentence)
    return sight.nearest

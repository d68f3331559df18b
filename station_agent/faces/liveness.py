"""PURE: whether a living person stands there: what the passive models say of many frames, and whether the head moves
as was just asked.

    matched frames -> vote() -> LIVE, ATTACK or UNSURE
    Trial: waiting --a frame at rest, after the challenge was shown--> ready --two frames moved as asked--> ANSWERED
           ready, waiting --two frames moved otherwise--> WRONG         a frame without the face --> waiting

A head is solid and a picture is flat. The nose tip is written as  across * (line of the eyes) + down * (eyes to mouth):
however a flat picture is turned, tilted, stretched or moved, these two numbers stay, because every such map is affine;
only a nose that stands out of the plane of eyes and mouth changes them. So a photograph that is waved about answers
nothing. What it cannot tell from a head: a bent picture to some degree, a mask, a film that happens to show the
movement (one in four). Those are for the passive models, and for a camera that sees depth or near infrared.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Protocol, assert_never

if TYPE_CHECKING:  # they bring numpy, which a checked profile and a station without faces need not load
    from station_agent.faces.align import Point
    from station_agent.faces.engine import Box


class Mode(StrEnum):
    """What a station asks for; CHALLENGE includes PASSIVE."""

    OFF = "off"
    PASSIVE = "passive"
    CHALLENGE = "challenge"


class Verdict(StrEnum):
    LIVE = "live"
    ATTACK = "attack"
    UNSURE = "unsure"


class DepthCamera(Protocol):
    """A second camera that tells a body from a picture (near infrared, depth), looking at the same place."""

    async def verdict(self, box: Box, mono_s: float) -> Verdict:
        """Of the face in `box` of the colour camera's frame of `mono_s`. UNSURE when nothing was seen in time."""
        ...


LIVE_MIN = 0.5
"""Of the models' mean probability of a living face; above it no attack class can be the likeliest."""


def vote(scores: Sequence[float | None]) -> Verdict:
    """Of the passive models over the frames of an attempt, one score (0..1) each: the median decides, so that neither a
    lucky frame lets a picture in nor an unlucky one keeps a person out. UNSURE when a frame has no score.
    """
    known = [score for score in scores if score is not None and isfinite(score)]
    if not known or len(known) < len(scores):
        return Verdict.UNSURE
    return Verdict.LIVE if median(known) >= LIVE_MIN else Verdict.ATTACK


def vote_of_depth(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a second camera: more than half of the frames must be LIVE."""
    if 2 * verdicts.count(Verdict.LIVE) > len(verdicts):
        return Verdict.LIVE
    return Verdict.ATTACK if Verdict.ATTACK in verdicts else Verdict.UNSURE


@dataclass(frozen=True, slots=True)
class Posture:
    """Where the nose tip lies: `across` the line of the eyes from their middle, in distances between the eyes, towards
    image-right, which is the person's left; `down` from the eyes (0) to the mouth (1).
    """

    across: float
    down: float


def posture(landmarks: Sequence[Point]) -> Posture | None:
    """From landmarks as align.py orders them; None when eyes and mouth lie on one line."""
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), (one_x, one_y), (other_x, other_y) = landmarks
    eyes = right_x - left_x, right_y - left_y
    middle = (left_x + right_x) / 2, (left_y + right_y) / 2
    mouth = (one_x + other_x) / 2 - middle[0], (one_y + other_y) / 2 - middle[1]
    nose = nose_x - middle[0], nose_y - middle[1]
    area = eyes[0] * mouth[1] - eyes[1] * mouth[0]
    if area == 0:
        return None
    found = Posture(
        across=(nose[0] * mouth[1] - nose[1] * mouth[0]) / area, down=(eyes[0] * nose[1] - eyes[1] * nose[0]) / area
    )
    return found if isfinite(found.across) and isfinite(found.down) else None


def at_rest(postures: Sequence[Posture]) -> Posture:
    """How a person holds the head when nothing was asked: the middle of some frames."""
    return Posture(median(one.across for one in postures), median(one.down for one in postures))


class Movement(StrEnum):
    """Of the head; left and right are the person's own."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    LOOK_UP = "look_up"
    LOOK_DOWN = "look_down"


TURN_MIN, TURN_REST_MAX = 0.18, 0.08
"""Of `across`. With a nose tip some 25 mm before the plane of eyes and mouth, and 62 mm between the eyes, a head that
turns by 24 degrees moves it by 0.18."""

NOD_MIN, NOD_REST_MAX = 0.10, 0.05
"""Of `down`: some 17 degrees."""

REACTION_S = 0.25
"""Nobody answers sooner than this after the challenge was shown: such a movement had begun before."""

MOVED_FRAMES = 2
"""In a row: one alone may be a slip of the detector."""

CHALLENGE_S = 6.0
"""From showing the challenge to its answer: reading the sign, understanding, moving."""


def choose(rng: random.Random) -> Movement:
    return rng.choice(list(Movement))


class Outcome(StrEnum):
    WAITING = "waiting"
    ANSWERED = "answered"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Trial:
    """One challenge, shown at `shown_s` (the frames' clock) to a person whose head was at `rest` before."""

    movement: Movement
    rest: Posture
    shown_s: float
    last_s: float = float("-inf")
    ready: bool = False
    moved: int = 0
    strayed: int = 0
    outcome: Outcome = Outcome.WAITING

    def add(self, at_s: float, seen: Posture | None, same: bool) -> Trial:
        """With one more frame. `same`: it surely shows the person who was recognised; a frame of anybody else, or of
        nobody, proves nothing and begins the proof anew. Frames of before the challenge do not count.
        """
        if self.outcome is not Outcome.WAITING or at_s <= max(self.shown_s, self.last_s):
            return self
        trial = replace(self, last_s=at_s)
        if seen is None or not same:
            return replace(trial, ready=False, moved=0, strayed=0)
        if _is_at_rest(seen, self.rest):
            return replace(trial, ready=True, moved=0, strayed=0)
        if not self.ready or at_s < self.shown_s + REACTION_S:
            return replace(trial, ready=False) if _directions(seen, self.rest) else trial
        directions = _directions(seen, self.rest)
        if self.movement in directions:
            moved = self.moved + 1
            return replace(trial, moved=moved, outcome=Outcome.ANSWERED if moved >= MOVED_FRAMES else Outcome.WAITING)
        if directions:
            strayed = self.strayed + 1
            done = Outcome.WRONG if strayed >= MOVED_FRAMES else Outcome.WAITING
            return replace(trial, moved=0, strayed=strayed, outcome=done)
        return replace(trial, moved=0, strayed=0)  # on the way


def _is_at_rest(seen: Posture, rest: Posture) -> bool:
    return abs(seen.across - rest.across) <= TURN_REST_MAX and abs(seen.down - rest.down) <= NOD_REST_MAX


def _directions(seen: Posture, rest: Posture) -> list[Movement]:
    return [movement for movement in Movement if _is_moved(movement, seen, rest)]


def _is_moved(movement: Movement, seen: Posture, rest: Posture) -> bool:
    across, down = seen.across - rest.across, seen.down - rest.down
    match movement:
        case Movement.TURN_LEFT:
            return across >= TURN_MIN
        case Movement.TURN_RIGHT:
            return across <= -TURN_MIN
        case Movement.LOOK_UP:
            return down <= -NOD_MIN
        case Movement.LOOK_DOWN:
            return down >= NOD_MIN
        case _:
            assert_never(movement)

"""Owns the proof, within one attempt, that the recognised person is living: passive votes, then a challenge.

    match --votes are LIVE--> challenge is told --it stands on the sign--> frames --Trial--> proven
    the models or the second camera say otherwise ------------------------------------------> FACE_NOT_LIVE
    cannot be told, moved otherwise, or time over -----------------------------------------> CHALLENGE_MISSED

Nothing that is missing counts as proof: with a pack without liveness models, or a silent sign, no face opens.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from station_agent.clock import Clock
from station_agent.faces import gates
from station_agent.faces.engine import Box, Embedding, Face, Picture, Sight
from station_agent.faces.liveness import (
    CHALLENGE_S,
    LIVE_MIN,
    DepthCamera,
    Mode,
    Movement,
    Outcome,
    Posture,
    Trial,
    Verdict,
    at_rest,
    choose,
    posture,
    vote,
    vote_of_depth,
)
from station_agent.faces.match import Policy, distances
from station_agent.wire.kinds import Reason

TELL_S = 4.0
"""Until the challenge stands on the sign: at 9600 baud a picture takes two seconds."""

DEPTH_S = 0.3  # a second camera's verdict of one frame; later it is none

Ask = Callable[[Movement], Awaitable[None]]
"""Tells the person what to do and returns once that can be seen or heard. Raises NotTold."""


class NotTold(Exception):
    """The challenge cannot be told; the sentence says why."""


@dataclass(frozen=True)
class NotLive:
    reason: Reason
    detail: str


class Frame(Protocol):
    @property
    def rgb(self) -> Picture: ...

    @property
    def mono_s(self) -> float: ...


async def nobody_asks(movement: Movement) -> None:
    raise NotTold("this station has neither sign nor voice to ask for a movement")


class Liveness:
    """One for a station. `rng` chooses the challenges: nobody may foresee them, so it is the system's."""

    def __init__(
        self, mode: Mode, clock: Clock, *, rng: random.Random | None = None, depth: DepthCamera | None = None
    ) -> None:
        self.mode = mode
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._depth = depth

    async def seen(self, face: Face, mono_s: float) -> Verdict | None:
        """The second camera's word on a frame that counts; None where there is no such camera."""
        if self._depth is None:
            return None
        return await _verdict(self._depth, face.box, mono_s)

    def passive(self, faces: Sequence[Face], seen: Sequence[Verdict | None]) -> NotLive | None:
        """What the frames of a match say; None when they are enough."""
        if self.mode is Mode.OFF:
            return None
        scores = [face.live for face in faces]
        said = vote(scores)
        if said is Verdict.UNSURE:
            detail = "no passive liveness model has judged the frames: install a model pack that has one"
            return NotLive(Reason.FACE_NOT_LIVE, detail)
        if said is Verdict.ATTACK:
            middle = median(score for score in scores if score is not None)
            detail = f"living with probability {middle:.2f} over {len(scores)} frames, {LIVE_MIN:g} is needed"
            return NotLive(Reason.FACE_NOT_LIVE, detail)
        if self._depth is not None and vote_of_depth([one or Verdict.UNSURE for one in seen]) is not Verdict.LIVE:
            told = ", ".join(one or Verdict.UNSURE for one in seen)
            return NotLive(Reason.FACE_NOT_LIVE, f"the second camera says {told}")
        return None

    async def challenge(
        self,
        faces: Sequence[Face],
        frames: AsyncIterator[Frame],
        look: Callable[[Picture], Awaitable[Sight]],
        policy: Policy,
        ask: Ask,
    ) -> NotLive | None:
        """Asks for a movement of the person whom `faces` show, and watches; None when it was done.

        Raises what `look` and `frames` raise.
        """
        postures = [found for face in faces if (found := _posture(face)) is not None]
        if not postures:
            return NotLive(Reason.CHALLENGE_MISSED, "the face engine sees no landmarks, so no movement")
        movement = choose(self._rng)
        try:
            async with asyncio.timeout(TELL_S):
                await ask(movement)
        except (NotTold, TimeoutError) as error:
            why = str(error) or f"it did not stand on the sign within {TELL_S:g} s"
            return NotLive(Reason.CHALLENGE_MISSED, f"the challenge could not be told: {why}")
        trial = Trial(movement, at_rest(postures), self._clock.monotonic())
        embeddings = [face.embedding for face in faces]
        scores = [face.live for face in faces]
        asked = f"asked to {movement.replace('_', ' ')}"
        try:
            async with asyncio.timeout(CHALLENGE_S):
                async for frame in frames:
                    face = gates.alone(await look(frame.rgb))
                    same = face is not None and _same(face, embeddings, policy)
                    trial = trial.add(frame.mono_s, _posture(face) if face is not None else None, same)
                    if face is not None and same:
                        scores.append(face.live)
                    if trial.outcome is not Outcome.WAITING:
                        break
        except TimeoutError:
            return NotLive(Reason.CHALLENGE_MISSED, f"{asked}; nothing of the kind was seen within {CHALLENGE_S:g} s")
        if trial.outcome is Outcome.WRONG:
            return NotLive(Reason.CHALLENGE_MISSED, f"{asked}; the head moved otherwise")
        if trial.outcome is Outcome.WAITING:
            return NotLive(Reason.CHALLENGE_MISSED, f"{asked}; the camera gave no further picture")
        if vote(scores) is not Verdict.LIVE:
            return NotLive(Reason.FACE_NOT_LIVE, f"{asked}, which was done, but most frames look like a picture")
        return None


def _posture(face: Face) -> Posture | None:
    return posture(face.landmarks) if face.landmarks is not None else None


def _same(face: Face, matched: Sequence[Embedding], policy: Policy) -> bool:
    """A turned head lies further off, so the middle of the distances decides; the limit is that of one attempt."""
    apart = [float(distances(face.embedding[None], other[None], policy.metric)[0, 0]) for other in matched]
    return median(apart) <= policy.together_max


async def _verdict(depth: DepthCamera, box: Box, mono_s: float) -> Verdict:
    try:
        async with asyncio.timeout(DEPTH_S):
            return await depth.verdict(box, mono_s)
    except TimeoutError:
        return Verdict.UNSURE

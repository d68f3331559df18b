"""Somebody pressed the face button, or showed the code of a member whose face is asked for as well: look, and bring
what was seen to the desk as an attempt.

    button ------------------------> who of the enrolled is it?     few enough people to search among
    button, and more are enrolled -> "first show your code"         or, behind a code, the 1:1 below once more
    a code that needs a face ------> is it the code's member?       1:1
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from uuid import uuid4

from station_agent.access.attempts import FaceAttempt
from station_agent.access.desk import Desk
from station_agent.access.sentences import Sentence
from station_agent.faces.liveness import Movement
from station_agent.faces.proof import Ask, nobody_asks
from station_agent.faces.service import FaceService, Identified, NotIdentified
from station_agent.video.camera import Camera
from station_agent.video.errors import CameraSilent
from station_agent.wire.kinds import Reason

log = logging.getLogger(__name__)

LOOK = "请看摄像头"

ASKED = {
    Movement.TURN_LEFT: Sentence("请向左转头", "Please turn your head to the left"),
    Movement.TURN_RIGHT: Sentence("请向右转头", "Please turn your head to the right"),
    Movement.LOOK_UP: Sentence("请抬头", "Please look up"),
    Movement.LOOK_DOWN: Sentence("请低头", "Please look down"),
}
"""What a challenge says."""

_SILENT = frozenset({Reason.CAMERA_SILENT, Reason.FACE_ENGINE_SILENT})


class FaceDesk:
    """`pressed` and `verify` may come at any time. While somebody is being looked at a press changes nothing; a code
    is not for nothing: its member is looked at next, the last one where there were several."""

    def __init__(
        self, desk: Desk, faces: FaceService, camera: Camera, say: Callable[[str], None], ask: Ask = nobody_asks
    ) -> None:
        self._desk = desk
        self._faces = faces
        self._camera = camera
        self._say = say
        self._ask = ask
        self._looking: asyncio.Task[None] | None = None
        self._next: str | None = None

    def pressed(self) -> None:
        """Who of the enrolled is it? Behind a code, where there are too many to search: is it that one?"""
        claimed = None if self._faces.searches else self._desk.waits_for_face()
        if claimed is None and not self._faces.searches:
            detail = f"{self._faces.people()} people are enrolled, more than this engine can search among"
            self._desk.attempt(FaceAttempt(uuid4(), self._camera.name, None, Reason.FACE_AFTER_CODE, detail))
        elif not self._busy:
            self._begin(claimed)

    def verify(self, member: str) -> None:
        """Is it this one?"""
        if self._busy:
            self._next = member
        else:
            self._begin(member)

    @property
    def _busy(self) -> bool:
        return self._looking is not None and not self._looking.done()

    async def close(self) -> None:
        self._next = None
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _begin(self, claimed: str | None) -> None:
        self._looking = asyncio.create_task(self._look_in_turn(claimed), name="look at a face")

    async def _look_in_turn(self, claimed: str | None) -> None:
        await self._look(claimed)
        while (following := self._next) is not None:
            self._next = None
            if self._desk.waits_for_face() == following:  # else the look of before has let them in, or it is too late
                await self._look(following)

    async def _look(self, claimed: str | None) -> None:
        self._say(LOOK)
        id = uuid4()
        try:
            frames = self._camera.frames()
            found: Identified | NotIdentified
            if claimed is None:
                found = await self._faces.identify(frames, ask=self._ask)
            else:
                found = await self._faces.verify(claimed, frames, ask=self._ask)
        except CameraSilent as silent:
            found = NotIdentified(Reason.CAMERA_SILENT, str(silent))
        if isinstance(found, Identified):
            detail = f"distance {found.distance:.3f}, {_beside(found, claimed)}, {found.frames} frames"
            attempt = FaceAttempt(id, self._camera.name, found.member, Reason.MEMBER, detail, claimed)
        else:
            reason = found.reason
            if claimed is not None and reason in _SILENT:  # "show your code" helps nobody who has just done so
                reason = Reason.FACE_CHECK_SILENT
            attempt = FaceAttempt(id, self._camera.name, None, reason, found.detail, claimed)
        self._desk.attempt(attempt)


def _beside(found: Identified, claimed: str | None) -> str:
    if claimed is not None:
        return "compared with the code's member alone"
    return "nobody else enrolled" if found.margin is None else f"margin {found.margin:.3f}"

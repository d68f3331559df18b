"""Somebody pressed the face button, or showed the code of a member whose face is asked for as well: look, and bring
what was seen to the desk as an attempt."""

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
from station_agent.faces.service import FaceService, Identified
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


class FaceDesk:
    """`pressed` and `verify` may come at any time; while somebody is being looked at, they change nothing."""

    def __init__(
        self, desk: Desk, faces: FaceService, camera: Camera, say: Callable[[str], None], ask: Ask = nobody_asks
    ) -> None:
        self._desk = desk
        self._faces = faces
        self._camera = camera
        self._say = say
        self._ask = ask
        self._looking: asyncio.Task[None] | None = None

    def pressed(self) -> None:
        """Who of the enrolled is it?"""
        self._begin(None)

    def verify(self, member: str) -> None:
        """Is it this one?"""
        self._begin(member)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _begin(self, claimed: str | None) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(claimed), name="look at a face")

    async def _look(self, claimed: str | None) -> None:
        self._say(LOOK)
        id = uuid4()
        try:
            frames = self._camera.frames()
            if claimed is None:
                found = await self._faces.identify(frames, ask=self._ask)
            else:
                found = await self._faces.verify(claimed, frames, ask=self._ask)
        except CameraSilent as silent:
            attempt = FaceAttempt(id, self._camera.name, None, Reason.CAMERA_SILENT, str(silent), claimed)
        else:
            if isinstance(found, Identified):
                margin = "nobody else enrolled" if found.margin is None else f"margin {found.margin:.3f}"
                detail = f"distance {found.distance:.3f}, {margin}, {found.frames} frames"
                attempt = FaceAttempt(id, self._camera.name, found.member, Reason.MEMBER, detail, claimed)
            else:
                attempt = FaceAttempt(id, self._camera.name, None, found.reason, found.detail, claimed)
        self._desk.attempt(attempt)

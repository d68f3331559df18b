"""Faces at this station: the engine's service, the desk before the camera, and the button that calls them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from uuid import uuid4

from firmware_bridge.capabilities import Quality, Reading
from station_agent.access.attempts import ButtonAttempt, Deny, FaceAttempt
from station_agent.access.desk import Desk
from station_agent.access.face_desk import FaceDesk
from station_agent.assembly.announcer import Announcer
from station_agent.assembly.ground import Ground
from station_agent.faces import packs
from station_agent.faces.calibrate import Calibration
from station_agent.faces.manifest import PackRefused
from station_agent.faces.proof import Liveness
from station_agent.faces.service import FaceService
from station_agent.faces.templates import TemplateStore
from station_agent.settings import NO_LIVENESS_WARNING, Settings, liveness_mode
from station_agent.video.camera import Camera
from station_agent.wire.events import FaceErased
from station_agent.wire.kinds import Reason

log = logging.getLogger(__name__)

FACES_OFF = "faces"
"""The reader of an attempt that no camera looks at."""

FACES_WAIT_S = 3.0
"""How long the face engine waits for the link at the start."""


class Faces:
    """`service` is None where faces are off; `templates` are there all the same, to be erased."""

    def __init__(self, ground: Ground, linked: asyncio.Event) -> None:
        """`linked` is set once the hub has answered."""
        self._ground = ground
        self._linked = linked
        self.templates = TemplateStore(
            ground.settings.state_dir / "faces.sqlite", ground.settings.key_dir / "faces.key"
        )
        self.service: FaceService | None = None
        self._desk: FaceDesk | None = None

    def on(self) -> bool:
        return self._desk is not None

    async def assemble(
        self,
        desk: Desk,
        cameras: Mapping[str, Camera],
        announcer: Announcer,
        take_reading: Callable[[Reading], None],
    ) -> None:
        """Faces stay off, and the log says why, where the model pack is refused."""
        ground = self._ground
        desk.on_half = lambda deny: self._half_shown(deny, desk)
        row, settings = ground.profile.faces, ground.settings
        if not row.enabled or row.camera is None:
            return
        try:
            pack = await asyncio.to_thread(_pack, row.pack, settings) if row.pack is not None else None
        except PackRefused as refused:
            log.error("faces stay off: %s", refused)
            return
        self.service = service = FaceService(
            self.templates,
            ground.clock,
            engine=row.engine,
            pack=pack,
            people_max=row.people_max,
            on_expired=lambda member, count: ground.spool.record(FaceErased(member=member, templates=count)),
            on_calibrated=lambda calibration: self._calibrated(calibration, take_reading),
            liveness=Liveness(liveness_mode(ground.profile), ground.clock),
            station=ground.station,
        )
        self._desk = FaceDesk(desk, service, cameras[row.camera], announcer.say, announcer.ask)
        ground.supervisor.keep("faces", lambda: self._run(service))

    def button_pressed(self, device: str, desk: Desk) -> None:
        """The button beside the door: it opens in extreme cold, else it asks to be looked at."""
        if desk.open_to_all():
            desk.attempt(ButtonAttempt(uuid4(), device))
        elif self._desk is not None:
            self._desk.pressed()
        else:
            detail = "faces are off at this station"
            desk.attempt(FaceAttempt(uuid4(), device, None, Reason.FACES_OFF, detail))

    async def close(self) -> None:
        if self._desk is not None:
            await self._desk.close()

    def _half_shown(self, deny: Deny, desk: Desk) -> None:
        """A code was good, and the face of its member is asked for as well; after a face the code is for the person."""
        if deny.reason is not Reason.FACE_NEEDED or deny.member is None:
            return
        if self._desk is not None:
            self._desk.verify(deny.member)
        else:  # "now look into the camera" would leave them standing there
            detail = "faces are off at this station, and the member's role needs code and face"
            attempt = FaceAttempt(uuid4(), FACES_OFF, None, Reason.FACE_CHECK_SILENT, detail, deny.member)
            desk.attempt(attempt)

    def _calibrated(self, calibration: Calibration, take_reading: Callable[[Reading], None]) -> None:
        """The thresholds in force, as readings: who looks at a wrong decision later finds them beside it."""
        values = {"threshold": calibration.threshold, "verify_threshold": calibration.verify}
        at, mono_s = self._ground.clock.now(), self._ground.clock.monotonic()
        for point, value in (values | {"people": float(calibration.people)}).items():
            take_reading(Reading("faces", point, value, "", Quality.GOOD, at, mono_s))

    async def _run(self, service: FaceService) -> None:
        """The engine takes seconds of the processor to load: codes, which need none, come first."""
        try:
            await asyncio.wait_for(self._linked.wait(), FACES_WAIT_S)
        except TimeoutError:
            log.info("faces start without a hub")
        await service.run()


def _pack(name: str, settings: Settings) -> packs.Pack:
    """The installed pack, checked. Raises PackRefused."""
    keys = packs.trusted_keys(settings.key_dir / packs.TRUST_FILE)
    pack, warning = packs.installed(settings.state_dir / packs.MODELS_DIR, name, keys)
    if warning is not None:
        log.error("%s", warning)
    if not pack.manifest.liveness:
        log.warning("%s", NO_LIVENESS_WARNING)
    return pack

"""How the station is now, told to the hub and to whoever started the agent: on every change, and regularly."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version

from station_agent.assembly.announcer import Announcer
from station_agent.assembly.device_board import DeviceBoard
from station_agent.assembly.entrance import Entrance
from station_agent.assembly.ground import Ground
from station_agent.assembly.hub_link import HubSide
from station_agent.health import Status, StatusPipe
from station_agent.wire.envelope import StationState
from station_agent.wire.events import AgentStarted

log = logging.getLogger(__name__)

DOOR_FOUND_S = 3.0
"""How long the first reading of the door may take before the start is told without it."""


class Heartbeat:
    """Tells the state whenever a part notes a change, once it is made."""

    def __init__(
        self,
        ground: Ground,
        entrance: Entrance,
        announcer: Announcer,
        devices: DeviceBoard,
        hub: HubSide | None,
        linked: asyncio.Event,
    ) -> None:
        """Sets `linked` once the hub has answered."""
        self._ground = ground
        self._entrance = entrance
        self._announcer = announcer
        self._devices = devices
        self._hub = hub
        self._linked = linked
        self._pipe = StatusPipe(ground.settings.status_fd)
        self._version = version("yizhan")
        ground.changes.tell = self.tell
        if hub is not None:
            ground.supervisor.keep("heartbeat", self._beat)
        ground.supervisor.keep("start", self._tell_start)

    def tell(self) -> None:
        state, hub = self.state(), self._hub
        if hub is not None:
            hub.publish_state(state)
        linked = hub is not None and hub.linked
        if linked:
            self._linked.set()
        self._pipe.tell(
            Status(
                state.door,
                state.contact_open,
                linked,
                state.roster_version,
                state.spooled,
                state.sign_text,
                hub.door_codes_shown if hub is not None else 0,
            )
        )

    def state(self) -> StationState:
        ground, desk, door = self._ground, self._entrance.desk, self._entrance.doorway.door
        selftest, roster = self._entrance.doorkeeper.selftest, desk.roster
        return StationState(
            station=ground.station,
            at=ground.clock.now(),
            boot=ground.boot,
            mono_ms=int(ground.clock.monotonic() * 1000),
            agent_version=self._version,
            door=door.state,
            contact_open=door.contact_open,
            openable=selftest.openable,
            unopenable=selftest.reasons or (),
            clock_trusted=ground.clock.trusted(),
            roster_version=roster.version if roster else 0,
            rules_version=desk.rules.version,
            trust_version=self._hub.trust.held.version if self._hub is not None else 0,
            people=desk.people(),
            spooled=ground.spool.waiting,
            rejected=ground.rejections.total,
            sign_text=self._announcer.sign_text,
            devices=dict(self._devices.states),
        )

    async def _beat(self) -> None:
        while True:
            await self._ground.clock.sleep(self._ground.profile.telemetry.heartbeat_s)
            self.tell()

    async def _tell_start(self) -> None:
        try:
            await asyncio.wait_for(self._entrance.contact_read.wait(), DOOR_FOUND_S)
        except TimeoutError:
            log.warning("the door's contact has not been read yet")
        self._ground.spool.record(AgentStarted(version=self._version, door_found=self._entrance.doorway.door.state))
        self._ground.changes.note()
        await asyncio.Event().wait()

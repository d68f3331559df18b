"""The composition root: a profile becomes a running station. All wiring is here and in `assembly`, and nothing else is.

    devices --emit--> Station.on_event --> entrance, telemetry, alarms, device board
    hub ----link----> Uplink ----------> outbox (acks), orders, roster
    everything that is told ----> spool ----> outbox ----> link

Shutdown: no new attempts or orders, the release on the wire finishes, services end, the spool is committed, lines
close. The door stays as it is; a lock that is released secures itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from typing import assert_never

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import (
    CardRead,
    DeviceEvent,
    HealthChanged,
    InputChanged,
    KeysPressed,
    Reading,
    Scan,
)
from firmware_bridge.recorder import Recorder
from firmware_bridge.secrets import SecretDirectory
from station_agent.alarms.board import AlarmBoard
from station_agent.alarms.watcher import AlarmWatcher
from station_agent.assembly.alarms import open_alarms
from station_agent.assembly.announcer import open_announcer
from station_agent.assembly.device_board import DeviceBoard
from station_agent.assembly.entrance import Entrance, open_entrance
from station_agent.assembly.faces import Faces
from station_agent.assembly.ground import Ground
from station_agent.assembly.heartbeat import Heartbeat
from station_agent.assembly.hub_link import HubSide, open_hub_link
from station_agent.assembly.upkeep import upkeep
from station_agent.clock import SystemClock, boot_id
from station_agent.health import SystemdNotifier
from station_agent.link.uplink import CLOCK_FLOOR
from station_agent.settings import Settings, device_configs, line_configs
from station_agent.supervisor import QUICK, Supervisor
from station_agent.telemetry.readings import Telemetry
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store, kept_value
from station_agent.video.camera import Camera


class Station:
    """Made by `open_station`; `run` until cancelled."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._systemd = SystemdNotifier.of_environment()
        self._linked = asyncio.Event()
        self._devices = DeviceBoard(ground)
        self._faces = Faces(ground, self._linked)
        self._entrance: Entrance
        self._telemetry: Telemetry
        self._alarms: AlarmWatcher
        self._hub: HubSide | None

    async def assemble(self, bridge: Bridge) -> None:
        """Wire everything; moves nothing. Reads from the store what was before the restart."""
        ground, profile, keep = self._ground, self._ground.profile, self._ground.supervisor.keep
        for name, run in bridge.services:
            keep(name, run, QUICK)
        cameras = {name: Camera(name, row.url, ground.clock) for name, row in profile.cameras.items()}
        for name, camera in cameras.items():
            keep(f"camera:{name}", camera.run)
        announcer = await open_announcer(ground, bridge)
        self._entrance = entrance = await open_entrance(
            ground, bridge, cameras, announcer, self._devices, has_faces=self._faces.on
        )
        self._alarms = open_alarms(ground, entrance, announcer)
        period_s = profile.telemetry.period_s
        self._telemetry = Telemetry(ground.spool, period_s, ground.clock, lambda: upkeep(ground, entrance.desk))
        keep("telemetry", self._telemetry.run)
        await self._faces.assemble(entrance.desk, cameras, announcer, self._telemetry.take)
        self._hub = await open_hub_link(ground, bridge, entrance, announcer, self._faces, cameras)
        Heartbeat(ground, entrance, announcer, self._devices, self._hub, self._linked)
        keep("watchdog", lambda: self._systemd.run(ground.clock))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, then shut down. Raises Essential when the station cannot go on by itself."""
        supervising = asyncio.create_task(self._ground.supervisor.run(), name="supervisor")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({supervising, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._systemd.tell("STOPPING=1")
            stopping.cancel()
            await self._finish()  # while the lines are still open
            ended = supervising.done()
            supervising.cancel()
            await asyncio.gather(supervising, stopping, return_exceptions=True)
        if ended:
            supervising.result()

    async def _finish(self) -> None:
        """No new attempt and no new order; what is under way ends, the doorway within its FINISH_S."""
        entrance = self._entrance
        entrance.desk.taking = False
        if self._hub is not None:
            self._hub.leave()
        await entrance.stop_asking()
        await self._faces.close()
        await entrance.close()
        if self._hub is not None:
            await self._hub.close()

    def on_event(self, event: DeviceEvent) -> None:
        """What the devices say. Called on the loop, from the very callback that read the bytes."""
        match event:
            case Scan():
                self._entrance.codes.scanned(event)
            case InputChanged():
                self._input_changed(event)
            case Reading():
                self._telemetry.take(event)
                self._entrance.read(event)
                self._alarms.reading(event)
            case HealthChanged():
                self._devices.health_changed(event)
                self._entrance.doorkeeper.health_changed(event)
                self._alarms.health_changed(event)
            case CardRead():
                self._entrance.readers.card(event)
            case KeysPressed():
                self._entrance.readers.keys(event)
            case _:
                assert_never(event)

    def _input_changed(self, event: InputChanged) -> None:
        pressed, door = self._entrance.input_changed(event), self._ground.profile.door
        self._alarms.input_changed(event)
        if pressed and (event.device, event.input) == (door.lock, door.face_button):
            self._faces.button_pressed(event.device, self._entrance.desk)


@asynccontextmanager
async def open_station(settings: Settings) -> AsyncIterator[Station]:
    """A station, ready to `run`; on leaving it is shut down in order."""
    boot = boot_id()
    async with Store(settings.state_dir / "station.sqlite") as store:
        floor = await store.submit(lambda db: kept_value(db, CLOCK_FLOOR))
        clock = SystemClock(datetime.fromisoformat(floor)) if floor else SystemClock()
        spool = await Spool.open(store, clock, boot)
        alarms = await AlarmBoard.open(store, spool)
        rng = random.Random()
        station = Station(Ground(settings, clock, boot, store, spool, alarms, rng, Supervisor(clock, rng)))
        with ExitStack() as recorders:
            taps = {
                name: recorders.enter_context(Recorder(file, {"line": name})).tap
                for name, file in settings.captures.items()
            }
            async with Bridge.open(
                line_configs(settings.profile),
                device_configs(settings.profile),
                profiles_dir=settings.profiles_dir,
                emit=station.on_event,
                clock=clock,
                secrets=SecretDirectory(settings.key_dir / "devices"),
                taps=taps,
            ) as bridge:
                await station.assemble(bridge)
                yield station

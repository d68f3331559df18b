"""The door and everything through which somebody asks it to open, wired to one desk.

scanner, camera --> CodeInputs --+--> ReaderDesk (guests' codes) --+
cards, keypads -----------------> ReaderDesk ----------------------+--> Desk --> Doorway --> lock
contact, buttons --> Doorkeeper ----------------------------------------------> Doorway
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import InputChanged, Reading, Scan
from station_agent.access import ledger, memory_store, roster_store, rules_store
from station_agent.access.attempts import Now
from station_agent.access.code_inputs import CodeInputs
from station_agent.access.desk import Desk
from station_agent.access.doorkeeper import Doorkeeper, door_settings, load_out_of_service, load_proven
from station_agent.access.doorway import Doorway
from station_agent.access.heating import Heating
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.openable import Ways, should_be_open
from station_agent.access.policy import Policy
from station_agent.access.reader_desk import ReaderDesk
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.assembly.announcer import Announcer
from station_agent.assembly.device_board import DeviceBoard
from station_agent.assembly.ground import Ground
from station_agent.supervisor import QUICK
from station_agent.video.camera import Camera

CLOSE_THE_DOOR = "请随手关门"


class Entrance:
    """Made by `open_entrance`. `contact_read` is set once the door's contact is known."""

    def __init__(
        self,
        ground: Ground,
        bridge: Bridge,
        cameras: Mapping[str, Camera],
        announcer: Announcer,
        devices: DeviceBoard,
        policy: Policy,
        *,
        out_of_service: bool,
        has_faces: Callable[[], bool],
    ) -> None:
        profile, clock = ground.profile, ground.clock
        self._ground = ground
        self._announcer = announcer
        self._devices = devices
        self._has_faces = has_faces
        self.contact_read = asyncio.Event()
        self.doorway = Doorway(
            bridge.lock(profile.door.lock),
            door_settings(profile.door),
            clock=clock,
            spool=ground.spool,
            alarms=ground.alarms,
            out_of_service=out_of_service,
        )
        self.doorkeeper = Doorkeeper(
            profile, self.doorway, self._ways, clock=clock, spool=ground.spool, alarms=ground.alarms
        )
        self.desk = Desk(
            self.doorway, policy, clock=clock, spool=ground.spool, tell=announcer.tell, reject=ground.reject
        )
        readers = {name: bridge.reader(name) for name in profile.door.readers}
        self.readers = ReaderDesk(self.desk, readers, clock, ground.reject)
        self.codes = CodeInputs(profile, ground.settings.key_dir, cameras, self.desk, self._text_read, clock)
        self._heating = _heating(ground, bridge, self.desk)
        self._wire()
        self._keep()

    def input_changed(self, event: InputChanged) -> bool:
        """Tell the door. Whether it is a press: an input that became active while it was watched."""
        pressed = self.doorkeeper.input_changed(event)
        self.codes.input_changed(event.device, event.input, event.active)
        return pressed

    def read(self, reading: Reading) -> None:
        """What a sensor measured: it may be what the strike's heater goes by."""
        if self._heating is not None:
            self._heating.read(reading)

    def roster_changed(self, roster: HeldRoster) -> None:
        self.desk.roster = roster
        self._ground.changes.note()

    def rules_changed(self, rules: HeldRules) -> None:
        self.desk.rules = rules
        self._ground.changes.note()

    async def stop_asking(self) -> None:
        """Readers, keypads and verifiers bring no attempt any more."""
        await self.codes.close()
        await self.readers.close()

    async def close(self) -> None:
        """What was decided ends and is on record. The door stays as it is, its heater is off."""
        await self.doorway.close()
        await self.desk.close()
        if self._heating is not None:
            await self._heating.close()

    def _wire(self) -> None:
        ground, selftest = self._ground, self.doorkeeper.selftest
        zone = ZoneInfo(ground.profile.station.time_zone)
        self.doorway.on_changed = ground.changes.note
        self.doorway.on_warning = self._warn
        self.doorway.on_exit = lambda how: self.desk.left()
        self.doorkeeper.on_contact = self.contact_read.set
        selftest.on_changed = ground.changes.note
        selftest.warnings = self._warnings
        selftest.should_be_open = lambda now: should_be_open(self.desk.rules, now, zone, ground.clock.trusted())
        self.desk.on_answer = self.readers.answered

    def _keep(self) -> None:
        keep = self._ground.supervisor.keep
        keep("doorway", self.doorway.watch, QUICK)
        keep("selftest", self.doorkeeper.selftest.run)
        for name, watch in self.codes.services:
            keep(name, watch)
        if self._heating is not None:
            keep("heating", self._heating.run)

    def _text_read(self, scan: Scan) -> None:
        """Ours, a guest's, or nobody's."""
        if not self.readers.scanned(scan):
            self.desk.scanned(scan)

    def _warn(self) -> None:
        """The door has stood open for long: whoever is near should close it."""
        self._announcer.say(CLOSE_THE_DOOR)
        self.readers.call_attention()

    def _warnings(self) -> tuple[str, ...]:
        silent = self._heating.silent if self._heating is not None else None
        return () if silent is None else (f"the strike's heater does not follow: {silent}",)

    def _ways(self) -> Ways:
        door = self._ground.profile.door
        readers = {name: self._devices.online(name) for name in filter(None, (door.scanner, *door.readers))}
        if self._has_faces():
            readers["faces"] = None
        return Ways(readers, self.desk.roster is not None, self._ground.clock.trusted())


async def open_entrance(
    ground: Ground,
    bridge: Bridge,
    cameras: Mapping[str, Camera],
    announcer: Announcer,
    devices: DeviceBoard,
    *,
    has_faces: Callable[[], bool],
) -> Entrance:
    """With what the door remembered before the restart. Moves nothing."""
    profile, load = ground.profile, ground.store.submit
    policy = Policy(
        timedelta(days=profile.access.roster_age_days_max),
        UsedCodes(),
        BadTries(profile.access.bad_tries_max, profile.access.lock_out_s),
        rules=await load(_load_rules),
        zone=ZoneInfo(profile.station.time_zone),
    )
    out_of_service = await load(load_out_of_service)
    entrance = Entrance(
        ground, bridge, cameras, announcer, devices, policy, out_of_service=out_of_service, has_faces=has_faces
    )
    desk = entrance.desk
    entrance.doorkeeper.recall(await load(load_proven))
    desk.roster = await load(_load_roster)
    desk.recall(await load(_load_ledger), ground.boot, profile.door.hold_s)
    now = desk.now()
    await load(lambda db: _load_memory(db, policy, now))
    return entrance


def _heating(ground: Ground, bridge: Bridge, desk: Desk) -> Heating | None:
    row = ground.profile.door.heater
    if row is None:
        return None
    control = bridge.control(row.output.partition(".")[0])
    return Heating(row, control, desk.open_to_all, ground.clock)


def _load_roster(db: Database) -> HeldRoster | None:
    roster_store.prepare(db)
    return roster_store.load(db)


def _load_rules(db: Database) -> HeldRules:
    rules_store.prepare(db)
    return rules_store.load(db)


def _load_memory(db: Database, policy: Policy, now: Now) -> None:
    """What the door remembered before the restart, into the memory of `policy`."""
    for name, failures in memory_store.load_failures(db, now).items():
        policy.tries.put(name, failures)
    for entry, left_at in memory_store.load_entries(db, now):
        policy.presence.restore(entry, left_at)
    for guest, uses, until in memory_store.load_guest_uses(db):
        policy.guests.add(guest, until, now.utc, uses)


def _load_ledger(db: Database) -> list[ledger.KeptGrant]:
    ledger.prepare(db)
    memory_store.prepare(db)
    return ledger.load(db)

"""What stands around the doorway: its inputs by the profile, its self-test, and whether it is in service.

The station hands every input and every change of a device's health to it; it tells the door machine.
"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from firmware_bridge.capabilities import Health, HealthChanged, InputChanged
from station_agent.access.door_model import Bolt, ContactSeen, DoorSettings, Egress, LockOnline, ServiceSet
from station_agent.access.doorway import Doorway
from station_agent.access.inputs import MECHANICAL, DoorInputs, Presses
from station_agent.access.openable import Ways
from station_agent.access.selftest import SelfTest
from station_agent.alarms.board import AlarmBoard
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import keep_value, kept_value
from station_agent.wire.events import DoorServiceSet
from station_agent.wire.profile import DoorRow, StationProfile

OUT_OF_SERVICE = "door_out_of_service"


def door_settings(row: DoorRow) -> DoorSettings:
    """The machine's settings, of the profile."""
    if row.egress is None:
        egress = Egress.UNKNOWN
    elif row.egress != MECHANICAL:
        egress = Egress.BUTTON
    else:
        egress = Egress.HANDLE if row.egress_signal is None else Egress.HANDLE_SIGNALLED
    return DoorSettings(
        hold_s=row.hold_s,
        held_open_after_s=row.held_open_after_s,
        warn_before_s=min(row.warn_before_s, row.held_open_after_s / 2),
        settle_s=row.settle_s,
        egress=egress,
        bolt=Bolt(row.bolt),
        fail_safe=row.power_loss == "fail_safe",
    )


def load_out_of_service(db: Database) -> bool:
    """Store job: whether a manager took the door out of service before the restart."""
    return kept_value(db, OUT_OF_SERVICE) == "1"


class Doorkeeper:
    """Synchronous, on the loop; `selftest.run` is the only service."""

    def __init__(
        self,
        profile: StationProfile,
        doorway: Doorway,
        ways: Callable[[], Ways],
        *,
        clock: Clock,
        spool: Spool,
        alarms: AlarmBoard,
    ) -> None:
        self._row = profile.door
        self._doorway = doorway
        self._spool = spool
        self._inputs = DoorInputs(profile.door)
        self._presses = Presses()
        self.on_contact: Callable[[], None] = lambda: None
        """Called when the contact was read."""
        self.selftest = SelfTest(
            doorway,
            ways,
            at=profile.door.selftest_at,
            zone=ZoneInfo(profile.station.time_zone),
            clock=clock,
            spool=spool,
            alarms=alarms,
        )

    def input_changed(self, event: InputChanged) -> bool:
        """Tell the door. Whether it is a press: an input that became active while it was watched."""
        for given in self._inputs.changed(event.device, event.input, event.active):
            self._doorway.feed(given)
            if isinstance(given, ContactSeen):
                self.on_contact()
        return self._presses.pressed(event.device, event.input, event.active)

    def health_changed(self, event: HealthChanged) -> None:
        """What a silent device no longer tells, and the lock's own silence."""
        online = event.health is Health.ONLINE
        if event.device == self._row.lock:
            self._doorway.feed(LockOnline(online, event.detail or "the lock does not answer"))
        if not online:
            self._presses.lost(event.device)
            for given in self._inputs.lost(event.device):
                self._doorway.feed(given)

    def set_service(self, in_service: bool, actor: str, reason: str) -> None:
        """By a manager's order; remembered over a restart."""
        self._doorway.feed(ServiceSet(not in_service))
        self._spool.record(
            DoorServiceSet(door=self._doorway.name, in_service=in_service, actor=actor, reason=reason),
            also=lambda db: keep_value(db, OUT_OF_SERVICE, "0" if in_service else "1"),
        )

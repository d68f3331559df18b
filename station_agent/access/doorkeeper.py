"""What stands around the doorway: its inputs by the profile, its self-test, and whether it is in service.

The station hands every input and every change of a device's health to it; it tells the door machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from firmware_bridge.capabilities import Health, HealthChanged, InputChanged
from station_agent.access.door_model import Bolt, ContactSeen, DoorSettings, Egress, LockOnline, ServiceSet
from station_agent.access.doorway import Doorway
from station_agent.access.inputs import MECHANICAL, DoorInputs, Presses
from station_agent.access.openable import Ways
from station_agent.access.proven import Proof
from station_agent.access.selftest import SelfTest
from station_agent.alarms.board import AlarmBoard
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import keep_value, kept_value
from station_agent.wire.events import DoorServiceSet
from station_agent.wire.profile import DoorRow, StationProfile

OUT_OF_SERVICE = "door_out_of_service"
PROVEN = "door_proven_"
"""Before a Proof: when it was seen."""

PROVEN_KEPT = timedelta(hours=1)
"""What was seen is written down again no sooner: a busy door must not wear out the disk."""


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


def load_proven(db: Database) -> dict[Proof, datetime]:
    """Store job: what the lock was seen to do before the restart."""
    found = {proof: kept_value(db, PROVEN + proof) for proof in Proof}
    return {proof: datetime.fromisoformat(at) for proof, at in found.items() if at is not None}


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
        self._clock = clock
        self._proven_kept: dict[Proof, datetime] = {}
        doorway.on_proof = self._proven
        self._inputs = DoorInputs(profile.door)
        self._presses = Presses()
        self.on_contact: Callable[[], None] = lambda: None
        """Called when the contact was read."""
        self.selftest = SelfTest(
            doorway,
            ways,
            wanted=tuple(Proof) if profile.door.bolt_contact is not None else (Proof.RELEASES,),
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

    def recall(self, proven: dict[Proof, datetime]) -> None:
        """What the lock was seen to do before the restart."""
        self.selftest.proven = dict(proven)
        self._proven_kept = dict(proven)

    def _proven(self, proof: Proof) -> None:
        """Not by a clock that cannot be believed: it would last for years, or be over at once."""
        if not self._clock.trusted():
            return
        now = self._clock.now()
        self.selftest.proven[proof] = now
        kept = self._proven_kept.get(proof)
        if kept is None or not timedelta() <= now - kept < PROVEN_KEPT:
            self._proven_kept[proof] = now
            self._spool.record(also=lambda db: keep_value(db, PROVEN + proof, now.isoformat()))

    def set_service(self, in_service: bool, actor: str, reason: str) -> None:
        """By a manager's order; remembered over a restart."""
        self._doorway.feed(ServiceSet(not in_service))
        self._spool.record(
            DoorServiceSet(door=self._doorway.name, in_service=in_service, actor=actor, reason=reason),
            also=lambda db: keep_value(db, OUT_OF_SERVICE, "0" if in_service else "1"),
        )

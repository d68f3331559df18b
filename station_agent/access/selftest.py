"""The daily self-test, and the alarm of a door that should be usable and is not. Moves nothing.

every CHECK_S          why_not --- for UNUSABLE_AFTER_S, within opening hours --> alarm door_unusable
once a day, at rest    why_not + a look at the lock --> event door.selftest, alarm door_selftest_failed
                       what the lock has not been seen to do for long --> a warning in that event (proven.py)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from station_agent.access.doorway import Doorway
from station_agent.access.openable import Ways, lock_reasons, why_not
from station_agent.access.proven import Proof, unproven
from station_agent.alarms.board import AlarmBoard
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool
from station_agent.wire.events import DoorSelftest
from station_agent.wire.kinds import AlarmKind

CHECK_S = 30.0
UNUSABLE_AFTER_S = 300.0
"""A line that was unplugged for a moment has its own alarm; five minutes are somebody who stands there in the cold."""

QUIET_S = 120.0
"""Nobody is near when the door has not changed for so long."""
WAIT_MAX = timedelta(hours=1)
"""A door that is in use all this time works, and is looked at all the same."""


class SelfTest:
    """`run` is the service; `openable` and `reasons` are how it stands."""

    def __init__(
        self,
        doorway: Doorway,
        ways: Callable[[], Ways],
        *,
        wanted: Sequence[Proof],
        at: str | None,
        zone: ZoneInfo,
        clock: Clock,
        spool: Spool,
        alarms: AlarmBoard,
    ) -> None:
        """`wanted`: what this door's contacts can prove."""
        self._doorway = doorway
        self._ways = ways
        self._wanted = tuple(wanted)
        self._at = time.fromisoformat(at) if at is not None else None
        self._zone = zone
        self._clock = clock
        self._spool = spool
        self._alarms = alarms
        self._due = self._next(clock.now())
        self._unusable_since: float | None = None
        self.should_be_open: Callable[[datetime], bool] = lambda now: True
        """Opening hours; a station without any is always open."""
        self.warnings: Callable[[], tuple[str, ...]] = lambda: ()
        """What else is wrong with the door, for the daily event."""
        self.proven: dict[Proof, datetime] = {}
        """What the lock was seen to do, and when."""
        self.on_changed: Callable[[], None] = lambda: None
        self.reasons: tuple[str, ...] | None = None
        """Why no member could come in now, empty when one could; None before the first check."""

    @property
    def openable(self) -> bool | None:
        return None if self.reasons is None else not self.reasons

    async def run(self) -> None:
        while True:
            await self._clock.sleep(CHECK_S)
            self.check()
            if self._is_due():
                await self.test()

    def check(self) -> None:
        """Follow whether the door is usable."""
        before, self.reasons = self.reasons, why_not(self._doorway.door, self._ways())
        now = self._clock.monotonic()
        if self.reasons and self.should_be_open(self._clock.now()):
            if self._unusable_since is None:
                self._unusable_since = now
            if now - self._unusable_since >= UNUSABLE_AFTER_S:
                self._alarms.raise_alarm(AlarmKind.DOOR_UNUSABLE, self._doorway.name, "; ".join(self.reasons))
        else:
            self._unusable_since = None
            self._alarms.clear_alarm(AlarmKind.DOOR_UNUSABLE, self._doorway.name)
        if before != self.reasons:
            self.on_changed()

    async def test(self) -> None:
        """The daily look."""
        status = await self._doorway.look()
        door = self._doorway.door
        reasons = (*why_not(door, self._ways()), *lock_reasons(door, status.released, status.contact_open))
        now = self._clock.now()
        self._due = self._next(now)
        self._spool.record(
            DoorSelftest(
                door=self._doorway.name,
                openable=not reasons,
                reasons=reasons,
                warnings=(*unproven(self.proven, self._wanted, now), *self.warnings()),
                released_at=self.proven.get(Proof.RELEASES),
                secured_at=self.proven.get(Proof.SECURES),
            )
        )
        if reasons:
            self._alarms.raise_alarm(AlarmKind.DOOR_SELFTEST_FAILED, self._doorway.name, "; ".join(reasons))
        else:
            self._alarms.clear_alarm(AlarmKind.DOOR_SELFTEST_FAILED, self._doorway.name)

    def _is_due(self) -> bool:
        now = self._clock.now()
        if self._due is None or now < self._due or not self._clock.trusted():
            return False
        quiet = self._clock.monotonic() - self._doorway.moved_s >= QUIET_S and not self._doorway.door.contact_open
        return quiet or now >= self._due + WAIT_MAX

    def _next(self, after: datetime) -> datetime | None:
        if self._at is None:
            return None
        local = after.astimezone(self._zone)
        due = datetime.combine(local.date(), self._at, self._zone)
        return due if due > local else datetime.combine(local.date() + timedelta(days=1), self._at, self._zone)

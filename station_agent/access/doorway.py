"""The shell of door.py: one lock, its contact, its timer.

Order is everything here. A release is a task of its own and is created first; whatever is to be written down is
put behind it in the loop's queue, so that the frame is on the wire before the first byte goes to the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from firmware_bridge.capabilities import DeviceError, Lock, LockStatus
from station_agent.access import door as machine
from station_agent.access import ledger
from station_agent.access.door import Door, DoorSettings, Pass
from station_agent.access.door_jam import SAID
from station_agent.access.door_model import DEMAND_HOLD_S, Exit
from station_agent.access.proven import Proof, proof
from station_agent.alarms.board import AlarmBoard
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool
from station_agent.wire.events import DoorChanged, DoorExited, DoorRetried, VisitCounted

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""The relay is read this often: a lock that stays released is found within it."""

LOOK_AFTER_SECURE_S = 1.0
LOOK_AGAIN_S_FIRST = 1.0
"""After a look that the lock did not answer; doubles up to LOOK_S."""

FINISH_S = 1.0
"""How long a shutdown waits for a release that is on the wire."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`released` is done when the lock has acknowledged (or raises DeviceError); `used` when somebody opened
    (True) or nobody did in time (False)."""

    released: asyncio.Task[None]
    used: asyncio.Future[bool]


class Doorway:
    """Feeds the door machine and does what it says. Synchronous, on the loop; `watch` is its only service."""

    def __init__(
        self,
        lock: Lock,
        settings: DoorSettings,
        *,
        clock: Clock,
        spool: Spool,
        alarms: AlarmBoard,
        out_of_service: bool = False,
    ) -> None:
        self._lock = lock
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._alarms = alarms
        # A release of before the start may still be running.
        secured_by = clock.monotonic() + max(settings.hold_s, DEMAND_HOLD_S) + machine.GRACE_S
        self.door = Door(
            alarms=alarms.standing(lock.name) & machine.ALARMS, secured_by=secured_by, out_of_service=out_of_service
        )
        self.on_changed: Callable[[], None] = lambda: None
        """Called after the state or the contact changed."""
        self.on_warning: Callable[[], None] = lambda: None
        """Called when the door should be closed soon, or it is an alarm."""
        self.on_exit: Callable[[Exit], None] = lambda how: None
        """Called when somebody left, as far as the door can know."""
        self.on_proof: Callable[[Proof], None] = lambda proof: None
        """Called when the lock was seen to do its work."""
        self._timer: asyncio.TimerHandle | None = None
        self._look = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._securing: asyncio.Task[None] | None = None
        self._admissions: dict[UUID, Admission] = {}
        self.releases = 0
        self.moved_s = clock.monotonic()
        """When the door last changed, or was asked to."""

    @property
    def name(self) -> str:
        return self._lock.name

    def resume(self, waiting: Iterable[Pass], expected_until: float) -> None:
        """Before the start: grants of before a restart that may still be used. Moves nothing."""
        self.door = replace(self.door, waiting=tuple(waiting), expected_until=expected_until, released=True)
        self._arm()

    def admit(self, entry: Pass, remember: Callable[[], None]) -> Admission:
        """Release for `entry`. The release is under way when this returns; `remember` is called behind it, and
        before anything is told that follows from the grant: a visit settles a grant that is on record."""
        self._feed(machine.Granted(entry), remember)
        return self._admissions[entry.attempt]

    def feed(self, given: machine.Input) -> None:
        """Tell the door machine, and do what it answers."""
        self._feed(given, None)

    def _feed(self, given: machine.Input, behind_release: Callable[[], None] | None) -> None:
        before, now = self.door, self._clock.monotonic()
        self.door, effects = machine.step(before, given, self._settings, now)
        if effects or before.state is not self.door.state:
            self.moved_s = now
        later: list[machine.Effect] = [effect for effect in effects if not isinstance(effect, machine.Release)]
        for effect in effects:
            if isinstance(effect, machine.Release):
                self._release(effect)
        if behind_release is not None:
            asyncio.get_running_loop().call_soon(behind_release)
        if later or before.state is not self.door.state or before.contact_open is not self.door.contact_open:
            asyncio.get_running_loop().call_soon(self._follow, before, self.door, later)
        seen = proof(before, given, effects)
        if seen is not None:
            asyncio.get_running_loop().call_soon(self.on_proof, seen)
        self._arm()

    async def look(self) -> LockStatus:
        """What the lock says now; None of it where it does not answer."""
        return await self._lock.status()

    async def watch(self) -> None:
        """Read the relay now, regularly, and after each time it should have secured."""
        again_s = LOOK_AGAIN_S_FIRST
        while True:
            before = self.door
            status = await self._lock.status()
            pause_s = LOOK_S
            if status.released is None:
                pause_s, again_s = again_s, min(again_s * 2, LOOK_S)
            elif self.door is not before:  # a picture of another moment
                pause_s = LOOK_AGAIN_S_FIRST
            else:
                again_s = LOOK_AGAIN_S_FIRST
                self.feed(machine.LockSeen(status.released))
            try:
                async with asyncio.timeout(pause_s):
                    await self._look.wait()
            except TimeoutError:
                continue
            self._look.clear()
            await self._clock.sleep(LOOK_AFTER_SECURE_S)

    async def close(self) -> None:
        """Let a release that is on the wire finish; the lock's own timer secures it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for admission in self._admissions.values():
            admission.used.cancel()

    def _release(self, release: machine.Release) -> None:
        loop = asyncio.get_running_loop()
        self.releases += 1
        if self._securing is not None:
            self._securing.cancel()  # what is overtaken must not secure afterwards
        entry = release.entry
        attempt = entry.attempt if entry is not None else None
        released = loop.create_task(self._lock.release(release.hold_s), name=f"release: {release.cause}")
        self._keep(released)
        if attempt is not None:
            self._admissions[attempt] = Admission(released, loop.create_future())
        else:
            log.info("%s: released, because of %s", self.name, release.cause)
        released.add_done_callback(lambda task: self._released(attempt, task))

    def _released(self, attempt: UUID | None, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, DeviceError):
            log.error("not released: %s", error)
            self.feed(machine.ReleaseFailed(attempt, str(error)))
        elif error is not None:
            self.feed(machine.ReleaseFailed(attempt, f"{self.name}: {type(error).__name__}"))
            log.error("a release failed", exc_info=error)

    async def _secure(self) -> None:
        if self.door.released:
            return  # somebody was let in since
        try:
            await self._lock.secure()
        except DeviceError as error:
            # The board secures by its own timer; `watch` finds out when it did not.
            log.warning("not acknowledged that it is secured: %s", error)
        self._look.set()

    def _follow(self, before: Door, after: Door, effects: list[machine.Effect]) -> None:
        if before.state is not after.state:
            self._spool.record(
                DoorChanged(door=self.name, state=after.state, previous=before.state, contact_open=after.contact_open)
            )
        for effect in effects:
            self._do(effect)
        self.on_changed()

    def _do(self, effect: machine.Effect) -> None:
        match effect:
            case machine.Secure():
                self._securing = asyncio.get_running_loop().create_task(self._secure(), name="secure")
                self._keep(self._securing)
            case machine.RaiseAlarm(alarm, detail):
                self._alarms.raise_alarm(alarm, self.name, detail)
            case machine.ClearAlarm(alarm):
                self._alarms.clear_alarm(alarm, self.name)
            case machine.CountVisit(entry):
                self._spool.record(
                    VisitCounted(attempt=entry.attempt, credential=entry.credential, member=entry.member),
                    also=lambda db: ledger.settled(db, entry.attempt),
                )
                self._used(entry, True)
            case machine.Lapse(entry):
                self._spool.record(also=lambda db: ledger.settled(db, entry.attempt))
                self._used(entry, False)
            case machine.Exited(how):
                self._spool.record(DoorExited(door=self.name, how=how.value))
                self.on_exit(how)
            case machine.Retried(pulse, signs):
                detail = ", ".join(SAID[sign] for sign in sorted(signs))
                self._spool.record(DoorRetried(door=self.name, pulse=pulse, detail=detail))
            case machine.Warn():
                self.on_warning()
            case machine.Release():
                raise AssertionError("a release is done at once, not here")
            case _:
                assert_never(effect)

    def _used(self, entry: Pass, used: bool) -> None:
        admission = self._admissions.pop(entry.attempt, None)
        if admission is not None and not admission.used.done():
            admission.used.set_result(used)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = machine.due(self.door)
        if due is not None:
            delay_s = max(0.0, due - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.feed, machine.Tick())

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

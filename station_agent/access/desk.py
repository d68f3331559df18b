"""The desk: takes attempts, lets `decide` answer, lets the door act, and writes it all down afterwards.

    scan --> decide (no I/O, ~0.3 ms) --> Lock.release is under way --> ledger --> lock's answer --> AccessDecided

One AccessDecided an attempt, and it is the truth: a grant whose lock stayed silent is told as denied (LOCK_SILENT).
What the door must still know after a restart (uses of guests' codes, who is inside, who waits after bad tries) goes
into the commit of the very row that tells of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from sqlite_utils import Database

from firmware_bridge.capabilities import Scan
from station_agent.access import ledger, memory_store
from station_agent.access.attempts import Attempt, CodeAttempt, Deny, Grant, Now
from station_agent.access.decide import decide
from station_agent.access.door import GRACE_S, Pass
from station_agent.access.door_codes import DoorCodes
from station_agent.access.doorway import Admission, Doorway
from station_agent.access.ledger import KeptGrant
from station_agent.access.memory import READER, Failures, used_until
from station_agent.access.policy import Policy
from station_agent.access.presence import Entry
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool, Stamp
from station_agent.wire.events import AccessDecided
from station_agent.wire.kinds import Credential, Outcome, Reason

log = logging.getLogger(__name__)

TEXT_MAX = 500

OUT_OF_SERVICE = Deny(Reason.DOOR_OUT_OF_SERVICE, "a manager took the door out of service")

DENIALS_TOLD_MAX = 60
DENIALS_TOLD_S = 60.0
"""A row each for that many refused attempts a minute: more than people make. What a broken scanner or somebody with
a grudge adds is counted, and cannot fill the spool."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt; `admission` when it was granted."""

    verdict: Grant | Deny
    admission: Admission | None


class Desk:
    """Every attempt to enter goes through `attempt`, on the loop, without waiting for anything."""

    def __init__(
        self,
        doorway: Doorway,
        policy: Policy,
        *,
        clock: Clock,
        spool: Spool,
        tell: Callable[[Reason], None],
        reject: Callable[[str, str], None],
    ) -> None:
        self._doorway = doorway
        self._policy = policy
        self._clock = clock
        self._spool = spool
        self._tell = tell
        self._reject = reject
        self._denials: deque[float] = deque(maxlen=DENIALS_TOLD_MAX)
        self.roster: HeldRoster | None = None
        self.on_half: Callable[[Deny], None] = lambda deny: None
        """Called when somebody has shown one of two credentials and the other one is to be asked for."""
        self.on_answer: Callable[[str, bool], None] = lambda reader, granted: None
        """Called for every attempt with its reader, once it is decided and a release is under way."""
        self._finishing: set[asyncio.Task[None]] = set()
        self.taking = True
        """False once a shutdown has begun: attempts are no longer taken."""

    @property
    def rules(self) -> HeldRules:
        return self._policy.rules

    @rules.setter
    def rules(self, rules: HeldRules) -> None:
        self._policy = replace(self._policy, rules=rules)

    @property
    def door_codes(self) -> DoorCodes:
        return self._policy.door_codes

    def open_to_all(self) -> bool:
        """Whether it is so cold that the button opens."""
        return self.rules.cold_now(self._clock.now(), self._clock.trusted()) is not None

    def waiting_readers(self) -> dict[str, float]:
        """Readers and cameras that wait after too many bad tries, and for how many seconds still."""
        return self._policy.tries.waiting(READER, self._clock.monotonic())

    def people(self) -> int | None:
        """Inside, as far as a door can know; None where the rules set no capacity."""
        capacity = self.rules.capacity
        if capacity is None:
            return None
        return self._policy.presence.inside(self._clock.monotonic(), capacity.stay_min * 60)

    def waits_for_face(self) -> str | None:
        """The member who has shown a code last and whose face is asked for as well, while the code still counts."""
        half = self._policy.halves.newest(Credential.CODE, self._clock.monotonic())
        return half.member if half is not None else None

    def left(self) -> None:
        """Somebody went out by the exit button."""
        attempt, at = self._policy.presence.left(self._clock.monotonic()), self._clock.now()
        if attempt is not None:
            self._spool.record(also=lambda db: memory_store.left(db, attempt, at))

    def scanned(self, scan: Scan) -> None:
        """A reader read a text; called from the very callback that read its last byte."""
        self.attempt(CodeAttempt(uuid4(), scan.device, scan.text))

    def attempt(self, attempt: Attempt) -> Answer | None:
        """Decide, and let in. None during a shutdown."""
        if not self.taking:
            return None
        now = self.now()
        verdict: Grant | Deny = OUT_OF_SERVICE
        if not self._doorway.door.out_of_service:
            verdict = decide(attempt, self.roster, self._policy, now)
        if isinstance(verdict, Deny):
            self._denied(attempt, verdict, now)
            self.on_answer(attempt.reader, False)
            if verdict.half is not None:
                self.on_half(verdict)
            return Answer(verdict, None)
        stamp = self._spool.stamp()
        entry = Pass(attempt.id, attempt.credential, verdict.member, verdict.hold_s)
        admission = self._doorway.admit(entry, lambda: self._remember(attempt, entry, verdict, stamp))
        self._granted(attempt, verdict, now, admission)
        self.on_answer(attempt.reader, True)
        finishing = asyncio.get_running_loop().create_task(
            self._finish(attempt, verdict, stamp, admission), name=f"attempt {attempt.id}"
        )
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        return Answer(verdict, admission)

    def now(self) -> Now:
        return Now(self._clock.now(), self._clock.monotonic(), self._clock.trusted())

    def recall(self, kept: list[KeptGrant], boot: str, hold_s: float) -> None:
        """At the start: what grants of before it still mean. Moves nothing."""
        now, mono_s = self._clock.now(), self._clock.monotonic()
        waiting: list[Pass] = []
        expected_until = 0.0
        for grant in kept:
            if grant.code is not None and used_until(grant.code.made_at) > now:
                self._policy.used.add(grant.code.head, grant.code.made_at, now)
            if not grant.told:
                self._spool.record(_told_late(grant), also=_telling(grant.entry.attempt), stamp=grant.stamp)
            until = grant.stamp.mono_ms / 1000 + max(hold_s, grant.entry.hold_s or 0.0) + GRACE_S
            if grant.waiting and grant.stamp.boot == boot and until > mono_s:
                waiting.append(grant.entry)
                expected_until = max(expected_until, until)
            elif grant.waiting:
                self._spool.record(also=_settling(grant.entry.attempt))
        if waiting:
            self._doorway.resume(waiting, expected_until)

    async def close(self) -> None:
        """After the doorway has finished: what was decided is in the spool."""
        if self._finishing:
            await asyncio.wait(self._finishing)

    def _granted(self, attempt: Attempt, verdict: Grant, now: Now, admission: Admission) -> None:
        """Remember what follows from a grant, until it turns out whether somebody came in."""
        policy = self._policy
        if verdict.code is not None:
            policy.used.add(verdict.code.head, verdict.code.made_at, now.utc)
        if verdict.member is not None:
            policy.halves.take(verdict.member)
        if verdict.answered is not None:
            policy.door_codes.use(verdict.answered.challenge)
        if verdict.guest is not None:
            policy.guests.add(verdict.guest, self._guest_until(verdict.guest, now), now.utc)
        for name in verdict.cleared:
            if policy.tries.succeeded(name):
                self._spool.record(also=lambda db, name=name: memory_store.forgiven(db, name))  # type: ignore[misc]
        policy.presence.granted(Entry(attempt.id, verdict.who, verdict.key, now.mono_s))
        admission.used.add_done_callback(lambda used: self._used(attempt, verdict, used))

    def _used(self, attempt: Attempt, verdict: Grant, used: asyncio.Future[bool]) -> None:
        if used.cancelled():  # a shutdown
            return
        if used.result():
            self._policy.presence.entered(attempt.id)
            self._spool.record(also=lambda db: memory_store.entered(db, attempt.id))
            return
        self._policy.presence.lapsed(attempt.id)
        if verdict.guest is not None:
            self._policy.guests.give_back(verdict.guest)
        self._spool.record(also=lambda db: memory_store.lapsed(db, attempt.id, verdict.guest))

    def _guest_until(self, id: str, now: Now) -> datetime:
        return next((guest.not_after for guest in self.rules.guests.values() if guest.id == id), now.utc)

    def _denied(self, attempt: Attempt, verdict: Deny, now: Now) -> None:
        self._tell(verdict.reason)
        if verdict.answered is not None:
            self._policy.door_codes.answer(verdict.answered.challenge, verdict.answered.key)
        half = verdict.half
        if half is not None:
            self._policy.halves.add(half, now.mono_s)
            if half.code is not None:
                self._policy.used.add(half.code.head, half.code.made_at, now.utc)
        found = self._failed(verdict.tried, now)
        if len(self._denials) == DENIALS_TOLD_MAX and now.mono_s - self._denials[0] < DENIALS_TOLD_S:
            self._reject(attempt.reader, f"denied and not told one by one: {verdict.reason}")
            return
        self._denials.append(now.mono_s)
        self._spool.record(
            _told(attempt, verdict, Outcome.DENIED, verdict.reason, verdict.detail),
            also=(lambda db: memory_store.failed(db, found, now)) if found else None,
        )

    def _failed(self, tried: tuple[str, ...], now: Now) -> dict[str, Failures]:
        rule = self.rules.lock_out
        found = {}
        for name in tried:
            back_off = None if rule is None else rule.reader if name.startswith(READER) else rule.credential
            found[name] = self._policy.tries.failed(name, now.mono_s, back_off)
        return found

    def _remember(self, attempt: Attempt, entry: Pass, verdict: Grant, stamp: Stamp) -> None:
        grant = KeptGrant(
            entry,
            attempt.reader,
            verdict.reason,
            verdict.detail,
            verdict.code,
            stamp,
            person=verdict.person,
            remarks=verdict.remarks,
        )
        guest = verdict.guest
        until = self._guest_until(guest, self.now()) if guest is not None else stamp.at

        def job(db: Database) -> None:
            ledger.add(db, grant)
            memory_store.granted(db, Entry(attempt.id, verdict.who, verdict.key, 0.0), stamp.at)
            if guest is not None:
                memory_store.guest_used(db, guest, until, stamp.at)

        self._spool.record(also=job)

    async def _finish(self, attempt: Attempt, verdict: Grant, stamp: Stamp, admission: Admission) -> None:
        """Wait for the lock's answer, then tell what really happened."""
        await asyncio.wait([admission.released])
        outcome, reason, detail = Outcome.GRANTED, verdict.reason, verdict.detail
        if admission.released.cancelled():
            return  # a shutdown; the ledger tells it at the next start
        error = admission.released.exception()
        if error is not None:
            outcome, reason, detail = Outcome.DENIED, Reason.LOCK_SILENT, str(error)
        self._spool.record(_told(attempt, verdict, outcome, reason, detail), also=_telling(attempt.id), stamp=stamp)
        self._tell(reason)


def _told(attempt: Attempt, verdict: Grant | Deny, outcome: Outcome, reason: Reason, detail: str) -> AccessDecided:
    return AccessDecided(
        attempt=attempt.id,
        credential=attempt.credential,
        outcome=outcome,
        reason=reason,
        member=verdict.member,
        person=verdict.person,
        remarks=verdict.remarks,
        reader=attempt.reader[:TEXT_MAX],
        detail=detail[:TEXT_MAX],
        card=verdict.card if isinstance(verdict, Deny) else None,
    )


def _told_late(grant: KeptGrant) -> AccessDecided:
    """A grant of before a restart."""
    detail = "; ".join(filter(None, (grant.detail, "told after a restart")))
    return AccessDecided(
        attempt=grant.entry.attempt,
        credential=grant.entry.credential,
        outcome=Outcome.GRANTED,
        reason=grant.reason,
        member=grant.entry.member,
        person=grant.person,
        remarks=grant.remarks,
        reader=grant.reader[:TEXT_MAX],
        detail=detail[:TEXT_MAX],
    )


def _telling(attempt: UUID) -> Callable[[Database], None]:
    return lambda db: ledger.told(db, attempt)


def _settling(attempt: UUID) -> Callable[[Database], None]:
    return lambda db: ledger.settled(db, attempt)

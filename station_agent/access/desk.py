"""The desk: takes attempts, lets `decide` answer, lets the door act, and writes it all down afterwards.

    scan --> decide (no I/O, ~0.3 ms) --> Lock.release is under way --> ledger --> lock's answer --> AccessDecided

One AccessDecided an attempt, and it is the truth: a grant whose lock stayed silent is told as denied (LOCK_SILENT).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlite_utils import Database

from firmware_bridge.capabilities import Scan
from station_agent.access import ledger
from station_agent.access.decide import Attempt, CodeAttempt, Deny, Grant, Now, Policy, decide
from station_agent.access.door import GRACE_S, Pass
from station_agent.access.doorway import Admission, Doorway
from station_agent.access.ledger import KeptGrant
from station_agent.access.memory import used_until
from station_agent.access.roster import HeldRoster
from station_agent.clock import Clock
from station_agent.telemetry.spool import Spool, Stamp
from station_agent.wire.events import AccessDecided
from station_agent.wire.kinds import Outcome, Reason

log = logging.getLogger(__name__)

TEXT_MAX = 500

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
        self._finishing: set[asyncio.Task[None]] = set()
        self.taking = True
        """False once a shutdown has begun: attempts are no longer taken."""

    def scanned(self, scan: Scan) -> None:
        """A reader read a text; called from the very callback that read its last byte."""
        self.attempt(CodeAttempt(uuid4(), scan.device, scan.text))

    def attempt(self, attempt: Attempt) -> Answer | None:
        """Decide, and let in. None during a shutdown."""
        if not self.taking:
            return None
        now = Now(self._clock.now(), self._clock.monotonic(), self._clock.trusted())
        verdict = decide(attempt, self.roster, self._policy, now)
        if isinstance(verdict, Deny):
            if verdict.tried:
                self._policy.tries.failed(verdict.tried, now.mono_s)
            self._denied(attempt, verdict)
            return Answer(verdict, None)
        stamp = self._spool.stamp()
        entry = Pass(attempt.id, attempt.credential, verdict.member)
        admission = self._doorway.admit(entry, lambda: self._remember(attempt, verdict, stamp))
        if verdict.code is not None:
            self._policy.used.add(verdict.code.head, verdict.code.made_at, now.utc)
        if verdict.tried:
            self._policy.tries.succeeded(verdict.tried)
        finishing = asyncio.get_running_loop().create_task(
            self._finish(attempt, verdict, stamp, admission), name=f"attempt {attempt.id}"
        )
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        return Answer(verdict, admission)

    def recall(self, kept: list[KeptGrant], boot: str, hold_s: float) -> None:
        """At the start: what grants of before it still mean. Moves nothing."""
        now, mono_s = self._clock.now(), self._clock.monotonic()
        waiting: list[Pass] = []
        expected_until = 0.0
        for grant in kept:
            if grant.code is not None and used_until(grant.code.made_at) > now:
                self._policy.used.add(grant.code.head, grant.code.made_at, now)
            if not grant.told:
                detail = "; ".join(filter(None, (grant.detail, "told after a restart")))
                self._spool.record(
                    _decided(grant.entry, grant.reader, Outcome.GRANTED, grant.reason, detail),
                    also=_telling(grant.entry.attempt),
                    stamp=grant.stamp,
                )
            until = grant.stamp.mono_ms / 1000 + hold_s + GRACE_S
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

    def _denied(self, attempt: Attempt, verdict: Deny) -> None:
        self._tell(verdict.reason)
        now = self._clock.monotonic()
        if len(self._denials) == DENIALS_TOLD_MAX and now - self._denials[0] < DENIALS_TOLD_S:
            self._reject(attempt.reader, f"denied and not told one by one: {verdict.reason}")
            return
        self._denials.append(now)
        entry = Pass(attempt.id, attempt.credential, verdict.member)
        self._spool.record(_decided(entry, attempt.reader, Outcome.DENIED, verdict.reason, verdict.detail))

    def _remember(self, attempt: Attempt, verdict: Grant, stamp: Stamp) -> None:
        entry = Pass(attempt.id, attempt.credential, verdict.member)
        grant = KeptGrant(entry, attempt.reader, verdict.reason, verdict.detail, verdict.code, stamp)
        self._spool.record(also=lambda db: ledger.add(db, grant))

    async def _finish(self, attempt: Attempt, verdict: Grant, stamp: Stamp, admission: Admission) -> None:
        """Wait for the lock's answer, then tell what really happened."""
        await asyncio.wait([admission.released])
        outcome, reason, detail = Outcome.GRANTED, verdict.reason, verdict.detail
        if admission.released.cancelled():
            return  # a shutdown; the ledger tells it at the next start
        error = admission.released.exception()
        if error is not None:
            outcome, reason, detail = Outcome.DENIED, Reason.LOCK_SILENT, str(error)
        entry = Pass(attempt.id, attempt.credential, verdict.member)
        self._spool.record(
            _decided(entry, attempt.reader, outcome, reason, detail), also=_telling(attempt.id), stamp=stamp
        )
        self._tell(reason)


def _decided(entry: Pass, reader: str, outcome: Outcome, reason: Reason, detail: str) -> AccessDecided:
    return AccessDecided(
        attempt=entry.attempt,
        credential=entry.credential,
        outcome=outcome,
        reason=reason,
        member=entry.member,
        reader=reader[:TEXT_MAX],
        detail=detail[:TEXT_MAX],
    )


def _telling(attempt: UUID) -> Callable[[Database], None]:
    return lambda db: ledger.told(db, attempt)


def _settling(attempt: UUID) -> Callable[[Database], None]:
    return lambda db: ledger.settled(db, attempt)

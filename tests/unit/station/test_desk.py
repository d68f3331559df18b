"""The desk and its doorway: the lock first, the disk afterwards, and what a restart remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import DeviceTimeout, LockStatus, Scan
from station_agent.access import ledger, memory_store
from station_agent.access.attempts import CodeAttempt, RemoteAttempt
from station_agent.access.desk import DENIALS_TOLD_MAX, Desk
from station_agent.access.door import ContactSeen, DoorSettings
from station_agent.access.doorway import Doorway
from station_agent.access.ledger import KeptGrant
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.alarms.board import AlarmBoard
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import PhoneKey, RosterMember
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import DoorState, Reason
from tests.harness.fake_clock import BOOT, FakeClock

MEMBER = "00112233445566aa"
PHONE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
SETTINGS = DoorSettings(hold_s=5, held_open_after_s=60)


@dataclass
class ScriptedLock:
    """A lock that answers when it is told to, and notes what had been written to disk when it was asked."""

    spool: Spool
    name: str = "door_lock"
    asked: list[tuple[str, int]] = field(default_factory=list)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    silent: bool = False
    submitted: list[object] = field(default_factory=list)

    async def release(self, hold_s: float) -> None:
        self.asked.append(("release", len(self.submitted)))
        await self.answer.wait()
        if self.silent:
            raise DeviceTimeout(self.name, "no answer in 0.15 s; check its power, wiring and address")

    async def secure(self) -> None:
        self.asked.append(("secure", len(self.submitted)))

    async def status(self) -> LockStatus:
        return LockStatus(released=False, contact_open=False)


@dataclass
class Bench:
    """A desk with everything around it."""

    desk: Desk
    doorway: Doorway
    lock: ScriptedLock
    spool: Spool
    store: Store
    clock: FakeClock
    told: list[Reason]
    rejected: list[tuple[str, str]]

    def scan(self, text: str) -> None:
        self.desk.scanned(Scan("scanner", text, self.clock.now(), self.clock.monotonic()))

    def code(self, nonce: bytes = b"12") -> str:
        return codes.make_code(PHONE, MEMBER, self.clock.now(), nonce)

    async def kinds(self) -> list[str]:
        await self.store.submit(lambda db: None)
        return [one.row.kind for one in await self.spool.read(Stream.EVENTS, 0)]

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        await self.store.submit(lambda db: None)
        return [one.row.body for one in await self.spool.read(Stream.EVENTS, 0) if one.row.kind == kind]


async def make_bench(store: Store, spool: Spool, clock: FakeClock) -> Bench:
    await store.submit(ledger.prepare)
    await store.submit(memory_store.prepare)
    lock = ScriptedLock(spool)
    submit = store.submit

    def noted(job: Any) -> Any:
        lock.submitted.append(job)
        return submit(job)

    store.submit = noted  # type: ignore[method-assign]
    told: list[Reason] = []
    doorway = Doorway(lock, SETTINGS, clock=clock, spool=spool, alarms=await AlarmBoard.open(store, spool))
    lock.submitted.clear()
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60))
    rejected: list[tuple[str, str]] = []

    def reject(source: str, reason: str) -> None:
        rejected.append((source, reason))

    desk = Desk(doorway, policy, clock=clock, spool=spool, tell=told.append, reject=reject)
    public = codes.public_bytes(PHONE)
    key = PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(PHONE),
        public=public.hex(),
        not_after=clock.now() + timedelta(days=1),
    )
    desk.roster = HeldRoster(1, clock.now(), {}, {MEMBER: RosterMember(id=MEMBER, keys=(key,))})
    return Bench(desk, doorway, lock, spool, store, clock, told, rejected)


@pytest.fixture
async def bench(store: Store, spool: Spool, clock: FakeClock) -> AsyncIterator[Bench]:
    made = await make_bench(store, spool, clock)
    made.doorway.feed(ContactSeen(False))
    await made.kinds()
    made.lock.submitted.clear()
    yield made
    made.lock.answer.set()
    await made.doorway.close()
    await made.desk.close()


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_lock_is_asked_before_anything_goes_to_the_disk(bench: Bench) -> None:
    bench.scan(bench.code())
    assert bench.lock.submitted == []
    await turns()
    assert bench.lock.asked == [("release", 0)]
    assert bench.lock.submitted, "and then it is written down"


async def test_a_decision_is_told_once_the_lock_has_answered(bench: Bench) -> None:
    bench.scan(bench.code())
    await turns()
    assert "access.decided" not in await bench.kinds()
    bench.lock.answer.set()
    await turns()
    (decided,) = await bench.bodies("access.decided")
    assert (decided["outcome"], decided["reason"], decided["member"]) == ("granted", "member", MEMBER)
    assert bench.told == [Reason.MEMBER]


async def test_a_silent_lock_is_a_denial_with_its_reason(bench: Bench) -> None:
    bench.lock.silent = True
    bench.lock.answer.set()
    bench.scan(bench.code())
    await turns(10)
    (decided,) = await bench.bodies("access.decided")
    assert (decided["outcome"], decided["reason"]) == ("denied", "lock_silent")
    assert "check its power" in decided["detail"]
    (raised,) = await bench.bodies("alarm.raised")
    assert raised["alarm"] == "lock_fault"
    assert bench.doorway.door.state is DoorState.JAMMED


async def test_a_code_shown_twice_releases_once_also_before_the_lock_has_answered(bench: Bench) -> None:
    text = bench.code()
    bench.scan(text)
    bench.scan(text)
    await turns()
    assert [what for what, _ in bench.lock.asked] == ["release"]
    assert bench.told == [Reason.CODE_REPLAYED]


async def test_an_opening_counts_the_visit_and_tells_who_waits_for_it(bench: Bench) -> None:
    answer = bench.desk.attempt(RemoteAttempt(uuid4(), "operator", "why"))
    assert answer is not None
    assert answer.admission is not None
    bench.lock.answer.set()
    await answer.admission.released
    bench.doorway.feed(ContactSeen(True))
    assert await answer.admission.used
    assert len(await bench.bodies("visit.counted")) == 1
    states = [body["state"] for body in await bench.bodies("door.changed")]
    assert states == ["secured", "released", "open"]


async def test_a_walk_in_is_on_record_before_it_is_settled(bench: Bench) -> None:
    """Through the open door a grant is a visit at once; a restart must not count it again."""
    bench.lock.answer.set()
    bench.scan(bench.code())
    await turns()
    bench.doorway.feed(ContactSeen(True))
    bench.scan(bench.code(b"34"))
    await turns()
    assert len(await bench.bodies("visit.counted")) == 2
    assert [grant.waiting for grant in await bench.store.submit(ledger.load)] == [False, False]


async def test_a_scanner_gone_mad_cannot_fill_the_spool(bench: Bench, clock: FakeClock) -> None:
    for _ in range(500):
        bench.scan("noise")
        clock.pass_by(0.01)
    assert len(await bench.bodies("access.decided")) == DENIALS_TOLD_MAX
    assert len(bench.rejected) == 500 - DENIALS_TOLD_MAX
    assert len(bench.told) == 500
    clock.pass_by(61)
    bench.scan("noise")
    assert len(await bench.bodies("access.decided")) == DENIALS_TOLD_MAX + 1


async def test_during_a_shutdown_nothing_is_taken(bench: Bench) -> None:
    bench.desk.taking = False
    bench.scan(bench.code())
    await turns()
    assert bench.lock.asked == []


async def test_after_a_restart_a_used_code_is_still_used_and_nothing_is_released(
    bench: Bench, spool: Spool, clock: FakeClock
) -> None:
    text = bench.code()
    bench.scan(text)
    await turns()
    kept = await bench.store.submit(ledger.load)  # killed here: the lock has not answered yet
    again = await make_bench(bench.store, spool, clock)
    again.desk.recall(kept, BOOT, SETTINGS.hold_s)
    again.scan(text)
    await turns()
    assert again.told == [Reason.CODE_REPLAYED]
    assert again.lock.asked == []
    decided = await again.bodies("access.decided")
    assert [body["outcome"] for body in decided] == ["granted", "denied"]
    assert "after a restart" in decided[0]["detail"]
    again.doorway.feed(ContactSeen(False))
    again.doorway.feed(ContactSeen(True))
    await turns()
    assert len(await again.bodies("visit.counted")) == 1, "the grant of before the restart was used"
    await again.doorway.close()


async def test_a_grant_of_another_boot_or_long_ago_is_not_waited_for(
    bench: Bench, spool: Spool, clock: FakeClock
) -> None:
    bench.scan(bench.code())
    await turns()
    for boot, passed in (("an0ther-boot", 1), (BOOT, 7)):
        clock.pass_by(passed)
        kept = await bench.store.submit(ledger.load)
        again = await make_bench(bench.store, spool, clock)
        again.desk.recall(kept, boot, SETTINGS.hold_s)
        assert again.doorway.door.waiting == ()
        assert again.doorway.door.expected_until is None


async def test_a_grant_is_told_once_however_often_the_agent_restarts(
    bench: Bench, spool: Spool, clock: FakeClock
) -> None:
    bench.scan(bench.code())
    await turns()
    for _ in range(3):
        kept = await bench.store.submit(ledger.load)
        again = await make_bench(bench.store, spool, clock)
        again.desk.recall(kept, BOOT, SETTINGS.hold_s)
        await again.doorway.close()
    assert len(await bench.bodies("access.decided")) == 1


async def test_the_ledger_forgets_what_nothing_depends_on(store: Store, spool: Spool, clock: FakeClock) -> None:
    await store.submit(ledger.prepare)
    old = KeptGrant(
        ledger.Pass(UUID(int=1), CodeAttempt.credential, MEMBER),
        "scanner",
        Reason.MEMBER,
        "",
        None,
        spool.stamp(),
        told=True,
        waiting=False,
    )
    await store.submit(lambda db: ledger.add(db, old))
    clock.pass_by(600)
    new = KeptGrant(
        ledger.Pass(UUID(int=2), CodeAttempt.credential, MEMBER), "scanner", Reason.MEMBER, "", None, spool.stamp()
    )
    await store.submit(lambda db: ledger.add(db, new))
    assert await store.submit(ledger.load) == [new]


async def test_the_state_folder_may_be_lost_and_the_station_starts_empty(tmp_path: Path) -> None:
    async with Store(tmp_path / "new" / "station.sqlite") as empty:
        await empty.submit(ledger.prepare)
        assert await empty.submit(ledger.load) == []

"""Rules at the desk: what is remembered of an entry, what outlives a restart, and what readers do and show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import CardRead, DeviceTimeout, Indication, KeysPressed, LockStatus, Scan
from station_agent.access import ledger, memory_store, rules_store
from station_agent.access.attempts import CardAttempt, FaceAttempt, GuestAttempt, RemoteAttempt
from station_agent.access.desk import Desk
from station_agent.access.door import ContactSeen, DoorSettings
from station_agent.access.doorway import Doorway
from station_agent.access.keypad import KEY_S, Keypad
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.reader_desk import SHOWN_S, WAITING_MAX, ReaderDesk
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import NO_RULES, HeldRules
from station_agent.access.rules_store import RulesTaker
from station_agent.alarms.board import AlarmBoard
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store, kept_value
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import DocumentRefused, PhoneKey, RosterMember
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import Reason
from station_agent.wire.rules import Hashing, Rules, card_hash, typed_hash
from tests.harness.fake_clock import BOOT, FakeClock

MEMBER, STAFF, GUEST = "0a" * 8, "0c" * 8, "0d" * 8
PHONE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
SETTINGS = DoorSettings(hold_s=5, held_open_after_s=60)
HASHING = Hashing(salt="5a" * 16, n=4096)
CARD = b"\xab\xcd\xef\x40"


@dataclass
class Lock:
    """Answers at once, or says that it is dead."""

    name: str = "door_lock"
    dead: bool = False
    holds_s: list[float] = field(default_factory=list)

    @property
    def released(self) -> int:
        return len(self.holds_s)

    async def release(self, hold_s: float) -> None:
        if self.dead:
            raise DeviceTimeout(self.name, "no answer")
        self.holds_s.append(hold_s)

    async def secure(self) -> None: ...

    async def status(self) -> LockStatus:
        return LockStatus(released=False, contact_open=False)


@dataclass
class Reader:
    name: str = "reader"
    shown: list[Indication] = field(default_factory=list)
    silent: bool = False

    async def indicate(self, indication: Indication) -> None:
        if self.silent:
            raise DeviceTimeout(self.name, "no answer")
        self.shown.append(indication)


@dataclass
class Bench:
    desk: Desk
    doorway: Doorway
    policy: Policy
    lock: Lock
    reader: Reader
    readers: ReaderDesk
    spool: Spool
    store: Store
    clock: FakeClock
    told: list[Reason]
    rejected: list[tuple[str, str]]

    async def walk_in(self, attempt: Any) -> None:
        """Granted, and the door opens and closes."""
        answer = self.desk.attempt(attempt)
        assert answer is not None
        assert answer.admission is not None, answer
        await answer.admission.released
        self.doorway.feed(ContactSeen(True))
        await answer.admission.used
        self.doorway.feed(ContactSeen(False))
        await turns()

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        await self.store.submit(lambda db: None)
        return [one.row.body for one in await self.spool.read(Stream.EVENTS, 0) if one.row.kind == kind]

    async def reasons(self, count: int) -> list[str]:
        """Of the first `count` decisions, once they are told."""
        async with asyncio.timeout(5):
            while len(found := await self.bodies("access.decided")) < count:
                pass  # reading waits for the store
        return [body["reason"] for body in found]

    def code(self, nonce: bytes) -> str:
        return codes.make_code(PHONE, MEMBER, self.clock.now(), nonce)


async def turns(count: int = 8) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def rules(clock: FakeClock, **parts: Any) -> Rules:
    given = {
        "station": "demo-01",
        "version": 4,
        "issued_at": clock.now(),
        "hashing": HASHING.model_dump(),
        "roles": {"cleaner": {}, "guest": {}},
        "pins": [{"hash": typed_hash("246810", HASHING), "staff": STAFF, "role": "cleaner"}],
        "cards": [{"hash": card_hash(26, CARD, HASHING), "member": MEMBER}],
        "guests": [
            {
                "hash": typed_hash("13579135", HASHING),
                "id": GUEST,
                "not_before": clock.now(),
                "not_after": clock.now() + timedelta(days=1),
            }
        ],
    }
    return Rules.model_validate({**given, **parts})


async def make_bench(store: Store, spool: Spool, clock: FakeClock, **parts: Any) -> Bench:
    await store.submit(ledger.prepare)
    await store.submit(memory_store.prepare)
    lock, reader, told = Lock(), Reader(), list[Reason]()
    rejected: list[tuple[str, str]] = []

    def reject(source: str, reason: str) -> None:
        rejected.append((source, reason))

    doorway = Doorway(lock, SETTINGS, clock=clock, spool=spool, alarms=await AlarmBoard.open(store, spool))
    held = HeldRules.of(rules(clock, **parts))
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60), held)
    desk = Desk(doorway, policy, clock=clock, spool=spool, tell=told.append, reject=reject)
    public = codes.public_bytes(PHONE)
    key = PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(PHONE),
        public=public.hex(),
        not_after=clock.now() + timedelta(days=1),
    )
    desk.roster = HeldRoster(1, clock.now(), {}, {MEMBER: RosterMember(id=MEMBER, keys=(key,))})
    readers = ReaderDesk(desk, {"reader": reader}, clock, reject)
    desk.on_answer = readers.answered
    doorway.feed(ContactSeen(False))
    now = desk.now()
    for name, failures in (await store.submit(lambda db: memory_store.load_failures(db, now))).items():
        policy.tries.put(name, failures)
    for entry, left_at in await store.submit(lambda db: memory_store.load_entries(db, now)):
        policy.presence.restore(entry, left_at)
    for guest, uses, until in await store.submit(memory_store.load_guest_uses):
        policy.guests.add(guest, until, clock.now(), uses)
    return Bench(desk, doorway, policy, lock, reader, readers, spool, store, clock, told, rejected)


async def close(bench: Bench) -> None:
    await bench.readers.close()
    await bench.doorway.close()
    await bench.desk.close()


@pytest.fixture
async def bench(store: Store, spool: Spool, clock: FakeClock) -> AsyncIterator[Bench]:
    made = await make_bench(store, spool, clock)
    yield made
    await close(made)


def guest() -> GuestAttempt:
    return GuestAttempt(uuid4(), "reader", typed_hash("13579135", HASHING))


def card() -> CardAttempt:
    return CardAttempt(uuid4(), "reader", card_hash(26, CARD, HASHING))


# --- what an entry leaves behind ---


async def test_who_needs_longer_has_the_door_released_for_longer_also_over_a_restart(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    bench = await make_bench(store, spool, clock, hold_s={MEMBER: 20})
    answer = bench.desk.attempt(CardAttempt(uuid4(), "reader", card_hash(26, CARD, HASHING)))
    assert answer is not None
    assert answer.admission is not None
    await answer.admission.released
    assert bench.lock.holds_s == [20.0]
    await close(bench)

    clock.pass_by(12)  # within their time, and beyond the door's own
    again = await make_bench(store, spool, clock)
    again.desk.recall(await store.submit(ledger.load), BOOT, SETTINGS.hold_s)
    again.doorway.feed(ContactSeen(True))
    await turns()
    assert [body["member"] for body in await again.bodies("visit.counted")] == [MEMBER]
    await close(again)


async def test_a_guest_code_is_used_up_also_after_a_restart(bench: Bench) -> None:
    await bench.walk_in(guest())
    bench.desk.attempt(guest())
    assert await bench.reasons(2) == ["guest", "guest_code_used"]
    decided = await bench.bodies("access.decided")
    assert [body["person"] for body in decided] == [GUEST, GUEST]
    again = await make_bench(bench.store, bench.spool, bench.clock)
    answer = again.desk.attempt(guest())
    assert answer is not None
    assert answer.verdict.reason is Reason.GUEST_CODE_USED
    await close(again)


async def test_a_guest_for_whom_the_lock_was_dead_may_come_again(bench: Bench) -> None:
    bench.lock.dead = True
    bench.desk.attempt(guest())
    assert await bench.reasons(1) == ["lock_silent"]
    await turns()
    bench.lock.dead = False
    await bench.walk_in(guest())
    assert await bench.store.submit(memory_store.load_guest_uses) == [(GUEST, 1, bench.clock.now() + timedelta(days=1))]


async def test_people_inside_are_counted_by_the_door_and_kept_over_a_restart(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    limits: dict[str, Any] = {"capacity": {"people_max": 2, "stay_min": 60}, "passback": {"mode": "tell"}}
    bench = await make_bench(store, spool, clock, **limits)
    for number in range(2):
        await bench.walk_in(RemoteAttempt(uuid4(), "operator", f"guest {number}"))
    assert bench.desk.people() == 2
    again = await make_bench(store, spool, clock, **limits)
    answer = again.desk.attempt(card())
    assert answer is not None
    assert answer.verdict.reason is Reason.STATION_FULL
    again.desk.left()
    await again.walk_in(card())
    assert again.desk.people() == 2
    third = await make_bench(store, spool, clock, **limits)
    assert third.desk.people() == 2, "who was seen to leave stays away"
    clock.pass_by(3600)
    assert third.desk.people() == 0
    for one in (bench, again, third):
        await close(one)


async def test_another_key_of_the_same_member_is_told_also_after_a_restart(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    bench = await make_bench(store, spool, clock, passback={"mode": "tell"})
    await bench.walk_in(card())
    again = await make_bench(store, spool, clock, passback={"mode": "tell"})
    again.desk.scanned(Scan("scanner", again.code(b"11"), clock.now(), clock.monotonic()))
    assert await again.reasons(2) == ["member", "member"]
    decided = await again.bodies("access.decided")
    assert [body["remarks"] for body in decided] == [[], ["other_credential"]]
    for one in (bench, again):
        await close(one)


async def test_a_reader_that_waits_still_waits_after_a_restart(bench: Bench) -> None:
    for _ in range(3):
        bench.desk.attempt(CardAttempt(uuid4(), "reader", "99" * 32))
    bench.clock.pass_by(20)
    again = await make_bench(bench.store, bench.spool, bench.clock)
    answer = again.desk.attempt(card())
    assert answer is not None
    assert (answer.verdict.reason, answer.verdict.detail) == (
        Reason.READER_LOCKED_OUT,
        "too many bad tries; waits 40 s more",
    )
    assert again.desk.waiting_readers() == {"reader": 40}
    bench.clock.pass_by(40)
    assert again.desk.waiting_readers() == {}
    await again.walk_in(card())
    await close(again)


async def test_a_member_whose_role_needs_both_shows_a_code_and_then_a_face(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    roles = {"member": {"code_and_face": True}, "cleaner": {}, "guest": {}}
    bench = await make_bench(store, spool, clock, roles=roles)
    asked: list[str | None] = []
    bench.desk.on_half = lambda deny: asked.append(deny.member)
    text = bench.code(b"11")
    scan = Scan("scanner", text, clock.now(), clock.monotonic())
    bench.desk.scanned(scan)
    assert asked == [MEMBER]
    assert bench.lock.released == 0
    bench.desk.scanned(scan)
    await bench.walk_in(FaceAttempt(uuid4(), "entrance", MEMBER, Reason.MEMBER, ""))
    assert await bench.reasons(3) == ["face_needed", "code_replayed", "member"], "a code is half a way in once"
    bench.desk.scanned(Scan("scanner", bench.code(b"22"), clock.now(), clock.monotonic()))
    assert bench.told[-1] is Reason.FACE_NEEDED, "the halves were used"
    await close(bench)


# --- readers and keypads ---


@pytest.mark.parametrize(
    ("presses", "numbers"),
    [
        ([("246810#", 0)], ["246810"]),
        ([("2", 0), ("4", 1), ("68", 2), ("10#", 3)], ["246810"]),
        ([("99*246810#", 0)], ["246810"]),
        ([("99", 0), ("246810#", KEY_S + 0.1)], ["246810"]),
        ([("24", 0), ("6810#", KEY_S)], ["246810"]),
        ([("1111#2222#", 0)], ["1111", "2222"]),
        ([("##*#", 0)], []),
        ([("1" * 40 + "#", 0)], ["1" * 13]),
        ([("12x³ 34#", 0)], ["1234"]),
    ],
)
def test_keys_become_numbers(presses: list[tuple[str, float]], numbers: list[str]) -> None:
    keypad = Keypad()
    assert [number for keys, at in presses for number in keypad.press(keys, at)] == numbers
    keypad.press("246810", 100)
    assert "246810" not in repr(keypad)


def keys(bench: Bench, text: str) -> None:
    bench.readers.keys(KeysPressed("reader", 0, text, bench.clock.now(), bench.clock.monotonic()))


async def test_a_card_a_number_and_a_guests_qr_open_and_the_reader_shows_it(bench: Bench) -> None:
    now, mono_s = bench.clock.now(), bench.clock.monotonic()
    bench.readers.card(CardRead("reader", 0, 26, CARD, now, mono_s))
    assert await bench.reasons(1) == ["member"]
    keys(bench, "246810#")
    assert await bench.reasons(2) == ["member", "staff"]
    assert bench.readers.scanned(Scan("scanner", "G1:13579135", now, mono_s))
    assert await bench.reasons(3) == ["member", "staff", "guest"]
    assert not bench.readers.scanned(Scan("scanner", "U1:ABC", now, mono_s))
    assert bench.lock.released == 3
    assert bench.reader.shown == [Indication.GRANTED, Indication.GRANTED]
    bench.clock.pass_by(SHOWN_S)
    await turns()
    assert bench.reader.shown[-1] is Indication.READY


async def test_a_wrong_number_is_denied_and_neither_told_nor_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    keys(bench, "97531#")
    keys(bench, "1#")
    bench.readers.card(CardRead("reader", 0, 26, b"\1\2\3\4", bench.clock.now(), bench.clock.monotonic()))
    assert await bench.reasons(3) == ["pin_unknown", "pin_unknown", "card_unknown"]
    assert "97531" not in caplog.text + str(await bench.bodies("access.decided"))
    await turns()
    assert Indication.DENIED in bench.reader.shown


async def test_a_reader_that_does_not_answer_keeps_nobody_outside(bench: Bench) -> None:
    bench.reader.silent = True
    keys(bench, "246810#")
    assert await bench.reasons(1) == ["staff"]
    assert bench.lock.released == 1


async def test_more_tries_at_once_than_hands_can_make_are_dropped(bench: Bench) -> None:
    for _ in range(WAITING_MAX + 3):
        keys(bench, "97531#")
    assert [source for source, _ in bench.rejected] == ["reader"] * 3
    await bench.reasons(WAITING_MAX)


async def test_a_reader_that_is_not_the_doors_opens_nothing(bench: Bench) -> None:
    bench.readers.card(CardRead("office", 0, 26, CARD, bench.clock.now(), 0.0))
    bench.readers.keys(KeysPressed("office", 0, "246810#", bench.clock.now(), 0.0))
    await turns()
    assert [source for source, _ in bench.rejected] == ["office", "office"]
    assert bench.told == []


# --- new rules ---


async def take(taker: RulesTaker, document: Rules) -> None:
    await taker.take(document.model_dump_json())


async def test_rules_come_into_force_whole_and_only_forwards(store: Store, spool: Spool, clock: FakeClock) -> None:
    await store.submit(rules_store.prepare)
    assert await store.submit(rules_store.load) == NO_RULES
    applied: list[HeldRules] = []
    taker = RulesTaker("demo-01", NO_RULES, spool=spool, clock=clock, floor_name="floor", on_rules=applied.append)
    good = rules(clock)
    await take(taker, good)
    await take(taker, good)  # the hub was not sure
    assert applied == [HeldRules.of(good)]
    for bad, says in (
        (good.model_copy(update={"version": 3}).model_dump_json(), "rules version 3, version 4 is held"),
        (good.model_copy(update={"station": "demo-02", "version": 9}).model_dump_json(), "rules of station demo-02"),
        (good.model_copy(update={"opening": "day", "version": 9}).model_dump_json(), "'day' is named and not given"),
        ('{"kind": "rules", "version": 9}', "no rules: station"),
        ("[]", "no rules"),
    ):
        with pytest.raises(DocumentRefused, match=says):
            await taker.take(bad)
    assert len(applied) == 1
    assert await store.submit(rules_store.load) == HeldRules.of(good)
    newer = good.model_copy(update={"version": 9, "pins": ()})
    await take(taker, newer)
    assert await store.submit(rules_store.load) == HeldRules.of(newer)
    told = [one.row.body for one in await spool.read(Stream.EVENTS, 0) if one.row.kind == "rules.applied"]
    assert told == [{"version": 4}, {"version": 9}]
    assert await store.submit(lambda db: kept_value(db, "floor")) == clock.now().isoformat()


async def test_rules_that_could_not_be_kept_are_not_in_force(store: Store, spool: Spool, clock: FakeClock) -> None:
    """No table, as on a disk that refuses: the last good rules stay."""
    applied: list[HeldRules] = []
    taker = RulesTaker("demo-01", NO_RULES, spool=spool, clock=clock, floor_name="floor", on_rules=applied.append)
    with pytest.raises(Exception, match="no such table"):
        await take(taker, rules(clock))
    assert applied == []


async def test_kept_rules_that_this_version_cannot_read_are_none(store: Store, clock: FakeClock) -> None:
    await store.submit(rules_store.prepare)
    await store.submit(lambda db: db.conn.execute("INSERT INTO rules VALUES (7, '{\"v\": 2}')"))
    assert await store.submit(rules_store.load) == NO_RULES

"""What the hub brings of knocks: judged once and now, answered with what the lock did; nothing else gets through."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import Bitmap, DeviceTimeout, LockStatus
from station_agent.access import ledger, memory_store
from station_agent.access.desk import Desk
from station_agent.access.door import ContactSeen, DoorSettings, ServiceSet
from station_agent.access.doorway import Doorway
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.alarms.board import AlarmBoard
from station_agent.link.knocks import PAYLOAD_MAX, UNDER_WAY_MAX, Knocks
from station_agent.signs.door_code import DoorCodeScreen
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import PhoneKey, RosterMember
from station_agent.wire.door_code import ACCEPTED_S, DoorCode, make_knock
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import Reason
from station_agent.wire.knocks import LIFETIME, KnockAnswer, Knocked
from station_agent.wire.signed import key_id, sign
from tests.harness.fake_clock import FakeClock

HERE = "demo-01"
MEMBER, OTHER = "00112233445566aa", "00112233445566bb"
PHONE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
OTHERS_PHONE = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
HUB = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


@dataclass
class Lock:
    name: str = "door_lock"
    released: int = 0
    silent: bool = False
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def release(self, hold_s: float) -> None:
        self.released += 1
        await self.answer.wait()
        if self.silent:
            raise DeviceTimeout(self.name, "no answer")

    async def secure(self) -> None: ...

    async def status(self) -> LockStatus:
        return LockStatus(released=False, contact_open=False)


@dataclass
class Panel:
    name: str = "code_panel"
    size: tuple[int, int] = (64, 64)

    async def show_pages(self, pages: Sequence[Bitmap]) -> None: ...

    async def show_text(self, text: str) -> None: ...

    async def shown(self) -> None:
        return None


@dataclass
class Door:
    """A station's desk with a door code on the panel; the hub's end of the link is `bring`."""

    knocks: Knocks
    desk: Desk
    doorway: Doorway
    lock: Lock
    policy: Policy
    spool: Spool
    store: Store
    clock: FakeClock
    answers: list[KnockAnswer]
    rejected: list[str]
    turns: list[int]
    number: int = 0

    def show(self) -> DoorCode:
        self.number += 1
        code = DoorCode(self.number.to_bytes(12), HERE)
        self.policy.door_codes.show(code.challenge, self.clock.monotonic())
        return code

    def knocked(self, raw: bytes, **changes: Any) -> Knocked:
        now = self.clock.now()
        fields = {"id": uuid4(), "station": HERE, "knock": raw.hex(), "issued_at": now, "expires_at": now + LIFETIME}
        return Knocked(**{**fields, **changes})

    def bring(self, raw: bytes, key: Ed25519PrivateKey = HUB, **changes: Any) -> UUID:
        """What the hub publishes; the knock's id."""
        knocked = self.knocked(raw, **changes)
        self.knocks.received(sign("knock", knocked.model_dump_json(), key))
        return knocked.id

    async def settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def decided(self) -> list[dict[str, Any]]:
        await self.store.submit(lambda db: None)
        rows = await self.spool.read(Stream.EVENTS, 0)
        return [one.row.body for one in rows if one.row.kind == "access.decided"]


@pytest.fixture
async def door(store: Store, spool: Spool, clock: FakeClock) -> AsyncIterator[Door]:
    await store.submit(ledger.prepare)
    await store.submit(memory_store.prepare)
    lock = Lock()
    lock.answer.set()
    settings = DoorSettings(hold_s=5, held_open_after_s=60)
    doorway = Doorway(lock, settings, clock=clock, spool=spool, alarms=await AlarmBoard.open(store, spool))
    doorway.feed(ContactSeen(False))
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60))
    answers: list[KnockAnswer] = []
    rejected: list[str] = []
    turns: list[int] = []

    def reject(source: str, reason: str) -> None:
        rejected.append(reason)

    desk = Desk(doorway, policy, clock=clock, spool=spool, tell=lambda reason: None, reject=reject)
    desk.roster = HeldRoster(1, clock.now(), {}, {m: row(m, key, clock) for m, key in KEYS.items()})
    screen = DoorCodeScreen(
        Panel(),
        HERE,
        "https://hub.example.org",
        policy.door_codes,
        pages_max=8,
        linked=lambda: True,
        clock=clock,
        random_bytes=random.Random(1).randbytes,
    )
    screen.turn = lambda: turns.append(1)  # type: ignore[method-assign]
    knocks = Knocks(
        HERE,
        {key_id(HUB.public_key()): HUB.public_key()},
        desk,
        screen,
        clock=clock,
        reply=lambda payload: answers.append(KnockAnswer.model_validate_json(payload)),
        reject=reject,
    )
    yield Door(knocks, desk, doorway, lock, policy, spool, store, clock, answers, rejected, turns)
    lock.answer.set()
    await doorway.close()
    await knocks.close()
    await desk.close()


KEYS = {MEMBER: PHONE, OTHER: OTHERS_PHONE}


def row(member: str, key: Ed25519PrivateKey, clock: FakeClock) -> RosterMember:
    public = codes.public_bytes(key)
    known = PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(key),
        public=public.hex(),
        not_after=clock.now() + timedelta(days=1),
    )
    return RosterMember(id=member, keys=(known,))


async def test_a_knock_opens_is_answered_with_the_station_s_sentence_and_told_as_an_event(door: Door) -> None:
    door.lock.answer.clear()
    id = door.bring(make_knock(PHONE, MEMBER, door.show()))
    await door.settled()
    assert (door.lock.released, door.answers) == (1, []), "the lock has not answered yet"
    assert door.turns == [1], "another door code is wished for at once"
    door.lock.answer.set()
    await door.settled()
    (answer,) = door.answers
    assert (answer.knock, answer.outcome, answer.reason, answer.zh) == (id, "granted", "member", "请进")
    (told,) = await door.decided()
    assert (told["attempt"], told["credential"], told["outcome"]) == (str(id), "door_code", "granted")
    assert (told["reader"], told["member"]) == ("code_panel", MEMBER)


async def test_a_denied_knock_is_answered_at_once_with_its_reason(door: Door) -> None:
    door.bring(make_knock(PHONE, "ff" * 8, door.show()))
    (answer,) = door.answers
    assert (answer.outcome, answer.reason) == ("denied", "member_unknown")
    assert answer.en == "Not a member that this station knows; ask the union"
    assert door.turns == []


async def test_a_lock_that_is_silent_is_what_the_phone_hears(door: Door) -> None:
    door.lock.silent = True
    door.bring(make_knock(PHONE, MEMBER, door.show()))
    await door.settled()
    assert [(one.outcome, one.reason) for one in door.answers] == [("denied", "lock_silent")]


async def test_the_same_message_again_is_not_even_answered(door: Door) -> None:
    payload = sign("knock", door.knocked(make_knock(PHONE, MEMBER, door.show())).model_dump_json(), HUB)
    for _ in range(3):
        door.knocks.received(payload)
    await door.settled()
    assert (door.lock.released, len(door.answers)) == (1, 1)
    assert door.rejected == ["replayed: it was judged before"] * 2


async def test_a_hub_that_was_taken_over_cannot_bring_a_knock_a_second_time(door: Door) -> None:
    """With its own key it signs what it likes; the station remembers its door codes, not the hub's ids."""
    raw = make_knock(PHONE, MEMBER, door.show())
    door.bring(raw)
    await door.settled()
    for age_s in (0, 10, 30, 60):
        door.clock.pass_by(age_s)
        door.bring(raw)
    await door.settled()
    assert door.lock.released == 1
    assert [one.reason for one in door.answers[1:]] == ["door_code_used"] * 3 + ["door_code_expired"]


async def test_a_hub_that_was_taken_over_cannot_make_one(door: Door) -> None:
    """It knows the challenge, once a phone has told it, every public key, and its own issuer key is not asked for."""
    code = door.show()
    genuine = bytearray(make_knock(PHONE, MEMBER, code))
    attacks = [
        make_knock(HUB, MEMBER, code),
        make_knock(THIEF, OTHER, code),
        make_knock(THIEF, MEMBER, code, codes.certify(HUB, 1, MEMBER, codes.public_bytes(THIEF), 40_000)),
        make_knock(PHONE, MEMBER, DoorCode(code.challenge, "demo-02")),  # signed before another door
        make_knock(PHONE, MEMBER, DoorCode(b"x" * 12, HERE)),  # a challenge that nobody showed
        bytes(genuine[:3]) + bytes.fromhex(OTHER) + bytes(genuine[11:]),
        bytes(genuine[:11]) + door.show().challenge + bytes(genuine[23:]),
        bytes(genuine[:-1]) + bytes([genuine[-1] ^ 1]),
    ]
    for raw in attacks:
        door.bring(raw)
    await door.settled()
    assert door.lock.released == 0
    assert {one.outcome for one in door.answers} == {"denied"}
    assert len(door.answers) == len(attacks)
    door.bring(bytes(genuine))
    await door.settled()
    assert door.lock.released == 1, "and the genuine one still opens"


async def test_no_changed_byte_of_a_knock_opens(door: Door) -> None:
    raw = make_knock(PHONE, MEMBER, door.show())
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 0x01
        door.bring(bytes(changed))
    await door.settled()
    assert door.lock.released == 0


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda door, raw: sign("knock", door.knocked(raw).model_dump_json(), THIEF), "forged: signed by the unknown"),
        (lambda door, raw: sign("command", door.knocked(raw).model_dump_json(), HUB), "forged: the signature"),
        (lambda door, raw: door.knocked(raw).model_dump_json().encode(), "forged: not a signed message"),
        (lambda door, raw: sign("knock", door.knocked(raw, station="demo-02").model_dump_json(), HUB), "foreign"),
        (lambda door, raw: sign("knock", "{}", HUB), "of no form that is known"),
        (lambda door, raw: b"x" * (PAYLOAD_MAX + 1), "of more than"),
        (lambda door, raw: late(door, raw, seconds=5), "late: "),
        (lambda door, raw: late(door, raw, seconds=3600), "late: "),
        (lambda door, raw: late(door, raw, seconds=-60), "from the future"),
        (lambda door, raw: late(door, raw, seconds=0, lives=timedelta(seconds=60)), "a knock may live 5 s at most"),
    ],
)
async def test_what_is_not_from_the_hub_for_here_and_now_is_counted_and_not_answered(
    door: Door, made: Callable[[Door, bytes], bytes], reason: str
) -> None:
    door.knocks.received(made(door, make_knock(PHONE, MEMBER, door.show())))
    await door.settled()
    assert (door.lock.released, door.answers) == (0, [])
    (rejected,) = door.rejected
    assert rejected.startswith(reason)


def late(door: Door, raw: bytes, *, seconds: float, lives: timedelta = LIFETIME) -> bytes:
    issued = door.clock.now() - timedelta(seconds=seconds)
    return sign("knock", door.knocked(raw, issued_at=issued, expires_at=issued + lives).model_dump_json(), HUB)


async def test_a_photo_of_the_door_code_is_worth_nothing_after_45_seconds(door: Door) -> None:
    code = door.show()
    door.clock.pass_by(ACCEPTED_S + 0.5)
    door.bring(make_knock(PHONE, MEMBER, code))
    assert [one.reason for one in door.answers] == ["door_code_expired"]


@pytest.mark.parametrize("hours", [-48, -1, 1, 48])
async def test_setting_the_station_s_clock_makes_no_old_door_code_good(door: Door, hours: int) -> None:
    code = door.show()
    door.clock.pass_by(ACCEPTED_S + 0.5)
    door.clock.set(door.clock.now() + timedelta(hours=hours))
    door.bring(make_knock(PHONE, MEMBER, code))
    await door.settled()
    assert door.lock.released == 0


async def test_two_phones_with_one_door_code_the_first_enters_and_the_second_scans_the_next(door: Door) -> None:
    code = door.show()
    door.bring(make_knock(PHONE, MEMBER, code))
    door.bring(make_knock(OTHERS_PHONE, OTHER, code))
    await door.settled()
    assert sorted(one.reason for one in door.answers) == ["door_code_used", "member"]
    door.bring(make_knock(OTHERS_PHONE, OTHER, door.show()))
    await door.settled()
    assert door.lock.released >= 1
    assert door.answers[-1].reason == "member"


async def test_a_flood_neither_opens_nor_fills_the_log_and_the_member_still_enters(door: Door) -> None:
    code = door.show()
    for _ in range(500):
        door.bring(make_knock(THIEF, MEMBER, code))
    await door.settled()
    assert len(await door.decided()) == 60
    assert door.answers[-1].reason == Reason.READER_LOCKED_OUT
    door.bring(make_knock(PHONE, MEMBER, code))
    await door.settled()
    assert (door.lock.released, door.answers[-1].reason) == (1, "member")


async def test_no_more_than_some_grants_wait_for_a_lock_that_does_not_answer(door: Door) -> None:
    door.lock.answer.clear()
    for _ in range(UNDER_WAY_MAX):
        door.bring(make_knock(PHONE, MEMBER, door.show()))
    assert door.rejected == []
    door.bring(make_knock(PHONE, MEMBER, door.show()))
    assert door.rejected == [f"one of more than {UNDER_WAY_MAX} at once"]


async def test_a_door_out_of_service_says_so(door: Door) -> None:
    door.doorway.feed(ServiceSet(True))
    door.bring(make_knock(PHONE, MEMBER, door.show()))
    assert [one.reason for one in door.answers] == ["door_out_of_service"]


async def test_during_a_shutdown_nothing_is_taken(door: Door, tmp_path: Path) -> None:
    door.desk.taking = False
    door.bring(make_knock(PHONE, MEMBER, door.show()))
    await door.settled()
    assert (door.lock.released, door.answers) == (0, [])

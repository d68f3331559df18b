"""Rules of stations: the document that is made, who is refused what, and that no secret is kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from cloud_hub.commands.service import CONFIRM_WITHIN, CommandService
from cloud_hub.documents import PUSH_AGAIN_S
from cloud_hub.keys import Keys
from cloud_hub.live.feed import Feed
from cloud_hub.members.models import Occupation
from cloud_hub.problems import Problem
from cloud_hub.rules import compose, history
from cloud_hub.rules.models import (
    AccessKind,
    Body,
    CodeUntil,
    ColdChange,
    LockdownChange,
    NewCard,
    NewGuestCode,
    NewPin,
    RawCard,
    RulesChange,
    RulesParts,
)
from cloud_hub.rules.questions import CopyPart, RulesCopy, RulesQuestion, WeekQuestion
from cloud_hub.rules.service import GUEST_CODES_A_MINUTE, PHONE_KEPT, RulesService
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import access_codes, audit, events, station_rules, stations
from station_agent.wire.commands import Command, DoorOpen
from station_agent.wire.envelope import StationState
from station_agent.wire.kinds import CommandStatus
from station_agent.wire.rules import RemoteOpen, Rules, SecondPerson, card_hash, typed_hash
from station_agent.wire.signed import Signed
from station_agent.wire.topics import Down

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
S, OTHER = "demo-01", "demo-02"
GUEST = NewGuestCode(phone="13800001234", occupation=Occupation.COURIER, reason="送件")


class StandingClock:
    def __init__(self) -> None:
        self.at, self.s = NOW, 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.s


class Sent:
    """What went to stations."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[Down, str]] = asyncio.Queue()

    async def send(self, station: str, leaf: Down, payload: bytes) -> bool:
        self.queue.put_nowait((leaf, Signed.model_validate_json(payload).body))
        return True

    async def next(self) -> str:
        async with asyncio.timeout(5):
            return (await self.queue.get())[1]


class Bench:
    def __init__(self, database: Database) -> None:
        self.database, self.clock, self.sent = database, StandingClock(), Sent()
        self.told: StationState | None = None
        self.keys = Keys.generated()
        self.rules = RulesService(database, self.clock, self.keys, self.sent, lambda _: True, lambda _: self.told)
        self.commands = CommandService(database, self.clock, self.keys.hub, self.sent, Feed())

    async def document(self) -> Rules:
        text = await self.database.read(lambda c: c.scalar(sa.select(station_rules.c.document)))
        return Rules.model_validate_json(text or "")

    async def audited(self) -> list[tuple[str, str, dict[str, object]]]:
        rows = await self.database.read(lambda c: c.execute(audit.select().order_by(audit.c.id)).all())
        return [(row.actor, row.action, row.detail) for row in rows]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Database.open(tmp_path / "hub.sqlite") as database:
        shared = {"profile": {"station": {"time_zone": "Asia/Shanghai"}}, "broker_secret": "", "created_at": NOW}
        rows = [{"id": name, **shared} for name in (S, OTHER)]
        await database.write(lambda c: c.execute(stations.insert(), rows))
        yield Bench(database)


def parts(**given: object) -> RulesParts:
    return RulesParts.model_validate(given)


async def refused(call: object) -> Problem:
    with pytest.raises(Problem) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_every_change_is_the_next_version_with_who_and_why(bench: Bench) -> None:
    change = RulesChange(expected_version=0, parts=parts(capacity={"people_max": 12}), reason="小站")
    assert (await bench.rules.put(S, change, "zheng")).version == 1
    shown = await bench.rules.cold(S, ColdChange(until=NOW + HOUR, reason="零下三十度"), "liu")
    assert (shown.version, shown.changed_by, shown.reason) == (2, "liu", "零下三十度")
    document = await bench.document()
    assert document.capacity is not None
    assert document.capacity.people_max == 12
    assert document.cold is not None
    assert (document.cold.until, document.cold.ordered_by) == (NOW + HOUR, "liu")
    assert [(actor, action) for actor, action, _ in await bench.audited()] == [
        ("zheng", "rules.put"),
        ("liu", "rules.cold"),
    ]
    assert (await bench.audited())[1][2]["reason"] == "零下三十度"


async def test_a_change_over_somebody_elses_is_refused_and_changes_nothing(bench: Bench) -> None:
    await bench.rules.put(S, RulesChange(expected_version=0, parts=parts(), reason="first"), "zheng")
    late = RulesChange(expected_version=0, parts=parts(capacity={"people_max": 1}), reason="late")
    problem = await refused(bench.rules.put(S, late, "liu"))
    assert (problem.status, problem.kind) == (409, "rules-changed")
    assert "zheng" in problem.detail
    assert (await bench.document()).capacity is None
    assert len(await bench.audited()) == 1


async def test_rules_that_do_not_hold_together_are_refused_by_name(bench: Bench) -> None:
    change = RulesChange(expected_version=0, parts=parts(opening="day"), reason="oops")
    problem = await refused(bench.rules.put(S, change, "zheng"))
    assert (problem.status, "'day'" in problem.detail) == (422, True)
    assert (await refused(bench.rules.of("nowhere"))).status == 404


async def test_a_guest_code_is_kept_as_its_hash_only_and_the_phone_number_stays_here(bench: Bench) -> None:
    given = await bench.rules.guest(S, GUEST, "liu")
    assert given.digits is not None
    assert len(given.digits) == 8
    assert given.qr == f"G1:{given.digits}"
    document = await bench.document()
    (guest,) = document.guests
    assert document.hashing is not None
    assert guest.hash == typed_hash(given.digits, document.hashing)
    assert (guest.uses, guest.occupation, guest.not_after) == (1, "courier", NOW + 24 * HOUR)
    assert GUEST.phone not in document.model_dump_json()
    everything = await bench.database.read(
        lambda c: [str(c.execute(table.select()).all()) for table in (access_codes, audit, station_rules)]
    )
    assert not any(given.digits in text for text in everything)
    assert not any(GUEST.phone in text for text in everything[1:])
    (shown,) = await bench.rules.codes(S)
    assert (shown.kind, shown.phone) == (AccessKind.GUEST, GUEST.phone)


async def test_guest_codes_are_limited_by_user_and_by_phone(bench: Bench) -> None:
    for number in range(5):
        await bench.rules.guest(S, GUEST, "liu" if number else "zheng")
    assert (await refused(bench.rules.guest(S, GUEST, "sun"))).kind == "too-many-codes"
    for number in range(GUEST_CODES_A_MINUTE - 4):
        await bench.rules.guest(S, GUEST.model_copy(update={"phone": f"1390000000{number}"}), "liu")
    problem = await refused(bench.rules.guest(S, GUEST.model_copy(update={"phone": "13900009999"}), "liu"))
    assert (problem.status, (problem.headers or {})["Retry-After"]) == (429, "61")


async def test_what_is_over_or_revoked_leaves_the_document(bench: Bench) -> None:
    await bench.rules.guest(S, GUEST, "liu")
    pin = await bench.rules.pin(S, NewPin(name="李师傅", reason="保洁"), "zheng")
    assert pin.digits is not None
    assert len(pin.digits) == 6
    await bench.rules.cold(S, ColdChange(until=NOW + HOUR, reason="降温"), "liu")
    bench.clock.at = NOW + 25 * HOUR
    await bench.rules.revoke(S, pin.code.id, "离职", "liu")
    document = await bench.document()
    assert (document.guests, document.pins, document.cold) == ((), (), None)
    assert await bench.rules.codes(S) == []
    assert (await refused(bench.rules.revoke(S, pin.code.id, "again", "liu"))).status == 404


async def test_one_person_is_one_pseudonym_and_two_never_share_a_number(bench: Bench) -> None:
    mine = NewPin(name="李师傅", digits=SecretStr("730914"), reason="保洁")
    pin = await bench.rules.pin(S, mine, "zheng")
    problem = await refused(bench.rules.pin(S, mine.model_copy(update={"name": "王师傅"}), "zheng"))
    assert (problem.status, problem.kind) == (409, "pin-taken")
    card = NewCard(name="李师傅", raw=RawCard(bits=26, number="0x2345678"), reason="保洁卡")
    given = await bench.rules.card(S, card, "zheng")
    assert given.code.person == pin.code.person
    document = await bench.document()
    assert document.hashing is not None
    assert document.cards[0].hash == card_hash(26, (0x2345678 << 6).to_bytes(4), document.hashing)
    assert (await refused(bench.rules.card(S, card, "zheng"))).kind == "card-taken"
    assert (
        await refused(bench.rules.pin(S, NewPin(name="x", digits=SecretStr("123456"), reason="no"), "z"))
    ).status == 422


async def test_a_card_is_registered_by_having_it_read(bench: Bench) -> None:
    new = NewCard(name="李师傅", reason="保洁卡")
    assert (await refused(bench.rules.card(S, new, "zheng"))).kind == "no-card-read"

    async def read(seq: int, hash_: str, ago_s: float) -> None:
        at = bench.clock.now() - timedelta(seconds=ago_s)
        body = {"reason": "card_unknown", "card": hash_}
        row = {"station": S, "spool": "x", "seq": seq, "at": at, "reported_at": at, "received_at": at}
        await bench.database.write(lambda c: c.execute(events.insert().values(**row, kind="access.decided", body=body)))

    await read(1, "aa" * 32, 300)
    await read(2, "bb" * 32, 5)
    await read(3, "bb" * 32, 3)
    await bench.rules.card(S, new, "zheng")
    assert (await bench.document()).cards[0].hash == "bb" * 32
    await read(4, "cc" * 32, 1)
    assert (await refused(bench.rules.card(S, new, "zheng"))).kind == "several-cards"


async def test_phone_numbers_are_forgotten_and_old_versions_pushed_again(bench: Bench) -> None:
    running = asyncio.create_task(bench.rules.run())
    try:
        await bench.rules.guest(S, GUEST, "liu")
        first = await bench.sent.next()
        assert Rules.model_validate_json(first) == await bench.document()
        bench.rules.reported(S, 1)
        bench.clock.s += PUSH_AGAIN_S + 1
        bench.rules.reported(S, 0)
        assert await bench.sent.next() == first
        assert bench.sent.queue.empty(), "what a station runs already was pushed"
        bench.clock.at = NOW + 24 * HOUR + PHONE_KEPT + HOUR
        bench.clock.s += 3600
        await bench.rules.cold(S, ColdChange(until=None, reason="off"), "liu")
        await bench.sent.next()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await bench.database.write(bench.rules._forget_phones)
    assert await bench.database.read(lambda c: c.execute(sa.select(access_codes.c.phone)).all()) == [(None,)]


async def test_a_restored_hub_goes_on_above_what_the_station_has(bench: Bench) -> None:
    bench.told = StationState(station=S, at=NOW, boot="b", mono_ms=0, rules_version=41)
    shown = await bench.rules.lockdown(S, LockdownChange(on=True, exempt=("staff",), reason="检修"), "liu")
    assert (shown.version, shown.running) == (42, 41)
    document = await bench.document()
    assert document.lockdown is not None
    assert document.lockdown.exempt == ("staff",)
    bad = LockdownChange(on=True, exempt=("nobody",), reason="检修")
    assert (await refused(bench.rules.lockdown(S, bad, "liu"))).status == 422


async def test_a_remote_opening_waits_for_somebody_else_where_the_rules_say_so(bench: Bench) -> None:
    remote = {"remote": {"second_person": "always"}}
    await bench.rules.put(S, RulesChange(expected_version=0, parts=parts(**remote), reason="夜间"), "zheng")
    courier = asyncio.create_task(bench.commands.run())
    try:
        asked = await bench.commands.send(S, DoorOpen(), "liu", "没带手机")
        assert asked.confirm_until == NOW + CONFIRM_WITHIN
        assert (await refused(bench.commands.confirm(asked.id, "liu"))).kind == "same-person"
        assert bench.sent.queue.empty(), "an opening went out unconfirmed"
        bench.clock.at += timedelta(seconds=30)
        confirmed = await bench.commands.confirm(asked.id, "zheng")
        assert confirmed.confirmer == "zheng"
        command = Command.model_validate_json(await bench.sent.next())
        assert (command.actor, command.confirmer, command.issued_at) == ("liu", "zheng", bench.clock.at)
        assert (await refused(bench.commands.confirm(asked.id, "sun"))).kind == "confirmed-already"
        late = await bench.commands.send(S, DoorOpen(), "liu", "没带手机")
        bench.clock.at += CONFIRM_WITHIN
        assert (await refused(bench.commands.confirm(late.id, "zheng"))).kind == "confirmed-too-late"
        assert (await refused(bench.commands.confirm(UUID(int=0), "zheng"))).status == 404
    finally:
        courier.cancel()
        await asyncio.gather(courier, return_exceptions=True)


async def test_a_hub_that_starts_again_sends_nothing_that_nobody_confirmed(bench: Bench) -> None:
    remote = {"remote": {"second_person": "always"}}
    await bench.rules.put(S, RulesChange(expected_version=0, parts=parts(**remote), reason="夜间"), "zheng")
    asked = await bench.commands.send(S, DoorOpen(), "liu", "没带手机")
    again = CommandService(bench.database, bench.clock, bench.keys.hub, bench.sent, Feed())
    bench.clock.at += CONFIRM_WITHIN
    courier = asyncio.create_task(again.run())
    try:
        async with asyncio.timeout(5):
            settled = await again.get(asked.id)
            while settled.status is not CommandStatus.EXPIRED:
                settled = await again.get(asked.id)
    finally:
        courier.cancel()
        await asyncio.gather(courier, return_exceptions=True)
    assert "second person" in settled.detail
    assert bench.sent.queue.empty()


def test_a_second_person_is_asked_for_when_the_rule_says() -> None:
    always = Body(parts=RulesParts(remote=RemoteOpen(second_person=SecondPerson.ALWAYS)))
    in_lockdown = Body(parts=RulesParts(remote=RemoteOpen(second_person=SecondPerson.LOCKDOWN)))
    lockdown = {"until": NOW + HOUR, "ordered_by": "liu"}
    down = Body.model_validate({**in_lockdown.model_dump(), "lockdown": lockdown})
    answers = [compose.second_person_needed(body, NOW) for body in (Body(), always, in_lockdown, down)]
    assert answers == [False, True, False, True]
    assert not compose.second_person_needed(down, NOW + HOUR)


@pytest.mark.parametrize("digits", ["111111", "123456", "987654", "7309a4", "73091", "7309147309147"])
def test_numbers_that_are_guessed_first_are_no_pins(digits: str) -> None:
    with pytest.raises(compose.BadSecret):
        compose.good_pin(digits)


def test_a_raw_card_has_its_bits_from_the_top() -> None:
    assert compose.raw_bits(RawCard(bits=26, number="1")) == bytes([0, 0, 0, 0x40])
    assert compose.raw_bits(RawCard(bits=32, number="0xDEADBEEF")).hex() == "deadbeef"
    with pytest.raises(compose.BadSecret, match="26 bits"):
        compose.raw_bits(RawCard(bits=26, number=str(2**26)))


async def test_earlier_versions_say_what_was_set_and_codes_make_none(bench: Bench) -> None:
    for people in (12, 9):
        change = RulesChange(
            expected_version=people == 9, parts=parts(capacity={"people_max": people}), reason=f"最多{people}人"
        )
        await bench.rules.put(S, change, "zheng")
    await bench.rules.guest(S, GUEST, "liu")
    await bench.rules.cold(S, ColdChange(until=NOW + HOUR, reason="寒潮"), "liu")
    told = await bench.rules.looking.versions(S)
    assert [(one.version, one.changed_by, one.action, one.reason) for one in told] == [
        (4, "liu", "rules.cold", "寒潮"),
        (2, "zheng", "rules.put", "最多9人"),
        (1, "zheng", "rules.put", "最多12人"),
    ]
    old = await bench.rules.looking.version(S, 1)
    assert old.parts == parts(capacity={"people_max": 12})
    assert (await refused(bench.rules.looking.version(S, 3))).kind == "no-such-version"


async def test_the_history_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_MAX", 3)
    for version in range(5):
        change = RulesChange(expected_version=version, parts=parts(capacity={"people_max": version + 1}), reason="ok")
        await bench.rules.put(S, change, "zheng")
    assert [one.version for one in await bench.rules.looking.versions(S)] == [5, 4, 3]


async def test_a_draft_is_asked_without_changing_anything(bench: Bench) -> None:
    draft = parts(schedules={"never": {}}, opening="never")
    question = RulesQuestion(parts=draft, role="member", at=datetime.fromisoformat("2026-12-01T10:00"))
    assert not any(way.allowed for way in (await bench.rules.looking.answer(S, question)).ways)
    now = await bench.rules.looking.answer(S, question.model_copy(update={"parts": None}))
    assert all(way.allowed for way in now.ways)
    week = await bench.rules.looking.week(S, WeekQuestion(parts=draft, first=NOW.date()))
    assert [role.role for role in week.roles] == ["guest", "member", "staff"]
    assert week.opening == [[]] * 7
    assert (await bench.rules.of(S)).version == 0
    wrong = RulesQuestion(parts=parts(opening="day"), role="member", at=datetime.fromisoformat("2026-12-01T10:00"))
    assert "'day'" in (await refused(bench.rules.looking.answer(S, wrong))).detail


async def test_rules_are_copied_to_each_station_by_itself(bench: Bench) -> None:
    wanted = parts(capacity={"people_max": 12}, roles={"police": {}})
    await bench.rules.put(S, RulesChange(expected_version=0, parts=wanted, reason="first"), "zheng")
    copy = RulesCopy(expected_version=1, to=(OTHER, "nowhere", S), what=tuple(CopyPart), reason="全市一致")
    done, missing = await bench.rules.copy(S, copy, "zheng")
    assert (done.station, done.version, done.changed) == (OTHER, 1, True)
    assert (missing.station, missing.version) == ("nowhere", None)
    assert "nowhere" in (missing.problem or "")
    assert (await bench.rules.of(OTHER)).parts == wanted
    (again, _) = await bench.rules.copy(S, copy, "zheng")
    assert (again.changed, again.problem, (await bench.rules.of(OTHER)).version) == (False, None, 1)
    assert (await bench.audited())[-1][2]["from"] == S
    late = await refused(bench.rules.copy(S, copy.model_copy(update={"expected_version": 7}), "zheng"))
    assert late.status == 409
    assert [(one.station, one.version, one.running) for one in await bench.rules.progress()] == [
        (S, 1, None),
        (OTHER, 1, None),
    ]


async def test_the_end_of_a_pin_moves_and_that_of_a_guests_code_does_not(bench: Bench) -> None:
    pin = await bench.rules.pin(S, NewPin(name="李师傅", not_after=NOW + HOUR, reason="保洁"), "zheng")
    moved = await bench.rules.until(S, pin.code.id, CodeUntil(not_after=NOW + 3 * HOUR, reason="延期"), "zheng")
    assert moved.not_after == NOW + 3 * HOUR
    assert (await bench.document()).pins[0].not_after == NOW + 3 * HOUR
    past = CodeUntil(not_after=NOW - HOUR, reason="过去")
    assert (await refused(bench.rules.until(S, pin.code.id, past, "zheng"))).kind == "in-the-past"
    guest = await bench.rules.guest(S, GUEST, "liu")
    later = CodeUntil(not_after=NOW + 90 * HOUR, reason="延期")
    assert (await refused(bench.rules.until(S, guest.code.id, later, "zheng"))).kind == "guest-code"
    assert (await refused(bench.rules.until(OTHER, pin.code.id, later, "zheng"))).kind == "no-such-code"

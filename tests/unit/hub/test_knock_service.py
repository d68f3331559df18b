"""The hub hands a knock on once, keeps none, and lets nobody knock for somebody else or too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_hub.counters import Counters
from cloud_hub.knocks.models import KnockOutcome, NewKnock
from cloud_hub.knocks.service import KNOCKS_AT_A_STATION, KNOCKS_OF_A_MEMBER, KnockService
from cloud_hub.problems import Problem
from cloud_hub.stations.board import Board
from station_agent.wire.door_code import DoorCode, make_knock
from station_agent.wire.envelope import StationState
from station_agent.wire.kinds import Outcome
from station_agent.wire.knocks import LIFETIME, KnockAnswer, Knocked
from station_agent.wire.profile import StationProfile
from station_agent.wire.signed import key_id, open_signed
from station_agent.wire.topics import Down

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
HUB = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
PHONE = ec.derive_private_key(0xB0B, ec.SECP256R1())
MEMBER = "00112233445566aa"
CODE = DoorCode(b"challenge-12", "demo-01")


def profile(station: str, **more: Any) -> StationProfile:
    return StationProfile.model_validate(
        {
            "station": {"id": station, "name": f"站 {station}", "place": {"latitude": 43.9, "longitude": 125.3}},
            "lines": {"bus": {"url": "/dev/null"}},
            "devices": {"relays": {"driver": "modbus_relays", "line": "bus"}},
            "door": {"lock": "relays"},
            **more,
        }
    )


class Clock:
    mono_s = 100.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.mono_s


class Nats:
    """The broker's end: `on_sent` is what the station does with what it hears."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Down, Knocked]] = []
        self.up = True
        self.on_sent: Callable[[Knocked], None] = lambda knocked: None

    async def send(self, station: str, leaf: Down, payload: bytes) -> bool:
        if not self.up:
            return False
        body = open_signed("knock", payload, {key_id(HUB.public_key()): HUB.public_key()})
        knocked = Knocked.model_validate_json(body)
        self.sent.append((station, leaf, knocked))
        self.on_sent(knocked)
        return True


class Hub:
    def __init__(self, answer_within_s: float = 5.0) -> None:
        self.clock, self.nats, self.board, self.counters = Clock(), Nats(), Board(), Counters()
        for name, more in (("demo-01", {"door_code": {"sign": "panel"}}), ("demo-02", {})):
            self.board.put(profile(name, **more), None, None)
        self.online("demo-01")
        self.service = KnockService(
            self.clock,
            SimpleNamespace(hub=HUB),  # type: ignore[arg-type]
            self.nats,  # type: ignore[arg-type]
            self.board,
            self.counters,
            answer_within_s=answer_within_s,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self.nats.on_sent = lambda knocked: self.answer(knocked)

    def online(self, station: str) -> None:
        self.board.heard(StationState(station=station, at=NOW, boot="boot-1", mono_ms=1, door="secured"), NOW)

    def answer(self, knocked: Knocked, station: str = "demo-01", **changes: Any) -> None:
        """The station says what it decided."""
        said = {"knock": knocked.id, "outcome": Outcome.GRANTED, "reason": "member", "zh": "请进", "en": "Come in"}
        self.hear(station, KnockAnswer(**{**said, **changes}).model_dump_json().encode())

    def hear(self, station: str, payload: bytes) -> None:
        message = SimpleNamespace(subject=f"yizhan.v1.{station}.up.answer", data=payload)
        task = asyncio.get_running_loop().create_task(self.service._answered(message))  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def knock(self, member: str = MEMBER, code: DoorCode = CODE, raw: bytes | None = None) -> KnockOutcome:
        made = raw if raw is not None else make_knock(PHONE, member, code)
        return await self.service.knock(member, NewKnock(door_code=code.text(), knock=made.hex()))


@pytest.fixture
def hub() -> Hub:
    return Hub()


async def test_a_knock_goes_to_its_station_once_signed_and_short_lived_and_the_answer_comes_back(hub: Hub) -> None:
    outcome = await hub.knock()
    assert (outcome.outcome, outcome.reason, outcome.zh, outcome.en) == ("granted", "member", "请进", "Come in")
    assert (outcome.station, outcome.station_name) == ("demo-01", "站 demo-01")
    ((station, leaf, knocked),) = hub.nats.sent
    assert (station, leaf, knocked.station) == ("demo-01", Down.KNOCK, "demo-01")
    assert knocked.expires_at - knocked.issued_at == LIFETIME == timedelta(seconds=5)
    assert hub.counters.value("knocks", outcome="granted") == 1


async def refused(hub: Hub, status: int, kind: str, **how: Any) -> None:
    with pytest.raises(Problem) as problem:
        await hub.knock(**how)
    assert (problem.value.status, problem.value.kind) == (status, kind)


async def test_nobody_answers_and_the_knock_is_over() -> None:
    hub = Hub(answer_within_s=0.0)
    hub.nats.on_sent = lambda knocked: None
    await refused(hub, 504, "no-answer")
    hub.answer(hub.nats.sent[0][2])  # it comes late, and finds nobody
    await asyncio.sleep(0)
    assert hub.counters.value("ingest_rejected", station="demo-01", reason="late_answer") == 1
    assert len(hub.nats.sent) == 1, "it is not sent again"


async def test_nobody_knocks_in_another_member_s_name(hub: Hub) -> None:
    await refused(hub, 403, "other-member", raw=make_knock(PHONE, "ff" * 8, CODE))
    assert hub.nats.sent == []


@pytest.mark.parametrize(
    "raw",
    [
        b"\1",
        b"\1" * 86,
        b"\2" * 87,
        b"\1\3" * 43 + b"\1",
        make_knock(PHONE, MEMBER, DoorCode(b"x" * 12, "demo-01")),
    ],
    ids=["one byte", "a byte short", "another version", "another algorithm", "another door code"],
)
async def test_what_is_no_answer_to_this_door_code_reaches_no_station(hub: Hub, raw: bytes) -> None:
    await refused(hub, 422, "not-a-knock", raw=raw)
    assert hub.nats.sent == []


async def test_a_code_that_cannot_be_read_is_refused(hub: Hub) -> None:
    knock = make_knock(PHONE, MEMBER, CODE).hex()
    with pytest.raises(Problem) as problem:
        await hub.service.knock(MEMBER, NewKnock(door_code="AAAA", knock=knock))
    assert problem.value.status == 422
    for fields in ({"door_code": "A" * 61, "knock": knock}, {"door_code": CODE.text(), "knock": "ab" * 188}):
        with pytest.raises(ValueError, match="at most"):
            NewKnock(**fields)


async def test_a_station_without_a_door_code_unknown_or_offline_says_what_to_do(hub: Hub) -> None:
    await refused(hub, 404, "no-such-station", code=DoorCode(b"challenge-12", "demo-99"))
    await refused(hub, 409, "no-door-code", code=DoorCode(b"challenge-12", "demo-02"))
    hub.board.heard(StationState(station="demo-01", at=NOW, boot="boot-1", mono_ms=0, online=False), NOW)
    with pytest.raises(Problem, match="show your own code") as problem:
        await hub.knock()
    assert (problem.value.status, problem.value.kind) == (503, "station-offline")
    assert not hub.service.door("demo-01").online
    hub.online("demo-01")
    hub.nats.up = False
    await refused(hub, 503, "station-offline")
    assert hub.nats.sent == []


async def test_a_member_who_knocks_without_end_waits_and_others_do_not(hub: Hub) -> None:
    for _ in range(KNOCKS_OF_A_MEMBER):
        await hub.knock()
    with pytest.raises(Problem, match="wait 61 s") as problem:
        await hub.knock()
    assert (problem.value.status, dict(problem.value.headers or {})) == (429, {"Retry-After": "61"})
    await hub.knock(member="ff" * 8)
    hub.clock.mono_s += 60
    await hub.knock()


async def test_a_station_hears_so_many_knocks_a_minute_whoever_sends_them(hub: Hub) -> None:
    for number in range(KNOCKS_AT_A_STATION):
        await hub.knock(member=number.to_bytes(8).hex())
    await refused(hub, 429, "too-many-knocks", member="ff" * 8)
    assert len(hub.nats.sent) == KNOCKS_AT_A_STATION


async def test_only_the_station_that_was_asked_can_answer() -> None:
    hub = Hub(answer_within_s=0.05)

    def others(knocked: Knocked) -> None:
        hub.answer(knocked, station="demo-02")
        hub.answer(knocked.model_copy(update={"id": uuid4()}))
        hub.hear("demo-01", b"{}")
        hub.hear("demo-01", b"x" * 5000)

    hub.nats.on_sent = others
    await refused(hub, 504, "no-answer")
    for station, reason in (
        ("demo-02", "other_stations_answer"),
        ("demo-01", "late_answer"),
        ("demo-01", "not_an_answer"),
        ("demo-01", "answer_too_large"),
    ):
        assert hub.counters.value("ingest_rejected", station=station, reason=reason) == 1


async def test_a_door_is_named_before_anybody_asks_it_to_open(hub: Hub) -> None:
    door = hub.service.door("demo-01")
    assert (door.station_name, door.online, door.shows_door_code) == ("站 demo-01", True, True)
    other = hub.service.door("demo-02")
    assert (other.online, other.shows_door_code) == (False, False)
    with pytest.raises(Problem, match="no station"):
        hub.service.door("demo-99")

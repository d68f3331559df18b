"""What stands around the door machine: the profile's inputs, the self-test, out of service; and what `check` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from firmware_bridge.capabilities import Health, HealthChanged, InputChanged, LockStatus
from station_agent.access import ledger
from station_agent.access.door_model import (
    ContactSeen,
    DoorSettings,
    Egress,
    EgressSeen,
    FireSeen,
    Pass,
    Resistance,
    ResistanceSeen,
    Tick,
)
from station_agent.access.doorkeeper import Doorkeeper, door_settings, load_out_of_service, load_proven
from station_agent.access.doorway import Doorway
from station_agent.access.inputs import DoorInputs, Presses
from station_agent.access.openable import Ways
from station_agent.access.proven import Proof
from station_agent.access.selftest import QUIET_S, UNUSABLE_AFTER_S
from station_agent.alarms.board import AlarmBoard
from station_agent.settings import NO_EGRESS_WARNING, profiles_dir_of, read_profile
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import Credential, DoorState
from station_agent.wire.profile import DoorRow, StationProfile
from tests.harness.fake_clock import FakeClock

SETTLE_S = 0.3
DEMO = Path(__file__).resolve().parents[3] / "config" / "stations" / "demo-01.toml"


def demo() -> StationProfile:
    found = read_profile(DEMO, profiles_dir_of(DEMO), {}, {}).profile
    assert found is not None
    return found


AT_REST = LockStatus(released=False, contact_open=False)


@dataclass
class CalmLock:
    name: str = "door_lock"
    asked: list[str] = field(default_factory=list)
    told: LockStatus = AT_REST

    async def release(self, hold_s: float) -> None:
        self.asked.append(f"release {hold_s:g}")

    async def secure(self) -> None:
        self.asked.append("secure")

    async def status(self) -> LockStatus:
        return self.told


@dataclass
class Bench:
    keeper: Doorkeeper
    doorway: Doorway
    lock: CalmLock
    clock: FakeClock
    store: Store
    spool: Spool
    ways: dict[str, Any]

    def input(self, name: str, active: bool, device: str = "door_lock") -> bool:
        event = InputChanged(device, name, active, self.clock.now(), self.clock.monotonic())
        return self.keeper.input_changed(event)

    def health(self, device: str, health: Health) -> None:
        self.keeper.health_changed(HealthChanged(device, health, "no answer", self.clock.now(), 0.0))

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        for _ in range(5):
            await asyncio.sleep(0)
        await self.store.submit(lambda db: None)
        return [one.row.body for one in await self.spool.read(Stream.EVENTS, 0) if one.row.kind == kind]


@pytest.fixture
async def bench(store: Store, spool: Spool, clock: FakeClock) -> AsyncIterator[Bench]:
    lock = CalmLock()
    alarms = await AlarmBoard.open(store, spool)
    profile = demo()
    settings = door_settings(profile.door)
    doorway = Doorway(lock, settings, clock=clock, spool=spool, alarms=alarms)
    ways: dict[str, Any] = {"readers": {"scanner": True}, "has_roster": True, "clock_trusted": True}
    keeper = Doorkeeper(profile, doorway, lambda: Ways(**ways), clock=clock, spool=spool, alarms=alarms)
    made = Bench(keeper, doorway, lock, clock, store, spool, ways)
    for name, active in (("contact", False), ("exit", False), ("fire", False), ("bolt", True)):
        made.input(name, active)
    yield made
    await doorway.close()


async def test_inputs_go_where_the_profile_says(bench: Bench) -> None:
    assert bench.doorway.door.state is DoorState.SECURED
    bench.input("exit", True)
    assert bench.doorway.door.state is DoorState.RELEASED
    bench.input("fire", True)
    assert bench.doorway.door.state is DoorState.EMERGENCY
    await asyncio.sleep(0)
    assert bench.lock.asked == ["release 5", "release 30"]


async def test_a_lock_that_falls_silent_makes_the_door_unknown_and_no_button_of_before_moves_it(bench: Bench) -> None:
    bench.health("door_lock", Health.OFFLINE)
    assert bench.doorway.door.state is DoorState.UNKNOWN
    (raised,) = await bench.bodies("alarm.raised")
    assert raised["alarm"] == "lock_offline"
    bench.health("door_lock", Health.ONLINE)
    for name, active in (("contact", False), ("exit", True), ("fire", False), ("bolt", True)):
        bench.input(name, active)
    assert bench.doorway.door.state is DoorState.SECURED
    assert bench.lock.asked == []
    (cleared,) = await bench.bodies("alarm.cleared")
    assert cleared["alarm"] == "lock_offline"


async def test_out_of_service_is_remembered(bench: Bench, store: Store) -> None:
    assert not await store.submit(load_out_of_service)
    bench.keeper.set_service(False, "admin", "painting")
    assert bench.doorway.door.state is DoorState.OUT_OF_SERVICE
    (told,) = await bench.bodies("door.service")
    assert (told["in_service"], told["actor"], told["reason"]) == (False, "admin", "painting")
    assert await store.submit(load_out_of_service)


async def test_the_daily_self_test_waits_for_its_hour_and_for_quiet(bench: Bench, clock: FakeClock) -> None:
    running = asyncio.create_task(bench.keeper.selftest.run())
    try:
        await asyncio.sleep(0)
        clock.set(datetime(2026, 12, 1, 20, 29, tzinfo=UTC))  # 04:29 in Changchun
        clock.pass_by(30)
        assert await bench.bodies("door.selftest") == []
        clock.pass_by(QUIET_S)
        (told,) = await bench.bodies("door.selftest")
        assert (told["openable"], told["reasons"]) == (True, [])
        assert told["released_at"] is None
        assert len(told["warnings"]) == 2, "nobody has come in yet, so nothing is known of relay and bolt"
        clock.pass_by(3600)
        assert len(await bench.bodies("door.selftest")) == 1, "once a day"
        assert bench.lock.asked == [], "it moves nothing"
    finally:
        running.cancel()


async def test_a_self_test_says_every_reason_and_its_alarm_ends_with_the_next_good_one(bench: Bench) -> None:
    bench.lock.told = LockStatus(released=None, contact_open=None)
    bench.ways |= {"readers": {"scanner": False}, "has_roster": False}
    await bench.keeper.selftest.test()
    (told,) = await bench.bodies("door.selftest")
    assert told["reasons"] == [
        "no reader answers: scanner",
        "the station has had no roster yet",
        "the lock did not answer the self-test",
    ]
    (raised,) = await bench.bodies("alarm.raised")
    assert raised["alarm"] == "door_selftest_failed"
    bench.lock.told = AT_REST
    bench.ways |= {"readers": {"scanner": None}, "has_roster": True}
    await bench.keeper.selftest.test()
    (cleared,) = await bench.bodies("alarm.cleared")
    assert cleared["alarm"] == "door_selftest_failed"


async def test_the_self_test_tells_when_the_lock_was_last_seen_to_work_also_after_a_restart(
    bench: Bench, clock: FakeClock, store: Store
) -> None:
    await store.submit(ledger.prepare)
    bench.doorway.admit(Pass(UUID(int=1), Credential.CODE), lambda: None)
    for name, active in (("bolt", False), ("contact", True), ("contact", False)):
        bench.input(name, active)
    await asyncio.sleep(0)
    released = clock.now()
    clock.pass_by(SETTLE_S)
    bench.doorway.feed(Tick())
    bench.input("bolt", True)
    secured = clock.now()
    await asyncio.sleep(0)
    clock.pass_by(3600)
    await bench.keeper.selftest.test()
    (told,) = await bench.bodies("door.selftest")
    assert told["warnings"] == []
    assert (datetime.fromisoformat(told["released_at"]), datetime.fromisoformat(told["secured_at"])) == (
        released,
        secured,
    )
    kept = await store.submit(load_proven)
    assert kept == {Proof.RELEASES: released, Proof.SECURES: secured}

    clock.pass_by(8 * 24 * 3600)
    bench.keeper.recall(kept)
    bench.keeper.selftest.warnings = lambda: ("the strike's heater does not answer",)
    await bench.keeper.selftest.test()
    later = (await bench.bodies("door.selftest"))[-1]
    assert later["openable"], "a warning, and no alarm"
    assert [warning.split(":")[0] for warning in later["warnings"]] == [
        "the lock has not been seen to release for 8 days",
        "the lock has not been seen to bolt the door again for 8 days",
        "the strike's heater does not answer",
    ]
    assert await bench.bodies("alarm.raised") == []


async def test_a_clock_that_cannot_be_believed_dates_no_proof(bench: Bench, clock: FakeClock) -> None:
    clock.trusted = lambda: False  # type: ignore[method-assign]
    bench.doorway.admit(Pass(UUID(int=1), Credential.CODE), lambda: None)
    bench.input("bolt", False)
    await asyncio.sleep(0)
    assert bench.keeper.selftest.proven == {}


async def test_a_door_that_should_be_usable_and_is_not_is_an_alarm_within_opening_hours(bench: Bench) -> None:
    selftest = bench.keeper.selftest
    bench.ways["readers"] = {"scanner": False}
    selftest.check()
    assert selftest.openable is False
    bench.clock.pass_by(UNUSABLE_AFTER_S - 1)
    selftest.check()
    assert await bench.bodies("alarm.raised") == []
    bench.clock.pass_by(1)
    selftest.check()
    (raised,) = await bench.bodies("alarm.raised")
    assert (raised["alarm"], raised["detail"]) == ("door_unusable", "no reader answers: scanner")
    selftest.should_be_open = lambda now: False
    selftest.check()
    (cleared,) = await bench.bodies("alarm.cleared")
    assert cleared["alarm"] == "door_unusable"


def test_an_input_may_be_of_another_device_and_closed_at_rest() -> None:
    inputs = DoorInputs(DoorRow(lock="lock", fire="!panel.fire", jammed="jammed", egress="mechanical"))
    assert inputs.changed("panel", "fire", True) == [FireSeen(False)]
    assert inputs.changed("panel", "fire", False) == [FireSeen(True)]
    assert inputs.changed("lock", "fire", True) == []
    assert inputs.changed("lock", "jammed", True) == [ResistanceSeen(Resistance.LOCK, True)]
    assert inputs.lost("panel") == [], "a burnt cable ends no emergency"
    assert inputs.lost("lock") == [ContactSeen(None)]
    bolt = DoorInputs(DoorRow(lock="lock", bolt_contact="panel.bolt"))
    assert bolt.changed("panel", "bolt", True) == [ResistanceSeen(Resistance.BOLT, True)]
    assert bolt.lost("panel") == [ResistanceSeen(Resistance.BOLT, None)], "whether it comes out is not known"
    button = DoorInputs(DoorRow(lock="lock", egress="exit"))
    assert button.lost("lock") == [ContactSeen(None), EgressSeen(None)]


def test_a_press_begins_while_it_is_watched() -> None:
    presses = Presses()
    assert [presses.pressed("lock", "face", active) for active in (True, False, True, True)] == [
        *(False, False, True, False)
    ]
    presses.lost("lock")
    assert not presses.pressed("lock", "face", True)


@pytest.mark.parametrize(
    ("row", "egress"),
    [
        ({}, Egress.UNKNOWN),
        ({"egress": "exit"}, Egress.BUTTON),
        ({"egress": "mechanical"}, Egress.HANDLE),
        ({"egress": "mechanical", "egress_signal": "handle"}, Egress.HANDLE_SIGNALLED),
    ],
)
def test_how_people_leave_follows_from_the_profile(row: dict[str, Any], egress: Egress) -> None:
    settings = door_settings(DoorRow(lock="lock", held_open_after_s=10, **row))
    assert settings == DoorSettings(hold_s=5.0, held_open_after_s=10.0, warn_before_s=5.0, settle_s=0.3, egress=egress)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('fire = "fire"', 'fire = "smoke"', "door.fire: 'door_lock' (modbus_lock) has bolt, contact, exit, face, fire"),
        ('fire = "fire"', 'fire = "panel.fire"', "door.fire: there is no device 'panel'"),
        ('fire = "fire"', 'tamper = "scanner.tamper"', "door.tamper: 'scanner' (serial_scanner) has no inputs"),
        ('fire = "fire"', 'fire = "exit"', "door.fire: door_lock.exit is the input of door.egress already"),
        ('fire = "fire"', 'egress_signal = "fire"', "door.egress_signal: is the switch of a mechanical handle"),
        ('fire = "fire"', 'bolt = "chain"', "door.bolt"),
        (
            'fire = "fire"',
            'heater = { output = "climate.relay_1", temperature = "air.temperature" }',
            "door.heater.output: 'climate' is a modbus_sensor, which is no control",
        ),
        (
            'fire = "fire"',
            'heater = { output = "relays.relay_1", temperature = "air.temperature" }',
            "door.heater.temperature: there is no device 'air'",
        ),
        ('fire = "fire"', 'selftest_at = "25:00"', "door.selftest_at"),
    ],
)
def test_check_explains_a_mistake_at_the_door(old: str, new: str, error: str, tmp_path: Path) -> None:
    text = DEMO.read_text("utf-8")
    assert old in text
    path = tmp_path / "station.toml"
    path.write_text(text.replace(old, new), "utf-8")
    checked = read_profile(path, profiles_dir_of(DEMO), {}, {})
    assert any(one.startswith(error) for one in checked.errors), checked.errors


def test_check_warns_of_a_door_that_nobody_can_leave_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(DEMO.read_text("utf-8").replace('egress = "exit"\n', ""), "utf-8")
    assert NO_EGRESS_WARNING in read_profile(path, profiles_dir_of(DEMO), {}, {}).warnings

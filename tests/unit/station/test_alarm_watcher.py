"""The alarms of a profile move the board, are spoken where lives are at stake, and are checked before a start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.capabilities import Health, HealthChanged, InputChanged, Quality, Reading
from station_agent.access.sentences import Sentence
from station_agent.alarms.board import AlarmBoard
from station_agent.alarms.kinds import KINDS, rule_of
from station_agent.alarms.sentences import ALARM_SENTENCES
from station_agent.alarms.watch import BLIND_S
from station_agent.alarms.watcher import SAY_S, AlarmWatcher
from station_agent.settings import Checked, profiles_dir_of, read_profile
from station_agent.signs.render import pages
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import AlarmKind
from station_agent.wire.profile import AlarmRow
from tests.harness.fake_clock import FakeClock

DEMO = Path(__file__).resolve().parents[3] / "config" / "stations" / "demo-01.toml"
ROWS = {
    "smoke": {"kind": "smoke", "when": "detector.smoke"},
    "hall": {"kind": "temperature_low", "when": "climate.temperature", "for_s": 60},
    "freezer": {"kind": "temperature_high", "when": "climate.freezer", "limit": -15, "for_s": 0},
    "night": {"kind": "motion_closed", "when": "pir.motion", "for_s": 0, "clear_for_s": 0},
}


@dataclass
class Site:
    clock: FakeClock
    spool: Spool
    store: Store
    board: AlarmBoard
    closed: bool = False
    said: list[Sentence] = field(default_factory=list)

    def watcher(self, rows: dict[str, dict[str, Any]] = ROWS) -> AlarmWatcher:
        return AlarmWatcher(
            [rule_of(name, AlarmRow.model_validate(row)) for name, row in rows.items()],
            self.board,
            self.clock,
            closed=lambda: self.closed,
            say=self.said.append,
            others=frozenset({"door_lock"}),
        )

    @property
    def standing(self) -> set[tuple[str, str]]:
        return {(kind.value, subject) for kind, subject in self.board.all_standing()}

    def reading(self, source: str, value: float | bool | str | None, quality: Quality = Quality.GOOD) -> Reading:
        device, _, point = source.partition(".")
        return Reading(device, point, value, "°C", quality, self.clock.now(), self.clock.monotonic())

    def input(self, source: str, active: bool) -> InputChanged:
        device, _, point = source.partition(".")
        return InputChanged(device, point, active, self.clock.now(), self.clock.monotonic())

    def health(self, device: str, health: Health) -> HealthChanged:
        return HealthChanged(device, health, "", self.clock.now(), self.clock.monotonic())

    async def told(self) -> list[dict[str, Any]]:
        await self.store.submit(lambda db: None)
        return [one.row.body for one in await self.spool.read(Stream.EVENTS, 0)]


@pytest.fixture
async def site(store: Store, spool: Spool, clock: FakeClock) -> Site:
    return Site(clock, spool, store, await AlarmBoard.open(store, spool))


async def test_smoke_is_an_event_in_the_turn_that_heard_it_and_is_spoken_until_it_ends(site: Site) -> None:
    watcher = site.watcher()
    watcher.input_changed(site.input("detector.smoke", True))
    (event,) = await site.told()
    assert event == {"alarm": "smoke", "subject": "smoke", "detail": "detector.smoke says yes"}
    assert site.said == [ALARM_SENTENCES[AlarmKind.SMOKE]]
    watcher.look()
    assert len(site.said) == 1
    site.clock.pass_by(SAY_S)
    watcher.look()
    assert len(site.said) == 2
    watcher.input_changed(site.input("detector.smoke", False))
    site.clock.pass_by(60)
    watcher.look()
    assert site.standing == set()
    site.clock.pass_by(SAY_S)
    watcher.look()
    assert len(site.said) == 2


async def test_rows_of_one_device_have_alarms_of_their_own(site: Site) -> None:
    watcher = site.watcher()
    watcher.reading(site.reading("climate.temperature", 2.0))
    watcher.reading(site.reading("climate.freezer", -3.0))
    assert site.standing == {("temperature_high", "freezer")}
    site.clock.pass_by(60)
    watcher.look()
    assert site.standing == {("temperature_high", "freezer"), ("temperature_low", "hall")}
    assert site.said == [], "nobody's life is at stake"


async def test_a_bad_reading_is_no_value_whatever_it_says(site: Site) -> None:
    watcher = site.watcher()
    watcher.reading(site.reading("climate.freezer", -3.0))
    watcher.reading(site.reading("climate.freezer", -20.0, Quality.INVALID))
    site.clock.pass_by(BLIND_S)
    watcher.look()
    assert {("temperature_high", "freezer"), ("sensor_blind", "freezer")} <= site.standing
    (blind,) = [
        event for event in await site.told() if event.get("subject") == "freezer" and "usable" in event["detail"]
    ]
    assert "temperature_high would not be noticed" in blind["detail"]


async def test_a_silent_device_is_not_told_twice(site: Site) -> None:
    watcher = site.watcher({"smoke": ROWS["smoke"]})
    watcher.health_changed(site.health("detector", Health.OFFLINE))
    site.clock.pass_by(2 * BLIND_S)
    watcher.look()
    assert site.standing == set()


async def test_motion_is_an_alarm_while_the_station_is_closed_only(site: Site) -> None:
    watcher = site.watcher()
    watcher.input_changed(site.input("pir.motion", True))
    assert site.standing == set()
    site.closed = True
    watcher.look()
    assert site.standing == {("motion_closed", "night")}
    watcher.input_changed(site.input("pir.motion", False))
    watcher.look()
    assert site.standing == set()
    watcher.input_changed(site.input("pir.motion", True))
    assert site.standing == {("motion_closed", "night")}
    site.closed = False
    watcher.look()
    assert site.standing == set()


async def test_alarms_of_rows_that_are_gone_end_at_the_start_and_others_stay(site: Site) -> None:
    site.board.raise_alarm(AlarmKind.SMOKE, "smoke", "before the restart")
    site.board.raise_alarm(AlarmKind.CO2_HIGH, "smoke", "when the row was another")
    site.board.raise_alarm(AlarmKind.WATER_LEAK, "cellar", "its row is gone")
    site.board.raise_alarm(AlarmKind.SENSOR_BLIND, "cellar", "and this")
    site.board.raise_alarm(AlarmKind.POWER_LOST, "door_lock", "the door's own")
    site.board.raise_alarm(AlarmKind.DEVICE_OFFLINE, "cellar", "of a device of that name")
    site.watcher()
    assert site.standing == {("smoke", "smoke"), ("power_lost", "door_lock"), ("device_offline", "cellar")}


def test_what_is_spoken_stands_on_one_page_of_the_sign() -> None:
    assert set(ALARM_SENTENCES) <= set(AlarmKind)
    for sentence in ALARM_SENTENCES.values():
        assert sentence.en
        assert len(pages(sentence.zh, (128, 16), 4)) == 1


# --- what `check` says ---

DEVICES = """
[lines.more]
url = "/dev/ttyS9"
[devices.detector]
driver = "modbus_sensor"
line = "more"
profile = "calectro_ug3"
address = 3
[devices.ups]
driver = "nut_ups"
line = "net"
options = { ups = "ups" }
[lines.net]
url = "tcp://127.0.0.1:3493"
"""
WATCHED = """
[alarms.smoke]
kind = "smoke"
when = "detector.smoke"
[alarms.mains]
kind = "power_lost"
when = "ups.on_battery"
[alarms.battery]
kind = "battery_low"
when = "ups.low_battery"
"""


def checked(tmp_path: Path, more: str) -> Checked:
    path = tmp_path / "stations" / "x.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(DEMO.read_text("utf-8") + more, "utf-8")
    return read_profile(path, profiles_dir_of(DEMO), {}, {})


def test_alarms_that_fit_their_devices_are_correct_and_none_that_should_be_is_missing(tmp_path: Path) -> None:
    found = checked(tmp_path, DEVICES + WATCHED)
    assert found.errors == []
    assert [warning for warning in found.warnings if warning.startswith("alarms")] == []


def test_inputs_of_which_nobody_is_told_are_warned_of(tmp_path: Path) -> None:
    warnings = [warning for warning in checked(tmp_path, DEVICES).warnings if warning.startswith("alarms")]
    assert len(warnings) == 3
    assert "'smoke' of 'detector'" in warnings[0]
    assert 'kind = "smoke" and when = "detector.smoke"' in warnings[0]
    assert [warning.split("'")[1] for warning in warnings[1:]] == ["low_battery", "on_battery"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('kind = "smoke"\nwhen = "garden.smoke"', "alarms.x.when: there is no device 'garden'"),
        ('kind = "smoke"\nwhen = "detector.smok"', "'detector' (profile calectro_ug3) has the points"),
        ('kind = "power_lost"\nwhen = "ups.mains"', "'ups' (nut_ups) has the inputs low_battery, on_battery"),
        ('kind = "tamper"\nwhen = "scanner.tamper"', "'scanner' (serial_scanner) has no inputs"),
        ('kind = "smoke"\nwhen = "climate.humidity"', "is not true or false: give a limit, or an input"),
        ('kind = "temperature_low"\nwhen = "!climate.temperature"', '"!" turns yes and no round'),
        ('kind = "co2_high"\nwhen = "climate.humidity"\nclear_at = 9000', "alarms.x.clear_at: 9000 would be an alarm"),
        ('kind = "burglar"\nwhen = "climate.humidity"', "alarms.x.kind: "),
        ('kind = "smoke"\nwhen = "smoke"', "alarms.x.when: "),
    ],
)
def test_an_alarm_that_could_never_be_raised_is_a_mistake(row: str, message: str, tmp_path: Path) -> None:
    errors = checked(tmp_path, DEVICES + f"[alarms.x]\n{row}\n").errors
    assert len(errors) == 1
    assert message in errors[0]


def test_an_alarm_of_the_locks_name_is_a_mistake(tmp_path: Path) -> None:
    more = '[alarms.door_lock]\nkind = "power_lost"\nwhen = "ups.on_battery"\n'
    (error,) = checked(tmp_path, DEVICES + more).errors
    assert error.startswith("alarms.door_lock: is the name of the lock")


def test_the_page_of_alarms_says_what_each_kind_takes_for_granted() -> None:
    page = (DEMO.parents[2] / "docs" / "alarms.md").read_text("utf-8")
    rows = {
        line.split("`")[1]: [cell.strip() for cell in line.split("|")[3:8]]
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 8
    }
    assert set(rows) == {kind.value for kind in KINDS}
    for kind, known in KINDS.items():
        limit, band, for_s, clear_for_s, spoken = rows[kind.value]
        assert float(for_s) == known.for_s
        assert float(clear_for_s) == known.clear_for_s
        assert (limit.split(" ")[0] or "none") == ("none" if known.limit is None else f"{known.limit:g}")
        assert (float(band) if band else 0.0) == known.band
        assert (spoken == "yes") is (kind in ALARM_SENTENCES)

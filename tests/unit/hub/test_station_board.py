"""Where stations stand: heartbeats, wills, doors, silence."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud_hub.stations.board import BOOTS_KEPT, Board
from station_agent.wire.envelope import StationState
from station_agent.wire.kinds import DoorState
from station_agent.wire.profile import StationProfile

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
PROFILE = StationProfile.model_validate(
    {
        "station": {"id": "demo-01", "name": "站", "place": {"latitude": 43.9, "longitude": 125.3}},
        "lines": {"bus": {"url": "/dev/null"}},
        "devices": {"relays": {"driver": "modbus_relays", "line": "bus"}},
        "door": {"lock": "relays"},
        "telemetry": {"heartbeat_s": 20},
    }
)


@pytest.fixture
def board() -> Board:
    made = Board()
    made.put(PROFILE, None, None)
    return made


def beat(mono_ms: int = 1000, **fields: object) -> StationState:
    given = {"at": NOW, "boot": "boot-1", "mono_ms": mono_ms, "door": "secured", "contact_open": False} | fields
    return StationState.model_validate({"station": "demo-01", **given})


def test_a_station_is_online_until_it_misses_its_beats(board: Board) -> None:
    entry = board.get("demo-01")
    assert entry is not None
    assert not entry.online(NOW)
    assert board.heard(beat(), NOW)
    assert entry.online(NOW + timedelta(seconds=49))
    assert not entry.online(NOW + timedelta(seconds=50))


def test_a_will_takes_it_offline_and_keeps_its_last_words(board: Board) -> None:
    board.heard(beat(sign_text="欢迎"), NOW)
    assert board.heard(beat(mono_ms=0, online=False, door="", contact_open=None), NOW)
    entry = board.get("demo-01")
    assert entry is not None
    assert entry.state is not None
    assert (entry.online(NOW), entry.state.sign_text, entry.door) == (False, "欢迎", DoorState.SECURED)


def test_an_older_heartbeat_of_the_same_boot_changes_nothing(board: Board) -> None:
    board.heard(beat(2000, sign_text="new"), NOW)
    assert not board.heard(beat(1000, sign_text="old"), NOW)
    assert board.heard(beat(5, boot="boot-2", sign_text="restarted"), NOW)


def test_the_newest_word_about_the_door_wins(board: Board) -> None:
    board.heard(beat(), NOW)
    board.door("demo-01", DoorState.OPEN, True, NOW + timedelta(seconds=1))
    board.door("demo-01", DoorState.RELEASED, False, NOW - timedelta(seconds=1))
    entry = board.get("demo-01")
    assert entry is not None
    assert (entry.door, entry.contact_open) == (DoorState.OPEN, True)


def test_a_stranger_is_not_put_on_the_board(board: Board) -> None:
    assert not board.heard(beat().model_copy(update={"station": "nobody"}), NOW)
    board.door("nobody", DoorState.OPEN, True, NOW)
    assert [name for name, _ in board] == ["demo-01"]


def test_boots_of_a_trusted_clock_are_remembered_within_bounds(board: Board) -> None:
    board.heard(beat(boot="untrusted", clock_trusted=False), NOW)
    for number in range(BOOTS_KEPT + 3):
        board.heard(beat(boot=f"boot-{number}", clock_trusted=True), NOW)
    entry = board.get("demo-01")
    assert entry is not None
    assert len(entry.boots) == BOOTS_KEPT
    assert entry.boots[f"boot-{BOOTS_KEPT + 2}"] == NOW - timedelta(seconds=1)

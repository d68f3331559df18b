"""What the station looks after once a telemetry period: its clock, its disk, readers that are guessed at."""

from __future__ import annotations

from station_agent.access.desk import Desk
from station_agent.assembly.ground import Ground
from station_agent.telemetry.spool import EVENTS_FILLING
from station_agent.wire.kinds import AlarmKind


def upkeep(ground: Ground, desk: Desk) -> None:
    """Raise and clear the alarms about the station itself; tell bad input that was counted and not told yet."""
    for rejected in ground.rejections.flush(ground.clock.monotonic()):
        ground.spool.record(rejected)
    _clock(ground)
    _guessed_readers(ground, desk)
    _spool(ground)


def _clock(ground: Ground) -> None:
    clock = ground.clock
    detail = f"the clock says {clock.now():%Y-%m-%d %H:%M} UTC, which has passed; codes are refused"
    _stand(ground, AlarmKind.CLOCK_UNTRUSTED, ground.station, None if clock.trusted() else detail)


def _guessed_readers(ground: Ground, desk: Desk) -> None:
    waiting = desk.waiting_readers()
    for reader in (*ground.profile.devices, *ground.profile.cameras):
        wait_s = waiting.get(reader)
        detail = None
        if wait_s is not None:
            detail = f"too many bad tries; it takes nothing that can be guessed for {wait_s:.0f} s"
        _stand(ground, AlarmKind.READER_GUESSED, reader, detail)


def _spool(ground: Ground) -> None:
    waiting = ground.spool.events_waiting
    if ground.store.failing:
        _stand(ground, AlarmKind.SPOOL_FILLING, ground.station, f"the disk refuses: {ground.store.failing}")
    elif waiting >= EVENTS_FILLING:
        _stand(ground, AlarmKind.SPOOL_FILLING, ground.station, f"{waiting} events wait for the hub")
    elif waiting < EVENTS_FILLING // 2:
        _stand(ground, AlarmKind.SPOOL_FILLING, ground.station, None)


def _stand(ground: Ground, alarm: AlarmKind, subject: str, detail: str | None) -> None:
    """Raised with `detail`; cleared when that is None."""
    if detail is None:
        ground.alarms.clear_alarm(alarm, subject)
    else:
        ground.alarms.raise_alarm(alarm, subject, detail)

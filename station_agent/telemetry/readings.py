"""The newest reading of every datapoint, and the telemetry row that is made of them once a period."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.capabilities import Reading
from station_agent.clock import Clock
from station_agent.devices import point_reading
from station_agent.telemetry.spool import Spool
from station_agent.wire.events import Readings

POINTS_MAX = 200
"""Datapoints in one row; a station of this profile version has a few dozen."""


class Telemetry:
    """`take` keeps the newest; `run` spools once a period, and `tick` whatever else is done that often."""

    def __init__(self, spool: Spool, period_s: float, clock: Clock, tick: Callable[[], None]) -> None:
        self._spool = spool
        self._period_s = period_s
        self._clock = clock
        self._tick = tick
        self._newest: dict[tuple[str, str], Reading] = {}
        self._first = True

    def take(self, reading: Reading) -> None:
        self._newest[(reading.device, reading.point)] = reading

    async def run(self) -> None:
        """A first row soon after the start, so that a page has something to show, then one a period."""
        while True:
            await self._clock.sleep(min(self._period_s, 5.0) if self._first else self._period_s)
            self._first = False
            self.flush()
            self._tick()

    def flush(self) -> None:
        """Spool what came since the last row."""
        newest, self._newest = list(self._newest.values()), {}
        for start in range(0, len(newest), POINTS_MAX):
            rows = tuple(point_reading(reading) for reading in newest[start : start + POINTS_MAX])
            self._spool.record_telemetry(Readings(readings=rows))

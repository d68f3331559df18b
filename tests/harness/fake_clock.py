"""A clock that is set by hand, for tests of what waits and of what expires."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from station_agent.clock import SystemClock

BOOT = "0b00770d-0000-4000-8000-000000000001"


class FakeClock(SystemClock):
    """Stands still until it is moved; sleepers wake when their time has come."""

    def __init__(self, now: datetime = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)) -> None:
        super().__init__()
        self._now = now
        self._mono = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._mono

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._mono + seconds, woken))
        await woken

    @property
    def sleeping(self) -> list[float]:
        """For how long each of the sleepers still sleeps."""
        return [at - self._mono for at, woken in self._sleepers if not woken.done()]

    def pass_by(self, seconds: float) -> None:
        self._mono += seconds
        self._now += timedelta(seconds=seconds)
        for at, woken in self._sleepers:
            if at <= self._mono and not woken.done():
                woken.set_result(None)

    def set(self, now: datetime) -> None:
        """The time of day jumps."""
        self._now = now

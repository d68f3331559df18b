"""Time as a parameter: monotonic for durations, UTC for stamps, and whether UTC can be believed.

A station's clock is believed while it stands at or after its *floor*: the latest moment that is known to have
passed. The floor starts at the release of this software, rises with every time that the hub signed (a roster, an
order) and is kept over restarts. So a board whose battery is flat, and which wakes in 1970 or last winter, says so
and refuses what depends on the time, until NTP or a technician has set it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

RELEASED_AT = datetime(2026, 11, 1, tzinfo=UTC)
"""No true clock that runs this version can stand before it."""

FLOOR_SLACK = timedelta(seconds=60)
"""The hub's clock may be ahead of ours by this much before we call ours wrong: twice what an order may be ahead."""


class Clock(Protocol):
    """What every part of the agent knows of time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment of this boot. Never goes back, also not over a restart of the process."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def trusted(self) -> bool:
        """Whether `now` can be believed."""
        ...


class SystemClock:
    """The machine's clocks, with a floor under the time of day."""

    def __init__(self, floor: datetime = RELEASED_AT) -> None:
        self._floor = max(floor, RELEASED_AT)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def trusted(self) -> bool:
        return self.now() + FLOOR_SLACK >= self._floor

    @property
    def floor(self) -> datetime:
        return self._floor

    def passed(self, moment: datetime) -> None:
        """The hub has signed something at `moment`, so that moment is over."""
        self._floor = max(self._floor, moment)


def boot_id() -> str:
    """Names this run of the machine: two monotonic times compare only within one boot.

    Where a sandbox hides it, every start of the process counts as a boot: a grant of before is then not waited for.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())

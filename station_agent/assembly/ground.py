"""What every part of a station stands on, and how a part says that something has changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from station_agent.alarms.board import AlarmBoard
from station_agent.clock import SystemClock
from station_agent.settings import Settings
from station_agent.supervisor import Supervisor
from station_agent.telemetry.rejects import Rejections
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire.profile import StationProfile


class Changes:
    """Something that others see has changed: told once, when this turn of the loop is over."""

    def __init__(self) -> None:
        self.tell: Callable[[], None] = lambda: None
        """What is called then; nothing until the station is whole."""
        self._soon = False

    def note(self) -> None:
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._soon = False
        self.tell()


@dataclass(frozen=True, slots=True)
class Ground:
    """Made by `open_station`, before there is any part. `boot` names this run of the kernel."""

    settings: Settings
    clock: SystemClock
    boot: str
    store: Store
    spool: Spool
    alarms: AlarmBoard
    rng: random.Random
    supervisor: Supervisor
    changes: Changes = field(default_factory=Changes)
    rejections: Rejections = field(default_factory=Rejections)

    @property
    def profile(self) -> StationProfile:
        return self.settings.profile

    @property
    def station(self) -> str:
        return self.settings.profile.station.id

    def reject(self, source: str, reason: str) -> None:
        """Count bad input from `source`, and tell it unless it has been told lately."""
        rejected = self.rejections.note(source, reason, self.clock.monotonic())
        if rejected is not None:
            self.spool.record(rejected)

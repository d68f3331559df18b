"""What the station's unit tests share: a clock that is set by hand, and a store in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from tests.harness.fake_clock import BOOT, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "station.sqlite") as opened:
        yield opened


@pytest.fixture
async def spool(store: Store, clock: FakeClock) -> Spool:
    return await Spool.open(store, clock, BOOT)

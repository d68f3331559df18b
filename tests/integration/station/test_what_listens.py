"""A virtual station's page, simulated devices and simulated camera are heard on this machine and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.harness.hub_process import until
from tests.harness.listening import listening
from tests.harness.mini_hub import MiniHub
from tests.harness.virtual_station import ROOT, VirtualStationProcess

pytestmark = pytest.mark.integration


def with_camera(heard: dict[int, str]) -> dict[int, str] | None:
    """Once the camera, which starts last, listens beside the page."""
    return heard if len(heard) >= 2 else None


async def test_nothing_of_a_virtual_station_is_heard_beyond_the_machine(hub: MiniHub, tmp_path: Path) -> None:
    profile = ROOT / "config" / "stations" / "demo-01.toml"
    async with VirtualStationProcess(profile, hub.link("demo-01"), tmp_path / "station") as station:
        pid = station.pid
        assert pid is not None
        heard = await asyncio.to_thread(until, lambda: with_camera(listening(pid)), "page and camera are heard")
    assert set(heard.values()) <= {"127.0.0.1", "::1"}

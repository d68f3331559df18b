"""Fixtures of the station's integration tests: a real broker, a small hub behind it, a virtual station."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT, VirtualStationProcess

STATION = "demo-01"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[MiniHub]:
    async with MiniHub(tmp_path / "hub") as running:
        yield running


@pytest.fixture(scope="session")
def quiet_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """demo-01 without camera and faces, and with a quick sign: what these tests are not about."""
    lines = (ROOT / "config" / "stations" / "demo-01.toml").read_text("utf-8").splitlines(keepends=True)
    kept: list[str] = []
    dropping = False
    for line in lines:
        if line.startswith("["):
            dropping = line.startswith(("[cameras", "[faces"))
        if not dropping and not line.startswith("face_button"):
            kept.append(line)
    folder = tmp_path_factory.mktemp("profiles") / "stations"
    folder.mkdir()
    path = folder / "demo-01.toml"
    text = "".join(kept)
    for slow, quick in (
        ('url = "/dev/ttyS2"\nbaud = 9600', 'url = "/dev/ttyS2"\nbaud = 115200'),
        ("height = 16 }", "height = 16, settle_s = 0.1, gap_ms = 20 }"),
    ):
        assert slow in text
        text = text.replace(slow, quick)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
async def station(hub: MiniHub, quiet_profile: Path, tmp_path: Path) -> AsyncIterator[VirtualStationProcess]:
    """A station that is linked and whose door is known."""
    async with VirtualStationProcess(quiet_profile, hub.link(STATION), tmp_path / "station") as running:
        yield running


@pytest.fixture
async def phone(hub: MiniHub, station: VirtualStationProcess) -> Phone:
    """A member's phone that the station knows."""
    member = Phone()
    version = await hub.send_roster(STATION, [member.row()])
    await hub.event("roster.applied", version=version)
    return member

"""The strike's heater in a whole station: a temperature sensor and relays on ptys, the agent's own drivers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.base import Simulation, SimulatorContext
from firmware_bridge.simulators.table import SIMULATORS
from station_agent.access import heating
from station_agent.settings import Settings
from station_agent.station import open_station
from station_agent.wire.profile import StationProfile
from tests.harness.virtual_station import ROOT

pytestmark = pytest.mark.integration

PROFILES = ROOT / "config" / "devices"
DEVICES = {"lock": "modbus_lock", "relays": "modbus_control", "climate": "modbus_sensor"}
HEATER = "relay_2"


@dataclass
class Site:
    devices: dict[str, Simulation]

    @property
    def heated(self) -> object:
        return self.devices["relays"].state()[HEATER]

    def temperature(self, celsius: str) -> None:
        self.devices["climate"].act(["set", "temperature", celsius])

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not condition():  # noqa: ASYNC110 - a simulated relay has no event
                await asyncio.sleep(0.02)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(heating, "LOOK_S", 0.2)
    links = tmp_path / "lines"
    links.mkdir()
    context = SimulatorContext(links, random.Random(9), SecretDirectory(tmp_path / "keys" / "devices"), PROFILES)
    async with AsyncExitStack() as stack:
        devices = {
            name: await stack.enter_async_context(SIMULATORS[driver].make(context)) for name, driver in DEVICES.items()
        }
        profile = StationProfile.model_validate(
            {
                "station": {"id": "demo-01", "name": "test", "place": {"latitude": 43.9, "longitude": 125.3}},
                "lines": {name: one.line.model_dump(exclude_unset=True) for name, one in devices.items()},
                "devices": {
                    name: one.device.model_dump(exclude_none=True, exclude_unset=True) | {"line": name}
                    for name, one in devices.items()
                },
                "door": {
                    "lock": "lock",
                    "egress": "mechanical",
                    "heater": {"output": f"relays.{HEATER}", "temperature": "climate.temperature"},
                },
            }
        )
        settings = Settings(
            profile, None, state_dir=tmp_path / "state", key_dir=tmp_path / "keys", profiles_dir=PROFILES
        )
        made = Site(devices)
        made.temperature("4.0")
        station = await stack.enter_async_context(open_station(settings))
        stop = asyncio.Event()
        running = asyncio.create_task(station.run(stop), name="station")
        try:
            yield made
        finally:
            stop.set()
            await running
            assert not made.heated, "nobody watches it any more"


async def test_the_relay_follows_the_temperature_also_when_the_board_was_away(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def told(words: str, times: int) -> None:
        await site.until(lambda: caplog.text.count(words) == times)

    site.temperature("-20.0")
    await told("heater is on", 1)
    assert site.heated
    off = caplog.text.count("heater is off")
    site.temperature("3.0")
    await told("heater is off", off + 1)
    assert not site.heated
    site.devices["relays"].mute(True)
    site.temperature("-20.0")
    await told("heater does not follow", 1)
    site.devices["relays"].mute(False)
    await told("heater is on", 2)
    assert site.heated

"""Alarms of inputs and readings through a whole station: simulated boards and sensors, our own drivers, a broker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.base import Simulation, SimulatorContext
from firmware_bridge.simulators.table import SIMULATORS
from station_agent.settings import Settings
from station_agent.station import open_station
from station_agent.wire.link import HubLink
from station_agent.wire.profile import StationProfile
from tests.harness.mini_hub import MiniHub
from tests.harness.virtual_station import ROOT

pytestmark = pytest.mark.integration

STATION = "demo-01"
PROFILES = ROOT / "config" / "devices"
DEVICES = {"lock": "modbus_lock", "board": "modbus_control", "climate": "modbus_sensor"}
ALARMS = {
    "hall": {"kind": "smoke", "when": "board.input_3", "clear_for_s": 0},
    "floor": {"kind": "water_leak", "when": "!board.input_4", "for_s": 0, "clear_for_s": 0},
    "frost": {"kind": "temperature_low", "when": "climate.temperature", "for_s": 0, "clear_for_s": 0},
}


@dataclass
class Site:
    hub: MiniHub
    devices: dict[str, Simulation]

    def set(self, device: str, point: str, value: str) -> None:
        self.devices[device].act(["set", point, value])


@pytest.fixture
async def site(hub: MiniHub, tmp_path: Path) -> AsyncIterator[Site]:
    links = tmp_path / "lines"
    links.mkdir()
    context = SimulatorContext(links, random.Random(9), SecretDirectory(tmp_path / "keys" / "devices"), PROFILES)
    async with AsyncExitStack() as stack:
        devices = {
            name: await stack.enter_async_context(SIMULATORS[driver].make(context)) for name, driver in DEVICES.items()
        }
        rows = {
            name: one.device.model_dump(exclude_none=True, exclude_unset=True) | {"line": name}
            for name, one in devices.items()
        }
        rows["climate"]["options"] = {"period_s": 1.0}
        profile = StationProfile.model_validate(
            {
                "station": {"id": STATION, "name": "test", "place": {"latitude": 43.9, "longitude": 125.3}},
                "lines": {name: one.line.model_dump(exclude_unset=True) for name, one in devices.items()},
                "devices": rows,
                "door": {"lock": "lock", "egress": "mechanical"},
                "alarms": ALARMS,
            }
        )
        settings = Settings(
            profile,
            HubLink.model_validate(hub.link(STATION)),
            state_dir=tmp_path / "state",
            key_dir=tmp_path / "keys",
            profiles_dir=PROFILES,
        )
        made = Site(hub, devices)
        made.set("board", "input_3", "false")
        made.set("board", "input_4", "true")  # its loop is closed at rest
        made.set("climate", "temperature", "18.0")
        station = await stack.enter_async_context(open_station(settings))
        stop = asyncio.Event()
        running = asyncio.create_task(station.run(stop), name="station")
        try:
            for device in DEVICES:
                await hub.event("device.health", device=device, online=True)
            yield made
        finally:
            stop.set()
            await running


async def test_smoke_a_leak_and_cold_reach_the_hub_and_end_there(site: Site) -> None:
    hub = site.hub
    site.set("board", "input_3", "true")
    smoke = await hub.event("alarm.raised", alarm="smoke", subject="hall")
    assert smoke["detail"] == "board.input_3 says yes"
    site.set("board", "input_4", "false")  # the wire is cut, or wet
    await hub.event("alarm.raised", alarm="water_leak", subject="floor")
    site.set("climate", "temperature", "1.5")
    cold = await hub.event("alarm.raised", alarm="temperature_low", subject="frost")
    assert cold["detail"] == "climate.temperature is 1.5 °C, below 5"

    site.set("board", "input_3", "false")
    await hub.event("alarm.cleared", alarm="smoke", subject="hall")
    site.set("climate", "temperature", "20.0")
    await hub.event("alarm.cleared", alarm="temperature_low", subject="frost")
    assert [body["alarm"] for body in hub.events("alarm.cleared")] == ["smoke", "temperature_low"]

    site.devices["board"].mute(True)
    await hub.event("alarm.raised", alarm="device_offline", subject="board")
    assert hub.events("alarm.cleared", alarm="water_leak") == [], "a silent board ends no alarm"
    site.devices["board"].mute(False)
    await hub.event("alarm.cleared", alarm="device_offline", subject="board")
    site.set("board", "input_4", "true")
    await hub.event("alarm.cleared", alarm="water_leak", subject="floor")
    assert len(hub.events("alarm.raised", alarm="water_leak")) == 1

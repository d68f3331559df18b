"""Agent, hub and broker are killed in the middle of 200 visits. Nothing is lost, nothing is counted twice.

The truth is what the simulated lock saw: every frame that released it. At the end the hub must hold one granted
decision and one visit for each of these frames, and the door must never have opened without one.

Groups of workers come: the first opens, the others show their codes at the open door. Kills come 50 to 350 ms after a
release: within the first few milliseconds the record of a grant may still be on its way to the disk, which decision
0003 accepts so that nobody waits for a disk at the door.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner

from cloud_hub.cli import app as hub_cli
from firmware_bridge.simulators.station import SimulatedStation
from station_agent.wire import membership_code
from tests.harness.hub_process import HubProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
STATION = "demo-01"
VISITS = 200
GROUP = 20
SEED = 20261123
SOON_S = 1.5
LIMIT_S = 60.0
KILLS = {25: ("agent",), 62: ("broker",), 97: ("hub",), 133: ("agent",), 168: ("agent", "hub", "broker")}


class Agent:
    """`yizhan-station run` on the simulated station's lines; killed and started at will."""

    def __init__(self, folder: Path, hub: HubProcess, station: SimulatedStation) -> None:
        self._log = folder / "agent.log"
        self._command = [
            Path(sys.executable).with_name("yizhan-station"),
            "run",
            f"--station={_profile_without_faces(folder)}",
            f"--device-profiles={ROOT / 'config' / 'devices'}",
            f"--link={hub.data / 'demo' / f'{STATION}.json'}",
            f"--state={folder / 'agent'}",
            *(f"--line={line}={path}" for line, path in station.lines.items()),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 10)


def _profile_without_faces(folder: Path) -> Path:
    text = (ROOT / "config" / "stations" / f"{STATION}.toml").read_text("utf-8")
    assert "enabled = true" in text
    path = folder / f"{STATION}.toml"
    path.write_text(text.replace("enabled = true", "enabled = false"), "utf-8")
    return path


class Visitors:
    """Workers with phones before the door; each shows fresh codes until the lock is released."""

    def __init__(self, station: SimulatedStation, hub: HubProcess) -> None:
        self._station = station
        phones = json.loads((hub.data / "demo" / "phones.json").read_text())
        self._phones = [(row["member"], load_pem_private_key(row["private_pem"].encode(), None)) for row in phones]

    @property
    def releases(self) -> int:
        return len(self._station.relay_frames_s)

    async def next(self, number: int) -> None:
        before, deadline = self.releases, asyncio.get_running_loop().time() + LIMIT_S
        while self.releases == before:
            assert asyncio.get_running_loop().time() < deadline, f"visitor {number} was not let in"
            member, key = self._phones[number % len(self._phones)]
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._station.scan(membership_code.make_code(key, member, datetime.now(UTC), os.urandom(2)))
            await _until(lambda: self.releases > before, SOON_S)


async def _until(true: Any, limit_s: float) -> bool:
    """Polls, since what is waited for is another process's doing; whether it came true in time."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not true():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def _events(hub: HubProcess) -> list[dict[str, Any]]:
    """Every event that the hub holds of the station."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    with hub.client() as client:
        while True:
            query = {"limit": "200", **({"before": cursor} if cursor else {})}
            page = client.get(f"stations/{STATION}/events", params=query).raise_for_status().json()
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items


def _of(events: list[dict[str, Any]], kind: str, **fields: Any) -> list[str]:
    wanted = [e["body"] for e in events if e["kind"] == kind]
    return [body["attempt"] for body in wanted if all(body[name] == value for name, value in fields.items())]


async def test_every_visit_is_at_the_hub_once_whatever_is_killed(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    hub = HubProcess(tmp_path)
    await asyncio.to_thread(hub.start)
    (tmp_path / "lines").mkdir()
    try:
        async with SimulatedStation(link_dir=tmp_path / "lines") as station:
            agent = Agent(tmp_path, hub, station)
            await agent.start()
            try:
                await _visits(station, hub, agent, rng)
                released = len(station.relay_frames_s)
                events = await _settled(hub, released)
            finally:
                await agent.stop()
            granted, visits = _of(events, "access.decided", outcome="granted"), _of(events, "visit.counted")
            assert max(Counter(granted).values()) == 1, f"seed {SEED}: a decision came twice"
            assert max(Counter(visits).values()) == 1, f"seed {SEED}: a visit came twice"
            assert set(granted) == set(visits), f"seed {SEED}: a grant without its visit, or the other way round"
            assert len(granted) == released, f"seed {SEED}: the lock was released {released} times"
            assert not [e for e in events if e["kind"] == "alarm.raised" and e["body"]["alarm"] == "door_forced"]
    finally:
        await asyncio.to_thread(hub.stop)
    ended = await asyncio.to_thread(CliRunner().invoke, hub_cli, ["audit", "verify", "--data", str(hub.data), "--json"])
    assert ended.exit_code == 0, f"seed {SEED}: the log does not add up: {ended.stdout}"


async def _visits(station: SimulatedStation, hub: HubProcess, agent: Agent, rng: random.Random) -> None:
    visitors = Visitors(station, hub)
    for number in range(VISITS):
        if number % GROUP == 0:
            station.hold_door(True)
        openings = station.state().openings
        await visitors.next(number)
        if number in KILLS:
            await asyncio.sleep(rng.uniform(0.05, 0.35))
            await _kill(KILLS[number], hub, agent)
        if number % GROUP == 0:
            assert await _until(lambda before=openings: station.state().openings > before, LIMIT_S)
        if number % GROUP == GROUP - 1:
            station.close_door()
            assert await _until(lambda: not station.state().bolt_drawn, LIMIT_S)


async def _kill(what: tuple[str, ...], hub: HubProcess, agent: Agent) -> None:
    if "agent" in what:
        await agent.kill()
    if "broker" in what:
        hub.kill_broker()
    if "hub" in what:
        hub.kill()
        await asyncio.to_thread(hub.start)
    if "agent" in what:
        await agent.start()


async def _settled(hub: HubProcess, visits: int) -> list[dict[str, Any]]:
    """Every event, once the station has nothing left to tell."""

    def told() -> bool:
        with hub.client() as client:
            row = client.get(f"stations/{STATION}").raise_for_status().json()
        return bool(row["online"]) and row["spooled"] == 0 and len(_of(_events(hub), "visit.counted")) >= visits

    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while asyncio.get_running_loop().time() < deadline:
        if await asyncio.to_thread(told):
            break
        await asyncio.sleep(0.2)
    return await asyncio.to_thread(_events, hub)

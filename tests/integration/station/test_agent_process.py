"""The agent as a process: how it starts, what it says of what is wrong, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from firmware_bridge.capture import conversations, parse
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.simulators.station import SimulatedStation
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT, VirtualStationProcess

pytestmark = pytest.mark.integration
HERE = "demo-01"


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "station_agent.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


async def said(process: asyncio.subprocess.Process) -> tuple[int, str]:
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, out.decode() + err.decode()


async def test_it_ends_within_two_seconds_and_tells_the_hub(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    """While a door action is under way: the release finishes, its events are in the spool, the lines are closed."""
    await station.scan(phone.code())
    await station.until(lock_released=True)
    began = time.monotonic()
    os.kill((await station.state())["agent_pid"], signal.SIGTERM)
    await station.until(agent_running=False)
    assert time.monotonic() - began < 2
    await hub.until(lambda: not hub.states[HERE].online, "a word that the station is off")
    await hub.event("access.decided", outcome="granted")
    assert (await station.state())["releases"] == 1


async def test_a_station_whose_agent_and_page_are_ended_leaves_nothing(
    hub: MiniHub, quiet_profile: Path, tmp_path: Path
) -> None:
    station = VirtualStationProcess(quiet_profile, hub.link(HERE), tmp_path / "station")
    async with station:
        agent = (await station.state())["agent_pid"]
        assert await station.stop() == 0
        assert str(agent) not in os.listdir("/proc")
    assert os.listdir(tmp_path / "station" / "state" / "lines") == []


async def test_an_agent_whose_starter_is_killed_ends_as_well(hub: MiniHub, quiet_profile: Path, tmp_path: Path) -> None:
    async with VirtualStationProcess(quiet_profile, hub.link(HERE), tmp_path / "station") as station:
        agent = (await station.state())["agent_pid"]
        assert station.pid is not None
        watch = os.pidfd_open(agent)
        try:
            gone = asyncio.Event()
            asyncio.get_running_loop().add_reader(watch, gone.set)
            os.kill(station.pid, signal.SIGKILL)
            await asyncio.wait_for(gone.wait(), 5)
        finally:
            asyncio.get_running_loop().remove_reader(watch)
            os.close(watch)


async def test_a_busy_port_is_one_sentence(hub: MiniHub, quiet_profile: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.write_text(json.dumps(hub.link(HERE)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = ("--station", str(quiet_profile), "--link", str(link), "--state", str(tmp_path / "s"))
        code, text = await said(await start("virtual", *options, "--port", port))
    assert code == 1
    assert f"port {port} of 127.0.0.1 cannot be had" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"broker": {"host": "hub.example", "port": 1, "username": "u", "password": "p"}}, "Add broker.ca_file"),
        ({"station": "demo-02"}, "is for station demo-02"),
        ({"hub_keys": []}, "hub_keys"),
    ],
)
async def test_a_wrong_link_file_is_one_sentence(
    change: dict[str, object], sentence: str, quiet_profile: Path, tmp_path: Path
) -> None:
    fields = {
        "station": HERE,
        "hub_url": "http://127.0.0.1:9",
        "broker": {"host": "127.0.0.1", "port": 1, "username": "u", "password": "p"},
        "hub_keys": ["00" * 32],
        **change,
    }
    link = tmp_path / "link.json"
    link.write_text(json.dumps(fields))
    process = await start("run", "--station", str(quiet_profile), "--link", str(link), "--state", str(tmp_path / "s"))
    code, text = await said(process)
    assert code != 0
    assert sentence in " ".join(text.split())
    assert "Traceback" not in text


async def test_a_capture_of_a_line_that_is_not_there_is_refused(quiet_profile: Path, tmp_path: Path) -> None:
    options = ("--station", str(quiet_profile), "--state", str(tmp_path / "s"), "--capture", "roof=/dev/null")
    code, text = await said(await start("run", *options))
    assert code == 2
    assert "the profile has no line roof" in " ".join(text.split())


async def test_a_station_without_a_hub_works_alone(quiet_profile: Path, tmp_path: Path) -> None:
    """No link file: the door is watched, what happens is spooled, and it ends cleanly. Its line is captured."""
    ours, theirs = os.pipe()
    lines = tmp_path / "lines"
    lines.mkdir()
    async with SimulatedStation(link_dir=lines) as simulation:
        arguments = [f"--line={name}={path}" for name, path in simulation.lines.items()]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "station_agent.cli", "run", "--station", str(quiet_profile), "--state", str(tmp_path / "s")),
            *arguments,
            *("--status-fd", str(theirs), "--capture", f"door={tmp_path / 'door.cap'}"),
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs,),
            cwd=ROOT,
        )
        os.close(theirs)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
        )
        try:
            async with asyncio.timeout(20):
                while json.loads(await reader.readline())["door"] != "secured":
                    pass
            simulation.force_door()
            async with asyncio.timeout(5):
                while json.loads(await reader.readline())["door"] != "forced":
                    pass
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 5) == 0
            assert simulation.state().releases == 0
            asked = [asked for asked, _ in conversations(parse((tmp_path / "door.cap").read_text().splitlines()).rows)]
            requests = [request for _, request in modbus.RequestParser().feed(b"".join(asked))]
            assert modbus.Read(modbus.Function.READ_DISCRETE_INPUTS, 0, 5) in requests
        finally:
            transport.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

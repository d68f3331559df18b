"""The virtual station's process: simulators and door page here, the agent and the camera as children.

    this process                 agent (child)            camera (child)
    ptys, door mechanics  <----> real drivers
    http://127.0.0.1:PORT        real link to the hub     RTSP

The simulators live here so that they keep their state when the agent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from rich.console import Console
from rich.markup import escape

from firmware_bridge.simulators.rtsp_camera import CameraFailed, RtspCamera
from firmware_bridge.simulators.station import SimulatedStation
from station_agent.virtual.agent import AgentProcess, AgentRefused
from station_agent.virtual.door import VirtualDoor
from station_agent.virtual.phones import Phones
from station_agent.virtual.server import DoorPage
from station_agent.virtual.wiring import NotSimulated, wiring
from station_agent.wire.profile import StationProfile

log = logging.getLogger(__name__)

DEFAULT_PAGES = Path(__file__).resolve().parents[2] / "cloud_hub" / "web" / "dist"
CLOSE_S = 2
AGENT_UP_S = 5.0
"""An agent that has said nothing for so long does not keep the camera from starting."""


@dataclass(frozen=True, slots=True)
class VirtualSettings:
    profile_path: Path
    profile: StationProfile
    link_path: Path
    state_dir: Path
    port: int
    phones_path: Path | None
    pages_dir: Path | None
    device_profiles: Path | None
    verbose: bool = False


class _Server(uvicorn.Server):
    """Signals are ours: the agent has to end before the page does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_virtual(settings: VirtualSettings) -> int:
    """Until SIGTERM or Ctrl-C; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with open_virtual(settings) as (port, agent, camera, door):
            print(f"door page of {settings.profile.station.id}: http://127.0.0.1:{port}/", flush=True)
            await _keep(agent, camera, door, stop)
    except (NotSimulated, AgentRefused, CameraFailed, OSError, ValueError) as error:
        Console(stderr=True).print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        return 1
    return 0


async def _keep(agent: AgentProcess, camera: RtspCamera | None, door: VirtualDoor, stop: asyncio.Event) -> None:
    """Agent, then camera; raises what keeps one of them from running."""
    keeping = asyncio.create_task(agent.run(), name="agent")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    filming = asyncio.create_task(_film(camera, agent, door), name="camera")
    tasks = {keeping, stopping, filming}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _film(camera: RtspCamera | None, agent: AgentProcess, door: VirtualDoor) -> None:
    """The camera's process starts once the agent is up: on a small machine the two would only slow each other."""
    if camera is None:
        await asyncio.Event().wait()
        return
    while agent.status is None and await door.change(AGENT_UP_S):
        pass
    try:
        await camera.start()
        await asyncio.Event().wait()
    finally:
        await camera.close()


@asynccontextmanager
async def open_virtual(
    settings: VirtualSettings,
) -> AsyncIterator[tuple[int, AgentProcess, RtspCamera | None, VirtualDoor]]:
    """Simulators and page are up; agent and camera are the caller's to run."""
    profile = settings.profile
    wired = wiring(profile)
    phones = Phones.read(settings.phones_path)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(_listen(settings.port))
        lines_dir = settings.state_dir / "lines"
        lines_dir.mkdir(parents=True, exist_ok=True)
        simulation = SimulatedStation(wired.simulation, link_dir=lines_dir)
        await stack.enter_async_context(simulation)
        camera = None
        if profile.cameras:
            camera = RtspCamera(port=_free_port())
        agent = AgentProcess(_arguments(settings, wired.lines, simulation, camera), lambda: door.changed())
        door = VirtualDoor(profile.station.id, profile.station.name, simulation, camera, agent, phones)
        stack.callback(door.close)
        simulation.on_change = door.changed
        stopping = asyncio.Event()
        app = DoorPage(door, settings.pages_dir or DEFAULT_PAGES, stopping).app()
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=CLOSE_S, lifespan="off")
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="door page")
        try:
            yield listening.getsockname()[1], agent, camera, door
        finally:
            stopping.set()
            door.changed()
            server.should_exit = True
            await serving


def _arguments(
    settings: VirtualSettings, lines: dict[str, str], simulation: SimulatedStation, camera: RtspCamera | None
) -> list[str]:
    arguments = ["--station", str(settings.profile_path), "--link", str(settings.link_path)]
    arguments += ["--state", str(settings.state_dir / "agent"), "--keys", str(settings.state_dir / "keys")]
    if settings.device_profiles is not None:
        arguments += ["--device-profiles", str(settings.device_profiles)]
    for line, simulated in lines.items():
        arguments += ["--line", f"{line}={simulation.lines[simulated]}"]
    if camera is not None:
        for name in settings.profile.cameras:
            arguments += ["--camera", f"{name}={camera.url}"]
    if settings.verbose:
        arguments.append("--verbose")
    return arguments


def _free_port() -> int:
    """Chosen before the camera runs, so that the agent can be told and start at the same time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listen(port: int) -> socket.socket:
    """Raises OSError with a sentence that names the port."""
    # asyncio sends at once (TCP_NODELAY) only on a socket that names its protocol.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise OSError(f"port {port} of 127.0.0.1 cannot be had for the door page: {error.strerror}") from error
    listening.listen(128)
    return listening


__all__ = ["VirtualSettings", "open_virtual", "run_virtual"]

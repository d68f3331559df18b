"""Owns `run.py demo`: hub and two virtual stations as children, watched until they are to end.

    setting up -> hub -> (ready) -> stations -> (ready) -> live -> Ctrl-C, --seconds over, or a part ends

A station needs files that the hub writes. They stay the same from one demo to the next, so stations start
beside the hub where the files are there; should the hub have written others, those stations start again.
The hub's own broker is the hub's child, not ours; it ends with the hub.
"""

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.bootstrap import environment, pages, processes
from deploy.bootstrap.console import Console, Stop
from deploy.bootstrap.locks import demo_lock
from deploy.bootstrap.places import Places

STATIONS = ("demo-01", "demo-02")
DOOR_PORT_OFFSET = 101
"""Virtual doors listen beside the hub: 8101 and 8102 where the hub has 8000."""

START_LIMIT_S = 90.0
"""The longest a part may take to become ready on a slow machine before the demo gives up."""
HEALTH_EVERY_S = 1.0
UNHEALTHY_LIMIT = 5
"""So many failed health checks in a row end the demo: one alone may be a busy machine."""
STATION_PATIENCE_S = 5.0
HUB_PATIENCE_S = 8.0


@dataclass
class Part:
    """One child of the demo and how to see that it is healthy."""

    name: str
    argv: processes.Argv
    port: int
    log: Path
    inputs: tuple[Path, ...] = ()
    child: subprocess.Popen[bytes] | None = None
    started_with: tuple[bytes | None, ...] = ()
    failures: int = 0

    def start(self, root: Path) -> None:
        self.started_with = self.given()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self.child = processes.start(self.argv, cwd=root, output=output)

    def given(self) -> tuple[bytes | None, ...]:
        """What its inputs hold now; None for one that is not there."""
        return tuple(path.read_bytes() if path.exists() else None for path in self.inputs)

    def ended(self) -> int | None:
        return None if self.child is None else self.child.poll()

    def is_ready(self) -> bool:
        """Whether its `/readyz` answers 200 just now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class PartFailed(Exception):
    """A part did not come up or did not stay up; the message says which, and shows the end of its log."""


def parts(places: Places, port: int) -> tuple[Part, list[Part]]:
    """The hub and the stations, as they will be started."""
    data, logs = places.demo / "hub", places.demo / "logs"
    serve: processes.Argv = [places.tool("yizhan-hub"), "serve", "--demo", "--port", str(port), "--data", data]
    hub = Part("hub", serve, port, logs / "hub.log")
    stations = []
    for number, name in enumerate(STATIONS):
        door = port + DOOR_PORT_OFFSET + number
        argv: list[str | Path] = [places.tool("yizhan-station"), "virtual"]
        argv += ["--station", places.root / "config" / "stations" / f"{name}.toml"]
        link, phones = data / "demo" / f"{name}.json", data / "demo" / "phones.json"
        argv += ["--link", link, "--phones", phones]
        argv += ["--state", places.demo / name, "--port", str(door)]
        stations.append(Part(f"station {name}", argv, door, logs / f"{name}.log", (link, phones)))
    return hub, stations


def run(places: Places, console: Console, *, port: int, seconds: float | None, fresh: bool) -> int:
    """Sets up and runs the demo; returns the exit status. Raises Stop where it cannot begin."""
    hub, stations = parts(places, port)
    check_ports(port, [part.port for part in (hub, *stations)])
    environment.ensure(places, "demo", console)
    pages.ensure(places, console)
    with demo_lock(places.state / "demo.lock"):
        if fresh:
            shutil.rmtree(places.demo, ignore_errors=True)
        live = False
        with ExitStack() as running:
            running.callback(_end, hub, HUB_PATIENCE_S)
            running.callback(_end_all, stations)
            try:
                _bring_up(places, console, hub, stations)
                live = True
                console.say(introduction(places, hub, stations))
                _watch((hub, *stations), seconds)
            except PartFailed as failure:
                console.say(str(failure))
                return 1
            except KeyboardInterrupt:
                console.say()
                return 0 if live else 130
    return 0


def check_ports(port: int, wanted: Sequence[int]) -> None:
    """Raises Stop naming the first port that another program listens on."""
    if not 0 < port <= 65535 - DOOR_PORT_OFFSET - len(STATIONS):
        raise Stop(f"--port {port} is not possible: choose one from 1 to {65535 - DOOR_PORT_OFFSET - len(STATIONS)}.")
    for number in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except PermissionError:
                raise Stop(f"port {number} is for root only: choose another with `--port`, such as 8000.") from None
            except OSError:
                raise Stop(
                    f"port {number} is in use by another program: end that one, or choose other ports, for "
                    f"instance `python3 run.py demo --port {port + 1000 if port < 60000 else 8000}`."
                ) from None


def _bring_up(places: Places, console: Console, hub: Part, stations: Sequence[Part]) -> None:
    with console.step("hub and broker"):
        hub.start(places.root)
        for station in stations:
            if None not in station.given():
                station.start(places.root)
        _until_ready([hub], console)
    with console.step("virtual stations " + ", ".join(STATIONS)):
        for station in stations:
            if station.child is None or station.started_with != station.given():
                _end(station, patience_s=0.0)
                station.start(places.root)
        _until_ready([hub, *stations], console)


def _until_ready(waiting: Sequence[Part], console: Console) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    for part in waiting:
        while not part.is_ready():
            _check_running(waiting)
            if time.monotonic() > deadline:
                raise PartFailed(_failure(part, f"was not ready after {START_LIMIT_S:.0f} s"))
            console.turn()
            time.sleep(processes.POLL_S)


def _watch(watched: Sequence[Part], seconds: float | None) -> None:
    """Returns when `seconds` are over; raises PartFailed as soon as a part ends or stays unhealthy."""
    began = time.monotonic()
    check_health = began + HEALTH_EVERY_S
    while seconds is None or time.monotonic() - began < seconds:
        _check_running(watched)
        if time.monotonic() >= check_health:
            check_health = time.monotonic() + HEALTH_EVERY_S
            for part in watched:
                part.failures = 0 if part.is_ready() else part.failures + 1
                if part.failures >= UNHEALTHY_LIMIT:
                    raise PartFailed(_failure(part, f"failed {UNHEALTHY_LIMIT} health checks in a row"))
        time.sleep(processes.POLL_S)
    for part in watched:
        if part.failures and not part.is_ready():
            raise PartFailed(_failure(part, "was not healthy at the end"))


def _check_running(watched: Sequence[Part]) -> None:
    for part in watched:
        status = part.ended()
        if status is not None:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            raise PartFailed(_failure(part, how))


def _failure(part: Part, how: str) -> str:
    return f"The {part.name} {how}. The end of {part.log}:\n{processes.last_lines(part.log)}"


def _end(part: Part, patience_s: float) -> None:
    if part.child is not None:
        processes.stop([part.child], patience_s=patience_s)


def _end_all(stations: Sequence[Part]) -> None:
    children = [station.child for station in stations if station.child is not None]
    processes.stop(children, patience_s=STATION_PATIENCE_S)


def introduction(places: Places, hub: Part, stations: Sequence[Part]) -> str:
    """What is shown once everything is live: addresses, log-ins, what to try."""
    page = f"http://127.0.0.1:{hub.port}"
    lines = [
        "",
        "驿站已就绪 Yizhan is live",
        "",
        f"  管理页面 manager       {page}/",
        f"  会员页面 worker        {page}/m",
    ]
    for name, station in zip(STATIONS, stations, strict=True):
        lines.append(f"  虚拟门 virtual door    http://127.0.0.1:{station.port}/   ({name})")
    lines += ["", "  登录 log-ins"]
    for login in _logins(places):
        lines.append(f"    {login['role']:<12} {login['user']:<14} {login['password']}")
    lines += [
        "",
        "  试一试 try",
        "    在会员页面打开会员码, 在虚拟门出示: 门开, 管理页面立即看到",
        "      open a code on the worker page, show it at a virtual door: it opens, the manager sees it live",
        "    在管理页面远程开门 (写明原因), 向屏幕发送文字, 观看摄像头",
        "      on the manager page open a door (with a reason), write on the sign, look through the camera",
        "",
        f"  日志 logs: {(places.demo / 'logs').relative_to(places.root)}    Ctrl-C 结束 ends it",
        "",
    ]
    return "\n".join(lines)


def _logins(places: Places) -> list[dict[str, str]]:
    path = places.demo / "hub" / "demo" / "logins.json"
    try:
        logins = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise PartFailed(f"The hub is ready but wrote no readable log-ins to {path}: {error}") from None
    return [{key: str(login.get(key, "")) for key in ("user", "password", "role")} for login in logins]

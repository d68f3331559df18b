"""The real hub as a child process on free loopback ports, and its REST interface as a test uses it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.harness.ports import free_port

START_LIMIT_S = 30.0
POLL_S = 0.02

PROFILE = """
[station]
id = "{id}"
name = "{name}"
place = {{ latitude = 43.8868, longitude = 125.3245, address = "长春市朝阳区" }}
[lines.bus]
url = "/dev/null"
[devices.relays]
driver = "modbus_relays"
line = "bus"
address = 1
[devices.climate]
driver = "modbus_registers"
line = "bus"
address = 2
[door]
lock = "relays"
[cameras.door]
url = "rtsp://127.0.0.1:1/none"
[telemetry]
heartbeat_s = 1
"""


def until(true: Callable[[], Any], what: str, limit_s: float = START_LIMIT_S) -> Any:
    """The first truthy result; fails after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not (result := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(POLL_S)
    return result


class HubProcess:
    """`start` may be called again after `kill` or `stop`: the port and the data stay."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = dict(env or {})
        self._log = folder / "hub.log"
        self._profiles = folder / "stations"
        self._profiles.mkdir()
        for name in ("demo-01", "demo-02"):
            text = PROFILE.format(id=name, name=f"驿站 {name}")
            (self._profiles / f"{name}.toml").write_text(text, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the hub says that it is ready."""
        command = [Path(sys.executable).with_name("yizhan-hub"), "serve", "--demo", "--port", str(self.port)]
        command += ["--data", self.data, "--stations", self._profiles]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | self.env)
        until(self.is_ready, f"the hub is ready; its log:\n{self._log.read_text()}")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> tuple[int, float]:
        """Exit status and seconds that it took after SIGTERM."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        return status, time.monotonic() - began

    def broker_pid(self) -> int:
        return int((self.data / "broker" / "pid").read_text())

    def kill_broker(self) -> None:
        os.kill(self.broker_pid(), signal.SIGKILL)

    def link(self, station: str) -> dict[str, Any]:
        link: dict[str, Any] = json.loads((self.data / "demo" / f"{station}.json").read_text())
        return link

    @contextmanager
    def client(self, user: str | None = "admin") -> Iterator[httpx.Client]:
        """A browser's session: cookies and the Origin of the hub's own pages."""
        base = f"{self.url}/api/v1/"
        with httpx.Client(base_url=base, headers={"Origin": self.url}, timeout=10) as client:
            if user is not None:
                logins = json.loads((self.data / "demo" / "logins.json").read_text())
                password = next(one["password"] for one in logins if one["user"] == user)
                assert client.post("session", json={"user": user, "password": password}).status_code == 200
            yield client

    def __enter__(self) -> "HubProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

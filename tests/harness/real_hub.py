"""The real hub without --demo: stations come by claims and certificates, over TLS, on loopback."""

import json
import os
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from station_agent.identity import files
from station_agent.identity.claim import claim
from station_agent.identity.http import HubHttp
from station_agent.link.tls import broker_context
from station_agent.settings import read_link
from station_agent.wire.claim import read_ticket
from station_agent.wire.link import HubLink
from tests.harness.hub_process import HubProcess, until

PROFILE = """
[station]
id = "{id}"
name = "{name}"
place = {{ latitude = 43.8868, longitude = 125.3245, address = "长春市朝阳区" }}
[lines.door]
url = "tcp://127.0.0.1:1"
[devices.lock]
driver = "modbus_lock"
line = "door"
profile = "waveshare_relay_d"
address = 1
options = {{ coil = 0, contact = 0 }}
[door]
lock = "lock"
egress = "mechanical"
[telemetry]
heartbeat_s = 1
"""
"""Correct, and nothing is behind its line."""

PASSWORD = "a password of the tests"


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


class RealHub(HubProcess):
    """As HubProcess; `admin` is its only log-in."""

    def __init__(self, folder: Path, *options: str, env: dict[str, str] | None = None) -> None:
        super().__init__(folder, env)
        self._options = options
        if "--tls-own" in options:
            self.url = f"https://127.0.0.1:{self.port}"
        self._folder = folder
        self._profile_of = folder / "profiles"
        self._profile_of.mkdir()

    def start(self) -> None:
        if not self.data.exists():
            add = [tool("yizhan-hub"), "users", "add", "admin", "--role", "admin", "--data", str(self.data)]
            subprocess.run(add, check=True, env=self._environment | {"YIZHAN_PASSWORD": PASSWORD}, capture_output=True)
        command = [tool("yizhan-hub"), "serve", "--port", str(self.port), "--data", str(self.data), *self._options]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        until(self.is_ready, f"the hub is ready; its log:\n{self._log.read_text()}")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", verify=self.believing()).status_code == 200
        except (httpx.TransportError, FileNotFoundError):
            return False

    def believing(self) -> ssl.SSLContext | bool:
        """As a browser that was given the hub's authority."""
        if self.url.startswith("http:"):
            return True
        return ssl.create_default_context(cafile=str(self.data / "hub-ca.pem"))

    def cli(self, *words: str, status: int = 0) -> Any:
        """`yizhan-hub WORDS --json`: what it says."""
        command = [tool("yizhan-hub"), *words, "--data", str(self.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def profile(self, station: str) -> Path:
        path = self._profile_of / f"{station}.toml"
        path.write_text(PROFILE.format(id=station, name=f"驿站 {station}"), encoding="utf-8")
        return path

    @contextmanager
    def client(self, user: str | None = "admin") -> Iterator[httpx.Client]:
        base = f"{self.url}/api/v1/"
        headers = {"Origin": self.url}
        with httpx.Client(base_url=base, headers=headers, timeout=10, verify=self.believing()) as client:
            if user is not None:
                assert client.post("session", json={"user": user, "password": PASSWORD}).status_code == 200
            yield client

    def added(self, station: str) -> Any:
        """A new station's claim."""
        with self.client() as admin:
            profile = tomllib.loads(self.profile(station).read_text(encoding="utf-8"))
            assert admin.post("stations", json=profile).status_code == 201
            claim = admin.post(f"stations/{station}/claims", json={"reason": "a new box"})
            assert claim.status_code == 201, claim.text
            return claim.json()

    def claimed(self, station: str) -> "Box":
        """A new station and its box."""
        return self.box(self.added(station)["text"], self._folder / f"identity-{station}")

    def box(self, text: str, folder: Path) -> "Box":
        """The box that claims by `text`."""
        ticket = read_ticket(text)
        with HubHttp(ticket.hub_url, fingerprint=ticket.fingerprint) as asked:
            claim(folder, ticket, asked)
        return Box(folder)


class Box:
    """The identity of a claimed station."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def link(self) -> HubLink:
        return read_link(self.folder / files.LINK)

    def raw_link(self) -> dict[str, Any]:
        """As MqttStation takes it."""
        return self.link.model_dump(mode="json")

    def context(self) -> ssl.SSLContext:
        return broker_context(self.folder / files.AUTHORITY, self.folder / files.STATION, clock_trusted=True)

"""The demo as processes: the real hub, and real agents on simulated devices, on free loopback ports."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.harness.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STATION = "demo-01"
START_LIMIT_S = 45.0
STOP_LIMIT_S = 10.0
POLL_S = 0.05


class NotReady(AssertionError):
    """A process ended, or did not get ready in time; the message carries its log."""


@dataclass(frozen=True)
class Demo:
    hub_url: str
    door_url: str
    folder: Path

    def password(self, user: str) -> str:
        logins = json.loads((self.folder / "demo" / "logins.json").read_text())
        return str(next(one["password"] for one in logins if one["user"] == user))

    def phones(self) -> list[dict[str, Any]]:
        return list(json.loads((self.folder / "demo" / "phones.json").read_text()))


@contextlib.contextmanager
def _process(command: list[str | Path], log: Path, url: str, what: str) -> Iterator[None]:
    """Runs until the block ends; the block begins when `url`/readyz says so."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not _ready(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"{what} did not get ready; its log:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(POLL_S)  # there is no event to wait for before it listens
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def running_demo(folder: Path, *others: str) -> Iterator[Demo]:
    """The hub and the virtual station demo-01, and `others` beside it. Ends with the block."""
    hub_port, door_port = free_port(), free_port()
    hub_url, door_url = f"http://127.0.0.1:{hub_port}", f"http://127.0.0.1:{door_port}"
    bin_dir = Path(sys.executable).parent
    hub: list[str | Path] = [bin_dir / "yizhan-hub", "serve", "--demo", "--port", str(hub_port), "--data", folder]

    def station(name: str, port: int) -> list[str | Path]:
        command: list[str | Path] = [bin_dir / "yizhan-station", "virtual", "--port", str(port)]
        command += ["--station", ROOT / "config" / "stations" / f"{name}.toml", "--state", folder / name]
        return [*command, "--link", folder / "demo" / f"{name}.json", "--phones", folder / "demo" / "phones.json"]

    with contextlib.ExitStack() as running:
        running.enter_context(_process(hub, folder / "hub.log", hub_url, "the hub"))
        for name, port in [(STATION, door_port), *((other, free_port()) for other in others)]:
            url = f"http://127.0.0.1:{port}"
            running.enter_context(_process(station(name, port), folder / f"{name}.log", url, f"station {name}"))
        yield Demo(hub_url, door_url, folder)

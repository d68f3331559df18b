"""A virtual station as a process, driven over its door page's HTTP as a browser would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0


class VirtualStationProcess:
    """`async with VirtualStationProcess(profile, link, folder)`. `link` is the content of a link file."""

    def __init__(
        self,
        profile: Path,
        link: dict[str, Any],
        folder: Path,
        *,
        phones: Path | None = None,
        until_ready: bool = True,
        port: int = 0,
    ) -> None:
        self._profile = profile
        self._link = link
        self._folder = folder
        self._phones = phones
        self._until_ready = until_ready
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self.http = httpx.AsyncClient()

    async def __aenter__(self) -> VirtualStationProcess:
        self._folder.mkdir(parents=True, exist_ok=True)
        link = self._folder / "link.json"
        link.write_text(json.dumps(self._link))
        command = [sys.executable, "-m", "station_agent.cli", "virtual", "--station", str(self._profile)]
        command += ["--link", str(link), "--state", str(self._folder / "state"), "--port", str(self._port)]
        if self._phones is not None:
            command += ["--phones", str(self._phones)]
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT
            )
        try:
            assert self._process.stdout is not None
            line = await asyncio.wait_for(self._process.stdout.readline(), START_S)
            if not line:
                raise AssertionError("the virtual station did not start:\n" + self.log())
            self.url = line.decode().split()[-1].rstrip("/")
            self.http.base_url = httpx.URL(self.url)
            if self._until_ready:
                await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def log_path(self) -> Path:
        return self._folder / "station.log"

    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        await self.http.aclose()
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError("the virtual station did not end:\n" + self.log()) from None

    async def ready(self) -> None:
        """Until the agent is up, linked, and the door known."""
        deadline = time.monotonic() + START_S
        while (await self.http.get("/readyz")).status_code != 200:
            if time.monotonic() > deadline:
                raise AssertionError("not ready:\n" + self.log())
            await asyncio.sleep(0.02)

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/api/state")).json()
        return found

    async def until(self, timeout_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """Follow the event stream until the state's fields are as given (`sign_text`: the sign's); that state."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s), self.http.stream("GET", "/api/live", timeout=None) as stream:
                async for line in stream.aiter_lines():
                    if line.startswith("data:"):
                        state = json.loads(line[5:])
                        state["sign_text"] = state["sign"]["text"]
                        if all(state[name] == value for name, value in fields.items()):
                            return state
        except TimeoutError:
            pass
        raise AssertionError(f"{fields} did not come; last {state}\n" + self.log()[-4000:])

    async def until_log(self, words: str, timeout_s: float = 20.0) -> None:
        """Until the agent or its simulators have said it."""
        deadline = time.monotonic() + timeout_s
        while words not in self.log():
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r} was not said:\n{self.log()[-4000:]}")
            await asyncio.sleep(0.05)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return (await self.http.post(path, json=body)).raise_for_status()

    async def scan(self, text: str) -> None:
        await self.post("/api/scan", text=text)

    async def kill_agent(self) -> int:
        """kill -9; the pid that is gone."""
        pid: int = (await self.state())["agent_pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

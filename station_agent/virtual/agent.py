"""The agent as a child process: started, watched through its status pipe, started again when it dies."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from station_agent.health import Status

log = logging.getLogger(__name__)

PAUSE_S_FIRST = 0.2
PAUSE_S_MAX = 5.0
HEALTHY_S = 10.0
END_S = 4.0
"""Its own shutdown takes 2 s at most."""

EXIT_BAD_PROFILE = 2


class AgentRefused(Exception):
    """The agent says that it cannot run as it is configured; starting it again would not help."""


class AgentProcess:
    """`run` keeps one agent alive until cancelled, and ends it then."""

    def __init__(self, arguments: Sequence[str], on_change: Callable[[], None]) -> None:
        self._arguments = arguments
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self.status: Status | None = None
        """What the running agent said last; None while none runs."""
        self.starts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = PAUSE_S_FIRST
        while True:
            began = loop.time()
            code = await self._once()
            if code == EXIT_BAD_PROFILE:
                raise AgentRefused("the agent refuses its profile or link file; its own message stands above")
            if loop.time() - began >= HEALTHY_S:
                pause_s = PAUSE_S_FIRST
            log.warning("the agent ended with %s; starting it again in %.1f s", code, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_S_MAX)

    async def _once(self) -> int:
        """One life of the agent; how it ended."""
        ours, theirs = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "station_agent.cli", "run", *self._arguments),
                *("--status-fd", str(theirs), "--with-parent", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs,),
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self.starts += 1
        self._on_change()
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(ours, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            async for line in reader:
                self.status = _status(line)
                self._on_change()
            return await self._process.wait()
        finally:
            transport.close()
            await self._end()
            self.status = None
            self._on_change()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            log.error("the agent did not end within %g s and is killed", END_S)
            process.kill()
            await process.wait()


def _status(line: bytes) -> Status:
    found: dict[str, Any] = json.loads(line)
    return Status(**found)

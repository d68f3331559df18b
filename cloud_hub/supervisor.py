"""Keeps the hub's services running: one that fails is started again, later and later, and its health is told."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
HEALTHY_AFTER_S = 20.0  # a service that ran for so long starts again at once when it fails

log = logging.getLogger(__name__)


class Transient(Exception):
    """A fault of something outside, such as a broker that was killed: told in one line and tried again."""


class Supervisor:
    """`async with` owns the tasks: on leaving, all are cancelled, the last one added first, and waited for."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.failures: dict[str, int] = {}
        self.failing: dict[str, str] = {}

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task])

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self.failures[name] = 0
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            started_s = loop.time()
            try:
                await run()
                log.error("%s ended, though it should run on", name)
                self.failing[name] = "ended"
            except Transient as error:
                log.warning("%s: %s", name, error)
                self.failing[name] = str(error)
            except Exception as error:
                log.exception("%s failed", name)
                self.failing[name] = f"{type(error).__name__}: {error}"
            self.failures[name] += 1
            pause_s = FIRST_PAUSE_S if loop.time() - started_s > HEALTHY_AFTER_S else min(pause_s * 2, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            self.failing.pop(name, None)

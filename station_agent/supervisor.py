"""Keeps services alive, each on its own: one that fails restarts after a pause and takes no other with it.

    run() ends or raises --> pause (jittered, doubling, short again after a healthy time) --> run()

A bare TaskGroup would cancel every sibling. An essential service that fails too often in a row ends the process
instead: systemd starts it afresh. `except Exception` lives here.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from station_agent.clock import Clock

log = logging.getLogger(__name__)

Run = Callable[[], Awaitable[None]]


class Essential(Exception):
    """A service without which the station is none has failed too often."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a service is kept. `failures_max`: failures in a row after which the process ends; None for never."""

    pause_s_first: float = 0.5
    pause_s_max: float = 60.0
    healthy_s: float = 30.0
    failures_max: int | None = None


DEFAULT = Policy()
QUICK = Policy(pause_s_first=0.2, pause_s_max=5.0)
ESSENTIAL = Policy(pause_s_first=0.2, pause_s_max=5.0, failures_max=10)


@dataclass(slots=True)
class ServiceHealth:
    """Where a service stands; `detail` is its last failure."""

    running: bool = False
    failures: int = 0
    restarts: int = 0
    detail: str = ""


class Supervisor:
    """`keep` names a service; `run` keeps all of them until one is essential and gone, or it is cancelled."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._services: list[tuple[str, Run, Policy]] = []
        self.health: dict[str, ServiceHealth] = {}

    def keep(self, name: str, run: Run, policy: Policy = DEFAULT) -> None:
        """Add a service before `run`. Its name is unique."""
        if name in self.health:
            raise ValueError(f"there is a service {name!r} already")
        self._services.append((name, run, policy))
        self.health[name] = ServiceHealth()

    async def run(self) -> None:
        """Raises Essential; otherwise runs until cancelled, and then waits for every service to end."""
        tasks = [asyncio.create_task(self._keep(name, run, policy), name=name) for name, run, policy in self._services]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, run: Run, policy: Policy) -> None:
        health = self.health[name]
        pause_s = policy.pause_s_first
        while True:
            began = self._clock.monotonic()
            health.running = True
            try:
                await run()
                health.detail = "ended by itself"
                log.warning("service %s ended by itself", name)
            except Exception as error:
                health.detail = f"{type(error).__name__}: {error}"
                log.exception("service %s failed", name)
            finally:
                health.running = False
            if self._clock.monotonic() - began >= policy.healthy_s:
                health.failures = 0
                pause_s = policy.pause_s_first
            health.failures += 1
            health.restarts += 1
            if policy.failures_max is not None and health.failures >= policy.failures_max:
                raise Essential(f"{name} failed {health.failures} times in a row: {health.detail}")
            await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, policy.pause_s_max)

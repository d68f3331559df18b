"""Lines that are a surface to draw on: a framebuffer, a LED matrix of this board. Each device holds its own.

```
 open --failed--> pause, growing, jittered --> open --there--> watched every WATCH_S --gone--> closed, told --> pause
```
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from firmware_bridge.session import SessionContext

log = logging.getLogger(__name__)

WATCH_S = 0.5
REOPEN_S_FIRST = 0.2
REOPEN_S_MAX = 10.0
# A surface that was there this long was healthy: the next loss starts from the first pause again.
HEALTHY_S = 10.0


class Holder(Protocol):
    """A device that draws. Everything is called on the loop and returns at once."""

    @property
    def name(self) -> str: ...

    def open(self) -> None:
        """Take hold of the surface. Raises OSError."""
        ...

    def watch(self) -> None:
        """Raises OSError when the surface is not there any more."""
        ...

    def close(self) -> None:
        """Let go of it, whatever state it is in."""
        ...

    def opened(self) -> None: ...

    def lost(self, why: str) -> None: ...


class SurfaceSession:
    """Keeps the surfaces of a line's devices open."""

    def __init__(self, context: SessionContext) -> None:
        self.name = context.name
        self._url = context.line.url
        self._clock = context.clock
        self._rng = context.rng
        self._holders: dict[str, Holder] = {}
        self._gone: dict[str, asyncio.Future[str]] = {}

    def attach(self, holder: Holder) -> None:
        """Name a device of this line."""
        if holder.name in self._holders:
            raise ValueError(f"{holder.name} is already on line {self.name}")
        self._holders[holder.name] = holder

    def lose(self, device: str, why: str) -> None:
        """A device found that its surface does not take a picture any more."""
        gone = self._gone.get(device)
        if gone is not None and not gone.done():
            gone.set_result(why)

    async def run(self) -> None:
        """Keep every surface open until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())  # a line without devices waits, too
            for holder in self._holders.values():
                group.create_task(self._keep(holder))

    async def _keep(self, holder: Holder) -> None:
        pause_s = REOPEN_S_FIRST
        told = ""
        try:
            while True:
                since = self._clock.monotonic()
                why, was_open = await self._hold(holder)
                if was_open or why != told:
                    log.warning("line %s (%s): %s", self.name, self._url, why)
                    told = why
                if self._clock.monotonic() - since >= HEALTHY_S:
                    pause_s = REOPEN_S_FIRST
                await asyncio.sleep(pause_s * self._rng.uniform(0.75, 1.25))
                pause_s = min(REOPEN_S_MAX, pause_s * 2)
        finally:
            holder.close()

    async def _hold(self, holder: Holder) -> tuple[str, bool]:
        """Hold a surface until it is gone: why, and whether it was there at all."""
        try:
            holder.open()
        except OSError as error:
            why = f"cannot be opened: {error}"
            holder.lost(why)
            return why, False
        gone = asyncio.get_running_loop().create_future()
        self._gone[holder.name] = gone
        log.info("line %s (%s) is open for %s", self.name, self._url, holder.name)
        holder.opened()
        why = await self._watched(holder, gone)
        holder.close()
        holder.lost(why)
        return why, True

    async def _watched(self, holder: Holder, gone: asyncio.Future[str]) -> str:
        while True:
            done, _ = await asyncio.wait({gone}, timeout=WATCH_S)
            if done:
                return gone.result()
            try:
                holder.watch()
            except OSError as error:
                return f"it is gone: {error}"

"""Brings versioned documents to stations: at once a new version, and again while one reports an older one.

    newest({station: version}) --+
                                 +--> due --> signed(station) --> Downlink
    reported(station, version) --+

What a document says, and when it becomes another version, is its maker's business (codes/roster.py, rules/service.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from cloud_hub.clock import Clock
from cloud_hub.downlink import Downlink
from station_agent.wire.topics import Down

PUSH_AGAIN_S = 1.0  # time for a station to apply what it was sent, before it is sent again


class Courier:
    """Of one kind of document. `signed` gives a station's newest one, or None when there is none to send now."""

    def __init__(
        self,
        clock: Clock,
        downlink: Downlink,
        online: Callable[[str], bool],
        signed: Callable[[str], Awaitable[bytes | None]],
    ) -> None:
        self._clock = clock
        self._downlink = downlink
        self._online = online
        self._signed = signed
        self._versions: dict[str, int] = {}
        self._due_s: dict[str, float] = {}  # station -> when to push, for those that are behind
        self._pushed_s: dict[str, float] = {}
        self._woken = asyncio.Event()

    def newest(self, versions: Mapping[str, int]) -> None:
        """What every station should have; those whose version is another one are due at once."""
        now_s = self._clock.monotonic()
        for name, version in versions.items():
            if self._versions.get(name) != version:
                self._due_s[name] = now_s
        self._versions = dict(versions)

    def reported(self, station: str, version: int) -> None:
        """A station told which version it runs."""
        wanted = self._versions.get(station)
        if wanted is None or version >= wanted:
            self._due_s.pop(station, None)
            return
        now_s = self._clock.monotonic()
        self._due_s.setdefault(station, max(now_s, self._pushed_s.get(station, now_s) + PUSH_AGAIN_S))
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def begin(self) -> None:
        """A round begins: whatever wakes us from here on is of the next one."""
        self._woken.clear()

    async def push_due(self) -> None:
        now_s = self._clock.monotonic()
        for station in sorted(name for name, due_s in self._due_s.items() if due_s <= now_s):
            del self._due_s[station]
            payload = await self._signed(station)
            if payload is None or not await self._downlink.send(station, Down.DOCUMENT, payload):
                continue
            if self._online(station):
                self._pushed_s[station] = self._clock.monotonic()

    async def wait(self, longest_s: float) -> None:
        """Until somebody wakes us, the next push is due, or `longest_s` are over."""
        now_s = self._clock.monotonic()
        next_s = min([now_s + longest_s, *self._due_s.values()])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(next_s - now_s, 0.0)):
                await self._woken.wait()

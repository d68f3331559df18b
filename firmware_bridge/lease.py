"""A line that is one device's alone for a while: an upload speaks a protocol of its own on it.

Made by `Bus.lease`. Whoever holds it must be quick: a lock request that comes meanwhile waits, or misses its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware_bridge.exchange import LineLost

# Bytes heard that nobody has read yet. What answers an upload is a byte or two at a time; more is noise, and of
# noise the newest is kept.
HEARD_BYTES_MAX = 4096


class Lease:
    """Bytes out and in, until it is given back, its time is over or the line is lost."""

    def __init__(self, device: str, write: Callable[[bytes], None]) -> None:
        self._device = device
        self._write = write
        self._heard = bytearray()
        self._news = asyncio.Event()
        self._ended = ""

    def write(self, data: bytes) -> None:
        """Raises LineLost when the lease is over."""
        self._check()
        self._write(data)

    async def read(self, timeout_s: float) -> bytes:
        """What was heard since the last time; nothing after `timeout_s` of silence. Raises LineLost."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return b""
        self._check()
        data = bytes(self._heard)
        self._heard.clear()
        self._news.clear()
        return data

    def _check(self) -> None:
        if self._ended:
            raise LineLost(self._device, f"its turn on the line ended: {self._ended}")

    # For the bus.

    def hear(self, data: bytes) -> None:
        self._heard += data
        del self._heard[:-HEARD_BYTES_MAX]
        self._news.set()

    def end(self, why: str) -> None:
        self._ended = self._ended or why
        self._news.set()

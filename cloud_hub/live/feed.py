"""Fan-out of what changes to everybody who watches. Nothing is kept: who comes later asks the routes.

Each reader has a bounded queue. A reader that is too slow loses what waits and gets one `resync` instead, so that it
asks for everything again; others never wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloud_hub.live.models import Topic

WAITING_MAX = 512  # a burst of a reconnecting station's timeline fits; beyond it, asking again is cheaper
READERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Message:
    """`data` is JSON, made once for all readers."""

    topic: Topic
    station: str | None
    data: str


RESYNC = Message(Topic.RESYNC, None, "{}")


class Reader:
    def __init__(self, station: str | None) -> None:
        self.station = station
        self.waiting: deque[Message] = deque()
        self.changed = asyncio.Event()
        self.closed = False

    def put(self, message: Message) -> None:
        if self.station is not None and message.station not in (None, self.station):
            return
        if len(self.waiting) >= WAITING_MAX:
            self.waiting.clear()
            self.waiting.append(RESYNC)
        else:
            self.waiting.append(message)
        self.changed.set()

    async def messages(self, heartbeat_s: float) -> AsyncIterator[Message | None]:
        """Messages as they come; None after `heartbeat_s` without any; ends when the feed closes."""
        while True:
            while self.waiting:
                yield self.waiting.popleft()
            if self.closed:
                return
            self.changed.clear()
            try:
                async with asyncio.timeout(heartbeat_s):
                    await self.changed.wait()
            except TimeoutError:
                yield None


class Feed:
    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def full(self) -> bool:
        return len(self._readers) >= READERS_MAX

    @contextmanager
    def reader(self, station: str | None) -> Iterator[Reader]:
        """Whoever reads, of one station or of all (None)."""
        reader = Reader(station)
        reader.closed = self._closed
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def publish(self, message: Message) -> None:
        for reader in self._readers:
            reader.put(message)

    def resync(self) -> None:
        self.publish(RESYNC)

    def close(self) -> None:
        """Ends every stream, so that the server can stop at once."""
        self._closed = True
        for reader in self._readers:
            reader.closed = True
            reader.changed.set()

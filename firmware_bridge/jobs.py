"""What a bus keeps in mind: the devices that it knows, the requests that wait, and its own state."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from firmware_bridge.capabilities import Health, Priority
from firmware_bridge.codecs import FrameError
from firmware_bridge.exchange import DevicePolicy, DeviceStats, Exchange, HealthListener, ReplyParser
from firmware_bridge.lease import Lease
from firmware_bridge.patience import Patience

log = logging.getLogger(__name__)

# Requests waiting on one line. A station has under ten devices a line with one request each; a queue this
# long is already minutes behind, so more would only hide that.
QUEUE_MAX = 64
# The longest that a line can be kept clear for a release: a code of 400 bytes at 9600 baud.
KEEP_CLEAR_S_MAX = 0.5
# An answer that comes later than this after the device's own timeout is not recognised any more.
LATE_S_MAX = 1.0


class State(Enum):
    OPENING = "opening"  # not yet tried: requests wait, since a station starts everything at once
    DOWN = "down"
    IDLE = "idle"
    SENDING = "sending"
    WAITING = "waiting"
    LEASED = "leased"
    GAP = "gap"


@dataclass(slots=True)
class Attached:
    name: str
    policy: DevicePolicy
    on_health: HealthListener
    listens: Callable[[bytes, float], None] | None
    online_with_line: bool
    stats: DeviceStats = field(default_factory=DeviceStats)
    health: Health | None = None
    in_vain: tuple[bytes, ...] = ()  # the latest question that it did not answer in time
    patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        self.patience = Patience(self.policy)

    def tell(self, line: str, health: Health, detail: str) -> None:
        """Once a change."""
        if self.health is health:
            return
        self.health = health
        log.info("%s on line %s is %s: %s", self.name, line, health.value, detail)
        # Not from here: a listener that raises must not leave the bus between two states.
        asyncio.get_running_loop().call_soon(self.on_health, health, detail)


@dataclass(slots=True)
class Job:
    device: Attached
    exchange: Exchange[Any]
    priority: int
    asked: float
    deadline: float
    attempts_left: int
    future: asyncio.Future[Any]
    expiry: asyncio.TimerHandle | None = None
    parser: ReplyParser[Any] | None = None
    next_part: int = 0
    lease: Lease | None = None
    lease_s: float = 0.0
    gave_way: bool = False  # its latest attempt, to a lock request; the answer may still come
    heard_bytes: int = 0  # of its latest attempt
    sent_s: float = 0.0  # when the last byte of its latest attempt was on the wire

    def waited_s(self, now: float) -> float:
        """Seconds for which an answer is late, or was waited for, beyond its own length."""
        return now - self.sent_s - self.exchange.reply_s

    def settle(self, outcome: object) -> None:
        """The first outcome counts; an exception is raised where it is awaited."""
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)

    @property
    def timeout_s(self) -> float:
        """How long this attempt is waited for, from the end of the request; the last one for a lock in full."""
        if self.priority == Priority.LOCK and self.attempts_left == 0:
            return self.device.policy.timeout_s + self.exchange.reply_s
        return self.device.patience.timeout_s(self.exchange.kind) + self.exchange.reply_s


class JobQueue:
    """Requests that wait for the line, by priority and then by age; at most QUEUE_MAX of them."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Job]] = []
        self._order = itertools.count()

    def add(self, job: Job) -> None:
        self._entries.append((job.priority, next(self._order), job))

    def remove(self, job: Job) -> None:
        self._entries = [entry for entry in self._entries if entry[2] is not job]

    def clear(self) -> None:
        self._entries.clear()

    def waiting(self) -> list[Job]:
        """Those whose outcome is still awaited, in their order."""
        self._entries = [entry for entry in self._entries if not entry[2].future.done()]
        return [entry[2] for entry in sorted(self._entries)]

    def make_room(self, job: Job) -> Job | None:
        """Which one there is no room for, if for one: the least urgent, or `job` itself."""
        if len(self._entries) < QUEUE_MAX or len(self.waiting()) < QUEUE_MAX:
            return None
        worst = max(self._entries)
        if worst[0] <= job.priority:
            return job
        self._entries.remove(worst)
        return worst[2]


class Clearing:
    """The window in which nothing but lock requests may start; it ends with the one that it was opened for."""

    def __init__(self) -> None:
        self.until = 0.0
        self._limit = 0.0
        self._served_another = True

    def keep(self, for_s: float, now: float) -> None:
        """Stretch the window, or open one if another device was served since the last."""
        if now >= self._limit:
            if not self._served_another:
                return
            self._served_another = False
            self._limit = now + KEEP_CLEAR_S_MAX
        self.until = min(now + for_s, self._limit)

    def served_another(self) -> None:
        self._served_another = True

    def end(self) -> None:
        self.until = self._limit = 0.0


class LateEar:
    """Hears on after an attempt was given up: an answer that comes after all makes a device slow, not silent."""

    def __init__(self, job: Job) -> None:
        assert job.parser is not None
        self.job = job
        self._parser = job.parser
        self._until = job.sent_s + job.exchange.reply_s + job.device.policy.timeout_s + LATE_S_MAX
        self.closed = False

    def hear(self, data: bytes, mono_s: float) -> object | None:
        """The late answer. `closed` when none can come any more."""
        reply: object | None = None
        try:
            reply = self._parser.feed(data)
        except FrameError:
            self.closed = True
        if reply is not None:
            self.job.device.stats.late += 1
            self.job.device.patience.came_late(self.job.exchange.kind, self.job.waited_s(mono_s), mono_s)
        self.closed |= reply is not None or mono_s > self._until
        return reply


class Pauses:
    """Those who sleep until their time is over or the line opens again."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[bool]] = set()

    async def sleep(self, for_s: float) -> bool:
        """Whether the line opened meanwhile."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(for_s, _end_pause, waiter, False)
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    def end(self) -> None:
        """The line is open."""
        for waiter in self._waiters:
            _end_pause(waiter, True)


def _end_pause(waiter: asyncio.Future[bool], reopened: bool) -> None:
    if not waiter.done():
        waiter.set_result(reopened)

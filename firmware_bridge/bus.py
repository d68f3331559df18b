"""One bus per line: the only arbiter of who speaks on it. Two masters on one line lose every frame.

```
            request()                              gap over
  IDLE ------------------> SENDING --> WAITING --> GAP ------> IDLE, or the next request at once
   ^                          |           |         |
   |  line back               |           | reply, bad frame, timeout: settled, or queued again
  DOWN <---- line lost -------+-----------+---------+          (OPENING before the first try)
```

Rules:
- Order is priority, then age. A retry goes back into the queue, so a request for the lock waits for at most
  the one transaction that is already on the wire.
- Every request has a deadline, queue time included; every attempt has its device's timeout.
- A device that fails `quarantine_after` requests in a row is offline: it is asked again only after a
  jittered, growing pause, and what is asked meanwhile fails at once. Requests for a lock are always sent.
- A lease hands the line to one device for an upload; it is granted last of all and ends by itself.
- `keep_clear` lets nothing but lock requests start, for a bounded time: a code is arriving, so a release is
  likely within milliseconds.

The bus is driven by callbacks on the event loop, not by a task: a request on an idle line is written before
`request` first yields, which is what keeps the door's latency at wire time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from firmware_bridge.capabilities import DeviceTimeout, Health, Priority
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import FrameError
from firmware_bridge.exchange import (
    BusOverloaded,
    DevicePolicy,
    DeviceStats,
    Exchange,
    HealthListener,
    LineLost,
    Port,
)
from firmware_bridge.jobs import Attached, Job, State
from firmware_bridge.lease import Lease

log = logging.getLogger(__name__)

T = TypeVar("T")

# Requests waiting on one line. A station has under ten devices a line with one request each; a queue this
# long is already minutes behind, so more would only hide that.
QUEUE_MAX = 64
# The longest that `keep_clear` can hold back the other devices of a line: a code of 400 bytes at 9600 baud.
KEEP_CLEAR_S_MAX = 0.5
# A lease is for minutes: everything else goes first.
LEASE_PRIORITY = Priority.TELEMETRY + 1
# When the station stops: how long a lock's last request may still take, and how many turns of the loop the
# drivers that are cancelled together with the bus get to ask for it.
FAREWELL_S_MAX = 1.0
FAREWELL_TURNS = 5


class Bus:
    """The arbiter of one line. `run` keeps the line open; everything else happens in callbacks."""

    def __init__(self, port: Port, *, gap_s: float, clock: Clock, rng: random.Random) -> None:
        self._port = port
        self._gap_s = gap_s
        self._clock = clock
        self._rng = rng
        self._devices: dict[str, Attached] = {}
        self._queue: list[tuple[int, int, Job]] = []
        self._order = itertools.count()
        self._state = State.OPENING
        self._current: Job | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._clear_until = 0.0
        self._clear_limit = 0.0
        self._served_since_clear = True
        self._pausing: set[asyncio.Future[bool]] = set()
        self.stray_bytes = 0
        port.bind(self._on_bytes, self._on_open, self._on_lost)

    @property
    def name(self) -> str:
        return self._port.name

    async def run(self) -> None:
        """Keep the line open until cancelled; then let locks have their last word, and fail what still waits.

        Services are cancelled together, and a lock without a timer of its own secures itself on the way out.
        """
        port = asyncio.ensure_future(self._port.run())
        try:
            await asyncio.shield(port)
        except asyncio.CancelledError:
            await self._farewell()
            raise
        finally:
            port.cancel()
            await asyncio.wait([port])
            self._drop_all("the station is stopping")

    async def _farewell(self) -> None:
        for _ in range(FAREWELL_TURNS):
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S_MAX):
                while lock_jobs := [job for job in self._jobs() if job.priority == Priority.LOCK]:
                    await asyncio.wait([job.future for job in lock_jobs])

    def _jobs(self) -> list[Job]:
        """Every request that waits for its outcome, the one on the wire first."""
        jobs = [entry[2] for entry in sorted(self._queue)]
        if self._current is not None:
            jobs.insert(0, self._current)
        return [job for job in jobs if not job.future.done()]

    def attach(
        self,
        device: str,
        policy: DevicePolicy,
        on_health: HealthListener,
        *,
        listens: Callable[[bytes, float], None] | None = None,
        answers: bool | None = None,
    ) -> None:
        """Name a device of this line.

        `listens` gets every byte that no request is waiting for. A device that is never known to answer is held
        for online while its line is open, since nothing better is known of it: one that listens, unless it is
        said that it `answers` as well, and one that does not.
        """
        if device in self._devices:
            raise ValueError(f"{device} is already on line {self.name}")
        with_line = listens is not None if answers is None else not answers
        self._devices[device] = Attached(device, policy, on_health, listens, with_line)

    @property
    def local_address(self) -> tuple[str, int] | None:
        """Where devices of a network line can send to unasked; None on a serial line and while it is closed."""
        return self._port.local_address

    def stats(self, device: str) -> DeviceStats:
        return self._devices[device].stats

    def quarantined(self, device: str) -> bool:
        """Whether requests to a device fail at once for now."""
        return self._clock.monotonic() < self._devices[device].quarantine_until

    def rests_s(self, device: str) -> float:
        """Seconds for which a device is not asked, since it held up a line that a lock is on."""
        return 0.0

    def keep_clear(self, for_s: float) -> None:
        """Start nothing but lock requests for the next `for_s` seconds.

        Repeated calls stretch one window to KEEP_CLEAR_S_MAX. The window ends with the lock request that it
        was opened for, and the next one opens only after another device was served, so that a chattering
        reader starves nobody.
        """
        now = self._clock.monotonic()
        if now >= self._clear_limit:
            if not self._served_since_clear:
                return
            self._served_since_clear = False
            self._clear_limit = now + KEEP_CLEAR_S_MAX
        self._clear_until = min(now + for_s, self._clear_limit)

    async def pause(self, for_s: float) -> bool:
        """Sleep `for_s` seconds, or until the line opens again: whether it did."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(for_s, _end_pause, waiter, False)
        self._pausing.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._pausing.discard(waiter)

    async def request(self, device: str, exchange: Exchange[T], *, priority: int, deadline_s: float) -> T:
        """Carry one exchange; its reply.

        Raises DeviceTimeout when nothing right came in time, LineLost without a line, BusOverloaded.
        """
        known = self._devices[device]
        known.stats.requests += 1
        now = self._clock.monotonic()
        if self._state is State.DOWN:
            known.stats.failed += 1
            raise LineLost(device, f"line {self.name} is not there; check its cable and its url")
        probing = False
        if known.health is Health.OFFLINE and priority != Priority.LOCK:
            if now < known.quarantine_until:
                known.stats.failed += 1
                raise DeviceTimeout(device, f"silent; asked again in {known.quarantine_until - now:.1f} s")
            probing = True
        job = Job(
            device=known,
            exchange=exchange,
            priority=priority,
            asked=now,
            deadline=now + deadline_s,
            attempts_left=1 if probing else 1 + known.policy.retries,
            future=asyncio.get_running_loop().create_future(),
        )
        result: T = await self._outcome(job)
        return result

    @contextlib.asynccontextmanager
    async def lease(self, device: str, *, for_s: float, deadline_s: float) -> AsyncIterator[Lease]:
        """The line for one device alone, for at most `for_s` seconds; granted when nothing else waits for it.

        Whatever is asked meanwhile waits. Raises DeviceTimeout when it is not granted in time, LineLost.
        """
        if self._state is State.DOWN:
            raise LineLost(device, f"line {self.name} is not there; check its cable and its url")
        now = self._clock.monotonic()
        job = Job(
            device=self._devices[device],
            exchange=Exchange((), None),
            priority=LEASE_PRIORITY,
            asked=now,
            deadline=now + deadline_s,
            attempts_left=1,
            future=asyncio.get_running_loop().create_future(),
            lease=(lease := Lease(device, self._port.write)),
            lease_s=for_s,
        )
        try:
            await self._outcome(job)
            yield lease
        finally:
            self._end_lease(job, "it was given back")

    async def _outcome(self, job: Job) -> Any:
        """Queue a request and wait for what becomes of it."""
        self._make_room(job.device.name, job.priority)
        job.expiry = asyncio.get_running_loop().call_later(job.deadline - job.asked, self._expire, job)
        self._queue.append((job.priority, next(self._order), job))
        if self._state is State.IDLE:
            self._next()
        try:
            return await job.future
        finally:
            job.expiry.cancel()

    def _make_room(self, device: str, priority: int) -> None:
        if len(self._queue) < QUEUE_MAX:
            return
        self._queue = [entry for entry in self._queue if not entry[2].future.done()]
        if len(self._queue) < QUEUE_MAX:
            return
        worst = max(self._queue)
        if worst[0] <= priority:
            raise BusOverloaded(device, f"{QUEUE_MAX} requests already wait on line {self.name}")
        self._queue.remove(worst)
        victim = worst[2]
        self._settle(victim, BusOverloaded(victim.device.name, f"line {self.name} is overloaded"))

    # From here on: callbacks of the loop.

    def _next(self) -> None:
        """Start the first request that may start; the line is free."""
        self._state = State.IDLE
        now = self._clock.monotonic()
        self._queue = [entry for entry in self._queue if not entry[2].future.done()]
        soonest_s = math.inf
        for entry in sorted(self._queue):
            wait_s = self._may_start_s(entry[2]) - now
            if wait_s <= 0:
                self._queue.remove(entry)
                self._start(entry[2])
                return
            soonest_s = min(soonest_s, wait_s)
        if self._queue:
            # IDLE, with a timer: a lock request that arrives meanwhile is looked at afresh.
            self._set_timer(soonest_s, self._next)

    def _may_start_s(self, job: Job) -> float:
        """The monotonic time from which a request may go onto a free line."""
        start_s = self._quiet_until + job.device.policy.gap_s
        if job.priority == Priority.LOCK:
            return start_s
        return max(start_s, self._clear_until, job.device.settled_s)

    def _start(self, job: Job) -> None:
        self._current = job
        if job.priority != Priority.LOCK:
            self._served_since_clear = True
        if job.lease is not None:
            self._state = State.LEASED
            self._set_timer(job.lease_s, lambda: self._end_lease(job, f"{job.lease_s:g} s are over"))
            self._settle(job, job.lease)
            return
        job.attempts_left -= 1
        job.next_part = 0
        job.parser = job.exchange.reply() if job.exchange.reply else None
        self._state = State.SENDING
        self._send_part()

    def _send_part(self) -> None:
        job = self._current
        assert job is not None
        part = job.exchange.parts[job.next_part]
        job.next_part += 1
        wire_s = self._port.wire_s(len(part))
        self._quiet_until = self._clock.monotonic() + wire_s + self._gap_s
        last = job.next_part == len(job.exchange.parts)
        if not last:
            self._set_timer(wire_s + job.exchange.pause_s, self._send_part)
        elif job.parser is None:
            self._set_timer(wire_s, self._sent)
        else:
            self._state = State.WAITING
            self._set_timer(wire_s + job.device.policy.timeout_s + job.exchange.reply_s, self._timed_out)
        self._port.write(part)

    def _sent(self) -> None:
        """A frame that has no answer is on the wire as a whole."""
        job = self._finish()
        job.device.stats.answered += 1
        self._settle(job, None)
        self._next()

    def _on_bytes(self, data: bytes, mono_s: float) -> None:
        self._quiet_until = max(self._quiet_until, mono_s + self._gap_s)
        job = self._current
        if job is not None and job.lease is not None:
            job.lease.hear(data)
            return
        if self._state is not State.WAITING:
            self._hear(data, mono_s)
            return
        assert job is not None
        assert job.parser is not None
        try:
            reply = job.parser.feed(data)
        except FrameError as error:
            self._attempt_failed(f"bad frame: {error}", bad=True)
            return
        if reply is None:
            return
        self._finish()
        stats = job.device.stats
        stats.answered += 1
        stats.discarded_bytes += job.parser.discarded
        stats.latencies_ms.append((mono_s - job.asked) * 1000)
        self._alive(job.device)
        self._settle(job, reply)
        self._next()

    def _end_lease(self, job: Job, why: str) -> None:
        assert job.lease is not None
        job.lease.end(why)
        if self._current is job:
            self._finish()
            self._quiet_until = self._clock.monotonic() + self._gap_s
            self._next()

    def _hear(self, data: bytes, mono_s: float) -> None:
        heard = False
        for device in self._devices.values():
            if device.listens is not None:
                heard = True
                device.listens(data, mono_s)
        if not heard:
            self.stray_bytes += len(data)

    def _timed_out(self) -> None:
        job = self._current
        assert job is not None
        assert job.parser is not None
        job.device.stats.discarded_bytes += job.parser.discarded
        if job.parser.discarded:
            self._attempt_failed("its answer was garbled", bad=True)
        else:
            timeout_s = job.device.policy.timeout_s + job.exchange.reply_s
            self._attempt_failed(f"no answer in {timeout_s:.3g} s", bad=False)

    def _attempt_failed(self, why: str, *, bad: bool) -> None:
        job = self._finish()
        job.device.settled_s = self._clock.monotonic() + job.device.policy.timeout_s
        stats = job.device.stats
        if bad:
            stats.bad_frames += 1
        else:
            stats.timeouts += 1
        if job.attempts_left > 0 and self._clock.monotonic() < job.deadline and not job.future.done():
            stats.retries += 1
            self._queue.append((job.priority, next(self._order), job))
        else:
            stats.failed += not job.future.done()
            self._silent(job.device, why)
            self._settle(job, DeviceTimeout(job.device.name, f"{why}; check its power, wiring and address"))
        self._next()

    def _expire(self, job: Job) -> None:
        """The deadline of a request passed while it waited its turn, or while it was on the wire."""
        if job.future.done():
            return
        job.device.stats.failed += 1
        self._settle(job, DeviceTimeout(job.device.name, f"not served within its deadline on {self.name}"))

    def _finish(self) -> Job:
        """The wire is free of the current job, whatever becomes of it."""
        job = self._current
        assert job is not None
        self._current = None
        self._state = State.GAP
        self._cancel_timer()
        if job.priority == Priority.LOCK:
            self._clear_until = self._clear_limit = 0.0
        return job

    def _settle(self, job: Job, outcome: object) -> None:
        if job.future.done():
            return
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

    def _alive(self, device: Attached) -> None:
        device.failures = 0
        device.quarantine_until = 0.0
        device.quarantine_s = 0.0
        self._tell(device, Health.ONLINE, "answers")

    def _silent(self, device: Attached, why: str) -> None:
        device.failures += 1
        if device.failures < device.policy.quarantine_after:
            return
        policy = device.policy
        device.quarantine_s = min(
            policy.quarantine_s_max, device.quarantine_s * 2 if device.quarantine_s else policy.quarantine_s_first
        )
        jittered = device.quarantine_s * self._rng.uniform(0.75, 1.25)
        device.quarantine_until = self._clock.monotonic() + jittered
        self._tell(device, Health.OFFLINE, why)

    def _tell(self, device: Attached, health: Health, detail: str) -> None:
        if device.health is health:
            return
        device.health = health
        log.info("%s on line %s is %s: %s", device.name, self.name, health.value, detail)
        # Not from here: a listener that raises must not leave the bus between two states.
        asyncio.get_running_loop().call_soon(device.on_health, health, detail)

    def _on_open(self) -> None:
        self._state = State.IDLE
        self._quiet_until = self._clock.monotonic() + self._gap_s
        for device in self._devices.values():
            device.failures = 0
            device.quarantine_until = 0.0
            device.quarantine_s = 0.0
            if device.online_with_line:
                self._tell(device, Health.ONLINE, f"line {self.name} is open")
        for waiter in self._pausing:
            _end_pause(waiter, True)
        self._next()

    def _on_lost(self, why: str) -> None:
        self._drop_all(why)
        for device in self._devices.values():
            self._tell(device, Health.OFFLINE, f"line {self.name}: {why}")

    def _drop_all(self, why: str) -> None:
        self._state = State.DOWN
        self._cancel_timer()
        jobs = self._jobs()
        if self._current is not None and self._current.lease is not None:
            self._current.lease.end(why)
        self._queue.clear()
        self._current = None
        for job in jobs:
            job.device.stats.failed += 1
            self._settle(job, LineLost(job.device.name, f"line {self.name} went away: {why}"))

    def _set_timer(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _end_pause(waiter: asyncio.Future[bool], reopened: bool) -> None:
    if not waiter.done():
        waiter.set_result(reopened)

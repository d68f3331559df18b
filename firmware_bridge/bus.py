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
- How long a device is waited for is learned from its answers (`patience.py`). A device that keeps the line silent
  for longer than LOCK_WAITS_S gives way to a lock request: its answer, should it come, is heard all the same.
- A lock is not asked for its state while a late answer could be taken for it (`Exchange.told_apart`).
- Bytes that belong to no answer hold up a request for a bounded time only (`quiet.py`).
- A lease hands the line to one device for an upload; it is granted last of all and ends by itself.
- `keep_clear` lets nothing but lock requests start, for a bounded time: a code is arriving, so a release is
  likely within milliseconds.

The bus is driven by callbacks on the event loop, not by a task: a request on an idle line is written before
`request` first yields, which is what keeps the door's latency at wire time.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from firmware_bridge.capabilities import DeviceTimeout, Health, Priority
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import FrameError
from firmware_bridge.exchange import BusOverloaded, DevicePolicy, DeviceStats, Exchange, HealthListener, LineLost, Port
from firmware_bridge.jobs import QUEUE_MAX, Attached, Clearing, Job, JobQueue, LateEar, Pauses, State
from firmware_bridge.lease import Lease
from firmware_bridge.noise import NoiseMeter
from firmware_bridge.patience import PATIENCE_S_MIN
from firmware_bridge.quiet import Quiet

T = TypeVar("T")

# Silence after which a request for the lock does not wait for another device's answer any longer.
LOCK_WAITS_S = PATIENCE_S_MIN
# Silence after which what was heard is all; an adapter on USB may pause for 16 ms inside a frame.
GARBLED_S = 0.02
# A lease is for minutes: everything else goes first.
LEASE_PRIORITY = Priority.TELEMETRY + 1
# When the station stops: how long a lock's last request may still take, and how many turns of the loop the
# drivers that are cancelled together with the bus get to ask for it.
FAREWELL_S_MAX, FAREWELL_TURNS = 1.0, 5


class Bus:
    """The arbiter of one line. `run` keeps the line open; everything else happens in callbacks."""

    def __init__(self, port: Port, *, gap_s: float, clock: Clock, rng: random.Random) -> None:
        self._port = port
        self._clock = clock
        self._rng = rng
        self._devices: dict[str, Attached] = {}
        self._queue = JobQueue()
        self._state = State.OPENING
        self._current: Job | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = Quiet(gap_s)
        self._late: LateEar | None = None
        self._noise = NoiseMeter(port.name)
        self._clearing = Clearing()
        self._pauses = Pauses()
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
        if self._current is not None and self._current.lease is not None:
            self._end_lease(self._current, "the station is stopping")
        for _ in range(FAREWELL_TURNS):
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S_MAX):
                while lock_jobs := [job for job in self._jobs() if job.priority == Priority.LOCK]:
                    await asyncio.wait([job.future for job in lock_jobs])

    def _jobs(self) -> list[Job]:
        """Every request that waits for its outcome, the one on the wire first."""
        on_wire = [] if self._current is None or self._current.future.done() else [self._current]
        return on_wire + self._queue.waiting()

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
        stats = DeviceStats(line=self._noise.stats)
        self._devices[device] = Attached(device, policy, on_health, listens, with_line, stats)

    @property
    def local_address(self) -> tuple[str, int] | None:
        """Where devices of a network line can send to unasked; None on a serial line and while it is closed."""
        return self._port.local_address

    def stats(self, device: str) -> DeviceStats:
        return self._devices[device].stats

    @property
    def stray_bytes(self) -> int:
        """Bytes that belonged to no answer, and that nobody listens to."""
        return self._noise.stats.stray_bytes

    def quarantined(self, device: str) -> bool:
        """Whether requests to a device fail at once for now."""
        return self._clock.monotonic() < self._devices[device].patience.quarantine_until

    def keep_clear(self, for_s: float) -> None:
        """Start nothing but lock requests for the next `for_s` seconds.

        Repeated calls stretch one window to KEEP_CLEAR_S_MAX. The window ends with the lock request that it
        was opened for, and the next one opens only after another device was served, so that a chattering
        reader starves nobody.
        """
        self._clearing.keep(for_s, self._clock.monotonic())

    async def pause(self, for_s: float) -> bool:
        """Sleep `for_s` seconds, or until the line opens again: whether it did."""
        return await self._pauses.sleep(for_s)

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
            if now < known.patience.quarantine_until:
                known.stats.failed += 1
                raise DeviceTimeout(device, f"silent; asked again in {known.patience.quarantine_until - now:.1f} s")
            probing = True
        job = Job(
            device=known,
            exchange=exchange,
            priority=priority,
            asked=now,
            deadline=now + deadline_s,
            attempts_left=1 if probing or known.patience.in_doubt else 1 + known.policy.retries,
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
            lease=(lease := Lease(device, self._write_leased)),
            lease_s=for_s,
        )
        try:
            await self._outcome(job)
            yield lease
        finally:
            self._end_lease(job, "it was given back")

    async def _outcome(self, job: Job) -> Any:
        """Queue a request and wait for what becomes of it."""
        victim = self._queue.make_room(job)
        if victim is not None:
            victim.device.stats.failed += 1
            victim.settle(BusOverloaded(victim.device.name, f"{QUEUE_MAX} requests already wait on line {self.name}"))
        if victim is job:
            return await job.future
        job.expiry = asyncio.get_running_loop().call_later(job.deadline - job.asked, self._expire, job)
        self._queue.add(job)
        if self._state is State.IDLE:
            self._next()
        elif job.priority == Priority.LOCK:
            self._hurry()
        try:
            return await job.future
        finally:
            job.expiry.cancel()

    # From here on: callbacks of the loop.

    def _next(self) -> None:
        """Start the first request that may start; the line is free."""
        self._state = State.IDLE
        now = self._clock.monotonic()
        soonest_s = math.inf
        waiting = self._queue.waiting()
        for job in waiting:
            wait_s = self._quiet.start_s(job, self._clearing.until) - now
            if job.lease is not None and waiting[0].priority == Priority.LOCK:
                break  # it may not start yet, and a lease would keep it from the line for long
            if wait_s <= 0:
                self._queue.remove(job)
                if job.gave_way:
                    self._missed(job, f"no answer in {job.timeout_s:.3g} s", bad=False)
                    self._next()
                else:
                    self._start(job)
                return
            soonest_s = min(soonest_s, wait_s)
        if soonest_s < math.inf:
            # IDLE, with a timer: a lock request that arrives meanwhile is looked at afresh.
            self._set_timer(soonest_s, self._next)

    def _start(self, job: Job) -> None:
        self._current = job
        if job.priority != Priority.LOCK:
            self._clearing.served_another()
        if job.lease is not None:
            self._state = State.LEASED
            self._set_timer(job.lease_s, lambda: self._end_lease(job, f"{job.lease_s:g} s are over"))
            job.settle(job.lease)
            return
        job.attempts_left -= 1
        job.next_part = job.heard_bytes = 0
        job.parser = job.exchange.reply() if job.exchange.reply else None
        if self._late is not None and self._late.job.device is job.device:
            self._late = None  # its late answer and this one's could not be told apart
        self._state = State.SENDING
        self._send_part()

    def _send_part(self) -> None:
        job = self._current
        assert job is not None
        part = job.exchange.parts[job.next_part]
        job.next_part += 1
        wire_s = self._port.wire_s(len(part))
        job.sent_s = self._clock.monotonic() + wire_s
        self._quiet.free_s = job.sent_s + self._quiet.gap_s
        last = job.next_part == len(job.exchange.parts)
        if not last:
            self._set_timer(wire_s + job.exchange.pause_s, self._send_part)
        elif job.parser is None:
            self._quiet.free_s += job.exchange.rest_s
            self._set_timer(wire_s, self._sent)
        else:
            self._state = State.WAITING
            self._set_timer(wire_s + job.timeout_s, self._timed_out)
            if any(waiting.priority == Priority.LOCK for waiting in self._queue.waiting()):
                self._hurry()
        self._port.write(part)

    def _hurry(self) -> None:
        """A lock request waits: whoever is waited for has LOCK_WAITS_S to begin its answer."""
        job = self._current
        if self._state is not State.WAITING or job is None or job.priority == Priority.LOCK or job.heard_bytes:
            return
        if job.exchange.kind and job.timeout_s - job.exchange.reply_s > LOCK_WAITS_S:
            self._set_timer(max(0.0, job.sent_s + LOCK_WAITS_S - self._clock.monotonic()), self._give_way)

    def _sent(self) -> None:
        """A frame that has no answer is on the wire as a whole."""
        job = self._finish()
        job.device.stats.answered += 1
        job.settle(None)
        self._next()

    def _on_bytes(self, data: bytes, mono_s: float) -> None:
        self._quiet.heard(mono_s)
        self._noise.heard(len(data), mono_s)
        job = self._current
        if job is not None and job.lease is not None:
            self._quiet.free_s = min(self._quiet.free_s, mono_s)  # whoever answers has heard all of it
            job.lease.hear(data)
            return
        if self._late is not None:
            self._hear_late(self._late, data, mono_s)
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
            job.heard_bytes += len(data)
            if 0 < job.exchange.reply_s <= self._port.wire_s(job.heard_bytes):
                # As much as the answer has, and not the answer: nothing more comes when the line falls silent.
                self._set_timer(GARBLED_S, self._timed_out)
            elif job.heard_bytes == len(data):
                # It has begun: it gives way to nobody any more.
                self._set_timer(job.sent_s + job.timeout_s - mono_s, self._timed_out)
            return
        self._quiet.free_s = mono_s + self._quiet.gap_s
        self._finish()
        job.device.stats.discarded_bytes += job.parser.discarded
        self._noise.stray(job.parser.discarded)
        job.device.patience.answered(job.exchange.kind, job.waited_s(mono_s))
        self._answered(job, reply, mono_s)
        self._next()

    def _answered(self, job: Job, reply: object, mono_s: float) -> None:
        stats = job.device.stats
        stats.answered += 1
        stats.latencies_ms.append((mono_s - job.asked) * 1000)
        job.device.tell(self.name, Health.ONLINE, "answers")
        job.settle(reply)

    def _hear_late(self, ear: LateEar, data: bytes, mono_s: float) -> None:
        """What was not waited for any longer may come after all."""
        reply = ear.hear(data, mono_s)
        if reply is not None and not ear.job.future.done():
            self._answered(ear.job, reply, mono_s)
        if ear.closed:
            self._late = None

    def _give_way(self) -> None:
        """A lock request waits, and the device on the wire is silent: the rest of its time passes off the wire."""
        job = self._finish()
        job.gave_way = True
        job.device.in_vain = job.exchange.parts
        job.device.patience.settled_until = job.sent_s + job.timeout_s
        self._late = LateEar(job)
        self._queue.add(job)
        self._next()

    def _write_leased(self, data: bytes) -> None:
        self._quiet.free_s = max(self._quiet.free_s, self._clock.monotonic()) + self._port.wire_s(len(data))
        self._port.write(data)

    def _end_lease(self, job: Job, why: str) -> None:
        assert job.lease is not None
        job.lease.end(why)
        if self._current is job:
            self._finish()
            self._quiet.free_s = max(self._quiet.free_s, self._clock.monotonic()) + self._quiet.gap_s
            self._next()

    def _hear(self, data: bytes, mono_s: float) -> None:
        heard = False
        for device in self._devices.values():
            if device.listens is not None:
                heard = True
                device.listens(data, mono_s)
        if not heard:
            self._noise.stray(len(data))

    def _timed_out(self) -> None:
        job = self._current
        assert job is not None
        assert job.parser is not None
        job.device.stats.discarded_bytes += job.parser.discarded
        self._noise.stray(job.parser.discarded)
        if job.parser.discarded:
            self._attempt_failed("its answer was garbled", bad=True)
        else:
            self._attempt_failed(f"no answer in {job.timeout_s:.3g} s", bad=False)

    def _attempt_failed(self, why: str, *, bad: bool) -> None:
        job = self._finish()
        self._late = LateEar(job) if job.exchange.kind else None
        self._missed(job, why, bad=bad)
        self._next()

    def _missed(self, job: Job, why: str, *, bad: bool) -> None:
        """An attempt was in vain: there is another one, or the request has failed."""
        now = self._clock.monotonic()
        patience, stats = job.device.patience, job.device.stats
        patience.missed(now)
        job.device.in_vain = job.exchange.parts
        job.gave_way = False
        if bad:
            stats.bad_frames += 1
        else:
            stats.timeouts += 1
        hopeful = not patience.in_doubt or job.priority == Priority.LOCK
        if job.attempts_left > 0 and hopeful and now < job.deadline and not job.future.done():
            stats.retries += 1
            self._queue.add(job)
            return
        error = DeviceTimeout(job.device.name, f"{why}; check its power, wiring and address")
        stats.failed += not job.future.done()
        job.settle(error)
        if patience.failed(now, self._rng):
            job.device.tell(self.name, Health.OFFLINE, why)
            # Each of those that wait for it as well would cost the line as much again.
            for other in self._queue.waiting():
                if other.device is job.device and other.lease is None and other.priority != Priority.LOCK:
                    stats.failed += 1
                    other.settle(error)

    def _expire(self, job: Job) -> None:
        """The deadline of a request passed while it waited its turn, or while it was on the wire."""
        if job.future.done():
            return
        job.device.stats.failed += 1
        job.settle(DeviceTimeout(job.device.name, f"not served within its deadline on {self.name}"))

    def _finish(self) -> Job:
        """The wire is free of the current job, whatever becomes of it."""
        job = self._current
        assert job is not None
        self._current = None
        self._quiet.freed(self._clock.monotonic())
        self._state = State.GAP
        self._cancel_timer()
        if job.priority == Priority.LOCK:
            self._clearing.end()
        return job

    def _on_open(self) -> None:
        self._state = State.IDLE
        self._quiet.free_s = self._clock.monotonic() + self._quiet.gap_s
        self._late = None
        for device in self._devices.values():
            device.patience.reset()
            if device.online_with_line:
                device.tell(self.name, Health.ONLINE, f"line {self.name} is open")
        self._pauses.end()
        self._next()

    def _on_lost(self, why: str) -> None:
        self._drop_all(why)
        for device in self._devices.values():
            device.tell(self.name, Health.OFFLINE, f"line {self.name}: {why}")

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
            job.settle(LineLost(job.device.name, f"line {self.name} went away: {why}"))

    def _set_timer(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""A wire that takes its time, with seeded faults: what a paced pty, TCP or UDP end have in common.

Bytes reach the devices when the last byte of what was written would have arrived; bytes for the agent are written
as they would leave the wire, in ticks of TICK_S. On a network a byte takes no time (`byte_s` 0).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TICK_S = 0.002
# Bytes under way to the agent. A scanner's longest code is 4 kB, a camera's snapshot goes by another way; an
# agent that is dead reads nothing, and a real wire would lose them too.
SENDING_BYTES_MAX = 16 * 1024

Heard = Callable[[bytes, float], None]


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities, each 0..1. `drop` and `flip` are by byte and both ways; the others by frame sent."""

    drop: float = 0.0
    flip: float = 0.0
    split: float = 0.0  # a pause of split_s somewhere inside the frame
    late: float = 0.0  # the frame begins late_s late
    mute: float = 0.0  # the frame is never sent
    overlap: float = 0.0  # somebody else talks into the frame: up to 4 foreign bytes inside it
    split_s: float = 0.03
    late_s: float = 0.4


NO_FAULTS = Faults()


@dataclass(slots=True)
class WireCounters:
    """What the wire carried and what the faults did to it."""

    from_agent: int = 0
    to_agent: int = 0
    dropped: int = 0
    flipped: int = 0
    split: int = 0
    late: int = 0
    muted: int = 0
    overlapped: int = 0
    lost: int = 0  # the agent did not read, or the wire was asked for too much


class PacedWire:
    """One end that devices hear and speak on. `open` before use, `close` after; everything on one event loop."""

    def __init__(self, name: str, byte_s: float, *, rng: random.Random) -> None:
        self.name = name
        self.byte_s = byte_s
        self.faults = NO_FAULTS
        self.counters = WireCounters()
        self._rng = rng
        self._listeners: list[Heard] = []
        self._in_end_s = 0.0
        self._out: deque[tuple[float, bytes, Callable[[float], None] | None]] = deque()
        self._out_end_s = 0.0
        self._out_bytes = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._out_timer: asyncio.TimerHandle | None = None

    def listen(self, heard: Heard) -> None:
        """Every device hears everything: bytes, and the monotonic time when the first of them came in."""
        self._listeners.append(heard)

    def open(self) -> str:
        """Make the end; the path or url for the agent."""
        raise NotImplementedError

    def close(self) -> None:
        """The end vanishes: the agent's side reads an error."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        raise NotImplementedError

    def _put(self, data: bytes) -> int:
        """Write to the agent without waiting: how many bytes it took. Raises OSError."""
        raise NotImplementedError

    def _forget(self) -> None:
        """What is under way is lost."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._out_timer is not None:
            self._out_timer.cancel()
            self._out_timer = None
        self._out.clear()
        self._out_bytes = 0
        self._in_end_s = self._out_end_s = 0.0

    def _came(self, data: bytes) -> None:
        """The agent wrote: the devices hear it when its last byte would have arrived."""
        now = time.monotonic()
        self.counters.from_agent += len(data)
        began = max(now, self._in_end_s)
        self._in_end_s = began + len(data) * self.byte_s
        data = self._damage(data)
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def arrived() -> None:
            self._timers.discard(timer)
            for heard in self._listeners:
                heard(data, now)

        timer = loop.call_later(self._in_end_s - now, arrived)
        self._timers.add(timer)

    def _damage(self, data: bytes) -> bytes:
        faults = self.faults
        if not (faults.drop or faults.flip):
            return data
        out = bytearray()
        for byte in data:
            if self._rng.random() < faults.drop:
                self.counters.dropped += 1
                continue
            if self._rng.random() < faults.flip:
                self.counters.flipped += 1
                byte ^= 1 << self._rng.randrange(8)
            out.append(byte)
        return bytes(out)

    def send(self, data: bytes, on_sent: Callable[[float], None] | None = None) -> None:
        """Put a frame on the wire; `on_sent` gets the monotonic time at which its last byte was written."""
        faults, rng, counters = self.faults, self._rng, self.counters
        if not self.is_open or self._out_bytes + len(data) > SENDING_BYTES_MAX:
            counters.lost += len(data)
            return
        if faults.mute and rng.random() < faults.mute:
            counters.muted += 1
            return
        start_s = max(time.monotonic(), self._out_end_s)
        if faults.late and rng.random() < faults.late:
            counters.late += 1
            start_s += faults.late_s
        data = self._damage(data)
        if faults.overlap and rng.random() < faults.overlap:
            counters.overlapped += 1
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at:]
        pause_at = -1
        if faults.split and len(data) > 1 and rng.random() < faults.split:
            counters.split += 1
            pause_at = rng.randrange(1, len(data))
        self._schedule(data, start_s, pause_at, on_sent)

    def _schedule(self, data: bytes, start_s: float, pause_at: int, on_sent: Callable[[float], None] | None) -> None:
        step = max(1, int(TICK_S / self.byte_s)) if self.byte_s else max(1, len(data))
        due_s = start_s
        at = 0
        while at < len(data):
            upto = min(at + step, len(data))
            if at < pause_at < upto:
                upto = pause_at
            if at == pause_at:
                due_s += self.faults.split_s
            due_s += (upto - at) * self.byte_s
            self._out.append((due_s, data[at:upto], on_sent if upto == len(data) else None))
            at = upto
        self._out_bytes += len(data)
        self._out_end_s = due_s
        if self._out_timer is None:
            self._wake()

    def _wake(self) -> None:
        if self._out:
            delay_s = max(0.0, self._out[0][0] - time.monotonic())
            self._out_timer = asyncio.get_running_loop().call_later(delay_s, self._due)
        else:
            self._out_timer = None

    def _due(self) -> None:
        now = time.monotonic()
        while self._out and self._out[0][0] <= now:
            _, data, on_sent = self._out.popleft()
            self._out_bytes -= len(data)
            try:
                written = self._put(data)
            except OSError:
                written = 0
            self.counters.to_agent += written
            self.counters.lost += len(data) - written
            if on_sent is not None:
                on_sent(time.monotonic())
        self._wake()

"""A pty that behaves as a serial line: every byte takes its time at the baud, both ways, with seeded faults.

```
 agent --- /dev/pts/N (slave) === (master) PacedPty --- on_bytes --> devices
                                          <--- send ---
```
The slave side stays open here as well, so an agent that dies and comes back finds the same path; a symlink
in a directory of the caller gives it a stable name. Bytes reach the devices when the last byte of what was
written would have arrived; bytes for the agent are written as they would leave the wire, in ticks of TICK_S.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 4096
TICK_S = 0.002
# Bytes under way to the agent. A scanner's longest code is 4 kB; an agent that is dead reads nothing, and a
# real wire would lose them too.
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


class PacedPty:
    """One line. `open` before use, `close` after; everything on one event loop."""

    def __init__(self, name: str, byte_s: float, *, rng: random.Random, link_dir: Path | None = None) -> None:
        self.name = name
        self.byte_s = byte_s
        self.faults = NO_FAULTS
        self.counters = WireCounters()
        self._rng = rng
        self._link_dir = link_dir
        self._listeners: list[Heard] = []
        self._master = -1
        self._slave = -1
        self.path = ""
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
        """Make the pty; the path for the agent."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        if self._link_dir is not None:
            link = self._link_dir / self.name
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
            self.path = str(link)
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return self.path

    def close(self) -> None:
        """The line vanishes: the agent's side reads an error."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._out_timer is not None:
            self._out_timer.cancel()
            self._out_timer = None
        self._out.clear()
        self._out_bytes = 0
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        if self._link_dir is not None:
            (self._link_dir / self.name).unlink(missing_ok=True)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except (BlockingIOError, OSError):
            return
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
        if self._master < 0 or self._out_bytes + len(data) > SENDING_BYTES_MAX:
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
        step = max(1, int(TICK_S / self.byte_s))
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
                written = os.write(self._master, data)
            except BlockingIOError:
                written = 0
            self.counters.to_agent += written
            self.counters.lost += len(data) - written
            if on_sent is not None:
                on_sent(time.monotonic())
        self._wake()

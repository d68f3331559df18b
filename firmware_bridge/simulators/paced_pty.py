"""A pty that behaves as a serial line: every byte takes its time at the baud, both ways, with seeded faults.

```
 agent --- /dev/pts/N (slave) === (master) PacedPty --- on_bytes --> devices
                                          <--- send ---
```
The slave side stays open here as well, so an agent that dies and comes back finds the same path; a symlink
in a directory of the caller gives it a stable name.
"""

from __future__ import annotations

import asyncio
import os
import random
import termios
import tty
from pathlib import Path

from firmware_bridge.simulators.paced import NO_FAULTS, SENDING_BYTES_MAX, TICK_S, Faults, PacedWire, WireCounters

__all__ = ["NO_FAULTS", "SENDING_BYTES_MAX", "TICK_S", "Faults", "PacedPty", "WireCounters"]

READ_BYTES = 4096


class PacedPty(PacedWire):
    """One serial line. `open` before use, `close` after; everything on one event loop."""

    def __init__(self, name: str, byte_s: float, *, rng: random.Random, link_dir: Path | None = None) -> None:
        super().__init__(name, byte_s, rng=rng)
        self._link_dir = link_dir
        self._master = -1
        self._slave = -1
        self.path = ""
        # Bytes between ends of another baud are noise; None takes whatever the agent set.
        self.baud: int | None = None

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
        self._forget()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        if self._link_dir is not None:
            (self._link_dir / self.name).unlink(missing_ok=True)

    @property
    def is_open(self) -> bool:
        return self._master >= 0

    def _put(self, data: bytes) -> int:
        return os.write(self._master, self._as_sampled(data))

    def _as_sampled(self, data: bytes) -> bytes:
        """What the other end makes of the bits."""
        if self.baud is None or termios.tcgetattr(self._slave)[4] == getattr(termios, f"B{self.baud}"):
            return data
        return self._rng.randbytes(len(data))

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except (BlockingIOError, OSError):
            return
        self._came(self._as_sampled(data))

"""What is asked of a bus, and what it says: exchanges, patience with a device, counts, errors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from firmware_bridge.capabilities import DeviceError, DeviceTimeout, Health
from firmware_bridge.noise import LineStats

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Latencies kept for each device.
LATENCIES_MAX = 256


class LineLost(DeviceTimeout):
    """The line itself is not there: unplugged, or not yet opened."""


class BusOverloaded(DeviceError):
    """More requests wait on the line than it can ever serve."""


class Port(Protocol):
    """What the bus needs of a line; `line.Line` is the real one."""

    @property
    def name(self) -> str: ...

    def bind(
        self,
        on_bytes: Callable[[bytes, float], None],
        on_open: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None: ...

    def write(self, data: bytes) -> None: ...

    @property
    def local_address(self) -> tuple[str, int] | None: ...

    def wire_s(self, count: int) -> float: ...

    async def run(self) -> None: ...


class ReplyParser(Protocol[T_co]):
    """Bytes in, one reply out. `discarded` counts bytes that were no part of it."""

    @property
    def discarded(self) -> int: ...

    def feed(self, data: bytes) -> T_co | None:
        """Raises FrameError when the reply cannot come any more."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange(Generic[T]):
    """What goes out, and how the answer is recognised. Without `reply` the device does not answer.

    `parts` are sent with `pause_s` between them. An answer that is long on the wire, or that the device takes its
    time to make, may take `reply_s` beyond the device's timeout. The line rests for `rest_s` after what nobody
    answers. An exchange that names its `kind` has an answer that tells whose it is: of these the bus learns how long
    the device usually takes, and knows a late one. One that is `told_apart` has an answer that no other question to
    this device has: only such a one is sent for a lock while an answer of the device may still come late.
    """

    parts: tuple[bytes, ...]
    reply: Callable[[], ReplyParser[T]] | None
    pause_s: float = 0.0
    reply_s: float = 0.0
    rest_s: float = 0.0
    kind: str = ""
    told_apart: bool = False


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """How patient the bus is with one device. `timeout_s` is the most that it is waited for, beyond `reply_s`."""

    timeout_s: float = 0.3
    retries: int = 2
    gap_s: float = 0.0  # beyond the line's own gap
    quarantine_after: int = 3
    quarantine_s_first: float = 1.0
    quarantine_s_max: float = 60.0


@dataclass(slots=True)
class DeviceStats:
    """Counts since the start; latencies of the last LATENCIES_MAX answered requests, queue time included."""

    requests: int = 0
    answered: int = 0
    retries: int = 0
    timeouts: int = 0
    bad_frames: int = 0
    discarded_bytes: int = 0
    failed: int = 0
    late: int = 0  # answers that came when nobody waited for them any more
    line: LineStats = field(default_factory=LineStats)
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_MAX))


HealthListener = Callable[[Health, str], None]

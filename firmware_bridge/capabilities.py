"""What a device can do, as the agent sees it. The agent knows these protocols and never a driver.

A driver owns no descriptor: it speaks through the bus of its line and tells what happens through `Emit`,
which is called on the event loop and must return at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Quality(StrEnum):
    """How far a reading's value can be trusted."""

    GOOD = "good"
    STALE = "stale"  # the last good value, older than twice its period
    INVALID = "invalid"  # the device answered with its marker for "no value", or out of range
    MISSING = "missing"  # the device did not answer


@dataclass(frozen=True, slots=True)
class Reading:
    """One datapoint of one device. `value` is None whenever there is none: never 0 for missing."""

    device: str
    point: str
    value: float | bool | str | None
    unit: str
    quality: Quality
    at: datetime  # UTC, when the source was read
    mono_s: float


@dataclass(frozen=True, slots=True)
class Scan:
    """One text that a reader read. `mono_s` is the arrival of its last byte on the line."""

    device: str
    text: str
    at: datetime
    mono_s: float


@dataclass(frozen=True, slots=True)
class InputChanged:
    """A binary input took a new state (door contact: True is open; button: True is pressed)."""

    device: str
    input: str
    active: bool
    at: datetime
    mono_s: float


class Health(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A device fell silent or came back. Told once a change, not once a failed request."""

    device: str
    health: Health
    detail: str
    at: datetime
    mono_s: float


DeviceEvent = Reading | Scan | InputChanged | HealthChanged
Emit = Callable[[DeviceEvent], None]


class DeviceError(Exception):
    """A device did not do what it was asked. Says which one, whose fault it is and what to do."""

    def __init__(self, device: str, message: str) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device


class DeviceTimeout(DeviceError):
    """Nothing came back within the deadline."""


class DeviceRefused(DeviceError):
    """The device answered, and said no."""


class Priority:
    """Order in which a line serves requests; lower goes first."""

    LOCK = 0
    READER = 1
    ALARM = 2
    TELEMETRY = 3


@dataclass(frozen=True, slots=True)
class LockStatus:
    """What the hardware says. None where the device cannot tell or did not answer."""

    released: bool | None
    contact_open: bool | None


class Driver(Protocol):
    """Everything the station can start: `run` polls and listens until it is cancelled."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...


@runtime_checkable
class Lock(Protocol):
    """A lock with its door contact."""

    @property
    def name(self) -> str: ...

    async def release(self, hold_s: float) -> None:
        """Release for at most `hold_s` seconds; returns once the device has acknowledged it.

        The device re-secures by its own timer where it has one, so that a dead agent leaves no open lock.
        Raises DeviceTimeout or DeviceRefused.
        """
        ...

    async def secure(self) -> None:
        """Secure now. Raises DeviceTimeout or DeviceRefused."""
        ...

    async def status(self) -> LockStatus:
        """Read the relay and the contact from the device."""
        ...


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A picture of `width` x `height` dots, row by row; a dot is 0 (dark) or 1 (lit)."""

    width: int
    height: int
    dots: bytes  # width * height bytes, each 0 or 1

    def __post_init__(self) -> None:
        if len(self.dots) != self.width * self.height:
            raise ValueError(f"bitmap {self.width}x{self.height} has {len(self.dots)} dots")


@runtime_checkable
class Sign(Protocol):
    """A LED sign of a fixed size in dots."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in dots."""
        ...

    async def show_text(self, text: str) -> None:
        """Show ASCII text in the sign's own font. Raises ValueError for characters it lacks."""
        ...

    async def show_pages(self, pages: Sequence[Bitmap]) -> None:
        """Show rendered pictures of the sign's size one after another; this is how Chinese is shown."""
        ...


@runtime_checkable
class Sensor(Protocol):
    """A device with datapoints. Its `run` emits a Reading of each datapoint every period."""

    @property
    def name(self) -> str: ...

    async def read(self) -> Sequence[Reading]: ...

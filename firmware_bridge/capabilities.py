"""What a device can do, as the agent sees it. The agent knows these protocols and never a driver.

A driver owns no descriptor: it speaks through the bus of its line and tells what happens through `Emit`,
which is called on the event loop and must return at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class CardRead:
    """A card was held to a reader. `data` holds `bits` raw bits, the first as the top bit of data[0]."""

    device: str
    reader: int
    bits: int
    data: bytes = field(repr=False)  # it opens doors: never in a log
    at: datetime
    mono_s: float


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys of a reader's keypad, in order: digits, "*" and "#"."""

    device: str
    reader: int
    keys: str = field(repr=False)  # it may be a PIN: never in a log
    at: datetime
    mono_s: float


class Health(StrEnum):
    """Whether a device answers, or its line is open where nothing better is known."""

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


DeviceEvent = Reading | Scan | InputChanged | CardRead | KeysPressed | HealthChanged
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

    async def run(self) -> None:
        """Poll, listen and tell until cancelled; on the way out a lock without a timer of its own secures itself."""
        ...


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

    async def shown(self) -> Sequence[Bitmap | str] | None:
        """What the device says that it shows, page after page; None where it cannot tell.

        Raises DeviceTimeout or DeviceRefused.
        """
        ...


@runtime_checkable
class Sensor(Protocol):
    """A device with datapoints. Its `run` emits a Reading of each datapoint every period."""

    @property
    def name(self) -> str: ...

    async def read(self) -> Sequence[Reading]:
        """A Reading of each point as it stands; one that did not answer is MISSING. Raises DeviceRefused."""
        ...


class Indication(StrEnum):
    """What a reader tells the person before it, by its light and its buzzer."""

    READY = "ready"
    GRANTED = "granted"
    DENIED = "denied"
    ATTENTION = "attention"  # look here: something is to be done


@runtime_checkable
class Reader(Protocol):
    """A card reader, perhaps with a keypad. Its `run` emits CardRead and KeysPressed."""

    @property
    def name(self) -> str: ...

    async def indicate(self, indication: Indication) -> None:
        """Show it by light and buzzer. Raises DeviceTimeout or DeviceRefused."""
        ...


@runtime_checkable
class Identifiable(Protocol):
    """A device that can show a technician which one it is."""

    async def identify(self, for_s: float) -> str:
        """Blink, beep or click for about `for_s` seconds: what a person now sees or hears.

        Moves no lock. Raises DeviceTimeout or DeviceRefused.
        """
        ...


@dataclass(frozen=True, slots=True)
class ControlRange:
    """What a control takes: a number within min..max, one of `words`, or true and false when it has neither."""

    unit: str = ""
    min: float | None = None
    max: float | None = None
    words: tuple[str, ...] = ()


@runtime_checkable
class Control(Protocol):
    """A device with points that can be set: relays, set temperatures, fan speeds."""

    @property
    def name(self) -> str: ...

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        """Point -> what it takes."""
        ...

    async def set(self, point: str, value: float | bool | str) -> Reading:
        """Write, then read back: that reading.

        Raises ValueError for an unknown point or a value out of its range, DeviceRefused when the device said no
        or holds another value than was written, DeviceTimeout.
        """
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where the antenna is, WGS-84 degrees; metres. None where the receiver does not say."""

    latitude: float
    longitude: float
    altitude_m: float | None
    accuracy_m: float | None
    satellites: int | None
    at: datetime  # UTC, of the fix


@runtime_checkable
class Locator(Protocol):
    """A receiver that knows where the station stands."""

    @property
    def name(self) -> str: ...

    async def position(self) -> Position | None:
        """The last valid fix; None without one, or when it is too old to be true. Never waits for one."""
        ...


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """Who made the camera. What it does not say is empty."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""


@runtime_checkable
class Camera(Protocol):
    """A network camera as a device; the pictures themselves are the agent's `video/`."""

    @property
    def name(self) -> str: ...

    async def info(self) -> CameraInfo:
        """Who made it and what runs on it. Raises DeviceTimeout or DeviceRefused."""
        ...

    async def snapshot(self) -> bytes:
        """One JPEG. Raises DeviceRefused where the camera has none, DeviceTimeout."""
        ...

    async def stream_url(self) -> str:
        """The RTSP address of the smallest H.264 stream, without a password."""
        ...

    async def move(self, pan: float, tilt: float, zoom: float, for_s: float) -> None:
        """Move with -1..1 of the full speed for `for_s` seconds, then stop; it also stops when cancelled."""
        ...

    async def stop(self) -> None:
        """End a move now. Raises DeviceTimeout or DeviceRefused."""
        ...


@dataclass(frozen=True, slots=True)
class FirmwareVersion:
    """What runs on a board: its hardware's id and its version, and whether it is on trial until confirmed."""

    hardware: str
    version: tuple[int, int, int]
    confirmed: bool = True

    def __str__(self) -> str:
        return ".".join(map(str, self.version)) + ("" if self.confirmed else " (on trial)")


# Bytes sent, bytes in all.
Progress = Callable[[int, int], None]


@runtime_checkable
class Flashable(Protocol):
    """A board whose firmware we can replace."""

    @property
    def name(self) -> str: ...

    async def firmware(self) -> FirmwareVersion:
        """What runs on it, and whether that is confirmed. Raises DeviceTimeout or DeviceRefused."""
        ...

    async def flash(self, image: bytes, progress: Progress) -> FirmwareVersion:
        """Send an image that was verified, start it and confirm it: what runs afterwards.

        Raises DeviceRefused while the door is in use, for a wrong image, or when the board went back to the old
        one; DeviceTimeout.
        """
        ...

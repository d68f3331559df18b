"""What is said to a UHPPOTE door controller, and what it says. `codecs/uhppote.py` makes datagrams of it. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

DOORS = 4
SERIAL_MAX = 0xFFFF_FFFF


class Function(IntEnum):
    STATUS = 0x20
    OPEN_DOOR = 0x40
    SET_DOOR = 0x80
    GET_DOOR = 0x82
    RECORD_SPECIAL_EVENTS = 0x8E
    SET_LISTENER = 0x90
    GET_LISTENER = 0x92
    GET_CONTROLLER = 0x94
    GET_EVENT = 0xB0


class DoorMode(IntEnum):
    NORMALLY_OPEN = 1
    NORMALLY_CLOSED = 2
    CONTROLLED = 3
    FIRST_CARD = 4  # of newer firmware: closed until a card that may opened it today


class Reason(IntEnum):
    """Why an event happened, as far as the driver acts on it."""

    CARD_STORED = 0x01
    BUTTON = 0x14
    DOOR_OPENED = 0x17
    DOOR_CLOSED = 0x18


REASONS = {
    0x01: "card is stored in the controller",
    0x05: "left to the host",
    0x06: "card has no right for this door",
    0x07: "wrong PIN",
    0x08: "anti-passback",
    0x0A: "first card is missing",
    0x0B: "door is normally closed",
    0x0F: "outside the card's times",
    0x12: "card is not stored in the controller",
    0x14: "button",
    0x17: "door opened",
    0x18: "door closed",
    0x19: "supervisor code",
    0x1C: "controller has power",
    0x1E: "button is disabled",
    0x2C: "opened by the host",
}
SWIPE = 1  # kind of an event: a card that the controller did not let in


@dataclass(frozen=True, slots=True)
class GetController:
    """Who is there; with serial number 0 everybody answers."""


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Doors, buttons, relays and the last event."""


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """One pulse of the door's relay, as long as the door's delay."""

    door: int


@dataclass(frozen=True, slots=True)
class GetDoor:
    """Mode and delay of a door."""

    door: int


@dataclass(frozen=True, slots=True)
class SetDoor:
    """Set mode and delay of a door; the controller keeps both."""

    door: int
    mode: DoorMode
    delay_s: int


@dataclass(frozen=True, slots=True)
class GetListener:
    """Where events go."""


@dataclass(frozen=True, slots=True)
class SetListener:
    """Send events there; the last one again every `interval_s`, 0 for never."""

    address: IPv4Address
    port: int
    interval_s: int = 0


@dataclass(frozen=True, slots=True)
class RecordSpecialEvents:
    """Whether doors and buttons make events, or cards alone."""

    enabled: bool


@dataclass(frozen=True, slots=True)
class GetEvent:
    """One event of the controller's list."""

    index: int


Request = (
    GetController
    | GetStatus
    | OpenDoor
    | GetDoor
    | SetDoor
    | GetListener
    | SetListener
    | RecordSpecialEvents
    | GetEvent
)


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller's place in the network and its firmware: version 0x0892 is 8.92."""

    address: IPv4Address
    netmask: IPv4Address
    gateway: IPv4Address
    mac: bytes
    version: int
    released: str | None  # yyyymmdd


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `at` is yyyymmddHHMMSS of the controller's own clock, None where it is no time."""

    index: int
    kind: int
    granted: bool
    door: int
    direction: int
    card: int = field(repr=False)  # it opens doors: never in a log
    at: str | None
    reason: int

    @property
    def is_card(self) -> bool:
        """A card was shown. One that the controller let in is an event of its door, with a reason of its own."""
        return self.kind == SWIPE or self.reason == Reason.CARD_STORED

    @property
    def why(self) -> str:
        return REASONS.get(self.reason, f"reason {self.reason}")


@dataclass(frozen=True, slots=True)
class Status:
    """Doors and buttons 1..4 in order; bit n of `relays` is the relay of door n + 1."""

    event: Event | None
    open: tuple[bool, bool, bool, bool]
    pressed: tuple[bool, bool, bool, bool]
    error: int
    at: str | None
    sequence: int
    special: int
    relays: int
    inputs: int


@dataclass(frozen=True, slots=True)
class Door:
    """What the controller has for a door."""

    door: int
    mode: DoorMode
    delay_s: int


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the controller sends its events."""

    address: IPv4Address
    port: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class Done:
    """The controller did it, or it did not."""

    ok: bool


Reply = Controller | Status | Door | Listener | Done | Event


@dataclass(frozen=True, slots=True)
class Packet:
    """An answer, or an event that nobody asked for."""

    serial: int
    function: Function
    reply: Reply

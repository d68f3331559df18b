"""What every driver is made from, and the shape of a row of the DRIVERS table."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import Driver, Emit, Health, HealthChanged
from firmware_bridge.clock import Clock
from firmware_bridge.config import LineConfig, LineKind
from firmware_bridge.exchange import HealthListener
from firmware_bridge.named import named
from firmware_bridge.profiles import DeviceProfile
from firmware_bridge.secrets import Secrets
from firmware_bridge.session import Session

S = TypeVar("S")


class Options(BaseModel):
    """A driver's own options: strict, and known to the hub as JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Capability(StrEnum):
    LOCK = "lock"
    CONTACT = "contact"
    BUTTON = "button"
    SCANNER = "scanner"
    SENSOR = "sensor"
    SIGN = "sign"
    READER = "reader"
    KEYPAD = "keypad"
    TAMPER = "tamper"
    CONTROL = "control"
    LOCATOR = "locator"
    CAMERA = "camera"
    IDENTIFY = "identify"
    FIRMWARE = "firmware"


class LineUse(StrEnum):
    """How a driver behaves on a line that it shares."""

    SHARED = "shared"  # speaks only when asked, briefly
    ALONE = "alone"  # speaks unasked, or holds the line for seconds
    MANY = "many"  # shares a connection; devices are told apart by their options, not by an address


@dataclass(frozen=True, slots=True)
class DriverContext:
    """All that a driver may use. `options` is an instance of its row's model."""

    name: str
    address: int
    options: Options
    profile: DeviceProfile | None
    line: LineConfig
    carrier: Bus | Session  # what the line became: see `bus` and `session`
    emit: Emit
    clock: Clock
    rng: random.Random
    secrets: Secrets
    # A reader says at every byte that someone is at the door; the lines of locks are then kept clear.
    expect_release: Callable[[], None]

    @property
    def bus(self) -> Bus:
        """The arbiter of a bus line. The row's `lines` make sure that it is one."""
        assert isinstance(self.carrier, Bus)
        return self.carrier

    def session(self, kind: type[S]) -> S:
        """The connection of a session line. The row's `lines` make sure that it is one."""
        assert isinstance(self.carrier, kind)
        return self.carrier

    def health_listener(self) -> HealthListener:
        def told(health: Health, detail: str) -> None:
            self.emit(HealthChanged(self.name, health, detail, self.clock.now(), self.clock.monotonic()))

        return told


@dataclass(frozen=True, slots=True)
class DriverCode:
    """What a driver's module gives: its options, how it is made, and how it is checked before it is made.

    `check` gets the address, the options and the profile and returns one `key: message` line per mistake.
    """

    options: type[Options]
    factory: Callable[[DriverContext], Driver]
    check: Callable[[int, Options, DeviceProfile | None], list[str]]


@dataclass(frozen=True, slots=True)
class DriverRow:
    """One driver: where its code is, and what can be known of it without importing that.

    `code` is "module:NAME" in this package, the name of a DriverCode: it is imported when it is first used.
    """

    code: str
    capabilities: tuple[Capability, ...]
    needs_profile: bool
    lines: frozenset[LineKind]
    line_use: LineUse
    summary: str

    def load(self) -> DriverCode:
        """Raises ImportError, AttributeError or TypeError where `code` names nothing: a mistake in the table."""
        found = named(__package__, self.code)
        if not isinstance(found, DriverCode):
            raise TypeError(f"{self.code} is no DriverCode")
        return found

    @property
    def options(self) -> type[Options]:
        return self.load().options

    @property
    def factory(self) -> Callable[[DriverContext], Driver]:
        return self.load().factory

    @property
    def check(self) -> Callable[[int, Options, DeviceProfile | None], list[str]]:
        return self.load().check

"""Device profiles: what a Modbus device is, as data. One TOML file a device model; adding a sensor is one file.

`load` parses strictly: an unknown key is an error that names the file and the key. One profile serves a serial
line and a TCP line. What a point can say: `points.py`; which reads bring the points: `merge.py`.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from firmware_bridge.merge import READ_REGISTERS_MAX, Limits
from firmware_bridge.points import WORDS_OF, Address, Point, Space, Strict


class ProfileError(ValueError):
    """A device profile that cannot be used: which file, which key, why."""


class DeviceKind(StrEnum):
    """What stands in the station, for people and their pages; drivers do not ask."""

    RELAY_BOARD = "relay_board"
    IO_MODULE = "io_module"
    SENSOR = "sensor"  # measures
    SMOKE_DETECTOR = "smoke_detector"
    LEAK_DETECTOR = "leak_detector"
    MOTION_DETECTOR = "motion_detector"
    DOOR_CONTACT = "door_contact"
    THERMOSTAT = "thermostat"
    AIR_CONDITIONER = "air_conditioner"
    WATER_DISPENSER = "water_dispenser"
    PLUG = "plug"
    METER = "meter"
    LIGHT = "light"
    FAN = "fan"


class Timing(Strict):
    """How patient to be with the device, and how long it wants silence."""

    timeout_ms: int = Field(default=300, ge=10, le=5000)
    retries: int = Field(default=2, ge=0, le=5)
    gap_ms: int = Field(default=0, ge=0, le=1000, description="Silence beyond the line's own gap")
    turnaround_ms: int = Field(default=5, ge=0, le=1000, description="From a request's end to its answer, usually")


class Factory(Strict):
    """How the device comes out of its box: where a search begins and what its simulation does."""

    address: int = Field(default=1, ge=1, le=247)
    baud: int = Field(default=9600, ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


class FlashOn(Strict):
    """FC05 to `base` + coil closes the relay for the written value times `unit_ms`; the board opens it again."""

    base: Address
    unit_ms: int = Field(ge=1)
    max: int = Field(ge=1, le=0xFFFF)


class Relays(Strict):
    """A relay board: how many relays, how many inputs."""

    coils: int = Field(ge=1, le=64, description="FC01/FC05 addresses 0..coils-1")
    inputs: int = Field(default=0, ge=0, le=64, description="FC02 addresses 0..inputs-1")
    flash_on: FlashOn | None = None


class Hole(Strict):
    """Addresses that no read may touch, not even in passing: the device refuses, or does something."""

    space: Space
    first: Address
    last: Address

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"first {self.first} is above last {self.last}")
        return self


class DeviceProfile(Strict):
    """One device model. It is a relay board, or it has points, or both."""

    vendor: str
    model: str
    kind: DeviceKind
    protocol: Literal["modbus", "modbus-rtu", "modbus-tcp"] = Field(
        description="What the device itself speaks; behind a gateway any of them is on a modbus-tcp line"
    )
    source: str = Field(min_length=1, description="Where the addresses come from")
    verified: Literal["hardware", "manual", "unverified"]
    notes: str = ""
    factory: Factory = Factory()
    timing: Timing = Timing()
    relays: Relays | None = None
    points: tuple[Point, ...] = ()
    merge_gap: int = Field(default=4, ge=0, le=64, description="Unused addresses one read may span")
    registers_max: int = Field(
        default=READ_REGISTERS_MAX, ge=1, le=READ_REGISTERS_MAX, description="Registers that one read may bring"
    )
    holes: tuple[Hole, ...] = Field(default=(), description="Addresses that no read may touch")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [point.name for point in self.points]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"points named twice: {', '.join(doubled)}")
        if self.relays is None and not self.points:
            raise ValueError("neither relays nor points")
        for point in self.points:
            if WORDS_OF[point.type] > self.registers_max:
                raise ValueError(f"registers_max {self.registers_max} is less than {point.name} needs")
            for hole in self.holes:
                if (
                    hole.space is point.space
                    and hole.first < point.address + point.words
                    and point.address <= hole.last
                ):
                    raise ValueError(f"point {point.name} lies in the hole {hole.first}..{hole.last}")
        return self

    @property
    def limits(self) -> Limits:
        """What one read may be."""
        holes = tuple((hole.space, hole.first, hole.last) for hole in self.holes)
        return Limits(self.merge_gap, self.registers_max, holes)

    @property
    def inputs(self) -> tuple[Point, ...]:
        """Points whose changes are told at once."""
        return tuple(point for point in self.points if point.input)

    @property
    def controls(self) -> dict[str, Point]:
        """Points that can be set, by name."""
        return {point.name: point for point in self.points if point.write is not None}


def load(directory: Path, name: str) -> DeviceProfile:
    """The profile `name` of a directory. Raises ProfileError naming the file and every wrong key."""
    path = directory / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in directory.glob("*.toml"))) or "none"
        raise ProfileError(f"no device profile {name!r}; there are: {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: {error}") from None
    try:
        return DeviceProfile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise ProfileError("; ".join(f"{path.name}: {line}" for line in error_lines(error))) from None


def error_lines(error: ValidationError) -> list[str]:
    """One `path: message` line for each mistake."""
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return lines

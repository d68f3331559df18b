"""Device profiles: what a Modbus device is, as data. One TOML file a device model; adding a sensor is one file.

`load` parses strictly: an unknown key is an error that names the file and the key.
"""

from __future__ import annotations

import struct
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmware_bridge.codecs.modbus_rtu import READ_REGISTERS_MAX, Function

Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class ProfileError(ValueError):
    """A device profile that cannot be used: which file, which key, why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Space(StrEnum):
    """The four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


READ_FUNCTION = {
    Space.COIL: Function.READ_COILS,
    Space.DISCRETE: Function.READ_DISCRETE_INPUTS,
    Space.HOLDING: Function.READ_HOLDING_REGISTERS,
    Space.INPUT: Function.READ_INPUT_REGISTERS,
}


class Timing(_Strict):
    """How patient to be with the device, and how long it wants silence."""

    timeout_ms: int = Field(default=300, ge=10, le=5000)
    retries: int = Field(default=2, ge=0, le=5)
    gap_ms: int = Field(default=0, ge=0, le=1000, description="Silence beyond the line's own gap")


class FlashOn(_Strict):
    """FC05 to `base` + coil closes the relay for the written value times `unit_ms`; the board opens it again."""

    base: Address
    unit_ms: int = Field(ge=1)
    max: int = Field(ge=1, le=0xFFFF)


class Relays(_Strict):
    """A relay board: how many relays, how many inputs."""

    coils: int = Field(ge=1, le=64, description="FC01/FC05 addresses 0..coils-1")
    inputs: int = Field(default=0, ge=0, le=64, description="FC02 addresses 0..inputs-1")
    flash_on: FlashOn | None = None


class Point(_Strict):
    """One datapoint: value = raw * scale + offset."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    space: Space
    address: Address
    type: Literal["bit", "int16", "uint16", "int32", "uint32", "float32"]
    word_order: Literal["high_first", "low_first"] = "high_first"
    scale: float = 1.0
    offset: float = 0.0
    decimals: int = Field(default=3, ge=0, le=9, description="The value is rounded to these")
    unit: str = ""
    min: float | None = None
    max: float | None = None
    invalid: tuple[int, ...] = Field(default=(), description="Raw unsigned values that mean: no value")

    @property
    def words(self) -> int:
        return 2 if self.type in ("int32", "uint32", "float32") else 1

    @model_validator(mode="after")
    def _type_fits_space(self) -> Self:
        if (self.type == "bit") != (self.space in (Space.COIL, Space.DISCRETE)):
            raise ValueError(f"type {self.type} does not fit space {self.space.value}")
        return self

    def decode(self, words: tuple[int, ...]) -> float | bool | None:
        """The value in `words` (unsigned 16 bits each, as many as `self.words`); None when it is none."""
        if self.type == "bit":
            return bool(words[0])
        ordered = words if self.word_order == "high_first" else words[::-1]
        data = b"".join(word.to_bytes(2, "big") for word in ordered)
        if int.from_bytes(data, "big") in self.invalid:
            return None
        raw: float
        match self.type:
            case "int16" | "int32":
                raw = int.from_bytes(data, "big", signed=True)
            case "uint16" | "uint32":
                raw = int.from_bytes(data, "big")
            case "float32":
                raw = struct.unpack(">f", data)[0]
                if raw != raw or raw in (float("inf"), float("-inf")):
                    return None
        value = round(raw * self.scale + self.offset, self.decimals)
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            return None
        return value


class DeviceProfile(_Strict):
    """One device model. It is a relay board, or it has points, or both."""

    vendor: str
    model: str
    protocol: Literal["modbus-rtu"]
    source: str = Field(min_length=1, description="Where the addresses come from")
    verified: Literal["hardware", "manual", "unverified"]
    notes: str = ""
    timing: Timing = Timing()
    relays: Relays | None = None
    points: tuple[Point, ...] = ()
    merge_gap: int = Field(default=4, ge=0, le=64, description="Unused addresses one read may span")

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [point.name for point in self.points]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"points named twice: {', '.join(doubled)}")
        if self.relays is None and not self.points:
            raise ValueError("neither relays nor points")
        return self


class Block(_Strict):
    """Neighbouring points that one read brings."""

    space: Space
    address: int
    count: int
    points: tuple[Point, ...]


def merge(points: tuple[Point, ...], *, gap: int, most: int = READ_REGISTERS_MAX) -> tuple[Block, ...]:
    """The fewest reads for `points`: neighbours of one space, at most `gap` unused addresses apart."""
    blocks: list[Block] = []
    for point in sorted(points, key=lambda point: (point.space.value, point.address)):
        last = blocks[-1] if blocks else None
        end = point.address + point.words
        if (
            last is not None
            and last.space is point.space
            and point.address <= last.address + last.count + gap
            and end - last.address <= most
        ):
            count = max(last.count, end - last.address)
            blocks[-1] = last.model_copy(update={"count": count, "points": (*last.points, point)})
        else:
            blocks.append(Block(space=point.space, address=point.address, count=point.words, points=(point,)))
    return tuple(blocks)


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

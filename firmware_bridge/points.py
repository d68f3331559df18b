"""Points of a Modbus device as data: from raw words to a value, and back where a point can be written. PURE.

```
  words of the device        word_order     byte_order     bits            type             values / scale
  [0xBBAA, 0xDDCC]  ------>  high or low -> big or     ->  cut out, if ->  signed?    ->    word, true or false,
  16 bits each, unsigned     word first     little         there are any   a float?         or raw * scale + offset
```
A value that the device marks as none, that is out of the point's range or that no word is given to is `None`.
"""

from __future__ import annotations

import math
import struct
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from firmware_bridge.capabilities import ControlRange

WORD_BITS = 16
Address = Annotated[int, Field(ge=0, le=0xFFFF)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
PointType = Literal["bit", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"]
WORDS_OF: dict[PointType, int] = {
    "bit": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
}
# Scaled numbers are compared within this share of a step: 0.1 * 3 is not 0.3.
STEP_SLACK = 1e-6


class Strict(BaseModel):
    """A table of a profile: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Space(StrEnum):
    """The four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


BIT_SPACES = (Space.COIL, Space.DISCRETE)


class WriteFunction(StrEnum):
    """What a device wants a point to be written by."""

    COIL = "coil"  # FC05
    COILS = "coils"  # FC15, of one coil
    REGISTER = "register"  # FC06
    REGISTERS = "registers"  # FC16


COIL_WRITES = (WriteFunction.COIL, WriteFunction.COILS)


class Write(Strict):
    """How a point is written, and what it takes: the point's own range or words where nothing narrower is said."""

    function: WriteFunction | None = Field(
        default=None, description="FC05 coil, FC06 register; registers (FC16) for what is longer or wants it"
    )
    address: Address | None = Field(default=None, description="Where it is written, if not where it is read")
    min: float | None = None
    max: float | None = None
    step: float | None = Field(default=None, gt=0, description="The device takes only multiples of it, from min")
    allowed: tuple[StrictBool | Word, ...] = Field(
        default=(), description="Those of the point's values that can be set"
    )
    settle_ms: int = Field(default=0, ge=0, le=10_000, description="The device may take so long to show what it took")

    @model_validator(mode="after")
    def _range(self) -> Self:
        _check_range(self.min, self.max)
        return self


class Point(Strict):
    """One datapoint: value = raw * scale + offset, or what `values` says of raw."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    space: Space
    address: Address
    type: PointType
    word_order: Literal["high_first", "low_first"] = "high_first"
    byte_order: Literal["big", "little"] = Field(default="big", description="Inside each word")
    bit: int | None = Field(default=None, ge=0, lt=WORD_BITS, description="A bit of a register, 0 is the lowest")
    bits: tuple[int, int] | None = Field(default=None, description="First and last bit of a field of a number")
    values: dict[int, StrictBool | Word] = Field(
        default_factory=dict, description="Raw -> word, or raw -> true and false"
    )
    scale: float = 1.0
    offset: float = 0.0
    decimals: int = Field(default=3, ge=0, le=9, description="The value is rounded to these")
    unit: str = ""
    min: float | None = None
    max: float | None = None
    invalid: tuple[int, ...] = Field(default=(), description="Raw unsigned values that mean: no value")
    input: bool = Field(default=False, description="True or false, polled often, every change told at once")
    write: Write | None = None

    @property
    def words(self) -> int:
        """Registers (or bits of a bit space) that it takes."""
        return WORDS_OF[self.type]

    @property
    def is_bool(self) -> bool:
        """Whether its value is true or false."""
        if self.values:
            return all(isinstance(value, bool) for value in self.values.values())
        return self.type == "bit"

    @property
    def _field(self) -> tuple[int, int]:
        """First bit and width of what is looked at."""
        if self.space in BIT_SPACES:
            return 0, 1
        if self.type == "bit":
            return self.bit or 0, 1
        if self.bits is not None:
            return self.bits[0], self.bits[1] - self.bits[0] + 1
        return 0, self.words * WORD_BITS

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        in_bits = self.space in BIT_SPACES
        if in_bits and self.type != "bit":
            raise ValueError(f"type {self.type} does not fit space {self.space.value}")
        if self.type == "bit" and not in_bits and self.bit is None:
            raise ValueError(f"type bit of space {self.space.value} needs `bit`, 0..15")
        if self.bit is not None and (in_bits or self.type != "bit"):
            raise ValueError("`bit` belongs to type bit of a register")
        if self.bits is not None:
            if self.type in ("bit", "float32"):
                raise ValueError(f"`bits` cannot be cut out of type {self.type}")
            first, last = self.bits
            if not 0 <= first <= last < self.words * WORD_BITS:
                raise ValueError(f"bits {first}..{last} are not in the {self.words * WORD_BITS} bits of {self.type}")
        if self.address + self.words > 0x10000:
            raise ValueError(f"{self.words} registers from {self.address} reach beyond 65535")
        if self.scale == 0:
            raise ValueError("scale: 0 makes every value the same")
        _check_range(self.min, self.max)
        self._check_values()
        if self.input and not self.is_bool:
            raise ValueError("an input is true or false: type bit, or values of true and false")
        if self.write is not None:
            self._check_write(self.write)
        return self

    def _check_values(self) -> None:
        _, width = self._field
        for raw in self.invalid:
            if not 0 <= raw < 1 << width:
                raise ValueError(f"invalid: {raw} is not a raw value of {width} bits, 0..{(1 << width) - 1}")
        if not self.values:
            return
        if self.type == "float32":
            raise ValueError("values: a float has none")
        if len({isinstance(value, bool) for value in self.values.values()}) > 1:
            raise ValueError("values: either words or true and false, not both")
        low, high = self.raw_range
        for raw in self.values:
            if not low <= raw <= high:
                raise ValueError(f"values: {raw} is not a raw value of this point, {low}..{high}")
        numeric = {"scale", "offset", "decimals", "unit", "min", "max"} & self.model_fields_set
        if numeric:
            raise ValueError(f"values: a point with words has no {', '.join(sorted(numeric))}")

    def _check_write(self, write: Write) -> None:
        function = self.write_function
        if write.address is None and self.space in (Space.DISCRETE, Space.INPUT):
            raise ValueError(f"write: space {self.space.value} cannot be written; say write.address")
        if self.space not in BIT_SPACES and function in COIL_WRITES:
            raise ValueError(f"write.function: a register is not written by {function.value}")
        if self.space is Space.COIL and function not in COIL_WRITES:
            raise ValueError(f"write.function: a coil is not written by {function.value}")
        if function is WriteFunction.REGISTER and self.words > 1:
            raise ValueError(f"write.function: {self.type} needs registers, one register holds 16 bits")
        if write.address is not None and (self.bit is not None or self.bits is not None):
            raise ValueError("write.address: bits of a register are read, altered and written where they are")
        if self.values or self.type == "bit":
            numeric = {"min", "max", "step"} & write.model_fields_set
            if numeric:
                raise ValueError(f"write: a point with words has no {', '.join(sorted(numeric))}")
            unknown = [str(value) for value in write.allowed if value not in self._settable]
            if unknown:
                raise ValueError(f"write.allowed: {', '.join(unknown)} is none of its values")
        elif write.allowed:
            raise ValueError("write.allowed: the point has numbers; write.min, write.max and write.step bound them")

    @property
    def raw_range(self) -> tuple[int, int]:
        """The least and the greatest raw number that its bits hold."""
        _, width = self._field
        return (-(1 << width - 1), (1 << width - 1) - 1) if self._signed else (0, (1 << width) - 1)

    @property
    def _signed(self) -> bool:
        return self.type in ("int16", "int32", "int64")

    @property
    def _settable(self) -> tuple[bool | str, ...]:
        """Words, or false and true: without repetition, in the order of the profile."""
        return tuple(dict.fromkeys(self.values.values())) if self.values else (False, True)

    # Reading.

    def decode(self, words: tuple[int, ...]) -> float | bool | str | None:
        """The value in `words` (unsigned 16 bits each, as many as `self.words`); None when it is none."""
        data = self._ordered(words)
        first, width = self._field
        raw = int.from_bytes(data, "big") >> first & (1 << width) - 1
        if raw in self.invalid:
            return None
        if self.type == "float32":
            number: float = struct.unpack(">f", data)[0]
            return self._scaled(number) if math.isfinite(number) else None
        if self._signed and raw >> width - 1:
            raw -= 1 << width
        if self.values:
            return self.values.get(raw)
        return bool(raw) if self.type == "bit" else self._scaled(raw)

    def _scaled(self, raw: float) -> float | None:
        value = round(raw * self.scale + self.offset, self.decimals)
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            return None
        return value

    def _ordered(self, words: tuple[int, ...]) -> bytes:
        """Words as the device has them -> bytes, highest first."""
        ordered = words if self.word_order == "high_first" else words[::-1]
        return b"".join(word.to_bytes(2, self.byte_order) for word in ordered)

    # Writing.

    @property
    def write_function(self) -> WriteFunction:
        """The function that writes it: as its profile says, or the shortest that can."""
        if self.write is not None and self.write.function is not None:
            return self.write.function
        if self.space in BIT_SPACES:
            return WriteFunction.COIL
        return WriteFunction.REGISTER if self.words == 1 else WriteFunction.REGISTERS

    @property
    def write_address(self) -> int:
        if self.write is not None and self.write.address is not None:
            return self.write.address
        return self.address

    @property
    def alters_a_part(self) -> bool:
        """Whether the other bits of its register must be known before it is written."""
        return self.bit is not None or self.bits is not None

    @property
    def control_range(self) -> ControlRange:
        """What `encode` takes. Raises ValueError for a point that cannot be written."""
        write = self._writable()
        if self.values or self.type == "bit":
            settable = write.allowed or self._settable
            return ControlRange(words=tuple(value for value in settable if isinstance(value, str)))
        low = self.min if write.min is None else write.min
        high = self.max if write.max is None else write.max
        return ControlRange(self.unit, low, high)

    def encode(self, value: float | bool | str, current: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The words to write for a value; for a part of a register `current` are the words that were read.

        Raises ValueError naming the point and what it takes.
        """
        self._check_settable(self._writable(), value)
        return self.pack(value, current)

    def pack(self, value: float | bool | str, current: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The words that a device holds when it shows a value, whether it can be set or not.

        Raises ValueError for what no words of this point say.
        """
        raw = self._raw(value)
        first, width = self._field
        mask = (1 << width) - 1
        whole = raw & mask
        if self.alters_a_part:
            kept = int.from_bytes(self._ordered(current), "big") & ~(mask << first)
            whole = kept | whole << first
        data = whole.to_bytes(2 * self.words, "big")
        words = tuple(int.from_bytes(data[at : at + 2], self.byte_order) for at in range(0, len(data), 2))
        return words if self.word_order == "high_first" else words[::-1]

    def _writable(self) -> Write:
        if self.write is None:
            raise ValueError(f"{self.name} cannot be written; its profile has no `write`")
        return self.write

    def _check_settable(self, write: Write, value: float | bool | str) -> None:
        if self.values or self.type == "bit":
            settable = write.allowed or self._settable
            if not isinstance(value, bool | str) or value not in settable:
                words = ", ".join(str(word).lower() for word in settable)
                raise ValueError(f"{self.name} takes {words}, not {value!r}")
            return
        if isinstance(value, bool | str) or not math.isfinite(value):
            raise ValueError(f"{self.name} is a number, not {value!r}")
        limits = self.control_range
        if (limits.min is not None and value < limits.min) or (limits.max is not None and value > limits.max):
            raise ValueError(f"{self.name} takes {limits.min}..{limits.max} {self.unit}".rstrip() + f", not {value}")
        if write.step is not None:
            _check_step(self.name, value - (limits.min or 0.0), write.step, value)

    def _raw(self, value: float | bool | str) -> int:
        if self.values:
            raw = next((raw for raw, word in self.values.items() if word == value), None)
            if raw is None or isinstance(value, bool) != self.is_bool:
                raise ValueError(f"{self.name} has no raw value for {value!r}")
            return raw
        if self.type == "bit":
            return int(value is True)
        if isinstance(value, str):
            raise ValueError(f"{self.name} is a number, not {value!r}")
        exact = (value - self.offset) / self.scale
        if self.type == "float32":
            try:
                return int.from_bytes(struct.pack(">f", exact), "big")
            except OverflowError:
                raise ValueError(f"{self.name} cannot hold {value}") from None
        _check_step(self.name, value - self.offset, abs(self.scale), value)
        raw = round(exact)
        low, high = self.raw_range
        if not low <= raw <= high:
            raise ValueError(f"{self.name} cannot hold {value}")
        return raw


def _check_range(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"min {low} is above max {high}")


def _check_step(name: str, distance: float, step: float, value: float) -> None:
    steps = distance / step
    if abs(steps - round(steps)) > STEP_SLACK * max(1.0, abs(steps)):
        raise ValueError(f"{name} goes in steps of {step:g}, not to {value}")

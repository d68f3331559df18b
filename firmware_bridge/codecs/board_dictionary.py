"""The data dictionary that a door board publishes in its input registers. PURE.

```
 0x1000  "YD" | version | number of entries | registers of an entry (16)
 0x1010  entries of 32 bytes, the high byte of a register first:
         0 name (16, zero-padded) | 16 unit (6) | 22 space | 23 type | 24 address (2) | 26 power of ten, signed
         27 access: 1 read, 2 write | 28 least (2) | 30 most (2): raw values that can be written; 0 and 0: any
```
The same layout in C, and the table itself: `firmware/dictionary.c`. A board with points that this station does not
know is no error: they are read and told like the others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.codecs import FrameError
from firmware_bridge.points import Point, PointType, Space

START, ENTRIES_START = 0x1000, 0x1010
MAGIC, VERSION = 0x5944, 1
HEAD_WORDS, ENTRY_WORDS = 4, 16
# More than any board we know has, and what a host is willing to read from one that it does not.
ENTRIES_MAX = 128

SPACES = (Space.COIL, Space.DISCRETE, Space.HOLDING, Space.INPUT)
TYPES: tuple[PointType, ...] = ("bit", "uint16", "uint32")
READ, WRITE = 1, 2
_ENTRY = struct.Struct(">16s6sBBHbBHH")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One point: value = raw * 10^power in `unit`."""

    name: str
    unit: str
    space: Space
    type: PointType
    address: int
    power: int
    access: int
    least: int
    most: int

    @property
    def readable(self) -> bool:
        return bool(self.access & READ)

    def point(self) -> Point:
        """The same as a point of a device profile. Only what can be read is one."""
        scale = 10.0**self.power
        return Point(
            name=self.name,
            space=self.space,
            address=self.address,
            type=self.type,
            scale=scale,
            decimals=max(0, -self.power),
            unit=self.unit,
        )


def parse_head(registers: Sequence[int]) -> int:
    """How many entries follow. Raises FrameError when there is no dictionary that we know."""
    magic, version, entries, words = registers
    if magic != MAGIC:
        raise FrameError(f"no dictionary at 0x{START:04x}: 0x{magic:04x} stands there")
    if version != VERSION or words != ENTRY_WORDS:
        raise FrameError(f"dictionary version {version} with {words} registers an entry is not known, only {VERSION}")
    if not 1 <= entries <= ENTRIES_MAX:
        raise FrameError(f"a dictionary of {entries} entries; 1..{ENTRIES_MAX} are believed")
    return entries


def parse_entries(registers: Sequence[int]) -> tuple[Entry, ...]:
    """The entries in whole. Raises FrameError naming the entry that is none."""
    data = b"".join(register.to_bytes(2, "big") for register in registers)
    if len(data) % _ENTRY.size:
        raise FrameError(f"{len(registers)} registers are no whole entries of {ENTRY_WORDS}")
    entries = tuple(_parse_entry(index, fields) for index, fields in enumerate(_ENTRY.iter_unpack(data)))
    names = [entry.name for entry in entries]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise FrameError(f"the dictionary names twice: {', '.join(doubled)}")
    return entries


def _parse_entry(index: int, fields: tuple[bytes, bytes, int, int, int, int, int, int, int]) -> Entry:
    raw_name, raw_unit, space, kind, address, power, access, least, most = fields
    name = raw_name.rstrip(b"\0").decode("ascii", "replace")
    unit = raw_unit.rstrip(b"\0").decode("utf-8", "replace")
    if not _NAME.fullmatch(name):
        raise FrameError(f"entry {index} of the dictionary has the name {name!r}")
    if not unit.isprintable() or "\ufffd" in unit:
        raise FrameError(f"{name} has the unit {unit!r}")
    if space >= len(SPACES) or kind >= len(TYPES) or not 1 <= access <= READ | WRITE or abs(power) > 9:
        raise FrameError(f"{name} has space {space}, type {kind}, power {power}, access {access}")
    entry = Entry(name, unit, SPACES[space], TYPES[kind], address, power, access, least, most)
    if entry.readable:
        _check_readable(entry)
    return entry


def _check_readable(entry: Entry) -> None:
    in_bits = entry.space in (Space.COIL, Space.DISCRETE)
    if in_bits != (entry.type == "bit") or (entry.type == "uint32" and entry.address == 0xFFFF):
        raise FrameError(f"{entry.name} cannot be read: {entry.type} at {entry.address} of space {entry.space.value}")


def encode_head(entries: Sequence[Entry]) -> tuple[int, ...]:
    """The registers at START."""
    return MAGIC, VERSION, len(entries), ENTRY_WORDS


def encode_entries(entries: Sequence[Entry]) -> tuple[int, ...]:
    """The registers at ENTRIES_START. Raises ValueError for a name or unit that is too long."""
    registers: list[int] = []
    for entry in entries:
        name, unit = entry.name.encode(), entry.unit.encode()
        if len(name) > 16 or len(unit) > 6:
            raise ValueError(f"{entry.name} [{entry.unit}]: a name has 16 bytes at most, a unit 6")
        data = _ENTRY.pack(
            name,
            unit,
            SPACES.index(entry.space),
            TYPES.index(entry.type),
            entry.address,
            entry.power,
            entry.access,
            entry.least,
            entry.most,
        )
        registers += [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return tuple(registers)

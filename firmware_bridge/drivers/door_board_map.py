"""A door board as its own dictionary describes it: read once, then points by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.capabilities import DeviceRefused
from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import board_dictionary as dictionary
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.drivers.modbus_unit import ModbusUnit
from firmware_bridge.points import Space

# Entries that one read brings: 7 * 16 registers.
ENTRIES_A_READ = 7
READ_DEADLINE_S = 2.0
NEEDED = (
    "lock",
    "lock_for",
    "beacon_for",
    "contact",
    "egress",
    "fire",
    "tamper",
    "on_trial",
    "hardware",
    "version_major",
    "version_minor",
    "version_patch",
    "update_state",
    "update_command",
    "heartbeat",
    "heartbeat_max",
    "safe_state",
    "egress_hold",
)


@dataclass(frozen=True, slots=True)
class BoardMap:
    """The points of one board, by name. It has all that are NEEDED."""

    entries: dict[str, dictionary.Entry]

    def raw(self, name: str, value: float) -> int:
        """The raw number of a value in the point's unit, rounded down and into its range."""
        entry = self.entries[name]
        low, high = (entry.least, entry.most) if entry.most else (0, 0xFFFF)
        # 0.1 s has no exact float: 3 / 0.1 must not be 29.
        return max(low, min(high, math.floor(value / 10.0**entry.power + 1e-9)))


async def learn(unit: ModbusUnit, *, priority: int) -> BoardMap:
    """Read the dictionary. Raises DeviceRefused when there is none or it lacks a point, DeviceTimeout."""
    try:
        head = await unit.raw(
            Space.INPUT, dictionary.START, dictionary.HEAD_WORDS, priority=priority, deadline_s=READ_DEADLINE_S
        )
        count = dictionary.parse_head(head)
        words: list[int] = []
        for first in range(0, count, ENTRIES_A_READ):
            words += await unit.raw(
                Space.INPUT,
                dictionary.ENTRIES_START + first * dictionary.ENTRY_WORDS,
                min(ENTRIES_A_READ, count - first) * dictionary.ENTRY_WORDS,
                priority=priority,
                deadline_s=READ_DEADLINE_S,
            )
        entries = {entry.name: entry for entry in dictionary.parse_entries(words)}
    except FrameError as error:
        raise DeviceRefused(unit.name, f"it is no door board, or its firmware is newer than this: {error}") from None
    missing = [name for name in NEEDED if name not in entries]
    if missing:
        raise DeviceRefused(unit.name, f"its dictionary lacks {', '.join(missing)}: update its firmware")
    return BoardMap(entries)


async def read(unit: ModbusUnit, board: BoardMap, names: Sequence[str], *, priority: int) -> dict[str, float | bool]:
    """The values of points that lie near each other in one space. Raises DeviceRefused, DeviceTimeout."""
    points = [board.entries[name].point() for name in names]
    first = min(point.address for point in points)
    count = max(point.address + point.words for point in points) - first
    words = await unit.raw(points[0].space, first, count, priority=priority, deadline_s=READ_DEADLINE_S)
    values: dict[str, float | bool] = {}
    for point in points:
        at = point.address - first
        value = point.decode(words[at : at + point.words])
        assert isinstance(value, bool | float | int)  # no point of a dictionary has words or a range
        values[point.name] = value
    return values


async def write(unit: ModbusUnit, board: BoardMap, name: str, raw: int, *, priority: int, deadline_s: float) -> None:
    """Raises ModbusRefused with the board's exception code, DeviceTimeout."""
    entry = board.entries[name]
    function = pdu.Function.WRITE_COIL if entry.space is Space.COIL else pdu.Function.WRITE_REGISTER
    await unit.ask(pdu.WriteOne(function, entry.address, raw), priority=priority, deadline_s=deadline_s)

"""What scanners can be told over their serial line: a row a command set. PURE data.

A command whose bytes were not read in the maker's own manual is not `verified`: try it on the device first. A
scanner that is told to look for a code must have been set to its host-triggered mode, by a code of its manual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """What is sent, and what the scanner types back (nothing, for many)."""

    send: bytes
    reply: bytes = b""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class CommandSet:
    """`start` makes the scanner look for a code until it read one or gives up, `stop` ends that."""

    title: str
    source: str
    start: Command
    stop: Command
    beep: Command | None = None
    light: Command | None = None  # a light that people see, for about a second


def _gm(value: int, *, verified: bool) -> Command:
    """Write the trigger's zone bit. AB CD stands for a CRC that is not checked."""
    return Command(
        bytes((0x7E, 0x00, 0x08, 0x01, 0x00, 0x02, value, 0xAB, 0xCD)), bytes.fromhex("02000001003331"), verified
    )


def _newland(command: bytes) -> Command:
    """`#`: not kept over a power cut. The answer is the command with ACK before its end."""
    return Command(b"\x7e\x010000#" + command + b";\x03", b"\x02\x010000#" + command + b"\x06;\x03")


COMMAND_SETS: Mapping[str, CommandSet] = {
    "gm65": CommandSet(
        title="Grow GM65, GM60-S, GM8xx and modules built on them",
        source="GM65 user manual 1.3, section 8 (zone bits); Hamlet HBCS2D100W manual, section 8.4 (trigger, answer)",
        start=_gm(1, verified=True),
        stop=_gm(0, verified=False),
    ),
    "honeywell": CommandSet(
        title="Honeywell N86xx, Xenon, Voyager and engines with SYN commands",
        source="Honeywell N86 series user manual, page 10-4 (trigger); the beep is known from users only",
        start=Command(b"\x16T\r", verified=True),
        stop=Command(b"\x16U\r", verified=True),
        beep=Command(b"\x16\x07\r"),
    ),
    "newland": CommandSet(
        title="Newland NLS-FM and NLS-HR",
        source="NLS-HR52 user manual, programming commands (frame and answer); the names are known from users only",
        start=_newland(b"SCNTRG1"),
        stop=_newland(b"SCNTRG0"),
        beep=_newland(b"BEEPON2000F200T20V"),
        light=_newland(b"LEDONS2C1000D"),
    ),
}

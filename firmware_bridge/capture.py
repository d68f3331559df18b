"""What went over a line, with times and directions, as a text file that people and tests can read. PURE.

```
# yizhan capture 1
# protocol modbus
# line 9600 8N1
0.000000 > 02 04 00 01 00 02 20 38
0.018412 < 02 04 04 ff 15 01 9c ba 3b
```
A row is the seconds since the first, the direction (`>` we wrote, `<` the line gave) and the bytes as they were
read or written at once. A `#` line is a remark; those of two words or more behind `#` are kept as the header.
Whoever listens on a line that others speak on has only `<` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAGIC = "# yizhan capture 1"
# One read or write of a line is at most 4 kB (a sign's picture 8.2 kB).
ROW_BYTES_MAX = 64 * 1024


class Direction(StrEnum):
    OUT = ">"
    IN = "<"


# Called for every read and write of a line: direction, bytes, monotonic seconds. Returns at once.
Tap = Callable[[Direction, bytes, float], None]


class CaptureError(ValueError):
    """A file that is no capture: which line, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One read or write; `at_s` is seconds since the first row."""

    at_s: float
    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    header: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def format_header(header: Mapping[str, str]) -> str:
    """The first lines of a file, each with its line end."""
    return "".join(f"{line}\n" for line in (MAGIC, *(f"# {key} {value}" for key, value in header.items())))


def format_row(row: Row) -> str:
    """One line of a file, with its line end."""
    return f"{row.at_s:.6f} {row.direction.value} {row.data.hex(' ')}\n"


def parse(lines: Iterable[str]) -> Capture:
    """Reads a file's lines. Raises CaptureError naming the line."""
    header: dict[str, str] = {}
    rows: list[Row] = []
    for number, text in enumerate(lines, 1):
        line = text.strip()
        if number == 1 and line != MAGIC:
            raise CaptureError(f"line 1: a capture begins with {MAGIC!r}")
        if not line:
            continue
        if line.startswith("#"):
            key, _, value = line[1:].strip().partition(" ")
            if value and line != MAGIC:
                header[key] = value
            continue
        rows.append(_row(number, line))
    if not rows and not header:
        raise CaptureError("an empty file is no capture")
    return Capture(header, tuple(rows))


def _row(number: int, line: str) -> Row:
    try:
        at, direction, data = line.split(" ", 2)
        row = Row(float(at), Direction(direction), bytes.fromhex(data))
    except ValueError:
        raise CaptureError(f"line {number}: not `seconds > hex bytes`: {line[:60]!r}") from None
    if not 0 < len(row.data) <= ROW_BYTES_MAX:
        raise CaptureError(f"line {number}: {len(row.data)} bytes, 1..{ROW_BYTES_MAX} are a row")
    return row


def conversations(rows: Iterable[Row]) -> Iterator[tuple[bytes, bytes]]:
    """What was written in one go, and all that came back before the next writing; an unasked answer has b""."""
    asked, answered = b"", b""
    for row in rows:
        if row.direction is Direction.IN:
            answered += row.data
        elif answered:
            yield asked, answered
            asked, answered = row.data, b""
        else:
            asked += row.data
    if asked or answered:
        yield asked, answered

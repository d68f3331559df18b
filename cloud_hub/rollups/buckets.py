"""PURE: what a minute or an hour said of each datapoint, so that a chart need not read every row of it.

    readings of the span ----+
                             +--> merged: one row a station and span, with all datapoints in it
    the row as it stands ----+

Merging is the same in any order, so readings that come days late are merged as if they had come in time. Each row of
the spool takes effect once (ingest/apply.py), so nothing is counted twice.

A cell is a JSON list, short because there are as many as minutes:

    [device, point, unit, quality, last, offset_ms]                            one good number, or none
    [device, point, unit, quality, last, offset_ms, count, total, low, high]   of the good numbers
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from station_agent.wire.events import Readings

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_GOOD = "good"
_NUMBERS = frozenset({int, float})  # a truth value is none

Value = bool | float | str | None


@dataclass(slots=True)
class Cell:
    """Of one datapoint. `last`, `unit` and `quality` are the latest reading's, `offset_ms` after the span's beginning;
    the others tell of the good numbers. Without one, `count` is 0 and they mean nothing."""

    unit: str
    quality: str
    last: Value
    offset_ms: int
    count: int = 0
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def take(self, other: Cell) -> None:
        """Merges what another part of the same span said."""
        if other.offset_ms >= self.offset_ms:
            self.unit, self.quality, self.last = other.unit, other.quality, other.last
            self.offset_ms = other.offset_ms
        if other.count:
            self.low = min(self.low, other.low) if self.count else other.low
            self.high = max(self.high, other.high) if self.count else other.high
            self.count += other.count
            self.total += other.total


Bucket = dict[tuple[str, str], Cell]
"""By device and point."""


def beginning(at: datetime, span: timedelta) -> datetime:
    """Of the span that `at` is in. Spans count from 1970 UTC."""
    return at - (at - _EPOCH) % span


def gathered(rows: Iterable[tuple[str, datetime, Readings]], span: timedelta) -> dict[tuple[str, datetime], Bucket]:
    """By station and beginning of the span. A row is (station, when, what was read)."""
    found: dict[tuple[str, datetime], Bucket] = {}
    for station, at, readings in rows:
        start = beginning(at, span)
        bucket = found.setdefault((station, start), {})
        offset_ms = (at - start) // _MILLISECOND
        for one in readings.readings:
            cell = _cell(one.unit, one.quality, one.value, offset_ms)
            key = (one.device, one.point)
            known = bucket.get(key)
            if known is None:
                bucket[key] = cell
            else:
                known.take(cell)
    return found


def merge(into: Bucket, other: Bucket) -> Bucket:
    """`into`, with what `other` says of the same span."""
    for key, cell in other.items():
        known = into.get(key)
        if known is None:
            into[key] = cell
        else:
            known.take(cell)
    return into


def _cell(unit: str, quality: str, value: Any, offset_ms: int) -> Cell:
    """Of one reading."""
    if _counts(value, quality):
        return Cell(unit, quality, value, offset_ms, 1, value, value, value)
    return Cell(unit, quality, value, offset_ms)


def _counts(value: object, quality: str) -> bool:
    return quality == _GOOD and type(value) in _NUMBERS


def encoded(bucket: Bucket) -> list[list[Any]]:
    """As it is stored; `decoded` reads it again."""
    cells = []
    for (device, point), cell in sorted(bucket.items()):
        row: list[Any] = [device, point, cell.unit, cell.quality, cell.last, cell.offset_ms]
        if cell.count != int(_counts(cell.last, cell.quality)):
            row += [cell.count, cell.total, cell.low, cell.high]
        cells.append(row)
    return cells


def decoded(cells: Sequence[Sequence[Any]]) -> Bucket:
    bucket: Bucket = {}
    for device, point, unit, quality, last, offset_ms, *numbers in cells:
        if numbers:
            bucket[device, point] = Cell(unit, quality, last, offset_ms, *numbers)
        else:
            bucket[device, point] = _cell(unit, quality, last, offset_ms)
    return bucket


def shown(cell: Sequence[Any], start: datetime, span: timedelta) -> tuple[datetime, Value, str]:
    """A stored cell as a point of a chart: the mean of the good numbers, in the middle of the span when there were
    several; else the last reading, at its time."""
    if len(cell) > 6 and cell[6]:
        return start + span / 2, cell[7] / cell[6], _GOOD
    return start + cell[5] * _MILLISECOND, cell[4], cell[3]

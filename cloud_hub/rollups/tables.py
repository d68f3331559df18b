"""Keeps the rollups beside the telemetry, in the transaction that stores it, and reads them for charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from pydantic_core import from_json

from cloud_hub.rollups.buckets import HOUR, MINUTE, Bucket, decoded, encoded, gathered, merge, shown
from cloud_hub.stations.models import Point, ReadingSeries, Series
from cloud_hub.storage.bulk import upsert
from cloud_hub.storage.raw import raw_columns
from cloud_hub.storage.schema import moment, telemetry, telemetry_hours, telemetry_minutes
from station_agent.wire.events import Readings

TABLES: Mapping[timedelta, sa.Table] = {MINUTE: telemetry_minutes, HOUR: telemetry_hours}
POINTS_MAX = 1_500  # a chart is about that many pixels wide; a day of minutes is 1,440
_KEYS_AT_ONCE = 500
_ROWS_AT_ONCE = 2_000

Row = tuple[str, datetime, Readings]


def roll(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Merges new readings into both tables. The caller sees to it that a row comes here once."""
    for span, table in TABLES.items():
        _merge(connection, table, gathered(rows, span))


def _merge(connection: sa.Connection, table: sa.Table, new: dict[tuple[str, datetime], Bucket]) -> None:
    keys = list(new)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[start : start + _KEYS_AT_ONCE]
        query = table.select().where(sa.tuple_(table.c.station, table.c.at).in_(part))
        known = {(row.station, row.at): row.body for row in connection.execute(query)}
        rows = []
        for station, at in part:
            bucket, stored = new[station, at], known.get((station, at))
            if stored is not None:
                bucket = merge(decoded(stored), bucket)
            rows.append({"station": station, "at": at, "body": encoded(bucket)})
        upsert(connection, table, rows)


def span_for(hours: int) -> timedelta:
    """The finest span of which `hours` hold at most POINTS_MAX."""
    return MINUTE if timedelta(hours=hours) / MINUTE <= POINTS_MAX else HOUR


def series(
    connection: sa.Connection, station: str, device: str | None, point: str | None, since: datetime, span: timedelta
) -> ReadingSeries:
    """Each datapoint's measurements since `since`, oldest first, one a span in which there was any."""
    table = TABLES[span]
    query = (
        sa.select(*raw_columns(table))  # a chart is 1,440 rows, and needs few of their parts as more than text
        .where(table.c.station == station, table.c.at > since - span)
        .order_by(table.c.at)
    )
    found: dict[tuple[str, str], list[Point]] = {}
    units: dict[tuple[str, str], str] = {}
    for _, at_us, body in connection.execute(query).all():
        for cell in from_json(body):  # half of what json.loads takes
            if (point is None or cell[1] == point) and (device is None or cell[0] == device):
                name = (cell[0], cell[1])
                units[name] = cell[2]
                points = found.get(name)
                if points is None:
                    points = found[name] = []
                points.append(shown(cell, moment(at_us), span))
    return ReadingSeries(
        series=[
            Series(device=name[0], point=name[1], unit=units[name], points=points)
            for name, points in sorted(found.items())
        ]
    )


def rebuild(connection: sa.Connection) -> None:
    """Fills both tables, which are empty, from the telemetry."""
    query = (
        sa.select(telemetry.c.station, telemetry.c.at, telemetry.c.body)
        .where(telemetry.c.kind == "readings")
        .order_by(telemetry.c.station, telemetry.c.at)
    )
    rows: list[Row] = []
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        rows += _readable(row)
        if len(rows) >= _ROWS_AT_ONCE:
            roll(connection, rows)
            rows = []
    roll(connection, rows)


def _readable(row: Any) -> Iterable[Row]:
    try:
        yield row.station, row.at, Readings.model_validate(row.body, strict=False)
    except ValidationError:  # of before bodies were looked at; it was never charted either
        return

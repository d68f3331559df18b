"""What may leave the database: the oldest rows of a table, up to a moment, in the order of their key.

telemetry  of one station       by time
events     of one spool         by number, and only the first ones without a gap: the hash chain goes on from there
audit      all of it            by number, the first ones
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloud_hub.storage.raw import raw_columns
from cloud_hub.storage.schema import audit, events, station_streams, stations, telemetry
from station_agent.wire.envelope import Stream

SLICE_ROWS = 20_000
"""Deleted in one transaction: the hub's writer waits for ~0.1 s at most."""


class MovedOn(Exception):
    """Other rows came between while these were archived; nothing was deleted, the next round takes them."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows of `table` that fit `where`, in the order of `key`."""

    table: sa.Table
    where: tuple[sa.ColumnElement[bool], ...]
    key: tuple[sa.Column[Any], ...]
    spool: tuple[str, str] | None = None  # of events: station and spool


@dataclass(frozen=True, slots=True)
class Slice:
    cut: Cut
    rows: Sequence[sa.Row[Any]]  # as the database holds them

    @property
    def last(self) -> sa.Row[Any]:
        return self.rows[-1]


def telemetry_cuts(connection: sa.Connection, before: datetime) -> Iterator[Cut]:
    for station in connection.scalars(sa.select(stations.c.id).order_by(stations.c.id)).all():
        where = (telemetry.c.station == station, telemetry.c.at < before)
        yield Cut(telemetry, where, (telemetry.c.at, telemetry.c.spool, telemetry.c.seq))


def event_cuts(connection: sa.Connection, before: datetime) -> Iterator[Cut]:
    query = station_streams.select().where(station_streams.c.stream == Stream.EVENTS)
    for stream in connection.execute(query.order_by(station_streams.c.station, station_streams.c.spool)).all():
        own = (events.c.station == stream.station, events.c.spool == stream.spool)
        kept = connection.scalar(sa.select(sa.func.min(events.c.seq)).where(*own, events.c.at >= before))
        where = own if kept is None else (*own, events.c.seq < kept)
        yield Cut(events, where, (events.c.seq,), (stream.station, stream.spool))


def audit_cuts(connection: sa.Connection, before: datetime) -> Iterator[Cut]:
    kept = connection.scalar(sa.select(sa.func.min(audit.c.id)).where(audit.c.at >= before))
    yield Cut(audit, () if kept is None else (audit.c.id < kept,), (audit.c.id,))


def first(connection: sa.Connection, cut: Cut, after: Slice | None = None) -> Slice | None:
    """The next rows of the cut, at most SLICE_ROWS; None when there is no more."""
    query = sa.select(*raw_columns(cut.table)).where(*cut.where).order_by(*cut.key).limit(SLICE_ROWS)
    if after is not None:
        query = query.where(sa.tuple_(*cut.key) > _place(after))
    rows = connection.execute(query).all()
    return Slice(cut, rows) if rows else None


def delete(connection: sa.Connection, one: Slice) -> None:
    """Exactly the rows of the slice. Raises MovedOn where others came in between: then nothing must be committed."""
    query = one.cut.table.delete().where(*one.cut.where, sa.tuple_(*one.cut.key) <= _place(one))
    if connection.execute(query).rowcount != len(one.rows):
        raise MovedOn(f"{one.cut.table.name}: rows came in among those that were archived")


def _place(one: Slice) -> Any:
    """The key of the slice's last row, as bound values of the columns' stored kind."""
    values = one.last._mapping
    return sa.tuple_(*(sa.literal(values[column.name], _stored(column)) for column in one.cut.key))


def _stored(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    kind = column.type
    return kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind

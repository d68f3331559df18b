"""Reading the timeline. A page starts after a cursor that names the last item of the page before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from cloud_hub.events.models import OtherItem, Timeline, TimelineItem
from cloud_hub.problems import Problem
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import events, members

_ITEM: TypeAdapter[TimelineItem] = TypeAdapter(TimelineItem)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventQueries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, station: str | None, before: str | None, limit: int) -> Timeline:
        """Raises Problem 422 for a cursor that is none."""
        key = (events.c.at, events.c.station, events.c.spool, events.c.seq)
        query = sa.select(events, members.c.name.label("member_name")).outerjoin(
            members, members.c.id == events.c.member
        )
        query = query.order_by(*(column.desc() for column in key)).limit(limit + 1)
        if station is not None:
            query = query.where(events.c.station == station)
        if before is not None:
            query = query.where(sa.tuple_(*key) < sa.tuple_(*_position(before)))
        rows = await self._database.read(lambda c: c.execute(query).all())
        more = len(rows) > limit
        rows = rows[:limit]
        return Timeline(items=[item(row._mapping) for row in rows], next=_cursor(rows[-1]) if more else None)


def item(row: Any) -> TimelineItem:
    """An item of the timeline from a mapping with the events table's columns and `member_name`."""
    shared = {
        "id": f"{row['station']}.{row['spool']}.{row['seq']}",
        "station": row["station"],
        "seq": row["seq"],
        "at": row["at"],
        "member_name": row["member_name"],
    }
    try:
        # as JSON would be: a stored body holds text where the model has a UUID or a time
        return _ITEM.validate_python({**shared, "kind": row["kind"], "body": row["body"]})
    except ValidationError:
        return OtherItem(**shared, kind="other", reported_kind=row["kind"], body=row["body"])


def names(connection: sa.Connection, ids: Iterable[str]) -> dict[str, str]:
    """The names of those of `ids` that are members."""
    query = sa.select(members.c.id, members.c.name).where(members.c.id.in_(set(ids)))
    return {row.id: row.name for row in connection.execute(query)}


def _cursor(row: Any) -> str:
    return f"{(row.at - _EPOCH) // timedelta(microseconds=1)}~{row.station}~{row.spool}~{row.seq}"


def _position(cursor: str) -> tuple[Any, ...]:
    try:
        micros, station, spool, seq = cursor.split("~")
        at = _EPOCH + timedelta(microseconds=int(micros))
        return tuple(
            sa.literal(value, column.type)
            for value, column in zip(
                (at, station, spool, int(seq)),
                (events.c.at, events.c.station, events.c.spool, events.c.seq),
                strict=True,
            )
        )
    except (ValueError, OverflowError) as error:
        raise Problem(422, "invalid-cursor", "before is not a cursor that this hub gave.") from error

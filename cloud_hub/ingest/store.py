"""One transaction of ingest: marks, rows, projections. Everything or nothing, then the stations may be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never

import sqlalchemy as sa

from cloud_hub.commands import queries as command_queries
from cloud_hub.commands.models import Command
from cloud_hub.events.models import TimelineItem
from cloud_hub.events.queries import item
from cloud_hub.events.queries import names as member_names
from cloud_hub.faces import queries as face_queries
from cloud_hub.ingest.apply import Absorbed, Refused, Source, absorb
from cloud_hub.ingest.chain import Break, follow
from cloud_hub.ingest.plan import Plan, Told, plan
from cloud_hub.rollups.tables import roll
from cloud_hub.stations.models import LatestReadings
from cloud_hub.stations.queries import latest
from cloud_hub.storage.bulk import insert_new, upsert, upsert_adding, upsert_newer
from cloud_hub.storage.schema import (
    alarms,
    chain_breaks,
    events,
    faces,
    latest_readings,
    rejected,
    restores,
    station_streams,
    stations,
    telemetry,
    visits,
)
from station_agent.wire import events as wire
from station_agent.wire.envelope import Batch, Stream
from station_agent.wire.kinds import AlarmKind

LOG = "log"
"""The subject of the alarm that a station's log is broken."""


@dataclass(slots=True)
class Stored:
    """What the commit made true; `items` and `readings` only where somebody watches."""

    absorbed: Absorbed
    plan: Plan
    commands: list[Command] = field(default_factory=list)
    items: list[TimelineItem] = field(default_factory=list)
    readings: list[LatestReadings] = field(default_factory=list)


def store(
    connection: sa.Connection,
    batches: Sequence[Batch],
    refused: Sequence[Refused],
    now: datetime,
    boots: Mapping[str, datetime],
    watched: bool,
) -> Stored:
    names = {batch.station for batch in batches}
    _lock(connection, names)
    streams = _streams(connection, names)
    marks = {source: row.mark for source, row in streams.items()}
    absorbed = absorb(marks, batches)
    followed = follow({source: row.chain for source, row in streams.items()}, absorbed.rows, marks)
    what = plan(absorbed.rows, now, boots)
    result = Stored(absorbed, what)
    insert_new(connection, events, what.events)
    insert_new(connection, telemetry, what.telemetry)
    roll(connection, what.readings)
    insert_new(connection, visits, what.visits)
    upsert_newer(connection, latest_readings, list(what.latest.values()), "at")
    changed: dict[str, Command] = {}
    for told in what.told:
        command = _tell(connection, told)
        if command is not None:
            changed[str(command.id)] = command
    result.commands = list(changed.values())
    upsert(
        connection,
        station_streams,
        [
            {
                "station": s.station,
                "spool": s.spool,
                "stream": s.stream,
                "mark": absorbed.marks[s],
                "chain": followed.heads.get(s) or (streams[s].chain if s in streams else None),
            }
            for s in sorted(absorbed.moved, key=lambda s: (s.station, s.spool, s.stream))
        ],
    )
    _break(connection, followed.breaks, now)
    _count(connection, refused, what, now)
    if watched:
        result.items = _items(connection, what.events)
        result.readings = [latest(connection, station) for station in sorted({key[0] for key in what.latest})]
    return result


def _lock(connection: sa.Connection, names: set[str]) -> None:
    """Until the commit, no other hub on the same database moves the marks of these stations. SQLite has one writer."""
    query = sa.select(stations.c.id).where(stations.c.id.in_(names)).order_by(stations.c.id)
    if connection.dialect.name != "sqlite":
        connection.execute(query.with_for_update(key_share=True)).all()


def _streams(connection: sa.Connection, names: set[str]) -> dict[Source, sa.Row[Any]]:
    """What is known of every stream of the stations: its mark, and the chain there."""
    rows = connection.execute(station_streams.select().where(station_streams.c.station.in_(names)))
    return {Source(row.station, row.spool, Stream(row.stream)): row for row in rows}


def _break(connection: sa.Connection, breaks: Sequence[Break], now: datetime) -> None:
    """On record for good, and an alarm that a person has to look at: no event clears it."""
    if any(one.gap for one in breaks):
        breaks = _explained(connection, breaks)
    insert_new(
        connection,
        chain_breaks,
        [
            {
                "station": one.source.station,
                "spool": one.source.spool,
                "seq": one.seq,
                "found_at": now,
                "detail": one.detail,
            }
            for one in breaks
        ],
    )
    for one in breaks:
        row = {"station": one.source.station, "alarm": AlarmKind.LOG_BROKEN, "subject": LOG}
        detail = f"event {one.seq} of spool {one.source.spool}: {one.detail}"
        upsert(connection, alarms, [{**row, "detail": detail, "raised_at": now, "cleared_at": None}])


def _explained(connection: sa.Connection, breaks: Sequence[Break]) -> list[Break]:
    """Gaps, with the word that this hub was brought back from a backup, if it was."""
    found = connection.execute(restores.select().order_by(restores.c.at.desc()).limit(1)).first()
    if found is None:
        return list(breaks)
    why = f"; on {found.at:%Y-%m-%d %H:%M} UTC the hub was brought back from a backup of {found.made_at:%Y-%m-%d %H:%M}"
    return [replace(one, detail=one.detail + why) if one.gap else one for one in breaks]


def _tell(connection: sa.Connection, told: Told) -> Command | None:
    match told.body:
        case wire.CommandProgress() as body:
            return command_queries.progress(connection, told.station, body, told.at)
        case wire.AlarmRaised(alarm=alarm, subject=subject, detail=detail):
            row = {"station": told.station, "alarm": alarm, "subject": subject}
            upsert(connection, alarms, [{**row, "detail": detail, "raised_at": told.at, "cleared_at": None}])
        case wire.AlarmCleared(alarm=alarm, subject=subject):
            connection.execute(
                alarms.update()
                .where(alarms.c.station == told.station, alarms.c.alarm == alarm, alarms.c.subject == subject)
                .values(cleared_at=told.at)
            )
        case wire.FaceEnrolled() as body:
            row = {"member": body.member, "station": told.station}
            known = {"templates": body.templates, "consent_until": body.consent_until, "enrolled_at": told.at}
            upsert(connection, faces, [row | known])
        case wire.FaceErased() as body:
            face_queries.receipt(connection, told.station, body, told.at, told.spool, told.seq, told.chain)
        case _:
            assert_never(told.body)
    return None


def _count(connection: sa.Connection, refused: Sequence[Refused], what: Plan, now: datetime) -> None:
    counts: Counter[tuple[str, str]] = Counter(what.odd)
    details: dict[tuple[str, str], str] = {}
    for one in refused:
        counts[one.station, one.reason] += 1
        details[one.station, one.reason] = one.detail
    rows = []
    for (source, reason), count in sorted(counts.items()):
        detail = details.get((source, reason), "")
        rows.append({"source": source, "reason": reason, "count": count, "last_at": now, "last_detail": detail})
    upsert_adding(connection, rejected, rows, "count")


def _items(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[TimelineItem]:
    known = member_names(connection, {row["member"] for row in rows if row["member"]})
    return [item({**row, "member_name": known.get(row["member"])}) for row in rows]

"""Is the log still what the stations wrote? Follows every spool's hash chain through the table of events again.

    event 1 -> event 2 -> ... -> the event at the mark          (station_agent/wire/chain.py)
       |          |                       |
    changed    left out               cut off at the end

Whoever can write the database can change an event and every chain behind it, but not the heads that stations go on
from: the next event that comes breaks. `verify` is PURE; `verified` brings it the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from cloud_hub.archive.records import BEGINNING, Anchor, anchors
from cloud_hub.storage.schema import alarms, chain_breaks, events, station_streams
from station_agent.wire import chain
from station_agent.wire.envelope import Stream
from station_agent.wire.kinds import AlarmKind

ROWS_AT_ONCE = 1000
FAULTS_MAX = 1000
"""A spool that is broken in more places is broken; the count goes on."""


class EventRow(Protocol):
    """What an event's chain is made of. Attributes as the table's columns."""

    @property
    def seq(self) -> int: ...
    @property
    def reported_at(self) -> datetime: ...
    @property
    def boot(self) -> str | None: ...
    @property
    def mono_ms(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> dict[str, Any]: ...
    @property
    def chain(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Fault:
    seq: int
    what: str


@dataclass(slots=True)
class SpoolReport:
    """One spool of one station. `archived`: the events up to that one are in the archive, and the chain goes on from
    there. `unchained` events are of before the station chained them."""

    station: str
    spool: str
    events: int = 0
    archived: int = 0
    unchained: int = 0
    faults: list[Fault] = field(default_factory=list)
    faults_in_all: int = 0

    @property
    def sound(self) -> bool:
        return self.faults_in_all == 0

    def fault(self, seq: int, what: str) -> None:
        self.faults_in_all += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(seq, what))

    def as_json(self) -> dict[str, Any]:
        return {
            "station": self.station,
            "spool": self.spool,
            "events": self.events,
            "archived": self.archived,
            "unchained": self.unchained,
            "sound": self.sound,
            "faults": [{"seq": fault.seq, "what": fault.what} for fault in self.faults],
            "faults_in_all": self.faults_in_all,
        }


def verify(
    report: SpoolReport, rows: Iterable[EventRow], mark: int, head: str | None, after: Anchor = BEGINNING
) -> SpoolReport:
    """`rows` of the spool, ascending; `mark` and `head`: up to where the hub took events in, and the chain there.

    `after`: the events that are in the archive and not among the rows.
    """
    before, last = after.chain, after.seq
    report.archived = after.seq
    for row in rows:
        report.events += 1
        if row.seq != last + 1:
            missing = f"event {last + 1} is" if row.seq == last + 2 else f"events {last + 1} to {row.seq - 1} are"
            report.fault(row.seq, f"{missing} missing before it")
        if row.chain is None:
            report.unchained += 1
            if before is not None:
                report.fault(row.seq, "it is not chained, and those before it are")
        elif row.boot is None or row.mono_ms is None:
            report.fault(row.seq, "a part of what was chained is missing")
        else:
            due = chain.link(
                before or chain.beginning(report.spool),
                row.seq,
                row.reported_at,
                row.boot,
                row.mono_ms,
                row.kind,
                row.body,
            )
            if due != row.chain and row.seq == last + 1:
                report.fault(row.seq, "it was changed, or the one before it was")
        before = row.chain or before
        last = row.seq
    if last < mark:
        report.fault(mark, f"events {last + 1} to {mark} are missing at the end")
    elif head is not None and before != head:
        report.fault(last, "the last event is not the one that was taken in")
    return report


def verified(connection: sa.Connection, station: str | None, key: bytes | None = None) -> Iterator[SpoolReport]:
    """Every spool of events, or those of one station, by station and spool.

    `key`: archive/records.py's, which proves what was archived; without it archived events count as missing.
    """
    archived = anchors(connection, key)
    streams = station_streams.select().where(station_streams.c.stream == Stream.EVENTS)
    if station is not None:
        streams = streams.where(station_streams.c.station == station)
    for stream in connection.execute(streams.order_by(station_streams.c.station, station_streams.c.spool)).all():
        query = (
            events.select()
            .where(events.c.station == stream.station, events.c.spool == stream.spool)
            .order_by(events.c.seq)
            .execution_options(yield_per=ROWS_AT_ONCE)
        )
        rows: Iterable[Any] = connection.execute(query)
        after = archived.get((stream.station, stream.spool), BEGINNING)
        yield verify(SpoolReport(stream.station, stream.spool), rows, stream.mark, stream.chain, after)


def breaks(connection: sa.Connection, station: str | None) -> list[dict[str, Any]]:
    """What did not add up when it came, oldest first; kept whatever the table says now."""
    query = chain_breaks.select().order_by(chain_breaks.c.found_at, chain_breaks.c.station, chain_breaks.c.seq)
    if station is not None:
        query = query.where(chain_breaks.c.station == station)
    return [
        {
            "station": row.station,
            "spool": row.spool,
            "seq": row.seq,
            "found_at": row.found_at.isoformat(),
            "detail": row.detail,
        }
        for row in connection.execute(query)
    ]


def settle_alarm(connection: sa.Connection, station: str, at: datetime) -> bool:
    """A person has looked at it: the alarm is cleared, the breaks stay on record. False where none stands."""
    standing = (
        alarms.c.station == station,
        alarms.c.alarm == AlarmKind.LOG_BROKEN,
        alarms.c.cleared_at.is_(None),
    )
    return connection.execute(alarms.update().where(*standing).values(cleared_at=at)).rowcount > 0

"""Takes out of the database what has been kept long enough: into the archive, verified, and only then deleted.

    slices of the oldest rows --> one Parquet file, read back --> its record --> each slice deleted in a transaction

A crash between two arrows loses nothing: rows may then be in the archive and in the database, never in neither. Each
transaction is short, so that the hub takes in meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from cloud_hub.archive import records
from cloud_hub.archive.cuts import (
    SLICE_ROWS,
    Cut,
    MovedOn,
    Slice,
    audit_cuts,
    delete,
    event_cuts,
    first,
    telemetry_cuts,
)
from cloud_hub.archive.parquet import Written, need_duckdb, write
from cloud_hub.clock import Clock
from cloud_hub.counters import Counters
from cloud_hub.retention.keep import Keep, horizon
from cloud_hub.rollups.buckets import HOUR, MINUTE
from cloud_hub.rollups.tables import TABLES
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import audit, events, moment, phone_sessions, phone_tickets, sessions, stations, telemetry

EVERY_S = 3600.0
FILE_ROWS = 200_000
"""About 60 MB of JSON before it is packed: what one file of the archive needs in memory and on disk meanwhile."""

Cuts = Callable[[sa.Connection, datetime], Iterator[Cut]]

_EXPIRING = (sessions, phone_sessions, phone_tickets)


class Retention:
    """`run()` is the service; `once()` one round of it. Raises BadSettings without DuckDB where it is needed."""

    def __init__(self, database: Database, clock: Clock, counters: Counters, keep: Keep, data: Path) -> None:
        if keep.archives:
            need_duckdb()
        self._database = database
        self._clock = clock
        self._counters = counters
        self._keep = keep
        self._data = data
        self._gone: dict[str, datetime] = {}  # of each table: what was before this moment went in an earlier round

    async def run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Everything that may go now. The tables are looked through once a day."""
        now, keep = self._clock.now(), self._keep
        await self._database.write(lambda c: _expire(c, now))
        for table, days, cuts in (
            (events, keep.events_days, event_cuts),
            (audit, keep.audit_days, audit_cuts),
            (telemetry, keep.telemetry_days, telemetry_cuts if keep.archive_telemetry else None),
            (TABLES[MINUTE], keep.minutes_days, None),
            (TABLES[HOUR], keep.hours_days, None),
        ):
            before = horizon(now, days)
            if before is None or self._gone.get(table.name) == before:
                continue
            if cuts is None:
                await self._drop(table, before)
            else:
                await self._archive(table.name, cuts, before)
            self._gone[table.name] = before

    async def _archive(self, name: str, cuts: Cuts, before: datetime) -> None:
        key = records.archive_key(self._data)
        found = await self._database.read(lambda c: list(cuts(c, before)))
        waiting: list[Slice] = []
        for cut in found:
            last: Slice | None = None
            while last is None or len(last.rows) == SLICE_ROWS:
                one = await self._database.read(partial(first, cut=cut, after=last))
                if one is None:
                    break
                waiting.append(one)
                last = one
                if sum(len(slice.rows) for slice in waiting) >= FILE_ROWS:
                    await self._take_out(name, waiting, key)
                    waiting, last = [], None
        if waiting:
            await self._take_out(name, waiting, key)

    async def _take_out(self, name: str, slices: Sequence[Slice], key: bytes) -> None:
        """One file, then its rows."""
        now = self._clock.now()
        folder = self._data / records.FOLDER
        file = await asyncio.to_thread(_free_name, folder, name, now)
        rows = (row for one in slices for row in one.rows)
        written: Written = await asyncio.to_thread(write, folder / file, slices[0].cut.table, rows)
        number = await self._database.write(lambda c: records.record(c, key, name, file, written, now))
        self._counters.add("archived_rows", written.rows, table=name)
        left = 0
        for one in slices:
            try:
                await self._database.write(partial(_delete, key=key, one=one, number=number))
            except MovedOn:
                left += 1  # late rows came among them: these and those go with the next round
        if not left:
            await self._database.write(lambda c: records.done(c, number, now))

    async def _drop(self, table: sa.Table, before: datetime) -> None:
        """Oldest rows of each station, some at a time."""
        query = sa.select(stations.c.id).order_by(stations.c.id)
        for station in await self._database.read(lambda c: c.scalars(query).all()):
            dropped = SLICE_ROWS
            while dropped >= SLICE_ROWS:
                dropped = await self._database.write(partial(_drop_some, table=table, station=station, before=before))
                self._counters.add("retention_rows", dropped, table=table.name)


def _delete(connection: sa.Connection, key: bytes, one: Slice, number: int) -> None:
    delete(connection, one)
    if one.cut.spool is not None:
        got_at = moment(one.rows[0].received_at)
        records.anchor(connection, key, one.cut.spool, records.Anchor(one.last.seq, one.last.chain), number, got_at)


def _drop_some(connection: sa.Connection, table: sa.Table, station: str, before: datetime) -> int:
    """How many rows went."""
    own = (table.c.station == station, table.c.at < before)
    nth = sa.select(table.c.at).where(*own).order_by(table.c.at).offset(SLICE_ROWS - 1).limit(1)
    upto = connection.scalar(nth)
    where = own if upto is None else (*own, table.c.at <= upto)
    return connection.execute(table.delete().where(*where)).rowcount


def _expire(connection: sa.Connection, now: datetime) -> None:
    """Sessions and tickets that let nobody in any more."""
    for table in _EXPIRING:
        connection.execute(table.delete().where(table.c.expires_at <= now))


def _free_name(folder: Path, name: str, now: datetime) -> str:
    """Relative to the archive; no file has it."""
    for number in range(1, 1_000_000):
        file = f"{name}/{now:%Y}/{now:%Y-%m-%d}-{number:04}.parquet"
        if not (folder / file).exists():
            return file
    raise AssertionError("a million files in a day")

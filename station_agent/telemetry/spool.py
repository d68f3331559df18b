"""The spool: what the station tells, in order, on disk until the hub says that it has it.

Two streams, each a table with a sequence that never repeats:

    events      committed at once; never dropped
    telemetry   one row a period; thinned, oldest first, when there are more than TELEMETRY_ROWS_MAX

`append` runs inside a store job, so that an event and the change it tells of are one commit. Events are chained by
their hashes (wire/chain.py); the end of the chain is kept, since acknowledged rows go. What came after a restart of
the machine has another `boot`: with it and `mono_ms` the hub repairs stamps from before time was known.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from station_agent.clock import Clock
from station_agent.telemetry.ack import SpooledRow
from station_agent.telemetry.store import Store, StoreClosed, StoreFull
from station_agent.wire import chain
from station_agent.wire.envelope import ROWS_PER_BATCH, Row, Stream
from station_agent.wire.events import EventBody, kind_of

log = logging.getLogger(__name__)

TELEMETRY_ROWS_MAX = 20_000
"""Two weeks at one row a minute: longer than any repair of a line took. About 20 MB."""

EVENTS_FILLING = 50_000
"""Events are never dropped, so long before the disk is full (15 MB here) a person is told."""

_TABLES = {Stream.EVENTS: "events", Stream.TELEMETRY: "telemetry"}
_COLUMNS = "seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, "


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened, by both clocks."""

    at: datetime
    boot: str
    mono_ms: int


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What a start finds: the spool's id, and per stream the last row acknowledged and the last one made."""

    id: str
    acked: dict[Stream, int]
    last: dict[Stream, int]


def prepare(db: Database) -> SpoolState:
    """Store job: make the tables where they are not there yet, and read where the spool stands."""
    for table in _TABLES.values():
        db.conn.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_COLUMNS} kind TEXT NOT NULL, body TEXT NOT NULL)")
    db.conn.execute("CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL)")
    for table, column in (("events", "chain"), ("spool", "chain")):  # not there before version 0.2
        if column not in {row[1] for row in db.conn.execute(f"PRAGMA table_info({table})")}:
            db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
    found = db.conn.execute("SELECT id FROM spool").fetchone()
    if found is None:
        found = (uuid.uuid4().hex,)
        db["spool"].insert({"id": found[0]})  # type: ignore[union-attr]
    acked, last = {}, {}
    for stream, table in _TABLES.items():
        first = db.conn.execute(f"SELECT min(seq) FROM {table}").fetchone()[0]  # noqa: S608
        made = db.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
        last[stream] = made[0] if made else 0
        acked[stream] = first - 1 if first is not None else last[stream]
    return SpoolState(found[0], acked, last)


def append(db: Database, stamp: Stamp, body: EventBody, stream: Stream = Stream.EVENTS) -> int:
    """Within a store job: add one row; its sequence number."""
    row = (stamp.at.isoformat(), stamp.boot, stamp.mono_ms, kind_of(body), body.model_dump_json())
    statement = f"INSERT INTO {_TABLES[stream]} (at, boot, mono_ms, kind, body) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
    seq = db.conn.execute(statement, row).lastrowid
    assert seq is not None
    if stream is Stream.EVENTS:
        _chain(db, seq, stamp, body)
    return seq


def _chain(db: Database, seq: int, stamp: Stamp, body: EventBody) -> None:
    """Within a store job: the row that was just added joins the chain, and is its end."""
    spool, before = db.conn.execute("SELECT id, chain FROM spool").fetchone()
    content = body.model_dump(mode="json")
    end = chain.link(before or chain.beginning(spool), seq, stamp.at, stamp.boot, stamp.mono_ms, kind_of(body), content)
    db.conn.execute("UPDATE events SET chain = ? WHERE seq = ?", (end, seq))
    db.conn.execute("UPDATE spool SET chain = ?", (end,))


def rows_after(db: Database, stream: Stream, after: int, limit: int) -> list[SpooledRow]:
    """Store job: the next rows of a stream, oldest first."""
    columns = "seq, at, boot, mono_ms, kind, body, " + ("chain" if stream is Stream.EVENTS else "NULL")
    statement = f"SELECT {columns} FROM {_TABLES[stream]} WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return [
        SpooledRow(
            Row(
                seq=seq,
                at=datetime.fromisoformat(at),
                boot=boot,
                mono_ms=mono_ms,
                kind=kind,
                body=json.loads(body),
                chain=chained_to,
            ),
            len(body),
        )
        for seq, at, boot, mono_ms, kind, body, chained_to in db.conn.execute(statement, (after, limit))
    ]


def trim(db: Database, stream: Stream, upto: int) -> None:
    """Store job: the hub has every row up to `upto`."""
    db.conn.execute(f"DELETE FROM {_TABLES[stream]} WHERE seq <= ?", (upto,))  # noqa: S608


def thin(db: Database, rows_max: int) -> int:
    """Within a store job: when telemetry is above its bound, drop every second row of its older half. How many."""
    table = _TABLES[Stream.TELEMETRY]
    count, first = db.conn.execute(f"SELECT count(*), min(seq) FROM {table}").fetchone()  # noqa: S608
    if count <= rows_max:
        return 0
    older = f"SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM {table} ORDER BY seq LIMIT ?"  # noqa: S608
    db.conn.execute(
        f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM ({older}) WHERE n % 2 = 0)",  # noqa: S608
        (count // 2,),
    )
    left: int = db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    log.warning("thinned telemetry from row %d on: %d rows of %d are left", first, left, count)
    return int(count) - left


class Spool:
    """Writes rows and tells who listens that there are more. Made by `Spool.open`."""

    def __init__(self, store: Store, state: SpoolState, clock: Clock, boot: str) -> None:
        self._store = store
        self._clock = clock
        self._boot = boot
        self.id = state.id
        self.start = state
        self._last = dict(state.last)
        self._acked = dict(state.acked)
        self.on_grown: Callable[[Stream, int], None] | None = None
        """Called on the loop with the stream and its last sequence number after rows were committed."""

    @classmethod
    async def open(cls, store: Store, clock: Clock, boot: str) -> Spool:
        return cls(store, await store.submit(prepare), clock, boot)

    @property
    def waiting(self) -> int:
        """Rows not yet acknowledged (an upper bound: thinned ones count)."""
        return sum(self._last[stream] - self._acked[stream] for stream in Stream)

    @property
    def events_waiting(self) -> int:
        return self._last[Stream.EVENTS] - self._acked[Stream.EVENTS]

    def stamp(self) -> Stamp:
        """This moment, as rows carry it."""
        return Stamp(self._clock.now(), self._boot, int(self._clock.monotonic() * 1000))

    def record(
        self, *bodies: EventBody, also: Callable[[Database], Any] | None = None, stamp: Stamp | None = None
    ) -> None:
        """Spool events, in this order and in one commit with `also`. Returns at once: the door never waits.

        `stamp` is when they happened; now, when not given.
        """
        try:
            self.commit(*bodies, also=also, stamp=stamp)
        except (StoreClosed, StoreFull) as error:
            log.error("an event is lost: %s", error)

    def commit(
        self, *bodies: EventBody, also: Callable[[Database], Any] | None = None, stamp: Stamp | None = None
    ) -> asyncio.Future[int]:
        """As `record`, for who must know that it is safe: the future is done after the commit.

        Raises StoreClosed, StoreFull.
        """
        happened = stamp or self.stamp()

        def job(db: Database) -> int:
            if also is not None:
                also(db)
            last = 0
            for body in bodies:
                last = append(db, happened, body)
            return last

        return self._submit(Stream.EVENTS, job)

    def record_telemetry(self, body: EventBody) -> None:
        stamp = self.stamp()

        def job(db: Database) -> int:
            seq = append(db, stamp, body, Stream.TELEMETRY)
            if seq % 100 == 0:
                thin(db, TELEMETRY_ROWS_MAX)
            return seq

        try:
            self._submit(Stream.TELEMETRY, job)
        except (StoreClosed, StoreFull) as error:
            log.warning("a telemetry row is lost: %s", error)

    async def read(self, stream: Stream, after: int, limit: int = ROWS_PER_BATCH) -> list[SpooledRow]:
        return await self._store.submit(lambda db: rows_after(db, stream, after, limit))

    def acknowledged(self, stream: Stream, upto: int) -> None:
        """The hub has every row up to `upto`: they need not be kept. Deleting them is not urgent."""
        self._acked[stream] = max(self._acked[stream], upto)

    async def trim(self) -> None:
        """Delete what was acknowledged."""
        for stream, upto in self._acked.items():
            await self._store.submit(lambda db, stream=stream, upto=upto: trim(db, stream, upto))  # type: ignore[misc]

    def _submit(self, stream: Stream, job: Callable[[Database], int]) -> asyncio.Future[int]:
        future = self._store.submit(job)
        future.add_done_callback(lambda done: self._committed(stream, done))
        return future

    def _committed(self, stream: Stream, done: asyncio.Future[int]) -> None:
        if done.cancelled():  # its waiter was; the commit stands, and the next one tells of it
            return
        error = done.exception()
        if error is not None:
            log.error("an event is lost: the store refused it", exc_info=error)
            return
        last: int = done.result()
        if last > self._last[stream]:
            self._last[stream] = last
            if self.on_grown is not None:
                self.on_grown(stream, last)

"""How fast the hub's tables take rows, and how long a chart of a day takes among ten million rows of telemetry.

store      batches of 200 rows as they come from stations, 20 batches a transaction: marks, chain, rows, projections,
           commit. SQLite FULL and PostgreSQL (fsync on). Baseline: the same rows inserted bare, in as many
           transactions. The broker and the hub around it are bench_ingest's.
chart      24 h of one of 50 stations, 3 datapoints, one row a minute, as the page asks for it. Baseline: the goal.
backup     rows a second, of the tables that the chart's bench filled.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from cloud_hub.backup.make import make
from cloud_hub.ingest.apply import absorb
from cloud_hub.ingest.plan import plan
from cloud_hub.ingest.store import store
from cloud_hub.rollups.buckets import MINUTE
from cloud_hub.rollups.tables import TABLES, roll, series
from cloud_hub.storage.bulk import insert_new
from cloud_hub.storage.engines import database_of, engine_of, reading
from cloud_hub.storage.migrate import migrate
from cloud_hub.storage.schema import events, stations, telemetry
from station_agent.wire import chain
from station_agent.wire.envelope import Batch, Row, Stream
from station_agent.wire.events import PointReading, Readings, VisitCounted, kind_of
from station_agent.wire.kinds import Credential
from tests.bench.harness import Row as Figure
from tests.bench.harness import quantile
from tests.harness.postgres import postgres_server

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
STATIONS = 50
POINTS = ("temperature", "humidity", "co2")
BATCHES_A_TRANSACTION = 20
CHART_GOAL_MS = 10.0
CHART_TIMES = 300
DURABLE = {"fsync": "on", "full_page_writes": "on", "wal_level": "replica", "autovacuum": "on"}  # as a server has it


async def run(quick: bool) -> list[Figure]:
    rows = 20_000 if quick else 200_000
    days = 1 if quick else 139  # x 50 stations x 1,440 minutes: 10 million rows
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        sqlite = _made(Path(folder) / "hub.sqlite")
        figures += _stored(sqlite, "SQLite FULL", rows)
        figures += _backed_up(sqlite, "SQLite", Path(folder) / "backup")
        figures += _charted(sqlite, "SQLite", days)
        sqlite.dispose()
        with postgres_server(**DURABLE) as server:
            postgresql = _made(database_of(Path(), server.url()))
            figures += _stored(postgresql, "PostgreSQL", rows)
            figures += _charted(postgresql, "PostgreSQL", days)
            postgresql.dispose()
    return figures


def _made(where: Path | sa.URL) -> sa.Engine:
    engine = engine_of(where)
    with writing(engine) as connection:
        migrate(connection)
        for number in range(STATIONS):
            row = {"id": f"station-{number}", "profile": {}, "broker_secret": "x", "created_at": NOW}
            connection.execute(stations.insert().values(row))
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


# --- taking in ---


def _stored(engine: sa.Engine, where: str, count: int) -> list[Figure]:
    batches = _events(count)
    bare = plan(absorb({}, batches).rows, NOW, {}).events
    step = BATCHES_A_TRANSACTION * 200

    def bare_rows() -> None:
        for start in range(0, len(bare), step):
            with writing(engine) as connection:
                insert_new(connection, events, bare[start : start + step])

    def ours() -> None:
        for start in range(0, len(batches), BATCHES_A_TRANSACTION):
            with writing(engine) as connection:
                store(connection, batches[start : start + BATCHES_A_TRANSACTION], (), NOW, {}, watched=False)

    base = count / _seconds(bare_rows)
    with writing(engine) as connection:
        connection.execute(events.delete())
    return [Figure("storage", f"events stored, {where}, one writer", count / _seconds(ours), "rows/s", base)]


def _events(count: int) -> list[Batch]:
    spool, made = uuid4().hex, []
    head = chain.beginning(spool)
    for seq in range(1, count + 1):
        body = VisitCounted(attempt=uuid4(), credential=Credential.CODE)
        content = body.model_dump(mode="json")
        head = chain.link(head, seq, NOW, "boot-0001", seq, kind_of(body), content)
        made.append(Row(seq=seq, at=NOW, boot="boot-0001", mono_ms=seq, kind=kind_of(body), body=content, chain=head))
    return [
        Batch(
            station="station-0", spool=spool, stream=Stream.EVENTS, after=start, rows=tuple(made[start : start + 200])
        )
        for start in range(0, count, 200)
    ]


# --- charts ---


def _charted(engine: sa.Engine, where: str, days: int) -> list[Figure]:
    with engine.connect() as connection:
        _fill(engine, days)
        connection.exec_driver_sql("ANALYZE")
        count = connection.scalar(sa.select(sa.func.count()).select_from(telemetry)) or 0
    samples = []
    gc.collect()
    gc.freeze()  # as a hub does when it has started (serve.py)
    since = NOW - timedelta(hours=24)
    for number in range(CHART_TIMES + STATIONS):
        with reading(engine).connect() as connection:
            began = time.perf_counter()
            found = series(connection, f"station-{number % STATIONS}", None, "temperature", since, MINUTE)
            took_ms = (time.perf_counter() - began) * 1000
            assert len(found.series[0].points) >= 1440
            if number >= STATIONS:  # each was read once: a hub that runs has its last day in memory
                samples.append(took_ms)
    metric = f"24 h chart of one datapoint, {count / 1e6:.1f} million rows, {where}, p50"
    return [
        Figure("storage", metric, quantile(samples, 0.5), "ms", CHART_GOAL_MS, samples=tuple(samples)),
        Figure("storage", metric.replace("p50", "p99"), quantile(samples, 0.99), "ms", CHART_GOAL_MS),
    ]


def _fill(engine: sa.Engine, days: int) -> None:
    """Telemetry and rollups as taking it in would have left them: one station's by us, then copied by the database."""
    first = "station-0"
    for day in range(days):
        start = NOW - timedelta(days=day + 1)
        rows = [(first, at, _readings(at)) for at in (start + timedelta(minutes=n + 1) for n in range(1440))]
        with writing(engine) as connection:
            insert_new(connection, telemetry, [_row(day * 1440 + n, *row) for n, row in enumerate(rows)])
            roll(connection, rows)
    for number in range(1, STATIONS):
        with writing(engine) as connection:
            for table in (telemetry, *TABLES.values()):
                names = [column.name for column in table.columns]
                others = [table.c[name] for name in names if name != "station"]
                copied = sa.select(sa.literal(f"station-{number}"), *others).where(table.c.station == first)
                connection.execute(table.insert().from_select(names, copied))


def _row(seq: int, station: str, at: datetime, said: Readings) -> dict[str, object]:
    place = {"station": station, "at": at, "spool": "spool-1", "seq": seq}
    return {**place, "kind": "readings", "body": said.model_dump(mode="json")}


def _readings(at: datetime) -> Readings:
    value = at.minute / 2
    shared = {"device": "climate", "unit": "°C", "quality": "good", "at": at}
    return Readings(readings=tuple(PointReading(point=point, value=value, **shared) for point in POINTS))


# --- backup ---


def _backed_up(engine: sa.Engine, where: str, folder: Path) -> list[Figure]:
    with engine.connect() as connection:
        began = time.perf_counter()
        manifest = make(connection, folder, NOW, {}, "")
        took_s = time.perf_counter() - began
    rows = sum(table.rows for table in manifest.tables.values())
    return [Figure("storage", f"backup, {where}", rows / took_s, "rows/s")]


def _seconds(function: Callable[[], None]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began

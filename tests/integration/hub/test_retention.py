"""What is old leaves the database: into the archive first where it must be kept, and the log is still proven."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cloud_hub.archive import cuts, records
from cloud_hub.archive.check import archived_rows, checked, files_of
from cloud_hub.archive.parquet import ArchiveFailed, write
from cloud_hub.cli import app
from cloud_hub.counters import Counters
from cloud_hub.events.beginnings import FIRST, beginnings
from cloud_hub.events.verify import SpoolReport, verified
from cloud_hub.ingest.store import store
from cloud_hub.retention.keep import Keep, horizon
from cloud_hub.retention.service import Retention
from cloud_hub.rollups.buckets import HOUR
from cloud_hub.rollups.tables import series
from cloud_hub.settings import BadSettings
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import Where, database_of
from cloud_hub.storage.schema import (
    archives,
    audit,
    chain_anchors,
    events,
    stations,
    telemetry,
    telemetry_hours,
    telemetry_minutes,
)
from station_agent.wire import chain
from station_agent.wire.envelope import Batch, Row, Stream
from station_agent.wire.events import PointReading, Readings
from tests.harness.postgres import PostgresServer

pytestmark = pytest.mark.integration

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
SPOOL = uuid4().hex
STATION = "demo-01"


class At:
    """A clock that stands."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class Place:
    """A hub's folder and database, with what stations told on the days before NOW."""

    def __init__(self, data: Path, database: Database, url: str) -> None:
        self.data = data
        self.url = url
        self.database = database
        self.clock = At()
        self.head = chain.beginning(SPOOL)
        self.last = {Stream.EVENTS: 0, Stream.TELEMETRY: 0}

    async def tell(self, stream: Stream, at: datetime, kind: str, body: dict[str, Any]) -> None:
        seq = self.last[stream] = self.last[stream] + 1
        link = None
        if stream is Stream.EVENTS:
            link = self.head = chain.link(self.head, seq, at, "boot-0001", 0, kind, body)
        row = Row(seq=seq, at=at, boot="boot-0001", mono_ms=0, kind=kind, body=body, chain=link)
        batch = Batch(station=STATION, spool=SPOOL, stream=stream, after=seq - 1, rows=(row,))
        await self.database.write(lambda c: store(c, [batch], (), self.clock.at, {}, watched=False))

    async def event(self, days_ago: float, n: int = 0) -> None:
        await self.tell(Stream.EVENTS, NOW - timedelta(days=days_ago), "some.kind", {"n": n, "text": "幸福 \0"})

    async def reading(self, days_ago: float, value: float = 20.0) -> None:
        at = NOW - timedelta(days=days_ago)
        one = PointReading(device="climate", point="temperature", value=value, unit="°C", quality="good", at=at)
        await self.tell(Stream.TELEMETRY, at, "readings", Readings(readings=(one,)).model_dump(mode="json"))

    async def round(self, **keep: Any) -> None:
        nothing = Keep(telemetry_days=0, minutes_days=0)
        await Retention(self.database, self.clock, Counters(), _replaced(nothing, keep), self.data).once()

    async def count(self, table: sa.Table) -> int:
        return await self.database.read(lambda c: c.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    async def log(self, key: bytes | None = None) -> SpoolReport:
        key = key or records.archive_key(self.data)
        (report,) = await self.database.read(lambda c: list(verified(c, None, key)))
        return report

    async def archive(self) -> tuple[list[str | None], list[str]]:
        files, faults = await self.database.read(lambda c: checked(c, self.data, records.archive_key(self.data)))
        return [file.fault for file in files], faults

    async def archive_files(self) -> list[str | None]:
        return (await self.archive())[0]

    def archived(self, table: sa.Table) -> list[dict[str, Any]]:
        return list(archived_rows(files_of(self.data / records.FOLDER, table), table))


def _replaced(keep: Keep, changes: dict[str, Any]) -> Keep:
    return Keep(**{name: changes.get(name, getattr(keep, name)) for name in Keep.__dataclass_fields__})


@asynccontextmanager
async def a_place(data: Path, where: Where) -> AsyncIterator[Place]:
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "secret").write_bytes(bytes(32))
    async with Database.open(where) as database:
        row = {"id": STATION, "profile": {}, "broker_secret": "x", "created_at": NOW}
        await database.write(lambda c: c.execute(stations.insert().values(row)))
        yield Place(data, database, "" if isinstance(where, Path) else where.render_as_string(hide_password=False))


@pytest.fixture
async def place(server: PostgresServer | None, tmp_path: Path) -> AsyncIterator[Place]:
    data = tmp_path / "data"
    if server is None:
        async with a_place(data, data / "hub.sqlite") as place:
            yield place
        return
    url = server.url_with_tables()
    async with a_place(data, database_of(data, url)) as place:
        yield place
    server.drop(url)


def test_days_go_whole_and_nothing_goes_for_ever() -> None:
    assert horizon(NOW, 1) == datetime(2026, 5, 31, tzinfo=UTC)
    assert horizon(NOW, 0) is None
    assert Keep().events_days == 0, "events never go unless somebody says so"


async def test_telemetry_is_thinned_by_age_and_charts_keep_what_hours_said(place: Place) -> None:
    for days in (100.0, 99.9, 50.0, 1.0):
        await place.reading(days, days)
    await place.round(telemetry_days=35, minutes_days=92)
    assert await place.count(telemetry) == 1
    assert await place.count(telemetry_minutes) == 2
    assert await place.count(telemetry_hours) == 4
    since = NOW - timedelta(days=200)
    (found,) = (await place.database.read(lambda c: series(c, STATION, None, None, since, HOUR))).series
    assert [value for _, value, _ in found.points] == [100.0, 99.9, 50.0, 1.0]
    assert not (place.data / "archive").exists()


async def test_telemetry_can_go_to_the_archive_instead(place: Place) -> None:
    for days in (50.0, 40.0, 1.0):
        await place.reading(days)
    before = await place.database.read(lambda c: c.execute(telemetry.select().order_by(telemetry.c.at)).all())
    await place.round(telemetry_days=35, archive_telemetry=True)
    assert await place.count(telemetry) == 1
    archived = place.archived(telemetry)
    assert [row["seq"] for row in archived] == [1, 2]
    assert archived[0]["body"].startswith('{"readings":[{"device":"climate"')
    assert before[0].seq == archived[0]["seq"]
    await place.reading(60.0)  # a station that was offline for two months
    await place.round(telemetry_days=35, archive_telemetry=True)
    assert [row["seq"] for row in place.archived(telemetry)] == [4, 1, 2]
    assert await place.archive() == ([None, None], [])


async def test_archived_events_are_still_proven_and_new_ones_follow_them(place: Place) -> None:
    for n, days in enumerate((400.0, 390.0, 380.0, 1.0)):
        await place.event(days, n)
    await place.round(events_days=365)
    assert await place.count(events) == 1
    await place.event(0.5, 4)
    report = await place.log()
    assert (report.sound, report.archived, report.events) == (True, 3, 2)
    assert await place.archive() == ([None], [])
    assert [row["seq"] for row in place.archived(events)] == [1, 2, 3]
    (began,) = await place.database.read(lambda c: beginnings(c, None))
    assert (began.began_at, began.why) == (NOW, FIRST), "as before, though its first events are archived"
    place.clock.at = NOW + timedelta(days=400)
    await place.round(events_days=365)
    assert await place.count(events) == 0
    report = await place.log()
    assert (report.sound, report.archived) == (True, 5)
    assert await place.archive() == ([None, None], [])


async def test_an_old_stamp_behind_a_new_event_waits_for_it(place: Place) -> None:
    for days in (400.0, 1.0, 399.0):
        await place.event(days)
    await place.round(events_days=365)
    assert [row["seq"] for row in place.archived(events)] == [1], "only the first ones go: no hole in the chain"
    assert (await place.log()).sound


async def test_who_cuts_events_off_and_calls_them_archived_is_found(place: Place) -> None:
    for days in (400.0, 390.0, 1.0):
        await place.event(days)
    row = {"station": STATION, "spool": SPOOL, "seq": 2, "archive": 1, "proof": "0" * 64}

    def cut(connection: sa.Connection) -> None:
        last = connection.execute(events.select().where(events.c.seq == 2)).one()
        connection.execute(events.delete().where(events.c.seq <= 2))
        connection.execute(chain_anchors.insert().values(**row, chain=last.chain))

    await place.database.write(cut)
    report = await place.log()
    assert [fault.what for fault in report.faults] == ["events 1 to 2 are missing before it"]
    assert "the anchor of spool" in (await place.archive())[1][0]


async def test_what_happens_to_a_file_is_found(place: Place) -> None:
    for days in (400.0, 390.0, 1.0):
        await place.event(days)
    await place.round(events_days=365)
    (file,) = (place.data / "archive").rglob("*.parquet")
    assert file.stat().st_mode & 0o077 == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\0")
    assert "changed, or is damaged" in str((await place.archive_files())[0])
    file.unlink()
    assert "missing" in str((await place.archive_files())[0])
    file.write_bytes(whole)
    await place.database.write(lambda c: c.execute(archives.update().values(rows=1)))
    assert "record was changed" in str((await place.archive_files())[0])


async def test_the_audit_goes_only_when_told_and_then_into_the_archive(place: Place) -> None:
    def said(connection: sa.Connection) -> None:
        for days in (900, 800, 1):
            at = NOW - timedelta(days=days)
            row = {"at": at, "actor": "li", "action": "command.send", "subject": STATION, "detail": {"days": days}}
            connection.execute(audit.insert().values(row))

    await place.database.write(said)
    await place.round()
    assert await place.count(audit) == 3
    await place.round(audit_days=730)
    assert await place.count(audit) == 1
    assert [row["id"] for row in place.archived(audit)] == [1, 2]


async def test_rows_that_come_in_while_others_are_archived_stay_and_go_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.reading(50.0)
    await place.reading(40.0)
    plain = records.record

    def record_and_let_one_in(connection: sa.Connection, *rest: Any) -> int:
        monkeypatch.setattr(records, "record", plain)
        row = {"station": STATION, "at": NOW - timedelta(days=45), "spool": SPOOL, "seq": 99, "kind": "readings"}
        connection.execute(telemetry.insert().values(**row, body={"readings": []}))
        return plain(connection, *rest)

    monkeypatch.setattr(records, "record", record_and_let_one_in)
    await place.round(telemetry_days=35, archive_telemetry=True)
    assert await place.count(telemetry) == 3, "nothing is deleted that may not be in the file"
    await place.round(telemetry_days=35, archive_telemetry=True)
    assert await place.count(telemetry) == 0
    assert [row["seq"] for row in place.archived(telemetry)] == [1, 99, 2], "each comes once"


async def test_more_rows_than_one_slice_and_one_file_hold(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "SLICE_ROWS", 2)
    monkeypatch.setattr("cloud_hub.retention.service.SLICE_ROWS", 2)
    monkeypatch.setattr("cloud_hub.retention.service.FILE_ROWS", 4)
    for n in range(9):
        await place.event(400.0 - n, n)
        await place.reading(400.0 - n)
    await place.round(events_days=30, telemetry_days=30)
    assert await place.count(events) == await place.count(telemetry) == 0
    assert [row["seq"] for row in place.archived(events)] == list(range(1, 10))
    assert await place.archive() == ([None, None, None], [])
    assert (await place.log()).sound


def test_a_file_that_does_not_say_what_was_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_hub.archive.parquet._digest_of", lambda rows: "another")
    with pytest.raises(ArchiveFailed, match="does not hold what was written"):
        write(tmp_path / "a.parquet", audit, [(1, 2, "a", "b", "c", "{}")])
    assert list(tmp_path.iterdir()) == []


async def test_without_duckdb_a_hub_that_would_archive_says_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(BadSettings, match=r"pip install 'yizhan\[archive\]'"):
        await place.round(events_days=365)
    await place.round(telemetry_days=35)


async def test_the_command_takes_out_shows_and_verifies(place: Place) -> None:
    for days in (400.0, 390.0, 1.0):
        await place.event(days)
    where = [] if place.database.dialect == "sqlite" else ["--database", place.url]
    words = ["--data", str(place.data), *where]
    ran = await asyncio.to_thread(CliRunner().invoke, app, ["archive", "run", "--keep-events-days", "365", *words])
    assert ran.exit_code == 0, ran.output
    ran = await asyncio.to_thread(CliRunner().invoke, app, ["archive", "verify", "--json", *words])
    assert (ran.exit_code, json.loads(ran.stdout)["sound"]) == (0, True)
    shown = CliRunner().invoke(app, ["archive", "show", "events", "--data", str(place.data), "--station", STATION])
    kept = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [row["kind"] for row in kept] == ["some.kind"] * len(kept) != []
    (file,) = (place.data / "archive").rglob("*.parquet")
    await asyncio.to_thread(file.write_bytes, b"PAR1")
    ran = await asyncio.to_thread(CliRunner().invoke, app, ["archive", "verify", *words])
    assert (ran.exit_code, "NOT whole" in ran.stdout) == (2, True)
    shown = CliRunner().invoke(app, ["archive", "show", "events", "--data", str(place.data)])
    assert (shown.exit_code, "cannot be read" in shown.output) == (1, True)
    assert CliRunner().invoke(app, ["archive", "show", "users", "--data", str(place.data)]).exit_code == 1

"""One transaction of ingest, against a database in memory; tests/integration/hub has the same on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from cloud_hub.commands.queries import expire, get
from cloud_hub.events.queries import item
from cloud_hub.ingest.apply import Refused
from cloud_hub.ingest.store import Stored, store
from cloud_hub.rollups.buckets import HOUR, MINUTE
from cloud_hub.rollups.tables import TABLES, rebuild, series
from cloud_hub.stations.queries import counts, latest, midnight, open_alarms
from cloud_hub.stations.rows import Counts
from cloud_hub.storage.schema import commands, events, metadata, rejected, stations
from station_agent.wire import events as wire
from station_agent.wire.envelope import Batch, Row, Stream
from station_agent.wire.kinds import AlarmKind, CommandStatus, Credential, DoorState

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
COMMAND = UUID("7b1f0f0e-0000-4000-8000-000000000001")


@pytest.fixture
def db() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        fill(connection)
        yield connection
    engine.dispose()


def fill(connection: sa.Connection) -> None:
    """A station, and a command that it was sent."""
    connection.execute(stations.insert().values(id="demo-01", profile={}, broker_secret="x", created_at=NOW))
    connection.execute(
        commands.insert().values(
            id=str(COMMAND),
            station="demo-01",
            kind="door.open",
            order={"kind": "door.open"},
            actor="admin",
            reason="试验",
            issued_at=NOW,
            expires_at=NOW + timedelta(seconds=10),
            status="sent",
            told_by_station=False,
            detail="",
            result={},
        )
    )


class Spool:
    """Makes batches of one spool, each after the one before."""

    def __init__(self, stream: Stream = Stream.EVENTS, station: str = "demo-01") -> None:
        self.stream = stream
        self.station = station
        self.spool = uuid4().hex
        self.last = 0

    def batch(self, *bodies: wire.EventBody | tuple[str, dict[str, Any]], at: datetime = NOW) -> Batch:
        after, rows = self.last, []
        for body in bodies:
            self.last += 1
            kind, content = body if isinstance(body, tuple) else (wire.kind_of(body), body.model_dump(mode="json"))
            rows.append(Row(seq=self.last, at=at, boot="boot-0001", mono_ms=0, kind=kind, body=content))
        return Batch(station=self.station, spool=self.spool, stream=self.stream, after=after, rows=tuple(rows))


def take(db: sa.Connection, *batches: Batch, refused: tuple[Refused, ...] = ()) -> Stored:
    return store(db, batches, refused, NOW, {}, watched=True)


def reading(value: float | None, at: datetime, point: str = "temperature") -> wire.PointReading:
    quality = "missing" if value is None else "good"
    return wire.PointReading(device="climate", point=point, value=value, unit="°C", quality=quality, at=at)


def test_marks_outlive_the_transaction(db: sa.Connection) -> None:
    first = Spool().batch(wire.AgentStarted(version="1", door_found=DoorState.SECURED))
    assert len(take(db, first).items) == 1
    again = take(db, first, first)
    assert (again.items, again.absorbed.repeated) == ([], 2)
    assert db.scalar(sa.select(sa.func.count()).select_from(events)) == 1


def test_a_visit_is_one_whichever_spool_tells_it(db: sa.Connection) -> None:
    visit = wire.VisitCounted(attempt=uuid4(), credential=Credential.CODE)
    take(db, Spool().batch(visit), Spool().batch(visit))
    assert counts(db, {"demo-01": "Asia/Shanghai"}, NOW)["demo-01"] == Counts(1, 0, None, None)


def test_the_day_begins_at_the_stations_midnight(db: sa.Connection) -> None:
    spool = Spool()
    for hours in (7, 9, 20):  # NOW is 16:00 in Shanghai
        visit = wire.VisitCounted(attempt=uuid4(), credential=Credential.CODE)
        take(db, spool.batch(visit, at=NOW - timedelta(hours=hours)))
    assert counts(db, {"demo-01": "Asia/Shanghai"}, NOW)["demo-01"].visits_today == 2
    assert counts(db, {"demo-01": "UTC"}, NOW)["demo-01"].visits_today == 1
    assert midnight(NOW, "Mars/Olympus") == midnight(NOW, "Asia/Shanghai")


def test_readings_keep_the_newest_though_an_old_spool_comes_late(db: sa.Connection) -> None:
    new = Spool(Stream.TELEMETRY).batch(wire.Readings(readings=(reading(21.5, NOW),)))
    old_at = NOW - timedelta(hours=1)
    old = Spool(Stream.TELEMETRY).batch(wire.Readings(readings=(reading(3.0, old_at),)), at=old_at)
    take(db, new)
    take(db, old)
    (shown,) = latest(db, "demo-01").readings
    assert (shown.value, shown.at) == (21.5, NOW)
    (found,) = series(db, "demo-01", None, None, NOW - timedelta(hours=2), MINUTE).series
    assert [value for _, value, _ in found.points] == [3.0, 21.5]


def test_readings_of_days_offline_are_in_the_rollups_beside_what_was_there(db: sa.Connection) -> None:
    hour = NOW - timedelta(days=7)
    early, late = Spool(Stream.TELEMETRY), Spool(Stream.TELEMETRY)
    take(db, early.batch(wire.Readings(readings=(reading(10.0, hour),)), at=hour))
    minutes = [hour + timedelta(minutes=number) for number in range(1, 60)]
    replayed = [late.batch(wire.Readings(readings=(reading(20.0, at),)), at=at) for at in minutes]
    take(db, *replayed[:30])
    take(db, *replayed[10:])  # some come twice
    (by_minute,) = series(db, "demo-01", None, None, hour - timedelta(minutes=1), MINUTE).series
    assert [value for _, value, _ in by_minute.points] == [10.0] + 59 * [20.0]
    assert [at for at, _, _ in by_minute.points] == [hour, *minutes]
    (by_hour,) = series(db, "demo-01", None, None, hour, HOUR).series
    assert by_hour.points == [(hour + timedelta(minutes=30), (10.0 + 59 * 20.0) / 60, "good")]


def test_a_transaction_that_fails_leaves_no_trace_in_the_rollups(db: sa.Connection) -> None:
    batch = Spool(Stream.TELEMETRY).batch(wire.Readings(readings=(reading(20.0, NOW),)))
    failing = db.begin_nested()
    take(db, batch)
    failing.rollback()
    take(db, batch)
    (found,) = series(db, "demo-01", None, None, NOW - timedelta(hours=1), HOUR).series
    assert found.points == [(NOW, 20.0, "good")]


def test_the_rollups_made_anew_are_those_that_were_kept_up(db: sa.Connection) -> None:
    spool = Spool(Stream.TELEMETRY)
    for number in range(40):
        at = NOW - timedelta(seconds=40 * number)
        body = wire.Readings(readings=(reading(float(number), at), reading(None, at, "humidity")))
        take(db, spool.batch(body, at=at))
    kept = [db.execute(table.select().order_by(table.c.at)).all() for table in TABLES.values()]
    for table in TABLES.values():
        db.execute(table.delete())
    rebuild(db)
    assert [db.execute(table.select().order_by(table.c.at)).all() for table in TABLES.values()] == kept
    assert [len(rows) for rows in kept] == [27, 2]


def test_a_missing_value_is_null_and_no_climate(db: sa.Connection) -> None:
    take(db, Spool(Stream.TELEMETRY).batch(wire.Readings(readings=(reading(None, NOW),))))
    assert [(r.value, r.quality) for r in latest(db, "demo-01").readings] == [(None, "missing")]
    assert counts(db, {"demo-01": "UTC"}, NOW)["demo-01"].temperature_c is None


def test_telemetry_that_cannot_be_read_is_kept_but_never_charted(db: sa.Connection) -> None:
    result = take(db, Spool(Stream.TELEMETRY).batch(("readings", {"readings": 7}), ("noise", {"db": 40})))
    assert result.plan.odd == {("demo-01", "odd_body"): 1, ("demo-01", "unknown_kind"): 1}
    assert series(db, "demo-01", None, None, NOW - timedelta(hours=1), MINUTE).series == []


def test_an_alarm_that_comes_back_is_open_again(db: sa.Connection) -> None:
    raised = wire.AlarmRaised(alarm=AlarmKind.DOOR_FORCED, subject="relays", detail="")
    cleared = wire.AlarmCleared(alarm=AlarmKind.DOOR_FORCED, subject="relays")
    spool = Spool()
    take(db, spool.batch(raised, cleared))
    assert open_alarms(db, "demo-01") == []
    take(db, spool.batch(raised))
    assert [alarm.alarm for alarm in open_alarms(db, "demo-01")] == [AlarmKind.DOOR_FORCED]


def test_a_late_done_wins_over_expired_and_stays(db: sa.Connection) -> None:
    assert expire(db, str(COMMAND), NOW) is not None
    spool = Spool()
    result = take(db, spool.batch(wire.CommandProgress(command=COMMAND, status=CommandStatus.DONE, result={"n": 1})))
    assert [(c.status, c.result) for c in result.commands] == [(CommandStatus.DONE, {"n": 1})]
    later = take(db, spool.batch(wire.CommandProgress(command=COMMAND, status=CommandStatus.FAILED)))
    assert later.commands == []
    assert expire(db, str(COMMAND), NOW) is None


def test_a_station_has_no_say_in_anothers_command(db: sa.Connection) -> None:
    done = wire.CommandProgress(command=COMMAND, status=CommandStatus.DONE)
    assert take(db, Spool(station="demo-02").batch(done)).commands == []
    command = get(db, str(COMMAND))
    assert command is not None
    assert command.status is CommandStatus.SENT


def test_refusals_are_counted_by_reason(db: sa.Connection) -> None:
    refused = Refused("demo-01", "not_a_batch", "rows: \0")
    take(db, refused=(refused, refused))
    take(db, Spool().batch(("no.such", {})), refused=(refused,))
    rows = {(row.source, row.reason): row.count for row in db.execute(rejected.select())}
    assert rows == {("demo-01", "not_a_batch"): 3, ("demo-01", "unknown_kind"): 1}


def test_strange_text_in_a_body_is_kept_as_it_came(db: sa.Connection) -> None:
    body = {"text": 'quote " NUL \0 \U0001f6aa', "deep": [[[[{}]]]], "big": 1e300}
    (shown,) = take(db, Spool().batch(("a\0kind", body))).items
    assert shown.body == body
    row = db.execute(sa.select(events, sa.null().label("member_name"))).one()
    assert item(row._mapping) == shown

"""The log's hash chain: a station's events are taken in as they follow, and what was changed later is found."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cloud_hub.cli import app
from cloud_hub.events.verify import SpoolReport, breaks, settle_alarm, verified, verify
from cloud_hub.ingest.apply import Source
from cloud_hub.ingest.chain import follow
from cloud_hub.ingest.store import store
from cloud_hub.stations.queries import open_alarms
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import events, metadata, station_streams, stations
from station_agent.wire import chain
from station_agent.wire.envelope import Batch, Row, Stream

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
STATION, SPOOL, BOOT = "demo-01", "spool-000001", "boot-0000001"
SOURCE = Source(STATION, SPOOL, Stream.EVENTS)


def rows(count: int, first: int = 1, before: str | None = None) -> tuple[Row, ...]:
    """`count` chained events as a station writes them."""
    made: list[Row] = []
    head = before or chain.beginning(SPOOL)
    for seq in range(first, first + count):
        at = NOW + timedelta(seconds=seq)
        body = {"n": seq, "text": "幸福", "share": 0.1 + seq}
        head = chain.link(head, seq, at, BOOT, seq, "some.kind", body)
        made.append(Row(seq=seq, at=at, boot=BOOT, mono_ms=seq, kind="some.kind", body=body, chain=head))
    return tuple(made)


def test_the_chain_of_a_known_event_is_known() -> None:
    """A vector for other implementations; made with sha256sum over the bytes that the module's text describes."""
    head = chain.beginning("spool-000001")
    assert head == "50cb990b67944cef080da5f8f7552bc7c48e7b342f0eb7eb20b82517202be74b"
    at = datetime(2026, 1, 31, 8, 0, 0, 5, UTC)
    first = chain.link(head, 1, at, "boot-0000001", 7, "door.changed", {"state": "open", "door": "锁"})
    assert first == "7a41d4f9e1df3600a812b46ad3fd36b63fb883bc295829ae309145e058087cfb"


def test_events_that_follow_each_other_are_taken_in_whatever_the_batches() -> None:
    made = rows(5)
    one = follow({}, [(SOURCE, row) for row in made])
    first = follow({}, [(SOURCE, row) for row in made[:2]])
    second = follow(dict(first.heads), [(SOURCE, row) for row in made[2:]])
    assert one.breaks == first.breaks == second.breaks == []
    assert one.heads == second.heads == {SOURCE: made[-1].chain}


@given(st.integers(0, 4), st.sampled_from(["body", "kind", "at", "mono_ms", "boot", "chain"]))
def test_one_changed_thing_is_one_break_at_that_event(at: int, what: str) -> None:
    made = list(rows(5))
    changes: dict[str, Any] = {
        "body": {"n": 999},
        "kind": "other.kind",
        "at": NOW,
        "mono_ms": 12345,
        "boot": "boot-0000002",
        "chain": "0" * 64,
    }
    made[at] = made[at].model_copy(update={what: changes[what]})
    found = [one.seq for one in follow({}, [(SOURCE, row) for row in made]).breaks]
    # A changed chain no longer follows, and the next one does not follow from it.
    assert found == ([at + 1, at + 2][: 5 - at] if what == "chain" else [at + 1])


def test_an_event_that_was_left_out_is_a_break_at_the_next() -> None:
    made = rows(5)
    without = [(SOURCE, row) for row in made if row.seq != 3]
    assert [one.seq for one in follow({}, without).breaks] == [4]


def test_a_station_of_before_the_chain_begins_when_it_can_and_may_not_stop() -> None:
    old = tuple(row.model_copy(update={"chain": None}) for row in rows(3))
    assert follow({}, [(SOURCE, row) for row in old]).breaks == []
    begun = rows(2, first=4)
    assert follow({SOURCE: None}, [(SOURCE, row) for row in begun]).breaks == []
    stopped = rows(1, first=6)[0].model_copy(update={"chain": None})
    (one,) = follow({SOURCE: begun[-1].chain}, [(SOURCE, stopped)]).breaks
    assert "not chained" in one.detail


@pytest.fixture
def db() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(stations.insert().values(id=STATION, profile={}, broker_secret="x", created_at=NOW))
        yield connection
    engine.dispose()


def take(db: sa.Connection, made: tuple[Row, ...]) -> None:
    batch = Batch(station=STATION, spool=SPOOL, stream=Stream.EVENTS, after=made[0].seq - 1, rows=made)
    store(db, [batch], (), NOW, {}, watched=False)


def test_what_was_taken_in_verifies_from_the_tables(db: sa.Connection) -> None:
    made = rows(6)
    take(db, made[:4])
    take(db, made[4:])
    (report,) = verified(db, None)
    assert (report.events, report.unchained, report.sound) == (6, 0, True)
    assert db.scalar(sa.select(station_streams.c.chain)) == made[-1].chain
    assert open_alarms(db, STATION) == []


def test_a_break_is_an_alarm_until_a_person_has_looked_and_stays_on_record(db: sa.Connection) -> None:
    made = rows(3)
    take(db, (made[0], made[1].model_copy(update={"body": {"n": 0}}), made[2]))
    alarms = open_alarms(db, STATION)
    assert [(alarm.alarm, alarm.subject) for alarm in alarms] == [("log_broken", "log")]
    assert [row["seq"] for row in breaks(db, STATION)] == [2]
    (report,) = verified(db, STATION)
    assert [fault.seq for fault in report.faults] == [2]
    assert settle_alarm(db, STATION, NOW)
    assert not settle_alarm(db, STATION, NOW)
    assert open_alarms(db, STATION) == []
    assert len(breaks(db, None)) == 1


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (events.update().where(events.c.seq == 3).values(body={"n": 0}), [(3, "changed")]),
        (events.update().where(events.c.seq == 3).values(reported_at=NOW), [(3, "changed")]),
        (events.update().where(events.c.seq == 3).values(mono_ms=None), [(3, "a part")]),
        (events.update().where(events.c.seq == 3).values(chain=None), [(3, "not chained"), (4, "changed")]),
        (events.delete().where(events.c.seq == 3), [(4, "event 3 is missing")]),
        (events.delete().where(events.c.seq.in_([2, 3])), [(4, "events 2 to 3 are missing")]),
        (events.delete().where(events.c.seq == 1), [(2, "event 1 is missing")]),
        (events.delete().where(events.c.seq > 4), [(6, "events 5 to 6 are missing at the end")]),
    ],
)
def test_what_somebody_did_to_the_table_is_found_and_named(
    db: sa.Connection, tamper: sa.Executable, found: list[tuple[int, str]]
) -> None:
    take(db, rows(6))
    db.execute(tamper)
    (report,) = verified(db, None)
    assert not report.sound
    assert [fault.seq for fault in report.faults] == [seq for seq, _ in found]
    for fault, (_, words) in zip(report.faults, found, strict=True):
        assert words in fault.what


@dataclass(frozen=True)
class Stored:
    seq: int
    reported_at: datetime
    boot: str | None
    mono_ms: int | None
    kind: str
    body: dict[str, Any]
    chain: str | None


def test_a_log_that_was_made_anew_from_one_event_on_does_not_end_where_the_station_goes_on() -> None:
    """Whoever changes an event and every chain behind it is found by the head that the hub holds."""
    made = rows(4)
    stored = [Stored(row.seq, row.at, row.boot, row.mono_ms, row.kind, row.body, row.chain) for row in made]
    forged = stored[:1]
    head = stored[0].chain
    for row in stored[1:]:
        body = row.body | {"n": 0}
        assert head is not None
        head = chain.link(head, row.seq, row.reported_at, BOOT, row.seq, row.kind, body)
        forged.append(replace(row, body=body, chain=head))
    report = verify(SpoolReport(STATION, SPOOL), forged, mark=4, head=made[-1].chain)
    assert [fault.what for fault in report.faults] == ["the last event is not the one that was taken in"]


async def test_the_command_line_says_whether_the_log_is_whole(tmp_path: Path) -> None:
    def verify_log() -> tuple[int, dict[str, Any]]:
        ended = CliRunner().invoke(app, ["audit", "verify", "--data", str(tmp_path), "--json"])
        return ended.exit_code, json.loads(ended.stdout)

    async with Database.open(tmp_path / "hub.sqlite") as database:
        await database.write(
            lambda c: c.execute(stations.insert().values(id=STATION, profile={}, broker_secret="x", created_at=NOW))
        )
        await database.write(lambda c: take(c, rows(3)))
        code, told = await asyncio.to_thread(verify_log)
        assert (code, told["sound"], told["spools"][0]["events"]) == (0, True, 3)
        await database.write(lambda c: c.execute(events.update().where(events.c.seq == 2).values(kind="x")))
        code, told = await asyncio.to_thread(verify_log)
        assert (code, told["sound"]) == (2, False)
        assert told["spools"][0]["faults"] == [{"seq": 2, "what": "it was changed, or the one before it was"}]


def test_a_folder_without_a_hub_is_named_and_nothing_is_made_there(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["audit", "verify", "--data", str(tmp_path)])
    assert ended.exit_code == 1
    assert "There is no hub in" in ended.output
    assert list(tmp_path.iterdir()) == []

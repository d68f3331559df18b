"""The store's writer thread, the spool on it, and what a restart finds."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from cloud_hub.ingest.apply import Source
from cloud_hub.ingest.chain import follow
from station_agent.alarms.board import AlarmBoard
from station_agent.telemetry.outbox import Outbox
from station_agent.telemetry.spool import Spool, thin
from station_agent.telemetry.store import Store, StoreClosed, StoreUnusable, keep_value, kept_value
from station_agent.wire.envelope import Batch, Eack, Stream
from station_agent.wire.events import AgentStarted, PointReading, Readings
from station_agent.wire.kinds import AlarmKind, DoorState
from tests.harness.fake_clock import BOOT, FakeClock

STARTED = AgentStarted(version="1", door_found=DoorState.SECURED)
READINGS = Readings(
    readings=(
        PointReading(device="d", point="p", value=1.5, unit="°C", quality="good", at=datetime(2026, 12, 1, tzinfo=UTC)),
    )
)


def add(number: int) -> Any:
    return lambda db: db["t"].insert({"n": number})


async def numbers(store: Store) -> list[int]:
    def read(db: Database) -> list[int]:
        return [row["n"] for row in db["t"].rows] if "t" in db.table_names() else []

    return await store.submit(read)


async def test_a_job_that_fails_takes_no_other_with_it(store: Store) -> None:
    def bad(db: Database) -> None:
        add(2)(db)
        raise KeyError("a fault of ours")

    first, failed, last = store.submit(add(1)), store.submit(bad), store.submit(add(3))
    with pytest.raises(KeyError):
        await failed
    await first
    await last
    assert await numbers(store) == [1, 3]


async def test_wrong_sql_is_the_jobs_fault_and_not_the_disks(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await store.submit(lambda db: db.conn.execute("SELECT * FROM nothing"))
    assert store.failing == ""


async def test_what_was_submitted_is_on_disk_after_closing(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.sqlite") as store:
        waiting = [store.submit(add(number)) for number in range(500)]
    assert all(job.done() for job in waiting)
    with pytest.raises(StoreClosed):
        store.submit(add(0))
    async with Store(tmp_path / "s.sqlite") as again:
        assert await numbers(again) == list(range(500))


async def test_a_disk_that_refuses_is_tried_again_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station_agent.telemetry.store.RETRY_S", 0.01)
    async with Store(tmp_path / "s.sqlite") as store:
        await store.submit(add(1))
        await store.submit(lambda db: db.conn.execute("PRAGMA busy_timeout=0").fetchall())
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = store.submit(add(2))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        assert "locked" in store.failing
        other.execute("ROLLBACK")
        other.close()
        await waiting
        assert await numbers(store) == [1, 2]
        assert store.failing == ""


async def test_a_folder_that_cannot_be_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="check the folder's rights"):
        async with Store(tmp_path / "file" / "s.sqlite"):
            pass


@pytest.mark.parametrize("damage", ["no database at all, but some text" * 50, "pages"])
async def test_a_damaged_file_is_put_aside_and_the_door_works_on(tmp_path: Path, damage: str, clock: FakeClock) -> None:
    path = tmp_path / "s.sqlite"
    async with Store(path) as store:
        first = await Spool.open(store, clock, BOOT)
        await first.commit(*[STARTED] * 300)
    if damage == "pages":
        raw = bytearray(path.read_bytes())
        raw[4096:] = b"\xa5" * (len(raw) - 4096)
        path.write_bytes(raw)
    else:
        path.write_text(damage)
    async with Store(path) as store:
        spool = await Spool.open(store, clock, BOOT)
        assert spool.waiting == 0
        assert spool.id != first.id, "its rows cannot be taken for those of the lost one"
    assert (tmp_path / "s.sqlite.damaged").stat().st_size > 0


async def test_small_values_are_kept_by_name(store: Store) -> None:
    assert await store.submit(lambda db: kept_value(db, "a")) is None
    await store.submit(lambda db: keep_value(db, "a", "1"))
    await store.submit(lambda db: keep_value(db, "a", "2"))
    assert await store.submit(lambda db: kept_value(db, "a")) == "2"


async def test_rows_come_back_in_order_with_both_clocks(spool: Spool, clock: FakeClock) -> None:
    spool.record(STARTED)
    clock.pass_by(2)
    await spool.commit(STARTED, STARTED)
    rows = [one.row for one in await spool.read(Stream.EVENTS, 0)]
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.mono_ms for row in rows] == [1_000_000, 1_002_000, 1_002_000]
    assert (rows[0].kind, rows[0].boot) == ("agent.started", BOOT)
    assert spool.waiting == 3


async def test_an_event_and_the_change_it_tells_of_are_one_commit(spool: Spool, store: Store) -> None:
    def fails(db: Database) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await spool.commit(STARTED, also=fails)
    assert await spool.read(Stream.EVENTS, 0) == []
    await spool.commit(STARTED, also=add(7))
    assert await numbers(store) == [7]


async def test_a_restart_goes_on_where_the_spool_stood(store: Store, spool: Spool, clock: FakeClock) -> None:
    await spool.commit(*[STARTED] * 5)
    spool.acknowledged(Stream.EVENTS, 3)
    await spool.trim()
    again = await Spool.open(store, clock, BOOT)
    assert again.id == spool.id
    assert (again.start.acked[Stream.EVENTS], again.start.last[Stream.EVENTS]) == (3, 5)
    again.acknowledged(Stream.EVENTS, 5)
    await again.trim()
    third = await Spool.open(store, clock, BOOT)
    assert (third.start.acked[Stream.EVENTS], third.start.last[Stream.EVENTS]) == (5, 5)
    assert await third.commit(STARTED) == 6, "a number is never used again"


async def test_events_are_a_chain_over_batches_restarts_and_rows_that_went(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    """As the hub follows it: nothing is missing and nothing was changed; telemetry has no chain."""
    for _ in range(3):
        await spool.commit(STARTED, STARTED)
    spool.record_telemetry(READINGS)
    source = Source("demo-01", spool.id, Stream.EVENTS)
    first = await spool.read(Stream.EVENTS, 0)
    followed = follow({}, [(source, row.row) for row in first])
    assert (len(first), followed.breaks) == (6, [])
    spool.acknowledged(Stream.EVENTS, 6)
    await spool.trim()
    again = await Spool.open(store, clock, "another-boot")
    await again.commit(STARTED)
    (later,) = await again.read(Stream.EVENTS, 6)
    assert follow(dict(followed.heads), [(source, later.row)]).breaks == []
    assert [row.row.chain for row in await again.read(Stream.TELEMETRY, 0)] == [None]


async def test_a_spool_of_before_the_chain_goes_on_with_one(store: Store, clock: FakeClock) -> None:
    def old(db: Database) -> None:
        db.conn.execute("CREATE TABLE spool (id TEXT NOT NULL)")
        db.conn.execute("INSERT INTO spool VALUES ('0123456789abcdef')")
        db.conn.execute(
            "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, boot TEXT NOT NULL,"
            " mono_ms INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)"
        )
        row = ("2026-01-31T08:00:00+00:00", "b00t0000", 1, "agent.started", STARTED.model_dump_json())
        db.conn.execute("INSERT INTO events (at, boot, mono_ms, kind, body) VALUES (?, ?, ?, ?, ?)", row)

    await store.submit(old)
    spool = await Spool.open(store, clock, BOOT)
    await spool.commit(STARTED)
    rows = [row.row for row in await spool.read(Stream.EVENTS, 0)]
    assert [row.chain is None for row in rows] == [True, False]
    assert follow({}, [(Source("demo-01", spool.id, Stream.EVENTS), row) for row in rows]).breaks == []


async def test_telemetry_is_thinned_oldest_first_and_keeps_its_ends(spool: Spool, store: Store) -> None:
    for _ in range(40):
        spool.record_telemetry(READINGS)
    dropped = await store.submit(lambda db: thin(db, 30))
    seqs = [one.row.seq for one in await spool.read(Stream.TELEMETRY, 0)]
    assert dropped == 10
    assert seqs == [*range(1, 21, 2), *range(21, 41)]
    assert await store.submit(lambda db: thin(db, 30)) == 0


async def test_the_outbox_sends_what_is_spooled_and_deletes_what_the_hub_has(
    store: Store, spool: Spool, clock: FakeClock
) -> None:
    sent: asyncio.Queue[Batch] = asyncio.Queue()
    outbox = Outbox("demo-01", spool, sent.put_nowait, clock)
    running = asyncio.create_task(outbox.run())
    try:
        await spool.commit(STARTED)
        outbox.connected()
        first = await sent.get()
        await spool.commit(STARTED)
        second = await sent.get()
        assert [(batch.after, batch.rows[0].seq) for batch in (first, second)] == [(0, 1), (1, 2)]
        outbox.acknowledged(Eack(spool=spool.id, stream=Stream.EVENTS, upto=2))
        assert spool.waiting == 0
        assert outbox.eacks == 1
        await spool.trim()
        assert await spool.read(Stream.EVENTS, 0) == []
        outbox.lost()
        await spool.commit(STARTED)
        outbox.connected()
        assert (await sent.get()).after == 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_alarm_is_told_once_and_stands_over_a_restart(store: Store, spool: Spool) -> None:
    board = await AlarmBoard.open(store, spool)
    board.raise_alarm(AlarmKind.DOOR_FORCED, "door", "opened")
    board.raise_alarm(AlarmKind.DOOR_FORCED, "door", "opened")
    again = await AlarmBoard.open(store, spool)
    assert again.standing("door") == {AlarmKind.DOOR_FORCED}
    again.raise_alarm(AlarmKind.DOOR_FORCED, "door", "opened")
    again.clear_alarm(AlarmKind.DOOR_FORCED, "door")
    again.clear_alarm(AlarmKind.DOOR_FORCED, "door")
    await store.submit(lambda db: None)
    kinds = [one.row.kind for one in await spool.read(Stream.EVENTS, 0)]
    assert kinds == ["alarm.raised", "alarm.cleared"]
    assert (await AlarmBoard.open(store, spool)).standing("door") == frozenset()

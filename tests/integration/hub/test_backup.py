"""A backup is whole, proven and private, and comes back as it was; what is not is refused before anything changes."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cloud_hub.backup.make import LEFT_OUT
from cloud_hub.backup.manifest import KEYS, MANIFEST, BadBackup, table_file
from cloud_hub.backup.restore import VERSIONS_AHEAD
from cloud_hub.backup.service import make_backup, restore_backup
from cloud_hub.ingest.store import store
from cloud_hub.lock import only_hub
from cloud_hub.settings import BadSettings
from cloud_hub.stations.queries import open_alarms
from cloud_hub.storage.engines import sqlite_engine
from cloud_hub.storage.files import digest
from cloud_hub.storage.migrate import migrate
from cloud_hub.storage.raw import raw_columns
from cloud_hub.storage.schema import (
    Json,
    Moment,
    alarms,
    audit,
    claims,
    metadata,
    restores,
    rosters,
    station_streams,
    stations,
)
from station_agent.wire import chain
from station_agent.wire.envelope import Batch, Row, Stream

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
PASSPHRASE = "a long one, kept elsewhere"
NAME = "abcd"  # wherever a name is needed, so that every row refers to one that is there


def one_of_each(connection: sa.Connection) -> None:
    """A row in every table."""
    values: dict[type, Any] = {Moment: NOW, Json: {"a": [1, 2.5, None, "驿站 \0"]}, sa.Boolean: True, sa.Integer: 7}
    for table in metadata.sorted_tables:
        row = {
            column.name: next((value for kind, value in values.items() if isinstance(column.type, kind)), NAME)
            for column in table.columns
        }
        connection.execute(table.insert().values(row))


def everything(connection: sa.Connection) -> dict[str, list[Any]]:
    tables = [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]
    return {table.name: sorted(map(tuple, connection.execute(sa.select(*raw_columns(table))))) for table in tables}


class Hub:
    """A hub's folder and its tables, without a hub."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.file = data / "hub.sqlite"
        data.mkdir(mode=0o700)

    def begun(self) -> "Hub":
        (self.data / "keys").mkdir(mode=0o700)
        (self.data / "keys" / "secret").write_bytes(bytes(range(32)))
        (self.data / "keys" / "hub.pem").write_text("the key that opens doors")
        with self.tables() as connection:
            migrate(connection)
            one_of_each(connection)
        return self

    def tables(self) -> Any:
        engine = sqlite_engine(self.file)
        engine.pool = sa.pool.NullPool(engine.pool._creator)  # nothing of it outlives the test
        return engine.execution_options(writes=True).begin()

    def backup(self, folder: Path, passphrase: str = PASSPHRASE) -> Path:
        make_backup(self.data, self.file, folder, passphrase, NOW)
        return folder

    def restore(self, folder: Path, passphrase: str = PASSPHRASE, **how: bool) -> None:
        how = {"overwrite": False, "new_keys": False} | how
        restore_backup(self.data, self.file, folder, passphrase, LATER, "me", **how)  # type: ignore[arg-type]

    def keys(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.data / "keys").iterdir()}


@pytest.fixture
def old(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "old").begun()


@pytest.fixture
def new(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "new")


@pytest.fixture
def folder(old: Hub, tmp_path: Path) -> Iterator[Path]:
    return old.backup(tmp_path / "backup")


def test_every_table_and_the_keys_come_back_as_they_were(old: Hub, new: Hub, folder: Path) -> None:
    new.restore(folder)
    with old.tables() as before, new.tables() as after:
        was, now = everything(before), everything(after)
        assert [(row.at, row.made_at) for row in after.execute(restores.select().where(restores.c.actor == "me"))] == [
            (LATER, NOW)
        ]
        (roster,) = after.execute(rosters.select()).all()
        assert after.execute(audit.select().where(audit.c.action == "hub.restore")).one().actor == "me"
    assert roster.version == 7 + VERSIONS_AHEAD, "stations take no roster that is older than theirs"
    changed = {name for name in was if was[name] != now[name]}
    assert changed == {"restores", "rosters", "audit"}
    assert new.keys() == old.keys()
    assert new.file.stat().st_mode & 0o777 == 0o600


def test_a_claim_that_waited_then_opens_nothing_now(old: Hub, new: Hub, tmp_path: Path) -> None:
    """It may have been used since, and the hub has forgotten by whom."""
    with old.tables() as connection:
        connection.execute(claims.update().values(used_at=None, withdrawn_at=None))
    new.restore(old.backup(tmp_path / "with a claim"))
    with new.tables() as connection:
        assert connection.execute(sa.select(claims.c.withdrawn_at)).scalar_one() == LATER


def test_nobody_else_can_read_it_and_it_holds_no_log_in_and_no_key_in_clear(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (folder / table_file("sessions")).exists()
    assert b"the key that opens doors" not in (folder / KEYS).read_bytes()


def test_without_a_passphrase_it_holds_no_keys_and_needs_those_that_are_there(
    old: Hub, new: Hub, tmp_path: Path
) -> None:
    folder = old.backup(tmp_path / "backup", "")
    assert not (folder / KEYS).exists()
    with pytest.raises(BadBackup, match="stations obey only the hub whose keys they know: put your copy at"):
        new.restore(folder, "")
    assert list(new.data.iterdir()) == []
    old.restore(folder, "", overwrite=True)
    new.restore(folder, "", new_keys=True)
    assert new.file.exists()


def test_a_hub_that_is_there_is_not_overwritten_unless_told_and_then_put_aside(old: Hub, folder: Path) -> None:
    with pytest.raises(BadBackup, match="holds a hub already: --overwrite"):
        old.restore(folder)
    with old.tables() as connection:
        connection.execute(stations.update().values(broker_secret="newer"))
    old.restore(folder, overwrite=True)
    with old.tables() as connection:
        assert connection.scalar(sa.select(stations.c.broker_secret)) == NAME
    (aside,) = old.data.glob("hub.sqlite.before-*")
    assert aside.stat().st_size > 0


def test_a_hub_that_runs_is_left_alone(old: Hub, folder: Path) -> None:
    with only_hub(old.data), pytest.raises(BadSettings, match="another hub uses"):
        old.restore(folder, overwrite=True)


def damaged(folder: Path) -> None:
    path = folder / table_file("events")
    lines = gzip.decompress(path.read_bytes()).replace(b"abcd", b"abce")
    path.write_bytes(gzip.compress(lines, mtime=0))


def forged(folder: Path) -> None:
    damaged(folder)
    manifest = json.loads((folder / MANIFEST).read_text())

    manifest["tables"]["events"]["sha256"] = digest(folder / table_file("events"))
    (folder / MANIFEST).write_text(json.dumps(manifest))


def of_a_newer_hub(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 2}))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damaged, "events.jsonl.gz is not as it was written"),
        (forged, "was not made by the hub whose keys are in it, or it was changed"),
        (of_a_newer_hub, "use a hub as new as the backup"),
        (lambda folder: (folder / table_file("visits")).unlink(), "visits.jsonl.gz is missing"),
        (lambda folder: (folder / MANIFEST).unlink(), "is no backup"),
        (lambda folder: (folder / KEYS).unlink(), "keys.enc is missing"),
    ],
)
def test_what_is_not_whole_is_refused_before_anything_changes(new: Hub, folder: Path, harm: Any, says: str) -> None:
    harm(folder)
    with pytest.raises(BadBackup, match=says):
        new.restore(folder)
    assert list(new.data.iterdir()) == []


def test_another_passphrase_opens_nothing(new: Hub, folder: Path) -> None:
    with pytest.raises(BadBackup, match="the passphrase is another one"):
        new.restore(folder, "not the one that it was made with")
    assert list(new.data.iterdir()) == []


def test_a_short_passphrase_and_a_folder_that_is_there_are_refused(old: Hub, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="at least 12 characters"):
        old.backup(tmp_path / "other", "short")
    with pytest.raises(BadBackup, match="is there already"):
        old.backup(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "old"]


def test_what_was_left_half_made_is_made_anew(old: Hub, tmp_path: Path) -> None:
    (tmp_path / "backup.part" / "tables").mkdir(parents=True)
    (tmp_path / "backup.part" / "tables" / "events.jsonl.gz").write_bytes(b"half")
    old.backup(tmp_path / "backup")
    assert not (tmp_path / "backup.part").exists()


def test_a_gap_is_on_record_with_its_reason_and_holds_nothing_up(new: Hub, folder: Path) -> None:
    """A station had delivered 5 events; the restored hub has the first 2, as the backup; it gets the 6th."""
    new.restore(folder)
    spool, rows = uuid4().hex, []
    head = chain.beginning(spool)
    for seq in range(1, 7):
        head = chain.link(head, seq, NOW, "boot-0001", 0, "some.kind", {})
        rows.append(Row(seq=seq, at=NOW, boot="boot-0001", mono_ms=0, kind="some.kind", body={}, chain=head))

    def batch(after: int, *some: Row) -> Batch:
        return Batch(station=NAME, spool=spool, stream=Stream.EVENTS, after=after, rows=some)

    with new.tables() as connection:
        for table in (station_streams, alarms):  # names in them are no stream's and no alarm's
            connection.execute(table.delete())
        store(connection, [batch(0, *rows[:2])], (), NOW, {}, watched=False)
        asked = store(connection, [batch(5, rows[5])], (), LATER, {}, watched=False)
        assert list(asked.absorbed.marks.values()) == [2], "the hub's own word, from which the station goes on"
        told = store(connection, [batch(2, rows[5])], (), LATER, {}, watched=False)
        assert list(told.absorbed.marks.values()) == [6]
        (alarm,) = open_alarms(connection, NAME)
    assert "events 3 to 5 before it never came; on 2026-02-01 08:00 UTC the hub was brought back" in alarm.detail

"""A database of any schema that there ever was becomes one of today, with all of its rows, in both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cloud_hub.backup.make import make
from cloud_hub.backup.restore import restore
from cloud_hub.rollups import tables as rollups
from cloud_hub.storage.engines import database_of, engine_of
from cloud_hub.storage.migrate import migrate, newest, revision_of, revisions
from cloud_hub.storage.schema import metadata, telemetry_hours
from tests.harness.frozen_schema import dump, load
from tests.harness.postgres import PostgresServer

pytestmark = pytest.mark.integration

FROZEN = [revision for revision in revisions() if dump(revision).exists()]


@pytest.fixture
def connection(server: PostgresServer | None, tmp_path: Path) -> Iterator[sa.Connection]:
    """In a transaction, on an empty database."""
    url = None if server is None else server.url()
    engine = engine_of(tmp_path / "hub.sqlite" if url is None else database_of(Path(), url))
    with engine.execution_options(writes=True).connect() as connection:
        yield connection
    engine.dispose()
    if server is not None and url is not None:
        server.drop(url)


def rows(connection: sa.Connection, tables: dict[str, list[str]]) -> dict[str, list[Any]]:
    """Of these columns of these tables."""
    found = {}
    for name, columns in tables.items():
        query = sa.select(*(sa.column(column) for column in columns)).select_from(sa.table(name))
        found[name] = sorted((tuple(row) for row in connection.execute(query)), key=repr)
    return found


def there(connection: sa.Connection) -> dict[str, list[str]]:
    inspector = sa.inspect(connection)
    names = sorted(set(inspector.get_table_names()) - {"alembic_version"})
    return {name: [column["name"] for column in inspector.get_columns(name)] for name in names}


def test_every_schema_is_frozen() -> None:
    missing = [revision for revision in revisions() if revision not in FROZEN]
    assert not missing, f"run: python -m tests.harness.frozen_schema (for {', '.join(missing)})"


@pytest.mark.parametrize("revision", FROZEN)
def test_a_hub_of_then_becomes_one_of_now_and_keeps_its_rows(connection: sa.Connection, revision: str) -> None:
    load(connection, revision)
    assert revision_of(connection) == revision
    tables = there(connection)
    before = rows(connection, tables)
    assert all(len(found) == 2 for found in before.values())
    migrate(connection)
    assert rows(connection, tables) == before
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert revision_of(connection) == newest()
    assert connection.execute(telemetry_hours.select()).all() != [], "charts have what the readings of then said"


def test_a_migration_that_fails_leaves_the_schema_of_before(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(connection, "0005")
    connection.commit()
    tables = there(connection)
    before = rows(connection, tables)
    connection.commit()

    def fail(connection: sa.Connection) -> None:
        connection.exec_driver_sql("DELETE FROM telemetry")
        raise OSError("the disk is full")

    monkeypatch.setattr(rollups, "rebuild", fail)
    with pytest.raises(OSError, match="the disk is full"):
        migrate(connection)
    connection.rollback()
    assert there(connection) == tables
    assert rows(connection, tables) == before
    assert revision_of(connection) == "0005"
    monkeypatch.undo()
    migrate(connection)
    assert revision_of(connection) == newest()


def test_a_backup_of_an_old_hub_is_restored_into_a_new_one(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The backup is one of schema 0005, as the hub of then would have made it."""
    now = datetime(2026, 2, 1, tzinfo=UTC)
    old = sa.MetaData()
    load(connection, "0005")
    tables = there(connection)
    before = rows(connection, tables)
    old.reflect(connection, only=list(tables))
    monkeypatch.setattr("cloud_hub.backup.make.metadata", old)
    monkeypatch.setattr("cloud_hub.backup.make.newest", lambda: "0005")
    manifest = make(connection, tmp_path / "backup", now, {}, "")
    monkeypatch.undo()
    restore(connection, tmp_path / "backup", manifest, now, "me")
    left = {name: columns for name, columns in tables.items() if name in manifest.tables}
    after = rows(connection, left)
    changed = {name for name in left if after[name] != before[name]}
    assert changed == {"rosters", "audit"}, "versions count on from above, and the restore is on record"
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []

"""The tables: migrations lead to the schema, statements fit both databases, the interface's description is fresh."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cloud_hub.admin import BadUser, add_user, list_stations
from cloud_hub.openapi import openapi_text
from cloud_hub.storage.bulk import insert_statement
from cloud_hub.storage.database import Database
from cloud_hub.storage.migrate import NewerSchema, migrate, newest
from cloud_hub.storage.schema import events, latest_readings, metadata, station_streams, users
from cloud_hub.users.models import Role

ROOT = Path(__file__).parents[3]


def test_migrations_lead_to_exactly_the_schema() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert MigrationContext.configure(connection).get_current_revision() == newest()
        migrate(connection)  # nothing to do is no error
    engine.dispose()


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_is_one_that_postgresql_can_make(table: sa.Table) -> None:
    assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_upserts_are_the_same_in_both_databases() -> None:
    columns = [column.name for column in latest_readings.columns]
    for dialect in ("sqlite", "postgresql"):
        text = str(insert_statement(dialect, latest_readings, columns, "update", "at").compile())
        assert "ON CONFLICT (station, device, point) DO UPDATE SET value = excluded.value" in text
        assert text.rstrip().endswith("WHERE latest_readings.at <= excluded.at")


def test_times_and_json_come_back_as_they_went() -> None:
    engine = sa.create_engine("sqlite://")
    at = datetime(2026, 1, 31, 8, 0, 0, 123456, UTC)
    body = {"a": [1, 2.5, None, "\U0001f6aa \0"], "b": True}
    with engine.begin() as connection:
        metadata.create_all(connection)
        row = {"station": "s", "spool": "x", "seq": 2**53, "at": at, "reported_at": at, "received_at": at}
        connection.execute(events.insert().values(**row, kind="k", body=body))
        stored = connection.execute(events.select()).one()
        assert (stored.at, stored.body, stored.seq, stored.member) == (at, body, 2**53, None)
    engine.dispose()


async def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    row = {"station": "s", "spool": "x", "stream": "events", "mark": 1}

    def fail(connection: sa.Connection) -> None:
        connection.execute(station_streams.insert().values(**row))
        raise ValueError("in the middle")

    async with Database.open(tmp_path / "hub.sqlite") as database:
        with pytest.raises(ValueError, match="in the middle"):
            await database.write(fail)
        assert await database.read(lambda c: c.execute(station_streams.select()).all()) == []
        await database.write(lambda c: c.execute(station_streams.insert().values(**row)))
        assert len(await database.read(lambda c: c.execute(station_streams.select()).all())) == 1
        mode = await database.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar())
        durability = await database.read(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
    assert (mode, durability) == ("wal", 2)
    assert (tmp_path / "hub.sqlite").stat().st_mode & 0o777 == 0o600


async def test_users_are_added_by_the_command_line(tmp_path: Path) -> None:
    await add_user(tmp_path / "hub.sqlite", "zheng", "郑敏", Role.ADMIN, "correct horse")
    async with Database.open(tmp_path / "hub.sqlite") as database:
        row = (await database.read(lambda c: c.execute(users.select()).all()))[0]
    assert (row.user, row.name, row.role) == ("zheng", "郑敏", "admin")
    assert row.password_hash.startswith("$argon2id$")
    for user, password, says in (
        ("zheng", "correct horse", "already"),
        ("Zheng!", "correct horse", "no log-in name"),
        ("li", "short", "at least 10"),
    ):
        with pytest.raises(BadUser, match=says):
            await add_user(tmp_path / "hub.sqlite", user, "", Role.VIEWER, password)
    assert await list_stations(tmp_path / "hub.sqlite") == []


def test_the_description_of_the_interface_is_fresh() -> None:
    kept = (ROOT / "config" / "schema" / "openapi.json").read_text(encoding="utf-8")
    assert openapi_text() == kept, "run: yizhan-hub openapi --out config/schema/openapi.json"


def test_a_newer_database_is_left_alone() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(NewerSchema, match="update the hub"):
            migrate(connection)
    engine.dispose()

"""Brings a backup back: into an empty database, in one transaction, of either kind and of an older schema as well.

    empty database -> schema of the backup -> its rows -> newest schema -> what a restored hub must know

A restored hub knows less than its stations. What they delivered after the backup they have deleted, on the word of the
hub that was lost. So their next batch follows a row that this hub has not got. It answers with its own mark, the
station goes on from there (station_agent/telemetry/ack.py), and the gap is a break of the chain: on record, an alarm,
and in `yizhan-hub audit verify`. Nothing waits for what will never come.

Stations also hold newer rosters than the backup has. A station takes no older version, so the restored ones count on
from far above any that was made since (VERSIONS_AHEAD).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloud_hub import audit
from cloud_hub.backup.manifest import BadBackup, Manifest, table_file
from cloud_hub.storage.bulk import insert_all
from cloud_hub.storage.migrate import migrate, newest
from cloud_hub.storage.raw import ROWS_AT_ONCE
from cloud_hub.storage.schema import claims, events, members, metadata, restores, rosters, stations, users

VERSIONS_AHEAD = 100_000
"""Of rosters: more than a hub makes in a hundred years at several a day."""

_VERSION_TABLE = "alembic_version"
_TELLING = (stations, events, users, members)  # one row in one of them: somebody's hub


def occupied(connection: sa.Connection) -> bool:
    """Whether the database holds what a hub has taken in, or that somebody entered."""
    there = sa.inspect(connection)
    return any(
        there.has_table(table.name) and connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in _TELLING
    )


def restore(
    connection: sa.Connection,
    folder: Path,
    manifest: Manifest,
    now: datetime,
    actor: str,
    done: Callable[[str, int], None] = lambda _table, _rows: None,
) -> None:
    """Replaces all tables of ours within the transaction. The files were checked (manifest.check_files).

    `done` hears of each table and how many rows it had. Raises BadBackup.
    """
    if manifest.schema_revision > newest():
        raise BadBackup(
            f"the backup has the schema {manifest.schema_revision}, this hub knows {newest()}: update the hub first"
        )
    _drop(connection)
    migrate(connection, upto=manifest.schema_revision)
    known = sa.MetaData()
    known.reflect(connection, only=list(manifest.tables))
    for table in known.sorted_tables:
        rows = _fill(connection, table, folder / table_file(table.name))
        if rows != manifest.tables[table.name].rows:
            raise BadBackup(f"{table.name} has {rows} rows, the backup says {manifest.tables[table.name].rows}")
        done(table.name, rows)
    migrate(connection)
    _count_on(connection)
    connection.execute(rosters.update().values(version=rosters.c.version + VERSIONS_AHEAD, digest=""))
    waiting = (claims.c.used_at.is_(None), claims.c.withdrawn_at.is_(None))  # some were used since; by whom, is lost
    connection.execute(claims.update().where(*waiting).values(withdrawn_at=now))
    connection.execute(restores.insert().values(at=now, made_at=manifest.made_at, actor=actor))
    audit.record(connection, now, actor, "hub.restore", "database", {"made_at": manifest.made_at.isoformat()})


def _drop(connection: sa.Connection) -> None:
    """Tables of ours only: a PostgreSQL database may have others."""
    ours = {*metadata.tables, _VERSION_TABLE}
    there = sa.MetaData()
    there.reflect(connection, only=[name for name in sa.inspect(connection).get_table_names() if name in ours])
    there.drop_all(connection)


def _fill(connection: sa.Connection, table: sa.Table, path: Path) -> int:
    count = 0
    with gzip.open(path, "rt", encoding="ascii") as file:
        columns = json.loads(file.readline())
        if unknown := sorted(set(columns) - set(table.columns.keys())):
            raise BadBackup(f"{path} has columns that {table.name} never had: {', '.join(unknown)}")
        while rows := _rows(file, columns):
            insert_all(connection, table, rows)
            count += len(rows)
    return count


def _rows(file: Iterator[str], columns: list[str]) -> list[dict[str, Any]]:
    return [dict(zip(columns, json.loads(line), strict=True)) for line in islice(file, ROWS_AT_ONCE)]


def _count_on(connection: sa.Connection) -> None:
    """PostgreSQL counts ids by sequences, which know nothing of rows that were put there."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            highest = connection.scalar(sa.select(sa.func.max(column)))
            if highest is not None:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                connection.execute(sa.select(sa.func.setval(sequence, highest)))

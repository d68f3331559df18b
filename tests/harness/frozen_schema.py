"""Frozen databases of every schema that there ever was, with rows in them, as SQL text in tests/data/schemas.

They are made once and never changed: whatever becomes of the migrations, a hub of then must become a hub of now.
For a new migration: `python -m tests.harness.frozen_schema` writes the files that are missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloud_hub.storage.engines import sqlite_engine
from cloud_hub.storage.migrate import migrate, revisions

FOLDER = Path(__file__).parents[1] / "data" / "schemas"
NAME = "abcd"  # wherever a name is needed, so that every row refers to one that is there
AT_US = 1_769_846_400_000_000  # 2026-01-31T08:00Z
_READING = {"device": "climate", "point": "temperature", "unit": "°C", "quality": "good", "at": "2026-01-31T08:00:00Z"}
_TEXT = json.dumps({"a": [1, 2.5, None, "驿站 ' \" \0"]})


def dump(revision: str) -> Path:
    return FOLDER / f"{revision}.sql"


def load(connection: sa.Connection, revision: str) -> None:
    """Fills an empty database of either kind."""
    text = dump(revision).read_text(encoding="utf-8")
    if connection.dialect.name == "postgresql":
        # it is as SQLite writes it: rows by key, ids that count on, a name that PostgreSQL reserves, 1 for true
        text = re.sub(r"\)\s*WITHOUT ROWID\s*;", ");", text)
        text = re.sub(r"(CREATE TABLE (?:audit|archives) \(\s*)id INTEGER NOT NULL", r"\1id SERIAL", text)
        text = re.sub(r"(?<![\w\"])user(?![\w\"])", '"user"', text)
        cast = "castsource = 'int4'::regtype AND casttarget = 'bool'::regtype"
        connection.exec_driver_sql(f"UPDATE pg_cast SET castcontext = 'a' WHERE {cast}")
    for statement in re.split(r";\n", text):
        if statement.strip():
            connection.exec_driver_sql(statement)


def _freeze(revision: str) -> None:
    path = FOLDER / "new.sqlite"
    path.unlink(missing_ok=True)
    engine = sqlite_engine(path)
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection, upto=revision)
        tables = sa.MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(table.insert(), [_row(table, number) for number in range(2)])
        lines = list(_lines(connection, tables))
    engine.dispose()
    path.unlink()
    dump(revision).write_text("".join(line + ";\n" for line in lines), encoding="utf-8")


def _lines(connection: sa.Connection, tables: sa.MetaData) -> Iterator[str]:
    """Each table, after those that it refers to, with its rows and indexes."""
    for table in tables.sorted_tables:
        made = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC, name"
        statements = connection.exec_driver_sql(made, (table.name,)).scalars().all()
        quoted = " || ', ' || ".join(f'quote("{column.name}")' for column in table.columns)
        rows = connection.exec_driver_sql(f'SELECT {quoted} FROM "{table.name}"').scalars().all()
        yield statements[0].strip()
        yield from (f'INSERT INTO "{table.name}" VALUES ({row})' for row in rows)
        yield from statements[1:]


def _row(table: sa.Table, number: int) -> dict[str, Any]:
    """The second one differs in its primary key."""
    row = {column.name: _value(column) for column in table.columns}
    if table.name == "telemetry":
        row |= {"kind": "readings", "body": json.dumps({"readings": [{**_READING, "value": 20.5}]})}
    if number:
        keys = [column for column in table.primary_key if not column.foreign_keys] or list(table.primary_key)
        for column in keys:
            row[column.name] = row[column.name] + 1 if isinstance(column.type, sa.Integer) else NAME[::-1]
    return row


def _value(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.Boolean):
        return True
    if isinstance(column.type, sa.BigInteger):
        return AT_US
    if isinstance(column.type, sa.Integer):
        return 7
    return NAME if isinstance(column.type, sa.VARCHAR) else _TEXT


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for one in revisions():
        if not dump(one).exists():
            _freeze(one)
            print(dump(one))

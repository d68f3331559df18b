"""Insert many rows at once, skipping those that are there already: one statement per dialect, one row of this table each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: Mapping[str, Callable[[sa.Table], Any]] = {
    "sqlite": lambda table: sqlite.insert(table).on_conflict_do_nothing(),
    "postgresql": lambda table: postgresql.insert(table).on_conflict_do_nothing(),
}

_UPSERTS: Mapping[str, Callable[[sa.Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is left out."""
    if rows:
        connection.execute(_INSERTS[connection.dialect.name](table), list(rows))


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken replaces the columns that `rows[0]` names. All rows name the same ones."""
    if rows:
        connection.execute(upsert_statement(connection.dialect.name, table, tuple(rows[0])), list(rows))


def upsert_statement(dialect: str, table: sa.Table, columns: Sequence[str]) -> Any:
    insert = _UPSERTS[dialect](table)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)

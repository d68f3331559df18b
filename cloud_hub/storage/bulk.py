"""Insert many rows at once, new ones only or replacing old ones: one statement for each dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def _insert(dialect: str, table: sa.Table) -> Any:
    """The dialect's own INSERT; the other one's module is not loaded at every start."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is left out."""
    if rows:
        connection.execute(_insert(connection.dialect.name, table).on_conflict_do_nothing(), list(rows))


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken replaces the columns that `rows[0]` names. All rows name the same ones."""
    if rows:
        connection.execute(upsert_statement(connection.dialect.name, table, tuple(rows[0])), list(rows))


def upsert_statement(dialect: str, table: sa.Table, columns: Sequence[str], newer: str | None = None) -> Any:
    """`newer`: the column by which a stored row that is later stays as it is."""
    insert = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in keys}
    where = None if newer is None else table.c[newer] <= insert.excluded[newer]
    return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def upsert_newer(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], at: str) -> None:
    """As `upsert`, but a stored row whose column `at` is later stays."""
    if rows:
        connection.execute(upsert_statement(connection.dialect.name, table, tuple(rows[0]), at), list(rows))

"""Insert many rows at once, new ones only or replacing old ones: one statement for each dialect.

SQLite takes rows one by one at no cost. To PostgreSQL they travel as one array a column, which `unnest` makes rows of
again: one statement and one answer for any number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

ROWS_MAX = 5_000
"""In one statement to PostgreSQL: a few megabytes, built whole in memory at both ends."""


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is left out. All rows name the same columns."""
    if rows:
        statement = _insert(connection.dialect.name, table, tuple(rows[0])).on_conflict_do_nothing()
        _execute(connection, statement, rows)


def insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is an error. All rows name the same columns."""
    if rows:
        _execute(connection, _insert(connection.dialect.name, table, tuple(rows[0])), rows)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken replaces the columns that `rows[0]` names.

    All rows name the same columns, and no two the same primary key.
    """
    if rows:
        _execute(connection, upsert_statement(connection.dialect.name, table, tuple(rows[0])), rows)


def upsert_newer(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], at: str) -> None:
    """As `upsert`, but a stored row whose column `at` is later stays."""
    if rows:
        _execute(connection, upsert_statement(connection.dialect.name, table, tuple(rows[0]), at), rows)


def upsert_statement(dialect: str, table: sa.Table, columns: Sequence[str], newer: str | None = None) -> Any:
    """`newer`: the column by which a stored row that is later stays as it is."""
    insert = _insert(dialect, table, columns)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in keys}
    where = None if newer is None else table.c[newer] <= insert.excluded[newer]
    return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _insert(dialect: str, table: sa.Table, columns: Sequence[str]) -> Any:
    """The dialect's own INSERT; the other one's module is not loaded at every start."""
    if dialect != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    arrays = [sa.bindparam(name, type_=postgresql.ARRAY(table.c[name].type, dimensions=1)) for name in columns]
    together = sa.func.unnest(*arrays).table_valued(*(f"c{n}" for n in range(len(columns)))).render_derived()
    return postgresql.insert(table).from_select(list(columns), sa.select(*together.c))


def _execute(connection: sa.Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if connection.dialect.name != "postgresql":
        connection.execute(statement, list(rows))
        return
    for start in range(0, len(rows), ROWS_MAX):
        part = rows[start : start + ROWS_MAX]
        connection.execute(statement, {name: [row[name] for row in part] for name in part[0]})

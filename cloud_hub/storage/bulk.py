"""Insert many rows at once, new ones only or replacing old ones: one statement for each dialect.

A statement is compiled once and given to the driver with the rows as it wants them: SQLAlchemy's way, made for any
statement, costs as much as the database itself when there are thousands of rows.

    SQLite        rows as tuples, one by one: a call costs it nothing
    PostgreSQL    all rows in one JSON text, which `json_to_recordset` makes rows of again: one message and one answer
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from cloud_hub.storage.engines import without_nul
from cloud_hub.storage.schema import Json, Moment

ROWS_MAX = 5_000
"""In one statement to PostgreSQL: a few megabytes, built whole in memory at both ends."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
Processor = Callable[[Any], Any]


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is left out. All rows name the same columns."""
    _execute(connection, table, rows, "nothing", None)


def insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken is an error. All rows name the same columns."""
    _execute(connection, table, rows, "error", None)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row whose primary key is taken replaces the columns that the rows name.

    All rows name the same columns, and no two the same primary key.
    """
    _execute(connection, table, rows, "update", None)


def upsert_newer(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], at: str) -> None:
    """As `upsert`, but a stored row whose column `at` is later stays."""
    _execute(connection, table, rows, "update", at)


def upsert_adding(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], count: str) -> None:
    """As `upsert`, but the column `count` is added to what the stored row has."""
    _execute(connection, table, rows, "add", count)


def _execute(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], taken: str, column: str | None
) -> None:
    if not rows:
        return
    text, columns, processors = _compiled(connection.dialect, table, tuple(rows[0]), taken, column)
    if connection.dialect.name != "postgresql":
        connection.exec_driver_sql(text, [tuple(_stored(row, columns, processors)) for row in rows])
        return
    for start in range(0, len(rows), ROWS_MAX):
        part = (_stored(row, columns, processors) for row in rows[start : start + ROWS_MAX])
        listed = _encode([dict(zip(columns, row, strict=True)) for row in part])
        connection.exec_driver_sql(text, {"rows": listed})


def _stored(row: Mapping[str, Any], columns: Sequence[str], processors: Sequence[Processor | None]) -> list[Any]:
    """The values as the database holds them, in the order of `columns`."""
    pairs = zip(columns, processors, strict=True)
    return [row[name] if process is None else process(row[name]) for name, process in pairs]


@lru_cache(maxsize=256)
def _compiled(
    dialect: sa.Dialect, table: sa.Table, columns: tuple[str, ...], taken: str, column: str | None
) -> tuple[str, tuple[str, ...], tuple[Processor | None, ...]]:
    """The statement's text, the order in which it takes the columns, and what makes stored values of given ones."""
    compiled = insert_statement(dialect.name, table, columns, taken, column).compile(dialect=dialect)
    order = tuple(getattr(compiled, "positiontup", None) or columns)
    return str(compiled), order, tuple(_processor(dialect, table.c[name].type) for name in order)


def _processor(dialect: sa.Dialect, kind: sa.types.TypeEngine[Any]) -> Processor | None:
    if isinstance(kind, Moment | Json):
        return kind.stored  # what SQLAlchemy would call, without its three layers around it
    found: Processor | None = kind.dialect_impl(dialect).bind_processor(dialect)
    if found is None and dialect.name == "postgresql" and isinstance(kind, sa.String):
        return _words
    return found


def _words(value: str | None) -> str | None:
    return None if value is None else without_nul(value)


def insert_statement(
    dialect: str, table: sa.Table, columns: Sequence[str], taken: str = "error", column: str | None = None
) -> Any:
    """`taken`: what to do about a row whose key is taken: `error`, `nothing`, `update` (if it is not older by `column`)
    or `add` (`column` to what it has; the others are replaced).

    Its parameters are the columns (SQLite) or `rows` (PostgreSQL).
    """
    insert: Any
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # not loaded at every start

        listed = sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON)
        # text without a length: a cast would cut off what is too long, the insert says so
        typed = [sa.column(name, _unbounded(table.c[name].type)) for name in columns]
        given = sa.func.json_to_recordset(listed).table_valued(*typed).render_derived(with_types=True)
        insert = postgresql.insert(table).from_select(list(columns), sa.select(*given.c))
    else:
        insert = sqlite.insert(table).values({name: sa.bindparam(name) for name in columns})
    if taken == "nothing":
        return insert.on_conflict_do_nothing()
    if taken == "error":
        return insert
    keys = list(table.primary_key.columns.keys())
    changed = {name: insert.excluded[name] for name in columns if name not in keys}
    where = None
    if column is not None and taken == "add":
        changed[column] = table.c[column] + insert.excluded[column]
    elif column is not None:
        where = table.c[column] <= insert.excluded[column]
    return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _unbounded(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    return sa.Text() if isinstance(kind, sa.String) else kind

"""Rows as the database holds them (numbers and text, no times and no JSON made of them): to carry them elsewhere."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

ROWS_AT_ONCE = 5_000
"""A few megabytes; a whole table need not fit into memory."""

encode_row = json.JSONEncoder(separators=(",", ":")).encode


def raw_columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The table's columns, to be selected as they are stored."""
    return [_stored(column) for column in table.columns]


def _stored(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if not isinstance(column.type, TypeDecorator):
        return column
    return sa.type_coerce(column, column.type.impl_instance).label(column.name)

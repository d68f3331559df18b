"""Makes the engine of the one setting: SQLite in the hub's folder, or PostgreSQL by its URL.

Both are asked for the same promise: what was committed survives a power cut (SQLite `synchronous=FULL`, PostgreSQL
`synchronous_commit=on` in every session of ours, whatever the server's default is), a transaction that reads sees one
moment (a snapshot of the write-ahead log; REPEATABLE READ), and a writer's transaction is whole or nothing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from cloud_hub.settings import BadSettings

READERS = 4  # more only wait for each other: the reads are short and the interpreter lock is one
_BUSY_TIMEOUT_S = 10  # `yizhan-hub users add` may write while the hub runs
_CONNECT_TIMEOUT_S = 10
_SILENT_MS_MAX = 30_000  # a server that vanished without a word is given up after so long
_ADDRESS_FILE = "database.url"

Where = Path | sa.URL
"""The path of an SQLite file, or the URL of a PostgreSQL database."""


def database_of(data: Path, setting: str) -> Where:
    """Where the hub of the folder `data` keeps its tables. `setting`: a URL, or nothing.

    Nothing given, the file DATA/database.url decides, so that one line there is the setting of the hub and of every
    command beside it; without that file it is DATA/hub.sqlite. Raises BadSettings; the message holds no password.
    """
    file = data / _ADDRESS_FILE
    source = "--database (YIZHAN_DATABASE)"
    if not setting and file.is_file():
        setting, source = file.read_text(encoding="utf-8").strip(), str(file)
    if not setting:
        return data / "hub.sqlite"
    try:
        url = sa.make_url(setting)
    except (sa.exc.ArgumentError, ValueError):
        raise BadSettings(f"{source} is no address: it must look like postgresql://user:password@host/name") from None
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise BadSettings(
            f"{source} names {url.drivername!r}, database {url.database!r}: it must look like "
            "postgresql://user:password@host/name; leave it out for SQLite"
        )
    return url.set(drivername="postgresql+psycopg")


def engine_of(where: Where) -> sa.Engine:
    """An engine whose connections keep the promises above; writers use `.execution_options(writes=True)`."""
    return sqlite_engine(where) if isinstance(where, Path) else _postgresql_engine(where)


def sqlite_engine(path: Path) -> sa.Engine:
    """Transactions begin when told: IMMEDIATE for writers, so that two wait for each other instead of failing."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=READERS + 1,
        max_overflow=0,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    """READ COMMITTED for writers, who lock what they decide on; a connection that died is replaced before its use."""
    connect_args: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "yizhan-hub",
        "options": "-c synchronous_commit=on -c timezone=UTC -c client_encoding=UTF8",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": _SILENT_MS_MAX,
    }
    engine = sa.create_engine(
        url,
        pool_size=READERS + 1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={**connect_args, **_own_options(url, connect_args)},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        from psycopg.types.string import StrDumper  # not loaded where SQLite is used

        class WithoutNul(StrDumper):
            """PostgreSQL's text holds no NUL, and no text that somebody sends may make a statement fail."""

            def dump(self, obj: str) -> Any:
                return super().dump(without_nul(obj))

        connection.adapters.register_dumper(str, WithoutNul)

    return engine


def _own_options(url: sa.URL, ours: dict[str, Any]) -> dict[str, Any]:
    """What the URL's query says of the same names wins, but for what the promises rest on."""
    return {name: url.query[name] for name in ours if name in url.query and name != "options"}


def without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


def reading(engine: sa.Engine) -> sa.Engine:
    """The engine for those that only read: each transaction sees one moment."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine

"""Owns the connections: one writer thread, a few reading ones. The event loop never waits for a disk.

SQLite has one writer at a time anyway; a single thread makes that a queue instead of an error. Write-ahead log with
`synchronous=FULL`: what was committed survives a power cut, and readers never wait for the writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from cloud_hub.storage.migrate import migrate

T = TypeVar("T")

READERS = 4  # more only wait for each other: the reads are short and the interpreter lock is one
_BUSY_TIMEOUT_S = 10  # `yizhan-hub users add` may write while the hub runs


def sqlite_engine(path: Path) -> sa.Engine:
    """An engine whose transactions begin when told: IMMEDIATE for `.execution_options(writes=True)`."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=READERS + 1,
        max_overflow=0,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class Database:
    """`async with Database.open(path) as db`; functions given to `read` and `write` run in threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Database]:
        """Makes or migrates the file at `path`, readable by its owner only."""
        database = cls(sqlite_engine(path))
        try:
            await asyncio.get_running_loop().run_in_executor(database._writer, database._begin, path)
            yield database
        finally:
            database._readers.shutdown()
            database._writer.shutdown()
            database._engine.dispose()

    def _begin(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.chmod(0o600)
        with self._writing.begin() as connection:
            migrate(connection)

    async def read(self, function: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return function(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(self, function: Callable[[sa.Connection], T]) -> T:
        """One transaction: committed when `function` returns, rolled back when it raises."""

        def run() -> T:
            with self._writing.begin() as connection:
                return function(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

"""Owns the connections: one writer thread, a few reading ones. The event loop never waits for a disk.

SQLite has one writer at a time anyway; a single thread makes that a queue instead of an error. PostgreSQL takes
several hubs' writers at once: what one decides on, it locks first (ingest/store.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from cloud_hub.settings import BadSettings
from cloud_hub.storage.engines import READERS, Where, engine_of, reading
from cloud_hub.storage.migrate import migrate

T = TypeVar("T")


class Database:
    """`async with Database.open(where) as db`; functions given to `read` and `write` run in threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._writing = engine.execution_options(writes=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")

    @classmethod
    @asynccontextmanager
    async def open(cls, where: Where) -> AsyncIterator[Database]:
        """Makes or migrates the tables. A file is made readable by its owner only.

        Raises BadSettings for a server that cannot be reached or does not let us in.
        """
        database = cls(engine_of(where))
        try:
            await asyncio.get_running_loop().run_in_executor(database._writer, database._begin, where)
            yield database
        finally:
            database._readers.shutdown()
            database._writer.shutdown()
            database._engine.dispose()

    def _begin(self, where: Where) -> None:
        if isinstance(where, Path):
            where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            where.touch(0o600)
            where.chmod(0o600)
        else:
            _reached(self._engine, where)
        with self._writing.begin() as connection:
            migrate(connection)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    async def read(self, function: Callable[[sa.Connection], T]) -> T:
        """One transaction that sees one moment."""

        def run() -> T:
            with self._reading.connect() as connection:
                return function(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(self, function: Callable[[sa.Connection], T]) -> T:
        """One transaction: committed when `function` returns, rolled back when it raises."""

        def run() -> T:
            with self._writing.begin() as connection:
                return function(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)


def _reached(engine: sa.Engine, url: sa.URL) -> None:
    """Raises BadSettings that says what the server, or the way to it, said; never the password."""
    try:
        with engine.connect():
            pass
    except sa.exc.OperationalError as error:
        said = " ".join(str(error.orig).split())
        raise BadSettings(f"the database {url.render_as_string()} does not let us in: {said}") from None

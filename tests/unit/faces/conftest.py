"""Faces without pixels: points of a small space stand for embeddings, so that distances can be written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station_agent.faces.engine import Face, Sight
from station_agent.faces.service import FaceService
from station_agent.faces.templates import TemplateStore
from station_agent.wire.commands import Consent
from tests.harness.scripted_faces import ScriptedWorker, Shown, face_at, sight_at

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class SetClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON
        self.believed = True
        self.slept = asyncio.Event()

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.set()
        await asyncio.Event().wait()

    def trusted(self) -> bool:
        return self.believed


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def consent() -> Consent:
    return Consent(given_at=NOON - timedelta(hours=1), purpose="open the door", expires_at=NOON + timedelta(days=30))


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    return TemplateStore(tmp_path / "faces" / "templates.sqlite", tmp_path / "keys" / "faces.key")


@pytest.fixture
def face() -> Callable[..., Face]:
    return face_at


@pytest.fixture
def sight() -> Callable[..., Sight]:
    return sight_at


@pytest.fixture
def frames() -> Callable[..., AsyncIterator[Shown]]:
    """An iterator over frames half a second apart; with `forever` it then waits like a camera that shows no more."""

    async def iterate(*sights: Sight | Exception, forever: bool = False) -> AsyncIterator[Shown]:
        for i, shown in enumerate(sights):
            yield Shown(shown, 100.0 + i / 2)
        if forever:
            await asyncio.Event().wait()

    return iterate


@pytest.fixture
def worker() -> ScriptedWorker:
    return ScriptedWorker()


@pytest.fixture
async def service(store: TemplateStore, clock: SetClock, worker: ScriptedWorker) -> AsyncIterator[FaceService]:
    """Running, with nobody enrolled."""
    service = FaceService(store, clock, worker=worker)  # type: ignore[arg-type]
    running = asyncio.create_task(service.run())
    await clock.slept.wait()
    yield service
    running.cancel()
    await asyncio.wait({running})

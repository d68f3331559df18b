"""The face child as a process: it answers, and when it hangs, dies or is killed, only that one look is lost."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from station_agent.faces.engine import Picture
from station_agent.faces.pipe import NotAFrame
from station_agent.faces.worker import EngineFailed, FaceWorker, WorkerDied, WorkerOverran

HERE = Path(__file__).parent
NO_FACE, FACE, HANG, RAISE, EXIT, DEVOUR, THREADS = range(1, 8)  # as scripted_engine.py has them

pytestmark = pytest.mark.integration


def frame(order: int) -> Picture:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[0, 0, 0] = order
    return rgb


@pytest.fixture(autouse=True)
def _child_finds_the_scripted_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
async def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Waits until the child hangs in a look."""
    fifo = tmp_path / "busy"
    os.mkfifo(fifo)
    monkeypatch.setenv("YIZHAN_TEST_BUSY", str(fifo))
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    hanging = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, lambda: os.read(descriptor, 1) and hanging.set())
    yield hanging.wait
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


@asynccontextmanager
async def running(engine: str = "ScriptedEngine", **limits: float) -> AsyncIterator[FaceWorker]:
    worker = FaceWorker(f"scripted_engine:{engine}", **limits)
    task = asyncio.create_task(worker.run())
    waiting = asyncio.create_task(worker.ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_frame_is_seen_whole_by_another_process_with_one_thread() -> None:
    async with running() as worker:
        assert worker.engine_name == "scripted"
        assert worker.pid not in (None, os.getpid())
        rgb = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
        rgb[0, 0, 0] = FACE
        nearest = (await worker.look(rgb)).nearest
        assert nearest is not None
        np.testing.assert_array_equal(nearest.embedding, [1.0, float(rgb.sum())])
        every_second = rgb[::2, ::2]  # not contiguous
        nearest = (await worker.look(every_second)).nearest
        assert nearest is not None
        assert nearest.embedding[1] == float(every_second.sum())
        threads = (await worker.look(frame(THREADS))).nearest
        assert threads is not None
        assert threads.embedding[1] == 1.0


async def test_many_askers_each_get_their_own_answer() -> None:
    async with running() as worker:
        orders = [FACE, NO_FACE, FACE, FACE, NO_FACE]
        sights = await asyncio.gather(*(worker.look(frame(order)) for order in orders))
        assert [sight.nearest is not None for sight in sights] == [order == FACE for order in orders]


async def test_killed_in_the_middle_of_a_look_it_says_so_and_comes_back(busy: Callable[[], Awaitable[None]]) -> None:
    async with running(request_timeout_s=30) as worker:
        await worker.look(frame(FACE))
        first = worker.pid
        assert first is not None
        look = asyncio.create_task(worker.look(frame(HANG)))
        await busy()
        for _ in range(1000):  # the loop goes on while the child hangs
            await asyncio.sleep(0)
        assert not look.done()
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="ended while it looked"):
            await look
        assert (await worker.look(frame(FACE))).nearest is not None
        assert worker.restarts == 1
        assert worker.pid != first


async def test_killed_while_idle_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as worker:
        await worker.look(frame(FACE))
        first = worker.pid
        assert first is not None
        noticed = asyncio.Event()
        clear = worker.ready.clear
        monkeypatch.setattr(worker.ready, "clear", lambda: (clear(), noticed.set()))
        os.kill(first, signal.SIGKILL)
        await noticed.wait()  # before anybody asks it
        assert (await worker.look(frame(FACE))).nearest is not None


async def test_a_look_that_takes_too_long_is_ended_with_its_child(busy: Callable[[], Awaitable[None]]) -> None:
    async with running(request_timeout_s=0.3) as worker:
        await worker.look(frame(FACE))
        hung = worker.pid
        assert hung is not None
        with pytest.raises(WorkerOverran, match=r"more than 0\.3 s"):
            await worker.look(frame(HANG))
        assert (await worker.look(frame(FACE))).nearest is not None
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)


async def test_an_asker_who_gives_up_disturbs_no_later_one(busy: Callable[[], Awaitable[None]]) -> None:
    async with running(request_timeout_s=0.5) as worker:
        await worker.look(frame(FACE))
        look = asyncio.create_task(worker.look(frame(HANG)))
        await busy()
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
        assert (await worker.look(frame(NO_FACE))).nearest is None


async def test_what_goes_wrong_inside_the_engine_is_told_and_the_child_stays() -> None:
    async with running() as worker:
        child = worker.pid
        with pytest.raises(EngineFailed, match="ArithmeticError: no such face"):
            await worker.look(frame(RAISE))
        with pytest.raises(EngineFailed, match="MemoryError"):
            await worker.look(frame(DEVOUR))
        assert (await worker.look(frame(FACE))).nearest is not None
        assert worker.pid == child


async def test_a_child_that_ends_by_itself_is_a_death() -> None:
    async with running() as worker:
        await worker.look(frame(FACE))
        with pytest.raises(WorkerDied):
            await worker.look(frame(EXIT))
        assert (await worker.look(frame(FACE))).nearest is not None


async def test_what_is_no_frame_never_reaches_the_child() -> None:
    async with running() as worker:
        with pytest.raises(NotAFrame):
            await worker.look(np.zeros((5, 5), np.uint8))


@pytest.mark.parametrize(("engine", "told"), [("NoEngine", "models are missing"), ("Missing", "AttributeError")])
async def test_an_engine_that_does_not_start_is_the_supervisors_to_know(engine: str, told: str) -> None:
    with pytest.raises(EngineFailed, match=told):
        await FaceWorker(f"scripted_engine:{engine}").run()


async def test_a_child_without_an_answer_in_its_life_is_not_started_again_and_again() -> None:
    worker = FaceWorker("scripted_engine:ScriptedEngine")
    task = asyncio.create_task(worker.run())
    await worker.ready.wait()
    with pytest.raises(WorkerDied):
        await worker.look(frame(EXIT))
    with pytest.raises(WorkerDied, match="before its first answer"):
        await task


async def test_stopping_leaves_nobody_waiting_for_ever(busy: Callable[[], Awaitable[None]]) -> None:
    async with running(request_timeout_s=30) as worker:
        looks = [asyncio.create_task(worker.look(frame(order))) for order in (HANG, FACE)]
        await busy()
    for look in looks:
        with pytest.raises(WorkerDied):
            await look


@pytest.mark.faults
async def test_it_never_outlives_the_agent_not_even_while_it_computes(
    busy: Callable[[], Awaitable[None]],
) -> None:
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AGENT), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert agent.stdout is not None
    child = int(await agent.stdout.readline())
    await busy()
    descriptor = os.pidfd_open(child)
    agent.kill()
    await agent.wait()
    try:
        assert select.select([descriptor], [], [], 10)[0], "the face child still runs"
    finally:
        os.close(descriptor)


AGENT = f"""
import asyncio
import numpy as np
from station_agent.faces.worker import FaceWorker

async def main():
    worker = FaceWorker("scripted_engine:ScriptedEngine", request_timeout_s=600)
    task = asyncio.create_task(worker.run())
    await worker.ready.wait()
    print(worker.pid, flush=True)
    await worker.look(np.full((9, 9, 3), {HANG}, np.uint8))

asyncio.run(main())
"""

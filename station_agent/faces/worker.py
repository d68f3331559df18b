"""Owns the face child from the agent's side: starts it, gives it one frame at a time, ends it when it overruns.

    starting --ready--> idle --frame--> busy --reply--> idle
    busy --no reply in time--> killed --> starting         any --child ended--> starting
    ended, failed or too slow before its first answer --> run() raises; the supervisor waits and runs it again

The child is a fresh interpreter (not a fork: the agent has sockets, serial lines and SQLite open) on one end of a
socket pair; the event loop is never blocked. `look()` may be cancelled at any time: the conversation with the child
belongs to `run()`, which then drops the reply.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from dataclasses import dataclass, field

import numpy as np

from station_agent.faces import pipe
from station_agent.faces.engine import Picture, Sight

log = logging.getLogger(__name__)

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""BLAS threads of a second core would take it from the door."""

SILENT = {"ORT_DISABLE_TELEMETRY": "1"}
"""onnxruntime from 1.29 on tells its maker about every model. We install an older one; this is for the day after."""

START_TIMEOUT_S = 30.0  # imports and models take 1.6 s, on a busy small board more
REQUEST_TIMEOUT_S = 3.0  # ten times what a frame takes


class WorkerTrouble(Exception):
    """The face child did not answer. The sentence says why; the worker may use the code instead."""


class WorkerDied(WorkerTrouble):
    pass


class WorkerOverran(WorkerTrouble):
    pass


class EngineFailed(WorkerTrouble):
    pass


@dataclass(frozen=True)
class _Job:
    head: bytes
    rgb: Picture = field(repr=False)
    done: asyncio.Future[Sight]


class FaceWorker:
    """`source` is the engine's class as in engine.ENGINES, `arguments` what it is made with. `run()` must be running
    for `look()` to be answered.
    """

    def __init__(
        self,
        source: str,
        *arguments: str,
        start_timeout_s: float = START_TIMEOUT_S,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self.ready = asyncio.Event()
        self.engine_name = ""
        self.pid: int | None = None
        self.restarts = 0
        self._engine = (source, *arguments)
        self._start_timeout_s = start_timeout_s
        self._request_timeout_s = request_timeout_s
        self._dimensions = 0
        self._answered = 0
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(maxsize=1)  # one is done, one waits; others wait to be let in

    async def look(self, rgb: Picture) -> Sight:
        """What the frame shows. Waits for a child that is starting, so the caller bounds the wait.

        Raises pipe.NotAFrame and WorkerTrouble.
        """
        job = _Job(pipe.request(rgb), np.ascontiguousarray(rgb), asyncio.get_running_loop().create_future())
        await self._jobs.put(job)
        return await job.done

    async def run(self) -> None:
        """Keeps a child alive until cancelled. A child that ends after useful work is started again at once; for one
        that does not start, or ends before its first answer, it raises WorkerTrouble: the supervisor knows to wait.
        """
        try:
            while True:
                answered = self._answered
                await self._one_life()
                if self._answered == answered:
                    raise WorkerDied("the face engine ended before its first answer")
                self.restarts += 1
        finally:
            while not self._jobs.empty():
                _fail(self._jobs.get_nowait(), WorkerDied("the face engine is being stopped"))

    async def _one_life(self) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "station_agent.faces.child", str(os.getpid()), *self._engine),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    env=os.environ | ONE_THREAD | SILENT,
                )
            self.pid = process.pid
            try:
                await self._started(ours)
                await self._until_ended(ours, process)
            finally:
                self.ready.clear()
                self.pid = None
                if process.returncode is None:
                    process.kill()
                status = await process.wait()
        log.warning("face child ended with status %s", status)

    async def _started(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                kind, body = await _reply(connection)
            if kind == pipe.FAILED:
                raise EngineFailed(pipe.sentence(body))
            self.engine_name, self._dimensions = pipe.ready(body)
        except TimeoutError:
            raise WorkerOverran(f"the face engine did not start within {self._start_timeout_s:g} s") from None
        except (OSError, pipe.PipeBroken) as error:
            raise WorkerDied(f"the face engine ended while it started: {error}") from error
        self.ready.set()
        log.info("face engine %s is ready", self.engine_name)

    async def _until_ended(self, connection: socket.socket, process: asyncio.subprocess.Process) -> None:
        serving = asyncio.create_task(self._serve(connection))
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            ending.cancel()
            await asyncio.wait({serving, ending})
        if not serving.cancelled():
            serving.result()  # a bug in it is the supervisor's to report

    async def _serve(self, connection: socket.socket) -> None:
        """Returns when the child is no longer fit to be asked."""
        while True:
            job = await self._jobs.get()
            if job.done.done():  # its asker gave up while it waited
                continue
            try:
                async with asyncio.timeout(self._request_timeout_s):
                    kind, body = await self._asked(connection, job)
                if kind == pipe.FAILED:
                    _fail(job, EngineFailed(pipe.sentence(body)))
                elif not job.done.done():
                    job.done.set_result(pipe.sight(body, self._dimensions))
                self._answered += 1
            except TimeoutError:
                log.warning("face child took more than %g s for a picture and is ended", self._request_timeout_s)
                _fail(job, WorkerOverran(f"the face engine took more than {self._request_timeout_s:g} s; it restarts"))
                return
            except (OSError, pipe.PipeBroken) as error:
                _fail(job, WorkerDied(f"the face engine ended while it looked ({error}); it restarts"))
                return
            finally:
                _fail(job, WorkerDied("the face engine ended while it looked; it restarts"))

    async def _asked(self, connection: socket.socket, job: _Job) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, job.head)
        await loop.sock_sendall(connection, job.rgb.data.cast("B"))
        return await _reply(connection)


def _fail(job: _Job, error: WorkerTrouble) -> None:
    if not job.done.done():
        job.done.set_exception(error)


async def _reply(connection: socket.socket) -> tuple[bytes, bytes]:
    kind, length = pipe.reply_length(await _received(connection, pipe.REPLY.size))
    return kind, await _received(connection, length)


async def _received(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while len(parts) < size:
        part = await loop.sock_recv(connection, size - len(parts))
        if not part:
            raise ConnectionResetError("no further bytes")
        parts += part
    return bytes(parts)

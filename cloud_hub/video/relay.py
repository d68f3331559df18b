"""Fans one camera's stream out to its viewers, and has the station push only while there are any.

    first viewer -> VideoPush order -> the station's media socket -> channel -> every viewer
    last viewer gone, LINGER_S later -> the station's media socket is closed

Both ways are acknowledged by a timer (wire/media.py); a viewer that is behind gets nothing before the next
keyframe, and the others never notice. Who watched what, from when to when, goes to the audit.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cloud_hub.clock import Clock
from cloud_hub.problems import Problem
from cloud_hub.video.channel import Beginning, Channel
from cloud_hub.video.tickets import Purpose, Ticket, Tickets
from station_agent.wire.commands import CameraPicture, VideoPush
from station_agent.wire.media import (
    RECEIPT_PERIOD_S,
    BadMessage,
    Ended,
    FlowGate,
    HubTime,
    Received,
    Silent,
    StreamIs,
    chunk,
    notice,
)

LINGER_S = 5.0  # a viewer who reloads the page finds the stream still there
START_S_MAX = 6.0  # for the order, the station's connection and its first keyframe
TICKET_S = 60
VIEWERS_MAX = 300  # of one camera; measured to cost 16 % of a core

Order = CameraPicture | VideoPush
CarryOut = Callable[[str, Order, str, str], Awaitable[None]]
"""station, order, actor, reason -> returns when the station has done it; raises Problem when it will not be done."""


class Gone(Exception):
    """The peer's socket is closed."""


class Socket(Protocol):
    """One accepted media WebSocket. Every method raises Gone once it is closed."""

    async def send_text(self, text: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def receive(self) -> str | bytes: ...


@dataclass(frozen=True)
class View:
    """One finished view, for the audit."""

    user: str
    station: str
    camera: str
    started_at: datetime
    ended_at: datetime
    bytes: int
    end: str


@dataclass(frozen=True)
class End:
    """How a media socket is closed: `code` of RFC 6455, and a sentence for the person who watched."""

    code: int
    reason: str


NOBODY_WATCHES = End(1000, "nobody watches")
LEFT = End(1000, "the viewer left")
CUT = End(4403, "Your right to watch has ended.")
BROKE_OFF = End(4410, "The station's video broke off.")
HUB_ENDS = End(1001, "The hub is being restarted.")
FULL = End(4429, f"{VIEWERS_MAX} people watch this camera already.")


class _Viewer:
    def __init__(self, user: str) -> None:
        self.user = user
        self.gate = FlowGate()
        self.ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    def end(self, end: End) -> None:
        if not self.ended.done():
            self.ended.set_result(end)


class _Room:
    """One camera's channel and who is in it."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.viewers: set[_Viewer] = set()
        self.expected: str | None = None  # the id of the ticket that the station was given
        self.pushing = False
        self.silent: Silent | None = None
        self.empty_since_s = 0.0
        self.start: asyncio.Task[None] | None = None
        self.news = asyncio.Event()

    @property
    def started(self) -> bool:
        """Whether viewers have something: pictures, or the word that none come."""
        return self.silent is not None or bool(self.channel.after(-1))

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class Relay:
    """`view` and `push` each serve one socket to its end and say how to close it."""

    def __init__(
        self,
        tickets: Tickets,
        carry_out: CarryOut,
        audit: Callable[[View], Awaitable[None]],
        clock: Clock,
        linger_s: float = LINGER_S,
    ) -> None:
        self._tickets = tickets
        self._carry_out = carry_out
        self._audit = audit
        self._clock = clock
        self._linger_s = linger_s
        self._rooms: dict[tuple[str, str], _Room] = {}

    def media_bytes(self, station: str, camera: str) -> int:
        """Bytes of video that this camera's station has sent since the hub started."""
        room = self._rooms.get((station, camera))
        return room.channel.bytes_in if room else 0

    def viewers(self, station: str, camera: str) -> int:
        room = self._rooms.get((station, camera))
        return len(room.viewers) if room else 0

    def pushing(self, station: str, camera: str) -> bool:
        room = self._rooms.get((station, camera))
        return room is not None and room.pushing

    def cut(self, user: str) -> int:
        """Ends every view of a user whose right to watch has ended; how many there were."""
        cut = [viewer for room in self._rooms.values() for viewer in room.viewers if viewer.user == user]
        for viewer in cut:
            viewer.end(CUT)
        return len(cut)

    async def close(self) -> None:
        """Ends every view and what was being started, at the hub's own end."""
        for room in self._rooms.values():
            for viewer in room.viewers:
                viewer.end(HUB_ENDS)
            if room.start is not None:
                room.start.cancel()
                await asyncio.gather(room.start, return_exceptions=True)

    async def view(self, ticket: Ticket, socket: Socket) -> End:
        """Serves a viewer until one side ends."""
        room = self._rooms.setdefault((ticket.station, ticket.camera), _Room())
        if len(room.viewers) >= VIEWERS_MAX:
            return FULL
        viewer = _Viewer(ticket.holder)
        started_at = self._clock.now()
        room.viewers.add(viewer)
        tasks = {
            asyncio.create_task(self._send_to(viewer, room, socket), name="viewer-send"),
            asyncio.create_task(self._hear(viewer, socket), name="viewer-hear"),
        }
        end = LEFT
        try:
            if not room.pushing and room.start is None:
                room.start = asyncio.create_task(self._have_it_pushed(room, ticket), name="start-push")
            ends: set[asyncio.Future[Any]] = {*tasks, viewer.ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            end = viewer.ended.result() if viewer.ended.done() else LEFT
        finally:
            room.viewers.discard(viewer)
            room.empty_since_s = self._clock.monotonic()
            place = (ticket.holder, ticket.station, ticket.camera)
            await self._audit(View(*place, started_at, self._clock.now(), viewer.gate.sent_bytes, end.reason))
            await _settled(tasks)
        if end is not LEFT:
            with contextlib.suppress(Gone):
                await socket.send_text(Ended(reason=end.reason[:500]).model_dump_json())
        return end

    async def push(self, ticket: Ticket, socket: Socket) -> End:
        """Serves the station's media socket until one side ends."""
        room = self._rooms.setdefault((ticket.station, ticket.camera), _Room())
        if room.expected != ticket.id:
            return End(4409, "this push was not asked for, or has begun already")
        room.expected = None
        room.pushing = True
        room.empty_since_s = self._clock.monotonic()
        taken = _Taken()
        tasks = {
            asyncio.create_task(self._take_from(room, taken, socket), name="push-take"),
            asyncio.create_task(self._acknowledge(room, taken, socket), name="push-acknowledge"),
        }
        end = BROKE_OFF
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    end = task.result()
        finally:
            room.pushing = False
            room.silent = None
            room.channel.ended()
            for viewer in room.viewers:
                viewer.end(BROKE_OFF)
            await _settled(tasks)
        return end

    async def _have_it_pushed(self, room: _Room, view: Ticket) -> None:
        """Orders the push for the first viewer; tells all viewers when it does not come."""
        station, camera = view.station, view.camera
        push = Ticket(Purpose.PUSH, station, station, camera, secrets.token_hex(8), self._expiry())
        room.expected = push.id
        path = f"/api/v1/stations/{station}/cameras/{camera}/push"
        order = VideoPush(camera=camera, push_path=path, ticket=self._tickets.signed(push))
        end = End(4504, f"Station {station} did not start the video within {START_S_MAX:g} s.")
        try:
            async with asyncio.timeout(START_S_MAX):
                await self._carry_out(station, order, view.holder, "live view")
                while not room.started:
                    await room.news.wait()
            return
        except Problem as problem:
            end = End(4502, problem.detail)
        except TimeoutError:
            pass
        finally:
            room.start = None
        if not room.started:  # else the video came, and only the station's word for it is late
            for viewer in room.viewers:
                viewer.end(end)

    async def _send_to(self, viewer: _Viewer, room: _Room, socket: Socket) -> None:
        """Sends the viewer what comes, and leaves out up to a keyframe what is too much. Ends with Gone."""
        seq = -1
        beginning: Beginning | None = None
        silent: Silent | None = None
        skipping = False
        while True:
            news = room.news
            if room.silent is not silent:
                silent = room.silent
                if silent is not None:
                    await socket.send_text(silent.model_dump_json())
            batch = room.channel.after(seq)
            for media in batch:
                seq = media.seq
                late = viewer.gate.late(self._clock.monotonic())
                skipping = skipping or late
                if skipping and (late or not media.key):
                    continue
                skipping = False
                if media.beginning is not beginning:
                    beginning = media.beginning
                    await socket.send_text(beginning.stream.model_dump_json())
                    await self._send_media(viewer, socket, beginning.init)
                await self._send_media(viewer, socket, media.message)
            if not batch:
                await news.wait()

    async def _send_media(self, viewer: _Viewer, socket: Socket, message: bytes) -> None:
        viewer.gate.sent(len(message), self._clock.monotonic())
        await socket.send_bytes(message)

    async def _hear(self, viewer: _Viewer, socket: Socket) -> None:
        """Takes the viewer's receipts and answers with the time. Ends with Gone or BadMessage."""
        while True:
            text = await socket.receive()
            if isinstance(text, bytes):
                raise BadMessage("a viewer sends no binary message")
            receipt = notice(text)
            if not isinstance(receipt, Received):
                raise BadMessage("a viewer sends receipts only")
            viewer.gate.received(receipt.bytes)
            if receipt.at_ms is not None:
                hub_ms = self._clock.now().timestamp() * 1000
                await socket.send_text(HubTime(at_ms=receipt.at_ms, hub_ms=hub_ms).model_dump_json())

    async def _take_from(self, room: _Room, taken: _Taken, socket: Socket) -> End:
        while True:
            message = await socket.receive()
            try:
                if isinstance(message, bytes):
                    taken.bytes += len(message)
                    room.channel.take(chunk(message), message)
                    room.silent = None
                else:
                    match notice(message):
                        case StreamIs() as stream:
                            room.channel.stream_is(stream)
                        case Silent() as silent:
                            room.silent = silent
                        case Received() | HubTime() | Ended():
                            raise BadMessage("a station sends video, not receipts")
            except BadMessage as error:
                return End(1008, str(error)[:120])
            room.tell()

    async def _acknowledge(self, room: _Room, taken: _Taken, socket: Socket) -> End:
        """Tells the station what has come; ends the push when nobody has watched for a while."""
        told = -1
        while room.viewers or self._clock.monotonic() - room.empty_since_s < self._linger_s:
            if taken.bytes != told:
                told = taken.bytes
                await socket.send_text(Received(bytes=told).model_dump_json())
            await asyncio.sleep(RECEIPT_PERIOD_S)
        return NOBODY_WATCHES

    def _expiry(self) -> int:
        return int(self._clock.now().timestamp()) + TICKET_S


@dataclass
class _Taken:
    """Bytes of binary messages that one push has brought."""

    bytes: int = 0


async def _settled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Ends the tasks of one socket; that it is closed or spoke nonsense is how they end. Others are bugs."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, Gone | BadMessage):
            raise outcome

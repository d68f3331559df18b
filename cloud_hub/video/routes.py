"""The addresses of live view and pictures.

POST /stations/{s}/cameras/{c}/live               a ticket to watch with
WS   /stations/{s}/cameras/{c}/watch?ticket=...   a viewer's socket
WS   /stations/{s}/cameras/{c}/push               the station's socket (bearer ticket)
GET  /stations/{s}/cameras/{c}/picture            a JPEG of now
PUT  /stations/{s}/cameras/{c}/picture/{id}       the station's upload (bearer ticket)
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Header, Request, Response, WebSocket, WebSocketDisconnect

from cloud_hub.clock import Clock
from cloud_hub.model import Api
from cloud_hub.problems import Problem
from cloud_hub.video.pictures import JPEG_BYTES_MAX, Pictures
from cloud_hub.video.relay import TICKET_S, End, Gone, Relay
from cloud_hub.video.tickets import BadTicket, Purpose, Ticket, Tickets
from station_agent.wire.model import Name, StationId

CLOSE_REASON_BYTES_MAX = 123  # RFC 6455, 5.5
PREFIX = "/stations/{station}/cameras/{camera}"


class Watcher(Protocol):
    """What the routes need to know of a logged-in user."""

    @property
    def user(self) -> str: ...


@dataclass(frozen=True)
class VideoDeps:
    """`viewer` is a FastAPI dependency that lets in who may watch; `has_camera` looks at the station's profile."""

    relay: Relay
    pictures: Pictures
    tickets: Tickets
    viewer: Callable[..., Any]
    has_camera: Callable[[str, str], Awaitable[bool]]
    clock: Clock


class LiveTicket(Api):
    """Open a WebSocket to `path` (of this host) with `?ticket=` within the next minute."""

    path: str
    ticket: str


class _Accepted:
    """A Starlette WebSocket as the relay knows a socket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send_text(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Gone from error

    async def send_bytes(self, data: bytes) -> None:
        try:
            await self._socket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Gone from error

    async def receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        text: str | bytes | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def close(self, end: End) -> None:
        """A closed socket stays closed."""
        try:
            await self._socket.close(end.code, _fitting(end.reason))
        except (WebSocketDisconnect, RuntimeError):
            return


def _fitting(reason: str) -> str:
    """What of it a close frame has room for."""
    return reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")


def video_router(deps: VideoDeps) -> APIRouter:
    """The routes, to be included under /api/v1."""
    router = APIRouter(tags=["video"])
    user_dependency = Depends(deps.viewer)

    def check(text: str, purpose: Purpose, station: str, camera: str) -> Ticket:
        return deps.tickets.check(text, purpose, station, camera, deps.clock.now().timestamp())

    async def known(station: str, camera: str) -> None:
        if not await deps.has_camera(station, camera):
            raise Problem(404, "no-such-camera", f"Station {station} has no camera {camera}.")

    @router.post(f"{PREFIX}/live", operation_id="watchCamera")
    async def watch_camera(station: StationId, camera: Name, user: Watcher = user_dependency) -> LiveTicket:
        """A ticket to watch this camera live."""
        await known(station, camera)
        expires_at = int(deps.clock.now().timestamp()) + TICKET_S
        ticket = Ticket(Purpose.VIEW, user.user, station, camera, secrets.token_hex(8), expires_at)
        path = f"/api/v1/stations/{station}/cameras/{camera}/watch"
        return LiveTicket(path=path, ticket=deps.tickets.signed(ticket))

    @router.websocket(f"{PREFIX}/watch")
    async def watch(socket: WebSocket, station: StationId, camera: Name, ticket: str = "") -> None:
        accepted = _Accepted(socket)
        await socket.accept()
        try:
            view = check(ticket, Purpose.VIEW, station, camera)
        except BadTicket as error:
            await accepted.close(End(4401, str(error)))
            return
        await accepted.close(await deps.relay.view(view, accepted))

    @router.websocket(f"{PREFIX}/push")
    async def push(
        socket: WebSocket, station: StationId, camera: Name, authorization: Annotated[str, Header()] = ""
    ) -> None:
        try:
            ticket = check(authorization.removeprefix("Bearer "), Purpose.PUSH, station, camera)
        except BadTicket as error:
            await socket.close(4401, _fitting(str(error)))
            return
        await socket.accept()
        accepted = _Accepted(socket)
        await accepted.close(await deps.relay.push(ticket, accepted))

    @router.get(
        f"{PREFIX}/picture",
        operation_id="cameraPicture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}, "description": "A JPEG of now."}},
    )
    async def picture(station: StationId, camera: Name, user: Watcher = user_dependency) -> Response:
        """Asks the station for a picture and waits for it, at most 3 s."""
        await known(station, camera)
        jpeg = await deps.pictures.ask(station, camera, user.user)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @router.put(f"{PREFIX}/picture/{{picture}}", status_code=204, include_in_schema=False)
    async def upload(
        request: Request, station: StationId, camera: Name, picture: str, authorization: Annotated[str, Header()] = ""
    ) -> None:
        try:
            ticket = check(authorization.removeprefix("Bearer "), Purpose.PICTURE, station, camera)
        except BadTicket as error:
            raise Problem(401, "bad-ticket", str(error)) from None
        if ticket.id != picture:
            raise Problem(401, "bad-ticket", "The ticket is for another picture.")
        deps.pictures.take(picture, await _body(request))

    return router


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > JPEG_BYTES_MAX:
            raise Problem(413, "too-large", f"A picture has at most {JPEG_BYTES_MAX} bytes.")
    return bytes(body)

"""The door page's HTTP: on 127.0.0.1 only, nothing but a thin skin over VirtualDoor.

Starlette alone: a demo starts several of these, and FastAPI would cost each a third of a second to import.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from station_agent.virtual.door import NotPossible, VirtualDoor

JSON_BYTES_MAX = 8 * 1024
PICTURE_BYTES_MAX = 12 * 1024 * 1024
HEARTBEAT_S = 10.0
FOLLOWERS_MAX = 64

_NOT_BUILT = (
    "<!doctype html><html lang=zh><meta charset=utf-8><title>Yizhan</title>"
    "<p>页面尚未构建。The pages are not built yet: run <code>python3 run.py demo</code>.</p></html>"
)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Scan(_Given):
    text: str = Field(min_length=1, max_length=1000)


class _Present(_Given):
    member: str = Field(pattern=r"^[0-9a-f]{16}$")


class _Press(_Given):
    button: str = Field(min_length=1, max_length=48)


class _Move(_Given):
    action: Literal["push", "close", "force"]


class _Fire(_Given):
    active: bool


class _Jam(_Given):
    jammed: bool


class _Climate(_Given):
    temperature_c: float | None = Field(default=None, ge=-60, le=80)
    humidity_pct: float | None = Field(default=None, ge=0, le=100)


Model = TypeVar("Model", bound=_Given)


class DoorPage:
    """One method a route. `stopping` ends open event streams, so that the server can end."""

    def __init__(self, door: VirtualDoor, pages: Path, stopping: asyncio.Event) -> None:
        self._door = door
        self._pages = pages
        self._stopping = stopping
        self._followers = 0

    def app(self) -> Starlette:
        post = ["POST"]
        return Starlette(
            routes=[
                Route("/readyz", self.readyz),
                Route("/api/state", self.state),
                Route("/api/live", self.live),
                Route("/api/measures", self.measures),
                Route("/api/members", self.members),
                Route("/api/scan", self.scan, methods=post),
                Route("/api/scan-picture", self.scan_picture, methods=post),
                Route("/api/present", self.present, methods=post),
                Route("/api/face-picture", self.face_picture, methods=post),
                Route("/api/press", self.press, methods=post),
                Route("/api/door", self.move, methods=post),
                Route("/api/fire", self.fire, methods=post),
                Route("/api/jam", self.jam, methods=post),
                Route("/api/climate", self.climate, methods=post),
                Route("/{path:path}", self.page),
            ],
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
                Middleware(OwnPagesOnly),
            ],
            exception_handlers={NotPossible: _not_possible, ValidationError: _invalid},
        )

    async def readyz(self, _: Request) -> Response:
        if self._door.ready:
            return JSONResponse({"ready": True})
        return _problem(503, "not-ready", "the agent is not up, not linked to the hub, or the door is not known yet")

    async def state(self, _: Request) -> Response:
        return JSONResponse(self._door.state())

    async def live(self, _: Request) -> Response:
        if self._followers >= FOLLOWERS_MAX:
            return _problem(503, "too-many", f"{FOLLOWERS_MAX} pages follow this door already")
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _stream(self) -> AsyncIterator[str]:
        self._followers += 1
        last = ""
        try:
            while not self._stopping.is_set():
                text = json.dumps(self._door.state(), ensure_ascii=False)
                if text != last:
                    last = text
                    yield f"event: state\ndata: {text}\n\n"
                if not await self._door.change(HEARTBEAT_S):
                    yield ": alive\n\n"
        finally:
            self._followers -= 1

    async def measures(self, _: Request) -> Response:
        return JSONResponse(self._door.measures())

    async def members(self, _: Request) -> Response:
        return JSONResponse(self._door.members())

    async def scan(self, request: Request) -> Response:
        self._door.scan((await _given(request, _Scan)).text)
        return JSONResponse({"scanned": True})

    async def scan_picture(self, request: Request) -> Response:
        text = await self._door.scan_picture(await _body(request, PICTURE_BYTES_MAX))
        return JSONResponse({"found": text is not None, "text": text})

    async def present(self, request: Request) -> Response:
        self._door.present((await _given(request, _Present)).member)
        return JSONResponse({"scanned": True})

    async def face_picture(self, request: Request) -> Response:
        await self._door.show_face(await _body(request, PICTURE_BYTES_MAX))
        return JSONResponse({"showing": True})

    async def press(self, request: Request) -> Response:
        self._door.press((await _given(request, _Press)).button)
        return JSONResponse({"pressed": True})

    async def move(self, request: Request) -> Response:
        self._door.move((await _given(request, _Move)).action)
        return JSONResponse({"moved": True})

    async def fire(self, request: Request) -> Response:
        self._door.fire((await _given(request, _Fire)).active)
        return JSONResponse({"set": True})

    async def jam(self, request: Request) -> Response:
        self._door.jam((await _given(request, _Jam)).jammed)
        return JSONResponse({"set": True})

    async def climate(self, request: Request) -> Response:
        given = await _given(request, _Climate)
        self._door.climate(given.temperature_c, given.humidity_pct)
        return JSONResponse({"set": True})

    async def page(self, request: Request) -> Response:
        path = request.path_params["path"]
        file = _inside(self._pages, path or "door.html")
        if file is not None:
            cache = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
            return FileResponse(file, headers={"Cache-Control": cache})
        if path:
            return _problem(404, "no-such-page", f"there is no /{path}")
        return HTMLResponse(_NOT_BUILT, 503)


class OwnPagesOnly:
    """A foreign page in the same browser must not push this door's buttons."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            headers = dict(scope["headers"])
            origin = headers.get(b"origin")
            if origin is not None and origin != b"http://" + headers.get(b"host", b""):
                foreign = _problem(403, "foreign-origin", f"{origin.decode('latin-1')} may not move this door")
                await foreign(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _given(request: Request, model: type[Model]) -> Model:
    """Raises ValidationError, NotPossible."""
    return model.model_validate_json(await _body(request, JSON_BYTES_MAX))


async def _body(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise NotPossible(f"more than {bytes_max // 1024} KiB are not taken")
    return bytes(body)


def _inside(pages: Path, path: str) -> Path | None:
    """The file of that path, if it is one within `pages`."""
    if "\0" in path:
        return None
    file = (pages / path).resolve()
    return file if file.is_relative_to(pages.resolve()) and file.is_file() else None


async def _not_possible(_: Request, error: Exception) -> Response:
    return _problem(422, "not-possible", str(error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return _problem(422, "invalid", f"{where or 'body'}: {first['msg']}")


def _problem(status: int, kind: str, detail: str) -> JSONResponse:
    body = {"type": f"urn:yizhan:{kind}", "title": kind.replace("-", " "), "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")

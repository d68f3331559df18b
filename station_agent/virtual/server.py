"""The door page's HTTP: on 127.0.0.1 only, nothing but a thin skin over VirtualDoor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from station_agent.virtual.door import NotPossible, VirtualDoor

BODY_BYTES_MAX = 12 * 1024 * 1024
HEARTBEAT_S = 10.0
FOLLOWERS_MAX = 64

_NOT_BUILT = (
    "<!doctype html><html lang=zh><meta charset=utf-8><title>Yizhan</title>"
    "<p>页面尚未构建。The pages are not built yet: run <code>python3 run.py demo</code>.</p></html>"
)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Scan(_Given):
    text: str = Field(min_length=1, max_length=1000)


class Present(_Given):
    member: str = Field(pattern=r"^[0-9a-f]{16}$")


class Press(_Given):
    button: str = Field(min_length=1, max_length=48)


class Move(_Given):
    action: Literal["push", "close", "force"]


class Jam(_Given):
    jammed: bool


class Climate(_Given):
    temperature_c: float | None = Field(default=None, ge=-60, le=80)
    humidity_pct: float | None = Field(default=None, ge=0, le=100)


def make_app(door: VirtualDoor, pages: Path, stopping: asyncio.Event) -> FastAPI:
    """`stopping` ends open event streams, so that the server can end."""
    app = FastAPI(title="Virtual station", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    followers = 0

    @app.middleware("http")
    async def own_pages_only(request: Request, call_next: Any) -> Response:
        """A foreign page in the same browser must not push this door's buttons."""
        origin = request.headers.get("origin")
        if request.method != "GET" and origin is not None and origin != f"http://{request.headers.get('host')}":
            return _problem(403, "foreign-origin", f"{origin} may not move this door")
        response: Response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.exception_handler(NotPossible)
    async def not_possible(_: Request, error: NotPossible) -> Response:
        return _problem(422, "not-possible", str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return _problem(422, "invalid", f"{where or 'body'}: {first['msg']}")

    @app.get("/readyz")
    async def readyz() -> Response:
        if door.ready:
            return JSONResponse({"ready": True})
        return _problem(503, "not-ready", "the agent is not up, not linked to the hub, or the door is not known yet")

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
        return door.state()

    @app.get("/api/live")
    async def live() -> Response:
        if followers >= FOLLOWERS_MAX:
            return _problem(503, "too-many", f"{FOLLOWERS_MAX} pages follow this door already")
        return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def stream() -> AsyncIterator[str]:
        nonlocal followers
        followers += 1
        last = ""
        try:
            while not stopping.is_set():
                text = json.dumps(door.state(), ensure_ascii=False)
                if text != last:
                    last = text
                    yield f"event: state\ndata: {text}\n\n"
                if not await door.change(HEARTBEAT_S):
                    yield ": alive\n\n"
        finally:
            followers -= 1

    @app.get("/api/measures")
    async def measures() -> dict[str, Any]:
        return door.measures()

    @app.get("/api/members")
    async def members() -> list[dict[str, str]]:
        return door.members()

    @app.post("/api/scan")
    async def scan(given: Scan) -> dict[str, bool]:
        door.scan(given.text)
        return {"scanned": True}

    @app.post("/api/present")
    async def present(given: Present) -> dict[str, bool]:
        door.present(given.member)
        return {"scanned": True}

    @app.post("/api/scan-picture")
    async def scan_picture(request: Request) -> dict[str, Any]:
        text = await door.scan_picture(await _body(request))
        return {"found": text is not None, "text": text}

    @app.post("/api/face-picture")
    async def face_picture(request: Request) -> dict[str, bool]:
        await door.show_face(await _body(request))
        return {"showing": True}

    @app.post("/api/press")
    async def press(given: Press) -> dict[str, bool]:
        door.press(given.button)
        return {"pressed": True}

    @app.post("/api/door")
    async def move(given: Move) -> dict[str, bool]:
        door.move(given.action)
        return {"moved": True}

    @app.post("/api/jam")
    async def jam(given: Jam) -> dict[str, bool]:
        door.jam(given.jammed)
        return {"jammed": given.jammed}

    @app.post("/api/climate")
    async def climate(given: Annotated[Climate, Body()]) -> dict[str, bool]:
        door.climate(given.temperature_c, given.humidity_pct)
        return {"set": True}

    @app.get("/{path:path}")
    async def page(path: str) -> Response:
        file = _inside(pages, path or "door.html")
        if file is not None:
            cache = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
            return FileResponse(file, headers={"Cache-Control": cache})
        if path:
            return _problem(404, "no-such-page", f"there is no /{path}")
        return HTMLResponse(_NOT_BUILT, 503)

    return app


def _inside(pages: Path, path: str) -> Path | None:
    """The file of that path, if it is one within `pages`."""
    if "\0" in path:
        return None
    file = (pages / path).resolve()
    return file if file.is_relative_to(pages.resolve()) and file.is_file() else None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise NotPossible(f"a picture may have {BODY_BYTES_MAX // 1024 // 1024} MiB at most")
    return bytes(body)


def _problem(status: int, kind: str, detail: str) -> JSONResponse:
    body = {"type": f"urn:yizhan:{kind}", "title": kind.replace("-", " "), "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")

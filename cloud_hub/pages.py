"""The built pages (cloud_hub/web/dist): `/` for managers, `/m` for workers, `/docs`, their assets."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

from cloud_hub.problems import Problem

_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_NOT_BUILT = (
    "<!doctype html><html lang=zh><meta charset=utf-8><title>Yizhan</title>"
    "<p>页面尚未构建。The pages are not built yet: run <code>python3 run.py demo</code>, which builds them.</p></html>"
)

_CLAIM = (
    "<!doctype html><html lang=zh><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>驿站认领码</title><h1>驿站认领码</h1><p>这是一座驿站的认领码，只能用一次。请不要转发；在驿站的设备上使用："
    "<p lang=en>This is a station's claim code and works once. Keep it to yourself; use it on the station's box:"
    "<pre>yizhan-station claim --identity DIR --text '...'</pre></html>"
)


def install(app: FastAPI, dist: Path) -> None:
    """Call last: a path that no route took is the manager page's own, whose router knows it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/m")
    async def worker_page() -> Response:
        return _page(dist / "m.html")

    @router.get("/claim")
    async def claim_page() -> Response:
        """Where a phone lands that scans a station's claim. The code is behind the #, so it is not sent here."""
        return HTMLResponse(_CLAIM, headers={"Cache-Control": _ASK_AGAIN})

    @router.get("/docs")
    async def docs_page() -> Response:
        return _page(dist / "swagger" / "index.html")

    @router.get("/{path:path}")
    async def manager_page(path: str) -> Response:
        if path.startswith("api/"):
            raise HTTPException(404)
        file = _inside(dist, path)
        if file is not None:
            return FileResponse(file, headers={"Cache-Control": _FOREVER if path.startswith("assets/") else _ASK_AGAIN})
        if "." in path.rpartition("/")[2]:
            raise Problem(404, "no-such-file", f"There is no file /{path}.")
        return _page(dist / "index.html")

    app.include_router(router)


def _page(file: Path) -> Response:
    if not file.is_file():
        return HTMLResponse(_NOT_BUILT, 503, {"Cache-Control": "no-store"})
    return FileResponse(file, headers={"Cache-Control": _ASK_AGAIN})


def _inside(dist: Path, path: str) -> Path | None:
    """The file of that path, if it is one within `dist`."""
    if not path or "\0" in path:
        return None
    file = (dist / path).resolve()
    return file if file.is_relative_to(dist.resolve()) and file.is_file() else None

"""What every request must pass before a route sees it, and what every answer carries. Plain ASGI, so that it holds for
WebSockets and streams as well.

Host:    one of ours, or the page of another site that points its name at us could read the hub (DNS rebinding).
Origin:  a write or a WebSocket that a browser sends must come from our own pages (cross-site request forgery); one
         with a session cookie and no Origin is refused, since every browser sends it with a write.
Body:    of at most BODY_MAX, announced before it is read. PUT is a station's upload, whose route counts for itself.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_hub import problems
from cloud_hub.counters import Counters
from cloud_hub.settings import Settings

BODY_MAX = 256 * 1024  # a station profile with every device it may have
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(self)",
}

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # antd writes its styles into the page
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def trusted_host(settings: Settings, host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in settings.hosts
    except ValueError:
        return False


def own_origin(host: str, origin: str) -> bool:
    """Whether `origin` is the site that answers as `host` (a Host header)."""
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
    except ValueError:
        return False


class Guard:
    def __init__(self, app: ASGIApp, settings: Settings, counters: Counters) -> None:
        self._app = app
        self._settings = settings
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, self._settings, self._counters))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[2][:120]})
        else:
            answer = _with_headers(send, self._settings, self._counters)
            await problems.response(*refusal)(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not trusted_host(self._settings, host):
            return 421, "wrong-host", f"This hub answers at {self._settings.url} only."
        if scope["type"] == "http" and scope["method"] in _READS:
            return None
        if origin is None and "cookie" in headers:
            return 403, "no-origin", "A write with a session needs the Origin header of the hub's own pages."
        if origin is not None and not own_origin(host, origin):
            return 403, "foreign-origin", f"{origin} is not the hub's own page."
        if scope["type"] == "http" and scope["method"] != "PUT":
            length = headers.get("content-length", "0")
            if "transfer-encoding" in headers:
                return 411, "no-length", "Send the body with its Content-Length."
            if not length.isdecimal() or int(length) > BODY_MAX:
                return 413, "too-large", f"A request has at most {BODY_MAX} bytes."
        return None


def _with_headers(send: Send, settings: Settings, counters: Counters) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            counters.add("http_responses", status=str(message["status"]))
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", CSP)
            if settings.secure:
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            if "cache-control" not in headers:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return answer

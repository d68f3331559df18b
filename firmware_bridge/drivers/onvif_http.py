"""The session of an ONVIF line: HTTP requests to one camera, bounded in time, in size and in what they reveal.

A camera has no connection to keep: every request is one of its own, since cameras close idle ones without a word.
What the devices of a line share is the address and CONNECTIONS_MAX.

- Requests go to the line's host only. A camera often names itself by an address that holds elsewhere (behind a
  router, before its address changed), and a password must not follow a name that somebody put into an answer.
- A camera that asks for HTTP Digest gets it. Basic shows the password to everybody on the way: over plain HTTP it is
  answered only where the options allow it.
- Over HTTPS the certificate must be one that the machine trusts, or the one whose SHA-256 the options name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import logging
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout
from firmware_bridge.config import ServiceEndpoint, parse_url
from firmware_bridge.exchange import LineLost
from firmware_bridge.session import SessionContext

if TYPE_CHECKING:
    import httpx

CONNECTIONS_MAX = 4  # at a time; small cameras serve few
DEFAULT_PATH = "/onvif/device_service"  # ONVIF Core 23.06, 5.1.1
HTTP_PORT, HTTPS_PORT = 80, 443
CONNECT_S_MAX = 5.0
UNAUTHORIZED = 401
# What is compressed has no bound, and a connection that idles is closed by the camera without a word.
PLAIN = {"Accept-Encoding": "identity", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class Trust:
    """How a camera is spoken to: plainly, or by TLS with a certificate of the machine's trust or a named one."""

    https: bool = False
    fingerprint: str = ""  # SHA-256 of the certificate, 64 hex digits

    @property
    def scheme(self) -> str:
        return "https" if self.https else "http"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    data: bytes = field(repr=False)


class OnvifSession:
    """One camera's address. `run` has nothing to keep alive."""

    def __init__(self, context: SessionContext) -> None:
        endpoint = parse_url(context.line.url)
        assert isinstance(endpoint, ServiceEndpoint)
        self._name = context.name
        self._endpoint = endpoint
        self.places = asyncio.Semaphore(CONNECTIONS_MAX)

    @property
    def name(self) -> str:
        return self._name

    @property
    def host(self) -> str:
        return self._endpoint.host

    async def run(self) -> None:
        await asyncio.Event().wait()

    def port(self, trust: Trust) -> int:
        """A line without a port leads to 80, and with HTTPS to 443."""
        return HTTPS_PORT if trust.https and self._endpoint.port == HTTP_PORT else self._endpoint.port

    def url(self, trust: Trust, port: int, path: str, query: str = "") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return urlunsplit((trust.scheme, f"{host}:{port}", path, query, ""))

    def device_address(self, trust: Trust) -> str:
        """Where the device service is."""
        return self.url(trust, self.port(trust), self._endpoint.path or DEFAULT_PATH)


class Access:
    """One device's requests to the camera of its line."""

    def __init__(self, device: str, session: OnvifSession, trust: Trust, *, allow_basic: bool) -> None:
        self.device_address = session.device_address(trust)
        self._device = device
        self._session = session
        self._trust = trust
        self._allow_basic = allow_basic or trust.https
        self._user = self._password = ""
        self._auth: httpx.Auth | None = None  # kept, since it remembers the camera's challenge
        self._tls: ssl.SSLContext | None = None

    def login(self, user: str, password: str) -> None:
        """Answer challenges with these from now on."""
        if (user, password) != (self._user, self._password):
            self._user, self._password, self._auth = user, password, None

    def reachable(self, advertised: str, device: str) -> str:
        """An address as the camera told it, on the host where we reach the camera.

        `device` is what it told of its device service: a port that is the same as there is the line's port here.
        Raises ValueError for what is no address of HTTP.
        """
        parts = urlsplit(advertised)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no address of HTTP")
        same = parts.scheme != self._trust.scheme or _port_of(parts) == _port_of(urlsplit(device))
        port = self._session.port(self._trust) if same else _port_of(parts)
        return self._session.url(self._trust, port, parts.path, parts.query)

    async def post(
        self, url: str, document: bytes, action: str, *, size_max: int, timeout_s: float, waits: bool = False
    ) -> Answer:
        """One SOAP request. One that `waits` at the camera takes none of its places. Raises as `_request` does."""
        headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        place = contextlib.nullcontext() if waits else self._session.places
        return await self._request("POST", url, document, headers, size_max, timeout_s, place)

    async def get(self, url: str, *, size_max: int, timeout_s: float) -> Answer:
        """One file. Raises as `_request` does."""
        return await self._request("GET", url, None, {}, size_max, timeout_s, self._session.places)

    async def _request(
        self,
        method: str,
        url: str,
        content: bytes | None,
        headers: dict[str, str],
        size_max: int,
        timeout_s: float,
        place: AbstractAsyncContextManager[None],
    ) -> Answer:
        """Raises LineLost when the camera cannot be reached, DeviceTimeout when it is slow or breaks off, DeviceRefused
        when it sends more than `size_max` bytes, asks for a password in the clear, or has a certificate nobody knows.
        """
        await _bring_library()
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses, and some hold passwords
        host = self._session.host
        try:
            async with asyncio.timeout(timeout_s), place:
                tls = await self._context()
                async with httpx.AsyncClient(verify=tls, timeout=None, trust_env=False) as client:  # noqa: S113 - the deadline above
                    request = client.build_request(method, url, content=content, headers={**PLAIN, **headers})
                    answer, challenge = await self._once(client, request, size_max)
                    if answer.status == UNAUTHORIZED and self._gives_basic(challenge):
                        answer, _ = await self._once(client, request, size_max)
                    return answer
        except TimeoutError:
            raise DeviceTimeout(self._device, f"no answer from {host} within {timeout_s:g} s") from None
        except (httpx.ConnectError, OSError) as error:
            if self._trust.https and "SSL" in str(error):
                raise await self._untrusted(str(error)) from None
            raise LineLost(self._device, f"{host} cannot be reached: {error}; check its power and cable") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeviceTimeout(self._device, f"{host} broke the conversation off: {error}") from None

    async def _once(self, client: httpx.AsyncClient, request: httpx.Request, size_max: int) -> tuple[Answer, str]:
        """One request, and the challenge that came with a refusal. A challenge of HTTP Digest is answered at once."""
        import httpx

        if self._user and self._auth is None:
            self._auth = httpx.DigestAuth(self._user, self._password)
        response = await client.send(request, auth=self._auth, stream=True)
        try:
            data = bytearray()
            stream = cast(AsyncGenerator[bytes, None], response.aiter_raw())  # it is one, and must be closed
            async with contextlib.aclosing(stream) as chunks:
                async for chunk in chunks:
                    data += chunk
                    if len(data) > size_max:
                        raise DeviceRefused(self._device, f"it sends more than {size_max} bytes; that is no answer")
            return Answer(response.status_code, bytes(data)), response.headers.get("www-authenticate", "")
        finally:
            await response.aclose()

    def _gives_basic(self, challenge: str) -> bool:
        """Whether to ask again with HTTP Basic. Raises DeviceRefused where that would show the password."""
        import httpx

        wants_digest = "digest" in challenge.lower()  # it had that, and says no
        if not self._user or wants_digest or not challenge.lower().startswith("basic"):
            return False
        if not self._allow_basic:
            raise DeviceRefused(
                self._device,
                "it wants the password in the clear (HTTP Basic). Set the option `https` if it can, or `basic` "
                "where nobody else is on this network",
            )
        again = not isinstance(self._auth, httpx.BasicAuth)
        self._auth = httpx.BasicAuth(self._user, self._password)
        return again

    async def _context(self) -> ssl.SSLContext:
        """Kept: reading the machine's certificates takes tens of milliseconds."""
        if self._tls is not None:
            return self._tls
        if not self._trust.https:
            context = _believing()  # never used: no address is https
        elif not self._trust.fingerprint:
            context = await asyncio.to_thread(ssl.create_default_context)
        else:
            certificate = await self._certificate()
            if (found := hashlib.sha256(certificate).hexdigest()) != self._trust.fingerprint:
                raise DeviceRefused(
                    self._device,
                    f"{self._session.host} shows another certificate than the options name: SHA-256 {found}. "
                    "If the camera was replaced or reset, put this one there; if not, find out who answers",
                )
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # this certificate and no other
            context.load_verify_locations(cadata=certificate)
        self._tls = context
        return context

    async def _certificate(self) -> bytes:
        """What the camera shows, as DER; nothing is sent to it."""
        port = self._session.port(self._trust)
        _, writer = await asyncio.open_connection(self._session.host, port, ssl=_believing())
        try:
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
        return bytes(shown or b"")

    async def _untrusted(self, why: str) -> DeviceRefused | LineLost:
        self._tls = None
        host = self._session.host
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                found = hashlib.sha256(await self._certificate()).hexdigest()
        except (OSError, TimeoutError):
            return LineLost(self._device, f"no TLS with {host}: {why}; check that its HTTPS is on, and the port")
        return DeviceRefused(
            self._device,
            f"nobody vouches for the certificate of {host} ({why}). Its SHA-256 is {found}: compare it with what the "
            "camera's own page shows and put it into the option `certificate`",
        )


async def _bring_library() -> None:
    """14 MB and a third of a second that a station without cameras does not need, and in which no door may wait."""
    if "httpx" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "httpx")


def _believing() -> ssl.SSLContext:
    """Shakes hands with anybody. Nothing may be sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _port_of(parts: SplitResult) -> int:
    """Raises ValueError for a port that is none."""
    return parts.port or (HTTPS_PORT if parts.scheme == "https" else HTTP_PORT)

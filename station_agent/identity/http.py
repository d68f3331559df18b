"""What a station asks of the hub by HTTPS about its identity. Never in the clear beyond this machine."""

from __future__ import annotations

import hashlib
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from station_agent.link.tls import ignore_times
from station_agent.video.hub_address import HubAddress
from station_agent.wire.enrolment import AUTHORITY_PATH

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 15.0  # a weak 4G link; a hand-shake and one answer
ANSWER_BYTES_MAX = 2 * 1024 * 1024

T = TypeVar("T", bound=BaseModel)


class HubSilent(Exception):
    """The hub cannot be reached, or cannot answer now: try again later."""


class HubRefused(Exception):
    """The hub, or what answers in its place, will not do it: the message says why. Trying again changes nothing."""


class HubHttp:
    """`with HubHttp(...)`. `clock_trusted` False: what a certificate says of its times is not held against it."""

    def __init__(
        self,
        hub_url: str,
        *,
        ca_file: Path | None = None,
        fingerprint: str | None = None,
        clock_trusted: bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Raises HubRefused for an address that is none, or would be spoken to in the clear."""
        try:
            self._hub = HubAddress.of(hub_url)
        except ValueError as error:
            raise HubRefused(str(error)) from error
        self._transport = transport
        self._fingerprint = fingerprint
        self._clock_trusted = clock_trusted
        self._ca_file = ca_file
        self._client: httpx.Client | None = None

    def __enter__(self) -> HubHttp:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    def post(self, path: str, body: BaseModel, answer: type[T]) -> T:
        """Raises HubSilent and HubRefused."""
        return self._asked(self._connected(), "POST", path, answer, body.model_dump_json())

    def check(self) -> None:
        """Whether a hub answers, and is the one of the fingerprint. Raises HubSilent and HubRefused."""
        self._asked(self._connected(), "GET", AUTHORITY_PATH, _Authority)

    def authority(self) -> str | None:
        """The hub's authority (PEM), if a fingerprint was told by which it can be believed.

        Asked over a connection that proves nothing yet; nothing is said on it. Raises HubSilent and HubRefused.
        """
        if self._fingerprint is None:
            return None
        with self._new(_believing_nobody()) as client:
            found = self._asked(client, "GET", AUTHORITY_PATH, _Authority).authority
        with suppress(ValueError):
            if hashlib.sha256(ssl.PEM_cert_to_DER_cert(found)).hexdigest() == self._fingerprint:
                return found
        raise HubRefused(
            f"what answers at {self._hub.base} is not the hub of this claim: its authority has another fingerprint"
        )

    def _connected(self) -> httpx.Client:
        if self._client is None:
            authority = self.authority()
            context = self._hub.context(self._ca_file)
            if context is not None and authority is not None:
                context.load_verify_locations(cadata=authority)
            if context is not None and not self._clock_trusted:
                ignore_times(context)
            self._client = self._new(context or _believing_nobody())  # without TLS there is nobody to believe
        return self._client

    def _new(self, context: ssl.SSLContext) -> httpx.Client:
        import httpx  # a fifth of a second, for what happens once in two months

        return httpx.Client(
            base_url=self._hub.base,
            verify=context,
            timeout=TIMEOUT_S,
            trust_env=not self._hub.on_this_machine,
            transport=self._transport,
        )

    def _asked(self, client: httpx.Client, method: str, path: str, answer: type[T], body: str | None = None) -> T:
        import httpx

        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            with client.stream(method, path, content=body, headers=headers) as response:
                content = _read(response)
        except httpx.HTTPError as error:
            raise HubSilent(f"{self._hub.base} cannot be asked: {type(error).__name__} {error}") from error
        if content is None:
            raise HubRefused(f"{self._hub.base} answers with more than {ANSWER_BYTES_MAX} bytes, which no hub does")
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.status_code >= 500:
            raise HubSilent(f"{self._hub.base} cannot answer now: {_detail(content, response.status_code)}")
        if response.status_code >= 400:
            raise HubRefused(_detail(content, response.status_code))
        try:
            return answer.model_validate_json(content)
        except ValidationError as error:
            raise HubRefused(f"{self._hub.base} does not answer as a hub of this version does") from error


def _believing_nobody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(response: httpx.Response) -> bytes | None:
    """None for one that is longer than any answer is."""
    content = b""
    for part in response.iter_bytes():
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            return None
    return content


class _Authority(BaseModel):
    authority: str


class _Problem(BaseModel):
    detail: str


def _detail(content: bytes, status: int) -> str:
    try:
        return _Problem.model_validate_json(content).detail
    except ValidationError:
        return f"status {status}"

"""The union's platform as a verifier: it made the code, so it is asked what it means.

    POST <url>   Authorization: Bearer <token>      {"code": "...", "station": "demo-01", "reader": "scanner"}
    200          {"granted": true, "member": "00112233445566aa"}   or   {"granted": false, "reason": "..."}

One request an attempt, within `timeout_s`; TLS is verified, a redirect is no answer. What it grants is asked anew each
time, because only the platform knows whether a code was used; what it refuses is remembered for a while, so that a code
held to the reader asks once. Any other answer, or none, is silence: then `offline` says whether the attempt is
refused or the next verifier is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from firmware_bridge.secrets import SecretError, Secrets
from station_agent.access.attempts import Now
from station_agent.access.verifiers.port import Finding, Proven, Refused, Silent
from station_agent.access.verifiers.whose import Whose
from station_agent.wire.kinds import Reason
from station_agent.wire.model import MemberId, Wire
from station_agent.wire.profile import PlatformRow

if TYPE_CHECKING:
    import httpx

AT_ONCE_MAX = 4
"""Requests at a time: a platform that answers late must not gather a queue of people who have left."""

ANSWER_BYTES_MAX = 4096
DENIALS_MAX = 256


class Answer(Wire):
    granted: bool = Field(strict=True)
    member: MemberId | None = None
    reason: str = Field(default="", max_length=200)


class PlatformVerifier:
    """`tls` replaces the system's certificates, for tests and for a platform with its own authority."""

    def __init__(
        self, name: str, row: PlatformRow, station: str, secrets: Secrets, tls: ssl.SSLContext | None = None
    ) -> None:
        self._name = name
        self._row = row
        self._station = station
        self._secrets = secrets
        self._tls = tls
        self._whose = Whose(row.prefix, row.pattern)
        self._client: httpx.AsyncClient | None = None
        self._busy = 0
        self._denials: OrderedDict[bytes, tuple[float, Refused]] = OrderedDict()

    @property
    def name(self) -> str:
        return self._name

    def claims(self, text: str) -> bool:
        return self._whose.claims(text)

    async def verify(self, text: str, reader: str, now: Now) -> Finding:
        digest = hashlib.sha256(text.encode()).digest()
        until, denied = self._denials.get(digest, (0.0, None))
        if denied is not None and now.mono_s < until:
            return denied
        if self._busy >= AT_ONCE_MAX:
            return self._silent(f"{AT_ONCE_MAX} requests are under way")
        self._busy += 1
        try:
            async with asyncio.timeout(self._row.timeout_s):
                found = await self._ask(text, reader)
        except TimeoutError:
            return self._silent(f"no answer within {self._row.timeout_s:g} s")
        finally:
            self._busy -= 1
        if isinstance(found, Refused):
            self._denials[digest] = (now.mono_s + self._row.denial_s, found)
            self._denials.move_to_end(digest)
            while len(self._denials) > DENIALS_MAX:
                self._denials.popitem(last=False)
        return found

    async def prepare(self) -> None:
        await self._opened()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _silent(self, detail: str) -> Silent:
        return Silent(f"{self._name}: {detail}", fall_back=self._row.offline == "fall_back")

    async def _ask(self, text: str, reader: str) -> Finding:
        try:
            token = self._secrets.read(self._row.token)
        except SecretError as error:
            return self._silent(str(error))
        if token is None:
            return self._silent(f"its token is missing; put it into {self._secrets.where(self._row.token)}")
        client = await self._opened()
        import httpx  # loaded by now

        headers = {"Authorization": f"Bearer {token.decode('latin-1').strip()}", "Accept": "application/json"}
        body = {"code": text, "station": self._station, "reader": reader}
        try:
            async with client.stream("POST", self._row.url, json=body, headers=headers) as response:
                if response.status_code != 200:
                    return self._silent(f"HTTP status {response.status_code}")
                content = b""
                async for part in response.aiter_bytes():  # to its end: httpx does not like to be left half-way
                    content = (content + part)[: ANSWER_BYTES_MAX + 1]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._silent(type(error).__name__)
        if len(content) > ANSWER_BYTES_MAX:
            return self._silent(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return self._read(content)

    async def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            client = await asyncio.to_thread(_client, self._row, self._tls)
            if self._client is None:
                self._client = client
        return self._client

    def _read(self, content: bytes) -> Finding:
        try:
            answer = Answer.model_validate(json.loads(content))
        except (ValueError, ValidationError):
            return self._silent("its answer is not what docs/membership-code.md says")
        if not answer.granted:
            return Refused(Reason.PLATFORM_REFUSED, f"{self._name}: {answer.reason or 'refused'}", answer.member)
        if answer.member is None:
            return self._silent("it granted to nobody")
        return Proven(answer.member, f"proven by {self._name}")


def _client(row: PlatformRow, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
    """In a thread: the library and the system's certificates take some hundred milliseconds to load."""
    import httpx

    if tls is None:
        tls = ssl.create_default_context()
        if row.ca_file is not None:
            tls.load_verify_locations(row.ca_file)
    return httpx.AsyncClient(verify=tls, follow_redirects=False, trust_env=False, timeout=row.timeout_s)

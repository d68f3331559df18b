"""SOAP calls of one device: its user's token in the camera's own time, its counts, its errors. Used by the driver.

A token is refused when its time is not the camera's, and a camera without a time server is off by months. So the
camera's clock is read first, which needs no user; how far off it is goes into every token. A call that is refused for
its user is made once more after the clock was read again: the camera may have been set meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from firmware_bridge.capabilities import DeviceError, DeviceRefused, DeviceTimeout
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import FrameError, onvif, soap
from firmware_bridge.drivers.onvif_http import UNAUTHORIZED, Access
from firmware_bridge.exchange import DeviceStats

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_S_MAX = 8.0  # small cameras take seconds while they encode
NONCE_BYTES = 16
# 20 kB are read in 3 ms; what is larger is read in a thread, so that no door waits for it.
INLINE_BYTES_MAX = 20_000
# Beyond it the camera's stamps in its own pictures mislead whoever looks at them.
OFFSET_S_TOLD = 60.0


class UserRefused(DeviceRefused):
    """The camera does not know the user, or the password is another."""


@dataclass(frozen=True, slots=True)
class _Call:
    request: onvif.Request
    address: str
    subscription: onvif.Subscription | None  # that it goes to
    timeout_s: float
    waits: bool


class Calls:
    """Asks and reads; one for each device."""

    def __init__(self, device: str, access: Access, clock: Clock) -> None:
        self.stats = DeviceStats()
        self.offset: timedelta | None = None  # the camera's clock less ours; None while it is not known
        self._device = device
        self._access = access
        self._clock = clock
        self._user = self._password = ""
        self._offset_told = False

    def login(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._access.login(user, password)

    async def ask(
        self,
        request: onvif.Request,
        read: Callable[[Element], T],
        *,
        address: str = "",
        subscription: onvif.Subscription | None = None,
        wait_s: float = 0.0,
    ) -> T:
        """What `read` reads from the answer; `address` is a service's, the device's when not given.

        Raises DeviceTimeout (LineLost when the camera cannot be reached), UserRefused, DeviceRefused when it answers
        with a fault or with what is no answer.
        """
        call = _Call(
            request,
            address or self._access.device_address,
            subscription,
            CALL_S_MAX + wait_s,
            wait_s > 0,
        )
        if self.offset is None:
            await self.read_clock()
        try:
            return await self._once(call, read)
        except UserRefused:
            before = self.offset
            if not self._user or await self.read_clock() == before:
                raise
            return await self._once(call, read)

    async def read_clock(self) -> timedelta:
        """How far the camera's clock is ahead of ours, to the second."""
        request = onvif.get_system_date_and_time()
        call = _Call(request, self._access.device_address, None, CALL_S_MAX, waits=False)
        try:
            theirs = await self._once(call, onvif.system_time, anonymous=True)
        except UserRefused:  # against the specification, but ipycam does it: then by our own time
            self.offset = self.offset or timedelta()
            if not self._user:
                raise
            theirs = await self._once(call, onvif.system_time)
        self.offset = timedelta(seconds=round((theirs - self._clock.now()).total_seconds()))
        self._tell_offset(self.offset.total_seconds())
        return self.offset

    def _tell_offset(self, ahead_s: float) -> None:
        wrong = abs(ahead_s) > OFFSET_S_TOLD
        if wrong and not self._offset_told:
            way = "ahead" if ahead_s > 0 else "behind"
            log.warning("%s: its clock is %.0f s %s; give it a time server", self._device, abs(ahead_s), way)
        self._offset_told = wrong

    async def _once(self, call: _Call, read: Callable[[Element], T], *, anonymous: bool = False) -> T:
        stats, begun_s = self.stats, self._clock.monotonic()
        stats.requests += 1
        try:
            answer = await self._exchange(call, read, anonymous=anonymous)
        except DeviceError as error:
            stats.timeouts += isinstance(error, DeviceTimeout)
            stats.failed += 1
            raise
        stats.answered += 1
        stats.latencies_ms.append((self._clock.monotonic() - begun_s) * 1000)
        return answer

    async def _exchange(self, call: _Call, read: Callable[[Element], T], *, anonymous: bool) -> T:
        name = call.request.name
        answer = await self._access.post(
            call.address,
            soap.envelope(call.request.body, self._headers(call, anonymous=anonymous)),
            call.request.action,
            size_max=soap.DOCUMENT_BYTES_MAX,
            timeout_s=call.timeout_s,
            waits=call.waits,
        )

        def understood() -> T:
            return read(onvif.expect(soap.body_of(answer.data), name))

        try:
            if len(answer.data) <= INLINE_BYTES_MAX:
                return understood()
            return await asyncio.to_thread(understood)
        except soap.SoapFault as fault:
            if fault.not_authorized or answer.status == UNAUTHORIZED:
                raise self._user_refused(name) from None
            raise DeviceRefused(self._device, f"{name} was refused: {fault}") from None
        except FrameError as error:
            if answer.status == UNAUTHORIZED:
                raise self._user_refused(name) from None
            self.stats.bad_frames += 1
            raise DeviceRefused(
                self._device, f"{name}: HTTP {answer.status} and {error}. Check that the line's url leads to ONVIF"
            ) from None

    def _headers(self, call: _Call, *, anonymous: bool) -> str:
        headers = ""
        if (to := call.subscription) is not None:
            headers = to.headers + onvif.addressing(call.request, to.address, f"urn:uuid:{uuid.uuid4()}")
        if self._user and not anonymous:
            created = self._clock.now() + (self.offset or timedelta())
            headers += soap.username_token(self._user, self._password, secrets.token_bytes(NONCE_BYTES), created)
        return headers

    def _user_refused(self, name: str) -> UserRefused:
        if not self._user:
            return UserRefused(self._device, f"{name} needs a user: set the options `user` and `password`")
        return UserRefused(
            self._device,
            f"{name}: the camera refuses user {self._user!r}; check the user, the secret that `password` names, and "
            "whether this user may use ONVIF (some cameras keep a list of its own for that)",
        )

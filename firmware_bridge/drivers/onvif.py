"""An ONVIF camera as a device: who it is, a JPEG of now, the address of its stream, its motor, what it notices.

```
 run    offline --connect--> online: events are pulled, or its clock is read every check_s --error--> offline, pause
 move   ContinuousMove(timeout) --for_s--> Stop         Stop also when cancelled; the camera's timeout if we die
```
Services and profiles are read when the camera comes online and kept until it goes. Events become InputChanged:
"motion", "tamper", and a digital input under its name of the options, or "input_" and its token.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field

from firmware_bridge.capabilities import (
    CameraInfo,
    DeviceError,
    DeviceRefused,
    Health,
    HealthChanged,
)
from firmware_bridge.codecs import onvif
from firmware_bridge.config import Name
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.onvif_calls import Calls, UserRefused
from firmware_bridge.drivers.onvif_events import EventReader
from firmware_bridge.drivers.onvif_http import UNAUTHORIZED, Access, OnvifSession, Trust
from firmware_bridge.exchange import DeviceStats
from firmware_bridge.profiles import DeviceProfile
from firmware_bridge.secrets import SecretError, SecretName

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

log = logging.getLogger(__name__)

T = TypeVar("T")

SNAPSHOT_BYTES_MAX = 8 * 1024 * 1024  # a JPEG of 12 million dots at its best
SNAPSHOT_S_MAX = 10.0
JPEG_START = b"\xff\xd8\xff"
MOVE_S_MAX = 30.0
STOP_ATTEMPTS_MAX = 3
PAUSE_S_FIRST, PAUSE_S_MAX = 1.0, 60.0
# Cameras lock a user after some five wrong passwords, for half an hour: one that is refused is tried rarely.
REFUSED_S = 300.0
OK = 200
H264 = "H264"
PROFILES_TOLD = 16


class Stream(StrEnum):
    SUB = "sub"  # the smallest H.264 profile
    MAIN = "main"  # the largest


class OnvifOptions(Options):
    """How to log in to the camera and what to take from it."""

    user: str = Field(default="", max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$", description="A user of the camera")
    password: SecretName | None = Field(default=None, description="Name of the secret that holds the password")
    https: bool = Field(default=False, description="Speak TLS")
    certificate: str = Field(
        default="",
        pattern=r"^([0-9a-fA-F]{2}:?){32}$|^$",
        description="SHA-256 of the camera's certificate, for one that it signed itself",
    )
    basic: bool = Field(default=False, description="Allow HTTP Basic, which shows the password, without TLS")
    stream: Stream = Field(default=Stream.SUB, description="sub: the smallest H.264 profile; main: the largest")
    profile: str = Field(default="", max_length=64, description="Token of a profile, instead of `stream`")
    events: bool = Field(default=True, description="Subscribe to motion, tamper and digital inputs")
    inputs: dict[Name, str] = Field(default_factory=dict, description="Name -> token of a digital input")
    check_s: float = Field(default=30, ge=1, le=600, description="How often a camera without events is looked at")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the camera said of itself when it came online."""

    services: onvif.Services
    profiles: tuple[onvif.Profile, ...] = ()

    @property
    def media(self) -> str:
        """Which media service it has; the older one, where it has both."""
        return onvif.MEDIA_NS if self.services.media else onvif.MEDIA2_NS


class OnvifCamera:
    """Camera by SOAP. What is asked of it while it is offline tries by itself."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, OnvifOptions)
        options = context.options
        self.name = context.name
        self._options = options
        self._clock = context.clock
        self._rng = context.rng
        self._emit = context.emit
        self._secrets = context.secrets
        self._session = context.session(OnvifSession)
        trust = Trust(options.https, options.certificate.replace(":", "").lower())
        self._access = Access(context.name, self._session, trust, allow_basic=options.basic)
        self._calls = Calls(context.name, self._access, context.clock)
        self._events = EventReader(context, self._calls, options.inputs)
        self._health: Health | None = None
        self._known: _Known | None = None
        self._learning = asyncio.Lock()
        self._refused: tuple[str, float, UserRefused] | None = None  # password, until when, why
        self._moves = 0

    @property
    def stats(self) -> DeviceStats:
        return self._calls.stats

    async def run(self) -> None:
        """Keep it online until cancelled; it is tried again with jittered, growing pauses."""
        pause_s = PAUSE_S_FIRST
        while True:
            try:
                self._known = None
                known = await self._learn()
                self._tell(Health.ONLINE, f"{len(known.profiles)} profiles")
                pause_s = PAUSE_S_FIRST
                await self._attend(known)
            except DeviceError as error:
                self._tell(Health.OFFLINE, str(error).removeprefix(f"{self.name}: "))
            await asyncio.sleep(pause_s * self._rng.uniform(0.75, 1.25))
            pause_s = min(PAUSE_S_MAX, pause_s * 2)

    async def info(self) -> CameraInfo:
        """Raises DeviceTimeout or DeviceRefused, as all of these do."""
        await self._learn()
        said = await self._calls.ask(onvif.get_device_information(), onvif.device_information)
        return CameraInfo(said.manufacturer, said.model, said.firmware, said.serial)

    async def snapshot(self) -> bytes:
        """One JPEG of at most SNAPSHOT_BYTES_MAX."""
        known = await self._learn()
        profile = self._profile(known, any_encoding=True)
        advertised = await self._media(known, onvif.get_snapshot_uri(known.media, profile.token), onvif.uri)
        if not advertised:
            raise DeviceRefused(self.name, "the camera has no snapshots; take a picture from its stream")
        url = self._reach(known, advertised)
        got = await self._access.get(url, size_max=SNAPSHOT_BYTES_MAX, timeout_s=SNAPSHOT_S_MAX)
        if got.status == UNAUTHORIZED:
            raise UserRefused(self.name, "the snapshot is refused to this user; check its rights in the camera")
        if got.status != OK:
            raise DeviceRefused(self.name, f"HTTP {got.status} instead of a snapshot")
        if not got.data.startswith(JPEG_START):
            raise DeviceRefused(self.name, f"{len(got.data)} bytes came as a snapshot, and they are no JPEG")
        return got.data

    async def stream_url(self) -> str:
        known = await self._learn()
        request = onvif.get_stream_uri(known.media, self._profile(known).token)
        parts = urlsplit(await self._media(known, request, onvif.uri))
        if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname:
            raise DeviceRefused(self.name, "the camera gives no RTSP address for its stream")
        place = f"[{self._session.host}]" if ":" in self._session.host else self._session.host
        try:
            place += f":{parts.port}" if parts.port else ""
        except ValueError:
            raise DeviceRefused(self.name, "the camera's RTSP address has a port that is none") from None
        return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))

    async def ask_keyframe(self) -> None:
        """Have the encoder of `stream_url` begin anew, so that whoever starts to watch sees a picture at once."""
        known = await self._learn()
        await self._media(known, onvif.ask_keyframe(known.media, self._profile(known).token), onvif.nothing)

    async def move(self, pan: float, tilt: float, zoom: float, for_s: float) -> None:
        """A later move takes over from an earlier one, and then stops the motor for both."""
        if not all(-1 <= speed <= 1 for speed in (pan, tilt, zoom)):
            raise ValueError(f"{self.name}: speeds are -1 to 1 of the full speed")
        if not 0 < for_s <= MOVE_S_MAX:
            raise ValueError(f"{self.name}: a move takes more than 0 and at most {MOVE_S_MAX:g} s")
        known = await self._learn()
        address, profile = self._motor(known)
        self._moves += 1
        mine = self._moves
        try:
            await self._start_moving(address, profile, (pan, tilt, zoom), for_s)
            await asyncio.sleep(for_s)
        except (asyncio.CancelledError, DeviceError):
            if mine == self._moves:
                await _to_its_end(self._stop_unless_gone(address, profile))
            raise
        if mine == self._moves:
            await _to_its_end(self._stop(address, profile))

    async def stop(self) -> None:
        known = await self._learn()
        self._moves += 1
        await self._stop(*self._motor(known))

    async def _start_moving(self, address: str, profile: str, speeds: tuple[float, float, float], for_s: float) -> None:
        try:
            await self._calls.ask(onvif.continuous_move(profile, *speeds, for_s), onvif.nothing, address=address)
        except UserRefused:
            raise
        except DeviceRefused:  # some take no timeout; then only we stop it
            await self._calls.ask(onvif.continuous_move(profile, *speeds, None), onvif.nothing, address=address)

    async def _stop(self, address: str, profile: str) -> None:
        """A stop that did not get through is tried again: what turns must not turn on."""
        for attempt in range(1, STOP_ATTEMPTS_MAX + 1):
            try:
                await self._calls.ask(onvif.stop(profile), onvif.nothing, address=address)
                return
            except DeviceError:
                if attempt == STOP_ATTEMPTS_MAX:
                    raise
                self.stats.retries += 1

    async def _stop_unless_gone(self, address: str, profile: str) -> None:
        try:
            await self._stop(address, profile)
        except DeviceError as error:
            log.warning("%s; it could not be told to stop", error)

    async def _attend(self, known: _Known) -> None:
        """Until it cannot be reached."""
        while True:
            if self._options.events and known.services.events:
                await self._events.pull(known.services.events, lambda advertised: self._reach(known, advertised))
            await asyncio.sleep(self._options.check_s)
            await self._calls.read_clock()

    async def _learn(self) -> _Known:
        """Services and profiles; asked for once each time it comes online, whoever wants them first."""
        async with self._learning:
            if self._known is None:
                password = self._password()
                self._check_refused(password)
                try:
                    self._known = await self._introduce(password)
                except UserRefused as error:
                    self._refused = (password, self._clock.monotonic() + REFUSED_S, error)
                    raise
            return self._known

    async def _introduce(self, password: str) -> _Known:
        self._calls.login(self._options.user, password)
        await self._calls.read_clock()
        try:
            services = await self._calls.ask(onvif.get_services(), onvif.services)
        except UserRefused:
            raise
        except DeviceRefused:  # older than GetServices
            services = await self._calls.ask(onvif.get_capabilities(), onvif.services)
        if not (services.media or services.media2):
            raise DeviceRefused(self.name, "it has no media service; it is no camera")
        known = _Known(services)
        return _Known(services, await self._media(known, onvif.get_profiles(known.media), onvif.profiles))

    def _check_refused(self, password: str) -> None:
        """A password that the camera refused is not tried again at once."""
        if self._refused is None:
            return
        refused, until_s, error = self._refused
        if password == refused and self._clock.monotonic() < until_s:
            raise UserRefused(error.device, str(error).removeprefix(f"{error.device}: "))

    def _password(self) -> str:
        name = self._options.password
        if name is None:
            return ""
        try:
            secret = self._secrets.read(name)
        except SecretError as error:
            raise DeviceRefused(self.name, str(error)) from None
        if secret is None:
            raise DeviceRefused(self.name, f"no secret {name!r}; write the password into {self._secrets.where(name)}")
        return secret.decode("utf-8", "replace").rstrip("\r\n")

    async def _media(self, known: _Known, request: onvif.Request, read: Callable[[Element], T]) -> T:
        address = self._reach(known, known.services.media or known.services.media2)
        return await self._calls.ask(request, read, address=address)

    def _reach(self, known: _Known, advertised: str) -> str:
        try:
            return self._access.reachable(advertised, known.services.device)
        except ValueError as error:
            raise DeviceRefused(self.name, f"the camera names a service by what is {error}") from None

    def _profile(self, known: _Known, *, any_encoding: bool = False) -> onvif.Profile:
        wanted = [each for each in known.profiles if each.token == self._options.profile]
        playable = wanted or [each for each in known.profiles if each.encoding == H264]
        if self._options.profile and not wanted:
            tokens = ", ".join(each.token for each in known.profiles[:PROFILES_TOLD]) or "none"
            raise DeviceRefused(self.name, f"no profile {self._options.profile!r}; the camera has {tokens}")
        if not playable and any_encoding:
            playable = list(known.profiles)
        if not playable:
            found = ", ".join(sorted({each.encoding for each in known.profiles if each.encoding})) or "no video"
            raise DeviceRefused(self.name, f"no profile is H.264 (there is {found}); set the substream to H.264")
        best = min if self._options.stream is Stream.SUB else max
        return best(playable, key=lambda each: (each.dots, each.bitrate_kbps or 0))

    def _motor(self, known: _Known) -> tuple[str, str]:
        """The PTZ service and a profile with a motor."""
        movable = [each.token for each in known.profiles if each.ptz]
        if not known.services.ptz or not movable:
            raise DeviceRefused(self.name, "the camera cannot be moved: it has no PTZ")
        return self._reach(known, known.services.ptz), movable[0]

    def _tell(self, health: Health, detail: str) -> None:
        if health is self._health:
            return
        self._health = health
        log.info("%s is %s: %s", self.name, health.value, detail)
        self._emit(HealthChanged(self.name, health, detail, self._clock.now(), self._clock.monotonic()))


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Run it to its end, also when whoever waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def check_camera(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """What the options do not say by themselves."""
    assert isinstance(options, OnvifOptions)
    errors: list[str] = []
    if profile is not None:
        errors.append("profile: a camera has none")
    if bool(options.user) != (options.password is not None):
        errors.append("options.password: `user` and `password` go together")
    if options.certificate and not options.https:
        errors.append("options.certificate: is looked at only with `https = true`")
    if len(set(options.inputs.values())) != len(options.inputs):
        errors.append("options.inputs: two names for one token")
    return errors


CAMERA = DriverCode(options=OnvifOptions, factory=OnvifCamera, check=check_camera)

"""A simulated ONVIF camera on loopback: users, a clock of its own, profiles, snapshots, a motor, events, discovery.

What it does as cameras do: it names itself by an address that nobody can reach; a token in another time than its own
is refused, one that comes twice too; snapshots want HTTP Digest; a subscription ends when nobody renews it; a reboot
forgets all subscriptions.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from firmware_bridge.clock import Clock, SystemClock
from firmware_bridge.codecs import FrameError, soap
from firmware_bridge.codecs.ws_discovery import Match
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators import onvif_replies as replies
from firmware_bridge.simulators.base import Action, SimulatorContext, do
from firmware_bridge.simulators.http_end import LOOPBACK, HttpEnd, HttpReply, HttpRequest
from firmware_bridge.simulators.onvif_probes import ProbeAnswers
from firmware_bridge.simulators.onvif_replies import Event, SimulatedProfile

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

USER, SECRET = "station", "onvif_simulator.password"
# An address of the documentation range: what the camera believes, and nobody can reach.
OWN_HOST = "192.0.2.64"
TOKEN_AGE_S_MAX = 60
NONCES_MAX = 64
SUBSCRIPTIONS_MAX = 4
EVENTS_MAX = 64
PULL_S_MAX = 30
SNAPSHOT_PATH = "/snapshot.jpg"
REALM = "simulated camera"
PROFILES = (
    SimulatedProfile("main", "H264", 1280, 720, 2048),
    SimulatedProfile("sub", "H264", 640, 360, 384),
    SimulatedProfile("still", "JPEG", 320, 180, 256),
)
INPUT = "AlarmIn_1"


class Refusal(Exception):
    """A fault to answer with: its subcodes, outermost first."""

    def __init__(self, *subcodes: str, reason: str) -> None:
        super().__init__(reason)
        self.subcodes = subcodes


@dataclass(slots=True)
class PullPoint:
    events: deque[Event]
    ends_s: float
    lifetime_s: int
    came: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Motor:
    """Position and speed; positions end at -1 and 1."""

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    speed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    since_s: float = 0.0

    def at(self, now_s: float) -> tuple[float, float, float]:
        pan, tilt, zoom = (
            min(1.0, max(-1.0, place + speed * (now_s - self.since_s)))
            for place, speed in zip(self.position, self.speed, strict=True)
        )
        return pan, tilt, zoom

    def turn(self, speed: tuple[float, float, float], now_s: float) -> None:
        self.position, self.speed, self.since_s = self.at(now_s), speed, now_s


class SimulatedCamera:
    """The camera itself. `profiles`, `ptz` and `snapshots` may be changed while it runs."""

    def __init__(self, password: str, *, clock: Clock | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.http = HttpEnd(self._answer, tls=tls)
        self.profiles: tuple[SimulatedProfile, ...] = PROFILES
        self.media = "trt"  # tr2: it has the newer media service only
        self.ptz = True
        self.snapshots = True
        self.basic_only = False  # it asks for HTTP Basic instead of Digest
        self.digest_only = False  # SOAP wants HTTP Digest too, and no token
        self.challenges = 0
        self.without: frozenset[str] = frozenset()  # operations that it does not know
        self.timeouts = True  # of a move; else it takes none
        self.muted = False
        self.own_host = OWN_HOST  # how it names itself
        self.references = False  # subscriptions are told apart by a header, else by their address
        self.ahead = timedelta()  # of its clock
        self.asked: deque[str] = deque(maxlen=256)  # operations, as they came
        self.keyframes: list[str] = []
        self.on_change: Callable[[], None] = lambda: None  # it was asked something, or its motor turned
        self.motor = Motor()
        self.properties: dict[tuple[str, tuple[str, str]], tuple[str, str]] = {
            ("VideoSource/MotionAlarm", ("Source", "lens")): ("State", "false"),
            ("Device/Trigger/DigitalInput", ("InputToken", INPUT)): ("LogicalState", "false"),
        }
        self.pull_points: dict[str, PullPoint] = {}
        self._clock = clock or SystemClock()
        self._password = password
        self._scheme = "http" if tls is None else "https"
        self._nonces: deque[str] = deque(maxlen=NONCES_MAX)
        self._challenge = uuid.uuid4().hex
        self._halt: asyncio.TimerHandle | None = None
        self._operations: Mapping[str, Callable[[Element], str]] = {
            "GetServices": lambda _: replies.services(self._addresses()),
            "GetCapabilities": lambda _: replies.capabilities(self._addresses()),
            "GetDeviceInformation": lambda _: replies.information("Yizhan", "Simulated camera", "1.2.3", "SIM-0001"),
            "GetProfiles": lambda _: replies.profiles(self.media, self.profiles, ptz=self.ptz),
            "GetStreamUri": self._stream_uri,
            "GetSnapshotUri": self._snapshot_uri,
            "SetSynchronizationPoint": self._keyframe,
            "ContinuousMove": self._move,
            "Stop": self._stop,
            "CreatePullPointSubscription": self._subscribe,
        }

    def stop(self) -> None:
        """Cancel what is due."""
        if self._halt is not None:
            self._halt.cancel()

    def now(self) -> datetime:
        return (self._clock.now() + self.ahead).astimezone(UTC)

    def set_property(self, topic: str, source: tuple[str, str], data: tuple[str, str]) -> None:
        self.properties[(topic, source)] = data
        self._spread(Event(topic, "Changed", source, data, self.now()))

    def reboot(self) -> None:
        """Subscriptions are forgotten and connections cut."""
        self.pull_points.clear()
        self.http.hang_up()

    def position(self) -> tuple[float, float, float]:
        return self.motor.at(self._clock.monotonic())

    def match(self) -> Match:
        """What it answers to a probe."""
        scopes = ("type/video_encoder", "Profile/Streaming", "name/Simulated%20camera", "hardware/SIM-1")
        return Match(
            endpoint="urn:uuid:5e1f0000-0000-4000-8000-000000000001",
            types=("NetworkVideoTransmitter",),
            scopes=tuple(f"onvif://www.onvif.org/{scope}" for scope in scopes),
            xaddrs=(f"{self._scheme}://{LOOPBACK}:{self.http.port}/onvif/device_service",),
        )

    # --- HTTP

    async def _answer(self, request: HttpRequest) -> HttpReply:
        if self.muted:
            await asyncio.Event().wait()
        if request.method == "GET" and request.path == SNAPSHOT_PATH:
            return self._snapshot(request)
        if request.method != "POST":
            return HttpReply(404, b"")
        if self.digest_only and (challenge := self._challenged(request)) is not None:
            return challenge
        try:
            operation = soap.body_of(request.body)
            header = soap.child(soap.parse(request.body), "Header")
            document = replies.envelope(await self._operate(operation, header, request.path))
        except Refusal as refusal:
            return _soap(400, replies.fault("Sender", refusal.subcodes, str(refusal)))
        except (FrameError, soap.SoapFault) as error:
            return _soap(400, replies.fault("Sender", ("ter:WellFormed",), str(error)))
        return _soap(200, document)

    async def _operate(self, operation: Element, header: Element | None, path: str) -> str:
        name = soap.local(operation)
        self.asked.append(name)
        self.on_change()
        if name == "GetSystemDateAndTime":
            return replies.system_time(self.now())
        if not self.digest_only:
            self._check_token(header)
        if name in self.without:
            raise Refusal("ter:ActionNotSupported", reason=f"{name} is not implemented")
        if name in ("PullMessages", "Renew", "Unsubscribe"):
            return await self._pull_point(name, operation, header, path)
        if name not in self._operations:
            raise Refusal("ter:ActionNotSupported", reason=f"{name} is not implemented")
        return self._operations[name](operation)

    def _check_token(self, header: Element | None) -> None:
        token = soap.child(header, "Security", "UsernameToken") if header is not None else None
        nonce, created = soap.text(token, "Nonce"), soap.text(token, "Created")
        refusal = Refusal("ter:NotAuthorized", reason="Sender not Authorized")
        try:
            at = datetime.fromisoformat(created)
            digest = soap.password_digest(base64.b64decode(nonce, validate=True), created, self._password)
        except ValueError:
            raise refusal from None
        age_s = abs((self.now() - at).total_seconds())
        right = soap.text(token, "Username") == USER and soap.text(token, "Password") == digest
        if not right or age_s > TOKEN_AGE_S_MAX or nonce in self._nonces:
            raise refusal
        self._nonces.append(nonce)

    def _snapshot(self, request: HttpRequest) -> HttpReply:
        given = request.headers.get("authorization", "")
        if self.basic_only:
            if given == "Basic " + base64.b64encode(f"{USER}:{self._password}".encode()).decode():
                return HttpReply(200, _picture(self.position()), {"Content-Type": "image/jpeg"})
            return HttpReply(401, b"", {"WWW-Authenticate": f'Basic realm="{REALM}"'})
        return self._challenged(request) or HttpReply(200, _picture(self.position()), {"Content-Type": "image/jpeg"})

    def _challenged(self, request: HttpRequest) -> HttpReply | None:
        if _digest_fits(request.headers.get("authorization", ""), self._password, self._challenge, request):
            return None
        self.challenges += 1
        challenge = f'Digest realm="{REALM}", nonce="{self._challenge}", qop="auth", algorithm=MD5'
        return HttpReply(401, b"", {"WWW-Authenticate": challenge})

    # --- operations

    def _addresses(self) -> dict[str, str]:
        found = {"tds": "device", self.media: "media", "tev": "events"} | ({"tptz": "ptz"} if self.ptz else {})
        return {prefix: self._own(f"/onvif/{path}_service") for prefix, path in found.items()}

    def _own(self, path: str) -> str:
        return f"{self._scheme}://{self.own_host}{path}"

    def _known_profile(self, operation: Element) -> str:
        token = soap.text(operation, "ProfileToken")
        if token not in [each.token for each in self.profiles]:
            raise Refusal("ter:InvalidArgVal", "ter:NoProfile", reason=f"no profile {token!r}")
        return token

    def _stream_uri(self, operation: Element) -> str:
        token = self._known_profile(operation)
        address = f"rtsp://{USER}:in-the-clear@{OWN_HOST}:554/{token}?transport=tcp"
        return replies.address(self.media, "GetStreamUri", address)

    def _snapshot_uri(self, operation: Element) -> str:
        self._known_profile(operation)
        if not self.snapshots:
            raise Refusal("ter:ActionNotSupported", reason="no snapshots")
        return replies.address(self.media, "GetSnapshotUri", self._own(SNAPSHOT_PATH))

    def _keyframe(self, operation: Element) -> str:
        self.keyframes.append(self._known_profile(operation))
        return replies.empty(self.media, "SetSynchronizationPoint")

    def _move(self, operation: Element) -> str:
        self._known_profile(operation)
        pan_tilt, zoom = (soap.child(operation, "Velocity", axis) for axis in ("PanTilt", "Zoom"))
        asked = soap.text(operation, "Timeout")
        timeout = re.fullmatch(r"PT([0-9.]+)S", asked or "PT10S")
        if timeout is None or (asked and not self.timeouts):
            raise Refusal("ter:InvalidArgVal", "ter:TimeoutNotSupported", reason="timeout")
        speed = (_speed(pan_tilt, "x"), _speed(pan_tilt, "y"), _speed(zoom, "x"))
        self._turn(speed)
        if self._halt is not None:
            self._halt.cancel()
        self._halt = asyncio.get_running_loop().call_later(float(timeout[1]), self._turn, (0.0, 0.0, 0.0))
        return replies.empty("tptz", "ContinuousMove")

    def _stop(self, operation: Element) -> str:
        self._known_profile(operation)
        self._turn((0.0, 0.0, 0.0))
        return replies.empty("tptz", "Stop")

    def _turn(self, speed: tuple[float, float, float]) -> None:
        self.motor.turn(speed, self._clock.monotonic())
        self.on_change()

    # --- events

    def _subscribe(self, operation: Element) -> str:
        self._drop_ended()
        if len(self.pull_points) >= SUBSCRIPTIONS_MAX:
            raise Refusal("ter:SubscribeCreationFailed", reason="too many subscriptions")
        lifetime_s = _seconds(soap.text(operation, "InitialTerminationTime"))
        identity = uuid.uuid4().hex
        states = (Event(topic, "Initialized", source, data, self.now())
                  for (topic, source), data in self.properties.items())  # fmt: skip
        ends_s = self._clock.monotonic() + lifetime_s
        self.pull_points[identity] = PullPoint(deque(states, EVENTS_MAX), ends_s, lifetime_s)
        where = self._own("/onvif/pull" if self.references else f"/onvif/pull/{identity}")
        return replies.subscription(where, identity if self.references else "", self.now(), lifetime_s)

    async def _pull_point(self, name: str, operation: Element, header: Element | None, path: str) -> str:
        self._drop_ended()
        identity = _reference(header) if self.references else path.rpartition("/")[2]
        if soap.text(header, "To") not in ("", self._own(path)):
            raise Refusal("ter:InvalidArgVal", reason="this is addressed to another subscription")
        point = self.pull_points.get(identity)
        if point is None:
            raise Refusal("wsnt:ResourceUnknownFault", reason="no such subscription")
        if name == "Unsubscribe":
            del self.pull_points[identity]
            return replies.empty("wsnt", "Unsubscribe")
        if name == "Renew":
            point.lifetime_s = _seconds(soap.text(operation, "TerminationTime"))
            point.ends_s = self._clock.monotonic() + point.lifetime_s
            return replies.renewed(self.now(), point.lifetime_s)
        wait_s = min(PULL_S_MAX, _seconds(soap.text(operation, "Timeout")))
        count = int(soap.text(operation, "MessageLimit") or 1)
        point.came.clear()
        if not point.events:
            try:
                async with asyncio.timeout(wait_s):
                    await point.came.wait()
            except TimeoutError:
                pass  # an empty answer says that nothing happened
        events = [point.events.popleft() for _ in range(min(count, len(point.events)))]
        return replies.messages(events, self.now(), round(point.ends_s - self._clock.monotonic()))

    def _spread(self, event: Event) -> None:
        for point in self.pull_points.values():
            point.events.append(event)
            point.came.set()

    def _drop_ended(self) -> None:
        now_s = self._clock.monotonic()
        self.pull_points = {identity: each for identity, each in self.pull_points.items() if each.ends_s > now_s}


class OnvifSimulation:
    """The camera as a device of a bridge, and findable."""

    LINE = "it"

    def __init__(self, context: SimulatorContext) -> None:
        password = uuid.UUID(int=context.rng.getrandbits(128)).hex
        context.secrets.write(SECRET, password.encode())
        self.camera = SimulatedCamera(password)
        self._probes = ProbeAnswers(self.camera.match)
        self.device = DeviceConfig(
            driver="onvif_camera",
            line=self.LINE,
            options={"user": USER, "password": SECRET, "inputs": {"gate": INPUT}, "check_s": 1},
        )

    @property
    def line(self) -> LineConfig:
        return LineConfig(url=f"onvif://{LOOPBACK}:{self.camera.http.port}")

    async def __aenter__(self) -> Self:
        self.plug_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        self.camera.stop()
        await self.camera.http.closed()

    def unplug(self) -> None:
        self._probes.close()
        self.camera.http.close()

    def plug_in(self) -> None:
        self.camera.http.open()
        self._probes.open()

    def mute(self, muted: bool) -> None:
        self.camera.muted = muted

    def state(self) -> dict[str, object]:
        pan, tilt, zoom = self.camera.position()
        return {
            "pan": round(pan, 3),
            "tilt": round(tilt, 3),
            "zoom": round(zoom, 3),
            "moving": self.camera.motor.speed != (0.0, 0.0, 0.0),
            "subscriptions": len(self.camera.pull_points),
            "keyframes": len(self.camera.keyframes),
            "noticed": {f"{topic} {source[1]}": data[1] for (topic, source), data in self.camera.properties.items()},
        }

    def act(self, words: Sequence[str]) -> None:
        do(self._actions(), words)

    def _actions(self) -> Mapping[str, Action]:
        camera = self.camera
        return {
            "motion": lambda words: camera.set_property(
                "VideoSource/MotionAlarm", ("Source", "lens"), ("State", _on_off(words))
            ),
            "tamper": lambda words: camera.set_property(
                "VideoSource/GlobalSceneChange/ImagingService", ("Source", "lens"), ("State", _on_off(words))
            ),
            "input": lambda words: camera.set_property(
                "Device/Trigger/DigitalInput", ("InputToken", INPUT), ("LogicalState", _on_off(words))
            ),
            "reboot": lambda words: camera.reboot(),
        }


def _reference(header: Element | None) -> str:
    """A subscription's identity, when it came back as WS-Addressing has it."""
    parameter = soap.child(header, "SubscriptionId") if header is not None else None
    marked = parameter is not None and parameter.get(f"{{{replies.NAMESPACES['wsa5']}}}IsReferenceParameter") == "true"
    return soap.text(parameter) if marked else ""


def _on_off(words: Sequence[str]) -> str:
    return {"on": "true", "off": "false"}[words[0]]


def _speed(axis: Element | None, name: str) -> float:
    try:
        value = float(axis.get(name, "0")) if axis is not None else 0.0
    except ValueError:
        value = 2.0
    if not -1 <= value <= 1:
        raise Refusal("ter:InvalidArgVal", "ter:InvalidVelocity", reason="velocity")
    return value


def _seconds(duration: str) -> int:
    """Of the durations that clients send: PT60S, PT1M, PT1H."""
    found = re.fullmatch(r"PT(?:([0-9]{1,3})H)?(?:([0-9]{1,4})M)?(?:([0-9]{1,6})(?:\.[0-9]+)?S)?", duration or "PT60S")
    if found is None:
        raise Refusal("ter:InvalidArgVal", reason=f"{duration!r} is no duration here")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return min(86_400, hours * 3600 + minutes * 60 + seconds)


def _soap(status: int, document: bytes) -> HttpReply:
    return HttpReply(status, document, {"Content-Type": "application/soap+xml; charset=utf-8"})


def _digest_fits(given: str, password: str, challenge: str, request: HttpRequest) -> bool:
    """RFC 7616, section 3.4, with MD5 and qop=auth."""
    said = {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', given)}
    if not given.startswith("Digest ") or said.get("nonce") != challenge or said.get("uri") != request.path:
        return False
    who = _md5(f"{USER}:{REALM}:{password}")
    what = _md5(f"{request.method}:{request.path}")
    middle = ":".join(said.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
    return said.get("username") == USER and said.get("response") == _md5(f"{who}:{middle}:{what}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _picture(position: tuple[float, float, float]) -> bytes:
    """A JPEG whose colours tell where the camera looks."""
    import numpy as np
    import simplejpeg

    rgb = np.zeros((180, 320, 3), np.uint8)
    rgb[:] = [round(127 * (1 + place)) for place in position]
    return bytes(simplejpeg.encode_jpeg(rgb))

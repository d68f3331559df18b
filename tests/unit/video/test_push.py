"""The station's side of a live view with a scripted camera and a socket that the test holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from station_agent.video.camera import Packet
from station_agent.video.errors import CameraSilent, CameraUnknown
from station_agent.video.h264 import ParameterSets
from station_agent.video.hub_address import HubAddress
from station_agent.video.push import VideoPusher
from station_agent.video.source import Stream
from station_agent.wire.commands import VideoPush
from station_agent.wire.media import LATE_S, Received, Silent, StreamIs, notice

SPS = bytes.fromhex("6742c016da0280bfe58400000300040000030 07a3c58ba80".replace(" ", ""))
STREAM = Stream("h264", b"", ParameterSets.of(SPS, b"\x68\xce\x05\xf2"))
ORDER = VideoPush(camera="door", push_path="/push", ticket="t")


class SetClock:
    now_s = 100.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic(self) -> float:
        return self.now_s

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


class ScriptedCamera:
    """Gives one frame for each `frame()`; `silence()` is a camera that went away."""

    name = "door"
    trouble = None
    live_refusal = None

    def __init__(self) -> None:
        self._coming: asyncio.Queue[Packet | None] = asyncio.Queue()
        self._seq = 0

    def frame(self, key: bool = False) -> None:
        time = self._seq * 6000
        self._coming.put_nowait(Packet(self._seq, STREAM, key, b"\x00\x00\x00\x01\x65", time, 0, 0.0, 1.8e9))
        self._seq += 1

    def silence(self) -> None:
        self._coming.put_nowait(None)

    async def after(self, seq: int, timeout_s: float = 3.0) -> list[Packet]:
        packet = await self._coming.get()
        if packet is None:
            raise CameraSilent(self.name, "it is unplugged")
        return [packet]


class HeldSocket:
    """What was sent is in `sent`; `say` is the hub, `close` too."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.closed = asyncio.Event()
        self._changed = asyncio.Event()
        self._said: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def send(self, message: str | bytes) -> None:
        self.sent.append(message)
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        self._said.put_nowait(None)
        self.closed.set()

    def say(self, message: str | bytes) -> None:
        self._said.put_nowait(message)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._said.get()) is not None:
            yield message

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await self._changed.wait()

    @property
    def kinds(self) -> str:
        """The binary messages' kinds, in order."""
        return "".join(chr(message[0]) for message in self.sent if isinstance(message, bytes))

    @property
    def media_bytes(self) -> int:
        return sum(len(message) for message in self.sent if isinstance(message, bytes))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the tasks of this loop are all that is waited for
            await asyncio.sleep(0)


@pytest.fixture
async def parts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[VideoPusher, ScriptedCamera, list[HeldSocket]]]:
    camera: Any = ScriptedCamera()
    pusher = VideoPusher({"door": camera}, "http://127.0.0.1:1", SetClock())
    sockets: list[HeldSocket] = []

    async def connect(order: VideoPush) -> Any:
        sockets.append(HeldSocket())
        return sockets[-1]

    monkeypatch.setattr(pusher, "_connect", connect)
    service = asyncio.create_task(pusher.run())
    yield pusher, camera, sockets
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_push_begins_with_what_the_stream_is_and_ends_when_the_hub_closes(parts: Any) -> None:
    pusher, camera, sockets = parts
    await pusher.execute(ORDER)
    camera.frame(key=True)
    camera.frame()
    await sockets[0].until(4)
    assert notice(sockets[0].sent[0]) == StreamIs(codec="avc1.42c016", width=640, height=360)
    assert sockets[0].kinds == "ikd"
    assert pusher.watched == {"door"}
    await sockets[0].close()
    await until(lambda: not pusher.watched)
    camera.frame()
    assert pusher.media_bytes == sockets[0].media_bytes


async def test_a_slow_uplink_gets_nothing_before_a_keyframe(parts: Any) -> None:
    pusher, camera, sockets = parts
    await pusher.execute(ORDER)
    camera.frame(key=True)
    await sockets[0].until(3)
    pusher._clock.now_s += LATE_S + 0.1
    camera.frame()
    camera.frame(key=True)
    await until(lambda: pusher.frames_left_out == 2)
    sockets[0].say(Received(bytes=sockets[0].media_bytes).model_dump_json())
    await asyncio.sleep(0)
    camera.frame()
    camera.frame(key=True)
    camera.frame()
    await sockets[0].until(5)
    assert sockets[0].kinds == "ikkd"
    assert pusher.frames_left_out == 3


async def test_a_silent_camera_is_told_once_and_the_push_goes_on_after(parts: Any) -> None:
    pusher, camera, sockets = parts
    await pusher.execute(ORDER)
    camera.silence()
    camera.silence()
    camera.frame(key=True)
    await sockets[0].until(4)
    assert isinstance(notice(sockets[0].sent[0]), Silent)
    assert isinstance(notice(sockets[0].sent[1]), StreamIs)
    assert sockets[0].kinds == "ik"


async def test_a_newer_push_replaces_the_older_one(parts: Any) -> None:
    pusher, camera, sockets = parts
    await pusher.execute(ORDER)
    camera.frame(key=True)
    await sockets[0].until(3)
    await pusher.execute(ORDER)
    await asyncio.wait_for(sockets[0].closed.wait(), 5)
    camera.frame(key=True)
    await sockets[1].until(3)
    assert pusher.watched == {"door"}


@pytest.mark.parametrize("nonsense", [b"binary", "{}", '{"kind":"received","bytes":9999999}'])
async def test_a_hub_that_speaks_nonsense_ends_this_push_only(parts: Any, nonsense: str | bytes) -> None:
    pusher, camera, sockets = parts
    await pusher.execute(ORDER)
    sockets_said = asyncio.wait_for(sockets[0].closed.wait(), 5)
    sockets[0].say(nonsense)
    await sockets_said
    await pusher.execute(ORDER)
    camera.frame(key=True)
    await sockets[1].until(3)


async def test_an_unknown_camera_is_named_with_those_there_are(parts: Any) -> None:
    with pytest.raises(CameraUnknown, match="'attic'; its cameras: door"):
        await parts[0].execute(VideoPush(camera="attic", push_path="/push", ticket="t"))


@pytest.mark.parametrize("url", ["http://hub.example", "ftp://127.0.0.1", "http://127.0.0.1/path", "hub"])
def test_an_address_that_would_send_pictures_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        HubAddress.of(url)


@pytest.mark.parametrize(
    ("url", "websocket"),
    [("https://hub.example:8443/", "wss://hub.example:8443"), ("http://[::1]:8000", "ws://[::1]:8000")],
)
def test_the_media_socket_is_as_secret_as_the_hub_s_address(url: str, websocket: str) -> None:
    assert HubAddress.of(url).websocket == websocket

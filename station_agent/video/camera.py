"""One camera: keeps its connection, and the current GOP as packets for whoever wants a picture or the stream.

    Source (thread) --packets--> ring of the current GOP --+--> picture()  decodes the GOP, newest frame as JPEG
                                                           +--> frames()   newest frames as RGB, while iterated
                                                           +--> after()    packets, for the pusher

Readers keep a sequence number and take what came after it. One that is slower than a GOP finds the ring begun
anew and continues there: at the newest keyframe. So a slow reader needs no queue, and none can hold another up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from station_agent.clock import Clock
from station_agent.video.decode import Decoder, jpeg
from station_agent.video.errors import CameraSilent
from station_agent.video.packager import TIMESCALE
from station_agent.video.source import RawPacket, Source, SourceEnded, Stream

log = logging.getLogger(__name__)

SILENT_S = 3.0  # without a packet for this long, a camera gives no picture
GOP_PACKETS_MAX = 600  # 20 s at 30 fps: beyond it the camera sends no keyframes worth the name
GOP_BYTES_MAX = 16 * 1024 * 1024
RETRY_S_MIN, RETRY_S_MAX = 0.5, 15.0
NOMINAL_TICKS = TIMESCALE // 15
JUMP_TICKS_MAX = 5 * TIMESCALE  # a step of the camera's clock beyond this is a new beginning


@dataclass(frozen=True)
class Frame:
    """One picture: RGB (height, width, 3) and the monotonic time at which the station got it."""

    rgb: NDArray[np.uint8]
    mono_s: float


@dataclass(frozen=True)
class Packet:
    """One access unit on the station's own time line, which only moves forward, also over reconnections.

    `data` is length-prefixed NAL units for H.264, otherwise what the camera sent. Times in 1/90000 s.
    """

    seq: int
    stream: Stream
    key: bool
    data: bytes
    decode_time: int
    composition_offset: int
    mono_s: float
    utc_s: float


class Camera:
    """`run()` is its service; every other method may be called while it runs."""

    def __init__(self, name: str, url: str, clock: Clock) -> None:
        self.name = name
        self.reconnections = 0
        self.overflows = 0
        self._url = url
        self._clock = clock
        self._gop: list[Packet] = []
        self._gop_bytes = 0
        self._next_seq = 0
        self._last_raw: int | None = None
        self._last: Packet | None = None
        self._arrived = asyncio.Event()
        self._trouble = "it has not been connected yet"

    @property
    def online(self) -> bool:
        """Whether packets came within the last SILENT_S seconds."""
        return self._last is not None and self._clock.monotonic() - self._last.mono_s <= SILENT_S

    @property
    def trouble(self) -> str | None:
        """Why no picture comes, for the station's state; None while pictures come."""
        return None if self.online else self._trouble

    @property
    def live_refusal(self) -> str | None:
        """Why this camera's stream cannot be watched live; None when it can, or is not known yet."""
        if self._last is None or self._last.stream.sets is not None:
            return None
        return (
            f"Camera {self.name!r} sends {self._last.stream.codec.upper()}, which browsers do not play everywhere: "
            "pictures work; for live view set the camera's substream to H.264."
        )

    async def run(self) -> None:
        """Keeps the connection until cancelled; a camera that is away is tried again with growing pauses."""
        pause_s = RETRY_S_MIN
        while True:
            seq = self._next_seq
            try:
                await self._connection()
            except SourceEnded as error:
                self._trouble = f"{error}; it is tried again by itself. Check its power, cable and address"
                if self._next_seq > seq:
                    pause_s = RETRY_S_MIN
                if pause_s == RETRY_S_MIN:
                    log.warning("camera %s: %s", self.name, error)
            self.reconnections += 1
            await self._clock.sleep(pause_s * random.uniform(0.75, 1.25))
            pause_s = min(pause_s * 2, RETRY_S_MAX)

    async def picture(self, quality: int = 85) -> bytes:
        """The newest frame as JPEG. Raises CameraSilent when there is none within SILENT_S."""
        gop = await self.after(-1)
        if (rgb := await asyncio.to_thread(_decode_all, gop)) is None:
            raise CameraSilent(self.name, "its stream cannot be decoded. Restart the camera")
        return await asyncio.to_thread(jpeg, rgb, quality)

    async def frames(self) -> AsyncIterator[Frame]:
        """The newest frame each time it is asked for; frames in between are dropped. Raises CameraSilent."""
        decoder: Decoder | None = None
        seq = -1
        while True:
            batch = await self.after(seq)
            if decoder is None or batch[0].seq != seq + 1 or batch[0].stream != decoder.stream:
                decoder = Decoder(batch[0].stream)
            seq = batch[-1].seq
            rgb = await asyncio.to_thread(decoder.newest, [packet.data for packet in batch])
            if rgb is not None:
                yield Frame(rgb, batch[-1].mono_s)

    async def after(self, seq: int, timeout_s: float = SILENT_S) -> list[Packet]:
        """The packets of the current GOP that came after `seq` (-1: all of it), at least one.

        They begin with a keyframe unless they continue at `seq` + 1. Raises CameraSilent after `timeout_s`.
        """
        if seq < 0 and not self.online:
            seq = self._next_seq - 1  # a GOP from before the silence is no picture of now
        try:
            async with asyncio.timeout(timeout_s):
                while not self._gop or self._gop[-1].seq <= seq:
                    await self._arrived.wait()
        except TimeoutError:
            raise CameraSilent(self.name, self.trouble or "its frames carry no keyframe") from None
        first = self._gop[0].seq
        return self._gop[max(0, seq + 1 - first) :]

    async def _connection(self) -> None:
        """Reads one connection to its end in a thread of its own. Raises SourceEnded."""
        loop = asyncio.get_running_loop()
        source = Source(self._url, self._clock)
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def read() -> None:
            outcome: BaseException | None = None
            try:
                source.read(lambda packet: _call(loop, self._take, packet))
            except Exception as error:
                outcome = error
            _call(loop, _settle, ended, outcome)

        thread = threading.Thread(target=read, name=f"camera-{self.name}", daemon=True)
        thread.start()
        try:
            outcome = await asyncio.shield(ended)
        finally:
            source.stop()
            await asyncio.wait({ended})
            thread.join()
        if outcome is not None:
            raise outcome

    def _take(self, raw: RawPacket) -> None:
        packet = self._placed(raw)
        self._last, self._last_raw = packet, raw.dts
        self._next_seq = packet.seq + 1
        if packet.key or (self._gop and packet.stream != self._gop[0].stream):
            self._forget()
        if not self._gop and not packet.key:
            return
        self._gop.append(packet)
        self._gop_bytes += len(packet.data)
        if len(self._gop) > GOP_PACKETS_MAX or self._gop_bytes > GOP_BYTES_MAX:
            self.overflows += 1
            self._forget()
            return
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _forget(self) -> None:
        self._gop = []
        self._gop_bytes = 0

    def _placed(self, raw: RawPacket) -> Packet:
        """The packet on our own time line: the camera's steps are kept, its jumps are not."""
        seq = self._next_seq
        offset = raw.pts - raw.dts if raw.pts is not None and raw.dts is not None else 0
        last = self._last
        if last is None:
            time = 0
        else:
            step = raw.dts - self._last_raw if raw.dts is not None and self._last_raw is not None else None
            if step is None or not 0 < step <= JUMP_TICKS_MAX:
                step = max(NOMINAL_TICKS // 4, round((raw.mono_s - last.mono_s) * TIMESCALE))
            time = last.decode_time + step
        return Packet(seq, raw.stream, raw.key, raw.data, time, offset, raw.mono_s, raw.utc_s)


def _decode_all(gop: list[Packet]) -> NDArray[np.uint8] | None:
    return Decoder(gop[0].stream).newest([packet.data for packet in gop], last=True)


def _call(loop: asyncio.AbstractEventLoop, function: object, *args: object) -> None:
    """Runs it on the loop, unless the loop has been closed meanwhile."""
    assert callable(function)
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *args)


def _settle(future: asyncio.Future[BaseException | None], outcome: BaseException | None) -> None:
    if not future.done():
        future.set_result(outcome)

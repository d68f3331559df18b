"""One connection to a camera or file: a thread that demuxes and hands packets over; nothing is decoded here.

The thread ends within READ_S_MAX when asked to: FFmpeg's blocking read has no other way out. An address may hold
a password, so nothing here repeats it: FFmpeg's messages are taken without the file name that they carry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from station_agent.clock import Clock
from station_agent.video import h264
from station_agent.video.packager import TIMESCALE

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

OPEN_S_MAX = 5.0
READ_S_MAX = 3.0  # a camera at one frame a second is still heard

# Without these FFmpeg studies a stream for two seconds. `nobuffer` would save 60 ms more and throw away what it
# studied: the opening keyframe, so that the first picture came one GOP later.
_RTSP_OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "100000", "probesize": "32"}


class SourceEnded(Exception):
    """No more packets; the message says why, without the address."""


@dataclass(frozen=True)
class Stream:
    """What a decoder must know. `sets` is None for a codec other than H.264, which cannot be watched live."""

    codec: str
    extradata: bytes
    sets: h264.ParameterSets | None


@dataclass(frozen=True)
class RawPacket:
    """One access unit as it came. Times in 1/90000 s, None where the camera gave none."""

    stream: Stream
    key: bool
    data: bytes
    dts: int | None
    pts: int | None
    mono_s: float
    utc_s: float


class Source:
    """`read` runs in a thread until `stop` or the end, which it raises."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def read(self, deliver: Callable[[RawPacket], None]) -> None:
        """Delivers packets until `stop`. Raises SourceEnded when they end before."""
        import av  # a tenth of a second of processor: in this thread, once the door is there
        from av.error import FFmpegError

        try:
            if is_network(self._url):
                with av.open(self._url, options=_RTSP_OPTIONS, timeout=(OPEN_S_MAX, READ_S_MAX)) as container:
                    self._demux(container, deliver, paced=False)
                raise SourceEnded("it ended the stream")
            while not self._stopping.is_set():
                with av.open(self._path()) as container:
                    self._demux(container, deliver, paced=True)
        except FFmpegError as error:
            raise SourceEnded(error.strerror or type(error).__name__) from None
        except h264.BadH264 as error:
            raise SourceEnded(f"its stream is broken: {error}") from None

    def _path(self) -> str:
        path = Path(self._url.removeprefix("file://"))
        if not path.is_file():
            raise SourceEnded(f"there is no file {str(path)!r}")
        return str(path)

    def _demux(self, container: InputContainer, deliver: Callable[[RawPacket], None], *, paced: bool) -> None:
        if not container.streams.video:
            raise SourceEnded("it has no video")
        video = container.streams.video[0]
        started_s = self._clock.monotonic()
        first: int | None = None
        for packet in self._packets(container, video):
            if paced and packet.dts is not None:
                first = packet.dts if first is None else first
                due_s = started_s + (packet.dts - first) / TIMESCALE
                if self._stopping.wait(max(0.0, due_s - self._clock.monotonic())):
                    return
            if self._stopping.is_set():
                return
            deliver(packet)
        if first is None and paced:
            raise SourceEnded("its video holds no frame with a time")

    def _packets(self, container: InputContainer, video: VideoStream) -> Iterator[RawPacket]:
        codec = video.codec_context.name
        extradata = bytes(video.codec_context.extradata or b"")
        is_h264 = codec == "h264"
        width = h264.length_size(extradata)
        sets = h264.parameter_sets(h264.units_of_extradata(extradata), None) if is_h264 and extradata else None
        stream = _stream(codec, extradata, sets)
        for packet in container.demux(video):
            if not packet.size or packet.is_corrupt:
                continue
            data, key = bytes(packet), packet.is_keyframe
            if is_h264:
                units = h264.split(data, width)
                newest = h264.parameter_sets(units, sets)
                if newest is None:
                    continue  # nothing can decode it yet
                if newest is not sets or stream.sets is None:
                    sets, stream = newest, _stream(codec, extradata, newest)
                data, key = h264.sample(units), h264.is_key(units)
                if not data:
                    continue
            factor = float(packet.time_base or 0) * TIMESCALE
            dts = packet.dts if packet.dts is not None else packet.pts
            yield RawPacket(
                stream,
                key,
                data,
                None if dts is None else round(dts * factor),
                None if packet.pts is None else round(packet.pts * factor),
                self._clock.monotonic(),
                self._clock.now().timestamp(),
            )


def _stream(codec: str, extradata: bytes, sets: h264.ParameterSets | None) -> Stream:
    return Stream(codec, extradata if sets is None else sets.avcc, sets)


def is_network(url: str) -> bool:
    return urlsplit(url).scheme in ("rtsp", "rtsps")

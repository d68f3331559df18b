"""Pictures from packets. Only where somebody asked for a picture: live view never decodes.

FFmpeg's library is loaded by the thread that opens a source (source.py): the start of a station does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from station_agent.video.source import Stream

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_LUMA_APART = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "nv12", "gray"})


class Decoder:
    """One stream's decoder. Not for use by two threads at a time."""

    def __init__(self, stream: Stream) -> None:
        import av
        from av.codec.context import Flags
        from av.video.codeccontext import VideoCodecContext

        self.stream = stream
        context = av.CodecContext.create(stream.codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1  # threads over frames would hold each frame back by several
        context.flags |= Flags.low_delay
        if stream.extradata:
            context.extradata = stream.extradata
        self._context = context

    def newest(self, data: Iterable[bytes], *, last: bool = False) -> NDArray[np.uint8] | None:
        """Decodes access units in order; the last picture as RGB (height, width, 3), or None without one.

        `last` says that nothing follows, so that a frame the decoder keeps back for reordering comes out too.
        """
        newest = self._newest(data)
        if last:
            newest = next(reversed(self._context.decode(None)), newest)
        return None if newest is None else np.asarray(newest.to_ndarray(format="rgb24"), np.uint8)

    def newest_luma(self, data: Iterable[bytes]) -> NDArray[np.uint8] | None:
        """The same as its brightness alone (height, width), without a conversion where the codec keeps it apart."""
        newest = self._newest(data)
        if newest is None:
            return None
        if newest.format.name not in _LUMA_APART:
            return np.asarray(newest.to_ndarray(format="gray"), np.uint8)
        plane = newest.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        return np.ascontiguousarray(rows[:, : newest.width])

    def _newest(self, data: Iterable[bytes]) -> VideoFrame | None:
        from av.error import FFmpegError
        from av.packet import Packet

        newest = None
        for unit in data:
            try:
                newest = next(reversed(self._context.decode(Packet(unit))), newest)
            except FFmpegError:
                continue  # one broken frame; the next keyframe heals it
        return newest


def jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A baseline JPEG of (height, width, 3) RGB; quality 1 to 100."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorspace="RGB"))

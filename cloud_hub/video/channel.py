"""What one camera's viewers share: its stream's description, init segment and current GOP. PURE.

A viewer holds a sequence number and takes what came after it. The current GOP is all that is kept: a viewer that
is slower finds it begun anew and goes on at the newest keyframe. So there is no queue for a viewer, and none holds
another up; a new viewer begins with a picture at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from station_agent.wire.media import BadMessage, Chunk, StreamIs

GOP_BYTES_MAX = 16 * 1024 * 1024
GOP_MESSAGES_MAX = 1200


@dataclass(frozen=True)
class Beginning:
    """What goes before the first frame of a stream."""

    stream: StreamIs
    init: bytes


@dataclass(frozen=True)
class Media:
    seq: int
    key: bool
    message: bytes
    beginning: Beginning


class Channel:
    """Fed by one pusher at a time; read by any number of viewers."""

    def __init__(self) -> None:
        self.bytes_in = 0
        self._stream: StreamIs | None = None
        self._beginning: Beginning | None = None
        self._gop: list[Media] = []
        self._gop_bytes = 0
        self._next_seq = 0

    def stream_is(self, stream: StreamIs) -> None:
        self._stream = stream

    def take(self, kind: Chunk, message: bytes) -> None:
        """One binary message of the pusher. Raises BadMessage when it comes out of order."""
        self.bytes_in += len(message)
        if kind is Chunk.INIT:
            if self._stream is None:
                raise BadMessage("an init segment before the stream's description")
            self._beginning = Beginning(self._stream, message)
            self._forget()
            return
        if self._beginning is None:
            raise BadMessage("a frame before the init segment")
        key = kind is Chunk.KEY
        if key:
            self._forget()
        elif not self._gop:
            return  # it depends on frames that nobody has
        if len(self._gop) >= GOP_MESSAGES_MAX or self._gop_bytes + len(message) > GOP_BYTES_MAX:
            self._forget()
            raise BadMessage(f"over {GOP_MESSAGES_MAX} frames or {GOP_BYTES_MAX} bytes without a keyframe")
        self._gop.append(Media(self._next_seq, key, message, self._beginning))
        self._gop_bytes += len(message)
        self._next_seq += 1

    def ended(self) -> None:
        """The pusher has gone: what it sent is no picture of now."""
        self._stream = self._beginning = None
        self._forget()

    def after(self, seq: int) -> list[Media]:
        """What came after `seq`, or the current GOP when that was in an earlier one; empty when nothing did."""
        if not self._gop or self._gop[-1].seq <= seq:
            return []
        return self._gop[max(0, seq + 1 - self._gop[0].seq) :]

    def _forget(self) -> None:
        self._gop = []
        self._gop_bytes = 0

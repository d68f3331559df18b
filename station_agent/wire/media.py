"""What travels on the media sockets: station -> hub -> viewers, and the receipts back. PURE.

    binary:  1 byte kind | fragmented MP4      'i' init segment, 'k' frame that starts a GOP, 'd' any other frame
    text:    JSON, one of the notices below

Each receiver tells, by a timer and not only when something came, how many bytes of binary messages it has taken
(`Received`). From that the sender's `FlowGate` knows when the way is too slow for the stream; it then leaves
frames out up to a keyframe. Without receipts the delay of a slow link grows in buffers that nobody sees.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from station_agent.wire.model import Wire

RECEIPT_PERIOD_S = 0.25
MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # a 4K keyframe has about one
TEXT_BYTES_MAX = 2048
LATE_S = 1.2  # a round trip over 4G and a receipt period fit well inside
UNRECEIVED_BYTES_MAX = 2 * MESSAGE_BYTES_MAX


class Chunk(StrEnum):
    """The first byte of a binary message."""

    INIT = "i"
    KEY = "k"
    DELTA = "d"


class StreamIs(Wire):
    """Goes before each init segment: what the viewer needs to make a decoder."""

    kind: Literal["stream"] = "stream"
    codec: str = Field(pattern=r"^avc1\.[0-9a-f]{6}$")
    width: int = Field(ge=1, le=16384)
    height: int = Field(ge=1, le=16384)


class Silent(Wire):
    """The camera sends nothing now; the socket stays, and the stream goes on when the camera does."""

    kind: Literal["silent"] = "silent"
    detail: str = Field(max_length=300)


class Received(Wire):
    """The receiver has taken this many bytes of binary messages so far. `at_ms` is answered by `HubTime`."""

    kind: Literal["received"] = "received"
    bytes: int = Field(ge=0)
    at_ms: float | None = None


class HubTime(Wire):
    """The hub's clock, so that a viewer can read the frames' times; milliseconds since 1970."""

    kind: Literal["time"] = "time"
    at_ms: float
    hub_ms: float


class Ended(Wire):
    """Goes before the hub closes a viewer's socket: the whole reason, where a close frame has room for 123 bytes."""

    kind: Literal["ended"] = "ended"
    reason: str = Field(max_length=500)


AnyNotice = StreamIs | Silent | Received | HubTime | Ended
_NOTICE: TypeAdapter[AnyNotice] = TypeAdapter(Annotated[AnyNotice, Field(discriminator="kind")])


class BadMessage(ValueError):
    """The peer sent something that is not of this protocol; its socket is closed."""


def notice(text: str) -> AnyNotice:
    """Raises BadMessage."""
    if len(text) > TEXT_BYTES_MAX:
        raise BadMessage(f"a text message of {len(text)} characters; at most {TEXT_BYTES_MAX}")
    try:
        return _NOTICE.validate_json(text)
    except ValidationError as error:
        raise BadMessage(f"not a notice: {error.errors()[0]['msg']}") from None


def chunk(message: bytes) -> Chunk:
    """What a binary message is. Raises BadMessage."""
    try:
        kind = Chunk(message[:1].decode("ascii"))
    except ValueError:
        raise BadMessage(f"a binary message starts with {message[:1]!r}") from None
    if not 9 <= len(message) <= MESSAGE_BYTES_MAX:
        raise BadMessage(f"a binary message of {len(message)} bytes")
    return kind


class FlowGate:
    """Knows what is under way to one receiver, and since when. Bounded by UNRECEIVED_BYTES_MAX."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.received_bytes = 0
        self._under_way: deque[tuple[int, float]] = deque()

    def sent(self, size: int, at_s: float) -> None:
        self.sent_bytes += size
        self._under_way.append((self.sent_bytes, at_s))

    def received(self, total: int) -> None:
        """Raises BadMessage for a receipt that cannot be."""
        if not self.received_bytes <= total <= self.sent_bytes:
            raise BadMessage(f"a receipt for {total} bytes after {self.received_bytes}, of {self.sent_bytes} sent")
        self.received_bytes = total
        while self._under_way and self._under_way[0][0] <= total:
            self._under_way.popleft()

    def late(self, now_s: float) -> bool:
        """Whether the receiver is so far behind that it should get nothing before the next keyframe."""
        if self.sent_bytes - self.received_bytes > UNRECEIVED_BYTES_MAX:
            return True
        return bool(self._under_way) and now_s - self._under_way[0][1] > LATE_S

"""Modbus RTU frames, both directions, and a listener that hears both mixed. PURE. What they say is `modbus_pdu`.

Source: Modbus over Serial Line 1.02, sections 2.2, 2.3, 2.5.1 and 6.2.2.

```
 +------+----------+------------------+-------------+
 | unit | function | data             | CRC-16      |
 | 1    | 1        | 0..252           | 2, low first|
 +------+----------+------------------+-------------+
   unit 0: to everybody, acknowledged by nobody
```

Theory of operation: a frame ends where its function code says, so no reader waits for silence. Bytes that cannot
begin the frame that is due (an echo, noise, another device's answer) are skipped one by one and counted in
`discarded`; a frame counts only with a right CRC.
"""

from __future__ import annotations

from firmware_bridge.codecs import FrameError, Seen
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs.modbus_pdu import (
    BIT_READS,
    COIL_OFF,
    COIL_ON,
    READ_BITS_MAX,
    READ_REGISTERS_MAX,
    REGISTER_READS,
    UNIT_BROADCAST,
    WRITE_BITS_MAX,
    WRITE_REGISTERS_MAX,
    Bits,
    Function,
    Read,
    Refusal,
    Refused,
    Registers,
    Reply,
    Request,
    WriteBits,
    WriteOne,
    WriteRegisters,
    Written,
)

__all__ = [
    "BIT_READS",
    "COIL_OFF",
    "COIL_ON",
    "READ_BITS_MAX",
    "READ_REGISTERS_MAX",
    "REGISTER_READS",
    "UNIT_BROADCAST",
    "WRITE_BITS_MAX",
    "WRITE_REGISTERS_MAX",
    "Bits",
    "Function",
    "Read",
    "Refusal",
    "Refused",
    "Registers",
    "Reply",
    "ReplyParser",
    "Request",
    "RequestParser",
    "Sniffer",
    "WriteBits",
    "WriteOne",
    "WriteRegisters",
    "Written",
    "crc16",
    "encode_reply",
    "encode_request",
]

FRAME_BYTES_MAX = 256  # section 2.3
OVERHEAD_BYTES = 3  # unit and CRC
# A reply is looked for in at most this many bytes: one frame, and as much noise in front of it.
BUFFER_BYTES_MAX = 2 * FRAME_BYTES_MAX


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; on the wire its low byte goes first."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value


def _frame(unit: int, body: bytes) -> bytes:
    framed = bytes((unit,)) + body
    return framed + crc16(framed).to_bytes(2, "little")


def _crc_ok(frame: bytes | bytearray) -> bool:
    return crc16(bytes(frame[:-2])) == int.from_bytes(frame[-2:], "little")


def encode_request(unit: int, request: Request) -> bytes:
    """The frame of a request. Raises ValueError for what no frame can carry."""
    pdu.check_unit(unit, request)
    return _frame(unit, pdu.encode_request(request))


def encode_reply(unit: int, reply: Reply) -> bytes:
    """The frame of a reply; what a device sends."""
    return _frame(unit, pdu.encode_reply(reply))


class ReplyParser:
    """Finds the answer to one request in what the line gives.

    An answer of another unit or function, with another byte count, or with a bad CRC is no answer: it is
    skipped and counted. A write whose echo differs from what was written raises FrameError: the device may
    have done something else.
    """

    def __init__(self, unit: int, request: Request) -> None:
        self._unit = unit
        self._request = request
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes as they came; the reply once it is whole. Raises FrameError when it cannot come."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            size = pdu.reply_size(self._request, buffer[1:3]) if buffer[0] == self._unit else None
            if size is None:
                self._skip()
                continue
            length = OVERHEAD_BYTES + size
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            if not _crc_ok(frame):
                self._skip()
                continue
            del buffer[:length]
            return pdu.decode_reply(self._request, frame[1:-2])
        if self.discarded > BUFFER_BYTES_MAX:
            raise FrameError(f"no reply in {self.discarded} bytes of noise")
        return None

    def _skip(self) -> None:
        del self._buffer[0]
        self.discarded += 1


class RequestParser:
    """What a device hears: requests to any unit. `idle` drops a half frame, as a silence of T3.5 does."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> list[tuple[int, Request]]:
        """Take bytes as they came; every request that became whole, with its unit."""
        buffer = self._buffer
        buffer += data
        found: list[tuple[int, Request]] = []
        while len(buffer) >= 2:
            size = pdu.request_size(buffer[1:7])
            if size is None:
                self._skip()
                continue
            length = OVERHEAD_BYTES + size
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            if not _crc_ok(frame):
                self._skip()
                continue
            del buffer[:length]
            found.append((frame[0], pdu.decode_request(frame[1:-2])))
        return found

    def idle(self) -> None:
        """The line was silent for T3.5: what is half read will never be whole."""
        self.discarded += len(self._buffer)
        self._buffer.clear()

    def _skip(self) -> None:
        del self._buffer[0]
        self.discarded += 1


class Sniffer:
    """Both directions mixed, as a listener on the line hears them: an answer is read by what was asked before it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()
        self._asked: tuple[int, Request] | None = None

    def feed(self, data: bytes) -> list[Seen]:
        self._buffer += data
        return self._frames(final=False)

    def idle(self) -> list[Seen]:
        """The line was silent: what is half read is noise, but a whole frame may stand behind its first bytes."""
        seen = self._frames(final=True)
        return [*seen, *self._end_noise()]

    def _frames(self, *, final: bool) -> list[Seen]:
        seen: list[Seen] = []
        while self._buffer:
            found, may_come = self._at_start()
            if found is None and may_come and not final:
                break
            if found is None:
                self._noise.append(self._buffer.pop(0))
                if len(self._noise) >= FRAME_BYTES_MAX:
                    seen += self._end_noise()
                continue
            seen += self._end_noise()
            seen.append(found)
            del self._buffer[: len(found.data)]
        return seen

    def _end_noise(self) -> list[Seen]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Seen(noise, f"{len(noise)} bytes that are no frame", ok=False)] if noise else []

    def _at_start(self) -> tuple[Seen | None, bool]:
        """The frame that begins the buffer, and whether one may still become whole there."""
        if len(self._buffer) < 2:
            return None, True
        unit, head = self._buffer[0], bytes(self._buffer[1:7])
        may_come = False
        if self._asked is not None and self._asked[0] == unit:
            request = self._asked[1]
            body, more = self._whole(pdu.reply_size(request, head))
            may_come |= more
            if body is not None:
                self._asked = None
                return Seen(_frame(unit, body), f"unit {unit} -> {_answer(request, body)}", ok=True), False
        body, more = self._whole(pdu.request_size(head))
        may_come |= more
        if body is not None:
            request = pdu.decode_request(body)
            self._asked = None if unit == UNIT_BROADCAST else (unit, request)
            who = "all units" if unit == UNIT_BROADCAST else f"unit {unit}"
            return Seen(_frame(unit, body), f"{who} <- {pdu.describe_request(request)}", ok=True), False
        body, more = self._whole(pdu.lone_reply_size(head))
        may_come |= more
        if body is not None:
            text = pdu.describe_reply(pdu.decode_lone_reply(body))
            return Seen(_frame(unit, body), f"unit {unit} -> {text}, unasked", ok=True), False
        return None, may_come

    def _whole(self, size: int | None) -> tuple[bytes | None, bool]:
        """The PDU of a frame of that size with a right CRC, and whether more bytes could bring it."""
        if size is None:
            return None, False
        length = OVERHEAD_BYTES + size
        if len(self._buffer) < length:
            return None, True
        frame = bytes(self._buffer[:length])
        return (frame[1:-2] if _crc_ok(frame) else None), False


def _answer(request: Request, body: bytes) -> str:
    try:
        return pdu.describe_reply(pdu.decode_reply(request, body))
    except FrameError as error:
        return f"{error}"

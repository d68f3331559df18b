"""Modbus TCP frames, both directions, and a listener that hears both mixed. PURE. What they say is `modbus_pdu`.

Source: Modbus Messaging on TCP/IP Implementation Guide 1.0b, sections 3.1.3 and 4.4.2.

```
 +----------------+----------+----------------+------+----------+------------------+
 | transaction    | protocol | length of rest | unit | function | data             |
 | 2              | 2, is 0  | 2, 2..254      | 1    | 1        | 0..252           |
 +----------------+----------+----------------+------+----------+------------------+
   unit: of the device behind a gateway; 255 or 0 is a device that has the address of its own
```

Theory of operation: an answer carries the number of its request, so one that comes too late is known for what it
is and dropped. What does not begin with the number, unit and function that are due is skipped byte by byte and
counted in `discarded`: after half an answer the next one is found again.
"""

from __future__ import annotations

from firmware_bridge.codecs import FrameError, Seen
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs.modbus_pdu import Reply, Request

HEADER_BYTES = 7
FRAME_BYTES_MAX = HEADER_BYTES + pdu.PDU_BYTES_MAX
BUFFER_BYTES_MAX = 2 * FRAME_BYTES_MAX
TRANSACTIONS = 0x10000
# Requests that a listener remembers. A master on one connection waits for each answer; some send a few ahead.
ASKED_MAX = 32


def _frame(transaction: int, unit: int, body: bytes) -> bytes:
    if not 0 <= transaction < TRANSACTIONS:
        raise ValueError(f"transaction {transaction} does not fit 16 bits")
    return transaction.to_bytes(2, "big") + bytes(2) + (len(body) + 1).to_bytes(2, "big") + bytes((unit,)) + body


def encode_request(transaction: int, unit: int, request: Request) -> bytes:
    """The frame of a request. Raises ValueError for what no frame can carry."""
    if not 0 <= unit <= 255:
        raise ValueError(f"unit address {unit} is not 0..255")
    return _frame(transaction, unit, pdu.encode_request(request))


def encode_reply(transaction: int, unit: int, reply: Reply) -> bytes:
    """The frame of a reply; what a device sends."""
    return _frame(transaction, unit, pdu.encode_reply(reply))


class ReplyParser:
    """Finds the answer to one request in what the connection gives; others are skipped and counted.

    A write whose echo differs from what was written raises FrameError: the device may have done something else.
    """

    def __init__(self, transaction: int, unit: int, request: Request) -> None:
        self._start = transaction.to_bytes(2, "big") + bytes(2)
        self._unit = unit
        self._request = request
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes as they came; the reply once it is whole. Raises FrameError when it cannot come."""
        buffer = self._buffer
        buffer += data
        while buffer:
            if not self._may_begin():
                del buffer[0]
                self.discarded += 1
                continue
            if len(buffer) <= HEADER_BYTES or len(buffer) < 6 + pdu.word(buffer, 4):
                break
            body = bytes(buffer[HEADER_BYTES : 6 + pdu.word(buffer, 4)])
            del buffer[: HEADER_BYTES + len(body)]
            return pdu.decode_reply(self._request, body)
        if self.discarded > BUFFER_BYTES_MAX:
            raise FrameError(f"no reply in {self.discarded} bytes that are none")
        return None

    def _may_begin(self) -> bool:
        """Whether the buffer begins as the answer must, as far as it is there."""
        buffer = self._buffer
        if buffer[:4] != self._start[: len(buffer)]:
            return False
        if len(buffer) <= 6:
            return True
        if buffer[6] != self._unit:
            return False
        if len(buffer) == HEADER_BYTES:
            return True
        return pdu.reply_size(self._request, buffer[7:9]) == pdu.word(buffer, 4) - 1


class RequestParser:
    """What a device hears: requests with their transaction and unit."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> list[tuple[int, int, Request]]:
        """Take bytes as they came; every (transaction, unit, request) that became whole."""
        buffer = self._buffer
        buffer += data
        found: list[tuple[int, int, Request]] = []
        while len(buffer) > HEADER_BYTES:
            length = _length(buffer)
            head = buffer[HEADER_BYTES : min(length or 0, HEADER_BYTES + 6)]
            size = pdu.request_size(head) if head else None
            cut = length is not None and len(buffer) < min(length, HEADER_BYTES + 6)
            if length is None or size is None or (not cut and HEADER_BYTES + size != length):
                del buffer[0]
                self.discarded += 1
                continue
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            del buffer[:length]
            found.append((pdu.word(frame, 0), frame[6], pdu.decode_request(frame[HEADER_BYTES:])))
        return found

    def idle(self) -> None:
        """The connection ended: what is half read will never be whole."""
        self.discarded += len(self._buffer)
        self._buffer.clear()


def _length(buffer: bytearray | bytes) -> int | None:
    """Length of the frame whose header begins the buffer; None when none begins there."""
    rest = pdu.word(buffer, 4)
    return 6 + rest if buffer[2] == buffer[3] == 0 and 2 <= rest <= pdu.PDU_BYTES_MAX + 1 else None


class Sniffer:
    """Both directions mixed: a frame whose transaction was asked for before is its answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()
        self._asked: dict[tuple[int, int], Request] = {}

    def feed(self, data: bytes) -> list[Seen]:
        self._buffer += data
        return self._frames(final=False)

    def idle(self) -> list[Seen]:
        """Nothing came for long: what is half read is noise, but a whole frame may stand behind its first bytes."""
        return [*self._frames(final=True), *self._end_noise()]

    def _frames(self, *, final: bool) -> list[Seen]:
        seen: list[Seen] = []
        while self._buffer:
            length = _length(self._buffer) if len(self._buffer) >= 6 else FRAME_BYTES_MAX
            if length is not None and len(self._buffer) < length and not final:
                break
            text = None
            if length is not None and len(self._buffer) >= length:
                text = self._read(bytes(self._buffer[:length]))
            if length is None or text is None:
                self._noise.append(self._buffer.pop(0))
                if len(self._noise) >= FRAME_BYTES_MAX:
                    seen += self._end_noise()
                continue
            seen += self._end_noise()
            seen.append(Seen(bytes(self._buffer[:length]), text, ok=True))
            del self._buffer[:length]
        return seen

    def _end_noise(self) -> list[Seen]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Seen(noise, f"{len(noise)} bytes that are no frame", ok=False)] if noise else []

    def _read(self, frame: bytes) -> str | None:
        """What a whole frame says; None when its function and its length do not fit."""
        transaction, unit, body = pdu.word(frame, 0), frame[6], frame[HEADER_BYTES:]
        who = f"#{transaction} unit {unit}"
        request = self._asked.get((transaction, unit))
        if request is not None and pdu.reply_size(request, body) == len(body):
            del self._asked[transaction, unit]
            try:
                return f"{who} -> {pdu.describe_reply(pdu.decode_reply(request, body))}"
            except FrameError as error:
                return f"{who} -> {error}"
        if pdu.request_size(body) == len(body):
            request = pdu.decode_request(body)
            if len(self._asked) >= ASKED_MAX:
                del self._asked[next(iter(self._asked))]
            self._asked[transaction, unit] = request
            return f"{who} <- {pdu.describe_request(request)}"
        if pdu.lone_reply_size(body) == len(body):
            return f"{who} -> {pdu.describe_reply(pdu.decode_lone_reply(body))}, unasked"
        return None

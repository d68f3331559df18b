"""DL/T 645-2007 frames of electricity meters, both directions, for what is read. PURE.

Source: DL/T 645-2007, sections 5.2 (frame), 7.1-7.3 (read data, read following data, read address), annex A
(data identifiers and formats), annex B (abbreviated addresses).

```
 FE FE FE FE   68  A0 A1 A2 A3 A4 A5  68   C   L   data + 0x33   CS   16
 wake-up 1..4      address, BCD,           |   |   L bytes       sum of all from the first 68, mod 256
 (may be none)     lowest pair first       |   0..200
                                           control: 80 from the meter, 40 refused, 20 more follows, 1F function

 read data     11  DI0 DI1 DI2 DI3              ->  91  DI0..DI3 value        D1  error word
                                                    B1  the same, and more follows
 read address  13  to AA AA AA AA AA AA         ->  93  A0..A5
```
A value is BCD, its lowest pair first; the top bit of the highest pair is the sign. Bytes FF are no value. An
address may be written with AA for pairs that are not known: highest first, or all of them.

Theory of operation: a frame is looked for at every 68. What stands between frames (wake-up bytes do not count)
is skipped byte by byte and counted; a frame counts only with the second 68, a right sum and the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs import FrameError, Seen

WAKE_UP = b"\xfe\xfe\xfe\xfe"
START, END, OFFSET = 0x68, 0x16, 0x33
DATA_BYTES_MAX = 200  # section 5.2.5
HEAD_BYTES = 10
FRAME_BYTES_MAX = HEAD_BYTES + DATA_BYTES_MAX + 2
# A reply is looked for in at most this many bytes: one frame, and as much noise in front of it.
BUFFER_BYTES_MAX = 2 * FRAME_BYTES_MAX
IDENTIFIER_BYTES = 4
ADDRESS_BYTES = 6

FROM_METER, REFUSED, FOLLOWS, FUNCTION = 0x80, 0x40, 0x20, 0x1F
ANY_METER = "AA" * ADDRESS_BYTES
ADDRESS_PATTERN = r"^(?:AA){0,5}(?:[0-9]{2})+$"
_ADDRESS = re.compile(r"(?:AA)*(?:[0-9]{2})*")


class Function(IntEnum):
    READ = 0x11
    READ_ADDRESS = 0x13


ERRORS = {  # the error word, section 7.1.3.4: bit -> what is wrong
    0: "other error",
    1: "no such data",
    2: "wrong password or not authorised",
    3: "this baud rate cannot be set",
    4: "too many year zones",
    5: "too many day periods",
    6: "too many tariffs",
}
NO_SUCH_DATA = 1 << 1


@dataclass(frozen=True, slots=True)
class ReadData:
    """Ask for the value of one data identifier, as DI3 DI2 DI1 DI0."""

    identifier: int


@dataclass(frozen=True, slots=True)
class ReadAddress:
    """Ask who is there; only for a meter that is alone on its line."""


Request = ReadData | ReadAddress


@dataclass(frozen=True, slots=True)
class Data:
    """A value's bytes as they came, lowest pair first. `follows`: the meter has more of it than one frame takes."""

    identifier: int
    value: bytes
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """The meter's number, 12 digits."""

    meter: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The meter's "no"."""

    function: int
    error: int

    @property
    def text(self) -> str:
        bits = [name for bit, name in ERRORS.items() if self.error >> bit & 1]
        return ", ".join(bits) or f"error word {self.error:02x}"


Reply = Data | Address | Refused


@dataclass(frozen=True, slots=True)
class Frame:
    """Any frame with a right sum. `data` is without its offset."""

    meter: str
    control: int
    data: bytes


def encode_address(meter: str) -> bytes:
    """A0..A5. Raises ValueError for what is not 12 digits, or AA in the highest pairs."""
    if len(meter) != 2 * ADDRESS_BYTES or not _ADDRESS.fullmatch(meter):
        raise ValueError(f"{meter!r} is no meter number: 12 digits, of which the first pairs may be AA")
    return bytes.fromhex(meter)[::-1]


def decode_address(data: bytes) -> str:
    """The 12 characters of A0..A5, as a meter's plate shows them."""
    return data[::-1].hex().upper()


def matches(wanted: str, meter: str) -> bool:
    """Whether a meter's number is one that was meant: AA stands for any pair."""
    pairs = range(0, len(wanted), 2)
    return len(meter) == len(wanted) and all(wanted[at : at + 2] in ("AA", meter[at : at + 2]) for at in pairs)


def encode_frame(frame: Frame, *, wake_up: bytes = WAKE_UP) -> bytes:
    """Raises ValueError for a wrong address or too much data."""
    if len(frame.data) > DATA_BYTES_MAX:
        raise ValueError(f"{len(frame.data)} bytes of data, a frame takes {DATA_BYTES_MAX}")
    shifted = bytes((byte + OFFSET) & 0xFF for byte in frame.data)
    head = bytes((START, *encode_address(frame.meter), START, frame.control, len(shifted)))
    body = head + shifted
    return wake_up + body + bytes((sum(body) & 0xFF, END))


def encode_request(meter: str, request: Request) -> bytes:
    """The frame of a request, woken up."""
    match request:
        case ReadData(identifier):
            return encode_frame(Frame(meter, Function.READ, _identifier_bytes(identifier)))
        case ReadAddress():
            return encode_frame(Frame(ANY_METER, Function.READ_ADDRESS, b""))


def encode_reply(meter: str, reply: Reply) -> bytes:
    """What a meter sends."""
    match reply:
        case Data(identifier, value, follows):
            control = FROM_METER | Function.READ | (FOLLOWS if follows else 0)
            return encode_frame(Frame(meter, control, _identifier_bytes(identifier) + value))
        case Address(number):
            return encode_frame(Frame(meter, FROM_METER | Function.READ_ADDRESS, encode_address(number)))
        case Refused(function, error):
            return encode_frame(Frame(meter, FROM_METER | REFUSED | function, bytes((error,))))


def _identifier_bytes(identifier: int) -> bytes:
    return identifier.to_bytes(IDENTIFIER_BYTES, "little")


def decode_bcd(data: bytes, *, signed: bool) -> int | None:
    """The number of a value's bytes without its point; None for bytes that are no digits (FF: no value)."""
    pairs = data[::-1]
    negative = signed and bool(pairs) and bool(pairs[0] & 0x80) and pairs != b"\xff" * len(pairs)
    if negative:
        pairs = bytes((pairs[0] & 0x7F,)) + pairs[1:]
    digits = pairs.hex()
    if not digits.isdecimal():
        return None
    return -int(digits) if negative else int(digits)


def encode_bcd(number: int, size: int, *, signed: bool) -> bytes:
    """`size` bytes, lowest pair first. Raises ValueError for a number that does not fit."""
    digits = f"{abs(number):0{2 * size}d}"
    if len(digits) > 2 * size or (number < 0 and not signed) or (signed and digits[0] > "7"):
        raise ValueError(f"{number} does not fit {size} {'signed ' if signed else ''}bytes of BCD")
    pairs = bytearray(bytes.fromhex(digits))
    if number < 0:
        pairs[0] |= 0x80
    return bytes(pairs[::-1])


def _length_at_start(buffer: bytearray) -> int | None:
    """Length of the frame that may begin here, as far as it is known; None when none can begin here."""
    if buffer[0] != START or (len(buffer) > 7 and buffer[7] != START):
        return None
    if len(buffer) < HEAD_BYTES:
        return HEAD_BYTES + 2
    return HEAD_BYTES + buffer[9] + 2 if buffer[9] <= DATA_BYTES_MAX else None


def _is_whole(frame: bytes) -> bool:
    return frame[-1] == END and sum(frame[:-2]) & 0xFF == frame[-2]


def _decode(frame: bytes) -> Frame:
    data = bytes((byte - OFFSET) & 0xFF for byte in frame[HEAD_BYTES:-2])
    return Frame(decode_address(frame[1:7]), frame[8], data)


class FrameParser:
    """Every frame on a line, of whatever direction and meter, with its bytes. What is no frame is skipped.

    With `keep` what was skipped is kept until it is taken.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._buffer = bytearray()
        self._keep = keep
        self._skipped = bytearray()
        self.discarded = 0

    @property
    def partial(self) -> bool:
        """Whether something is half read."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes, Frame]]:
        """Each frame that became whole: what was skipped (and kept) before it, its bytes, what it is."""
        found: list[tuple[bytes, bytes, Frame]] = []
        self._buffer += data
        while self._buffer:
            length = _length_at_start(self._buffer)
            if length is not None and len(self._buffer) < length:
                break
            raw = bytes(self._buffer[: length or 0])
            if length is None or not _is_whole(raw):
                self._skip(1)
                continue
            del self._buffer[:length]
            found.append((self.take_skipped(), raw, _decode(raw)))
        return found

    def idle(self) -> None:
        """The line was silent: what is half read will never be whole."""
        self._skip(len(self._buffer))

    @property
    def skipped(self) -> int:
        """Bytes that are kept and not yet taken."""
        return len(self._skipped)

    def take_skipped(self) -> bytes:
        """What was skipped and kept since it was last taken."""
        skipped = bytes(self._skipped)
        self._skipped.clear()
        return skipped

    def _skip(self, count: int) -> None:
        gone = self._buffer[:count]
        del self._buffer[:count]
        self.discarded += len(gone) - gone.count(WAKE_UP[0])
        if self._keep:
            self._skipped += gone


class ReplyParser:
    """Finds the answer to one request in what the line gives.

    Frames of other meters, to meters (an echo) and for other data are skipped and counted.
    """

    def __init__(self, meter: str, request: Request) -> None:
        self._meter = meter
        self._request = request
        self._parser = FrameParser()
        self._foreign = 0

    @property
    def discarded(self) -> int:
        return self._parser.discarded + self._foreign

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes as they came; the reply once it is whole. Raises FrameError when it cannot come."""
        for _, raw, frame in self._parser.feed(data):
            reply = decode_reply(frame) if matches(self._meter, frame.meter) else None
            if reply is not None and self._answers(reply):
                return reply
            self._foreign += len(raw)
        if self.discarded > BUFFER_BYTES_MAX:
            raise FrameError(f"no reply in {self.discarded} bytes of noise")
        return None

    def _answers(self, reply: Reply) -> bool:
        match self._request, reply:
            case ReadData(wanted), Data(identifier, _, _):
                return wanted == identifier
            case ReadData(), Refused(function, _):
                return function == Function.READ
            case ReadAddress(), Refused(function, _):
                return function == Function.READ_ADDRESS
            case ReadAddress(), Address():
                return True
        return False


def decode_reply(frame: Frame) -> Reply | None:
    """What a meter's frame says; None for a frame that is no answer to a read."""
    function = frame.control & FUNCTION
    if not frame.control & FROM_METER:
        return None
    if frame.control & REFUSED:
        return Refused(function, frame.data[0]) if len(frame.data) == 1 else None
    if function == Function.READ and len(frame.data) >= IDENTIFIER_BYTES:
        identifier = int.from_bytes(frame.data[:IDENTIFIER_BYTES], "little")
        return Data(identifier, frame.data[IDENTIFIER_BYTES:], bool(frame.control & FOLLOWS))
    if function == Function.READ_ADDRESS and len(frame.data) == ADDRESS_BYTES:
        return Address(decode_address(frame.data))
    return None


def decode_request(frame: Frame) -> Request | None:
    """What a meter is asked; None for a frame that is no read."""
    if frame.control == Function.READ and len(frame.data) == IDENTIFIER_BYTES:
        return ReadData(int.from_bytes(frame.data, "little"))
    if frame.control == Function.READ_ADDRESS and not frame.data:
        return ReadAddress()
    return None


class Sniffer:
    """Reads along on a line, both directions mixed."""

    def __init__(self) -> None:
        self._parser = FrameParser(keep=True)

    def feed(self, data: bytes) -> list[Seen]:
        seen: list[Seen] = []
        for skipped, raw, frame in self._parser.feed(data):
            noise = skipped.rstrip(WAKE_UP[:1])
            if noise:
                seen.append(Seen(noise, f"{len(noise)} bytes of noise", ok=False))
            seen.append(Seen(skipped[len(noise) :] + raw, _tell(frame), ok=True))
        return seen if self._parser.skipped <= BUFFER_BYTES_MAX else seen + self._noise()

    def idle(self) -> list[Seen]:
        self._parser.idle()
        return self._noise()

    def _noise(self) -> list[Seen]:
        noise = self._parser.take_skipped()
        return [Seen(noise, f"{len(noise)} bytes of noise", ok=False)] if noise else []


def _tell(frame: Frame) -> str:
    match decode_request(frame) or decode_reply(frame):
        case ReadData(identifier):
            return f"meter {frame.meter} <- read {identifier:08x}"
        case ReadAddress():
            return "any meter <- read address"
        case Data(identifier, value, follows):
            more = ", more follows" if follows else ""
            return f"meter {frame.meter} -> {identifier:08x} = {value[::-1].hex() or 'nothing'}{more}"
        case Address(meter):
            return f"meter {meter} -> its address"
        case Refused(function, _) as refused:
            return f"meter {frame.meter} -> function {function:02x} refused: {refused.text}"
        case None:
            direction = "->" if frame.control & FROM_METER else "<-"
            return f"meter {frame.meter} {direction} control {frame.control:02x}, {len(frame.data)} bytes"

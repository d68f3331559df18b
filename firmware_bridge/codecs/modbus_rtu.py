"""Modbus RTU frames, both directions. PURE.

Source: Modbus Application Protocol 1.1b3, sections 6.1-6.6, 6.11, 6.12, 7; Modbus over Serial Line 1.02,
sections 2.5.1 and 6.2.2.

```
 +------+----------+------------------+-------------+
 | unit | function | data             | CRC-16      |
 | 1    | 1        | 0..252           | 2, low first|
 +------+----------+------------------+-------------+
   reads    01 02 03 04   address(2) count(2)            ->  bytes(1) data
   writes   05 06         address(2) value(2)            ->  the same, echoed
            0F 10         address(2) count(2) bytes(1) data  ->  address(2) count(2)
   refusal  function | 80     ->  code(1)
```

Theory of operation: the function code fixes how long a frame is, so a frame ends at its last byte and no
reader waits for silence. Bytes that cannot begin the frame that is due (an echo, noise, another device's
answer) are skipped one by one and counted in `discarded`; a frame counts only with a right CRC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs import FrameError

FRAME_BYTES_MAX = 256  # Modbus over Serial Line 1.02, section 2.3
# A reply is looked for in at most this many bytes: one frame, and as much noise in front of it.
BUFFER_BYTES_MAX = 2 * FRAME_BYTES_MAX

COIL_ON = 0xFF00
COIL_OFF = 0x0000

READ_BITS_MAX = 2000
READ_REGISTERS_MAX = 125
WRITE_BITS_MAX = 1968
WRITE_REGISTERS_MAX = 123


class Function(IntEnum):
    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_COILS = 15
    WRITE_REGISTERS = 16


class Refusal(IntEnum):
    """Exception codes (section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    DEVICE_BUSY = 6
    MEMORY_PARITY = 8
    GATEWAY_PATH = 10
    GATEWAY_TARGET = 11


BIT_READS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
REGISTER_READS = (Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS)


@dataclass(frozen=True, slots=True)
class Read:
    """Functions 01-04: `count` bits or registers from `address`."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteOne:
    """Functions 05 and 06. `value` is the raw 16 bits: some boards give FC05 other values than on and off."""

    function: Function
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class WriteBits:
    """Function 15."""

    address: int
    bits: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """Function 16."""

    address: int
    registers: tuple[int, ...]


Request = Read | WriteOne | WriteBits | WriteRegisters


@dataclass(frozen=True, slots=True)
class Bits:
    """Answer to 01 and 02. `bits` are as many as were asked for (a parser knows), else whole bytes of them."""

    function: Function
    bits: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Registers:
    """Answer to 03 and 04: 16 bits each, unsigned."""

    function: Function
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Answer to 15 and 16."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The device's "no": the code of `Refusal`, or another number."""

    function: Function
    code: int

    @property
    def text(self) -> str:
        try:
            return f"exception {self.code:02d} ({Refusal(self.code).name.lower().replace('_', ' ')})"
        except ValueError:
            return f"exception {self.code:02d}"


Reply = Bits | Registers | WriteOne | Written | Refused


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


def _frame(unit: int, pdu: bytes) -> bytes:
    if not 0 <= unit <= 255:
        raise ValueError(f"unit address {unit} is not 0..255")
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def _pack_bits(bits: tuple[bool, ...]) -> bytes:
    packed = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            packed[index // 8] |= 1 << (index % 8)
    return bytes(packed)


def _unpack_bits(data: bytes, count: int) -> tuple[bool, ...]:
    return tuple(bool(data[index // 8] >> (index % 8) & 1) for index in range(count))


def _check_count(name: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"{name}: {count} at once, 1..{most} fit a frame")


def _u16(*values: int) -> bytes:
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"{value} does not fit 16 bits")
    return b"".join(value.to_bytes(2, "big") for value in values)


def encode_request(unit: int, request: Request) -> bytes:
    """The frame of a request. Raises ValueError for what no frame can carry."""
    match request:
        case Read(function, address, count):
            _check_count(function.name, count, READ_BITS_MAX if function in BIT_READS else READ_REGISTERS_MAX)
            return _frame(unit, bytes((function,)) + _u16(address, count))
        case WriteOne(function, address, value):
            return _frame(unit, bytes((function,)) + _u16(address, value))
        case WriteBits(address, bits):
            _check_count("WRITE_COILS", len(bits), WRITE_BITS_MAX)
            data = _pack_bits(bits)
            head = bytes((Function.WRITE_COILS,)) + _u16(address, len(bits))
            return _frame(unit, head + bytes((len(data),)) + data)
        case WriteRegisters(address, registers):
            _check_count("WRITE_REGISTERS", len(registers), WRITE_REGISTERS_MAX)
            data = _u16(*registers)
            head = bytes((Function.WRITE_REGISTERS,)) + _u16(address, len(registers))
            return _frame(unit, head + bytes((len(data),)) + data)


def encode_reply(unit: int, reply: Reply) -> bytes:
    """The frame of a reply; what a device sends."""
    match reply:
        case Bits(function, bits):
            data = _pack_bits(bits)
            return _frame(unit, bytes((function, len(data))) + data)
        case Registers(function, registers):
            data = _u16(*registers)
            return _frame(unit, bytes((function, len(data))) + data)
        case WriteOne(function, address, value):
            return _frame(unit, bytes((function,)) + _u16(address, value))
        case Written(function, address, count):
            return _frame(unit, bytes((function,)) + _u16(address, count))
        case Refused(function, code):
            return _frame(unit, bytes((function | 0x80, code)))


def _crc_ok(frame: bytes | bytearray) -> bool:
    return crc16(bytes(frame[:-2])) == int.from_bytes(frame[-2:], "little")


class ReplyParser:
    """Finds the answer to one request in what the line gives.

    An answer of another unit or function, with another byte count, or with a bad CRC is no answer: it is
    skipped and counted. A write whose echo differs from what was written raises FrameError: the device may
    have done something else.
    """

    def __init__(self, unit: int, request: Request) -> None:
        self._unit = unit
        self._request = request
        self._function = _function_of(request)
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes as they came; the reply once it is whole. Raises FrameError when it cannot come."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            length = self._length_at_start()
            if length is None:
                self._skip()
                continue
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            if not _crc_ok(frame):
                self._skip()
                continue
            del buffer[:length]
            return self._decode(frame)
        if self.discarded > BUFFER_BYTES_MAX:
            raise FrameError(f"no reply in {self.discarded} bytes of noise")
        return None

    def _skip(self) -> None:
        del self._buffer[0]
        self.discarded += 1

    def _length_at_start(self) -> int | None:
        """Length of the frame that may begin the buffer, None when none can."""
        unit, function = self._buffer[0], self._buffer[1]
        if unit != self._unit:
            return None
        if function == self._function | 0x80:
            return 5
        if function != self._function:
            return None
        request = self._request
        if isinstance(request, Read):
            size = (request.count + 7) // 8 if request.function in BIT_READS else 2 * request.count
            if len(self._buffer) > 2 and self._buffer[2] != size:
                return None
            return 5 + size
        return 8

    def _decode(self, frame: bytes) -> Reply:
        if frame[1] & 0x80:
            return Refused(self._function, frame[2])
        match self._request:
            case Read(function, _, count) if function in BIT_READS:
                return Bits(function, _unpack_bits(frame[3:-2], count))
            case Read(function, _, count):
                return Registers(function, _registers(frame[3:-2]))
            case WriteOne() as written:
                echo = WriteOne(written.function, _word(frame, 2), _word(frame, 4))
                if echo != written:
                    raise FrameError(f"echo {echo} is not what was written, {written}")
                return echo
            case WriteBits(address, bits):
                return self._count_echo(frame, address, len(bits))
            case WriteRegisters(address, registers):
                return self._count_echo(frame, address, len(registers))

    def _count_echo(self, frame: bytes, address: int, count: int) -> Written:
        echo = Written(self._function, _word(frame, 2), _word(frame, 4))
        if (echo.address, echo.count) != (address, count):
            raise FrameError(f"echo {echo} is not what was written, {count} from {address}")
        return echo


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
            length = _request_length(buffer)
            if length is None:
                self._skip()
                continue
            if len(buffer) < length:
                break
            frame = bytes(buffer[:length])
            if not _crc_ok(frame):
                self._skip()
                continue
            del buffer[:length]
            found.append((frame[0], _decode_request(frame)))
        return found

    def idle(self) -> None:
        """The line was silent for T3.5: what is half read will never be whole."""
        self.discarded += len(self._buffer)
        self._buffer.clear()

    def _skip(self) -> None:
        del self._buffer[0]
        self.discarded += 1


def _function_of(request: Request) -> Function:
    match request:
        case Read(function, _, _) | WriteOne(function, _, _):
            return function
        case WriteBits():
            return Function.WRITE_COILS
        case WriteRegisters():
            return Function.WRITE_REGISTERS


def _request_length(buffer: bytearray) -> int | None:
    """Length of the request at the start, as far as it is known; None when no request can start here."""
    function = buffer[1]
    if 1 <= function <= 6:
        return 8
    if function not in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        return None
    if len(buffer) < 7:
        return 9
    count, size = _word(buffer, 4), buffer[6]
    wanted = (count + 7) // 8 if function == Function.WRITE_COILS else 2 * count
    most = WRITE_BITS_MAX if function == Function.WRITE_COILS else WRITE_REGISTERS_MAX
    return 9 + size if size == wanted and 1 <= count <= most else None


def _decode_request(frame: bytes) -> Request:
    function = Function(frame[1])
    address, value = _word(frame, 2), _word(frame, 4)
    if function in BIT_READS or function in REGISTER_READS:
        return Read(function, address, value)
    if function is Function.WRITE_COILS:
        return WriteBits(address, _unpack_bits(frame[7:-2], value))
    if function is Function.WRITE_REGISTERS:
        return WriteRegisters(address, _registers(frame[7:-2]))
    return WriteOne(function, address, value)


def _word(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _registers(data: bytes) -> tuple[int, ...]:
    return tuple(_word(data, at) for at in range(0, len(data), 2))

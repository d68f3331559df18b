"""What Modbus says, without the frame around it: requests and replies, both directions. PURE.

Source: Modbus Application Protocol 1.1b3, sections 6.1-6.6, 6.11, 6.12, 7.

```
 +----------+------------------+
 | function | data             |     framed by modbus_rtu (unit before, CRC behind)
 | 1        | 0..252           |     or by modbus_tcp (a header with the unit before)
 +----------+------------------+
   reads    01 02 03 04   address(2) count(2)            ->  bytes(1) data
   writes   05 06         address(2) value(2)            ->  the same, echoed
            0F 10         address(2) count(2) bytes(1) data  ->  address(2) count(2)
   refusal  function | 80     ->  code(1)
```

Theory of operation: the function fixes how long a request is; a reply's length is known from what was asked. So a
frame ends at its last byte and no reader waits for silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs import FrameError

PDU_BYTES_MAX = 253
UNIT_BROADCAST = 0

COIL_ON = 0xFF00
COIL_OFF = 0x0000

READ_BITS_MAX = 2000
READ_REGISTERS_MAX = 125
WRITE_BITS_MAX = 1968
WRITE_REGISTERS_MAX = 123

REFUSED_BIT = 0x80
REFUSAL_BYTES = 2


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


def function_of(request: Request) -> Function:
    match request:
        case Read(function, _, _) | WriteOne(function, _, _):
            return function
        case WriteBits():
            return Function.WRITE_COILS
        case WriteRegisters():
            return Function.WRITE_REGISTERS


def encode_request(request: Request) -> bytes:
    """The PDU of a request. Raises ValueError for what no frame can carry."""
    match request:
        case Read(function, address, count):
            _check_count(function.name, count, READ_BITS_MAX if function in BIT_READS else READ_REGISTERS_MAX)
            return bytes((function,)) + _u16(address, count)
        case WriteOne(function, address, value):
            return bytes((function,)) + _u16(address, value)
        case WriteBits(address, bits):
            _check_count("WRITE_COILS", len(bits), WRITE_BITS_MAX)
            data = _pack_bits(bits)
            return bytes((Function.WRITE_COILS,)) + _u16(address, len(bits)) + bytes((len(data),)) + data
        case WriteRegisters(address, registers):
            _check_count("WRITE_REGISTERS", len(registers), WRITE_REGISTERS_MAX)
            data = _u16(*registers)
            return bytes((Function.WRITE_REGISTERS,)) + _u16(address, len(registers)) + bytes((len(data),)) + data


def encode_reply(reply: Reply) -> bytes:
    """The PDU of a reply; what a device sends."""
    match reply:
        case Bits(function, bits):
            data = _pack_bits(bits)
            return bytes((function, len(data))) + data
        case Registers(function, registers):
            data = _u16(*registers)
            return bytes((function, len(data))) + data
        case WriteOne(function, address, value):
            return bytes((function,)) + _u16(address, value)
        case Written(function, address, count):
            return bytes((function,)) + _u16(address, count)
        case Refused(function, code):
            return bytes((function | REFUSED_BIT, code))


def request_size(head: bytes | bytearray) -> int | None:
    """Length of the request PDU that begins with `head`, at least as far as it is known; None when none can."""
    function = head[0]
    if Function.READ_COILS <= function <= Function.WRITE_REGISTER:
        return 5
    if function not in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        return None
    if len(head) < 6:
        return 6
    count, size = word(head, 3), head[5]
    wanted = (count + 7) // 8 if function == Function.WRITE_COILS else 2 * count
    most = WRITE_BITS_MAX if function == Function.WRITE_COILS else WRITE_REGISTERS_MAX
    return 6 + size if size == wanted and 1 <= count <= most else None


def decode_request(pdu: bytes) -> Request:
    """A request of the right size (`request_size`). Its count may be one that only a refusal answers."""
    function = Function(pdu[0])
    address, value = word(pdu, 1), word(pdu, 3)
    if function in BIT_READS or function in REGISTER_READS:
        return Read(function, address, value)
    if function is Function.WRITE_COILS:
        return WriteBits(address, _unpack_bits(pdu[6:], value))
    if function is Function.WRITE_REGISTERS:
        return WriteRegisters(address, _registers(pdu[6:]))
    return WriteOne(function, address, value)


def reply_size(request: Request, head: bytes | bytearray) -> int | None:
    """Length of the reply PDU to `request` that begins with `head`; None when no reply to it begins so."""
    function = function_of(request)
    if head[0] == function | REFUSED_BIT:
        return REFUSAL_BYTES
    if head[0] != function:
        return None
    if not isinstance(request, Read):
        return 5
    size = (request.count + 7) // 8 if function in BIT_READS else 2 * request.count
    return None if len(head) > 1 and head[1] != size else 2 + size


def reply_bytes(request: Request) -> int:
    """Length of the reply PDU when it is no refusal."""
    size = reply_size(request, bytes((function_of(request),)))
    assert size is not None
    return size


def decode_reply(request: Request, pdu: bytes) -> Reply:
    """The reply to `request`, of the right size. A write whose echo differs raises FrameError: the device may
    have done something else.
    """
    function = function_of(request)
    if pdu[0] & REFUSED_BIT:
        return Refused(function, pdu[1])
    match request:
        case Read(_, _, count) if function in BIT_READS:
            return Bits(function, _unpack_bits(pdu[2:], count))
        case Read():
            return Registers(function, _registers(pdu[2:]))
        case WriteOne():
            echo = WriteOne(function, word(pdu, 1), word(pdu, 3))
            if echo != request:
                raise FrameError(f"echo {echo} is not what was written, {request}")
            return echo
        case WriteBits(address, bits):
            return _count_echo(pdu, address, len(bits))
        case WriteRegisters(address, registers):
            return _count_echo(pdu, address, len(registers))


def _count_echo(pdu: bytes, address: int, count: int) -> Written:
    echo = Written(Function(pdu[0]), word(pdu, 1), word(pdu, 3))
    if (echo.address, echo.count) != (address, count):
        raise FrameError(f"echo {echo} is not what was written, {count} from {address}")
    return echo


def describe_request(request: Request) -> str:
    """One line for a monitor: "read input registers 1..2"."""
    match request:
        case Read(function, address, count):
            return f"{_name(function)} {_range(address, count)}"
        case WriteOne(function, address, value):
            return f"{_name(function)} {address} = {_value(function, value)}"
        case WriteBits(address, bits):
            return f"{_name(Function.WRITE_COILS)} {_range(address, len(bits))} = {_bits(bits)}"
        case WriteRegisters(address, registers):
            return f"{_name(Function.WRITE_REGISTERS)} {_range(address, len(registers))} = {_words(registers)}"


def describe_reply(reply: Reply) -> str:
    """One line for a monitor: "input registers 65301 412"."""
    match reply:
        case Bits(function, bits):
            return f"{_name(function).removeprefix('read ')} {_bits(bits)}"
        case Registers(function, registers):
            return f"{_name(function).removeprefix('read ')} {_words(registers)}"
        case WriteOne(function, address, value):
            return f"did {_name(function)} {address} = {_value(function, value)}"
        case Written(function, address, count):
            return f"did {_name(function)} {_range(address, count)}"
        case Refused(function, _):
            return f"refuses to {_name(function)}: {reply.text}"


def _name(function: Function) -> str:
    return function.name.lower().replace("_", " ")


def _range(address: int, count: int) -> str:
    return f"{address}" if count == 1 else f"{address}..{address + count - 1}"


def _value(function: Function, value: int) -> str:
    if function is Function.WRITE_COIL and value in (COIL_ON, COIL_OFF):
        return "on" if value else "off"
    return str(value)


def _bits(bits: tuple[bool, ...]) -> str:
    return "".join(str(int(bit)) for bit in bits)


def _words(registers: tuple[int, ...]) -> str:
    return " ".join(map(str, registers))


def word(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _registers(data: bytes) -> tuple[int, ...]:
    return tuple(word(data, at) for at in range(0, len(data), 2))


def _pack_bits(bits: tuple[bool, ...]) -> bytes:
    packed = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            packed[index // 8] |= 1 << (index % 8)
    return bytes(packed)


def _unpack_bits(data: bytes, count: int) -> tuple[bool, ...]:
    return tuple(bool(data[index // 8] >> (index % 8) & 1) for index in range(count))


def lone_reply_size(head: bytes | bytearray) -> int | None:
    """Length of a reply PDU whose request was not heard; None when none begins so."""
    function = head[0] & ~REFUSED_BIT
    if function not in set(Function):
        return None
    if head[0] & REFUSED_BIT:
        return REFUSAL_BYTES
    if function not in (*BIT_READS, *REGISTER_READS):
        return 5
    if len(head) < 2:
        return 2
    size = head[1]
    odd = function in REGISTER_READS and size % 2
    return None if odd or not 1 <= size <= PDU_BYTES_MAX - 3 else 2 + size


def decode_lone_reply(pdu: bytes) -> Reply:
    """A reply of the right size (`lone_reply_size`); bits come as whole bytes of them."""
    function = Function(pdu[0] & ~REFUSED_BIT)
    if pdu[0] & REFUSED_BIT:
        return Refused(function, pdu[1])
    if function in BIT_READS:
        return Bits(function, _unpack_bits(pdu[2:], 8 * pdu[1]))
    if function in REGISTER_READS:
        return Registers(function, _registers(pdu[2:]))
    if function in (Function.WRITE_COILS, Function.WRITE_REGISTERS):
        return Written(function, word(pdu, 1), word(pdu, 3))
    return WriteOne(function, word(pdu, 1), word(pdu, 3))


def _check_count(name: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"{name}: {count} at once, 1..{most} fit a frame")


def _u16(*values: int) -> bytes:
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"{value} does not fit 16 bits")
    return b"".join(value.to_bytes(2, "big") for value in values)


def check_unit(unit: int, request: Request) -> None:
    """Raises ValueError for a unit that is none, and for a read of all units at once: nobody answers it."""
    if not 0 <= unit <= 255:
        raise ValueError(f"unit address {unit} is not 0..255")
    if unit == UNIT_BROADCAST and isinstance(request, Read):
        raise ValueError("a broadcast is answered by nobody, so nothing can be read by it")

"""UHPPOTE door controllers (UT0311-L0x): datagrams of 64 bytes on UDP port 60000. PURE.

```
 0     1         2  3   4 5 6 7          8 ...                                  63
 0x17  function  0  0   serial number    fields; numbers little endian, dates and times BCD, unused bytes 0
```
A request and its answer have the same function; an answer says what the controller now has. Without being asked
the controller sends events (function 0x20, the very layout of a status answer) to the listener that was set;
firmware 6.62 begins those with 0x19. A request for serial number 0 is for every controller (discovery).

The maker publishes no document; fields and offsets are those of the `uhppoted` project (uhppote-core 0.9,
messages/*.go, and uhppoted-lib-python 0.9.1, decode.py), which are tested on the hardware.

A card number is what the controller makes of Wiegand bits: an unsigned number of 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from firmware_bridge.codecs import FrameError, Seen
from firmware_bridge.codecs.uhppote_messages import (
    Controller,
    Done,
    Door,
    DoorMode,
    Event,
    Function,
    GetController,
    GetDoor,
    GetEvent,
    GetListener,
    GetStatus,
    Listener,
    OpenDoor,
    Packet,
    RecordSpecialEvents,
    Reply,
    Request,
    SetDoor,
    SetListener,
    Status,
)

PACKET_BYTES = 64
START, START_V6_62 = 0x17, 0x19


def function_of(request: Request) -> Function:
    match request:
        case GetController():
            return Function.GET_CONTROLLER
        case GetStatus():
            return Function.STATUS
        case OpenDoor():
            return Function.OPEN_DOOR
        case GetDoor():
            return Function.GET_DOOR
        case SetDoor():
            return Function.SET_DOOR
        case GetListener():
            return Function.GET_LISTENER
        case SetListener():
            return Function.SET_LISTENER
        case RecordSpecialEvents():
            return Function.RECORD_SPECIAL_EVENTS
        case GetEvent():
            return Function.GET_EVENT


def encode_request(serial: int, request: Request) -> bytes:
    """The datagram of a request."""
    packet = _start(serial, function_of(request))
    match request:
        case OpenDoor(door) | GetDoor(door):
            packet[8] = door
        case SetDoor(door, mode, delay_s):
            packet[8:11] = bytes((door, mode, delay_s))
        case SetListener(address, port, interval_s):
            packet[8:12] = address.packed
            packet[12:14] = port.to_bytes(2, "little")
            packet[14] = interval_s
        case RecordSpecialEvents(enabled):
            packet[8] = enabled
        case GetEvent(index):
            packet[8:12] = _number(index)
    return bytes(packet)


def decode_request(data: bytes) -> tuple[int, Request]:
    """Serial number and request. Raises FrameError for what is none."""
    serial, function = _head(data)
    match function:
        case Function.GET_CONTROLLER:
            return serial, GetController()
        case Function.STATUS:
            return serial, GetStatus()
        case Function.OPEN_DOOR:
            return serial, OpenDoor(data[8])
        case Function.GET_DOOR:
            return serial, GetDoor(data[8])
        case Function.SET_DOOR:
            return serial, SetDoor(data[8], _mode(data[9]), data[10])
        case Function.GET_LISTENER:
            return serial, GetListener()
        case Function.SET_LISTENER:
            return serial, SetListener(IPv4Address(data[8:12]), _value(data, 12, 2), data[14])
        case Function.RECORD_SPECIAL_EVENTS:
            return serial, RecordSpecialEvents(data[8] != 0)
        case Function.GET_EVENT:
            return serial, GetEvent(_value(data, 8, 4))


def encode_reply(serial: int, function: Function, reply: Reply) -> bytes:
    """The datagram of an answer, or of an event (a Status with function STATUS)."""
    packet = _start(serial, function)
    match reply:
        case Controller():
            packet[8:12], packet[12:16], packet[16:20] = (
                reply.address.packed,
                reply.netmask.packed,
                reply.gateway.packed,
            )
            packet[20:26] = reply.mac
            packet[26:28] = reply.version.to_bytes(2, "big")
            if reply.released is not None:
                packet[28:32] = bytes.fromhex(reply.released)
        case Status():
            _put_status(packet, reply)
        case Event():
            _put_event(packet, reply)
        case Door(door, mode, delay_s):
            packet[8:11] = bytes((door, mode, delay_s))
        case Listener(address, port, interval_s):
            packet[8:12] = address.packed
            packet[12:14] = port.to_bytes(2, "little")
            packet[14] = interval_s
        case Done(ok):
            packet[8] = ok
    return bytes(packet)


def decode_reply(data: bytes) -> Packet:
    """An answer or an event. Raises FrameError for what is neither."""
    serial, function = _head(data)
    return Packet(serial, function, _reply(function, data))


def _reply(function: Function, data: bytes) -> Reply:
    match function:
        case Function.GET_CONTROLLER:
            return Controller(
                IPv4Address(data[8:12]),
                IPv4Address(data[12:16]),
                IPv4Address(data[16:20]),
                bytes(data[20:26]),
                int.from_bytes(data[26:28], "big"),
                _digits(data[28:32]),
            )
        case Function.STATUS:
            return _status(data)
        case Function.GET_EVENT:
            return _event(data)
        case Function.GET_DOOR | Function.SET_DOOR:
            return Door(data[8], _mode(data[9]), data[10])
        case Function.GET_LISTENER:
            return Listener(IPv4Address(data[8:12]), _value(data, 12, 2), data[14])
        case Function.OPEN_DOOR | Function.SET_LISTENER | Function.RECORD_SPECIAL_EVENTS:
            return Done(data[8] != 0)


class ReplyParser:
    """Waits for the answer to one request. A datagram is whole or it is nothing: none is ever joined to another.

    Events may come in between: they go to `unasked`.
    """

    def __init__(self, serial: int, request: Request, unasked: Callable[[Status], None]) -> None:
        self._serial = serial
        self._request = request
        self._function = function_of(request)
        self._unasked = unasked
        self.discarded = 0

    def feed(self, data: bytes) -> Reply | None:
        """Take a datagram: the answer, or None."""
        try:
            packet = decode_reply(data)
        except FrameError:
            self.discarded += len(data)
            return None
        if packet.serial == self._serial:
            if packet.function is self._function and self._is_about_what_was_asked(packet.reply):
                return packet.reply
            if isinstance(packet.reply, Status):
                self._unasked(packet.reply)
                return None
        self.discarded += len(data)
        return None

    def _is_about_what_was_asked(self, reply: Reply) -> bool:
        match self._request, reply:
            case ((GetDoor(door) | SetDoor(door, _, _)), Door(answered, _, _)):
                return door == answered
        return True


class Sniffer:
    """Datagrams of both directions as one line each; card numbers are left out.

    Most requests cannot be mistaken for answers, since their unused bytes are 0. Where a request and its answer
    look alike, the first one is the request and the next one to the same serial number its answer.
    """

    _ALIKE = (Function.OPEN_DOOR, Function.SET_DOOR, Function.RECORD_SPECIAL_EVENTS)

    def __init__(self) -> None:
        self._asked: tuple[int, Function] | None = None

    def feed(self, data: bytes) -> list[Seen]:
        """One datagram, or several that were written down together."""
        if not data or len(data) % PACKET_BYTES:
            return [Seen(data, f"{len(data)} bytes that are no datagram of a controller", False)] if data else []
        return [self._see(data[at : at + PACKET_BYTES]) for at in range(0, len(data), PACKET_BYTES)]

    def idle(self) -> list[Seen]:
        """A datagram is never half read."""
        return []

    def _see(self, data: bytes) -> Seen:
        try:
            serial, function = _head(data)
            if self._is_request(serial, function, data):
                self._asked = (serial, function)
                return Seen(data, f"{serial} <- {decode_request(data)[1]}", True)
            self._asked = None
            return Seen(data, f"{serial} -> {decode_reply(data).reply}", True)
        except FrameError as error:
            return Seen(data, str(error), False)

    def _is_request(self, serial: int, function: Function, data: bytes) -> bool:
        if data[0] == START_V6_62:
            return False
        if function in self._ALIKE:
            return self._asked != (serial, function)
        if function is Function.SET_LISTENER:
            return any(data[9:15])
        used = {Function.GET_DOOR: 9, Function.GET_EVENT: 12}.get(function, 8)
        return not any(data[used:])


def _start(serial: int, function: Function) -> bytearray:
    packet = bytearray(PACKET_BYTES)
    packet[0], packet[1] = START, function
    packet[4:8] = _number(serial)
    return packet


def _head(data: bytes) -> tuple[int, Function]:
    if len(data) != PACKET_BYTES:
        raise FrameError(f"{len(data)} bytes, a datagram of a controller has {PACKET_BYTES}")
    try:
        function = Function(data[1])
    except ValueError:
        raise FrameError(f"function 0x{data[1]:02x} is not known here") from None
    if data[0] != START and (data[0] != START_V6_62 or function is not Function.STATUS):
        raise FrameError(f"begins with 0x{data[0]:02x}")
    return _value(data, 4, 4), function


def _mode(value: int) -> DoorMode:
    try:
        return DoorMode(value)
    except ValueError:
        raise FrameError(f"{value} is no mode of a door") from None


def _status(data: bytes) -> Status:
    return Status(
        event=_event(data) if _value(data, 8, 4) else None,
        open=(data[28] != 0, data[29] != 0, data[30] != 0, data[31] != 0),
        pressed=(data[32] != 0, data[33] != 0, data[34] != 0, data[35] != 0),
        error=data[36],
        at=_digits(b"\x20" + data[51:54] + data[37:40]) if any(data[51:54]) else None,
        sequence=_value(data, 40, 4),
        special=data[48],
        relays=data[49],
        inputs=data[50],
    )


def _put_status(packet: bytearray, status: Status) -> None:
    if status.event is not None:
        _put_event(packet, status.event)
    packet[28:32] = bytes(status.open)
    packet[32:36] = bytes(status.pressed)
    packet[36] = status.error
    packet[40:44] = _number(status.sequence)
    packet[48:51] = bytes((status.special, status.relays, status.inputs))
    if status.at is not None:
        bcd = bytes.fromhex(status.at)
        packet[51:54], packet[37:40] = bcd[1:4], bcd[4:7]


def _event(data: bytes) -> Event:
    return Event(
        index=_value(data, 8, 4),
        kind=data[12],
        granted=data[13] != 0,
        door=data[14],
        direction=data[15],
        card=_value(data, 16, 4),
        at=_digits(data[20:27]),
        reason=data[27],
    )


def _put_event(packet: bytearray, event: Event) -> None:
    packet[8:12] = _number(event.index)
    packet[12:16] = bytes((event.kind, event.granted, event.door, event.direction))
    packet[16:20] = _number(event.card)
    if event.at is not None:
        packet[20:27] = bytes.fromhex(event.at)
    packet[27] = event.reason


def _digits(bcd: bytes) -> str | None:
    """Decimal digits; None when they are not decimal, or all 0."""
    text = bcd.hex()
    return text if text.isdecimal() and any(bcd) else None


def _value(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], "little")


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")

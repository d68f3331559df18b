"""OSDP frames, both directions. PURE. What they say is in `osdp_commands` and
`osdp_replies`, who may read it in `osdp_secure`.

Source: SIA OSDP 2.2 (IEC 60839-11-5:2020), sections 5.5-5.9 and annex C (check characters), annex D (security block).

```
 +------+-----+---------+---------+---------------+------+------+-------+-----------+
 | mark | SOM | address | length  | control       | SCB  | code | data  | MAC       | check
 | FF   | 53  | 1       | 2, LSB  | 1             | 2..  | 1    | 0..   | 4, if SCS | 1 or 2
 +------+-----+---------+---------+---------------+------+------+-------+ 15..18    +
          |     |         |         |               `- length(1), kind(1), length - 2 bytes
          |     |         |         `- bits 0-1 sequence, bit 2: CRC-16 and not a checksum, bit 3: there is a SCB
          |     |         `- of everything from SOM to the check
          |     `- 0..126 a reader, 127 whoever is there; bit 7: it is a reply
          `- everything from here is checked and, with a MAC, authenticated
```

Theory of operation: the panel asks, the reader answers with the same sequence number. 0 begins anew (and ends a
Secure Channel), then 1, 2, 3, 1, ... A panel that heard no answer repeats the very same frame; a reader that hears
the last number again repeats its answer and does nothing twice. The length says where a frame ends, so nobody
waits for silence; what cannot begin a frame is skipped byte by byte and counted in `discarded`. The mark before a
frame is an idle line and never counted.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

from firmware_bridge.codecs import FrameError, Seen
from firmware_bridge.codecs.osdp_commands import CommandCode, describe_command
from firmware_bridge.codecs.osdp_replies import ReplyCode, describe_reply

MARK = 0xFF
SOM = 0x53
ADDRESS_MAX = 126
BROADCAST = 127
REPLY_BIT = 0x80

SEQUENCE_BITS = 0x03
CRC_BIT = 0x04
SCB_BIT = 0x08
RESERVED_BITS = 0xF0

HEADER_BYTES = 5
LENGTH_END = 4  # as many bytes say how long a frame is
MAC_BYTES = 4
# Marks that a listener keeps for the frame that may follow them; more of them are a line that is stuck.
MARKS_MAX = 64
# Section 5.5: the longest message there may be. A reader takes at least 128; what we ask for stays below.
FRAME_BYTES_MAX = 1440
# The longest answer that the panel waits for: a list of capabilities, encrypted, has about 90 bytes.
REPLY_BYTES_MAX = 320

CRC_START = 0x1D0F  # annex C: CCITT, x^16 + x^12 + x^5 + 1

# Kinds of security blocks from which on a frame carries a MAC (annex D.1.3).
SCS_11, SCS_12, SCS_13, SCS_14, SCS_15, SCS_16, SCS_17, SCS_18 = range(0x11, 0x19)


@dataclass(frozen=True, slots=True)
class SecurityBlock:
    """Which step of a Secure Channel a frame is: SCS_11 .. SCS_18, and its own bytes."""

    kind: int
    data: bytes = b""

    @property
    def has_mac(self) -> bool:
        return SCS_15 <= self.kind <= SCS_18

    @property
    def encrypted(self) -> bool:
        return self.kind in (SCS_17, SCS_18)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it is on the wire: `data` may be encrypted, `mac` is not verified yet."""

    address: int
    is_reply: bool
    sequence: int
    code: int
    data: bytes = field(default=b"", repr=False)  # card numbers, PINs and keys travel here
    security: SecurityBlock | None = None
    mac: bytes = field(default=b"", repr=False)
    crc: bool = True  # check by CRC-16; False: by the one-byte checksum

    @property
    def has_mac(self) -> bool:
        """Whether its security block says so."""
        return self.security is not None and self.security.has_mac


def crc16(data: bytes) -> int:
    """Annex C.1."""
    return binascii.crc_hqx(data, CRC_START)


def checksum(data: bytes) -> int:
    """Annex C.2: what makes the sum of all bytes 0."""
    return -sum(data) & 0xFF


def next_sequence(sequence: int) -> int:
    """Section 5.9: 0 only begins; after 3 comes 1."""
    return sequence + 1 if sequence < 3 else 1


def encode_body(frame: Frame) -> bytes:
    """What a MAC is made of: everything before it, under the length of the whole frame."""
    block = b""
    if frame.security is not None:
        block = bytes((2 + len(frame.security.data), frame.security.kind)) + frame.security.data
    length = HEADER_BYTES + len(block) + 1 + len(frame.data)
    length += len(frame.mac) + (2 if frame.crc else 1)
    if length > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes, at most {FRAME_BYTES_MAX} may be sent")
    if not 0 <= frame.address <= BROADCAST or not 0 <= frame.sequence <= SEQUENCE_BITS:
        raise ValueError(f"address {frame.address} or sequence {frame.sequence} does not exist")
    control = frame.sequence | CRC_BIT * frame.crc | SCB_BIT * (frame.security is not None)
    address = frame.address | REPLY_BIT * frame.is_reply
    head = bytes((SOM, address, length & 0xFF, length >> 8, control))
    return head + block + bytes((frame.code,)) + frame.data


def encode_frame(frame: Frame) -> bytes:
    """The bytes from SOM to the check. Raises ValueError for what no frame can hold."""
    if frame.mac and (len(frame.mac) != MAC_BYTES or not frame.has_mac):
        raise ValueError(f"a MAC of {len(frame.mac)} bytes does not fit this security block")
    body = encode_body(frame) + frame.mac
    check = crc16(body).to_bytes(2, "little") if frame.crc else bytes((checksum(body),))
    return body + check


def on_wire(frame: bytes) -> bytes:
    """A frame with the mark before it (section 5.6: the line is driven before a message)."""
    return bytes((MARK,)) + frame


def decode_frame(raw: bytes) -> Frame:
    """One whole frame, from SOM to the check. Raises FrameError saying what is wrong with it."""
    if len(raw) < HEADER_BYTES + 2 or raw[0] != SOM:
        raise FrameError("no frame begins here")
    if int.from_bytes(raw[2:4], "little") != len(raw):
        raise FrameError("its length is not what it says")
    control = raw[4]
    if control & RESERVED_BITS:
        raise FrameError(f"control byte {control:02x} has reserved bits")
    crc = bool(control & CRC_BIT)
    end = len(raw) - (2 if crc else 1)
    if crc and crc16(raw[:end]) != int.from_bytes(raw[end:], "little"):
        raise FrameError("its CRC is wrong")
    if not crc and checksum(raw[:end]) != raw[end]:
        raise FrameError("its checksum is wrong")
    security: SecurityBlock | None = None
    at = HEADER_BYTES
    if control & SCB_BIT:
        size = raw[at]
        if size < 2 or at + size > end:
            raise FrameError(f"a security block of {size} bytes")
        security = SecurityBlock(raw[at + 1], bytes(raw[at + 2 : at + size]))
        at += size
    mac = b""
    # Some panels send the block before they have a channel, and no MAC behind it: a reader must refuse that.
    if security is not None and security.has_mac and end - at > MAC_BYTES:
        end -= MAC_BYTES
        mac = bytes(raw[end : end + MAC_BYTES])
    if end <= at:
        raise FrameError("it has no room for a code")
    return Frame(
        address=raw[1] & ~REPLY_BIT,
        is_reply=bool(raw[1] & REPLY_BIT),
        sequence=control & SEQUENCE_BITS,
        code=raw[at],
        data=bytes(raw[at + 1 : end]),
        security=security,
        mac=mac,
        crc=crc,
    )


class FrameParser:
    """Frames of anybody on the line, from bytes in any chunks. Keeps at most one unfinished frame.

    `address_bytes`: what may stand behind SOM; a frame of anybody else is then noise, and cannot make the parser
    wait for its end.
    """

    def __init__(self, *, bytes_max: int = FRAME_BYTES_MAX, address_bytes: frozenset[int] | None = None) -> None:
        self._bytes_max = bytes_max
        self._address_bytes = address_bytes
        self._buffer = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they came; every frame that became whole."""
        return [found for found in self.split(data) if isinstance(found, Frame)]

    def split(self, data: bytes) -> list[Frame | bytes]:
        """The same, and between the frames the bytes that were none: nothing that was fed is left out."""
        buffer = self._buffer
        buffer += data
        found: list[Frame | bytes] = []
        noise = bytearray()
        while buffer:
            length = self._length_at_start()
            if length is not None and len(buffer) < max(length, LENGTH_END):
                break
            frame = self._decode_start(length)
            if frame is None:
                noise += self._skip()
                continue
            if noise:
                found.append(bytes(noise))
                noise.clear()
            found.append(frame)
            del buffer[:length]
        if noise:
            found.append(bytes(noise))
        return found

    @property
    def pending(self) -> bytes:
        """What may become a frame."""
        return bytes(self._buffer)

    def idle(self) -> None:
        """The line was silent: what is half read will never be whole."""
        self.discarded += len(self._buffer) - self._buffer.count(MARK)
        self._buffer.clear()

    def _length_at_start(self) -> int | None:
        """Length of the frame that may begin the buffer, 0 while it is not known; None when none can."""
        buffer = self._buffer
        if buffer[0] != SOM:
            return None
        if self._address_bytes is not None and len(buffer) > 1 and buffer[1] not in self._address_bytes:
            return None
        if len(buffer) < LENGTH_END:
            return 0
        length = int.from_bytes(buffer[2:LENGTH_END], "little")
        return length if HEADER_BYTES + 2 <= length <= self._bytes_max else None

    def _decode_start(self, length: int | None) -> Frame | None:
        if length is None:
            return None
        try:
            return decode_frame(bytes(self._buffer[:length]))
        except FrameError:
            return None

    def _skip(self) -> bytes:
        first = bytes(self._buffer[:1])
        del self._buffer[0]
        self.discarded += first[0] != MARK
        return first


class CommandParser(FrameParser):
    """What one reader hears: commands for its address or for whoever is there."""

    def __init__(self, address: int) -> None:
        super().__init__(address_bytes=frozenset((address, BROADCAST)))


class ReplyParser:
    """Finds one reader's answer to the frame with one sequence number.

    An echo of what was sent, another reader's answer and an answer to an earlier frame are none: they are skipped
    and counted. BUSY carries the number 0 (section 7.19), and a reader that lost count refuses under whatever number
    it holds for right: both count when they are not secured.
    """

    def __init__(self, address: int, sequence: int) -> None:
        self._sequence = sequence
        self._parser = FrameParser(bytes_max=REPLY_BYTES_MAX, address_bytes=frozenset((address | REPLY_BIT,)))
        self._late = 0

    @property
    def discarded(self) -> int:
        return self._parser.discarded + self._late

    def feed(self, data: bytes) -> Frame | None:
        """Take bytes as they came; the reply once it is whole. Raises FrameError when it cannot come any more."""
        for frame in self._parser.feed(data):
            if self._is_due(frame):
                return frame
            self._late += len(encode_frame(frame))
        if self.discarded > REPLY_BYTES_MAX:
            raise FrameError(f"no reply in {self.discarded} bytes")
        return None

    def _is_due(self, frame: Frame) -> bool:
        if frame.sequence == self._sequence:
            return True
        return frame.security is None and frame.code in (ReplyCode.BUSY, ReplyCode.NAK)


class Sniffer:
    """Both directions as a listener on the line hears them. Card numbers, keys and PINs are not in its words."""

    def __init__(self) -> None:
        self._parser = FrameParser()
        self._marks = b""

    def feed(self, data: bytes) -> list[Seen]:
        """Take bytes as they came; frames, each with the marks before it, and noise in the order of the line."""
        seen: list[Seen] = []
        for found in self._parser.split(data):
            if isinstance(found, Frame):
                seen.append(Seen(self._marks + encode_frame(found), describe(found), True))
                self._marks = b""
                continue
            noise = (self._marks + found).rstrip(bytes((MARK,)))
            self._marks = (self._marks + found)[len(noise) :]
            if len(self._marks) > MARKS_MAX:
                noise, self._marks = noise + self._marks, b""
            if noise:
                seen.append(_noise(noise))
        return seen

    def idle(self) -> list[Seen]:
        """The line was silent: what is half read is noise."""
        left = self._marks + self._parser.pending
        self._marks = b""
        self._parser.idle()
        return [_noise(left)] if left else []


def describe(frame: Frame) -> str:
    """One line about a frame, without what opens doors."""
    who = "all readers" if frame.address == BROADCAST else f"reader {frame.address}"
    way = "->" if frame.is_reply else "<-"
    if frame.security is not None and frame.security.encrypted and frame.data:
        known = ReplyCode if frame.is_reply else CommandCode
        name = known(frame.code).name if frame.code in set(known) else f"{frame.code:02x}"
        what = f"{name}, secured"
    else:
        what = (describe_reply if frame.is_reply else describe_command)(frame.code, frame.data)
        what += ", secured" if frame.has_mac else ""
    return f"{who} {way} {what} (#{frame.sequence})"


def _noise(data: bytes) -> Seen:
    return Seen(data, f"{len(data)} bytes that are no frame", False)

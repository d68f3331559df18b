"""Alpha / BetaBrite sign packets, both directions. PURE.

Source: Adaptive Micro Systems, Alpha Sign Communications Protocol 9708-8061F: sections 5.1 (packet), 6.1
(TEXT, read and write), 6.2 (SPECIAL FUNCTION), 6.4.1 (SMALL DOTS PICTURE, read and write).

```
 NUL x5  SOH  type  address(2)  { STX  command  data  ETX  sum(4 hex) }...  EOT
                                  |<------ summed, 16 bits ------->|
 TEXT            A label { ESC position mode text }...      0x14 label in a text calls a picture
 read TEXT       B label  ->  the file as it is written; label 0 is the priority file: it is shown over all others
 SMALL DOTS      I label height(2 hex) width(2 hex)  -- 100 ms --  { row of colour digits CR }...
 read DOTS       J label  ->  the picture as it is written
 memory          E$ { label type lock size(4) extra(4) }...          E$ alone clears all
 error status    F*  ->  E* status                                   E4 clears it
```

A sign does not acknowledge a write; reading its error status afterwards is the only way to know. Text
is 7-bit. A picture is at most 31 x 255 dots. The protocol allows packets without a sum; we neither send nor
take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntFlag

from firmware_bridge.codecs import FrameError, Seen

NUL, SOH, STX, ETX, EOT = 0x00, 0x01, 0x02, 0x03, 0x04
CR, ESC = 0x0D, 0x1B
CALL_PICTURE = 0x14
SPEED_1 = 0x15  # ... SPEED_5 = 0x19, the fastest
COLOUR = 0x1C  # a digit follows: 1 red, 2 green, 3 amber
PRIORITY_LABEL = "0"

WAKE_UP = bytes(5)
TYPE_ALL = "Z"
TYPE_REPLY = "0"
BROADCAST = "00"
DOTS_PAUSE_S = 0.1  # after the width bytes, before the rows

WIDTH_MAX, HEIGHT_MAX = 255, 31
TEXT_BYTES_MAX = 1024
# The largest packet: a full picture with its row ends, and room for the frame around it.
PACKET_BYTES_MAX = HEIGHT_MAX * (WIDTH_MAX + 1) + 64


class Mode(Enum):
    """How a text appears (appendix I); the few that a station uses."""

    ROTATE = "a"
    HOLD = "b"
    FLASH = "c"


class ErrorStatus(IntFlag):
    """Serial error status register; the sign always sets bit 6 beside these."""

    PARITY = 0x01
    FRAMING = 0x02
    TIMEOUT = 0x04
    OVERFLOW = 0x08
    CHECKSUM = 0x10
    ILLEGAL = 0x20


ERROR_STATUS_ALWAYS = 0x40


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a TEXT file, shown after the one before it. `body` is raw, control codes included."""

    mode: Mode
    body: bytes


@dataclass(frozen=True, slots=True)
class WriteText:
    label: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ReadText:
    """Answered by the WriteText that made the file."""

    label: str


@dataclass(frozen=True, slots=True)
class ReadDots:
    """Answered by the WriteDots that made the picture."""

    label: str


@dataclass(frozen=True, slots=True)
class WriteDots:
    """A picture: `dots` holds width * height colour numbers 0 (off) to 8, row by row."""

    label: str
    width: int
    height: int
    dots: bytes

    def __post_init__(self) -> None:
        if not (1 <= self.width <= WIDTH_MAX and 1 <= self.height <= HEIGHT_MAX):
            raise ValueError(f"a picture of {self.width}x{self.height}, {WIDTH_MAX}x{HEIGHT_MAX} is the most")
        if len(self.dots) != self.width * self.height:
            raise ValueError(f"{len(self.dots)} dots for a picture of {self.width}x{self.height}")
        if self.dots and max(self.dots) > 8:
            raise ValueError(f"colour {max(self.dots)}, the last one is 8")


@dataclass(frozen=True, slots=True)
class File:
    """A row of the sign's memory table. `size` is bytes, for a picture height << 8 | width."""

    label: str
    kind: str  # A text, B string, D picture
    locked: bool
    size: int
    extra: str  # TEXT: start and stop time, FFFF is always; picture: 2000 is three colours


@dataclass(frozen=True, slots=True)
class SetMemory:
    """Replaces the memory table and empties every file. No files: clears the sign."""

    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class ReadMemory:
    pass


@dataclass(frozen=True, slots=True)
class ReadErrorStatus:
    pass


@dataclass(frozen=True, slots=True)
class ErrorStatusIs:
    """The answer to ReadErrorStatus."""

    status: ErrorStatus


@dataclass(frozen=True, slots=True)
class ClearErrorStatus:
    pass


@dataclass(frozen=True, slots=True)
class Unknown:
    """A command that this codec does not know."""

    data: bytes


Command = (
    WriteText
    | ReadText
    | WriteDots
    | ReadDots
    | SetMemory
    | ReadMemory
    | ReadErrorStatus
    | ErrorStatusIs
    | ClearErrorStatus
    | Unknown
)
Reply = SetMemory | ErrorStatusIs | WriteText | WriteDots


@dataclass(frozen=True, slots=True)
class Packet:
    type_code: str
    address: str
    commands: tuple[Command, ...]


def picture_text(label: str) -> WriteText:
    """The TEXT file that the sign runs by itself, with one picture held in it."""
    return WriteText("A", (Part(Mode.HOLD, bytes((CALL_PICTURE, ord(label)))),))


def called_picture(body: bytes) -> str | None:
    """The label of the picture that a part shows, when it shows nothing else."""
    rest = visible(body)
    return chr(rest[1]) if len(rest) == 2 and rest[0] == CALL_PICTURE else None


def visible(body: bytes) -> bytes:
    """A part's body without the codes for speed and colour."""
    kept = bytearray()
    codes = iter(body)
    for byte in codes:
        if byte == COLOUR:
            next(codes, None)
        elif not SPEED_1 <= byte <= SPEED_1 + 4:
            kept.append(byte)
    return bytes(kept)


def _label(label: str) -> bytes:
    if len(label) != 1 or not 0x20 <= ord(label) <= 0x7E or label == "?":
        raise ValueError(f"{label!r} is no file label")
    return label.encode("ascii")


def _command_parts(command: Command) -> tuple[bytes, ...]:
    """The command's bytes from its code on; more than one part where the sign wants a pause between."""
    match command:
        case WriteText(label, parts):
            data = b"A" + _label(label)
            for part in parts:
                data += bytes((ESC, 0x20)) + part.mode.value.encode("ascii") + part.body
            return (data,)
        case ReadText(label):
            return (b"B" + _label(label),)
        case ReadDots(label):
            return (b"J" + _label(label),)
        case WriteDots(label, width, height, dots):
            rows = bytearray()
            for row in range(height):
                rows += bytes(0x30 + dot for dot in dots[row * width : (row + 1) * width])
                rows.append(CR)
            return (b"I" + _label(label) + f"{height:02X}{width:02X}".encode("ascii"), bytes(rows))
        case SetMemory(files):
            return (b"E$" + b"".join(_file_row(file) for file in files),)
        case ReadMemory():
            return (b"F$",)
        case ReadErrorStatus():
            return (b"F*",)
        case ErrorStatusIs(status):
            return (b"E*" + bytes((ERROR_STATUS_ALWAYS | status,)),)
        case ClearErrorStatus():
            return (b"E4",)
        case Unknown(data):
            return (data,)


def _file_row(file: File) -> bytes:
    lock = "L" if file.locked else "U"
    return _label(file.label) + f"{file.kind}{lock}{file.size:04X}{file.extra}".encode("ascii")


def encode_parts(command: Command, *, type_code: str = TYPE_ALL, address: str = BROADCAST) -> tuple[bytes, ...]:
    """One packet with one command. Between two parts the sign wants DOTS_PAUSE_S of silence."""
    body = _command_parts(command)
    head = WAKE_UP + bytes((SOH,)) + type_code.encode("ascii") + address.encode("ascii") + bytes((STX,))
    total = (STX + ETX + sum(sum(part) for part in body)) & 0xFFFF
    tail = bytes((ETX,)) + f"{total:04X}".encode("ascii") + bytes((EOT,))
    parts = [*body]
    parts[0] = head + parts[0]
    parts[-1] += tail
    return tuple(parts)


def encode(command: Command, *, type_code: str = TYPE_ALL, address: str = BROADCAST) -> bytes:
    """The whole packet in one piece."""
    return b"".join(encode_parts(command, type_code=type_code, address=address))


class PacketParser:
    """Finds packets in what the line gives. A wrong sum, a broken frame or a picture that does not add up
    is dropped and counted in `bad_packets`; bytes outside packets in `discarded` (wake-up NULs are none)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inside = False
        self.discarded = 0
        self.bad_packets = 0
        self.last_error = ""

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes as they came; every right packet that became whole."""
        packets: list[Packet] = []
        for byte in data:
            if byte == SOH:
                if self._inside:
                    self._bad("a new packet began inside one")
                self._inside = True
                self._buffer.clear()
            elif not self._inside:
                self.discarded += byte != NUL
            elif byte == EOT:
                self._inside = False
                try:
                    packets.append(_decode_packet(bytes(self._buffer)))
                except FrameError as error:
                    self._bad(str(error))
            elif len(self._buffer) >= PACKET_BYTES_MAX:
                self._inside = False
                self._bad(f"packet of more than {PACKET_BYTES_MAX} bytes")
            else:
                self._buffer.append(byte)
        return packets

    def _bad(self, why: str) -> None:
        self.bad_packets += 1
        self.last_error = why


class ReplyParser:
    """Waits for a sign's answer of one kind; where files answer, for the one of that label. Other packets (an echo
    of our own) are skipped."""

    def __init__(self, kind: type[Reply], label: str = "") -> None:
        self._kind = kind
        self._label = label
        self._packets = PacketParser()

    @property
    def discarded(self) -> int:
        return self._packets.discarded

    def feed(self, data: bytes) -> Reply | None:
        """The answer once it is whole. Raises FrameError for one that is broken."""
        packets = self._packets.feed(data)
        if self._packets.bad_packets:
            raise FrameError(self._packets.last_error)
        for packet in packets:
            if packet.type_code != TYPE_REPLY:
                continue
            for command in packet.commands:
                if isinstance(command, self._kind) and self._label in ("", getattr(command, "label", "")):
                    return command
        return None


class Sniffer:
    """Packets of both directions as one line each. The zero bytes in front of a packet belong to it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inside = False

    def feed(self, data: bytes) -> list[Seen]:
        seen: list[Seen] = []
        for byte in data:
            if byte == SOH:
                seen += self._noise(keep_wake_up=not self._inside)
                self._inside = True
            self._buffer.append(byte)
            if self._inside and byte == EOT:
                seen.append(_seen(bytes(self._buffer)))
                self._buffer.clear()
                self._inside = False
            elif len(self._buffer) > PACKET_BYTES_MAX:
                seen += self._noise()
        return seen

    def idle(self) -> list[Seen]:
        return self._noise()

    def _noise(self, *, keep_wake_up: bool = False) -> list[Seen]:
        """Give up what is half read, but for the zero bytes that a new packet begins with."""
        data = bytes(self._buffer)
        rest = data.rstrip(b"\0") if keep_wake_up else data
        self._buffer[:] = data[len(rest) :]
        self._inside = False
        return [Seen(rest, f"{len(rest)} bytes that are no packet", False)] if rest else []


def _seen(data: bytes) -> Seen:
    try:
        packet = _decode_packet(data[data.index(SOH) + 1 : -1])
    except FrameError as error:
        return Seen(data, str(error), False)
    way = "->" if packet.type_code == TYPE_REPLY else "<-"
    return Seen(data, f"{packet.address} {way} {', '.join(map(_describe, packet.commands))}", True)


def _describe(command: Command) -> str:
    match command:
        case WriteText(label, parts):
            return f"text {label}: " + " | ".join(repr(visible(part.body).decode("ascii")) for part in parts)
        case WriteDots(label, width, height, _):
            return f"picture {label} of {width}x{height}"
        case SetMemory(files):
            return f"memory of {len(files)} files"
        case ErrorStatusIs(status):
            return f"status {status!r}"
        case ReadText(label) | ReadDots(label):
            return f"read {'text' if isinstance(command, ReadText) else 'picture'} {label}"
        case ReadMemory():
            return "read memory"
        case ReadErrorStatus():
            return "read status"
        case ClearErrorStatus():
            return "clear status"
        case Unknown(data):
            return f"command {data[:2]!r} of {len(data)} bytes"


def _decode_packet(data: bytes) -> Packet:
    """`data` is what stood between SOH and EOT."""
    if len(data) < 4 or data[3] != STX:
        raise FrameError("no command after the address")
    if any(byte & 0x80 for byte in data):
        raise FrameError("a byte with eight bits")
    head = data[:3].decode("ascii")
    commands: list[Command] = []
    rest = data[3:]
    while rest:
        if rest[0] != STX:
            raise FrameError(f"0x{rest[0]:02x} where a command should begin")
        end = rest.find(ETX)
        if end < 0:
            raise FrameError("a command without end and sum")
        given, total = rest[end + 1 : end + 5], sum(rest[: end + 1]) & 0xFFFF
        if given.upper() != f"{total:04X}".encode("ascii"):
            raise FrameError(f"sum {given!r}, the bytes add up to {total:04X}")
        commands.append(_decode_command(rest[1:end]))
        rest = rest[end + 5 :]
    return Packet(head[0], head[1:], tuple(commands))


def _decode_command(data: bytes) -> Command:
    match data[:1]:
        case b"A" if len(data) >= 2:
            return WriteText(_decode_label(data[1]), _decode_text(data[2:]))
        case b"B" if len(data) == 2:
            return ReadText(_decode_label(data[1]))
        case b"J" if len(data) == 2:
            return ReadDots(_decode_label(data[1]))
        case b"I":
            return _decode_dots(data)
        case b"E" if data[1:2] == b"$":
            return SetMemory(_decode_files(data[2:]))
        case b"E" if data[1:2] == b"*" and len(data) == 3:
            return ErrorStatusIs(ErrorStatus(data[2] & ~ERROR_STATUS_ALWAYS))
        case b"F" if data == b"F$":
            return ReadMemory()
        case b"F" if data == b"F*":
            return ReadErrorStatus()
        case b"E" if data == b"E4":
            return ClearErrorStatus()
    return Unknown(data)


def _decode_label(byte: int) -> str:
    label = chr(byte)
    try:
        _label(label)
    except ValueError as error:
        raise FrameError(str(error)) from None
    return label


def _decode_text(data: bytes) -> tuple[Part, ...]:
    parts: list[Part] = []
    before, *pieces = data.split(bytes((ESC,)))
    if before:
        raise FrameError(f"text {before[:8]!r} in front of position and mode")
    for piece in pieces:
        if len(piece) < 2:
            raise FrameError("a text without position and mode")
        try:
            mode = Mode(chr(piece[1]))
        except ValueError:
            mode = Mode.ROTATE
        parts.append(Part(mode, piece[2:]))
    return tuple(parts)


def _decode_dots(data: bytes) -> WriteDots:
    try:
        height, width = int(data[2:4], 16), int(data[4:6], 16)
    except ValueError:
        raise FrameError(f"picture size {data[2:6]!r}") from None
    rows = data[6:].split(bytes((CR,)))
    if len(rows) != height + 1 or rows[-1] or any(len(row) != width for row in rows[:-1]):
        raise FrameError(f"the rows do not make a picture of {width}x{height}")
    dots = bytes(byte - 0x30 for row in rows for byte in row if 0x30 <= byte <= 0x38)
    try:
        return WriteDots(_decode_label(data[1]), width, height, dots)
    except ValueError as error:
        raise FrameError(str(error)) from None


def _decode_files(data: bytes) -> tuple[File, ...]:
    if len(data) % 11:
        raise FrameError(f"a memory table of {len(data)} bytes, rows are 11")
    files: list[File] = []
    for at in range(0, len(data), 11):
        row = data[at : at + 11].decode("ascii")
        try:
            size = int(row[3:7], 16)
        except ValueError:
            raise FrameError(f"memory row {row!r}") from None
        files.append(File(_decode_label(data[at]), row[1], row[2] == "L", size, row[7:]))
    return tuple(files)

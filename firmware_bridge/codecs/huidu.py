"""Packets of Huidu full-colour cards, both directions. PURE.

Source: the vendor's SDK for full-colour cards as it was published: its structures and command numbers (HStruct.h),
its minimal client (HDSDK.cpp, transport version 0x1000009) and the notes on the negotiation, on sending files and
on error codes beside it. All numbers are little-endian; the length counts the whole packet.

```
 u16 length | u16 command | ...
   0x2001 u32 version                        ->   0x2002 u32 version          the transport's version
   0x2003 u32 total u32 index, piece of XML  ->   0x2004 the same             one document in pieces of 9200 bytes
   0x8001 md5 (32 hex digits) 00 u64 size u16 type name 00
                                             ->   0x8002 u16 status u64 bytes that the card already holds
   0x8003 content, in pieces                      (0x8004 is not waited for)
   0x8005                                    ->   0x8006 u16 status
   0x005f                                    ->   0x0060                      heartbeat
                                                  0x2000 u16 status           something went wrong
```
Between 0x8001 and 0x8006 nothing else may be sent. A card that holds a part of a file of that name wants the rest
of it only, whatever the content: the name of a file must change with its content.

Cards are found by datagrams to port 10001: `u32 version, u16 0x1001`, answered by `u32 version, u16 0x1002, id (15),
u32 change`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs import FrameError, Seen

HEAD = struct.Struct("<HH")
PIECE = struct.Struct("<II")
FILE_START = struct.Struct("<33sQH")
FILE_START_ANSWER = struct.Struct("<HQ")

SEARCH = struct.Struct("<IH")
SEARCH_ANSWER = struct.Struct("<IH15sI")
SEARCH_ASK, SEARCH_ANSWERED = 0x1001, 0x1002
SEARCH_PORT = 10001

TRANSPORT_VERSION = 0x1000009
PIECE_BYTES_MAX = 9200
# A packet holds at most 9 kB; what claims to be much more is noise.
PACKET_BYTES_MAX = 16 * 1024
# The program list of a card with some dozens of programs; a screenshot is not asked for.
DOCUMENT_BYTES_MAX = 256 * 1024
NAME_BYTES_MAX = 120
MD5_DIGITS = 32


class Command(IntEnum):
    """Every number that the vendor's header lists for the port of the SDK."""

    HEARTBEAT_ASK = 0x005F
    HEARTBEAT_ANSWER = 0x0060
    ERROR_ANSWER = 0x2000
    VERSION_ASK = 0x2001
    VERSION_ANSWER = 0x2002
    XML_ASK = 0x2003
    XML_ANSWER = 0x2004
    GPS_ANSWER = 0x3007
    FILE_START_ASK = 0x8001
    FILE_START_ANSWER = 0x8002
    FILE_CONTENT_ASK = 0x8003
    FILE_CONTENT_ANSWER = 0x8004
    FILE_END_ASK = 0x8005
    FILE_END_ANSWER = 0x8006
    READ_FILE_ASK = 0x8007
    READ_FILE_ANSWER = 0x8008


class FileType(IntEnum):
    """What a file is for. The temporary kinds stay in the card's memory and are gone with its power."""

    IMAGE = 0
    VIDEO = 1
    FONT = 2
    TEMPORARY_IMAGE = 128


STATUS_OK = 0
# By number; the notes on error codes list them in this order.
_STATUS_NAMES = (
    "kSuccess kWriteFinish kProcessError kVersionTooLow kDeviceOccupa kFileOccupa kReadFileExcessive kInvalidPacketLen "
    "kInvalidParam kNotSpaceToSave kCreateFileFailed kWriteFileFailed kReadFileFailed kInvalidFileData "
    "kFileContentError kOpenFileFailed kSeekFileFailed kRenameFailed kFileNotFound kFileNotFinish kXmlCmdTooLong "
    "kInvalidXmlIndex kParseXmlFailed kInvalidMethod"
)


def status_name(status: int) -> str:
    """As the vendor calls it."""
    names = _STATUS_NAMES.split()
    return names[status] if status < len(names) else f"error {status}"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    version: int
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class XmlPiece:
    """Bytes `index`.. of a document of `total` bytes."""

    total: int
    index: int
    data: bytes
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class FileStart:
    """`md5` in small hex digits."""

    md5: str
    size: int
    file_type: int
    name: str

    def __post_init__(self) -> None:
        if len(self.md5) != MD5_DIGITS or set(self.md5) - set("0123456789abcdef"):
            raise ValueError(f"{self.md5!r} is no md5 in small hex digits")
        if not 1 <= len(self.name.encode()) <= NAME_BYTES_MAX or not self.name.isprintable():
            raise ValueError(f"{self.name!r} is no file name of at most {NAME_BYTES_MAX} bytes")


@dataclass(frozen=True, slots=True)
class FileStartAnswer:
    status: int
    existing: int


@dataclass(frozen=True, slots=True)
class FileContent:
    data: bytes


@dataclass(frozen=True, slots=True)
class FileEnd:
    pass


@dataclass(frozen=True, slots=True)
class FileEndAnswer:
    status: int


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    status: int


@dataclass(frozen=True, slots=True)
class Other:
    """A packet that is known by its number only."""

    command: Command
    body: bytes


Message = (
    Heartbeat
    | Version
    | XmlPiece
    | FileStart
    | FileStartAnswer
    | FileContent
    | FileEnd
    | FileEndAnswer
    | ErrorAnswer
    | Other
)


def encode(message: Message) -> bytes:
    """One packet. Raises ValueError for one that is too long."""
    command, body = _parts(message)
    length = HEAD.size + len(body)
    if length > PACKET_BYTES_MAX:
        raise ValueError(f"a packet of {length} bytes, {PACKET_BYTES_MAX} is the most")
    return HEAD.pack(length, command) + body


def _parts(message: Message) -> tuple[Command, bytes]:
    match message:
        case Heartbeat(is_answer):
            return (Command.HEARTBEAT_ANSWER if is_answer else Command.HEARTBEAT_ASK), b""
        case Version(version, is_answer):
            return (Command.VERSION_ANSWER if is_answer else Command.VERSION_ASK), version.to_bytes(4, "little")
        case XmlPiece(total, index, data, is_answer):
            return (Command.XML_ANSWER if is_answer else Command.XML_ASK), PIECE.pack(total, index) + data
        case FileStart(md5, size, file_type, name):
            return Command.FILE_START_ASK, FILE_START.pack(md5.encode(), size, file_type) + name.encode() + b"\0"
        case FileStartAnswer(status, existing):
            return Command.FILE_START_ANSWER, FILE_START_ANSWER.pack(status, existing)
        case FileContent(data):
            return Command.FILE_CONTENT_ASK, data
        case FileEnd():
            return Command.FILE_END_ASK, b""
        case FileEndAnswer(status):
            return Command.FILE_END_ANSWER, status.to_bytes(2, "little")
        case ErrorAnswer(status):
            return Command.ERROR_ANSWER, status.to_bytes(2, "little")
        case Other(command, body):
            return command, body


def encode_document(data: bytes, *, is_answer: bool = False) -> tuple[bytes, ...]:
    """The packets of one XML document."""
    if not 0 < len(data) <= DOCUMENT_BYTES_MAX:
        raise ValueError(f"a document of {len(data)} bytes, {DOCUMENT_BYTES_MAX} is the most")
    return tuple(
        encode(XmlPiece(len(data), at, data[at : at + PIECE_BYTES_MAX], is_answer))
        for at in range(0, len(data), PIECE_BYTES_MAX)
    )


def encode_content(data: bytes) -> tuple[bytes, ...]:
    """The packets of a file's content, without start and end."""
    return tuple(encode(FileContent(data[at : at + PIECE_BYTES_MAX])) for at in range(0, len(data), PIECE_BYTES_MAX))


def decode(packet: bytes) -> Message:
    """One whole packet. Raises FrameError."""
    length, number = HEAD.unpack_from(packet) if len(packet) >= HEAD.size else (0, 0)
    if length != len(packet):
        raise FrameError(f"a packet of {len(packet)} bytes that says it has {length}")
    try:
        command = Command(number)
    except ValueError:
        raise FrameError(f"command 0x{number:04x}") from None
    body = packet[HEAD.size :]
    try:
        return _decode_body(command, body)
    except (struct.error, ValueError) as error:
        raise FrameError(f"{command.name} of {length} bytes: {error}") from None


def _decode_body(command: Command, body: bytes) -> Message:
    match command:
        case Command.HEARTBEAT_ASK | Command.HEARTBEAT_ANSWER:
            _length(body, 0)
            return Heartbeat(command is Command.HEARTBEAT_ANSWER)
        case Command.VERSION_ASK | Command.VERSION_ANSWER:
            _length(body, 4)
            return Version(int.from_bytes(body, "little"), command is Command.VERSION_ANSWER)
        case Command.XML_ASK | Command.XML_ANSWER:
            total, index = PIECE.unpack_from(body)
            data = body[PIECE.size :]
            if total > DOCUMENT_BYTES_MAX or index + len(data) > total:
                raise ValueError(f"bytes {index}..{index + len(data)} of a document of {total}")
            return XmlPiece(total, index, data, command is Command.XML_ANSWER)
        case Command.FILE_START_ASK:
            md5, size, file_type = FILE_START.unpack_from(body)
            name = body[FILE_START.size :]
            if md5[-1:] != b"\0" or name[-1:] != b"\0":
                raise ValueError("md5 and name end with 0")
            return FileStart(md5[:-1].decode("ascii"), size, file_type, name[:-1].decode())
        case Command.FILE_START_ANSWER:
            status, existing = FILE_START_ANSWER.unpack(body)
            return FileStartAnswer(status, existing)
        case Command.FILE_CONTENT_ASK:
            return FileContent(body)
        case Command.FILE_END_ASK:
            _length(body, 0)
            return FileEnd()
        case Command.FILE_END_ANSWER:
            _length(body, 2)
            return FileEndAnswer(int.from_bytes(body, "little"))
        case Command.ERROR_ANSWER:
            _length(body, 2)
            return ErrorAnswer(int.from_bytes(body, "little"))
    return Other(command, body)


def _length(body: bytes, wanted: int) -> None:
    if len(body) != wanted:
        raise ValueError(f"{wanted} bytes belong into it")


def encode_search() -> bytes:
    """The datagram that every card answers."""
    return SEARCH.pack(TRANSPORT_VERSION, SEARCH_ASK)


def encode_search_answer(card: str) -> bytes:
    """A card's answer; its id is a model and a number, as in C16L-D00-A000F."""
    return SEARCH_ANSWER.pack(TRANSPORT_VERSION, SEARCH_ANSWERED, card.encode("ascii"), 0)


def decode_search_answer(data: bytes) -> str:
    """The id of a card. Raises FrameError for a datagram that is none; newer cards may say more behind."""
    if len(data) < SEARCH_ANSWER.size:
        raise FrameError(f"an answer of {len(data)} bytes, {SEARCH_ANSWER.size} are the fewest")
    _, command, name, _ = SEARCH_ANSWER.unpack_from(data)
    card = name.rstrip(b"\0").decode("ascii", "replace")
    if command != SEARCH_ANSWERED or not card.isascii() or not card.isprintable() or not card:
        raise FrameError(f"no answer of a card: command 0x{command:04x}")
    return str(card)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the stream: a packet as it was read, or bytes that are none (`message` is None, `why` says so)."""

    data: bytes
    message: Message | None
    why: str = ""


class Splitter:
    """Cuts a stream into packets. Bytes that cannot begin one are noise, and each of them is tried for the next."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a packet that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        noise, why = bytearray(), ""
        while len(self._buffer) >= HEAD.size:
            length, number = HEAD.unpack_from(self._buffer)
            if not HEAD.size <= length <= PACKET_BYTES_MAX or number not in _NUMBERS:
                noise.append(self._buffer.pop(0))
                continue
            if len(self._buffer) < length:
                break
            packet = bytes(self._buffer[:length])
            try:
                message = decode(packet)
            except FrameError as error:
                # The length itself may be noise: only its first byte is given up.
                why = why or str(error)
                noise.append(self._buffer.pop(0))
                continue
            if noise:
                pieces.append(Piece(bytes(noise), None, why or "no packet"))
                noise, why = bytearray(), ""
            pieces.append(Piece(packet, message))
            del self._buffer[:length]
        if noise:
            pieces.append(Piece(bytes(noise), None, why or "no packet"))
        return pieces

    def idle(self) -> list[Piece]:
        """Nothing more comes: what is half read is noise."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return [Piece(rest, None, "half a packet")] if rest else []


_NUMBERS = frozenset(Command)


class PacketParser:
    """Messages out of a stream; what was none is counted in `discarded`."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self.discarded = 0

    def feed(self, data: bytes) -> list[Message]:
        messages: list[Message] = []
        for piece in self._splitter.feed(data):
            if piece.message is None:
                self.discarded += len(piece.data)
            else:
                messages.append(piece.message)
        return messages


class Joiner:
    """Puts the pieces of documents together, in order. A piece out of order drops what came before it."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._total = 0

    def add(self, piece: XmlPiece) -> bytes | None:
        """The document once it is whole. Raises FrameError for a piece that continues nothing."""
        if piece.index == 0:
            self._data.clear()
            self._total = piece.total
        if piece.index != len(self._data) or piece.total != self._total:
            have, self._total = len(self._data), 0
            self._data.clear()
            raise FrameError(f"a piece from byte {piece.index} on of {piece.total}, {have} bytes came before")
        self._data += piece.data
        if len(self._data) < self._total:
            return None
        document = bytes(self._data)
        self._data.clear()
        return document


class Sniffer:
    """Packets of both directions as one line each. Pictures and documents are named, not shown."""

    def __init__(self) -> None:
        self._splitter = Splitter()

    def feed(self, data: bytes) -> list[Seen]:
        return [_seen(piece) for piece in self._splitter.feed(data)]

    def idle(self) -> list[Seen]:
        return [_seen(piece) for piece in self._splitter.idle()]


def _seen(piece: Piece) -> Seen:
    if piece.message is None:
        return Seen(piece.data, f"{len(piece.data)} bytes: {piece.why}", False)
    return Seen(piece.data, _describe(piece.message), True)


def _describe(message: Message) -> str:
    match message:
        case Heartbeat(is_answer):
            return "-> heartbeat" if is_answer else "<- heartbeat"
        case Version(version, is_answer):
            return f"{'->' if is_answer else '<-'} transport version 0x{version:x}"
        case XmlPiece(total, index, data, is_answer):
            whole = "" if len(data) == total else f", bytes {index}..{index + len(data)}"
            return f"{'->' if is_answer else '<-'} XML of {total} bytes{whole}"
        case FileStart(md5, size, file_type, name):
            return f"<- file {name!r} of {size} bytes, type {file_type}, md5 {md5[:8]}.."
        case FileStartAnswer(status, existing):
            return f"-> file: {status_name(status)}, holds {existing} bytes"
        case FileContent(data):
            return f"<- {len(data)} bytes of the file"
        case FileEnd():
            return "<- end of the file"
        case FileEndAnswer(status):
            return f"-> end of the file: {status_name(status)}"
        case ErrorAnswer(status):
            return f"-> error: {status_name(status)}"
        case Other(command, body):
            return f"{command.name.lower()} with {len(body)} bytes"

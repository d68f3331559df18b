"""OSDP replies: a code and its data bytes <-> dataclasses, both directions. PURE.

Source: SIA OSDP 2.2 (IEC 60839-11-5:2020), section 7, annex A (codes), annex B (functions of a reader). Numbers of
more than one byte go low byte first.

```
 40 ACK     -                                    50 RAW     reader format bits(2) data
 41 NAK     reason                               51 FMT     reader direction n text
 45 PDID    vendor(3) model version serial(4)    53 KEYPAD  reader n keys
            firmware(3)                          54 COM     address baud(4)
 46 PDCAP   (function level items)*              76 CCRYPT  unit(8) random(8) cryptogram(16)
 48 LSTATR  tamper power                         78 RMAC_I  mac(16)
 49 ISTATR  state*                               79 BUSY    -
 4A OSTATR  state*
 4B RSTATR  state*
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.osdp_fields import (
    KEY_BYTES,
    RANDOM_BYTES,
    UNIT_BYTES,
    number,
    records,
    sized,
    u16,
    u32,
    wrong_size,
)

ABILITY_BYTES = 3
IDENTITY_BYTES = 12
RAW_HEAD_BYTES = 4
READER_TAMPER = 2


class ReplyCode(IntEnum):
    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    KEYPAD = 0x53
    COM = 0x54
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79


class NakReason(IntEnum):
    """Section 7.3."""

    CHECK = 1  # check character or MAC
    LENGTH = 2
    UNKNOWN_COMMAND = 3
    SEQUENCE = 4
    SECURITY_UNSUPPORTED = 5
    SECURITY_REQUIRED = 6
    BIOMETRIC_TYPE = 7
    BIOMETRIC_FORMAT = 8
    RECORD = 9


class Function(IntEnum):
    """What a reader can do (annex B)."""

    CONTACTS = 1
    OUTPUTS = 2
    CARD_FORMAT = 3
    LED = 4
    BUZZER = 5
    TEXT = 6
    TIME = 7
    CHECK = 8
    SECURITY = 9
    RECEIVE_BUFFER = 10
    LARGEST_MESSAGE = 11
    SMART_CARD = 12
    READERS = 13
    BIOMETRICS = 14


@dataclass(frozen=True, slots=True)
class Ack:
    """Done, and nothing to tell."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Ask the same again later."""


@dataclass(frozen=True, slots=True)
class Nak:
    """No, with a reason of `NakReason` or another number."""

    reason: int
    details: bytes = b""

    @property
    def text(self) -> str:
        if self.reason in set(NakReason):
            return NakReason(self.reason).name.lower().replace("_", " ")
        return f"reason {self.reason}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made the reader. `vendor` is the maker's IEEE number."""

    vendor: bytes
    model: int
    version: int
    serial: int
    firmware: tuple[int, int, int]

    def __str__(self) -> str:
        firmware = ".".join(map(str, self.firmware))
        return f"vendor {self.vendor.hex()} model {self.model} serial {self.serial:08x} firmware {firmware}"


@dataclass(frozen=True, slots=True)
class Ability:
    """One function of a reader: how well it does it, and how many there are."""

    function: int
    level: int
    items: int


@dataclass(frozen=True, slots=True)
class Abilities:
    abilities: tuple[Ability, ...]

    def of(self, function: Function) -> Ability:
        """That function; with level and items 0 when the reader does not name it."""
        for ability in self.abilities:
            if ability.function == function:
                return ability
        return Ability(function, 0, 0)


@dataclass(frozen=True, slots=True)
class LocalStatus:
    tamper: bool
    power_fault: bool


@dataclass(frozen=True, slots=True)
class InputStatus:
    states: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class OutputStatus:
    states: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """A number for each reader behind this address: 0 is well, 1 is not connected, 2 is opened."""

    states: tuple[int, ...]

    @property
    def tamper(self) -> bool:
        return READER_TAMPER in self.states


@dataclass(frozen=True, slots=True)
class RawCard:
    """`bits` bits of a card, the first as the top bit of data[0]. `format` 1 is Wiegand with parity, 0 is unknown."""

    reader: int
    format: int
    bits: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FormattedCard:
    """What a reader made of a card: characters. Withdrawn by OSDP 2.2.2, still sent by old readers."""

    reader: int
    direction: int
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keypad:
    """Keys as ASCII; 7F is the star, 0D the hash (section 7.13)."""

    reader: int
    keys: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Com:
    """The address and baud that hold from now on."""

    address: int
    baud: int


@dataclass(frozen=True, slots=True)
class ClientCryptogram:
    """Who the reader is, its random number (RND.B), and its proof that it has the key."""

    unit: bytes
    random: bytes
    cryptogram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InitialMac:
    """Where the chain of MACs begins."""

    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtherReply:
    """A reply that this codec does not know."""

    code: int
    data: bytes = field(repr=False)


Reply = (
    Ack
    | Busy
    | Nak
    | Identity
    | Abilities
    | LocalStatus
    | InputStatus
    | OutputStatus
    | ReaderStatus
    | RawCard
    | FormattedCard
    | Keypad
    | Com
    | ClientCryptogram
    | InitialMac
    | OtherReply
)


def encode_reply(reply: Reply) -> tuple[int, bytes]:
    """Code and data. Raises ValueError for a number that does not fit its bytes."""
    match reply:
        case Ack():
            return ReplyCode.ACK, b""
        case Busy():
            return ReplyCode.BUSY, b""
        case Nak(reason, details):
            return ReplyCode.NAK, bytes((reason,)) + details
        case Identity(vendor, model, version, serial, firmware):
            return ReplyCode.PDID, vendor + bytes((model, version)) + u32(serial) + bytes(firmware)
        case Abilities(abilities):
            data = b"".join(bytes((one.function, one.level, one.items)) for one in abilities)
            return ReplyCode.PDCAP, data
        case LocalStatus(tamper, power_fault):
            return ReplyCode.LSTATR, bytes((tamper, power_fault))
        case InputStatus(states):
            return ReplyCode.ISTATR, bytes(states)
        case OutputStatus(states):
            return ReplyCode.OSTATR, bytes(states)
        case ReaderStatus(numbers):
            return ReplyCode.RSTATR, bytes(numbers)
        case RawCard(reader, form, bits, data):
            return ReplyCode.RAW, bytes((reader, form)) + u16(bits) + data
        case FormattedCard(reader, direction, text):
            return ReplyCode.FMT, bytes((reader, direction, len(text))) + text
        case Keypad(reader, keys):
            return ReplyCode.KEYPAD, bytes((reader, len(keys))) + keys
        case Com(address, baud):
            return ReplyCode.COM, bytes((address,)) + u32(baud)
        case ClientCryptogram(unit, random, cryptogram):
            return ReplyCode.CCRYPT, unit + random + cryptogram
        case InitialMac(mac):
            return ReplyCode.RMAC_I, mac
        case OtherReply(code, data):
            return code, data
    assert_never(reply)


def decode_reply(code: int, data: bytes) -> Reply:
    """What a reader says. Raises FrameError for data that do not fit the code."""
    try:
        known = ReplyCode(code)
    except ValueError:
        return OtherReply(code, data)
    match known:
        case ReplyCode.ACK:
            sized(known, data, 0)
            return Ack()
        case ReplyCode.BUSY:
            sized(known, data, 0)
            return Busy()
        case ReplyCode.NAK:
            if not data:
                raise wrong_size(known, data)
            return Nak(data[0], data[1:])
        case ReplyCode.PDID:
            sized(known, data, IDENTITY_BYTES)
            return Identity(data[:3], data[3], data[4], number(data[5:9]), (data[9], data[10], data[11]))
        case ReplyCode.PDCAP:
            return Abilities(tuple(Ability(*one) for one in records(known, data, ABILITY_BYTES)))
        case ReplyCode.LSTATR:
            tamper, power = sized(known, data, 2)
            return LocalStatus(tamper != 0, power != 0)
        case ReplyCode.ISTATR:
            return InputStatus(tuple(state != 0 for state in data))
        case ReplyCode.OSTATR:
            return OutputStatus(tuple(state != 0 for state in data))
        case ReplyCode.RSTATR:
            return ReaderStatus(tuple(data))
        case ReplyCode.RAW:
            bits = number(data[2:RAW_HEAD_BYTES])
            if len(data) < RAW_HEAD_BYTES or len(data) != RAW_HEAD_BYTES + (bits + 7) // 8:
                raise wrong_size(known, data)
            return RawCard(data[0], data[1], bits, data[RAW_HEAD_BYTES:])
        case ReplyCode.FMT:
            if len(data) < 3 or data[2] != len(data) - 3:
                raise wrong_size(known, data)
            return FormattedCard(data[0], data[1], data[3:])
        case ReplyCode.KEYPAD:
            if len(data) < 2 or data[1] != len(data) - 2:
                raise wrong_size(known, data)
            return Keypad(data[0], data[2:])
        case ReplyCode.COM:
            return Com(sized(known, data, 5)[0], number(data[1:]))
        case ReplyCode.CCRYPT:
            sized(known, data, UNIT_BYTES + RANDOM_BYTES + KEY_BYTES)
            return ClientCryptogram(data[:8], data[8:16], data[16:])
        case ReplyCode.RMAC_I:
            return InitialMac(sized(known, data, KEY_BYTES))
    assert_never(known)


def describe_reply(code: int, data: bytes) -> str:
    """A few words without card numbers and PINs."""
    try:
        reply = decode_reply(code, data)
    except FrameError as error:
        return str(error)
    match reply:
        case Nak():
            return f"NAK {reply.text}"
        case Identity():
            return f"PDID {reply}"
        case Abilities(abilities):
            return f"PDCAP {len(abilities)} functions"
        case LocalStatus(tamper, power_fault):
            return f"LSTATR tamper {tamper:d}, power fault {power_fault:d}"
        case InputStatus(states) | OutputStatus(states) | ReaderStatus(states):
            return f"{ReplyCode(code).name} {' '.join(str(int(state)) for state in states)}"
        case RawCard(reader, _, bits, _):
            return f"RAW card of {bits} bits at reader part {reader}"
        case FormattedCard(reader, _, text):
            return f"FMT card of {len(text)} characters at reader part {reader}"
        case Keypad(_, keys):
            return f"KEYPAD {len(keys)} keys"
        case Com(address, baud):
            return f"COM address {address}, {baud} baud"
        case OtherReply(code, data):
            return f"reply {code:02x} with {len(data)} bytes"
    return ReplyCode(code).name

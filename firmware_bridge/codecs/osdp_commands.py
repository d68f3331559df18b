"""OSDP commands: a code and its data bytes <-> dataclasses, both directions. PURE.

Source: SIA OSDP 2.2 (IEC 60839-11-5:2020), section 6 and annex A. Numbers of more than one byte go low byte first;
times are tenths of a second.

```
 60 POLL    -                                    68 OUT     (output code timer(2))*
 61 ID      00                                   69 LED     (reader led temporary(8) permanent(5))*
 62 CAP     00                                   6A BUZ     reader tone on off times
 64 LSTAT   -                                    6B TEXT    reader code time row column n text
 65 ISTAT   -                                    6E COMSET  address baud(4)
 66 OSTAT   -                                    75 KEYSET  01 n key
 67 RSTAT   -                                    76 CHLNG   random(8)
                                                 77 SCRYPT  cryptogram(16)
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs.osdp_fields import KEY_BYTES, RANDOM_BYTES, number, records, sized, u16, u32, wrong_size

KEY_KIND_SCBK = 1
LED_BYTES = 14
OUT_BYTES = 4


class CommandCode(IntEnum):
    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    COMSET = 0x6E
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77


class Colour(IntEnum):
    """Table of LED colours (section 6.10)."""

    DARK = 0
    RED = 1
    GREEN = 2
    AMBER = 3
    BLUE = 4
    MAGENTA = 5
    CYAN = 6
    WHITE = 7


class OutputCode(IntEnum):
    """Section 6.9."""

    NOTHING = 0
    OFF = 1
    ON = 2
    OFF_AFTER_TIMER = 3
    ON_AFTER_TIMER = 4
    ON_FOR = 5
    OFF_FOR = 6


class Tone(IntEnum):
    """Section 6.11."""

    NONE = 0
    OFF = 1
    DEFAULT = 2


QUESTIONS = (
    CommandCode.POLL,
    CommandCode.ID,
    CommandCode.CAP,
    CommandCode.LSTAT,
    CommandCode.ISTAT,
    CommandCode.OSTAT,
    CommandCode.RSTAT,
)
# ID and CAP name the form of the answer; there is only one.
_WITH_FORM = (CommandCode.ID, CommandCode.CAP)


@dataclass(frozen=True, slots=True)
class Question:
    """A command that only asks: POLL, ID, CAP and the four states."""

    code: CommandCode


@dataclass(frozen=True, slots=True)
class Output:
    """One output; `timer` counts for the codes that end by themselves."""

    output: int
    code: int
    timer: int = 0


@dataclass(frozen=True, slots=True)
class SetOutputs:
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Blink:
    """How a light changes: `on` tenths of a second in one colour, `off` in the other. `on` alone is steady."""

    on: int
    off: int
    on_colour: int
    off_colour: int = Colour.DARK


@dataclass(frozen=True, slots=True)
class Led:
    """One light: what it shows for `timer` tenths of a second, and what it shows without that.

    None leaves that half as it is; `cancel` ends what was shown for a time.
    """

    reader: int
    led: int
    temporary: Blink | None = None
    timer: int = 0
    permanent: Blink | None = None
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class SetLeds:
    leds: tuple[Led, ...]


@dataclass(frozen=True, slots=True)
class Buzzer:
    """`times` tones of `on` tenths of a second, `off` between them; 0 times: until another command."""

    reader: int
    tone: int
    on: int
    off: int
    times: int


@dataclass(frozen=True, slots=True)
class Text:
    """Characters for a reader's display. `code` 1 and 2 stay, 3 and 4 go after `time` seconds."""

    reader: int
    code: int
    time: int
    row: int
    column: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Comset:
    """Take another address and baud."""

    address: int
    baud: int


@dataclass(frozen=True, slots=True)
class Keyset:
    """Take this key for the Secure Channel."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The panel's random number (RND.A)."""

    random: bytes


@dataclass(frozen=True, slots=True)
class ServerCryptogram:
    """The panel's proof that it has the key."""

    cryptogram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command that this codec does not know."""

    code: int
    data: bytes = field(repr=False)


Command = (
    Question | SetOutputs | SetLeds | Buzzer | Text | Comset | Keyset | Challenge | ServerCryptogram | OtherCommand
)


def encode_command(command: Command) -> tuple[int, bytes]:
    """Code and data. Raises ValueError for a number that does not fit its bytes."""
    match command:
        case Question(code):
            return code, b"\0" if code in _WITH_FORM else b""
        case SetOutputs(outputs):
            data = b"".join(bytes((one.output, one.code)) + u16(one.timer) for one in outputs)
            return CommandCode.OUT, data
        case SetLeds(leds):
            return CommandCode.LED, b"".join(map(_encode_led, leds))
        case Buzzer(reader, tone, on, off, times):
            return CommandCode.BUZ, bytes((reader, tone, on, off, times))
        case Text(reader, code, time, row, column, text):
            return CommandCode.TEXT, bytes((reader, code, time, row, column, len(text))) + text
        case Comset(address, baud):
            return CommandCode.COMSET, bytes((address,)) + u32(baud)
        case Keyset(key):
            return CommandCode.KEYSET, bytes((KEY_KIND_SCBK, len(key))) + key
        case Challenge(random):
            return CommandCode.CHLNG, random
        case ServerCryptogram(cryptogram):
            return CommandCode.SCRYPT, cryptogram
        case OtherCommand(code, data):
            return code, data
    assert_never(command)


def decode_command(code: int, data: bytes) -> Command:
    """What a panel says. Raises FrameError for data that do not fit the code."""
    try:
        known = CommandCode(code)
    except ValueError:
        return OtherCommand(code, data)
    match known:
        case CommandCode.OUT:
            return SetOutputs(
                tuple(Output(one[0], one[1], number(one[2:4])) for one in records(known, data, OUT_BYTES))
            )
        case CommandCode.LED:
            return SetLeds(tuple(_decode_led(one) for one in records(known, data, LED_BYTES)))
        case CommandCode.BUZ:
            return Buzzer(*sized(known, data, 5))
        case CommandCode.TEXT:
            if len(data) < 6 or data[5] != len(data) - 6:
                raise wrong_size(known, data)
            return Text(data[0], data[1], data[2], data[3], data[4], data[6:])
        case CommandCode.COMSET:
            return Comset(sized(known, data, 5)[0], number(data[1:]))
        case CommandCode.KEYSET:
            if sized(known, data, 2 + KEY_BYTES)[:2] != bytes((KEY_KIND_SCBK, KEY_BYTES)):
                raise wrong_size(known, data)
            return Keyset(data[2:])
        case CommandCode.CHLNG:
            return Challenge(sized(known, data, RANDOM_BYTES))
        case CommandCode.SCRYPT:
            return ServerCryptogram(sized(known, data, KEY_BYTES))
    sized(known, data, 1 if known in _WITH_FORM else 0)
    return Question(known)


def describe_command(code: int, data: bytes) -> str:
    """A few words without keys."""
    try:
        command = decode_command(code, data)
    except FrameError as error:
        return str(error)
    match command:
        case SetOutputs(outputs):
            return "OUT " + ", ".join(f"output {one.output} code {one.code}" for one in outputs)
        case SetLeds(leds):
            return "LED " + ", ".join(f"light {one.led}" for one in leds)
        case Buzzer(_, tone, _, _, times):
            return f"BUZ tone {tone}, {times} times"
        case Text(_, _, _, _, _, text):
            return f"TEXT of {len(text)} characters"
        case Comset(address, baud):
            return f"COMSET address {address}, {baud} baud"
        case OtherCommand(code, data):
            return f"command {code:02x} with {len(data)} bytes"
    return CommandCode(code).name


_TEMPORARY_CANCEL, _TEMPORARY_SET, _PERMANENT_SET = 1, 2, 1
_NO_BLINK = bytes(4)


def _encode_led(led: Led) -> bytes:
    temporary, fixed = led.temporary, led.permanent
    kind = _TEMPORARY_SET if temporary else _TEMPORARY_CANCEL if led.cancel else 0
    head = bytes((led.reader, led.led, kind)) + (_encode_blink(temporary) if temporary else _NO_BLINK)
    tail = bytes((_PERMANENT_SET,)) + _encode_blink(fixed) if fixed else b"\0" + _NO_BLINK
    return head + u16(led.timer) + tail


def _encode_blink(blink: Blink) -> bytes:
    return bytes((blink.on, blink.off, blink.on_colour, blink.off_colour))


def _decode_led(data: bytes) -> Led:
    kind, fixed = data[2], data[9]
    if kind > _TEMPORARY_SET or fixed > _PERMANENT_SET:
        raise FrameError(f"LED with unknown controls {kind} and {fixed}")
    temporary = kind == _TEMPORARY_SET
    return Led(
        reader=data[0],
        led=data[1],
        temporary=Blink(*data[3:7]) if temporary else None,
        timer=number(data[7:9]) if temporary else 0,
        permanent=Blink(*data[10:14]) if fixed else None,
        cancel=kind == _TEMPORARY_CANCEL,
    )

"""AT commands of a cellular modem, for what says how well it is connected. PURE.

Source: ITU-T V.250, sections 5.2 (command lines), 5.7 (answers); 3GPP TS 27.007, sections 7.2 (+CREG), 7.3 (+COPS),
8.3 (+CPIN), 8.5 (+CSQ), 8.69 (+CESQ), 9.2 (+CME ERROR), 10.1.22 (+CEREG).

```
 AT+CSQ CR                          we say; a modem may echo it
 CR LF +CSQ: 18,99 CR LF            lines of the answer, or unsolicited lines of something else (RING, +CREG: 1)
 CR LF OK CR LF                     the final line: OK, ERROR, +CME ERROR: n
```
Theory of operation: a line ends at CR or LF, empty lines are none. An answer that must bring a line (`+CSQ:`) is
over at the first OK behind that line: an OK without it is a late one of another command. Everything else in
between is unsolicited: tolerated, counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from firmware_bridge.codecs import FrameError, Seen

CR, LF = 0x0D, 0x0A
LINE_BYTES_MAX = 512
# An answer is a line or two; a modem that talks more than this meanwhile is no modem.
ANSWER_BYTES_MAX = 8192
_ERRORS = ("ERROR", "NO CARRIER", "COMMAND NOT SUPPORT", "BUSY", "NO ANSWER", "NO DIALTONE")
_FIELD = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^,]*))\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Command:
    """A command without its AT, and the lines that its answer must bring: `+CSQ` for `+CSQ: ...`, or none."""

    text: str
    answer: str = ""


HELLO = Command("")
NO_ECHO = Command("E0")
ERRORS_BY_NUMBER = Command("+CMEE=1")
SIGNAL = Command("+CSQ", "+CSQ")
EXTENDED_SIGNAL = Command("+CESQ", "+CESQ")
REGISTRATION = Command("+CREG?", "+CREG")
LTE_REGISTRATION = Command("+CEREG?", "+CEREG")
OPERATOR = Command("+COPS?", "+COPS")
SIM = Command("+CPIN?", "+CPIN")


@dataclass(frozen=True, slots=True)
class Answer:
    """OK, and the answer's lines without their `+NAME:`."""

    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The modem's "no"; `code` is that of +CME ERROR, where it gives one."""

    text: str
    code: int | None = None


Reply = Answer | Refused


class Registration(StrEnum):
    """The state of +CREG and +CEREG, in words."""

    OFF = "off"  # not registered, not searching
    HOME = "home"
    SEARCHING = "searching"
    DENIED = "denied"
    UNKNOWN = "unknown"
    ROAMING = "roaming"
    SMS_HOME = "sms_only_home"
    SMS_ROAMING = "sms_only_roaming"
    EMERGENCY = "emergency_only"
    NO_CSFB_HOME = "no_csfb_home"
    NO_CSFB_ROAMING = "no_csfb_roaming"


_STATES = tuple(Registration)
ON_THE_NET = frozenset({Registration.HOME, Registration.ROAMING})

# +COPS, the access technology (TS 27.007, section 7.3).
TECHNOLOGIES = {
    0: "gsm",
    1: "gsm_compact",
    2: "umts",
    3: "edge",
    4: "hsdpa",
    5: "hsupa",
    6: "hspa",
    7: "lte",
    8: "ec_gsm",
    9: "nb_iot",
    10: "lte_5gc",
    11: "nr",
    12: "ng_ran",
    13: "lte_nr",
}
# +CME ERROR (TS 27.007, section 9.2.2) where it speaks of the SIM.
SIM_ERRORS = {10: "missing", 11: "pin", 12: "puk", 13: "failure", 14: "busy", 15: "wrong"}
SIM_STATES = {"READY": "ready", "SIM PIN": "pin", "SIM PUK": "puk", "SIM PIN2": "pin2", "SIM PUK2": "puk2"}


def encode(command: Command) -> bytes:
    """The command line. Raises ValueError for a command that would not be one line of ASCII."""
    if not (command.text.isascii() and (command.text.isprintable())):
        raise ValueError(f"{command.text!r} is no AT command")
    return f"AT{command.text}\r".encode("ascii")


def encode_reply(command: Command, reply: Reply) -> bytes:
    """What a modem says, in its usual verbose form."""
    lines = [f"{command.answer}: {line}" for line in reply.lines] if isinstance(reply, Answer) else []
    final = "OK" if isinstance(reply, Answer) else reply.text
    return "".join(f"\r\n{line}\r\n" for line in [*lines, final]).encode("latin-1", errors="replace")


class LineCutter:
    """Cuts bytes into lines, without their ends; a line past the bound is dropped and counted."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self.dropped = 0

    def feed(self, data: bytes) -> list[str]:
        lines: list[str] = []
        for byte in data:
            if byte not in (CR, LF):
                if len(self._buffer) >= LINE_BYTES_MAX:
                    self.dropped += len(self._buffer)
                    self._buffer.clear()
                    self._overlong = True
                self._buffer.append(byte)
                continue
            line, overlong = bytes(self._buffer), self._overlong
            self._buffer.clear()
            self._overlong = False
            if overlong:
                self.dropped += len(line)
            elif line.strip():
                lines.append(line.decode("latin-1").strip())
        return lines


class ReplyParser:
    """Finds the answer to one command among echoes and unsolicited lines."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._cutter = LineCutter()
        self._lines: list[str] = []
        self._heard = 0
        self.unsolicited = 0

    @property
    def discarded(self) -> int:
        """Bytes that were no line. Unsolicited lines are a modem's right."""
        return self._cutter.dropped

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes as they came; the answer once it is whole. Raises FrameError for a flood."""
        self._heard += len(data)
        for line in self._cutter.feed(data):
            reply = self._take(line)
            if reply is not None:
                return reply
        if self._heard > ANSWER_BYTES_MAX:
            raise FrameError(f"no answer in {self._heard} bytes")
        return None

    def _take(self, line: str) -> Reply | None:
        wanted = self._command.answer
        if line == f"AT{self._command.text}":
            return None  # its echo
        if wanted and line.startswith(f"{wanted}:"):
            self._lines.append(line[len(wanted) + 1 :].strip())
        elif line == "OK":
            if self._lines or not wanted:
                return Answer(tuple(self._lines))
        elif line.startswith(("+CME ERROR:", "+CMS ERROR:")):
            number = line.partition(":")[2].strip()
            return Refused(line, int(number) if number.isdecimal() else None)
        elif line in _ERRORS:
            return Refused(line)
        else:
            self.unsolicited += 1
        return None


def fields(line: str) -> list[str]:
    """The fields of an answer's line, without quotes: `0,0,"CHINA MOBILE",7`."""
    return [value for value, _ in _split(line)]


def _split(line: str) -> list[tuple[str, bool]]:
    """Each field, and whether it was quoted."""
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(line) and (match := _FIELD.match(line, at)):
        quoted = match["quoted"]
        found.append((match["plain"].strip() if quoted is None else quoted, quoted is not None))
        if match.end() == at:
            break
        at = match.end()
    return found


def _integers(line: str) -> list[int | None]:
    return [int(text) if text.isdecimal() and len(text) < 6 else None for text in fields(line)]


def _at(values: Sequence[int | None], index: int) -> int | None:
    return values[index] if index < len(values) else None


def signal_dbm(line: str) -> int | None:
    """+CSQ: 0 is -113 dBm or less, 31 is -51 dBm or more, 99 is not known."""
    level = _at(_integers(line), 0)
    return None if level is None or level > 31 else -113 + 2 * level


@dataclass(frozen=True, slots=True)
class ExtendedSignal:
    """+CESQ, for the one network that the modem is on; the others are None."""

    rsrp_dbm: int | None  # LTE: received power
    rsrq_db: float | None  # LTE: received quality
    rscp_dbm: int | None  # UMTS
    rxlev_dbm: int | None  # GSM


def extended_signal(line: str) -> ExtendedSignal:
    """0 is the lowest or less, 99 and 255 are not known."""
    values = _integers(line)
    rxlev, rscp, rsrq, rsrp = (_at(values, index) for index in (0, 2, 4, 5))
    return ExtendedSignal(
        rsrp_dbm=None if rsrp is None or rsrp > 97 else -141 + rsrp,
        rsrq_db=None if rsrq is None or rsrq > 34 else -20.0 + rsrq / 2,
        rscp_dbm=None if rscp is None or rscp > 96 else -121 + rscp,
        rxlev_dbm=None if rxlev is None or rxlev > 63 else -111 + rxlev,
    )


def registration(lines: Sequence[str]) -> Registration | None:
    """+CREG and +CEREG, as read: `n,stat,...`. An unsolicited one among the lines is `stat` or `stat,"area",...`."""
    for line in lines:
        found = _split(line)
        if len(found) >= 2 and not found[1][1] and found[1][0].isdecimal() and int(found[1][0][:3]) < len(_STATES):
            return _STATES[int(found[1][0])]
    return None


@dataclass(frozen=True, slots=True)
class Operator:
    """+COPS: who, and by which technology; None while on no network."""

    name: str | None
    technology: str | None


def operator(line: str) -> Operator:
    """`mode`, or `mode,format,"name"[,technology]`."""
    found = fields(line)
    name = found[2] if len(found) > 2 and found[2] else None
    technology = int(found[3]) if len(found) > 3 and found[3].isdecimal() and len(found[3]) < 4 else None
    return Operator(name, None if technology is None else TECHNOLOGIES.get(technology, f"technology_{technology}"))


def sim_state(reply: Reply) -> str | None:
    """In words; None for a refusal that does not speak of the SIM."""
    if isinstance(reply, Refused):
        by_text = "missing" if "SIM not inserted" in reply.text else None
        return by_text if reply.code is None else SIM_ERRORS.get(reply.code)
    state = reply.lines[0] if reply.lines else ""
    return SIM_STATES.get(state, "locked")


class Sniffer:
    """Reads along, both directions mixed: a line at a time. What is told to the SIM is not shown."""

    SECRET = ("+CPIN=", "+CPWD=", "+CLCK=")

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Seen]:
        seen: list[Seen] = []
        for byte in data:
            ends = byte in (CR, LF)
            whole = bool(self._buffer) and self._buffer[-1] in (CR, LF) and bool(self._buffer.strip(b"\r\n"))
            if (whole and not ends) or len(self._buffer) >= LINE_BYTES_MAX:
                seen.append(self._cut())
            self._buffer.append(byte)
        return seen

    def idle(self) -> list[Seen]:
        return [self._cut()] if self._buffer else []

    def _cut(self) -> Seen:
        data = bytes(self._buffer)
        self._buffer.clear()
        text = data.strip(b"\r\n").decode("latin-1")
        secret = next((name for name in self.SECRET if name in text.upper()), None)
        if secret is not None:
            text = text[: text.upper().index(secret) + len(secret)] + "..."
        if not text.isprintable():
            return Seen(data, f"{len(data)} bytes that are no line", False)
        return Seen(data, text, bool(text))

"""Network UPS Tools: lines of words on TCP port 3493. PURE.

```
 -> LIST VAR ups                       <- BEGIN LIST VAR ups
                                       <- VAR ups battery.charge "100"      (one a variable)
                                       <- END LIST VAR ups
 -> USERNAME monuser                   <- OK
 -> PASSWORD secret                    <- OK
 -> LOGIN ups                          <- OK
                                       <- ERR DATA-STALE                    (instead of any of these)
```
NUT 2.8 developer guide, section "Network protocol information" (RFC 9271). A line ends with LF, perhaps CR LF.
A word with blanks or quotes stands in double quotes; inside them a backslash takes away the next character's
meaning. What begins a line is the command, or the kind of answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_bridge.codecs import FrameError, Seen

# upsd cuts a line at 512 bytes of its own buffer; nothing that it sends is as long as this.
LINE_BYTES_MAX = 1024
# A large UPS with outlets has some 150 variables; beyond this it is no UPS.
VARIABLES_MAX = 1024


@dataclass(frozen=True, slots=True)
class ListVariables:
    """Every variable of a UPS."""

    ups: str


@dataclass(frozen=True, slots=True)
class GetVariable:
    """One variable of a UPS."""

    ups: str
    name: str


@dataclass(frozen=True, slots=True)
class ListUps:
    """Every UPS that the server knows."""


@dataclass(frozen=True, slots=True)
class Username:
    """Who we are, for this connection."""

    name: str


@dataclass(frozen=True, slots=True)
class Password:
    """And the proof."""

    word: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """Count us among those who need to know when this UPS gives up."""

    ups: str


@dataclass(frozen=True, slots=True)
class Logout:
    """The end of the connection."""


Request = ListVariables | GetVariable | ListUps | Username | Password | Login | Logout


@dataclass(frozen=True, slots=True)
class Variables:
    """Name -> value, all of them texts."""

    ups: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Variable:
    ups: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class UpsList:
    """Name -> description."""

    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """OK, with whatever words follow it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no. `code` is one of the protocol's words, as DATA-STALE."""

    code: str


Reply = Variables | Variable | UpsList | Done | Refused

STALE = frozenset({"DATA-STALE", "DRIVER-NOT-CONNECTED"})  # the server is well, the UPS is silent
ALREADY = frozenset({"ALREADY-LOGGED-IN", "ALREADY-SET-USERNAME", "ALREADY-SET-PASSWORD"})


def split(line: str) -> list[str]:
    """The words of a line. Raises FrameError for a quote that does not end, and for the end of a line inside."""
    if "\r" in line or "\n" in line:
        raise FrameError("a line ends inside a line")
    words: list[str] = []
    word: str | None = None
    quoted = escaped = False
    for character in line:
        if escaped:
            word, escaped = (word or "") + character, False
        elif character == "\\":
            word, escaped = word or "", True
        elif character == '"':
            word, quoted = word or "", not quoted
        elif character in " \t" and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    if quoted or escaped:
        raise FrameError("a quote does not end")
    return words if word is None else [*words, word]


def quote(word: str) -> str:
    """A word as it stands in a line. Raises ValueError for one that would end the line."""
    if "\n" in word or "\r" in word:
        raise ValueError("a word holds the end of a line")
    if word and not any(character in ' \t"\\' for character in word):
        return word
    return _in_quotes(word)


def encode_request(request: Request) -> bytes:
    """The line of a request. Raises ValueError for a word that would end the line."""
    match request:
        case ListVariables(ups):
            return _line("LIST", "VAR", ups)
        case GetVariable(ups, name):
            return _line("GET", "VAR", ups, name)
        case ListUps():
            return _line("LIST", "UPS")
        case Username(name):
            return _line("USERNAME", name)
        case Password(word):
            return _line("PASSWORD", word)
        case Login(ups):
            return _line("LOGIN", ups)
        case Logout():
            return _line("LOGOUT")


def decode_request(line: str) -> Request:
    """What a client asks. Raises FrameError for what is not understood here."""
    match split(line):
        case ["LIST", "VAR", ups]:
            return ListVariables(ups)
        case ["GET", "VAR", ups, name]:
            return GetVariable(ups, name)
        case ["LIST", "UPS"]:
            return ListUps()
        case ["USERNAME", name]:
            return Username(name)
        case ["PASSWORD", word]:
            return Password(word)
        case ["LOGIN", ups]:
            return Login(ups)
        case ["LOGOUT"]:
            return Logout()
    raise FrameError("this command is not known here")


def encode_reply(reply: Reply) -> bytes:
    """What the server says, one line or several."""
    match reply:
        case Variables(ups, values):
            middle = [f"VAR {quote(ups)} {quote(name)} {_in_quotes(value)}\n" for name, value in values.items()]
            return _list(f"VAR {quote(ups)}", middle)
        case Variable(ups, name, value):
            return f"VAR {quote(ups)} {quote(name)} {_in_quotes(value)}\n".encode()
        case UpsList(names):
            return _list("UPS", [f"UPS {quote(name)} {_in_quotes(text)}\n" for name, text in names.items()])
        case Done():
            return b"OK\n"
        case Refused(code):
            return f"ERR {code}\n".encode()


class Lines:
    """Cuts bytes into lines. One that is too long is dropped to its end; `discarded` counts its bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self.discarded = 0

    @property
    def partial(self) -> bool:
        return bool(self._buffer) or self._overlong

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came; every line that became whole, without its end."""
        found: list[str] = []
        for part in _cut(data):
            self._buffer += part
            if self._overlong or len(self._buffer) > LINE_BYTES_MAX:
                self._overlong = True
                self.discarded += len(self._buffer)
                self._buffer.clear()
            if not part.endswith(b"\n"):
                continue
            if self._overlong:
                self._overlong = False
                continue
            line = bytes(self._buffer).rstrip(b"\r\n")
            self._buffer.clear()
            if line:
                found.append(line.decode("utf-8", errors="replace"))
        return found


class ReplyParser:
    """Waits for the answer to one request. Lines that are no part of it are counted as discarded."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._lines = Lines()
        self._stray = 0
        self._values: dict[str, str] | None = None

    @property
    def discarded(self) -> int:
        return self._lines.discarded + self._stray

    def feed(self, data: bytes) -> Reply | None:
        """Raises FrameError when a list is longer than a UPS can have."""
        for line in self._lines.feed(data):
            reply = self._take(line)
            if reply is not None:
                return reply
        return None

    def _take(self, line: str) -> Reply | None:
        try:
            words = split(line)
        except FrameError:
            words = []
        match self._request, words:
            case _, ["ERR", code, *_]:
                return Refused(code)
            case ListVariables(ups), ["BEGIN", "LIST", "VAR", named] if named == ups:
                self._values = {}
                return None
            case ListUps(), ["BEGIN", "LIST", "UPS"]:
                self._values = {}
                return None
            case ListVariables(ups), ["VAR", named, name, value] if named == ups and self._values is not None:
                self._keep(name, value)
                return None
            case ListUps(), ["UPS", name, text] if self._values is not None:
                self._keep(name, text)
                return None
            case ListVariables(ups), ["END", "LIST", "VAR", named] if named == ups and self._values is not None:
                return Variables(ups, self._values)
            case ListUps(), ["END", "LIST", "UPS"] if self._values is not None:
                return UpsList(self._values)
            case GetVariable(ups, name), ["VAR", of, this, value] if (of, this) == (ups, name):
                return Variable(ups, name, value)
            case ((Username() | Password() | Login() | Logout()), ["OK", *_]):
                return Done()
        self._stray += len(line)
        return None

    def _keep(self, name: str, value: str) -> None:
        assert self._values is not None
        self._values[name] = value
        if len(self._values) > VARIABLES_MAX:
            raise FrameError(f"more than {VARIABLES_MAX} entries in a list")


class Sniffer:
    """Lines of both directions as they stand; a password is left out."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> list[Seen]:
        """Every line that became whole."""
        seen: list[Seen] = []
        for part in _cut(data):
            self._line += part
            if part.endswith(b"\n") or len(self._line) > LINE_BYTES_MAX:
                seen += self._take(ended=part.endswith(b"\n"))
        return seen

    def idle(self) -> list[Seen]:
        """What was begun and will not be ended."""
        return self._take(ended=False) if self._line else []

    def _take(self, *, ended: bool) -> list[Seen]:
        data = bytes(self._line)
        self._line.clear()
        text = data.decode("utf-8", errors="replace").strip()
        try:
            words = split(text)
        except FrameError:
            words = []
        if "PASSWORD" in text.upper():
            return [Seen(data, "PASSWORD ...", ended and len(words) == 2)]
        plain = "".join(character if character.isprintable() else "?" for character in text)
        return [Seen(data, plain, ended and bool(words))]


def _in_quotes(word: str) -> str:
    if "\n" in word or "\r" in word:
        raise ValueError("a word holds the end of a line")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(*words: str) -> bytes:
    return (" ".join(quote(word) for word in words) + "\n").encode()


def _list(of: str, middle: list[str]) -> bytes:
    return "".join([f"BEGIN LIST {of}\n", *middle, f"END LIST {of}\n"]).encode()


def _cut(data: bytes) -> list[bytes]:
    """Parts that each end with LF, but the last perhaps."""
    parts = [part + b"\n" for part in data.split(b"\n")]
    parts[-1] = parts[-1][:-1]
    return [part for part in parts if part]

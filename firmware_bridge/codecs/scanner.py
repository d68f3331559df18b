"""Texts from a serial code scanner, and its answers to commands. PURE.

```
 line framing      text CR | text LF | text CR LF
 STX/ETX framing   STX text ETX            (anything between frames is noise)
 idle framing      text, then silence      (the line's user says when it was silent)
```
Scanners end a code as they were configured; many are delivered without any end mark. Texts are UTF-8, else
Latin-1 byte for byte: a code with wrong bytes is still shown to the verifier, which says what is wrong with it.

A scanner answers a command in between its texts, with bytes that are known beforehand (`scanner_commands.py`):
once `expect` named them they are taken out where they stand by themselves, and never become a text or a part of
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from firmware_bridge.codecs import Seen

STX, ETX, CR, LF = 0x02, 0x03, 0x0D, 0x0A
# A QR of version 40 holds 4,296 alphanumeric characters; a membership code has under 200.
TEXT_BYTES_MAX = 4096
# Answers that may be due at once: a scanner is told one thing after another.
EXPECTED_MAX = 8


class Framing(StrEnum):
    LINE = "line"
    STX_ETX = "stx_etx"
    IDLE = "idle"


@dataclass(slots=True)
class ScannerCounters:
    """What the line gave, since the start."""

    texts: int = 0
    replies: int = 0  # answers to commands that came as expected
    overlong: int = 0  # texts dropped because they passed the bound
    broken: int = 0  # frames cut off by a new start or by silence
    noise_bytes: int = 0  # bytes between frames


class ScannerParser:
    """Cuts a byte stream into texts. An empty text is none.

    `prefix` and `suffix` are what the scanner was configured to put around each code; they are taken off where
    they are.
    """

    def __init__(
        self, framing: Framing, *, max_bytes: int = TEXT_BYTES_MAX, prefix: bytes = b"", suffix: bytes = b""
    ) -> None:
        self._framing = framing
        self._max_bytes = max_bytes
        self._prefix = prefix
        self._suffix = suffix
        self._buffer = bytearray()
        self._inside = framing is not Framing.STX_ETX
        self._overlong = False
        self._expected: list[bytes] = []
        self._take = {
            Framing.LINE: self._line_byte,
            Framing.STX_ETX: self._stx_byte,
            Framing.IDLE: self._idle_byte,
        }[framing]
        self._held = bytearray()  # begins an expected answer, and may still turn out to begin a text
        self.counters = ScannerCounters()

    @property
    def partial(self) -> bool:
        """Whether something has begun and not ended."""
        begun = bool(self._buffer) or self._overlong or (self._inside and self._framing is Framing.STX_ETX)
        return begun or bool(self._held)

    def expect(self, reply: bytes) -> None:
        """These bytes, where they stand by themselves, are an answer: they are taken out, once."""
        if reply:
            self._expected = [*self._expected[1 - EXPECTED_MAX :], reply]

    def expect_nothing(self) -> None:
        """Answers that have not come will not come any more."""
        self._expected.clear()
        self._give_back()

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came; every text that became whole."""
        texts: list[str] = []
        for byte in data:
            if self._expected:
                texts += filter(None, map(self._take, self._beside_answers(byte)))
            elif text := self._take(byte):
                texts.append(text)
        self.counters.texts += len(texts)
        return texts

    def idle(self) -> list[str]:
        """The line has been silent: with idle framing that ends a text, else what was begun is dropped."""
        if self._framing is not Framing.IDLE:
            self.drop()
            return []
        self._give_back()
        text = self._end(inside=True)
        if not text:
            return []
        self.counters.texts += 1
        return [text]

    def drop(self) -> None:
        """What was begun will never be whole: the line was silent for long, or went away."""
        if self.partial:
            self.counters.broken += 1
        self._held.clear()
        self._restart(inside=self._framing is not Framing.STX_ETX)

    def _beside_answers(self, byte: int) -> bytes:
        """What of the bytes so far is no answer: none while an answer may still become whole."""
        begun = bool(self._buffer) or self._overlong or (self._inside and self._framing is Framing.STX_ETX)
        if begun and not self._held:
            return bytes((byte,))
        self._held.append(byte)
        held = bytes(self._held)
        if held in self._expected:
            self._expected.remove(held)
            self._held.clear()
            self.counters.replies += 1
            return b""
        if any(reply.startswith(held) for reply in self._expected):
            return b""
        self._held.clear()
        return held

    def _give_back(self) -> None:
        held = bytes(self._held)
        self._held.clear()
        for byte in held:
            self._take(byte)

    def _idle_byte(self, byte: int) -> str | None:
        self._keep(byte)
        return None

    def _line_byte(self, byte: int) -> str | None:
        if byte not in (CR, LF):
            self._keep(byte)
            return None
        return self._end(inside=True)

    def _stx_byte(self, byte: int) -> str | None:
        if byte == STX:
            if self._inside:
                self.counters.broken += 1
            self._restart(inside=True)
        elif not self._inside:
            self.counters.noise_bytes += 1
        elif byte == ETX:
            return self._end(inside=False)
        else:
            self._keep(byte)
        return None

    def _keep(self, byte: int) -> None:
        if len(self._buffer) >= self._max_bytes:
            self._buffer.clear()
            self._overlong = True
        if not self._overlong:
            self._buffer.append(byte)

    def _end(self, *, inside: bool) -> str | None:
        data, overlong = bytes(self._buffer), self._overlong
        self._restart(inside=inside)
        if overlong:
            self.counters.overlong += 1
            return None
        if self._framing is Framing.IDLE:
            data = data.rstrip(b"\r\n")  # a scanner that does send an end mark
        return _text(data.removeprefix(self._prefix).removesuffix(self._suffix))

    def _restart(self, *, inside: bool) -> None:
        self._buffer.clear()
        self._overlong = False
        self._inside = inside


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def encode(text: str, framing: Framing, *, end: bytes = b"\r") -> bytes:
    """What a scanner types for `text`; `end` is CR, LF or CR LF with line framing.

    Raises ValueError for a text that would be cut by its own framing.
    """
    data = text.encode("utf-8")
    if framing is Framing.IDLE:
        if not data or data.endswith((b"\r", b"\n")):
            raise ValueError("text is empty, or ends in CR or LF")
        return data
    if framing is Framing.STX_ETX:
        if STX in data or ETX in data:
            raise ValueError("text holds STX or ETX")
        return bytes((STX,)) + data + bytes((ETX,))
    if end not in (b"\r", b"\n", b"\r\n"):
        raise ValueError(f"{end!r} ends no line")
    if CR in data or LF in data:
        raise ValueError("text holds CR or LF")
    return data + end


class Sniffer:
    """Reads along: what stands between end marks (CR, LF, STX, ETX) and silences. A code opens doors: not shown."""

    MARKS = bytes((CR, LF, STX, ETX))

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Seen]:
        seen: list[Seen] = []
        for byte in data:
            last = self._buffer[-1] if self._buffer else None
            begins = byte == STX or (last in (CR, LF, ETX) and byte not in (CR, LF))
            if last is not None and (begins or len(self._buffer) >= TEXT_BYTES_MAX):
                seen.append(self._cut())
            self._buffer.append(byte)
        return seen

    def idle(self) -> list[Seen]:
        return [self._cut()] if self._buffer else []

    def _cut(self) -> Seen:
        data = bytes(self._buffer)
        self._buffer.clear()
        text = data.strip(self.MARKS)
        printable = bool(text) and all(byte >= 0x20 for byte in text)
        what = f"text of {len(text)} bytes" if printable else f"{len(data)} bytes that are no text"
        return Seen(data, what, printable)

"""Texts from a serial code scanner. PURE.

```
 line framing      text CR | text LF | text CR LF
 STX/ETX framing   STX text ETX            (anything between frames is noise)
```
Scanners end a code as they were configured. Texts are UTF-8, else Latin-1 byte for byte: a code with wrong
bytes is still shown to the verifier, which says what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STX, ETX, CR, LF = 0x02, 0x03, 0x0D, 0x0A
# A QR of version 40 holds 4,296 alphanumeric characters; a membership code has under 200.
TEXT_BYTES_MAX = 4096


class Framing(StrEnum):
    LINE = "line"
    STX_ETX = "stx_etx"


@dataclass(slots=True)
class ScannerCounters:
    """What the line gave, since the start."""

    texts: int = 0
    overlong: int = 0  # texts dropped because they passed the bound
    broken: int = 0  # frames cut off by a new start or by silence
    noise_bytes: int = 0  # bytes between frames


class ScannerParser:
    """Cuts a byte stream into texts. An empty text is none."""

    def __init__(self, framing: Framing, *, max_bytes: int = TEXT_BYTES_MAX) -> None:
        self._framing = framing
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._inside = framing is Framing.LINE
        self._overlong = False
        self.counters = ScannerCounters()

    @property
    def partial(self) -> bool:
        """Whether a text has begun and not ended."""
        return bool(self._buffer) or self._overlong or (self._inside and self._framing is Framing.STX_ETX)

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came; every text that became whole."""
        texts: list[str] = []
        for byte in data:
            text = self._line_byte(byte) if self._framing is Framing.LINE else self._stx_byte(byte)
            if text:
                self.counters.texts += 1
                texts.append(text)
        return texts

    def idle(self) -> None:
        """The line has been silent for long: a text that was begun will not be ended."""
        if self.partial:
            self.counters.broken += 1
        self._restart(inside=self._framing is Framing.LINE)

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
        return _text(data)

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
    if framing is Framing.STX_ETX:
        if STX in data or ETX in data:
            raise ValueError("text holds STX or ETX")
        return bytes((STX,)) + data + bytes((ETX,))
    if end not in (b"\r", b"\n", b"\r\n"):
        raise ValueError(f"{end!r} ends no line")
    if CR in data or LF in data:
        raise ValueError("text holds CR or LF")
    return data + end

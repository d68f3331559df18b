"""Codecs: bytes <-> frames, PURE. Each keeps what a half-read frame needs and nothing of the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class FrameError(ValueError):
    """Bytes that cannot be the frame that was due. Says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame, or a stretch of noise, as a monitor shows it. `text` is one line and holds no secret."""

    data: bytes
    text: str
    ok: bool


class Sniffer(Protocol):
    """Reads along on a line: both directions mixed, in any chunks. Every byte is in just one Seen."""

    def feed(self, data: bytes) -> list[Seen]:
        """What became whole."""
        ...

    def idle(self) -> list[Seen]:
        """The line was silent for so long that what is half read will never be whole."""
        ...

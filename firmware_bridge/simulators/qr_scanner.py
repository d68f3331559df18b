"""A QR scanner that types what it is shown, and notes when the last byte of each text left."""

from __future__ import annotations

from collections import deque

from firmware_bridge.codecs.scanner import Framing, encode
from firmware_bridge.simulators.paced_pty import PacedPty

SCANS_MAX = 10_000


class QrScanner:
    """Types on its own line; hears nothing."""

    def __init__(self, line: PacedPty, *, framing: Framing = Framing.LINE, end: bytes = b"\r") -> None:
        self._line = line
        self._framing = framing
        self._end = end
        self.scans = 0
        self.scan_ends_s: deque[float] = deque(maxlen=SCANS_MAX)

    def scan(self, text: str) -> None:
        """Type one text. Raises ValueError for a text that its framing would cut."""
        self.scans += 1
        self._line.send(encode(text, self._framing, end=self._end), self.scan_ends_s.append)

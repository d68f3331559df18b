"""A QR scanner that types what it is shown, and notes when the last byte of each text left.

With a command set it does what it is told and answers as its row says. `triggered`: it reads only after it was told
to look, one code, as scanners in their host-triggered mode do.
"""

from __future__ import annotations

from collections import deque

from firmware_bridge.codecs.scanner import Framing, encode
from firmware_bridge.codecs.scanner_commands import Command, CommandSet
from firmware_bridge.simulators.paced import PacedWire

SCANS_MAX = 10_000
# A scanner that hears nothing it knows forgets what it heard.
COMMAND_BYTES_MAX = 64


class QrScanner:
    """Types on its own line."""

    def __init__(
        self,
        line: PacedWire,
        *,
        framing: Framing = Framing.LINE,
        end: bytes = b"\r",
        commands: CommandSet | None = None,
        triggered: bool = False,
    ) -> None:
        self._line = line
        self._framing = framing
        self._end = end
        self._commands = commands
        self._triggered = triggered
        self._heard_bytes = bytearray()
        self.mute = False  # hears commands and neither obeys nor answers
        self.looking = False
        self.beeps = 0
        self.lights = 0
        self.scans = 0
        self.scan_ends_s: deque[float] = deque(maxlen=SCANS_MAX)
        if commands is not None:
            line.listen(self._heard)

    def scan(self, text: str) -> bool:
        """Show it one text: whether it read it. Raises ValueError for a text that its framing would cut."""
        typed = encode(text, self._framing, end=self._end)
        if self._triggered and not self.looking:
            return False
        self.looking = False
        self.scans += 1
        self._line.send(typed, self.scan_ends_s.append)
        return True

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        assert self._commands is not None
        known = (self._commands.start, self._commands.stop, self._commands.beep, self._commands.light)
        for byte in data:
            self._heard_bytes.append(byte)
            for command in known:
                if command is not None and self._heard_bytes.endswith(command.send):
                    self._heard_bytes.clear()
                    if not self.mute:
                        self._obey(command)
        del self._heard_bytes[:-COMMAND_BYTES_MAX]

    def _obey(self, command: Command) -> None:
        assert self._commands is not None
        if command.reply:
            self._line.send(command.reply)
        if command == self._commands.beep:
            self.beeps += 1
        elif command == self._commands.light:
            self.lights += 1
        else:
            self.looking = command == self._commands.start

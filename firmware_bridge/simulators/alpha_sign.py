"""A LED sign that understands our subset of the Alpha protocol and remembers what it shows.

As the real one: writes are not acknowledged, a picture needs room in the memory table, writing the table
empties every file, and errors are kept in a status register that can be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.codecs import alpha_sign as alpha
from firmware_bridge.simulators.paced_pty import PacedPty

TURNAROUND_S = 0.02
# Files that exist without a memory table: the text that runs by default.
DEFAULT_FILES = (alpha.File("A", "A", False, alpha.TEXT_BYTES_MAX, "FFFF"),)


@dataclass(frozen=True, slots=True)
class SignPage:
    """One page as it is seen: a text, or a picture of width x height colour numbers (0 is dark)."""

    text: str | None = None
    width: int = 0
    height: int = 0
    dots: bytes = b""


class SimulatedSign:
    """What the sign shows now, page after page."""

    def __init__(self, line: PacedPty, on_change: Callable[[], None], *, address: str = "01") -> None:
        self._line = line
        self._on_change = on_change
        self._address = address
        self._parser = alpha.PacketParser()
        self._bad_seen = 0
        self._table: tuple[alpha.File, ...] = DEFAULT_FILES
        self._texts: dict[str, alpha.WriteText] = {}
        self._pictures: dict[str, alpha.WriteDots] = {}
        self._answers: set[asyncio.TimerHandle] = set()
        self.status = alpha.ErrorStatus(0)
        self.mute = False
        self.packets = 0
        line.listen(self._heard)

    def stop(self) -> None:
        """Forget answers that are still to come."""
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def power_cycle(self) -> None:
        """A long power cut: table and files are gone."""
        self._table = DEFAULT_FILES
        self._texts.clear()
        self._pictures.clear()
        self._on_change()

    @property
    def bad_packets(self) -> int:
        return self._parser.bad_packets

    def text(self, label: str) -> alpha.WriteText:
        """A TEXT file; one that was never written is empty."""
        return self._texts.get(label, alpha.WriteText(label, ()))

    @property
    def pages(self) -> tuple[SignPage, ...]:
        """What is shown, page after page; nothing on a sign that was never written."""
        text = self._texts.get(alpha.PRIORITY_LABEL) or self._texts.get("A")
        return tuple(self._page(part) for part in text.parts) if text else ()

    def _page(self, part: alpha.Part) -> SignPage:
        label = alpha.called_picture(part.body)
        if label is None:
            return SignPage(text=alpha.visible(part.body).decode("ascii", "replace"))
        picture = self._pictures.get(label)
        if picture is None:
            return SignPage(text="")
        return SignPage(None, picture.width, picture.height, picture.dots)

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        packets = self._parser.feed(data)
        if self._parser.bad_packets != self._bad_seen:
            self._bad_seen = self._parser.bad_packets
            self.status |= alpha.ErrorStatus.CHECKSUM
        for packet in packets:
            if packet.address in (self._address, alpha.BROADCAST):
                self.packets += 1
                for command in packet.commands:
                    self.obey(command)

    def obey(self, command: alpha.Command) -> None:
        """As if it had come over the line."""
        match command:
            case alpha.WriteText(alpha.PRIORITY_LABEL, parts):
                self._texts.pop(alpha.PRIORITY_LABEL, None)
                if parts:
                    self._texts[alpha.PRIORITY_LABEL] = command
                self._on_change()
            case alpha.ReadText(label):
                self._answer(self.text(label))
            case alpha.ReadDots(label):
                self._answer(self._pictures.get(label) or self._dark(label))
            case alpha.WriteText(label, _):
                if self._room(label, "A"):
                    self._texts[label] = command
                    self._on_change()
            case alpha.WriteDots(label, width, height, _):
                if self._room(label, "D", height << 8 | width):
                    self._pictures[label] = command
                    self._on_change()
            case alpha.SetMemory(files):
                self.power_cycle()
                self._table = files or DEFAULT_FILES
            case alpha.ReadMemory():
                self._answer(alpha.SetMemory(self._table))
            case alpha.ReadErrorStatus():
                self._answer(alpha.ErrorStatusIs(self.status))
            case alpha.ClearErrorStatus():
                self.status = alpha.ErrorStatus(0)
            case alpha.Unknown() | alpha.ErrorStatusIs():
                self.status |= alpha.ErrorStatus.ILLEGAL

    def _dark(self, label: str) -> alpha.WriteDots:
        """A picture that was never written is as large as its file, and dark."""
        size = next((file.size for file in self._table if file.label == label and file.kind == "D"), 0x0101)
        height, width = size >> 8, size & 0xFF
        return alpha.WriteDots(label, width, height, bytes(width * height))

    def _room(self, label: str, kind: str, size: int = 0) -> bool:
        for file in self._table:
            if file.label == label and file.kind == kind and (kind == "A" or file.size == size):
                return True
        self.status |= alpha.ErrorStatus.ILLEGAL
        return False

    def _answer(self, command: alpha.Command) -> None:
        if self.mute:
            return
        frame = alpha.encode(command, type_code=alpha.TYPE_REPLY, address="00")
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._line.send(frame)

        timer = asyncio.get_running_loop().call_later(TURNAROUND_S, send)
        self._answers.add(timer)

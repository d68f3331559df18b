"""An Alpha sign: ASCII in its own font, and pictures for everything else (Chinese is drawn by the agent).

A sign does not acknowledge writes, so with `confirm` the driver clears its error status before, reads it
after, and says what the sign holds against the write. Pictures need a memory table, and writing one empties
the sign and keeps it deaf for seconds: the table is read first and only written when it differs. What the sign shows
is read back from its files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import Field

from firmware_bridge.capabilities import Bitmap, DeviceError, DeviceRefused, Priority
from firmware_bridge.codecs import alpha_sign as alpha
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

R = TypeVar("R", alpha.SetMemory, alpha.ErrorStatusIs, alpha.WriteText, alpha.WriteDots)

TEXT_LABEL = "A"
PICTURE_LABELS = "PQRSTUVWXY"
COLOURS = {"red": 1, "green": 2, "amber": 3}
FONT_DOTS = 6  # a character of the sign's standard font with the space beside it
LAST_CHARACTER = 0x7D  # 0x7E draws half a space, not a tilde
REPLY_TIMEOUT_S = 1.0
# The largest picture takes 8.3 s at 9600 baud 7E1; the deadline covers it with the queue before it.
DEADLINE_S = 20.0
TEXT_REPLY_BYTES_MAX = alpha.TEXT_BYTES_MAX + 128  # with codes and the frame around it
QUARANTINE_S_MAX = 30.0
# A sign that fell silent is looked for this often at least; its bus decides when it is really asked.
SILENT_CHECK_S = 5.0


class AlphaSignOptions(Options):
    """Size and habits of the sign."""

    width: int = Field(ge=8, le=alpha.WIDTH_MAX, description="Dots across")
    height: int = Field(ge=5, le=alpha.HEIGHT_MAX, description="Dots down")
    colour: Literal["red", "green", "amber"] = "red"
    pages_max: int = Field(default=4, ge=1, le=len(PICTURE_LABELS), description="Pictures the sign has room for")
    speed: int = Field(default=2, ge=1, le=5, description="How long a page stays; 5 is the shortest")
    confirm: bool = Field(default=True, description="Read the error status after a write; needs a two-way cable")
    settle_s: float = Field(default=2.0, ge=0, le=10, description="Pause after the sign's memory was cleared")
    check_s: float = Field(default=30.0, ge=0.5, le=3600, description="How often the sign is asked whether it is well")
    gap_ms: int = Field(default=250, ge=0, le=2000, description="Silence the sign wants between packets")


class AlphaSign:
    """A Sign on its own line: a picture holds the line for seconds."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, AlphaSignOptions)
        self.name = context.name
        self._options = context.options
        self._bus = context.bus
        self._address = f"{context.address:02X}"
        self._byte_s = context.line.byte_s
        self._clock = context.clock
        self._writing = asyncio.Lock()
        self._memory_known = False
        self._shown: tuple[alpha.Command, ...] = ()
        policy = DevicePolicy(
            timeout_s=REPLY_TIMEOUT_S,
            retries=1,
            gap_s=context.options.gap_ms / 1000,
            quarantine_after=2,
            quarantine_s_max=QUARANTINE_S_MAX,
        )
        context.bus.attach(context.name, policy, context.health_listener(), answers=context.options.confirm)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in dots."""
        return self._options.width, self._options.height

    async def show_text(self, text: str) -> None:
        """Show ASCII text. Raises ValueError for characters the sign lacks, DeviceTimeout, DeviceRefused."""
        lacking = sorted({char for char in text if not 0x20 <= ord(char) <= LAST_CHARACTER})
        if lacking:
            raise ValueError(f"{self.name} has no {' '.join(map(repr, lacking))} in its font; show a picture")
        if len(text) > alpha.TEXT_BYTES_MAX:
            raise ValueError(f"{self.name}: text of {len(text)} characters, {alpha.TEXT_BYTES_MAX} is the most")
        fits = len(text) * FONT_DOTS <= self._options.width
        await self._show((self._text(TEXT_LABEL, alpha.Mode.HOLD if fits else alpha.Mode.ROTATE, text),))

    async def show_pages(self, pages: Sequence[Bitmap]) -> None:
        """Show pictures one after another. Raises ValueError for a wrong size or too many, and as above."""
        if not 1 <= len(pages) <= self._options.pages_max:
            raise ValueError(f"{self.name}: {len(pages)} pages, it shows 1..{self._options.pages_max}")
        colour = COLOURS[self._options.colour]
        speed = alpha.SPEED_1 - 1 + self._options.speed
        commands: list[alpha.Command] = []
        calls: list[alpha.Part] = []
        for label, page in zip(PICTURE_LABELS, pages, strict=False):
            if (page.width, page.height) != self.size:
                raise ValueError(f"{self.name}: page of {page.width}x{page.height}, the sign is {self.size}")
            dots = bytes(colour if dot else 0 for dot in page.dots)
            commands.append(alpha.WriteDots(label, page.width, page.height, dots))
            calls.append(alpha.Part(alpha.Mode.HOLD, bytes((speed, alpha.CALL_PICTURE, ord(label)))))
        commands.append(alpha.WriteText(TEXT_LABEL, tuple(calls)))
        await self._show(tuple(commands))

    async def shown(self) -> Sequence[Bitmap | str] | None:
        """The text that the sign runs, and the pictures that it calls, read from the sign; None on a one-way cable."""
        if not self._options.confirm:
            return None
        async with self._writing:
            text = await self._ask(alpha.ReadText(TEXT_LABEL), alpha.WriteText, TEXT_LABEL)
            pages: list[Bitmap | str] = []
            for part in text.parts:
                label = alpha.called_picture(part.body)
                pages.append(await self._picture(label) if label else alpha.visible(part.body).decode("ascii"))
        return pages

    async def identify(self, for_s: float) -> str:
        """Flash the sign's name over what it shows, which comes back by itself."""
        async with self._writing:
            await self._send(self._text(alpha.PRIORITY_LABEL, alpha.Mode.FLASH, self.name))
        try:
            await asyncio.sleep(for_s)
        finally:
            async with self._writing:
                await self._send(alpha.WriteText(alpha.PRIORITY_LABEL, ()))
        return f"the sign flashes {self.name!r}"

    async def run(self) -> None:
        """Ask the sign every `check_s` whether it is well; show again what it may have lost while silent."""
        if not self._options.confirm:
            await asyncio.Event().wait()
        silent = False
        while True:
            try:
                async with self._writing:
                    await self._status()
                    if silent and self._shown:
                        self._memory_known = False
                        await self._write(self._shown)
            except DeviceRefused as error:
                log.warning("%s", error)
                silent = False
            except DeviceError as error:
                log.debug("%s", error)
                silent = True
            else:
                silent = False
            check_s = self._options.check_s
            # A sign whose cable was out may have been without power, too.
            silent |= await self._bus.pause(min(check_s, SILENT_CHECK_S) if silent else check_s)

    async def _show(self, commands: tuple[alpha.Command, ...]) -> None:
        async with self._writing:
            self._shown = commands
            await self._write(commands)

    async def _write(self, commands: tuple[alpha.Command, ...]) -> None:
        if self._options.confirm:
            await self._send(alpha.ClearErrorStatus())
        if not self._memory_known:
            await self._prepare_memory()
        for command in commands:
            await self._send(command)
        if self._options.confirm:
            status = await self._status()
            if status:
                self._memory_known = False
                raise DeviceRefused(self.name, f"the sign reports {status!r} after the write")

    async def _prepare_memory(self) -> None:
        wanted = self._files()
        if not (self._options.confirm and _holds(await self._memory(), wanted)):
            await self._send(alpha.SetMemory(()))
            await asyncio.sleep(self._options.settle_s)
            await self._send(alpha.SetMemory(wanted))
        self._memory_known = True

    def _files(self) -> tuple[alpha.File, ...]:
        width, height = self.size
        text = alpha.File(TEXT_LABEL, "A", True, alpha.TEXT_BYTES_MAX, "FFFF")
        labels = PICTURE_LABELS[: self._options.pages_max]
        return (text, *(alpha.File(label, "D", True, height << 8 | width, "2000") for label in labels))

    def _text(self, label: str, mode: alpha.Mode, text: str) -> alpha.WriteText:
        colour = bytes((alpha.COLOUR, ord("0") + COLOURS[self._options.colour]))
        return alpha.WriteText(label, (alpha.Part(mode, colour + text.encode("ascii")),))

    async def _picture(self, label: str) -> Bitmap:
        picture = await self._ask(alpha.ReadDots(label), alpha.WriteDots, label)
        return Bitmap(picture.width, picture.height, bytes(dot != 0 for dot in picture.dots))

    async def _status(self) -> alpha.ErrorStatus:
        return (await self._ask(alpha.ReadErrorStatus(), alpha.ErrorStatusIs)).status

    async def _memory(self) -> tuple[alpha.File, ...]:
        return (await self._ask(alpha.ReadMemory(), alpha.SetMemory)).files

    async def _ask(self, command: alpha.Command, kind: type[R], label: str = "") -> R:
        match command:
            case alpha.ReadText():
                reply_s = self._byte_s * TEXT_REPLY_BYTES_MAX
            case alpha.ReadDots():
                reply_s = self._byte_s * alpha.PACKET_BYTES_MAX
            case _:
                reply_s = 0.0
        exchange: Exchange[alpha.Reply] = Exchange(
            parts=alpha.encode_parts(command, address=self._address),
            reply=lambda: alpha.ReplyParser(kind, label),
            reply_s=reply_s,
        )
        reply = await self._bus.request(
            self.name, exchange, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S + reply_s
        )
        assert isinstance(reply, kind)
        return reply

    async def _send(self, command: alpha.Command) -> None:
        exchange: Exchange[None] = Exchange(
            parts=alpha.encode_parts(command, address=self._address), reply=None, pause_s=alpha.DOTS_PAUSE_S
        )
        await self._bus.request(self.name, exchange, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S)


def _holds(table: tuple[alpha.File, ...], wanted: tuple[alpha.File, ...]) -> bool:
    """Whether a sign's table has every file we need. The sign gives spare memory to its first file."""
    have = {file.label: file for file in table}
    for file in wanted:
        found = have.get(file.label)
        if found is None or found.kind != file.kind:
            return False
        if found.size != file.size and (file.kind == "D" or found.size < file.size):
            return False
    return True


def check_sign(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Address 0 is every sign on the line."""
    return ["profile: a sign has none, its size is in its options"] if profile is not None else []


SIGN = DriverCode(options=AlphaSignOptions, factory=AlphaSign, check=check_sign)

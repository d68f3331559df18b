"""A serial QR scanner: what it types becomes a Scan. It is alone on its line, since it speaks unasked.

A scanner that looks for codes only when it is told to (`trigger_s`) is told so when its line opens, after every
text, and again after that many seconds without one. Commands are sent without waiting for an answer by the bus: a
code may be read at any moment, and its bytes belong to the listener.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from pydantic import Field

from firmware_bridge.capabilities import DeviceError, DeviceRefused, DeviceTimeout, Health, Priority, Scan
from firmware_bridge.codecs.scanner import Framing, ScannerCounters, ScannerParser
from firmware_bridge.codecs.scanner_commands import COMMAND_SETS, Command
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile

# A scanner sends a code in one go: after this silence a text that was begun is dropped, so that half a code
# never joins the next one.
IDLE_S = 0.5
# A command is some 30 bytes; what answers at all answers within milliseconds.
COMMAND_S_MAX = 1.0
REPLY_S_MAX = 0.5
# How long one beep or one flash of the light is: `identify` repeats them at this pace.
BEEP_S = 1.0


class ScannerOptions(Options):
    """How the scanner was configured to end a code, and what it can be told."""

    framing: Framing = Field(
        default=Framing.LINE, description="line: CR, LF or CR LF; stx_etx; or idle: a silence ends a code"
    )
    idle_ms: int = Field(
        default=50, ge=5, le=500, description="With idle framing: the silence that ends a code, and waits for it"
    )
    prefix: str = Field(default="", max_length=32, description="What the scanner puts before each code; taken off")
    suffix: str = Field(default="", max_length=32, description="What it puts behind each code; taken off")
    max_bytes: int = Field(default=1024, ge=16, le=4096, description="A longer text is dropped and counted")
    same_text_s: float = Field(
        default=0.0, ge=0, le=60, description="The same text again within this is one showing, not two"
    )
    commands: Literal["none", "gm65", "honeywell", "newland"] = Field(
        default="none", description="Which commands the scanner understands"
    )
    trigger_s: float = Field(
        default=0.0, ge=0, le=60, description="Tell it to look for a code, again after this many seconds; 0: never"
    )


class SerialScanner:
    """Emits a Scan for each text, from the very callback that read its last byte."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, ScannerOptions)
        options = context.options
        self.name = context.name
        self._options = options
        self._commands = COMMAND_SETS.get(options.commands)
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._expect_release = context.expect_release
        self._tell = context.health_listener()
        self._parser = ScannerParser(
            options.framing,
            max_bytes=options.max_bytes,
            prefix=options.prefix.encode(),
            suffix=options.suffix.encode(),
        )
        self._idle_s = options.idle_ms / 1000 if options.framing is Framing.IDLE else IDLE_S
        self._last_text = ""
        self._last_s = 0.0
        self._heard_s = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._replied = asyncio.Event()
        self._look = asyncio.Event()
        self.repeats = 0
        context.bus.attach(context.name, DevicePolicy(), self._on_health, listens=self._heard)

    @property
    def counters(self) -> ScannerCounters:
        return self._parser.counters

    async def run(self) -> None:
        """Bytes arrive by themselves; a scanner that must be told to look is told. Ends its timer when cancelled."""
        try:
            if not self._options.trigger_s or self._commands is None:
                await asyncio.Event().wait()
                return
            while True:
                self._look.clear()
                # While the line is away nothing can be told; `_look` is set when it is back.
                with contextlib.suppress(DeviceError):
                    await self._send(self._commands.start)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._options.trigger_s):
                        await self._look.wait()
        finally:
            if self._idle is not None:
                self._idle.cancel()

    async def identify(self, for_s: float) -> str:
        """Beep, or light up, once a second; a scanner that can do neither shines its aiming light."""
        commands = self._commands
        if commands is None:
            raise DeviceRefused(self.name, "can be told nothing; name its command set in the option `commands`")
        if (told := commands.beep or commands.light) is None:
            await self._confirmed(commands.start)
            try:
                await asyncio.sleep(for_s)
            finally:
                await self._send(commands.stop)
            self._look.set()
            return "its light shines as if it read a code"
        end_s = self._clock.monotonic() + for_s
        while True:
            await self._confirmed(told)
            left_s = end_s - self._clock.monotonic()
            if left_s <= 0:
                return "it beeps" if commands.beep else "its light flashes"
            await asyncio.sleep(min(BEEP_S, left_s))

    async def _confirmed(self, command: Command) -> None:
        """Send a command; wait for the answer of a scanner that gives one."""
        self._replied.clear()
        await self._send(command)
        if not command.reply:
            return
        try:
            async with asyncio.timeout(REPLY_S_MAX):
                await self._replied.wait()
        except TimeoutError:
            self._parser.expect_nothing()
            raise DeviceTimeout(
                self.name, "did not answer a command; check its receive wire and the option `commands`"
            ) from None

    async def _send(self, command: Command) -> None:
        self._parser.expect(command.reply)
        exchange: Exchange[None] = Exchange(parts=(command.send,), reply=None)
        await self._bus.request(self.name, exchange, priority=Priority.READER, deadline_s=COMMAND_S_MAX)

    def _on_health(self, health: Health, detail: str) -> None:
        if health is Health.ONLINE:
            self._look.set()
        else:
            # Half a text and answers that are due went with the line.
            self._parser.drop()
            self._parser.expect_nothing()
        self._tell(health, detail)

    def _heard(self, data: bytes, mono_s: float) -> None:
        self._expect_release()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        replies = self._parser.counters.replies
        self._heard_s = mono_s
        for text in self._parser.feed(data):
            self._read(text, mono_s)
        if self._parser.counters.replies > replies:
            self._replied.set()
        if self._parser.partial:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._silent)

    def _silent(self) -> None:
        self._idle = None
        for text in self._parser.idle():
            self._read(text, self._heard_s)

    def _read(self, text: str, mono_s: float) -> None:
        self._look.set()
        within = mono_s - self._last_s < self._options.same_text_s
        again = text == self._last_text and within
        self._last_text, self._last_s = text, mono_s
        if again:
            self.repeats += 1
            return
        self._emit(Scan(self.name, text, self._clock.now(), mono_s))


def check_scanner(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A scanner has no address and no profile; whatever its options say has been parsed."""
    assert isinstance(options, ScannerOptions)
    found = ["profile: a scanner has none"] if profile is not None else []
    if options.trigger_s and options.commands == "none":
        found.append("options.trigger_s: needs the option `commands`, which says how the scanner is told")
    return found


SCANNER = DriverCode(options=ScannerOptions, factory=SerialScanner, check=check_scanner)

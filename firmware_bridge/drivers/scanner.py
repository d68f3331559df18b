"""A serial QR scanner: what it types becomes a Scan. It is alone on its line, since it speaks unasked."""

from __future__ import annotations

import asyncio

from pydantic import Field

from firmware_bridge.capabilities import Scan
from firmware_bridge.codecs.scanner import Framing, ScannerCounters, ScannerParser
from firmware_bridge.drivers.base import DriverContext, Options
from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.profiles import DeviceProfile

# A scanner sends a code in one go: after this silence a text that was begun is dropped, so that half a code
# never joins the next one.
IDLE_S = 0.5


class ScannerOptions(Options):
    """How the scanner was configured to end a code."""

    framing: Framing = Field(default=Framing.LINE, description="line: CR, LF or CR LF; or stx_etx")
    max_bytes: int = Field(default=1024, ge=16, le=4096, description="A longer text is dropped and counted")
    same_text_s: float = Field(
        default=0.0, ge=0, le=60, description="The same text again within this is one showing, not two"
    )


class SerialScanner:
    """Emits a Scan for each text, from the very callback that read its last byte."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, ScannerOptions)
        self.name = context.name
        self._options = context.options
        self._emit = context.emit
        self._clock = context.clock
        self._expect_release = context.expect_release
        self._parser = ScannerParser(context.options.framing, max_bytes=context.options.max_bytes)
        self._last_text = ""
        self._last_s = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self.repeats = 0
        context.bus.attach(context.name, DevicePolicy(), context.health_listener(), listens=self._heard)

    @property
    def counters(self) -> ScannerCounters:
        return self._parser.counters

    async def run(self) -> None:
        """Nothing to poll: bytes arrive by themselves. Ends its timer when cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._idle is not None:
                self._idle.cancel()

    def _heard(self, data: bytes, mono_s: float) -> None:
        self._expect_release()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        for text in self._parser.feed(data):
            self._read(text, mono_s)
        if self._parser.partial:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._parser.idle)

    def _read(self, text: str, mono_s: float) -> None:
        within = mono_s - self._last_s < self._options.same_text_s
        again = text == self._last_text and within
        self._last_text, self._last_s = text, mono_s
        if again:
            self.repeats += 1
            return
        self._emit(Scan(self.name, text, self._clock.now(), mono_s))


def check_scanner(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A scanner has no address and no profile; whatever its options say has been parsed."""
    return ["profile: a scanner has none"] if profile is not None else []

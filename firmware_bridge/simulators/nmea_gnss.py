"""A GNSS receiver that stands where it is put and says so every second: GGA, RMC and GST."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from firmware_bridge.codecs import nmea
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_pty import PacedPty

BAUD = 9600
BITS_PER_BYTE = 10
PERIOD_S = 1.0
# Changchun, Renmin Square.
LATITUDE, LONGITUDE, ALTITUDE_M = 43.8868, 125.3245, 212.0


class GnssReceiver:
    """Talks while it is started."""

    def __init__(self, wire: PacedWire, *, period_s: float = PERIOD_S) -> None:
        self._wire = wire
        self._period_s = period_s
        self.mute = False
        self.latitude, self.longitude = LATITUDE, LONGITUDE
        self.quality = 1
        self.satellites = 9
        self.spoken = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._period_s, self.start)
        if not self.mute:
            self.speak(datetime.now(UTC))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def speak(self, at: datetime) -> None:
        """Say everything once."""
        self.spoken += 1
        clock = f"{at:%H%M%S}.{at.microsecond // 10000:02d}"
        place = f"{_dm(self.latitude, 2, 'NS')},{_dm(self.longitude, 3, 'EW')}" if self.quality else ",,,"
        altitude = f"{ALTITUDE_M:.1f}" if self.quality else ""
        status, mode = ("A", "A") if self.quality else ("V", "N")
        for body in (
            f"GNGGA,{clock},{place},{self.quality},{self.satellites:02d},0.9,{altitude},M,6.1,M,,",
            f"GNRMC,{clock},{status},{place},0.02,,{at:%d%m%y},,,{mode},V",
            f"GNGST,{clock},1.8,,,,{'1.2,1.6,3.0' if self.quality else ',,'}",
        ):
            self._wire.send(nmea.encode(body))


def _dm(degrees: float, digits: int, sides: str) -> str:
    whole, minutes = divmod(round(abs(degrees) * 60, 5), 60)
    return f"{int(whole):0{digits}d}{minutes:08.5f},{sides[degrees < 0]}"


class GnssSimulation(WireSimulation):
    """The receiver on a line of its own."""

    def __init__(self, context: SimulatorContext) -> None:
        device = DeviceConfig(driver="nmea_gnss", line=self.LINE, options={"period_s": 2.0, "stale_s": 2.5})
        wire = PacedPty("gnss", BITS_PER_BYTE / BAUD, rng=context.rng, link_dir=context.link_dir)
        super().__init__(wire, device, {"baud": BAUD})
        self.receiver = GnssReceiver(wire)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.receiver.start()
        return self

    def stop(self) -> None:
        self.receiver.stop()

    def mute(self, muted: bool) -> None:
        self.receiver.mute = muted

    def state(self) -> dict[str, object]:
        receiver = self.receiver
        return {
            "latitude": receiver.latitude,
            "longitude": receiver.longitude,
            "fix": receiver.quality > 0,
            "satellites": receiver.satellites,
        }

    def actions(self) -> Mapping[str, Action]:
        def move(words: Sequence[str]) -> None:
            self.receiver.latitude, self.receiver.longitude = float(words[0]), float(words[1])

        def fix(words: Sequence[str]) -> None:
            self.receiver.quality = {"lost": 0, "found": 1}[words[0]]

        return {"move": move, "fix": fix}

"""A GNSS receiver that speaks NMEA 0183 by itself, as a Locator and a Sensor. It is never asked anything.

Its sentences are taken as they come; every period what is known then is told. What it said stays true for
`stale_s`: then a reading is STALE (with the last value) and there is no position any more. A receiver that says
that it has no fix has no position at once. Positions are told as they were measured: a station that jumps is moved,
and somebody must hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from firmware_bridge.capabilities import Health, HealthChanged, Position, Quality, Reading
from firmware_bridge.codecs import nmea
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.profiles import DeviceProfile

# A time of the receiver's that is this far from the station's is of another day than it says (a counter that ran
# over): the fix is dated by the station's clock.
CLOCKS_APART_S_MAX = 86_400.0


class GnssOptions(Options):
    """How often it is told, and for how long it is true."""

    period_s: float = Field(default=10.0, ge=0.2, le=3600, description="Seconds between two readings")
    stale_s: float = Field(
        default=5.0,
        ge=1.5,
        le=600,
        description="What was said longer ago is not true any more; a receiver talks every second",
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """One value, and when it was said."""

    value: float | str | None
    mono_s: float
    at: datetime


UNITS = {
    "fix": "",
    "satellites": "",
    "hdop": "",
    "latitude": "°",
    "longitude": "°",
    "altitude": "m",
    "accuracy": "m",
    "speed": "km/h",
    "time": "",
}


class NmeaGnss:
    """Hears sentences; knows the last of each value."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, GnssOptions)
        self.name = context.name
        self._options = context.options
        self._emit = context.emit
        self._clock = context.clock
        self._parser = nmea.SentenceParser()
        self._said: dict[str, _Said] = {}
        self._gnss_time: datetime | None = None
        self._health: Health | None = None
        self._silent: asyncio.TimerHandle | None = None
        context.bus.attach(context.name, DevicePolicy(), self._line_changed, listens=self._heard)
        self._stats = context.bus.stats(context.name)

    @property
    def counters(self) -> nmea.NmeaCounters:
        return self._parser.counters

    async def position(self) -> Position | None:
        """The last fix while it is true; None without one."""
        latitude, longitude = self._fresh("latitude"), self._fresh("longitude")
        if latitude is None or longitude is None:
            return None
        satellites = self._number("satellites")
        return Position(
            latitude=float(latitude.value or 0.0),
            longitude=float(longitude.value or 0.0),
            altitude_m=self._number("altitude"),
            accuracy_m=self._number("accuracy"),
            satellites=None if satellites is None else int(satellites),
            at=latitude.at,
        )

    async def read(self) -> Sequence[Reading]:
        """What is known now; nothing is waited for."""
        now, mono_s = self._clock.now(), self._clock.monotonic()
        readings: list[Reading] = []
        for point, unit in UNITS.items():
            said = self._said.get(point)
            if said is None:
                readings.append(Reading(self.name, point, None, unit, Quality.MISSING, now, mono_s))
                continue
            quality = Quality.INVALID if said.value is None else Quality.GOOD
            if said.value is not None and self._is_old(said):
                quality = Quality.STALE
            readings.append(Reading(self.name, point, said.value, unit, quality, said.at, said.mono_s))
        return readings

    async def run(self) -> None:
        """Tell what is known every period, until cancelled."""
        self._watch()
        try:
            while True:
                await asyncio.sleep(self._options.period_s)
                for reading in await self.read():
                    self._emit(reading)
        finally:
            if self._silent is not None:
                self._silent.cancel()

    # From here on: callbacks of the loop.

    def _heard(self, data: bytes, mono_s: float) -> None:
        bad = self._parser.counters.bad_checksums
        bodies = self._parser.feed(data)
        self._stats.bad_frames += self._parser.counters.bad_checksums - bad
        if not bodies:
            return
        for body in bodies:
            self._take(nmea.decode(body), mono_s)
        self._tell(Health.ONLINE, "sends sentences")
        self._watch()

    def _take(self, content: nmea.Content | None, mono_s: float) -> None:
        match content:
            case nmea.Gga():
                self._say(mono_s, fix=content.kind.value, satellites=content.satellites, hdop=content.hdop)
                self._place(content.place, mono_s)
                self._say(mono_s, altitude=content.altitude_m if content.place else None)
            case nmea.Rmc():
                if content.at is not None:
                    self._gnss_time = content.at
                    self._say(mono_s, time=content.at.isoformat(timespec="seconds"))
                self._say(mono_s, speed=content.speed_kmh)
                if self._fresh("fix") is None or not content.valid:
                    # A receiver that sends no GGA is heard by its RMC; either may say that there is no fix.
                    self._place(content.place, mono_s)
            case nmea.Gst(accuracy_m):
                self._say(mono_s, accuracy=accuracy_m)
            case None:
                pass

    def _place(self, place: tuple[float, float] | None, mono_s: float) -> None:
        latitude, longitude = place or (None, None)
        self._say(mono_s, latitude=latitude, longitude=longitude)

    def _say(self, mono_s: float, **values: float | str | None) -> None:
        at = self._clock.now()
        if self._gnss_time is not None and abs((self._gnss_time - at).total_seconds()) < CLOCKS_APART_S_MAX:
            at = self._gnss_time
        for point, value in values.items():
            self._said[point] = _Said(value, mono_s, at)

    def _is_old(self, said: _Said) -> bool:
        return self._clock.monotonic() - said.mono_s > self._options.stale_s

    def _fresh(self, point: str) -> _Said | None:
        said = self._said.get(point)
        return None if said is None or said.value is None or self._is_old(said) else said

    def _number(self, point: str) -> float | None:
        said = self._fresh(point)
        return None if said is None or isinstance(said.value, str) else said.value

    def _watch(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
        self._silent = asyncio.get_running_loop().call_later(self._options.stale_s, self._fell_silent)

    def _fell_silent(self) -> None:
        self._silent = None
        self._parser.idle()
        self._tell(
            Health.OFFLINE, f"no sentence in {self._options.stale_s:g} s; check its power, its baud and its wires"
        )

    def _line_changed(self, health: Health, detail: str) -> None:
        """An open line is not yet a receiver that talks."""
        if health is Health.OFFLINE:
            self._parser.idle()
            self._tell(health, detail)

    def _tell(self, health: Health, detail: str) -> None:
        if health is not self._health:
            self._health = health
            self._emit(HealthChanged(self.name, health, detail, self._clock.now(), self._clock.monotonic()))


def check_gnss(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """A receiver has no address and no profile."""
    return ["profile: a GNSS receiver has none"] if profile is not None else []


GNSS = DriverCode(options=GnssOptions, factory=NmeaGnss, check=check_gnss)

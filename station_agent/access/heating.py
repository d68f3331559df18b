"""The shell of heater.py: reads the temperature that the profile names, and sets the output that it names.

The output is written again every REPEAT_S, because a board that lost its power comes back with its relays off. On the
way out it is switched off; an agent that dies leaves it as it is until the next one starts, which a heater with a
thermostat or a PTC of its own bears.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from firmware_bridge.capabilities import Control, DeviceError, Quality, Reading
from station_agent.access.heater import Heater, HeaterSettings, step
from station_agent.clock import Clock
from station_agent.wire.profile import HeaterRow

log = logging.getLogger(__name__)

LOOK_S = 30.0
REPEAT_S = 300.0

OFF_S = 2.0
"""How long a shutdown waits for the output."""

PLAUSIBLE_C = (-60.0, 60.0)
"""What lies outside is no weather."""


def heater_settings(row: HeaterRow) -> HeaterSettings:
    return HeaterSettings(row.on_below_c, row.off_above_c, row.on_max_min * 60, row.rest_min * 60)


class Heating:
    """`run` is the service; `read` takes every reading of the station."""

    def __init__(self, row: HeaterRow, control: Control, ordered: Callable[[], bool], clock: Clock) -> None:
        """`ordered`: whether extreme cold is."""
        self._settings = heater_settings(row)
        self._source = row.temperature
        self._output = row.output.partition(".")[2]
        self._control = control
        self._ordered = ordered
        self._clock = clock
        self._temperature_c: float | None = None
        self._written: bool | None = None
        self._written_at = 0.0
        self._closed = False
        self.heater = Heater()
        self.silent: str | None = None
        """Why the output does not do what it should; None while it does."""

    def read(self, reading: Reading) -> None:
        value = reading.value
        if f"{reading.device}.{reading.point}" != self._source or reading.quality is not Quality.GOOD:
            return
        low, high = PLAUSIBLE_C
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            self._temperature_c = float(value)

    async def run(self) -> None:
        while True:
            await self.follow()
            await self._clock.sleep(LOOK_S)

    async def follow(self) -> None:
        """Decide by what was read since the last time, and set the output."""
        if self._closed:
            return
        temperature_c, self._temperature_c = self._temperature_c, None
        now = self._clock.monotonic()
        self.heater = step(self.heater, temperature_c, self._ordered(), self._settings, now)
        if self.heater.on is not self._written or now - self._written_at >= REPEAT_S:
            await self._write(self.heater.on)

    async def close(self) -> None:
        """Nobody watches it any more: off, whatever `run` was about to do."""
        self._closed = True
        try:
            await asyncio.wait_for(self._write(False), OFF_S)
        except TimeoutError:
            log.warning("the strike's heater was not switched off in time")

    async def _write(self, on: bool) -> None:
        try:
            await self._control.set(self._output, on)
        except (DeviceError, ValueError) as error:  # ValueError: it has no such output
            if self.silent is None:
                log.error("the strike's heater does not follow: %s", error)
            self.silent, self._written = str(error), None
            return
        if on is not self._written:
            log.info("the strike's heater is %s", "on" if on else "off")
        self.silent, self._written, self._written_at = None, on, self._clock.monotonic()

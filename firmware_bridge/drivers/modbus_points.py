"""Modbus devices whose points stand in a device profile: read as Readings, inputs told as they change, controls set.

```
 run:  every poll_ms    inputs of the profile         ->  InputChanged, whole at first and after a silence
       every period_s   all points, by merged reads   ->  Readings, and inputs that changed meanwhile
 set:  write  ->  read back, until it holds what was written or `settle_ms` is over  ->  Reading, or DeviceRefused
```
A read that spans addresses no point has, and is refused for it, is not made again: from then on nothing is spanned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from firmware_bridge.capabilities import (
    ControlRange,
    DeviceError,
    DeviceRefused,
    InputChanged,
    Priority,
    Quality,
    Reading,
)
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.modbus_unit import (
    ModbusRefused,
    ModbusUnit,
    ToldOnce,
    check_unit,
    policy_of,
    wire_time,
)
from firmware_bridge.merge import Block, plan
from firmware_bridge.points import Point, WriteFunction
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

QUARANTINE_S_MAX = 60.0
# Between two looks at a device that may take `settle_ms` to show what was written.
LOOK_AGAIN_S = 0.1
# Queue time that a request is given beyond its own attempts.
QUEUE_S = 2.0


class PointsOptions(Options):
    """How often the points are read."""

    period_s: float = Field(default=10.0, ge=0.2, le=3600, description="Seconds between two readings")
    poll_ms: int = Field(default=250, ge=20, le=10_000, description="How often the inputs of the profile are read")


class ModbusSensor:
    """Points of a device profile as Readings; neighbours are fetched by one read."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, PointsOptions)
        assert context.profile is not None
        self.name = context.name
        self._options = context.options
        self._bus = context.bus
        self._profile = context.profile
        self._emit = context.emit
        self._clock = context.clock
        self._unit = ModbusUnit(context, policy_of(context.profile.timing, quarantine_s_max=QUARANTINE_S_MAX))
        self._wire = wire_time(context.line, context.profile.timing)
        self._limits = context.profile.limits
        self._levels: dict[str, bool] = {}

    async def read(self) -> Sequence[Reading]:
        """One Reading of each point; a point without a value has None and the reason as its quality.

        After a read that is not answered the others are not made. Raises DeviceRefused when the device knows none
        of the addresses of its profile.
        """
        readings, refused = await self._read(self._profile.points, Priority.TELEMETRY)
        if refused is not None and all(reading.quality is Quality.INVALID for reading in readings):
            raise refused
        return readings

    async def run(self) -> None:
        """Emit every point every period and every change of an input, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_readings(), name=f"{self.name} readings")
            if self._profile.inputs:
                tasks.create_task(self._tell_inputs(), name=f"{self.name} inputs")

    async def _tell_readings(self) -> None:
        told = ToldOnce()
        while True:
            began = self._clock.monotonic()
            readings, refused = await self._read(self._profile.points, Priority.TELEMETRY)
            told.about(refused)
            for reading in readings:
                self._emit(reading)
            self._emit_changes(readings)
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(0.0, self._options.period_s - spent))

    async def _tell_inputs(self) -> None:
        told = ToldOnce()
        while True:
            began = self._clock.monotonic()
            readings, refused = await self._read(self._profile.inputs, Priority.ALARM)
            told.about(refused)
            self._emit_changes(readings)
            # A device that is slow to answer leaves at least as much time to everything else.
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(self._options.poll_ms / 1000 - spent, spent))

    def _emit_changes(self, readings: Sequence[Reading]) -> None:
        inputs = {point.name for point in self._profile.inputs}
        for reading in readings:
            if reading.point not in inputs:
                continue
            if not isinstance(reading.value, bool):
                # What it did meanwhile is not known: its state is told anew when it is there again.
                self._levels.pop(reading.point, None)
            elif self._levels.get(reading.point) is not reading.value:
                self._levels[reading.point] = reading.value
                self._emit(InputChanged(self.name, reading.point, reading.value, reading.at, reading.mono_s))

    async def _read(self, points: tuple[Point, ...], priority: int) -> tuple[list[Reading], DeviceError | None]:
        """A Reading of each of `points`, and what was refused last."""
        readings: list[Reading] = []
        refused: DeviceError | None = None
        blocks = plan(points, self._limits, self._wire)
        for number, block in enumerate(blocks):
            try:
                readings += await self._read_block(block, priority)
            except ModbusRefused as error:
                if self._spans_too_far(block, error):
                    return await self._read(points, priority)
                refused = error
                readings += self._without(block.points, Quality.INVALID)
            except DeviceError:  # silent, or the line is full
                for missed in blocks[number:]:
                    readings += self._without(missed.points, Quality.MISSING)
                break
        return readings, refused

    def _spans_too_far(self, block: Block, error: ModbusRefused) -> bool:
        """Whether a refusal may be for addresses in passing; they are then not read again."""
        used = {address for point in block.points for address in range(point.address, point.address + point.words)}
        if error.code != pdu.Refusal.ILLEGAL_ADDRESS or len(used) == block.count or not self._limits.merge_gap:
            return False
        log.warning("%s; from now on reads span nothing: a merge_gap of 0 in its profile says so at once", error)
        self._limits = replace(self._limits, merge_gap=0)
        return True

    async def _read_block(self, block: Block, priority: int) -> list[Reading]:
        words = await self._unit.raw(
            block.space, block.address, block.count, priority=priority, deadline_s=self._deadline_s
        )
        at, mono_s = self._clock.now(), self._clock.monotonic()
        readings = []
        for point in block.points:
            first = point.address - block.address
            value = point.decode(words[first : first + point.words])
            quality = Quality.INVALID if value is None else Quality.GOOD
            readings.append(Reading(self.name, point.name, value, point.unit, quality, at, mono_s))
        return readings

    @property
    def _deadline_s(self) -> float:
        timing = self._profile.timing
        return QUEUE_S + (1 + timing.retries) * timing.timeout_ms / 1000

    def _without(self, points: Sequence[Point], quality: Quality) -> list[Reading]:
        at, mono_s = self._clock.now(), self._clock.monotonic()
        return [Reading(self.name, point.name, None, point.unit, quality, at, mono_s) for point in points]


class ModbusControl(ModbusSensor):
    """A sensor some of whose points can be set."""

    def __init__(self, context: DriverContext) -> None:
        super().__init__(context)
        self._points = self._profile.controls
        # One at a time: bits of one register are read, altered and written.
        self._setting = asyncio.Lock()

    @property
    def controls(self) -> Mapping[str, ControlRange]:
        """Point -> what it takes."""
        return {name: point.control_range for name, point in self._points.items()}

    async def set(self, point: str, value: float | bool | str) -> Reading:
        """Write, then read back until the device shows it: that reading, which is emitted, too.

        Raises ValueError for what the point does not take, DeviceRefused when the device said no or holds
        another value when its `settle_ms` is over, DeviceTimeout.
        """
        if point not in self._points:
            raise ValueError(f"{self.name} has no {point!r} to set; it has: {', '.join(self._points)}")
        it = self._points[point]
        async with self._setting:
            current = await self._words(it) if it.alters_a_part else ()
            words = it.encode(value, current)
            request = _write(it, words)
            await self._unit.ask(request, priority=Priority.ALARM, deadline_s=self._deadline_s)
            reading = await self._settled(it, it.decode(words))
        self._emit(reading)
        return reading

    async def _settled(self, point: Point, wanted: float | bool | str | None) -> Reading:
        assert point.write is not None
        settled_s = self._clock.monotonic() + point.write.settle_ms / 1000
        while True:
            value = point.decode(await self._words(point))
            at, mono_s = self._clock.now(), self._clock.monotonic()
            if value == wanted:
                return Reading(self.name, point.name, value, point.unit, Quality.GOOD, at, mono_s)
            if mono_s >= settled_s:
                shown = "no value" if value is None else f"{value}"
                raise DeviceRefused(self.name, f"{point.name} was set to {wanted} and shows {shown}; is it locked?")
            await asyncio.sleep(min(LOOK_AGAIN_S, settled_s - mono_s))

    async def _words(self, point: Point) -> tuple[int, ...]:
        return await self._unit.raw(
            point.space, point.address, point.words, priority=Priority.ALARM, deadline_s=self._deadline_s
        )


def _write(point: Point, words: tuple[int, ...]) -> pdu.Request:
    """The request that writes `words` to a point."""
    address = point.write_address
    match point.write_function:
        case WriteFunction.COIL:
            return pdu.WriteOne(pdu.Function.WRITE_COIL, address, pdu.COIL_ON if words[0] else pdu.COIL_OFF)
        case WriteFunction.COILS:
            return pdu.WriteBits(address, (bool(words[0]),))
        case WriteFunction.REGISTER:
            return pdu.WriteOne(pdu.Function.WRITE_REGISTER, address, words[0])
        case WriteFunction.REGISTERS:
            return pdu.WriteRegisters(address, words)


def check_sensor(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which a sensor's profile cannot serve."""
    found = check_unit(address)
    if profile is None or not profile.points:
        found.append("profile: describes no points to read")
    return found


def check_control(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which the profile of a device that is set cannot serve."""
    found = check_sensor(address, options, profile)
    if profile is not None and profile.points and not profile.controls:
        found.append("profile: has no point with a `write`; a device that is only read is a modbus_sensor")
    return found


SENSOR = DriverCode(options=PointsOptions, factory=ModbusSensor, check=check_sensor)
CONTROL = DriverCode(options=PointsOptions, factory=ModbusControl, check=check_control)

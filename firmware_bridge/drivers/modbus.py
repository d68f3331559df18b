"""Modbus RTU drivers: a relay board that is a lock, and sensors described by a device profile.

The lock: one coil releases, discrete inputs are the door contact and buttons. Where the board has a timer
(FC05 "flash on"), the board itself secures again; otherwise the driver switches the coil off after `hold_s`,
and again until the board has acknowledged it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from firmware_bridge.capabilities import (
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    InputChanged,
    LockStatus,
    Priority,
    Quality,
    Reading,
)
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.drivers.base import DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.merge import RTU_OVERHEAD_BYTES, Block, WireTime, plan
from firmware_bridge.points import Space
from firmware_bridge.profiles import DeviceProfile, Timing

log = logging.getLogger(__name__)

UNIT_MIN, UNIT_MAX = 1, 247  # Modbus over Serial Line 1.02, section 2.2
# A release that is not acknowledged within this is a failure to tell the person at the door.
LOCK_DEADLINE_S = 1.5
CONTACT = "contact"
# Switching off after `hold_s` by the driver is tried this often before it is given up as a device failure.
SECURE_ATTEMPTS_MAX = 10
READ_FUNCTION = {
    Space.COIL: modbus.Function.READ_COILS,
    Space.DISCRETE: modbus.Function.READ_DISCRETE_INPUTS,
    Space.HOLDING: modbus.Function.READ_HOLDING_REGISTERS,
    Space.INPUT: modbus.Function.READ_INPUT_REGISTERS,
}


class ModbusUnit:
    """One unit address on a bus: typed requests, refusals as DeviceRefused."""

    def __init__(self, context: DriverContext, policy: DevicePolicy) -> None:
        self.name = context.name
        self._bus = context.bus
        self._unit = context.address
        context.bus.attach(context.name, policy, context.health_listener())

    async def ask(self, request: modbus.Request, *, priority: int, deadline_s: float) -> modbus.Reply:
        exchange: Exchange[modbus.Reply] = Exchange(
            parts=(modbus.encode_request(self._unit, request),),
            reply=lambda: modbus.ReplyParser(self._unit, request),
        )
        reply = await self._bus.request(self.name, exchange, priority=priority, deadline_s=deadline_s)
        if isinstance(reply, modbus.Refused):
            raise DeviceRefused(self.name, f"{request} was refused: {reply.text}; check its profile and options")
        return reply

    async def bits(
        self, function: modbus.Function, address: int, count: int, *, priority: int, deadline_s: float
    ) -> tuple[bool, ...]:
        request = modbus.Read(function, address, count)
        reply = await self.ask(request, priority=priority, deadline_s=deadline_s)
        assert isinstance(reply, modbus.Bits)
        return reply.bits

    async def write(self, address: int, value: int) -> None:
        request = modbus.WriteOne(modbus.Function.WRITE_COIL, address, value)
        await self.ask(request, priority=Priority.LOCK, deadline_s=LOCK_DEADLINE_S)


class _ToldOnce:
    """Logs a refusal once and not at every poll. Silence is told by the bus, as health."""

    def __init__(self) -> None:
        self._last = ""

    def about(self, error: DeviceError | None) -> None:
        text = "" if error is None or isinstance(error, DeviceTimeout) else str(error)
        if text and text != self._last:
            log.warning("%s", text)
        self._last = text


def _policy(timing: Timing, *, quarantine_s_max: float) -> DevicePolicy:
    return DevicePolicy(
        timeout_s=timing.timeout_ms / 1000,
        retries=timing.retries,
        gap_s=timing.gap_ms / 1000,
        quarantine_s_max=quarantine_s_max,
    )


class LockOptions(Options):
    """How the door is wired to the relay board."""

    coil: int = Field(default=0, ge=0, description="Relay that releases the lock, from 0")
    contact: int | None = Field(default=None, ge=0, description="Input of the door contact, if there is one")
    contact_open_level: bool = Field(default=True, description="Level of that input while the door is open")
    buttons: dict[str, int] = Field(default_factory=dict, description="Name of a button -> its input")
    poll_ms: int = Field(default=100, ge=20, le=2000, description="How often the inputs are read")


class ModbusLock:
    """A relay board as a Lock: `release`, `secure`, `status`, and the inputs as events."""

    # A door is asked for often even when it is silent: nobody should wait at a door whose cable is back.
    QUARANTINE_S_MAX = 2.0

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, LockOptions)
        assert context.profile is not None
        assert context.profile.relays is not None
        self.name = context.name
        self._options = context.options
        self._relays = context.profile.relays
        self._emit = context.emit
        self._clock = context.clock
        self._unit = ModbusUnit(context, _policy(context.profile.timing, quarantine_s_max=self.QUARANTINE_S_MAX))
        self._watched: dict[int, str] = {index: name for name, index in self._options.buttons.items()}
        if self._options.contact is not None:
            self._watched[self._options.contact] = CONTACT
        self._levels: dict[str, bool] = {}
        self._told = _ToldOnce()
        self._secure_later: asyncio.Task[None] | None = None

    async def release(self, hold_s: float) -> None:
        """Release for at most `hold_s` seconds. Raises DeviceTimeout or DeviceRefused."""
        if not hold_s > 0:
            raise ValueError(f"{self.name}: a release of {hold_s} s is none")
        self._forget_timer()
        flash = self._relays.flash_on
        if flash is not None:
            ticks = max(1, min(flash.max, math.floor(hold_s * 1000 / flash.unit_ms)))
            await self._unit.write(flash.base + self._options.coil, ticks)
            return
        self._secure_later = asyncio.create_task(self._secure_after(hold_s), name=f"{self.name} secures")
        await self._unit.write(self._options.coil, modbus.COIL_ON)

    async def secure(self) -> None:
        """Secure now. Raises DeviceTimeout or DeviceRefused."""
        self._forget_timer()
        await self._unit.write(self._options.coil, modbus.COIL_OFF)

    async def status(self) -> LockStatus:
        """Read relay and contact. What did not answer is None."""
        released: bool | None = None
        contact: bool | None = None
        try:
            coil = modbus.Function.READ_COILS
            bits = await self._unit.bits(
                coil, self._options.coil, 1, priority=Priority.LOCK, deadline_s=LOCK_DEADLINE_S
            )
            released = bits[0]
            if self._options.contact is not None:
                levels = await self._read_inputs(Priority.LOCK)
                contact = levels[CONTACT]
        except DeviceError as error:
            log.info("status of %s is not known: %s", self.name, error)
        return LockStatus(released=released, contact_open=contact)

    async def run(self) -> None:
        """Read the inputs every `poll_ms` and emit what changed; the first answer is emitted whole."""
        try:
            while self._watched:
                began = self._clock.monotonic()
                try:
                    levels = await self._read_inputs(Priority.READER)
                except DeviceError as error:
                    # What the door did meanwhile is not known: its state is told anew when it answers.
                    self._levels.clear()
                    self._told.about(error)
                else:
                    self._told.about(None)
                    self._emit_changes(levels)
                spent = self._clock.monotonic() - began
                await asyncio.sleep(max(0.0, self._options.poll_ms / 1000 - spent))
            await asyncio.Event().wait()
        finally:
            await self._end_timer()

    async def _read_inputs(self, priority: int) -> dict[str, bool]:
        low, high = min(self._watched), max(self._watched)
        bits = await self._unit.bits(
            modbus.Function.READ_DISCRETE_INPUTS,
            low,
            high - low + 1,
            priority=priority,
            deadline_s=LOCK_DEADLINE_S,
        )
        levels = {name: bits[index - low] for index, name in self._watched.items()}
        if CONTACT in levels:
            levels[CONTACT] = levels[CONTACT] == self._options.contact_open_level
        return levels

    def _emit_changes(self, levels: dict[str, bool]) -> None:
        at, mono_s = self._clock.now(), self._clock.monotonic()
        for name, active in levels.items():
            if self._levels.get(name) is not active:
                self._levels[name] = active
                self._emit(InputChanged(self.name, name, active, at, mono_s))

    async def _secure_after(self, hold_s: float) -> None:
        await asyncio.sleep(hold_s)
        await self._switch_off()

    async def _switch_off(self) -> None:
        for _ in range(SECURE_ATTEMPTS_MAX):
            try:
                await self._unit.write(self._options.coil, modbus.COIL_OFF)
            except DeviceTimeout as error:
                log.warning("not secured yet: %s", error)
                await asyncio.sleep(1.0)
            else:
                return
        log.error("%s was released and did not acknowledge that it is secured", self.name)

    def _forget_timer(self) -> None:
        if self._secure_later is not None:
            self._secure_later.cancel()
            self._secure_later = None

    async def _end_timer(self) -> None:
        """On the way out: a board without a timer must not be left released."""
        timer, self._secure_later = self._secure_later, None
        if timer is None or timer.done():
            return
        timer.cancel()
        try:
            await self._unit.write(self._options.coil, modbus.COIL_OFF)
        except DeviceError as error:
            log.warning("left released: %s", error)
        await asyncio.wait([timer])


def check_lock(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which wiring and board do not fit."""
    assert isinstance(options, LockOptions)
    found = _check_unit(address)
    relays = profile.relays if profile else None
    if relays is None:
        return [*found, "profile: describes no relays, and a lock needs one"]
    if options.coil >= relays.coils:
        found.append(f"options.coil: {options.coil}, the board has relays 0..{relays.coils - 1}")
    wired = {f"options.buttons.{name}": index for name, index in options.buttons.items()}
    if options.contact is not None:
        wired["options.contact"] = options.contact
    for where, index in wired.items():
        if not 0 <= index < relays.inputs:
            board = f"the board has inputs 0..{relays.inputs - 1}" if relays.inputs else "the board has no inputs"
            found.append(f"{where}: {index}, {board}")
        if list(wired.values()).count(index) > 1:
            found.append(f"{where}: input {index} is wired twice")
    if CONTACT in options.buttons:
        found.append(f"options.buttons.{CONTACT}: the name belongs to the door contact")
    return found


class SensorOptions(Options):
    """How often a sensor is read."""

    period_s: float = Field(default=10.0, ge=0.2, le=3600, description="Seconds between two readings")


class ModbusSensor:
    """Datapoints of a device profile as Readings; neighbours are fetched by one read."""

    QUARANTINE_S_MAX = 60.0

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, SensorOptions)
        assert context.profile is not None
        self.name = context.name
        self._period_s = context.options.period_s
        self._bus = context.bus
        self._profile = context.profile
        self._told = _ToldOnce()
        wire = WireTime(
            context.line.byte_s,
            context.line.gap_s,
            context.profile.timing.turnaround_ms / 1000,
            RTU_OVERHEAD_BYTES,
        )
        self._blocks = plan(context.profile.points, context.profile.limits, wire)
        self._emit = context.emit
        self._clock = context.clock
        self._unit = ModbusUnit(context, _policy(context.profile.timing, quarantine_s_max=self.QUARANTINE_S_MAX))

    async def read(self) -> Sequence[Reading]:
        """One Reading of each point; a point without a value has None and the reason as its quality.

        Raises DeviceRefused when the device does not know the addresses of its profile.
        """
        readings: list[Reading] = []
        for block in self._blocks:
            readings.extend(await self._read_block(block))
        return readings

    async def run(self) -> None:
        """Emit every point every period, until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                readings = await self.read()
            except DeviceError as error:
                self._told.about(error)
                at, mono_s = self._clock.now(), self._clock.monotonic()
                readings = [
                    self._reading(point.name, None, point.unit, Quality.INVALID, at, mono_s)
                    for point in self._profile.points
                ]
            else:
                self._told.about(None)
            for reading in readings:
                self._emit(reading)
            spent = self._clock.monotonic() - began
            await self._bus.pause(max(0.0, self._period_s - spent))

    async def _read_block(self, block: Block) -> list[Reading]:
        request = modbus.Read(READ_FUNCTION[block.space], block.address, block.count)
        try:
            reply = await self._unit.ask(request, priority=Priority.TELEMETRY, deadline_s=self._deadline_s)
        except DeviceTimeout:
            at, mono_s = self._clock.now(), self._clock.monotonic()
            return [self._reading(point.name, None, point.unit, Quality.MISSING, at, mono_s) for point in block.points]
        at, mono_s = self._clock.now(), self._clock.monotonic()
        assert isinstance(reply, modbus.Bits | modbus.Registers)
        raw = reply.bits if isinstance(reply, modbus.Bits) else reply.registers
        words = tuple(int(word) for word in raw)
        readings = []
        for point in block.points:
            first = point.address - block.address
            value = point.decode(words[first : first + point.words])
            quality = Quality.INVALID if value is None else Quality.GOOD
            readings.append(self._reading(point.name, value, point.unit, quality, at, mono_s))
        return readings

    @property
    def _deadline_s(self) -> float:
        timing = self._profile.timing
        return 2.0 + (1 + timing.retries) * timing.timeout_ms / 1000

    def _reading(
        self, point: str, value: float | bool | str | None, unit: str, quality: Quality, at: datetime, mono_s: float
    ) -> Reading:
        return Reading(self.name, point, value, unit, quality, at, mono_s)


def check_sensor(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which a sensor's profile cannot serve."""
    found = _check_unit(address)
    if profile is None or not profile.points:
        found.append("profile: describes no points to read")
    return found


def _check_unit(address: int) -> list[str]:
    if UNIT_MIN <= address <= UNIT_MAX:
        return []
    return [f"address: {address}, a Modbus unit is {UNIT_MIN}..{UNIT_MAX}"]

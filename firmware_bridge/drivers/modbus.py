"""A Modbus relay board that is a lock: one coil releases, discrete inputs are the door contact and buttons.

Where the board has a timer (FC05 "flash on"), the board itself secures again; otherwise the driver switches the
coil off after `hold_s`, and again until the board has acknowledged it. What is a sensor or can be set:
`modbus_points.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math

from pydantic import Field

from firmware_bridge.capabilities import DeviceError, DeviceTimeout, InputChanged, LockStatus, Priority
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.modbus_unit import ModbusUnit, ToldOnce, check_unit, policy_of
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

# A release that is not acknowledged within this is a failure to tell the person at the door.
LOCK_DEADLINE_S = 1.5
CONTACT = "contact"
# Switching off after `hold_s` by the driver is tried this often before it is given up as a device failure.
SECURE_ATTEMPTS_MAX = 10


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
        policy = policy_of(context.profile.timing, quarantine_s_max=self.QUARANTINE_S_MAX)
        self._unit = ModbusUnit(context, policy)
        self._watched: dict[int, str] = {index: name for name, index in self._options.buttons.items()}
        if self._options.contact is not None:
            self._watched[self._options.contact] = CONTACT
        self._levels: dict[str, bool] = {}
        self._told = ToldOnce()
        self._secure_later: asyncio.Task[None] | None = None

    async def release(self, hold_s: float) -> None:
        """Release for at most `hold_s` seconds. Raises DeviceTimeout or DeviceRefused."""
        if not hold_s > 0:
            raise ValueError(f"{self.name}: a release of {hold_s} s is none")
        self._forget_timer()
        flash = self._relays.flash_on
        if flash is not None:
            ticks = max(1, min(flash.max, math.floor(hold_s * 1000 / flash.unit_ms)))
            await self._write(flash.base + self._options.coil, ticks)
            return
        self._secure_later = asyncio.create_task(self._secure_after(hold_s), name=f"{self.name} secures")
        await self._write(self._options.coil, pdu.COIL_ON)

    async def secure(self) -> None:
        """Secure now. Raises DeviceTimeout or DeviceRefused."""
        self._forget_timer()
        await self._write(self._options.coil, pdu.COIL_OFF)

    async def status(self) -> LockStatus:
        """Read relay and contact. What did not answer is None."""
        released: bool | None = None
        contact: bool | None = None
        try:
            coil = pdu.Function.READ_COILS
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

    async def _write(self, coil: int, value: int) -> None:
        request = pdu.WriteOne(pdu.Function.WRITE_COIL, coil, value)
        await self._unit.ask(request, priority=Priority.LOCK, deadline_s=LOCK_DEADLINE_S)

    async def _read_inputs(self, priority: int) -> dict[str, bool]:
        low, high = min(self._watched), max(self._watched)
        bits = await self._unit.bits(
            pdu.Function.READ_DISCRETE_INPUTS,
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
                await self._write(self._options.coil, pdu.COIL_OFF)
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
            await self._write(self._options.coil, pdu.COIL_OFF)
        except DeviceError as error:
            log.warning("left released: %s", error)
        await asyncio.wait([timer])


def check_lock(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which wiring and board do not fit."""
    assert isinstance(options, LockOptions)
    found = check_unit(address)
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


LOCK = DriverCode(options=LockOptions, factory=ModbusLock, check=check_lock)

"""The door board, our own reference hardware: lock, contact, egress button, fire and tamper inputs, firmware.

It speaks Modbus RTU and describes itself: the driver reads the board's dictionary and knows no address but the
dictionary's own. The board secures by its own timer, and takes its declared safe state when the heartbeat that
`run` writes stops. A driver that starts, or comes back, moves no lock. `firmware/`, docs/devices/door-board.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from pydantic import Field

from firmware_bridge.capabilities import (
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    FirmwareVersion,
    InputChanged,
    LockStatus,
    Priority,
    Progress,
    Quality,
    Reading,
)
from firmware_bridge.codecs.modbus_pdu import COIL_OFF, Refusal
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.door_board_map import BoardMap, learn, read, write
from firmware_bridge.drivers.door_board_update import BoardUpdate, firmware
from firmware_bridge.drivers.modbus_unit import ModbusRefused, ModbusUnit, ToldOnce, check_unit, wire_time
from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.flashing.upload import update
from firmware_bridge.merge import Limits, plan
from firmware_bridge.points import Space
from firmware_bridge.profiles import DeviceProfile, Timing

log = logging.getLogger(__name__)

# A release that is not acknowledged within this is a failure to tell the person at the door.
LOCK_DEADLINE_S = 1.5
# As for every lock: nobody should wait at a door whose cable is back.
QUARANTINE_S_MAX = 2.0
# The heartbeat comes this often in the time that the board waits for it, so that two may be lost.
BEATS = 3
INPUTS = ("contact", "egress", "fire", "tamper")
# Told by `firmware`, and the same every time.
NOT_TOLD = ("map_version", "hardware", "version_major", "version_minor", "version_patch", *INPUTS)
SAFE_STATES = {"secured": 0, "released": 1}


class DoorBoardOptions(Options):
    """What the board shall do by itself; it keeps these over a power cut."""

    heartbeat_s: float = Field(
        default=15.0, ge=1, le=600, description="Without a word from the station for so long: the safe state"
    )
    safe_state: Literal["secured", "released"] = Field(
        default="secured", description="What the lock is then: fail-secure or fail-safe"
    )
    egress_s: float = Field(default=5.0, ge=1, le=60, description="How long the egress button releases the lock")
    poll_ms: int = Field(default=100, ge=20, le=2000, description="How often the inputs are read")
    period_s: float = Field(default=30.0, ge=1, le=3600, description="Seconds between two readings of its points")


class DoorBoard:
    """Lock, inputs as events, points of the dictionary as readings, and an update of its firmware."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, DoorBoardOptions)
        self.name = context.name
        self._options = context.options
        self._line = context.line
        self._address = context.address
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._unit = ModbusUnit(context, DevicePolicy(quarantine_s_max=QUARANTINE_S_MAX))
        self._board: BoardMap | None = None  # as it was last read
        self._greeted = asyncio.Event()  # it is there, is the one of `_board`, and has its settings
        self._levels: dict[str, bool] = {}
        self._told = ToldOnce()
        self._beats = 0
        self._updating = False

    # Lock.

    async def release(self, hold_s: float) -> None:
        """Release for at most `hold_s` seconds by the board's own timer. Raises DeviceTimeout or DeviceRefused."""
        if not hold_s > 0:
            raise ValueError(f"{self.name}: a release of {hold_s} s is none")
        board = await self._known()
        ticks = max(1, board.raw("lock_for", hold_s))
        await write(self._unit, board, "lock_for", ticks, priority=Priority.LOCK, deadline_s=LOCK_DEADLINE_S)

    async def secure(self) -> None:
        """Secure now. Raises DeviceRefused while the fire input or the egress button holds it, DeviceTimeout."""
        board = await self._known()
        try:
            await write(self._unit, board, "lock", COIL_OFF, priority=Priority.LOCK, deadline_s=LOCK_DEADLINE_S)
        except ModbusRefused as error:
            if error.code != Refusal.DEVICE_BUSY:
                raise
            raise DeviceRefused(self.name, "the fire input or the egress button holds the lock released") from None

    async def status(self) -> LockStatus:
        """Read the relay and the contact. What did not answer is None."""
        released: bool | None = None
        contact: bool | None = None
        try:
            board = await self._known()
            values = await read(self._unit, board, ("contact", "released"), priority=Priority.LOCK)
            released, contact = bool(values["released"]), bool(values["contact"])
        except DeviceError as error:
            log.info("status of %s is not known: %s", self.name, error)
        return LockStatus(released=released, contact_open=contact)

    # Sensor, identification.

    async def read(self) -> Sequence[Reading]:
        """One Reading of every point that is no input of the door and no setting. Raises DeviceRefused."""
        board = await self._known()
        points = [
            entry.point()
            for entry in board.entries.values()
            if entry.readable and entry.name not in NOT_TOLD and entry.space in (Space.INPUT, Space.DISCRETE)
        ]
        readings: list[Reading] = []
        for block in plan(points, Limits(), wire_time(self._line, Timing())):
            try:
                words = await self._unit.raw(
                    block.space, block.address, block.count, priority=Priority.TELEMETRY, deadline_s=LOCK_DEADLINE_S
                )
            except DeviceTimeout:
                readings += [self._reading(point.name, None, point.unit, Quality.MISSING) for point in block.points]
                continue
            for point in block.points:
                at = point.address - block.address
                value = point.decode(words[at : at + point.words])
                readings.append(self._reading(point.name, value, point.unit, Quality.GOOD))
        return readings

    async def identify(self, for_s: float) -> str:
        """Blink the beacon. Raises DeviceTimeout or DeviceRefused."""
        board = await self._known()
        ticks = max(1, board.raw("beacon_for", for_s))
        await write(self._unit, board, "beacon_for", ticks, priority=Priority.ALARM, deadline_s=LOCK_DEADLINE_S)
        return f"its beacon blinks for {for_s:g} s"

    # Firmware.

    async def firmware(self) -> FirmwareVersion:
        """What runs on the board. Raises DeviceTimeout or DeviceRefused."""
        return await firmware(self._unit, await self._known(), priority=Priority.ALARM)

    async def flash(self, image: bytes, progress: Progress) -> FirmwareVersion:
        """Bring a verified image to the board, start and confirm it. The host cannot move the lock meanwhile; the
        board still obeys its button and its fire input.
        """
        async with self._speaking_alone():
            board = await self._known()
            return await update(
                BoardUpdate(self._unit, self._address, self._bus, board, self._line.byte_s), image, progress
            )

    @contextlib.asynccontextmanager
    async def _speaking_alone(self) -> AsyncIterator[None]:
        """Polls and heartbeats rest; afterwards the board is met anew, since it may be another firmware."""
        if self._updating:
            raise DeviceRefused(self.name, "an update is under way")
        self._updating = True
        try:
            yield
        finally:
            self._updating = False
            self._board = None
            self._greeted.clear()

    # What runs.

    async def run(self) -> None:
        """Poll the inputs, write the heartbeat, tell the readings, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name=f"{self.name} inputs")
            group.create_task(self._beat(), name=f"{self.name} heartbeat")
            group.create_task(self._tell(), name=f"{self.name} readings")

    async def _watch(self) -> None:
        while True:
            began = self._clock.monotonic()
            if not self._updating:
                try:
                    board = await self._greet()
                    values = await read(self._unit, board, INPUTS, priority=Priority.READER)
                except DeviceError as error:
                    # What the door did meanwhile is not known: its state is told anew when it answers.
                    self._greeted.clear()
                    self._levels.clear()
                    self._told.about(error)
                else:
                    self._told.about(None)
                    self._emit_changes(values)
            spent = self._clock.monotonic() - began
            await asyncio.sleep(max(0.0, self._options.poll_ms / 1000 - spent))

    async def _beat(self) -> None:
        while True:
            await self._greeted.wait()
            await asyncio.sleep(self._options.heartbeat_s / BEATS)
            if not self._updating:
                with contextlib.suppress(DeviceError):  # the poll says so
                    await self._write_heartbeat()

    async def _write_heartbeat(self) -> None:
        board = await self._known()
        self._beats = (self._beats + 1) & 0xFFFF
        await write(self._unit, board, "heartbeat", self._beats, priority=Priority.ALARM, deadline_s=LOCK_DEADLINE_S)

    async def _tell(self) -> None:
        while True:
            await self._greeted.wait()
            if not self._updating:
                try:
                    readings = await self.read()
                except DeviceError as error:
                    self._told.about(error)
                else:
                    for reading in readings:
                        self._emit(reading)
            await self._bus.pause(self._options.period_s)

    async def _known(self) -> BoardMap:
        """The dictionary as it was last read. A release does not wait for it to be read again."""
        if self._board is None:
            self._board = await learn(self._unit, priority=Priority.LOCK)
        return self._board

    async def _greet(self) -> BoardMap:
        """After a silence: the board may have another firmware, or be another board."""
        if self._board is None or not self._greeted.is_set():
            self._board = await learn(self._unit, priority=Priority.READER)
            await self._set_up(self._board)
            await self._write_heartbeat()  # the new time counts from now
            self._greeted.set()
        return self._board

    async def _set_up(self, board: BoardMap) -> None:
        """Write the settings that differ: they lie in EEPROM, which wears. Moves no lock."""
        options = self._options
        wanted = {
            "heartbeat_max": options.heartbeat_s,
            "safe_state": float(SAFE_STATES[options.safe_state]),
            "egress_hold": options.egress_s,
        }
        found = await read(self._unit, board, tuple(wanted), priority=Priority.ALARM)
        for name, value in wanted.items():
            raw = board.raw(name, value)
            if raw != board.raw(name, found[name]):
                await write(self._unit, board, name, raw, priority=Priority.ALARM, deadline_s=LOCK_DEADLINE_S)

    def _emit_changes(self, levels: dict[str, float | bool]) -> None:
        at, mono_s = self._clock.now(), self._clock.monotonic()
        for name, level in levels.items():
            active = bool(level)
            if self._levels.get(name) is not active:
                self._levels[name] = active
                self._emit(InputChanged(self.name, name, active, at, mono_s))

    def _reading(self, point: str, value: float | bool | str | None, unit: str, quality: Quality) -> Reading:
        return Reading(self.name, point, value, unit, quality, self._clock.now(), self._clock.monotonic())


def check_board(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which a board cannot be reached so."""
    assert isinstance(options, DoorBoardOptions)
    found = check_unit(address)
    if profile is not None:
        found.append("profile: a door board publishes its own dictionary and takes no profile")
    return found


BOARD = DriverCode(options=DoorBoardOptions, factory=DoorBoard, check=check_board)

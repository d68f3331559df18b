"""The steps of an update on a door board: their order is in `flashing/upload.py`, their other end in `firmware/`."""

from __future__ import annotations

import asyncio

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, FirmwareVersion, Priority, Progress
from firmware_bridge.codecs import FrameError, modbus_rtu
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.drivers.door_board_map import BoardMap, learn, read
from firmware_bridge.drivers.modbus_unit import ModbusRefused, ModbusUnit
from firmware_bridge.exchange import LineLost
from firmware_bridge.flashing.image import hardware_name
from firmware_bridge.flashing.upload import UploadFailed, transfer
from firmware_bridge.lease import Lease

ENTER, ENTER_OLDER, BOOT, CONFIRM = 0x5550, 0x5551, 0xB007, 0xC0F1
RECEIVING, VERIFYING, READY = 1, 2, 3
WHY_NOT = {
    4: "the header is no image's",
    5: "the image is for other hardware",
    6: "the image is too long",
    7: "the image is older than what runs",
    8: "what arrived is not what was signed",
    9: "the upload was broken off",
}

COMMAND_DEADLINE_S = 2.0
LEASE_DEADLINE_S = 5.0
# The line is given to the upload for four times what its bytes take, and for this long at least; at 38400 baud
# the largest image takes 11 s.
LEASE_S_MIN = 30.0
LEASE_BYTE_TIMES = 4
# The board hashes 40 kB in 6 s, and copies two slots of them in 3 s.
VERIFY_S_MAX = 20.0  # a board whose upload broke off waits for more for 10 s
BOOT_S_MAX = 30.0
ASK_EVERY_S = 0.3
VERSION_POINTS = ("hardware", "version_major", "version_minor", "version_patch")


class BoardUpdate:
    """One update of one board. It is asked at a lock's priority: it is the lock that is gone meanwhile."""

    def __init__(self, unit: ModbusUnit, address: int, bus: Bus, board: BoardMap, byte_s: float) -> None:
        self.name = unit.name
        self._unit = unit
        self._address = address
        self._bus = bus
        self._board = board
        self._byte_s = byte_s

    async def firmware(self) -> FirmwareVersion:
        return await firmware(self._unit, self._board, priority=Priority.LOCK)

    async def send(self, image: bytes, *, older: bool, progress: Progress) -> None:
        for_s = max(LEASE_S_MIN, LEASE_BYTE_TIMES * len(image) * self._byte_s)
        broken: UploadFailed | None = None
        try:
            async with self._bus.lease(self.name, for_s=for_s, deadline_s=LEASE_DEADLINE_S) as lease:
                # Within the lease: between this answer and the first block nobody else may speak to the board.
                await self._enter(lease, ENTER_OLDER if older else ENTER)
                await transfer(lease, self.name, image, progress)
        except UploadFailed as error:
            broken = error
        # What the board says counts: it knows why it gave up, or has all of it and only its last answer was lost.
        state = await self._state_after_upload()
        if state == READY:
            return
        if broken is not None and state not in WHY_NOT:
            raise broken
        raise DeviceRefused(self.name, f"it did not take the image: {WHY_NOT.get(state, f'state {state}')}")

    async def _enter(self, lease: Lease, command: int) -> None:
        request = self._request(command)
        parser = modbus_rtu.ReplyParser(self._address, request)
        lease.write(modbus_rtu.encode_request(self._address, request))
        reply = None
        while reply is None:
            heard = await lease.read(COMMAND_DEADLINE_S)
            if not heard:
                raise DeviceTimeout(self.name, f"no answer in {COMMAND_DEADLINE_S:g} s; check its power and wiring")
            try:
                reply = parser.feed(heard)
            except FrameError as error:
                raise DeviceTimeout(self.name, f"bad frame: {error}") from None
        if isinstance(reply, pdu.Refused):
            raise self._refused(ModbusRefused(self.name, request, reply))

    async def boot(self) -> FirmwareVersion:
        await self._command(BOOT)
        try:
            async with asyncio.timeout(BOOT_S_MAX):
                while True:
                    await asyncio.sleep(ASK_EVERY_S)
                    try:
                        self._board = await learn(self._unit, priority=Priority.LOCK)
                        return await self.firmware()
                    except DeviceTimeout:
                        continue  # it copies, and starts
        except TimeoutError:
            raise DeviceTimeout(
                self.name, f"silent for {BOOT_S_MAX:.0f} s after the update; it goes back by itself"
            ) from None

    async def confirm(self) -> None:
        await self._command(CONFIRM)

    def _request(self, command: int) -> pdu.WriteOne:
        return pdu.WriteOne(pdu.Function.WRITE_REGISTER, self._board.entries["update_command"].address, command)

    async def _command(self, command: int) -> None:
        try:
            await self._unit.ask(self._request(command), priority=Priority.LOCK, deadline_s=COMMAND_DEADLINE_S)
        except ModbusRefused as error:
            raise self._refused(error) from None

    def _refused(self, error: ModbusRefused) -> DeviceRefused:
        if error.code != pdu.Refusal.DEVICE_BUSY:
            return error
        why = "the door is in use (released, open, or used in the last 10 s); try again when it rests"
        return DeviceRefused(self.name, why)

    async def _state(self) -> int:
        values = await read(self._unit, self._board, ("update_state",), priority=Priority.LOCK)
        return int(values["update_state"])

    async def _state_after_upload(self) -> int:
        try:
            async with asyncio.timeout(VERIFY_S_MAX):
                while True:
                    try:
                        state = await self._state()
                    except LineLost:
                        raise
                    except DeviceTimeout:
                        state = RECEIVING  # it still listens for blocks
                    if state not in (RECEIVING, VERIFYING):
                        return state
                    await asyncio.sleep(ASK_EVERY_S)
        except TimeoutError:
            raise DeviceTimeout(self.name, f"it did not verify the image in {VERIFY_S_MAX:.0f} s") from None


async def firmware(unit: ModbusUnit, board: BoardMap, *, priority: int) -> FirmwareVersion:
    """What runs on a board. Raises DeviceRefused, DeviceTimeout."""
    values = await read(unit, board, VERSION_POINTS, priority=priority)
    trial = await read(unit, board, ("on_trial",), priority=priority)
    hardware, major, minor, patch = (int(values[name]) for name in VERSION_POINTS)
    return FirmwareVersion(hardware_name(hardware), (major, minor, patch), confirmed=not trial["on_trial"])

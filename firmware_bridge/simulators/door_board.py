"""A door board without its hardware: the map of `firmware/protocol.h`, the same rules, a door.

It shares our codec and our reading of the rules, and with them our mistakes; the board's own ELF under simavr does
not (`tests/contract/bridge/door_board/`), and a test holds both dictionaries together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from firmware_bridge.codecs import board_dictionary as dictionary
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.config import DeviceConfig
from firmware_bridge.flashing.image import HEADER_BYTES, Image, ImageError, Version, parse
from firmware_bridge.flashing.xmodem import Receiver, TransferError
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.door import Door, DoorTiming
from firmware_bridge.simulators.door_board_points import ENTRIES, FLASH_ON, SETTINGS, UPDATE_COMMAND
from firmware_bridge.simulators.modbus_slave import ModbusSlave
from firmware_bridge.simulators.paced_pty import PacedPty

HARDWARE = 0x0D01
ENTER, ENTER_OLDER, BOOT, CONFIRM, REVERT = 0x5550, 0x5551, 0xB007, 0xC0F1, 0xBACC
IDLE, RECEIVING, READY = 0, 1, 3
BAD_HEADER, WRONG_HARDWARE, OLDER, BROKEN_OFF = 4, 5, 7, 9
IMAGE_BYTES_MAX = 40 * 1024
ASK_S = 0.5
SILENCE_S = 1.0
BOOT_S = 0.4
QUIET_S = 10.0
BITS_PER_BYTE = 10


class Timers:
    """Named one-shot timers: setting one again replaces it."""

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, delay_s: float, callback: Callable[[], None]) -> None:
        self.cancel(name)

        def fire() -> None:
            del self._handles[name]
            callback()

        self._handles[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def left_s(self, name: str) -> float:
        handle = self._handles.get(name)
        return max(0.0, handle.when() - asyncio.get_running_loop().time()) if handle else 0.0

    def cancel(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def running(self, name: str) -> bool:
        return name in self._handles

    def stop(self) -> None:
        for name in list(self._handles):
            self.cancel(name)


class SimulatedBoard(ModbusSlave):
    """The board's firmware as it behaves. `on_lock` hears every movement of its relay."""

    def __init__(self, line: PacedPty, unit: int, on_lock: Callable[[bool], None]) -> None:
        super().__init__(line, unit)
        self._on_lock = on_lock
        self.timers = Timers()
        self.inputs = {"contact": False, "egress": False, "fire": False, "tamper": False}
        self.settings = {name: first for name, (first, _, _) in SETTINGS.items()}
        self.version: Version = (1, 0, 0)
        self.beats = 0
        self.host_lost = False
        self.host_losses = 0
        self.update_state = IDLE
        self.on_trial = False
        self._was_released = False
        self._for_good = False  # released until told otherwise
        self._used_s = -QUIET_S
        self._started_s = time.monotonic()
        self._receiver: Receiver | None = None
        self._older_is_fine = False
        self._staged: Image | None = None
        self._before: Version = self.version

    def stop(self) -> None:
        super().stop()
        self.timers.stop()

    # The door.

    @property
    def released(self) -> bool:
        by_timer = self.timers.running("release") or self.timers.running("egress")
        return self._for_good or by_timer or self.inputs["egress"] or self.inputs["fire"]

    @property
    def in_use(self) -> bool:
        return self.released or self.inputs["contact"] or time.monotonic() - self._used_s < QUIET_S

    def set_input(self, name: str, active: bool) -> None:
        if self.inputs[name] is active:
            return
        self.inputs[name] = active
        self._used_s = time.monotonic()
        if name == "egress" and not active:
            self.timers.set("egress", self.settings["egress_hold"] / 10, self._look)
        self._look()

    def _release(self, for_s: float | None) -> None:
        """For a time, or until told otherwise; 0 ends it."""
        self._for_good = for_s is None
        if for_s:
            self.timers.set("release", for_s, self._look)
        else:
            self.timers.cancel("release")
        self._look()

    def _look(self) -> None:
        if self.released is not self._was_released:
            self._was_released = self.released
            self._used_s = time.monotonic()
            self._on_lock(self.released)

    def _heartbeat(self) -> None:
        self.host_lost = False
        self.timers.set("heartbeat", self.settings["heartbeat_max"] / 10, self._lose_host)

    def _lose_host(self) -> None:
        self.host_lost = True
        self.host_losses += 1
        self._release(None if self.settings["safe_state"] else 0.0)

    # Modbus.

    def answer(self, request: pdu.Request, first_byte_s: float) -> pdu.Reply:
        match request:
            case pdu.Read(function, address, count):
                return self._read(function, address, count)
            case pdu.WriteOne(pdu.Function.WRITE_COIL as function, address, value):
                refusal = self._write_coil(address, value)
            case pdu.WriteOne(function, address, value):
                refusal = self._write_register(address, value)
            case _:
                return pdu.Refused(pdu.Function.WRITE_REGISTERS, pdu.Refusal.ILLEGAL_FUNCTION)
        return request if refusal is None else pdu.Refused(function, refusal)

    def _read(self, function: pdu.Function, address: int, count: int) -> pdu.Reply:
        values = self._values(function)
        wanted = range(address, address + count)
        if not all(one in values for one in wanted):
            return pdu.Refused(function, pdu.Refusal.ILLEGAL_ADDRESS)
        found = [values[one] for one in wanted]
        if function in pdu.BIT_READS:
            return pdu.Bits(function, tuple(map(bool, found)))
        return pdu.Registers(function, tuple(found))

    def _values(self, function: pdu.Function) -> dict[int, int]:
        match function:
            case pdu.Function.READ_COILS:
                return {0: self.released, 1: self.timers.running("beacon")}
            case pdu.Function.READ_DISCRETE_INPUTS:
                own = (self.released, self.host_lost, self.in_use, self.on_trial)
                return dict(enumerate((*self.inputs.values(), *own)))
            case pdu.Function.READ_HOLDING_REGISTERS:
                return dict(enumerate((self.beats, *self.settings.values())))
        uptime_s = int(time.monotonic() - self._started_s)
        words = (1, HARDWARE, *self.version, 0, 0, uptime_s >> 16, uptime_s & 0xFFFF, 5000, self.update_state)
        more = (int(self.timers.left_s("trial")), self.host_losses, self.discarded & 0xFFFF)
        return {
            **dict(enumerate((*words, *more))),
            **dict(enumerate(dictionary.encode_head(ENTRIES), dictionary.START)),
            **dict(enumerate(dictionary.encode_entries(ENTRIES), dictionary.ENTRIES_START)),
        }

    def _write_coil(self, address: int, value: int) -> pdu.Refusal | None:
        flash = address >= FLASH_ON
        if not flash and value not in (pdu.COIL_ON, pdu.COIL_OFF):
            return pdu.Refusal.ILLEGAL_VALUE
        for_s = value / 10 if flash else None if value == pdu.COIL_ON else 0.0
        match address - FLASH_ON if flash else address:
            case 0:
                self._release(for_s)
                return pdu.Refusal.DEVICE_BUSY if for_s == 0 and self.released else None
            case 1:
                self.timers.set("beacon", 3600.0 if for_s is None else for_s, lambda: None)
                return None
        return pdu.Refusal.ILLEGAL_ADDRESS

    def _write_register(self, address: int, value: int) -> pdu.Refusal | None:
        if address == UPDATE_COMMAND:
            return self._command(value)
        if address == 0:
            self.beats = value
            self._heartbeat()
            return None
        if address > len(SETTINGS):
            return pdu.Refusal.ILLEGAL_ADDRESS
        name = list(SETTINGS)[address - 1]
        _, least, most = SETTINGS[name]
        if not least <= value <= most:
            return pdu.Refusal.ILLEGAL_VALUE
        self.settings[name] = value
        return None

    # Firmware.

    def _command(self, command: int) -> pdu.Refusal | None:
        wrong_time = {BOOT: self.update_state != READY, REVERT: not self.on_trial}.get(command, False)
        if wrong_time or command not in (ENTER, ENTER_OLDER, BOOT, CONFIRM, REVERT):
            return pdu.Refusal.ILLEGAL_VALUE
        if command == CONFIRM:
            self.on_trial = False
            self.timers.cancel("trial")
            return None
        if self.in_use or (command in (ENTER, ENTER_OLDER) and self.on_trial):
            return pdu.Refusal.DEVICE_BUSY
        if command in (ENTER, ENTER_OLDER):
            self._older_is_fine = command == ENTER_OLDER
            self.timers.set("update", 0.05, self._begin)
        elif command == BOOT:
            assert self._staged is not None
            staged = self._staged.version
            self.timers.set("update", 0.05, lambda: self._restart(staged, on_trial=True))
        else:
            self.timers.set("update", 0.05, lambda: self._restart(self._before, on_trial=False))
        return None

    def _restart(self, version: Version, *, on_trial: bool) -> None:
        """The board is gone for a moment, and back with another firmware."""
        muted, self.mute = self.mute, True

        def back() -> None:
            self.mute = muted
            self._before, self.version = self.version, version
            self.update_state, self.on_trial = IDLE, on_trial
            self._started_s = time.monotonic()
            if on_trial:
                old = self._before
                self.timers.set("trial", self.settings["trial"], lambda: self._restart(old, on_trial=False))

        self.timers.set("update", BOOT_S, back)

    def _begin(self) -> None:
        self.update_state = RECEIVING
        self._receiver = Receiver(IMAGE_BYTES_MAX + HEADER_BYTES)
        self._say(self._receiver.start())

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        if self._receiver is None:
            super()._heard(data, first_byte_s)
        elif not self.mute:
            self._transfer(lambda receiver: receiver.heard(data))

    def _silent(self) -> None:
        self._transfer(lambda receiver: receiver.silent())

    def _transfer(self, step: Callable[[Receiver], bytes]) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            out = step(receiver)
        except TransferError as error:
            out, self._receiver, self.update_state = error.farewell, None, BROKEN_OFF
            self.timers.cancel("update")
        self._say(out)
        self._heartbeat()
        if receiver.done:
            self.timers.cancel("update")
            self._receiver = None
            self.update_state = self._judge(bytes(receiver.data))

    def _say(self, out: bytes) -> None:
        if out:
            self._wire.send(out)
        if self._receiver is not None:
            self.timers.set("update", SILENCE_S if self._receiver.data else ASK_S, self._silent)

    def _judge(self, data: bytes) -> int:
        length = HEADER_BYTES + int.from_bytes(data[16:20], "little")
        try:
            image = parse(data[:length])
        except ImageError:
            return BAD_HEADER
        if image.hardware != HARDWARE:
            return WRONG_HARDWARE
        if image.version < self.version and not self._older_is_fine:
            return OLDER
        self._staged = image
        return READY


class DoorBoardSimulation(WireSimulation):
    """A door board wired to a door."""

    BAUD = 38400

    def __init__(self, context: SimulatorContext) -> None:
        wire = PacedPty("door_board", BITS_PER_BYTE / self.BAUD, rng=context.rng, link_dir=context.link_dir)
        super().__init__(wire, DeviceConfig(driver="door_board", line=self.LINE), {"baud": self.BAUD})
        self.door = Door(DoorTiming(visitor=False), self._moved)
        self.board = SimulatedBoard(wire, self.device.address, self.door.relay)

    def stop(self) -> None:
        self.board.stop()
        self.door.stop()

    def mute(self, muted: bool) -> None:
        self.board.mute = muted

    def state(self) -> dict[str, object]:
        board = self.board
        return {
            "released": board.released,
            "bolt_drawn": self.door.bolt_drawn,
            "door_open": self.door.is_open,
            **{name: active for name, active in board.inputs.items() if name != "contact"},
            "beacon": board.timers.running("beacon"),
            "host_lost": board.host_lost,
            "firmware": ".".join(map(str, board.version)),
            "on_trial": board.on_trial,
        }

    def actions(self) -> Mapping[str, Action]:
        return {
            "push": lambda words: self.door.push(),
            "close": lambda words: self.door.close(),
            "force": lambda words: self.door.force(),
            "press": lambda words: self.board.set_input("egress", True),
            "let-go": lambda words: self.board.set_input("egress", False),
            "fire": lambda words: self.board.set_input("fire", True),
            "fire-over": lambda words: self.board.set_input("fire", False),
            "tamper": lambda words: self.board.set_input("tamper", True),
            "tamper-over": lambda words: self.board.set_input("tamper", False),
        }

    def _moved(self) -> None:
        self.board.set_input("contact", self.door.is_open)

"""Modbus devices: a relay board after the Waveshare map, and a temperature and humidity sensor.

What a unit is on its wire: `modbus_slave.py`; a slave for any device profile: `modbus_profile.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from firmware_bridge.codecs import modbus_pdu as modbus
from firmware_bridge.simulators.modbus_slave import TURNAROUND_S, ModbusSlave
from firmware_bridge.simulators.paced import PacedWire

RELAYS = 8
INPUTS = 8
FLASH_ON = 0x0200
FLASH_UNIT_S = 0.1
# Arrival times kept of frames that switch a relay on.
FRAMES_MAX = 10_000
NO_VALUE = 0x7FFF


class RelayBoard(ModbusSlave):
    """Eight relays, eight inputs, and a timer for each relay (FC05 to 0x0200 + relay, in tenths of a second)."""

    def __init__(
        self, wire: PacedWire, unit: int, on_relay: Callable[[int, bool], None], *, turnaround_s: float = TURNAROUND_S
    ) -> None:
        super().__init__(wire, unit, turnaround_s=turnaround_s)
        self._on_relay = on_relay
        self.relays = [False] * RELAYS
        self.inputs = [False] * INPUTS
        self._flashes: dict[int, asyncio.TimerHandle] = {}
        self.refuse = False  # answers every write with "device failure"
        self.relay_frames_s: deque[float] = deque(maxlen=FRAMES_MAX)

    def stop(self) -> None:
        super().stop()
        for timer in self._flashes.values():
            timer.cancel()
        self._flashes.clear()

    def answer(self, request: modbus.Request, first_byte_s: float) -> modbus.Reply:
        match request:
            case modbus.Read(modbus.Function.READ_COILS as function, address, count):
                return _slice(function, self.relays, address, count)
            case modbus.Read(modbus.Function.READ_DISCRETE_INPUTS as function, address, count):
                return _slice(function, self.inputs, address, count)
            case modbus.WriteOne(modbus.Function.WRITE_COIL, address, value):
                if value != modbus.COIL_OFF:
                    self.relay_frames_s.append(first_byte_s)
                return self._write(request, address, value)
        return modbus.Refused(modbus.function_of(request), modbus.Refusal.ILLEGAL_FUNCTION)

    def _write(self, request: modbus.WriteOne, address: int, value: int) -> modbus.Reply:
        function = request.function
        if self.refuse:
            return modbus.Refused(function, modbus.Refusal.DEVICE_FAILURE)
        if address < RELAYS:
            if value not in (modbus.COIL_ON, modbus.COIL_OFF):
                return modbus.Refused(function, modbus.Refusal.ILLEGAL_VALUE)
            self._switch(address, value == modbus.COIL_ON)
            return request
        relay = address - FLASH_ON
        if not 0 <= relay < RELAYS:
            return modbus.Refused(function, modbus.Refusal.ILLEGAL_ADDRESS)
        self._switch(relay, True)
        if value:
            off = asyncio.get_running_loop().call_later(value * FLASH_UNIT_S, self._switch, relay, False)
            self._flashes[relay] = off
        return request

    def _switch(self, relay: int, on: bool) -> None:
        timer = self._flashes.pop(relay, None)
        if timer is not None:
            timer.cancel()
        if self.relays[relay] is not on:
            self.relays[relay] = on
            self._on_relay(relay, on)


def _slice(function: modbus.Function, bits: list[bool], address: int, count: int) -> modbus.Reply:
    if address + count > len(bits):
        return modbus.Refused(function, modbus.Refusal.ILLEGAL_ADDRESS)
    return modbus.Bits(function, tuple(bits[address : address + count]))


class ClimateSensor(ModbusSlave):
    """Input registers 1 and 2: temperature and humidity in tenths; a value that is None reads as NO_VALUE."""

    def __init__(self, wire: PacedWire, unit: int, *, turnaround_s: float = TURNAROUND_S) -> None:
        super().__init__(wire, unit, turnaround_s=turnaround_s)
        self.temperature_c: float | None = 21.5
        self.humidity_percent: float | None = 40.0

    def answer(self, request: modbus.Request, first_byte_s: float) -> modbus.Reply:
        if not isinstance(request, modbus.Read) or request.function is not modbus.Function.READ_INPUT_REGISTERS:
            return modbus.Refused(modbus.function_of(request), modbus.Refusal.ILLEGAL_FUNCTION)
        registers = {1: _tenths(self.temperature_c), 2: _tenths(self.humidity_percent)}
        wanted = range(request.address, request.address + request.count)
        if not all(address in registers for address in wanted):
            return modbus.Refused(request.function, modbus.Refusal.ILLEGAL_ADDRESS)
        return modbus.Registers(request.function, tuple(registers[address] for address in wanted))


def _tenths(value: float | None) -> int:
    return NO_VALUE if value is None else round(value * 10) & 0xFFFF

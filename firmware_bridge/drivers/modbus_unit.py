"""What all Modbus drivers share: one unit on a bus, whatever its line, with typed requests and refusals.

A serial line, and a `tcp://` serial server, carry RTU frames; a `modbus-tcp://` line carries TCP frames, whose
transaction numbers tell a late answer from the one that is due.
"""

from __future__ import annotations

import logging
import random
from typing import Protocol

from firmware_bridge.capabilities import DeviceError, DeviceRefused, DeviceTimeout
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu, modbus_tcp
from firmware_bridge.config import LineConfig, LineKind
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.merge import RTU_OVERHEAD_BYTES, TCP_OVERHEAD_BYTES, WireTime
from firmware_bridge.points import Space
from firmware_bridge.profiles import Timing

log = logging.getLogger(__name__)

UNIT_MIN, UNIT_MAX = 1, 247  # Modbus over Serial Line 1.02, section 2.2
UNIT_ITSELF = 255  # of a TCP device that is no gateway: Modbus Messaging on TCP/IP 1.0b, section 4.4.2.1
# After a write to everybody the line rests, since nobody says that he is ready: Serial Line 1.02, section 2.4.1.
BROADCAST_REST_S = 0.1

READ_FUNCTION = {
    Space.COIL: pdu.Function.READ_COILS,
    Space.DISCRETE: pdu.Function.READ_DISCRETE_INPUTS,
    Space.HOLDING: pdu.Function.READ_HOLDING_REGISTERS,
    Space.INPUT: pdu.Function.READ_INPUT_REGISTERS,
}


class Framing(Protocol):
    """How requests are framed on a line."""

    def exchange(self, unit: int, request: pdu.Request) -> Exchange[pdu.Reply]: ...


class RtuFraming:
    """`byte_s` is what a byte takes on the line."""

    def __init__(self, byte_s: float) -> None:
        self._byte_s = byte_s

    def exchange(self, unit: int, request: pdu.Request) -> Exchange[pdu.Reply]:
        frame = modbus_rtu.encode_request(unit, request)
        if unit == pdu.UNIT_BROADCAST:
            return Exchange((frame,), None, rest_s=BROADCAST_REST_S)
        return Exchange(
            (frame,),
            lambda: modbus_rtu.ReplyParser(unit, request),
            reply_s=(modbus_rtu.OVERHEAD_BYTES + pdu.reply_bytes(request)) * self._byte_s,
            kind=pdu.function_of(request).name,
            told_apart=not isinstance(request, pdu.Read),  # a write is echoed; bits and registers say not whose
        )


class TcpFraming:
    """Numbers its requests from a random one on: those of the devices of a line are told apart."""

    def __init__(self, rng: random.Random) -> None:
        self._transaction = rng.randrange(modbus_tcp.TRANSACTIONS)

    def exchange(self, unit: int, request: pdu.Request) -> Exchange[pdu.Reply]:
        self._transaction = transaction = (self._transaction + 1) % modbus_tcp.TRANSACTIONS
        return Exchange(
            (modbus_tcp.encode_request(transaction, unit, request),),
            lambda: modbus_tcp.ReplyParser(transaction, unit, request),
            kind=pdu.function_of(request).name,
            told_apart=True,
        )


def framing_of(line: LineConfig, rng: random.Random) -> Framing:
    return TcpFraming(rng) if line.kind is LineKind.MODBUS_TCP else RtuFraming(line.byte_s)


class ModbusRefused(DeviceRefused):
    """The device's exception code, for who can do something about it."""

    def __init__(self, device: str, request: pdu.Request, refused: pdu.Refused) -> None:
        text = f"{pdu.describe_request(request)} was refused: {refused.text}; check its profile and options"
        super().__init__(device, text)
        self.code = refused.code


class ModbusUnit:
    """One unit address on a bus."""

    def __init__(self, context: DriverContext, policy: DevicePolicy) -> None:
        self.name = context.name
        self._bus = context.bus
        self._unit = context.address
        self._framing = framing_of(context.line, context.rng)
        context.bus.attach(context.name, policy, context.health_listener())

    async def ask(self, request: pdu.Request, *, priority: int, deadline_s: float) -> pdu.Reply:
        """The reply to a request. Raises ModbusRefused, DeviceTimeout."""
        exchange = self._framing.exchange(self._unit, request)
        reply = await self._bus.request(self.name, exchange, priority=priority, deadline_s=deadline_s)
        if isinstance(reply, pdu.Refused):
            raise ModbusRefused(self.name, request, reply)
        return reply

    async def bits(
        self, function: pdu.Function, address: int, count: int, *, priority: int, deadline_s: float
    ) -> tuple[bool, ...]:
        """Coils or discrete inputs."""
        reply = await self.ask(pdu.Read(function, address, count), priority=priority, deadline_s=deadline_s)
        assert isinstance(reply, pdu.Bits)
        return reply.bits

    async def raw(self, space: Space, address: int, count: int, *, priority: int, deadline_s: float) -> tuple[int, ...]:
        """Registers of a space, or its bits as 0 and 1."""
        request = pdu.Read(READ_FUNCTION[space], address, count)
        reply = await self.ask(request, priority=priority, deadline_s=deadline_s)
        assert isinstance(reply, pdu.Bits | pdu.Registers)
        return tuple(map(int, reply.bits)) if isinstance(reply, pdu.Bits) else reply.registers


class ToldOnce:
    """Logs a refusal once and not at every poll. Silence is told by the bus, as health."""

    def __init__(self) -> None:
        self._last = ""

    def about(self, error: DeviceError | None) -> None:
        text = "" if error is None or isinstance(error, DeviceTimeout) else str(error)
        if text and text != self._last:
            log.warning("%s", text)
        self._last = text


def policy_of(timing: Timing, *, quarantine_s_max: float) -> DevicePolicy:
    """How patient the bus is with a device of a profile."""
    return DevicePolicy(
        timeout_s=timing.timeout_ms / 1000,
        retries=timing.retries,
        gap_s=timing.gap_ms / 1000,
        quarantine_s_max=quarantine_s_max,
    )


def wire_time(line: LineConfig, timing: Timing) -> WireTime:
    """What a read costs on a line."""
    overhead = TCP_OVERHEAD_BYTES if line.kind is LineKind.MODBUS_TCP else RTU_OVERHEAD_BYTES
    return WireTime(line.byte_s, line.gap_s, timing.turnaround_ms / 1000, overhead)


def check_unit(address: int) -> list[str]:
    """What is wrong with a unit address."""
    if UNIT_MIN <= address <= UNIT_MAX or address == UNIT_ITSELF:
        return []
    return [f"address: {address}, a Modbus unit is {UNIT_MIN}..{UNIT_MAX}, or {UNIT_ITSELF} for a TCP device itself"]

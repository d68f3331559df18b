"""Modbus sensors and controls in virtual time: which frames on which line, what is refused in part, what is checked."""

import asyncio
import itertools
import random

import pytest

from firmware_bridge.capabilities import DeviceRefused, InputChanged, Quality, Reading
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu, modbus_tcp
from firmware_bridge.config import LineConfig
from firmware_bridge.drivers.modbus_points import (
    ModbusControl,
    ModbusSensor,
    PointsOptions,
    check_control,
    check_sensor,
)
from firmware_bridge.drivers.modbus_unit import TcpFraming, check_unit, framing_of
from firmware_bridge.profiles import DeviceProfile

UNIT = 1
READ = pdu.Read(pdu.Function.READ_HOLDING_REGISTERS, 0, 1)


def profile(*points, **more):
    fields = {
        "vendor": "V",
        "model": "M",
        "kind": "sensor",
        "protocol": "modbus",
        "source": "made up",
        "verified": "unverified",
        "points": [{"space": "holding", "type": "uint16"} | point for point in points],
    }
    return DeviceProfile.model_validate(fields | more)


class Registers:
    """A unit on the memory port with some holding registers; the others are refused."""

    def __init__(self, port, **registers):
        self._port = port
        self.registers = {int(name[1:]): value for name, value in registers.items()}
        self.reads = []
        port.on_write = self._hear

    def _hear(self, frame):
        ((_, request),) = modbus_rtu.RequestParser().feed(frame)
        function = pdu.function_of(request)
        if isinstance(request, pdu.Read):
            self.reads.append((request.address, request.count))
            wanted = range(request.address, request.address + request.count)
            if all(address in self.registers for address in wanted):
                reply = pdu.Registers(function, tuple(self.registers[address] for address in wanted))
            else:
                reply = pdu.Refused(function, pdu.Refusal.ILLEGAL_ADDRESS)
        else:
            self.registers[request.address] = request.value
            reply = request
        self._port.answer(modbus_rtu.encode_reply(UNIT, reply), 0.02)


@pytest.mark.parametrize(
    ("url", "frame"),
    [
        ("serial:///dev/ttyS0", "01 03 0000 0001 840a"),
        ("tcp://gateway:4001", "01 03 0000 0001 840a"),
        ("modbus-tcp://gateway", "0006 01 03 0000 0001"),
    ],
)
def test_a_serial_server_carries_rtu_frames_and_only_modbus_tcp_carries_those_of_tcp(url, frame):
    exchange = framing_of(LineConfig(url=url), random.Random(1)).exchange(UNIT, READ)
    assert exchange.parts[0].endswith(bytes.fromhex(frame))


def test_every_request_on_a_connection_has_the_next_number_and_they_begin_anew():
    framing = TcpFraming(random.Random(1))
    numbers = [int.from_bytes(framing.exchange(UNIT, READ).parts[0][:2], "big") for _ in range(70_000)]
    assert all(later == (earlier + 1) % modbus_tcp.TRANSACTIONS for earlier, later in itertools.pairwise(numbers))


def test_what_one_read_of_several_is_refused_leaves_the_others_good(run_virtual, port, make_context):
    async def scenario():
        Registers(port, r0=7)
        device = ModbusSensor(
            make_context(PointsOptions(), profile=profile({"name": "a", "address": 0}, {"name": "b", "address": 50}))
        )
        port.open()
        readings = await device.read()
        assert [(reading.value, reading.quality) for reading in readings] == [
            (7, Quality.GOOD),
            (None, Quality.INVALID),
        ]

    run_virtual(scenario())


def test_a_unit_that_knows_none_of_the_addresses_is_an_error(run_virtual, port, make_context):
    async def scenario():
        Registers(port)
        device = ModbusSensor(make_context(PointsOptions(), profile=profile({"name": "a", "address": 0})))
        port.open()
        with pytest.raises(DeviceRefused, match=r"it: read holding registers 0 was refused: exception 02"):
            await device.read()

    run_virtual(scenario())


def test_inputs_are_polled_often_and_points_seldom(run_virtual, port, make_context):
    async def scenario():
        unit = Registers(port, r0=0, r40=215)
        events = []
        smoke = {"name": "smoke", "address": 0, "values": {0: False, 1: True}, "input": True}
        device = ModbusSensor(
            make_context(
                PointsOptions(period_s=10, poll_ms=200),
                profile=profile(smoke, {"name": "room", "address": 40}),
                emit=events.append,
            )
        )
        port.open()
        running = asyncio.create_task(device.run())
        await asyncio.sleep(1.05)
        unit.registers[0] = 1
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.wait([running])
        assert [event.active for event in events if isinstance(event, InputChanged)] == [False, True]
        assert sorted(event.point for event in events if isinstance(event, Reading)) == ["room", "smoke"]
        assert unit.reads.count((40, 1)) == 1
        assert 6 <= unit.reads.count((0, 1)) <= 9

    run_virtual(scenario())


def test_two_who_set_parts_of_one_register_undo_nothing_of_each_other(run_virtual, port, make_context):
    async def scenario():
        unit = Registers(port, r5=0)
        bits = [{"name": f"bit_{bit}", "address": 5, "type": "bit", "bit": bit, "write": {}} for bit in (0, 7, 15)]
        device = ModbusControl(make_context(PointsOptions(), profile=profile(*bits)))
        port.open()
        readings = await asyncio.gather(*(device.set(f"bit_{bit}", True) for bit in (0, 7, 15)))
        assert [reading.value for reading in readings] == [True] * 3
        assert unit.registers[5] == 0x8081

    run_virtual(scenario())


def test_what_cannot_work_is_told_before_it_is_tried():
    assert check_unit(248) == ["address: 248, a Modbus unit is 1..247, or 255 for a TCP device itself"]
    assert check_unit(255) == []
    relays = profile(relays={"coils": 8})
    assert check_sensor(1, PointsOptions(), relays) == ["profile: describes no points to read"]
    read_only = profile({"name": "a", "address": 0})
    (mistake,) = check_control(1, PointsOptions(), read_only)
    assert "has no point with a `write`; a device that is only read is a modbus_sensor" in mistake

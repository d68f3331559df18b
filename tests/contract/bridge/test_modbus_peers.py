"""The Modbus drivers on slaves that we did not write, on a serial line and on TCP: what is set, heard and late.

The lock and the sensor on serial lines, with damage: `test_modbus_conformance.py`.
"""

import asyncio
import random
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import DeviceRefused, LockStatus, Priority, Quality
from firmware_bridge.clock import SystemClock
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.modbus_unit import RtuFraming
from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.line import Line
from firmware_bridge.simulators.paced_net import PacedTcp
from tests.harness.ports import free_port

pytestmark = pytest.mark.contract

SHIPPED = Path(__file__).parents[3] / "config" / "devices"
SLAVE_SCRIPT = Path(__file__).parents[1] / "peers" / "pymodbus_slave.py"
UNIT = 1
BAUD = 9600
ROOM = """
vendor = "V"
model = "M"
kind = "air_conditioner"
protocol = "modbus"
source = "made up for the peers of this test"
verified = "unverified"
[timing]
timeout_ms = 200
[[points]]
name = "power"
space = "coil"
address = 1
type = "bit"
write = {}
[[points]]
name = "heater"
space = "coil"
address = 2
type = "bit"
write = { function = "coils" }
[[points]]
name = "window"
space = "discrete"
address = 3
type = "bit"
input = true
[[points]]
name = "room"
space = "input"
address = 1
type = "int16"
scale = 0.1
decimals = 1
unit = "°C"
invalid = [0x7FFF]
[[points]]
name = "target"
space = "holding"
address = 0
type = "int16"
scale = 0.1
decimals = 1
unit = "°C"
write = { min = 16, max = 30, step = 0.5 }
[[points]]
name = "fan"
space = "holding"
address = 2
type = "uint16"
bits = [4, 5]
values = { 0 = "auto", 1 = "low", 2 = "high" }
write = { function = "registers" }
[[points]]
name = "energy"
space = "holding"
address = 3
type = "uint32"
word_order = "low_first"
write = {}
"""


class TcpWire:
    """A TCP line whose far end is a connection to the peer, so that a test can cut it."""

    def __init__(self, port):
        self._port = port
        self.end = PacedTcp("peer", rng=random.Random(5), scheme="modbus-tcp")
        self.end.listen(lambda data, first_byte_s: self._writer.write(data))
        self._writer = None
        self._pump = None

    async def open(self):
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._pump = asyncio.create_task(self._carry(reader))
        return self.end.open()

    async def _carry(self, reader):
        while data := await reader.read(4096):
            self.end.send(data)

    async def close(self):
        self.end.close()
        self._pump.cancel()
        await asyncio.wait([self._pump])
        self._writer.close()
        await self._writer.wait_closed()


class Slave:
    """A running peer: `say` tells it what happens to the hardware."""

    def __init__(self, peer, line, wire=None):
        self.say = peer.say
        self.line = line
        self.wire = wire


@pytest.fixture
def slave_of(request, peer_wire, start_peer):
    """`async with slave_of("libmodbus-tcp") as slave`."""

    @asynccontextmanager
    async def make(kind):
        maker, way = kind.split("-")
        if maker == "libmodbus":
            command = [request.getfixturevalue("libmodbus_slave")]
        else:
            command = [request.getfixturevalue("pymodbus_python"), SLAVE_SCRIPT]
        if way == "rtu":
            wire = peer_wire(BAUD)
            path = wire.open()
            try:
                async with start_peer(*command, wire.peer_path, UNIT) as peer:
                    yield Slave(peer, LineConfig(url=path, baud=BAUD))
            finally:
                wire.close()
            return
        port = free_port()
        async with start_peer(*command, f"tcp:{port}", UNIT) as peer:
            wire = TcpWire(port)
            url = await wire.open()
            try:
                yield Slave(peer, LineConfig(url=url), wire)
            finally:
                await wire.close()

    return make


@pytest.fixture
def room_on(slave_of, bridge_on, tmp_path):
    """An air conditioner with every kind of point, on a peer; the bridge knows it as `it`."""
    (tmp_path / "room.toml").write_text(ROOM)

    @asynccontextmanager
    async def make(kind, driver="modbus_control", **options):
        device = DeviceConfig(driver=driver, line="line", profile="room", address=UNIT, options=options)
        async with (
            slave_of(kind) as slave,
            bridge_on({"line": slave.line}, {"it": device}, profiles_dir=tmp_path) as told,
        ):
            await told.until(lambda: told.health("it"))
            yield slave, told

    return make


every_slave = pytest.mark.parametrize("kind", ["libmodbus-rtu", "libmodbus-tcp", "pymodbus-rtu", "pymodbus-tcp"])
on_tcp = pytest.mark.parametrize("kind", ["libmodbus-tcp", "pymodbus-tcp"])
libmodbus = pytest.mark.parametrize("kind", ["libmodbus-rtu", "libmodbus-tcp"])


@every_slave
async def test_what_is_set_is_held_by_the_device_and_read_back(room_on, kind):
    async with room_on(kind) as (slave, told):
        control = told.bridge.control("it")
        assert (await control.set("power", True)).value is True
        assert (await control.set("heater", True)).value is True
        assert [await slave.say(f"coil {coil}") for coil in (1, 2)] == ["1", "1"]
        assert (await control.set("power", False)).value is False
        assert (await control.set("target", 21.5)).value == 21.5
        assert await slave.say("hr 0") == "215"
        await slave.say("hr 2 65535")
        assert (await control.set("fan", "low")).value == "low"
        assert await slave.say("hr 2") == str(0xFFDF)
        assert (await control.set("energy", 70_000)).value == 70_000
        assert [await slave.say("hr 3"), await slave.say("hr 4")] == [str(70_000 & 0xFFFF), "1"]


@every_slave
async def test_a_refused_write_is_told_as_one(room_on, kind):
    async with room_on(kind) as (slave, told):
        await slave.say("refuse 1")
        with pytest.raises(DeviceRefused, match=r"it: write register 0 = 215 was refused: exception 04"):
            await told.bridge.control("it").set("target", 21.5)


@libmodbus
async def test_a_device_that_keeps_what_it_had_has_refused(room_on, kind):
    async with room_on(kind) as (slave, told):
        await slave.say("stuck 1")
        with pytest.raises(DeviceRefused, match=r"it: target was set to 21\.5 and shows 0\.0; is it locked"):
            await told.bridge.control("it").set("target", 21.5)


@every_slave
async def test_points_are_read_and_inputs_are_heard_as_they_change(room_on, kind):
    async with room_on(kind, "modbus_sensor", period_s=0.5, poll_ms=50) as (slave, told):
        await told.until(lambda: told.inputs("window") == [False])
        await slave.say("di 3 1")
        await told.until(lambda: told.inputs("window") == [False, True])
        await slave.say(f"ir 1 {-55 & 0xFFFF}")
        await told.until(lambda: any(reading.value == -5.5 for reading in told.readings("room")))
        await slave.say(f"ir 1 {0x7FFF}")
        await told.until(lambda: told.readings("room")[-1].quality is Quality.INVALID)
        assert told.readings("room")[-1].value is None


@on_tcp
async def test_a_lock_on_tcp_is_released_secured_and_read(slave_of, bridge_on, kind):
    profile = "waveshare_relay_d" if kind == "libmodbus-tcp" else "generic_relay"
    lock = DeviceConfig(driver="modbus_lock", line="line", profile=profile, address=UNIT, options={"contact": 0})
    async with slave_of(kind) as slave, bridge_on({"line": slave.line}, {"it": lock}) as told:
        await told.until(lambda: told.inputs("contact") == [False])
        it = told.bridge.lock("it")
        await it.release(5.0)
        assert await slave.say("coil 0") == "1"
        await slave.say("di 0 1")
        await told.until(lambda: told.inputs("contact") == [False, True])
        assert await it.status() == LockStatus(released=True, contact_open=True)
        await it.secure()
        assert await slave.say("coil 0") == "0"


@on_tcp
async def test_a_connection_that_goes_is_told_once_and_made_again(room_on, kind):
    async with room_on(kind) as (slave, told):
        await slave.wire.close()
        await told.until(lambda: told.health("it") == ["online", "offline"])
        await slave.wire.open()
        await told.until(lambda: told.health("it") == ["online", "offline", "online"])
        assert (await told.bridge.control("it").set("target", 18.0)).value == 18.0


@pytest.mark.parametrize("kind", ["libmodbus-tcp"])
async def test_an_answer_of_another_transaction_is_dropped(room_on, kind):
    async with room_on(kind) as (slave, told):
        await slave.say("decoy 1")
        # Each answer comes behind a refusal with another number: taken for ours, it would be raised.
        assert (await told.bridge.control("it").set("target", 19.5)).value == 19.5
        readings = await told.bridge.sensor("it").read()
        assert {reading.quality for reading in readings} == {Quality.GOOD}
        assert told.bridge.stats("it").discarded_bytes >= 9
        assert told.bridge.stats("it").failed == 0


@libmodbus
async def test_a_device_that_answers_too_late_is_counted_slow_and_read_all_the_same(room_on, kind):
    async with room_on(kind) as (slave, told):
        await slave.say("late 250")  # its profile allows 200 ms
        readings = await told.bridge.sensor("it").read()
        assert Quality.GOOD in {reading.quality for reading in readings}
        stats = told.bridge.stats("it")
        assert stats.late > 0
        assert stats.timeouts > 0


async def test_everybody_does_what_is_written_to_all_and_nobody_acknowledges_it(slave_of):
    clock = SystemClock()
    async with slave_of("libmodbus-rtu") as slave:
        line = Line("line", slave.line, clock=clock, rng=random.Random(1))
        bus = Bus(line, gap_s=slave.line.gap_s, clock=clock, rng=random.Random(1))
        bus.attach("all", DevicePolicy(), lambda health, detail: None)
        running = asyncio.create_task(bus.run())
        try:
            framing = RtuFraming(slave.line.byte_s)
            for request in (
                pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON),
                pdu.WriteBits(1, (True, True)),
                pdu.WriteOne(pdu.Function.WRITE_REGISTER, 0, 7),
                pdu.WriteRegisters(1, (8, 9)),
            ):
                exchange = framing.exchange(pdu.UNIT_BROADCAST, request)
                assert await bus.request("all", exchange, priority=Priority.ALARM, deadline_s=2.0) is None
            # The line rests after a broadcast, so this one finds all of them done.
            reading = framing.exchange(UNIT, pdu.Read(pdu.Function.READ_COILS, 0, 4))
            reply = await bus.request("all", reading, priority=Priority.ALARM, deadline_s=2.0)
            assert reply == pdu.Bits(pdu.Function.READ_COILS, (True, True, True, False))
            assert [await slave.say(f"hr {number}") for number in range(3)] == ["7", "8", "9"]
            assert bus.stray_bytes == 0
        finally:
            running.cancel()
            await asyncio.wait([running])

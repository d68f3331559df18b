"""Every device profile that we ship, served by a simulated unit and read, heard and set by the drivers, RTU and TCP."""

import asyncio
import math
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, Priority, Quality
from firmware_bridge.clock import SystemClock
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.drivers.modbus_unit import RtuFraming
from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.line import Line
from firmware_bridge.profiles import load
from firmware_bridge.simulators.modbus_profile import any_profile

pytestmark = pytest.mark.contract

PROFILES = Path(__file__).parents[3] / "config" / "devices"
WITH_POINTS = sorted(path.stem for path in PROFILES.glob("*.toml") if load(PROFILES, path.stem).points)
BOARD = "waveshare_relay_d_io"
CONTROLLED = """
vendor = "V"
model = "M"
kind = "thermostat"
protocol = "modbus"
source = "made up for this test"
verified = "unverified"
merge_gap = 8
[timing]
timeout_ms = 150
[[points]]
name = "target"
space = "holding"
address = 0
type = "int16"
scale = 0.1
decimals = 1
unit = "°C"
write = { min = 5, max = 35, step = 0.5, settle_ms = 400 }
[[points]]
name = "fan"
space = "holding"
address = 6
type = "uint16"
bits = [4, 5]
values = { 0 = "auto", 1 = "low", 2 = "high" }
write = { function = "registers" }
[[points]]
name = "energy"
space = "holding"
address = 8
type = "uint32"
word_order = "low_first"
write = {}
"""


@pytest.fixture(params=["rtu", "tcp"])
def run(request, bridge_on, simulator_context):
    """`async with run(profile) as (simulation, told)`: a unit of that profile and a bridge that knows it as `it`."""

    @asynccontextmanager
    async def running(name, profiles_dir=PROFILES):
        context = replace(simulator_context, profiles_dir=profiles_dir)
        async with (
            any_profile(context, name, tcp=request.param == "tcp") as simulation,
            bridge_on({simulation.LINE: simulation.line}, {"it": simulation.device}, profiles_dir=profiles_dir) as told,
        ):
            yield simulation, told

    return running


@pytest.fixture
def thermostat(run, tmp_path):
    """A unit with all the kinds of writable registers there are."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "made_up.toml").write_text(CONTROLLED)
    return lambda: run("made_up", profiles)


@pytest.mark.parametrize("name", WITH_POINTS)
async def test_every_point_of_every_profile_is_read_as_the_device_shows_it(run, name):
    async with run(name) as (simulation, told):
        await told.until(lambda: told.health("it"))
        readings = await told.bridge.sensor("it").read()
        shown = simulation.state()
        assert {reading.point: reading.quality for reading in readings} == dict.fromkeys(shown, Quality.GOOD)
        for reading in readings:
            if isinstance(reading.value, float):
                assert math.isclose(reading.value, shown[reading.point], abs_tol=1e-6)
            else:
                assert reading.value == shown[reading.point]


async def test_an_input_is_told_whole_at_first_and_then_as_it_changes(run):
    async with run(BOARD) as (simulation, told):
        await told.until(lambda: told.inputs("input_8"))
        simulation.act(["set", "input_3", "true"])
        await told.until(lambda: told.inputs("input_3") == [False, True])
        simulation.mute(True)
        await told.until(lambda: told.health("it") == ["online", "offline"])
        simulation.act(["set", "input_3", "false"])
        simulation.mute(False)
        await told.until(lambda: told.inputs("input_3") == [False, True, False])
        assert told.inputs("input_1")[:1] == [False]


async def test_what_is_set_is_read_back_and_told(thermostat):
    async with thermostat() as (simulation, told):
        await told.until(lambda: told.health("it"))
        control = told.bridge.control("it")
        assert (control.controls["target"].min, control.controls["fan"].words) == (5, ("auto", "low", "high"))
        # It takes 0.2 s of its 0.4 s to show it.
        reading = await control.set("target", 21.5)
        assert (reading.value, reading.quality, simulation.state()["target"]) == (21.5, Quality.GOOD, 21.5)
        assert reading in told.events
        assert (await control.set("fan", "high")).value == "high"
        assert (await control.set("energy", 70_000)).value == 70_000
        assert simulation.state() == {"target": 21.5, "fan": "high", "energy": 70_000}


async def test_a_device_that_does_not_show_what_was_set_has_refused(thermostat):
    async with thermostat() as (simulation, told):
        await told.until(lambda: told.health("it"))
        control = told.bridge.control("it")
        simulation.act(["stick", "fan"])
        with pytest.raises(DeviceRefused, match="it: fan was set to low and shows auto; is it locked"):
            await control.set("fan", "low")
        simulation.act(["refuse", "on"])
        with pytest.raises(DeviceRefused, match=r"write registers 8\.\.9 = 5 0 was refused: exception 04"):
            await control.set("energy", 5)
        simulation.mute(True)
        with pytest.raises(DeviceTimeout):
            await control.set("energy", 5)


async def test_what_a_point_does_not_take_is_never_sent(thermostat):
    async with thermostat() as (simulation, told):
        await told.until(lambda: told.health("it"))
        control = told.bridge.control("it")
        for point, value, message in (
            ("target", 40, r"target takes 5\.0\.\.35\.0 °C"),
            ("target", 20.2, "target goes in steps of 0.5"),
            ("fan", "medium", "fan takes auto, low, high"),
            ("nothing", 1, "it has no 'nothing' to set; it has: target, fan, energy"),
        ):
            with pytest.raises(ValueError, match=message):
                await control.set(point, value)
        assert simulation.slave.writes == 0


async def test_two_who_set_bits_of_one_register_undo_each_others_nothing(run):
    async with run(BOARD) as (simulation, told):
        await told.until(lambda: told.health("it"))
        control = told.bridge.control("it")
        await asyncio.gather(*(control.set(f"relay_{number}", True) for number in (1, 4, 8)))
        relays = [name for name, value in simulation.state().items() if name.startswith("relay") and value]
        assert relays == ["relay_1", "relay_4", "relay_8"]


async def test_a_device_that_refuses_addresses_in_passing_is_read_without_them(thermostat, caplog):
    async with thermostat() as (simulation, told):
        await told.until(lambda: told.health("it"))
        for address in (1, 7):
            del simulation.slave._memory[simulation.slave.point("target").space, address]
        readings = await told.bridge.sensor("it").read()
        assert [reading.quality for reading in readings] == [Quality.GOOD] * 3
        await told.bridge.sensor("it").read()
    told_once = [record for record in caplog.records if "reads span nothing" in record.getMessage()]
    assert len(told_once) == 1


async def test_a_broadcast_is_obeyed_and_acknowledged_by_nobody(simulator_context):
    clock = SystemClock()
    async with any_profile(simulator_context, BOARD) as simulation:
        bus = Bus(
            Line("it", simulation.line, clock=clock, rng=random.Random(1)),
            gap_s=0.004,
            clock=clock,
            rng=random.Random(1),
        )
        bus.attach("everybody", DevicePolicy(), lambda health, detail: None)
        running = asyncio.create_task(bus.run())
        try:
            exchange = RtuFraming(simulation.line.byte_s).exchange(0, pdu.WriteBits(0, (True,) * 8))
            assert await bus.request("everybody", exchange, priority=Priority.ALARM, deadline_s=2.0) is None
            # The line rests afterwards, until everybody has done it.
            read = RtuFraming(simulation.line.byte_s).exchange(1, pdu.Read(pdu.Function.READ_COILS, 0, 8))
            reply = await bus.request("everybody", read, priority=Priority.ALARM, deadline_s=2.0)
            assert reply == pdu.Bits(pdu.Function.READ_COILS, (True,) * 8)
            assert bus.stray_bytes == 0
        finally:
            running.cancel()
            await asyncio.wait([running])

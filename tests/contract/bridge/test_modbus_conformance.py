"""What every Modbus lock and sensor must do: on our simulator, on a libmodbus slave, on a pymodbus server.

A rig is one of those with the few things that a test does to the hardware itself.
"""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, LockStatus, Quality
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.config import DeviceConfig
from firmware_bridge.exchange import LineLost
from firmware_bridge.simulators.door import DoorTiming
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig

pytestmark = pytest.mark.contract

PROFILES = Path(__file__).parents[3] / "config" / "devices"
SLAVE_SCRIPT = Path(__file__).parents[1] / "peers" / "pymodbus_slave.py"
LOCK_UNIT = 1
PEER_BAUD = 9600


class SimulatorRig:
    """Our own board and sensor."""

    profile = "waveshare_relay_d"

    def __init__(self, station):
        self._station = station
        self.wire = station._ptys["door"]

    @property
    def lines(self):
        return self._station.line_configs()

    async def coil(self):
        return self._station.board.relays[0]

    async def set_input(self, index, level):
        self._station.board.inputs[index] = level

    async def set_climate(self, temperature_raw, humidity_raw):
        self._station.sensor.answer = lambda request, first_byte_s: modbus.Registers(
            request.function, (temperature_raw, humidity_raw)
        )

    async def refuse(self, refused):
        self._station.board.refuse = refused

    async def mute(self, muted):
        self._station.board.mute = self._station.sensor.mute = muted


class PeerRig:
    """A slave that we did not write, on a paced line."""

    def __init__(self, wire, peer, lines, profile):
        self._peer = peer
        self.wire = wire.paced
        self.lines = lines
        self.profile = profile

    async def coil(self):
        return await self._peer.say("coil 0") == "1"

    async def set_input(self, index, level):
        await self._peer.say(f"di {index} {int(level)}")

    async def set_climate(self, temperature_raw, humidity_raw):
        await self._peer.say(f"ir 1 {temperature_raw}")
        await self._peer.say(f"ir 2 {humidity_raw}")

    async def refuse(self, refused):
        await self._peer.say(f"refuse {int(refused)}")

    async def mute(self, muted):
        await self._peer.say(f"mute {int(muted)}")


@pytest.fixture(params=["simulator", "libmodbus", "pymodbus"])
def rig(request, tmp_path, peer_wire, start_peer, line_config):
    """Makes the rig: `async with rig() as it`. Peers are asked for only where they are used."""
    if request.param == "simulator":
        config = SimulationConfig(
            door_baud=PEER_BAUD, sensor_on_door_line=True, door=DoorTiming(visitor=False), sensor_unit=2
        )

        @asynccontextmanager
        async def make():
            async with SimulatedStation(config, link_dir=tmp_path) as station:
                rig = SimulatorRig(station)
                rig.climate_unit = 2
                yield rig

        return make
    if request.param == "libmodbus":
        command = [request.getfixturevalue("libmodbus_slave")]
        profile = "waveshare_relay_d"
    else:
        command = [request.getfixturevalue("pymodbus_python"), SLAVE_SCRIPT]
        profile = "generic_relay"

    @asynccontextmanager
    async def make_peer():
        wire = peer_wire(PEER_BAUD)
        path = wire.open()
        try:
            async with start_peer(*command, wire.peer_path, LOCK_UNIT) as peer:
                rig = PeerRig(wire, peer, {"door": line_config(path, PEER_BAUD)}, profile)
                rig.climate_unit = LOCK_UNIT
                yield rig
        finally:
            wire.close()

    return make_peer


# pymodbus has no way to be silenced or to refuse, and a garbled frame leaves its server dead.
can_be_hurt = pytest.mark.parametrize("rig", ["simulator", "libmodbus"], indirect=True)


def lock_config(rig, **options):
    wiring = {"coil": 0, "contact": 0, "buttons": {"face": 1}} | options
    return DeviceConfig(driver="modbus_lock", line="door", profile=rig.profile, address=LOCK_UNIT, options=wiring)


def climate_config(rig, **options):
    return DeviceConfig(
        driver="modbus_sensor", line="door", profile="xy_md02", address=rig.climate_unit, options=options
    )


@pytest.fixture
def opened(rig, bridge_on):
    """A rig with a bridge on it that knows one device, `it`."""

    @asynccontextmanager
    async def open_device(make_config, **options):
        async with rig() as hardware:
            config = make_config(hardware, **options)
            lines = {"door": hardware.lines["door"]}
            async with bridge_on(lines, {"it": config}) as told:
                yield hardware, told

    return open_device


async def settled(told):
    """The line is open and the lock has told its inputs."""
    await told.until(lambda: told.inputs("contact"))
    return told.bridge.lock("it")


async def until_status(lock, wanted):
    async with asyncio.timeout(10):
        while (found := await lock.status()) != wanted:
            assert found.released is not None, "the lock stopped answering"


async def test_a_release_is_acknowledged_and_read_back(opened):
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        assert await lock.status() == LockStatus(released=False, contact_open=False)
        await lock.release(5.0)
        assert await hardware.coil()
        assert await lock.status() == LockStatus(released=True, contact_open=False)
        await lock.secure()
        assert not await hardware.coil()
        assert await lock.status() == LockStatus(released=False, contact_open=False)


async def test_a_release_ends_by_itself(opened):
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        began = asyncio.get_running_loop().time()
        await lock.release(0.5)
        await until_status(lock, LockStatus(released=False, contact_open=False))
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.5, abs=0.3)
        assert not await hardware.coil()


async def test_inputs_are_told_whole_at_first_and_then_as_they_change(opened):
    async with opened(lock_config) as (hardware, told):
        await settled(told)
        assert (told.inputs("contact"), told.inputs("face")) == ([False], [False])
        await hardware.set_input(0, True)
        await told.until(lambda: told.inputs("contact") == [False, True])
        await hardware.set_input(1, True)
        await told.until(lambda: told.inputs("face") == [False, True])
        await hardware.set_input(0, False)
        await told.until(lambda: told.inputs("contact") == [False, True, False])
        assert told.inputs("face") == [False, True]
        assert (await told.bridge.lock("it").status()).contact_open is False


async def test_a_contact_wired_the_other_way_round_reads_right(opened):
    async with opened(lock_config, contact_open_level=False) as (hardware, told):
        await settled(told)
        assert told.inputs("contact") == [True]
        await hardware.set_input(0, True)
        await told.until(lambda: told.inputs("contact") == [True, False])


@can_be_hurt
async def test_a_refusal_is_raised_as_one(opened):
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        await hardware.refuse(True)
        with pytest.raises(DeviceRefused, match=r"it: .* was refused: exception 04 \(device failure\)"):
            await lock.release(1.0)
        await hardware.refuse(False)
        await lock.release(1.0)
        assert await hardware.coil()


@can_be_hurt
async def test_a_mute_lock_times_out_is_told_once_and_comes_back(opened):
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        await hardware.mute(True)
        with pytest.raises(DeviceTimeout, match="it: no answer in"):
            await lock.release(1.0)
        assert await lock.status() == LockStatus(released=None, contact_open=None)
        await told.until(lambda: told.health("it") == ["online", "offline"])
        await hardware.mute(False)
        await told.until(lambda: told.health("it") == ["online", "offline", "online"])
        # What happened meanwhile is not known: the state is told anew.
        await told.until(lambda: told.inputs("contact") == [False, False])
        await lock.release(1.0)
        assert await hardware.coil()


async def test_a_line_that_goes_and_comes_back_is_told_and_used_again(opened):
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        hardware.wire.close()
        await told.until(lambda: told.health("it")[-1] == "offline")
        with pytest.raises(LineLost, match="line door is not there"):
            await lock.release(1.0)
        hardware.wire.open()
        await told.until(lambda: told.health("it") == ["online", "offline", "online"])
        await lock.release(1.0)
        assert await hardware.coil()


@can_be_hurt
async def test_no_damage_on_the_line_moves_the_lock_or_breaks_the_driver(opened):
    damage = Faults(drop=0.01, flip=0.01, split=0.1, late=0.02, mute=0.05, overlap=0.1, late_s=0.2)
    async with opened(lock_config) as (hardware, told):
        lock = await settled(told)
        hardware.wire.faults = damage
        confirmed = failed = 0
        for _ in range(25):
            try:
                await lock.release(5.0)
            except DeviceTimeout:
                failed += 1
            else:
                confirmed += 1
                # What was acknowledged is so.
                assert await hardware.coil()
            try:
                await lock.secure()
            except DeviceTimeout:
                failed += 1
            else:
                assert not await hardware.coil()
        assert confirmed > failed
        stats = told.bridge.stats("it")
        assert stats.bad_frames + stats.timeouts > 0
        hardware.wire.faults = NO_FAULTS
        await until_status(lock, LockStatus(released=False, contact_open=False))


async def test_readings_are_scaled_signed_and_stamped(opened):
    async with opened(climate_config, period_s=0.2) as (hardware, told):
        await hardware.set_climate(0xFF15, 412)
        await told.until(lambda: told.readings("temperature") and told.readings("temperature")[-1].value == -23.5)
        # The slave may have been read between its two registers.
        await told.until(lambda: told.readings("humidity")[-1:] and told.readings("humidity")[-1].value == 41.2)
        reading = told.readings("humidity")[-1]
        assert (reading.unit, reading.quality) == ("%RH", Quality.GOOD)
        assert reading.at.utcoffset().total_seconds() == 0
        await told.until(lambda: len(told.readings("temperature")) >= 5)


async def test_a_broken_element_reads_as_no_value_and_never_as_zero(opened):
    async with opened(climate_config) as (hardware, told):
        await hardware.set_climate(0x7FFF, 0xFFFF)
        await told.until(lambda: told.readings("humidity"))
        for reading in await told.bridge.sensor("it").read():
            assert (reading.value, reading.quality) == (None, Quality.INVALID)


@can_be_hurt
async def test_a_mute_sensor_reads_as_missing(opened):
    async with opened(climate_config, period_s=0.2) as (hardware, told):
        await told.until(lambda: told.readings("temperature"))
        await hardware.mute(True)
        await told.until(lambda: told.readings("temperature")[-1].quality is Quality.MISSING)
        assert told.readings("temperature")[-1].value is None
        await told.until(lambda: told.health("it") == ["online", "offline"])
        await hardware.mute(False)
        await told.until(lambda: told.health("it")[-1] == "online")


async def test_a_profile_of_another_device_is_refused_and_logged_once(rig, bridge_on, tmp_path, caplog):
    wrong = (PROFILES / "xy_md02.toml").read_text().replace("address = ", "address = 400")
    (tmp_path / "wrong.toml").write_text(wrong)
    async with rig() as hardware:
        config = climate_config(hardware, period_s=0.2).model_copy(update={"profile": "wrong"})
        lines = {"door": hardware.lines["door"]}
        async with bridge_on(lines, {"it": config}, profiles_dir=tmp_path) as told:
            await told.until(lambda: len(told.readings("temperature")) >= 3)
            assert {reading.quality for reading in told.readings("temperature")} == {Quality.INVALID}
            with pytest.raises(DeviceRefused, match="illegal address"):
                await told.bridge.sensor("it").read()
    refusals = [record for record in caplog.records if "was refused" in record.getMessage()]
    assert len(refusals) == 1

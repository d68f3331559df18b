"""The simulated door board behaves as its firmware does, as far as the driver can tell."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, FirmwareVersion
from firmware_bridge.flashing.image import pack
from firmware_bridge.flashing.upload import flash
from firmware_bridge.simulators import door_board
from firmware_bridge.simulators.door_board import DoorBoardSimulation
from firmware_bridge.simulators.paced import Faults

pytestmark = pytest.mark.contract

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NEW, OLDER = (1, 1, 0), (0, 9, 0)


def image(version, *, hardware=0x0D01, body=b"code" * 300):
    return pack(body, hardware=hardware, version=version, key=KEY)


async def bring(door, data, *, progress=lambda sent, total: None):
    return await flash(door, data, trusted=[KEY.public_key()], allow_downgrade=False, progress=progress)


@pytest.fixture
def driven(simulator_context, bridge_on, monkeypatch):
    @asynccontextmanager
    async def make(baud=460_800, **options):
        monkeypatch.setattr(DoorBoardSimulation, "BAUD", baud)  # the wire's time is shown elsewhere
        async with DoorBoardSimulation(simulator_context) as simulation:
            device = simulation.device.model_copy(update={"options": options})
            async with bridge_on({"it": simulation.line}, {"door": device}) as told:
                await told.until(lambda: told.inputs("tamper"))
                yield simulation, told.bridge.devices["door"].driver, told

    return make


async def until(condition):
    """The simulation tells nobody what it does by itself: it is looked at."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def test_release_contact_and_secure(driven):
    async with driven() as (simulation, door, told):
        await door.release(20)
        assert simulation.state()["released"] is True
        simulation.act(["push"])
        await told.until(lambda: told.inputs("contact") == [False, True])
        assert (await door.status()).contact_open is True
        await door.secure()
        assert simulation.state()["released"] is False


async def test_fire_and_button_release_and_are_not_the_stations_to_end(driven):
    async with driven() as (simulation, door, told):
        for act, over, name in (("fire", "fire-over", "fire"), ("press", "let-go", "egress")):
            simulation.act([act])
            await told.until(lambda name=name: told.inputs(name)[-1])
            with pytest.raises(DeviceRefused, match="holds the lock released"):
                await door.secure()
            simulation.act([over])


@pytest.mark.parametrize(("safe_state", "released"), [("secured", False), ("released", True)])
async def test_without_heartbeat_the_declared_state(driven, safe_state, released):
    async with driven(safe_state=safe_state, heartbeat_s=1) as (simulation, door, _):
        await door.release(600)
        simulation.mute(True)
        await until(lambda: simulation.state()["host_lost"])
        assert simulation.state()["released"] is released
        simulation.mute(False)
        await until(lambda: not simulation.state()["host_lost"])
        assert simulation.state()["released"] is released


async def test_identify_lights_the_beacon(driven):
    async with driven() as (simulation, door, _):
        assert "blinks" in await door.identify(3)
        assert simulation.state()["beacon"] is True
        assert simulation.state()["released"] is False


async def test_points_are_readings_with_the_units_of_the_dictionary(driven):
    async with driven() as (_, door, _):
        readings = {reading.point: (reading.value, reading.unit) for reading in await door.read()}
        assert readings["supply"] == (5.0, "V")
        assert readings["host_lost"] == (False, "")
        assert "contact" not in readings


async def test_a_firmware_is_uploaded_and_confirmed(driven):
    async with driven() as (simulation, door, _):
        assert await door.firmware() == FirmwareVersion("0D01", (1, 0, 0))
        assert await bring(door, image(NEW)) == FirmwareVersion("0D01", NEW)
        assert simulation.state()["firmware"] == "1.1.0"
        assert simulation.state()["on_trial"] is False
        with pytest.raises(DeviceRefused, match=r"image is 0.9.0, and 1.1.0 runs"):
            await bring(door, image(OLDER))


async def test_an_upload_gets_over_a_bad_line(driven):
    async with driven() as (simulation, door, _):
        simulation.wire.faults = Faults(flip=0.0002)
        body = bytes(range(256)) * 16
        assert await bring(door, image(NEW, body=body)) == FirmwareVersion("0D01", NEW)


async def test_no_update_while_the_door_is_in_use_and_one_at_a_time(driven):
    async with driven() as (_, door, _):
        first = asyncio.create_task(bring(door, image(NEW)))
        await until(lambda: door._updating)
        with pytest.raises(DeviceRefused, match="an update is under way"):
            await door.flash(image(NEW), lambda sent, total: None)
        await first
        await door.release(600)
        with pytest.raises(DeviceRefused, match="door is in use"):
            await bring(door, image(NEW))


async def test_a_firmware_that_nobody_confirms_is_taken_back(driven, monkeypatch):
    monkeypatch.setitem(door_board.SETTINGS, "trial", (4, 1, 600))  # longer than learning what runs may take
    async with driven() as (simulation, door, _):

        async def lost():
            raise DeviceTimeout("door", "the station lost power")

        monkeypatch.setattr("firmware_bridge.drivers.door_board_update.BoardUpdate.confirm", lambda self: lost())
        with pytest.raises(DeviceTimeout, match="lost power"):
            await bring(door, image(NEW))
        assert simulation.state()["on_trial"] is True
        await until(lambda: simulation.state()["firmware"] == "1.0.0")


async def test_a_release_during_an_upload_is_not_served_and_says_so(driven):
    async with driven(baud=38_400) as (_, door, _):
        begun = asyncio.Event()
        sending = asyncio.create_task(
            bring(door, image(NEW, body=bytes(7000)), progress=lambda sent, total: begun.set())
        )
        await begun.wait()
        with pytest.raises(DeviceTimeout, match="not served"):
            await door.release(5)
        await sending

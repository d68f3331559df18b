"""An Alpha sign as the driver meets it: its memory table, its error status, its files read back, a one-way cable."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.capabilities import Bitmap, DeviceRefused, DeviceTimeout
from firmware_bridge.codecs import alpha_sign as alpha
from firmware_bridge.simulators.alpha_sign import SignPage
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig

pytestmark = pytest.mark.contract

WIDTH, HEIGHT = 32, 16
RED = 1


def picture(seed):
    return Bitmap(WIDTH, HEIGHT, bytes((x * y + seed) % 3 == 0 for y in range(HEIGHT) for x in range(WIDTH)))


def seen(bitmap):
    return SignPage(None, WIDTH, HEIGHT, bytes(RED * dot for dot in bitmap.dots))


@pytest.fixture
def sign(bridge_on):
    """A small sign on a quick line: `async with sign() as (station, sign, told)`."""

    @asynccontextmanager
    async def make(**options):
        config = SimulationConfig(sign_baud=115200, sign_width=WIDTH, sign_height=HEIGHT)
        async with SimulatedStation(config) as station:
            device = station.device_configs()["sign"]
            wanted = {"settle_s": 0.0, "gap_ms": 0, "check_s": 0.5} | options
            device = device.model_copy(update={"options": device.options | wanted})
            async with bridge_on({"sign": station.line_configs()["sign"]}, {"sign": device}) as told:
                await told.until(lambda: "online" in told.health("sign"))
                yield station, told.bridge.sign("sign"), told

    return make


async def test_a_text_is_held_in_its_colour_and_runs_when_it_is_too_long(sign):
    async with sign(colour="amber") as (station, shown, _):
        await shown.show_text("OPEN")
        assert station.sign.text("A").parts == (alpha.Part(alpha.Mode.HOLD, b"\x1c3OPEN"),)
        await shown.show_text("OPEN 24 h")
        assert station.sign.text("A").parts == (alpha.Part(alpha.Mode.ROTATE, b"\x1c3OPEN 24 h"),)


async def test_the_signs_own_files_are_read_back(sign):
    async with sign() as (station, shown, _):
        await shown.show_pages([picture(1), picture(2)])
        assert await shown.shown() == [picture(1), picture(2)]
        # Somebody else writes to the sign: it says what it has, not what we gave it.
        text = alpha.WriteText(
            "A", (alpha.Part(alpha.Mode.HOLD, b"\x14P"), alpha.Part(alpha.Mode.FLASH, b"\x1c1FOREIGN"))
        )
        station.sign.obey(text)
        assert await shown.shown() == [picture(1), "FOREIGN"]
        station.sign.power_cycle()
        assert await shown.shown() == []


async def test_the_name_flashes_as_the_priority_file_which_is_emptied_afterwards(sign):
    async with sign() as (station, shown, _):
        await shown.show_text("OPEN")
        changed = asyncio.Event()
        station.on_change = changed.set
        identify = asyncio.create_task(shown.identify(0.1))
        await changed.wait()
        assert station.sign.text("0").parts == (alpha.Part(alpha.Mode.FLASH, b"\x1c1sign"),)
        assert await shown.shown() == ["OPEN"], "what lies under the name"
        assert await identify == "the sign flashes 'sign'"
        await until_shown(station, (SignPage(text="OPEN"),))


async def test_the_memory_table_is_written_once(sign):
    async with sign() as (station, shown, _):
        await shown.show_pages([picture(1)])
        before = station.sign.packets
        await shown.show_pages([picture(2)])
        # Clear the errors, one picture, the text that calls it, read the errors.
        assert station.sign.packets - before <= 5


async def test_what_the_sign_cannot_show_is_refused_before_anything_is_sent(sign):
    async with sign(check_s=3600.0) as (station, shown, _):
        before = station.sign.packets
        with pytest.raises(ValueError, match="has no '驿' in its font; show a picture"):
            await shown.show_text("OPEN 驿")
        with pytest.raises(ValueError, match=r"page of 8x8, the sign is \(32, 16\)"):
            await shown.show_pages([Bitmap(8, 8, bytes(64))])
        with pytest.raises(ValueError, match=r"0 pages, it shows 1\.\.4"):
            await shown.show_pages([])
        with pytest.raises(ValueError, match="5 pages"):
            await shown.show_pages([picture(0)] * 5)
        with pytest.raises(ValueError, match="1024 is the most"):
            await shown.show_text("x" * 1025)
        assert station.sign.packets == before


async def test_a_write_that_arrived_damaged_is_told(sign):
    async with sign(check_s=3600.0) as (station, shown, _):
        await shown.show_text("GOOD")
        station.set_faults("sign", Faults(flip=0.01))
        with pytest.raises((DeviceRefused, DeviceTimeout), match="sign: "):
            await shown.show_pages([picture(1)] * 4)
        station.set_faults("sign", NO_FAULTS)
        await shown.show_pages([picture(1)])
        assert station.state().sign_pages == (seen(picture(1)),)


async def test_a_mute_sign_is_told_and_shows_again_what_it_lost(sign):
    async with sign(check_s=0.5) as (station, shown, told):
        await shown.show_pages([picture(1)])
        station.mute("sign", True)
        await told.until(lambda: told.health("sign") == ["online", "offline"])
        station.sign.power_cycle()
        assert station.state().sign_pages == ()
        restored = station.sign
        station.mute("sign", False)
        await told.until(lambda: told.health("sign") == ["online", "offline", "online"])
        # The driver holds its line until the lost picture is back; the next order comes after that.
        packets = restored.packets
        await shown.show_text("NEXT")
        assert restored.packets > packets
        assert station.state().sign_pages == (SignPage(text="NEXT"),)


async def test_a_sign_with_a_one_way_cable_is_written_blindly(bridge_on):
    config = SimulationConfig(sign_baud=115200, sign_width=WIDTH, sign_height=HEIGHT)
    async with SimulatedStation(config) as station:
        station.mute("sign", True)
        device = station.device_configs()["sign"]
        options = device.options | {"confirm": False, "settle_s": 0.0, "gap_ms": 0}
        device = device.model_copy(update={"options": options})
        async with bridge_on({"sign": station.line_configs()["sign"]}, {"sign": device}) as told:
            await told.until(lambda: told.health("sign") == ["online"])
            await told.bridge.sign("sign").show_pages([picture(1)])
            assert await told.bridge.sign("sign").shown() is None
            # The last byte left; it takes its time on the wire, and nobody will say that it arrived.
            await until_shown(station, (seen(picture(1)),))


async def until_shown(station, pages):
    changed = asyncio.Event()
    station.on_change = changed.set
    async with asyncio.timeout(5):
        while station.state().sign_pages != pages:
            changed.clear()
            await changed.wait()

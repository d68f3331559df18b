"""A Huidu card as the driver meets it: files, programs, its clock, what it does wrong."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.capabilities import Bitmap, ControlRange, DeviceRefused, DeviceTimeout
from firmware_bridge.codecs import huidu
from firmware_bridge.codecs import huidu_xml as xml
from firmware_bridge.simulators.huidu_card import CardPage, HuiduSimulation

pytestmark = pytest.mark.contract

WIDTH, HEIGHT = HuiduSimulation.WIDTH, HuiduSimulation.HEIGHT
NAME = "the_sign"


def picture(seed):
    return Bitmap(WIDTH, HEIGHT, bytes((x * y + seed) % 3 == 0 for y in range(HEIGHT) for x in range(WIDTH)))


def seen(bitmap):
    return CardPage(None, bitmap.width, bitmap.height, bitmap.dots)


@pytest.fixture
def card(bridge_on, simulator_context):
    """`async with card(check_s=0.5) as (card, sign, told)`."""

    @asynccontextmanager
    async def make(**options):
        async with HuiduSimulation(simulator_context) as simulation:
            device = simulation.device
            device = device.model_copy(update={"options": device.options | options})
            async with bridge_on({device.line: simulation.line}, {NAME: device}) as told:
                await told.until(lambda: told.health(NAME) == ["online"])
                yield simulation.card, told.bridge.sign(NAME), told

    return make


async def until(card, condition):
    """Wait until it holds; it is asked again whenever the card heard something."""
    heard = asyncio.Event()
    card.on_change = heard.set
    async with asyncio.timeout(10):
        while not condition():
            heard.clear()
            await heard.wait()


async def test_a_picture_is_sent_once_and_named_by_what_it_holds(card):
    async with card() as (simulated, sign, _):
        await sign.show_pages([picture(1), picture(2)])
        assert simulated.pages == (seen(picture(1)), seen(picture(2)))
        await sign.show_pages([picture(2)])
        assert simulated.pages == (seen(picture(2)),)
        assert simulated.uploads == 2
        assert len(simulated.files) == 1, "what is not shown is not kept"
        assert len(simulated.programs) == 1, "a card plays all programs that it has"
        assert {file.file_type for file in simulated.files.values()} == {huidu.FileType.TEMPORARY_IMAGE}


async def test_a_page_that_is_shown_twice_is_two_pages_of_one_file(card):
    async with card() as (simulated, sign, _):
        await sign.show_pages([picture(1), picture(2), picture(1)])
        assert simulated.pages == (seen(picture(1)), seen(picture(2)), seen(picture(1)))
        assert await sign.shown() == [picture(1), picture(2), picture(1)]
        assert simulated.uploads == 2


async def test_programs_of_somebody_else_go(card):
    async with card() as (simulated, sign, _):
        text = xml.TextResource("LUNCH", "#ffffff", "Arial", 16)
        program = xml.screen_of(xml.Program("foreign", WIDTH, HEIGHT, 1.0, (text,))).children[0]
        simulated.programs["foreign"] = program
        simulated.playing = "foreign"
        assert await sign.shown() == ["LUNCH"]
        await sign.show_pages([picture(1)])
        assert list(simulated.programs) == [simulated.playing]
        assert simulated.pages == (seen(picture(1)),)


async def test_a_program_that_somebody_switched_to_is_put_back(card):
    async with card(check_s=0.5) as (simulated, sign, _):
        await sign.show_pages([picture(1)])
        text = xml.TextResource("ADVERT", "#ffffff", "Arial", 16)
        simulated.programs["foreign"] = xml.screen_of(xml.Program("foreign", WIDTH, HEIGHT, 1.0, (text,))).children[0]
        simulated.playing = "foreign"
        assert simulated.pages == (CardPage(text="ADVERT"),)
        await until(simulated, lambda: simulated.pages == (seen(picture(1)),))


async def test_a_picture_that_is_not_ours_cannot_be_told(card):
    async with card() as (simulated, sign, _):
        await sign.show_pages([picture(1)])
        (file,) = simulated.files.values()
        file.data.pop()
        assert await sign.shown() is None, "the card says that a byte is missing"


async def test_pictures_that_the_card_does_not_list_are_deleted_all_the_same(card, monkeypatch):
    async with card() as (simulated, sign, _):
        told = simulated._told
        monkeypatch.setattr(simulated, "_told", lambda method: () if method == "GetFiles" else told(method))
        await sign.show_pages([picture(1)])
        assert await sign.shown() is None, "nobody can say that they are whole"
        await sign.show_pages([picture(2)])
        assert simulated.pages == (seen(picture(2)),)
        assert len(simulated.files) == 1


async def test_pictures_are_kept_in_the_flash_when_that_is_wanted(card):
    async with card(keep=True) as (simulated, sign, _):
        await sign.show_pages([picture(1)])
        assert {file.file_type for file in simulated.files.values()} == {huidu.FileType.IMAGE}


async def test_a_card_that_lost_its_power_is_shown_everything_again(card):
    async with card(check_s=0.5) as (simulated, sign, told):
        await sign.show_pages([picture(1)])
        simulated.power_cycle()
        assert simulated.pages == ()
        await until(simulated, lambda: simulated.pages == (seen(picture(1)),))
        assert told.health(NAME) == ["online", "offline", "online"]


async def test_the_cards_clock_is_set_to_its_zone_and_left_alone_when_it_is_right(card):
    async with card(check_s=0.5) as (simulated, sign, told):
        await until(simulated, lambda: simulated.heartbeats > 1)
        assert simulated.methods.count("SetTimeInfo") == 1
        assert simulated.time[:4] > "2020"
        simulated.power_cycle()
        await told.until(lambda: told.health(NAME) == ["online", "offline", "online"])
        await until(simulated, lambda: simulated.methods.count("GetTimeInfo") == 2)
        await sign.show_text("X")
        assert simulated.methods.count("SetTimeInfo") == 1


async def test_a_card_that_asks_for_life_is_answered_at_once(card):
    async with card(check_s=300) as (simulated, sign, _):
        await sign.show_text("X")
        before = simulated.heartbeats
        simulated.ask_for_life()
        await until(simulated, lambda: simulated.heartbeats > before)


async def test_brightness_is_read_back(card):
    async with card() as (simulated, sign, _):
        assert sign.controls == {"brightness": ControlRange("%", 1, 100), "screen": ControlRange()}
        reading = await sign.set("brightness", 35)
        assert (reading.point, reading.value, reading.unit) == ("brightness", 35.0, "%")
        assert simulated.brightness == 35


async def test_the_screen_goes_off_and_on(card):
    async with card() as (simulated, sign, _):
        await sign.show_text("OPEN")
        assert (await sign.set("screen", False)).value is False
        assert simulated.pages == ()
        await sign.set("screen", True)
        assert simulated.pages == (CardPage(text="OPEN"),)


@pytest.mark.parametrize(("point", "value"), [("brightness", 0), ("brightness", True), ("screen", 1), ("volume", 5)])
async def test_what_a_control_does_not_take_is_refused_before_it_is_sent(card, point, value):
    async with card(check_s=300) as (simulated, sign, _):
        before = len(simulated.methods)
        with pytest.raises(ValueError, match=f"{NAME}: {point} = {value}"):
            await sign.set(point, value)
        assert len(simulated.methods) - before <= 3, "no more than the greeting"


async def test_a_card_that_refuses_is_named_with_its_word(card, monkeypatch):
    async with card(check_s=300) as (simulated, sign, _):
        await sign.show_text("X")
        monkeypatch.setattr(simulated, "_add_programs", lambda body: "kNotSpaceToSave")
        with pytest.raises(DeviceRefused, match=f"{NAME}: AddProgram: the card says kNotSpaceToSave"):
            await sign.show_pages([picture(1)])


async def test_what_a_card_refuses_again_and_again_is_logged_once(card, monkeypatch, caplog):
    async with card(check_s=0.5) as (simulated, sign, _):
        await sign.show_pages([picture(1)])
        monkeypatch.setattr(simulated, "_add_programs", lambda body: "kNotSpaceToSave")
        simulated.power_cycle()
        await until(simulated, lambda: simulated.methods.count("AddProgram") >= 5)
    refusals = [record for record in caplog.records if "kNotSpaceToSave" in record.getMessage()]
    assert [record.levelname for record in refusals].count("WARNING") == 1


async def test_a_session_that_the_card_forgot_is_made_anew(card):
    async with card(check_s=300) as (simulated, sign, _):
        await sign.show_text("X")
        simulated._guid = "another"
        await sign.show_text("Y")
        assert simulated.pages == (CardPage(text="Y"),)


async def test_a_mute_card_is_told(card):
    async with card(check_s=0.5, timeout_s=0.2) as (simulated, sign, told):
        await sign.show_text("X")
        simulated.mute = True
        with pytest.raises(DeviceTimeout, match=f"{NAME}: "):
            await sign.show_pages([picture(1)])
        await told.until(lambda: told.health(NAME) == ["online", "offline"])
        simulated.mute = False
        await until(simulated, lambda: simulated.pages == (seen(picture(1)),))
        assert told.health(NAME) == ["online", "offline", "online"]


async def test_the_sign_shows_its_name_and_then_what_it_showed_before(card):
    async with card() as (simulated, sign, told):
        await sign.show_pages([picture(1)])
        identify = asyncio.create_task(told.bridge.identifiable(NAME).identify(0.2))
        await until(simulated, lambda: simulated.pages == (CardPage(text=NAME),))
        assert await identify == f"the sign shows {NAME!r}"
        assert simulated.pages == (seen(picture(1)),)


async def test_a_sign_that_showed_nothing_shows_nothing_after_its_name(card):
    async with card() as (simulated, sign, told):
        await told.bridge.identifiable(NAME).identify(0.1)
        assert simulated.pages == ()
        assert await sign.shown() == ()

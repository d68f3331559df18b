"""The OSDP reader's driver in virtual time: outputs, light and buzzer, and orders that wait or fail."""

import asyncio

import pytest

from firmware_bridge.capabilities import (
    CardRead,
    DeviceRefused,
    DeviceTimeout,
    Indication,
)
from firmware_bridge.codecs import osdp_commands as commands
from firmware_bridge.codecs import osdp_replies as replies
from firmware_bridge.drivers.osdp import (
    ORDERS_MAX,
)
from firmware_bridge.exchange import BusOverloaded
from tests.unit.bridge.osdp_driver.readers import CARD


def test_an_output_is_read_back(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running(outputs=2) as (driver, told):
            await told.until(lambda: told.health)
            assert list(driver.controls) == ["output_0", "output_1"]
            reading = await driver.set("output_0", True)
            assert (reading.device, reading.value, reader.face.outputs) == ("reader_1", True, [True])
            with pytest.raises(DeviceRefused, match="refuses SetOutputs: record"):
                await driver.set("output_1", True)
            reader.face.stuck_output = True
            with pytest.raises(DeviceRefused, match="did not switch"):
                await driver.set("output_0", False)
            for point, value in (("output_2", True), ("output_0", 1.0), ("output_0", "on")):
                with pytest.raises(ValueError, match="output_0"):
                    await driver.set(point, value)

    run_virtual(scenario())


def test_light_and_buzzer_go_together_between_polls(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(1)
            await driver.indicate(Indication.DENIED)
            now = asyncio.get_running_loop().time()
            light = reader.face.lights[0]
            assert (light.shown(now).on_colour, light.shown(now + 3).on_colour) == (
                commands.Colour.RED,
                commands.Colour.DARK,
            )
            assert reader.face.beeps == 3
            codes = readers.codes()
            assert codes[codes.index("LED") + 1] == "BUZ"
            assert "reader_1 blinks amber" in await driver.identify(5.0)
            assert light.shown(now + 4).on_colour == commands.Colour.AMBER

    run_virtual(scenario())


def test_what_a_reader_lacks_is_left_out(run_virtual, readers, running):
    reader = readers.add()
    abilities = []
    reader.face._abilities = lambda: replies.Abilities(tuple(abilities))

    async def scenario():
        abilities[:] = [replies.Ability(replies.Function.BUZZER, 1, 1)]
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            await driver.indicate(Indication.GRANTED)
            assert reader.face.beeps == 1
            assert "LED" not in readers.codes()
            # READY is shown by the light alone.
            with pytest.raises(DeviceRefused, match="neither a light nor a buzzer"):
                await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_orders_are_bounded_and_fail_with_the_line(run_virtual, readers, running, port):
    readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)
            waiting = [asyncio.create_task(driver.indicate(Indication.READY)) for _ in range(ORDERS_MAX)]
            await asyncio.sleep(0)
            with pytest.raises(BusOverloaded, match="already wait"):
                await driver.indicate(Indication.READY)
            port.lose("pulled out")
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, DeviceTimeout) for result in results)
            await told.until(lambda: told.health == ["online", "offline"])
            port.open()
            await told.until(lambda: told.health == ["online", "offline", "online"])
            await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_an_order_that_is_never_served_ends_by_itself(run_virtual, readers, running):
    readers.add()

    async def scenario():
        async with running(open_line=False) as (driver, _):
            with pytest.raises(DeviceTimeout, match="did not take a command"):
                await driver.indicate(Indication.READY)

    run_virtual(scenario())


def test_polls_go_on_while_orders_never_end(run_virtual, readers, running):
    reader = readers.add()

    async def scenario():
        async with running() as (driver, told):
            await told.until(lambda: told.health)

            async def order_for_ever():
                while True:
                    await driver.indicate(Indication.READY)

            flood = [asyncio.create_task(order_for_ever()) for _ in range(4)]
            reader.face.card(CARD, 26)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await told.until(lambda: told.of(CardRead))
            assert loop.time() - began < 0.4
            for task in flood:
                task.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

    run_virtual(scenario())

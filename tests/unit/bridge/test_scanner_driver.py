"""The scanner's driver in virtual time: what ends a code, what it is told, how it answers."""

import asyncio
import contextlib

import pytest

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, Scan
from firmware_bridge.codecs.scanner import Framing
from firmware_bridge.codecs.scanner_commands import COMMAND_SETS
from firmware_bridge.drivers.scanner import ScannerOptions, SerialScanner, check_scanner


@contextlib.asynccontextmanager
async def running(driver, port):
    port.open()
    task = asyncio.ensure_future(driver.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def texts(events):
    return [event.text for event in events if isinstance(event, Scan)]


@pytest.fixture
def events():
    return []


@pytest.fixture
def scanner(make_context, events):
    return lambda **options: SerialScanner(make_context(ScannerOptions(**options), emit=events.append))


def test_a_scan_is_told_from_the_callback_that_read_its_last_byte(port, scanner, events, run_virtual):
    async def scenario():
        driver = scanner()
        async with running(driver, port):
            port.hear(b"COD", 1000.0)
            assert texts(events) == []
            port.hear(b"E\r", 1000.1)  # and nothing of the loop has run since
            assert texts(events) == ["CODE"]
            assert events[-1].mono_s == 1000.1

    run_virtual(scenario())


def test_with_idle_framing_a_scan_is_told_after_the_silence_and_stamped_with_its_last_byte(
    port, scanner, events, run_virtual
):
    async def scenario():
        driver = scanner(framing=Framing.IDLE, idle_ms=50)
        async with running(driver, port):
            loop = asyncio.get_running_loop()
            port.hear(b"CO", loop.time())
            await asyncio.sleep(0.03)
            port.hear(b"DE", loop.time())
            last_byte_s = loop.time()
            await asyncio.sleep(0.049)
            assert texts(events) == []
            await asyncio.sleep(0.002)
            assert texts(events) == ["CODE"]
            assert events[-1].mono_s == last_byte_s

    run_virtual(scenario())


def test_half_a_code_of_a_scanner_that_was_unplugged_is_none(port, scanner, events, run_virtual):
    async def scenario():
        driver = scanner(framing=Framing.IDLE)
        async with running(driver, port):
            port.hear(b"HAL", 1000.0)
            port.lose("unplugged")
            await asyncio.sleep(1)
            port.open()
            port.hear(b"WHOLE", 1001.0)
            await asyncio.sleep(1)
            assert texts(events) == ["WHOLE"]

    run_virtual(scenario())


def test_a_triggered_scanner_is_told_to_look_at_once_after_a_text_and_when_it_gave_up(
    port, scanner, events, run_virtual
):
    start = COMMAND_SETS["honeywell"].start.send

    async def scenario():
        driver = scanner(commands="honeywell", trigger_s=5)
        async with running(driver, port):
            await asyncio.sleep(0.1)
            assert port.frames == [start]
            port.hear(b"CODE\r", 1000.1)
            await asyncio.sleep(0.1)
            assert port.frames == [start] * 2
            await asyncio.sleep(5)
            assert port.frames == [start] * 3
            port.lose("unplugged")
            await asyncio.sleep(11)
            assert port.frames == [start] * 3
            port.open()
            await asyncio.sleep(0.1)
            assert port.frames == [start] * 4
        assert texts(events) == ["CODE"]

    run_virtual(scenario())


def test_answers_of_a_triggered_scanner_are_no_codes(port, scanner, events, run_virtual):
    start = COMMAND_SETS["newland"].start

    async def scenario():
        driver = scanner(framing=Framing.STX_ETX, commands="newland", trigger_s=1)
        port.on_write = lambda data: port.answer(start.reply, 0.01)
        async with running(driver, port):
            await asyncio.sleep(3.5)
            port.hear(b"\x02CODE\x03", 1003.5)
            await asyncio.sleep(0.1)
        assert texts(events) == ["CODE"]
        assert driver.counters.replies == 5

    run_virtual(scenario())


def test_it_beeps_once_a_second_for_as_long_as_it_is_asked_to(port, scanner, events, run_virtual):
    beep = COMMAND_SETS["newland"].beep

    async def scenario():
        driver = scanner(commands="newland")
        port.on_write = lambda data: port.answer(beep.reply, 0.01)
        async with running(driver, port):
            assert await driver.identify(2.5) == "it beeps"
            assert port.frames == [beep.send] * 4
        assert texts(events) == []

    run_virtual(scenario())


def test_a_scanner_without_a_beep_shines_its_light_and_looks_again_afterwards(port, scanner, events, run_virtual):
    gm65 = COMMAND_SETS["gm65"]

    async def scenario():
        driver = scanner(commands="gm65")
        port.on_write = lambda data: port.answer(gm65.start.reply, 0.01)
        async with running(driver, port):
            assert "light" in await driver.identify(2)
            assert port.frames == [gm65.start.send, gm65.stop.send]
            await asyncio.sleep(1)
        assert texts(events) == []

    run_virtual(scenario())


def test_a_scanner_that_does_not_answer_is_named(port, scanner, run_virtual):
    async def scenario():
        driver = scanner(commands="newland")
        async with running(driver, port):
            with pytest.raises(DeviceTimeout, match="receive wire"):
                await driver.identify(1)

    run_virtual(scenario())


def test_a_scanner_that_can_be_told_nothing_says_so(port, scanner, run_virtual):
    async def scenario():
        driver = scanner()
        async with running(driver, port):
            with pytest.raises(DeviceRefused, match="`commands`"):
                await driver.identify(1)

    run_virtual(scenario())


def test_a_trigger_needs_commands():
    assert check_scanner(1, ScannerOptions(trigger_s=5), None) != []
    assert check_scanner(1, ScannerOptions(trigger_s=5, commands="gm65"), None) == []

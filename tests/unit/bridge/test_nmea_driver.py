"""The receiver's driver in virtual time: no fix, a jump, silence, a line that goes."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from firmware_bridge.capabilities import HealthChanged, Quality, Reading
from firmware_bridge.codecs import nmea
from firmware_bridge.drivers.nmea import GnssOptions, NmeaGnss

# The memory port's clock begins on 2026-01-05 at 08:00.
GGA = "GNGGA,080001.00,4353.2080,N,12519.4700,E,1,09,0.9,212.0,M,6.1,M,,"
RMC = "GNRMC,080001.00,A,4353.2080,N,12519.4700,E,0.50,,050126,,,A,V"
GST = "GNGST,080001.00,1.8,,,,3.0,4.0,3.0"
NO_FIX = "GNGGA,080002.00,,,,,0,03,9.9,,M,,M,,"


@pytest.fixture
def events():
    return []


@pytest.fixture
def receiver(make_context, events):
    return lambda **options: NmeaGnss(make_context(GnssOptions(**options), emit=events.append))


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


def say(port, *bodies):
    for body in bodies:
        port.hear(nmea.encode(body), asyncio.get_running_loop().time())


def health(events):
    return [event.health.value for event in events if isinstance(event, HealthChanged)]


async def values(driver):
    return {reading.point: (reading.value, reading.quality) for reading in await driver.read()}


def test_there_is_no_position_before_a_fix(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            assert await driver.position() is None
            say(port, NO_FIX)
            assert await driver.position() is None
            read = await values(driver)
            assert read["fix"] == ("none", Quality.GOOD)
            assert read["satellites"] == (3, Quality.GOOD)
            assert read["latitude"] == (None, Quality.INVALID)
            assert read["time"] == (None, Quality.MISSING)

    run_virtual(scenario())


def test_a_fix_is_a_position_with_the_receivers_time_and_accuracy(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            await asyncio.sleep(1)
            say(port, RMC, GGA, GST)
            position = await driver.position()
            assert (position.latitude, position.longitude) == pytest.approx((43.8868, 125.3245))
            assert (position.altitude_m, position.accuracy_m, position.satellites) == (212.0, 5.0, 9)
            assert position.at == datetime(2026, 1, 5, 8, 0, 1, tzinfo=UTC)
            read = await values(driver)
            assert read["time"] == ("2026-01-05T08:00:01+00:00", Quality.GOOD)
            assert read["speed"] == (pytest.approx(0.926), Quality.GOOD)
            assert read["fix"] == ("gnss", Quality.GOOD)

    run_virtual(scenario())


def test_a_receiver_that_sends_only_rmc_has_a_position(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            say(port, RMC)
            position = await driver.position()
            assert position.latitude == pytest.approx(43.8868)
            assert (position.altitude_m, position.satellites) == (None, None)
            say(port, RMC.replace(",A,", ",V,", 1))
            assert await driver.position() is None

    run_virtual(scenario())


def test_a_jump_is_told_as_it_is(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            say(port, GGA)
            say(port, GGA.replace("4353.2080", "4403.2080"))
            assert (await driver.position()).latitude == pytest.approx(44.0535, abs=1e-4)

    run_virtual(scenario())


def test_a_lost_fix_is_no_position_at_once(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            say(port, GGA)
            assert await driver.position() is not None
            say(port, NO_FIX)
            assert await driver.position() is None

    run_virtual(scenario())


def test_silence_makes_readings_stale_and_ends_the_position_and_is_told_once(port, receiver, events, run_virtual):
    async def scenario():
        driver = receiver(period_s=1, stale_s=5)
        async with running(driver, port):
            say(port, GGA, RMC)
            await asyncio.sleep(4.9)
            assert await driver.position() is not None
            await asyncio.sleep(20)
            assert await driver.position() is None
            read = await values(driver)
            assert read["satellites"] == (9, Quality.STALE)
            assert read["latitude"] == (pytest.approx(43.8868), Quality.STALE)
            say(port, GGA)
            assert await driver.position() is not None
        assert health(events) == ["online", "offline", "online"]
        # Each told once a second, with the time at which it was said.
        told = [event for event in events if isinstance(event, Reading) and event.point == "hdop"]
        assert len(told) == 24
        assert {event.mono_s for event in told} == {1000.0}

    run_virtual(scenario())


def test_an_open_line_is_no_receiver_and_a_lost_line_is_told_once(port, receiver, events, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            await asyncio.sleep(1)
            assert health(events) == []
            say(port, GGA)
            port.lose("unplugged")
            await asyncio.sleep(30)
            assert health(events) == ["online", "offline"]
            port.open()
            await asyncio.sleep(1)
            assert health(events) == ["online", "offline"]
            say(port, GGA)
            await asyncio.sleep(0)
            assert health(events) == ["online", "offline", "online"]

    run_virtual(scenario())


def test_wrong_checksums_are_counted_and_say_nothing(port, bus, receiver, events, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            port.hear(nmea.encode(GGA).replace(b"212.0", b"213.0"), 1000.0)
            assert await driver.position() is None
            assert driver.counters.bad_checksums == bus.stats("it").bad_frames == 1
            assert health(events) == []

    run_virtual(scenario())


def test_a_receiver_whose_date_ran_over_is_dated_by_the_station(port, receiver, run_virtual):
    async def scenario():
        driver = receiver()
        async with running(driver, port):
            await asyncio.sleep(1)
            say(port, RMC.replace("050126", "210506"), GGA)
            assert (await driver.position()).at.year == 2026
            assert (await values(driver))["time"] == ("2006-05-21T08:00:01+00:00", Quality.GOOD)

    run_virtual(scenario())

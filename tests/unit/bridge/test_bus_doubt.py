"""The bus in virtual time: devices that are in doubt, whose answers are late, or whose line is new."""

import asyncio

import pytest

from firmware_bridge.capabilities import DeviceTimeout, Priority
from firmware_bridge.exchange import DevicePolicy
from tests.unit.bridge.test_bus import attach, echo, request
from tests.unit.bridge.test_bus_isolation import LEARNED, asked


def test_a_lock_request_outlives_the_verdict_that_its_device_is_silent(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=0.1, retries=0, quarantine_after=1))
        echo(port, after_s=0.01, silent=("poll",))
        port.open()
        poll = request(bus, "lock", "poll", Priority.READER)
        await asyncio.sleep(0.01)
        lock = request(bus, "lock", "open", Priority.LOCK)
        with pytest.raises(DeviceTimeout):
            await poll
        assert bus.quarantined("lock")
        assert await lock == "open\n"

    run_virtual(scenario())


def test_a_lock_has_its_second_attempt_also_when_polls_were_in_vain(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        answers = iter((None, None, b"open\n"))

        def on_write(data):
            answer = next(answers)
            if answer is not None:
                port.answer(answer, 0.02)

        port.on_write = on_write
        port.open()
        poll = request(bus, "lock", "poll", Priority.READER)
        await asyncio.sleep(0.01)
        assert await request(bus, "lock", "open", Priority.LOCK) == "open\n"
        assert port.frames == [b"poll", b"open", b"open"]
        poll.cancel()
        await asyncio.wait([poll])

    run_virtual(scenario())


def test_a_lock_in_doubt_is_asked_once_and_waited_for_in_full(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        port.open()
        with pytest.raises(DeviceTimeout):
            await request(bus, "lock", "open", Priority.LOCK)
        sent, began = len(port.frames), asyncio.get_running_loop().time()
        with pytest.raises(DeviceTimeout):
            await request(bus, "lock", "open", Priority.LOCK)
        assert len(port.frames) - sent == 1
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.004 + LEARNED.timeout_s)

    run_virtual(scenario())


def test_an_answer_that_does_not_say_whose_it_is_is_nobodys_when_it_is_late(run_virtual, bus, port):
    async def scenario():
        attach(bus, "a", "b", policy=LEARNED)
        echo(port, after_s=0.01, silent=("from a",))
        port.open()
        first = request(bus, "a", "from a")
        await asyncio.sleep(0.31)
        echo(port, after_s=0.01)
        assert await request(bus, "b", "from b") == "from b\n"
        assert await first == "from a\n"

    run_virtual(scenario())


def test_an_answer_to_the_second_attempt_is_not_counted_as_late(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        echo(port, after_s=0.01, silent=("abc",))
        port.open()
        lock = asyncio.create_task(asked(bus, "lock", priority=Priority.LOCK))
        await asyncio.sleep(0.1)
        echo(port, after_s=0.01)
        assert await lock == "abc\n"
        stats = bus.stats("lock")
        assert (stats.answered, stats.late, stats.retries) == (1, 0, 1)

    run_virtual(scenario())


def test_what_was_silent_is_asked_at_once_when_its_line_is_new(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", policy=LEARNED)
        port.open()
        while not bus.quarantined("sensor"):
            with pytest.raises(DeviceTimeout):
                await request(bus, "sensor", "read")
        port.lose("pulled")
        echo(port, after_s=0.01)
        port.open()
        assert await request(bus, "sensor", "read") == "read\n"

    run_virtual(scenario())


def test_who_starts_while_a_lock_waits_for_its_own_gap_gives_way_as_well(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", policy=LEARNED)
        attach(bus, "lock", policy=DevicePolicy(gap_s=0.02))
        echo(port, after_s=0.01, silent=("abc",))
        port.open()
        await asyncio.sleep(0.001)
        lock = request(bus, "lock", "open", Priority.LOCK)
        reading = asyncio.create_task(asked(bus, "sensor"))
        assert await lock == "open\n"
        (begun, _), (opened, _) = port.written
        assert port.frames == [b"abc", b"open"]
        assert opened - begun == pytest.approx(0.003 + 0.05, abs=0.005)
        reading.cancel()
        await asyncio.wait([reading])

    run_virtual(scenario())


def test_the_line_is_kept_clear_again_once_another_device_was_served(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        echo(port)
        port.open()
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        for _ in range(2):
            began = loop.time()
            bus.keep_clear(0.2)
            await request(bus, "sensor", "read")
            assert port.written[-1][0] - began == pytest.approx(0.2)
            await asyncio.sleep(1)

    run_virtual(scenario())

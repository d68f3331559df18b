"""The bus in virtual time against devices that are slow, silent or talk out of turn: what they cost the others."""

import asyncio

import pytest

from firmware_bridge.capabilities import DeviceTimeout, Health, Priority
from firmware_bridge.exchange import DevicePolicy, Exchange
from tests.unit.bridge.test_bus import DEADLINE_S, ask, attach, echo, request

LEARNED = DevicePolicy(timeout_s=0.3, retries=1, quarantine_after=2, quarantine_s_first=1.0, quarantine_s_max=8.0)


class Addressed:
    """Answers begin with what was asked, as those of a unit begin with its address; others are skipped."""

    def __init__(self, text):
        self._text = text
        self._data = b""
        self.discarded = 0

    def feed(self, data):
        self._data += data
        at = self._data.find(self._text)
        self.discarded = len(self._data) if at < 0 else at
        return self._data[at:].decode() if at >= 0 and self._data.endswith(b"\n") else None


def read(text):
    """An exchange of a kind, so that the bus learns how long its device takes; its answer has 4 ms."""
    return Exchange((text.encode(),), lambda: Addressed(text.encode()), reply_s=0.004, kind="read")


async def asked(bus, device, text="abc", priority=Priority.TELEMETRY):
    return await bus.request(device, read(text), priority=priority, deadline_s=DEADLINE_S)


def test_a_device_that_falls_silent_holds_the_line_for_as_long_as_it_usually_takes(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", policy=LEARNED)
        echo(port, after_s=0.01)
        port.open()
        for _ in range(6):
            await asked(bus, "sensor")
        echo(port, silent=("abc",))
        loop = asyncio.get_running_loop()
        with pytest.raises(DeviceTimeout, match=r"no answer in 0\.054 s"):
            await asked(bus, "sensor")
        starts = [at for at, _ in port.written][-2:]
        # The second attempt comes after a pause in which the line is everybody's.
        assert starts[1] - starts[0] == pytest.approx(0.003 + 0.054 + LEARNED.timeout_s)
        assert loop.time() - starts[1] == pytest.approx(0.003 + 0.054)

    run_virtual(scenario())


def test_an_answer_that_comes_late_is_taken_and_the_next_one_is_waited_for(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", policy=LEARNED)
        echo(port, after_s=0.01)
        port.open()
        for _ in range(6):
            await asked(bus, "sensor")
        echo(port, after_s=0.2)
        sent = len(port.written)
        # The attempt is given up too soon; its answer comes before the second one and makes it needless.
        assert await asked(bus, "sensor") == "abc\n"
        stats = bus.stats("sensor")
        assert (stats.late, stats.timeouts, stats.failed, len(port.written) - sent) == (1, 1, 0, 1)
        assert await asked(bus, "sensor") == "abc\n"
        assert stats.timeouts == 1

    run_virtual(scenario())


def test_the_last_attempt_for_a_lock_is_waited_for_in_full(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        echo(port, after_s=0.01)
        port.open()
        for _ in range(6):
            await asked(bus, "lock", priority=Priority.LOCK)
        # A board with a hiccup: its first answer is late, and the second attempt's too.
        echo(port, after_s=0.25)
        assert await asked(bus, "lock", priority=Priority.LOCK) == "abc\n"
        assert bus.stats("lock").timeouts == 1

    run_virtual(scenario())


def test_a_silent_device_gives_way_to_the_lock_and_its_answer_is_heard_all_the_same(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", "sensor", policy=LEARNED)
        port.on_write = lambda data: port.answer(
            data + b"\n", port.wire_s(len(data)) + (0.2 if data == b"abc" else 0.01)
        )
        port.open()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        reading = asyncio.create_task(asked(bus, "sensor"))
        await asyncio.sleep(0.02)
        began = loop.time()
        assert await asked(bus, "lock", "open", Priority.LOCK) == "open\n"
        assert loop.time() - began == pytest.approx(0.003 + 0.05 - 0.02 + 0.004 + 0.01)
        assert await reading == "abc\n"
        assert port.frames == [b"abc", b"open"]
        stats = bus.stats("sensor")
        assert (stats.late, stats.timeouts, stats.answered, stats.failed) == (1, 0, 1, 0)

    run_virtual(scenario())


def test_a_device_that_gave_way_is_asked_again(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", "sensor", policy=LEARNED)
        echo(port, after_s=0.01, silent=("abc",))
        port.open()
        await asyncio.sleep(1)
        reading = asyncio.create_task(asked(bus, "sensor"))
        await asyncio.sleep(0.02)
        await asked(bus, "lock", "open", Priority.LOCK)
        echo(port, after_s=0.01)
        assert await reading == "abc\n"
        assert port.frames == [b"abc", b"open", b"abc"]
        stats = bus.stats("sensor")
        assert (stats.timeouts, stats.retries, stats.failed) == (1, 1, 0)

    run_virtual(scenario())


def test_a_dead_device_is_told_of_however_often_it_gives_way(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "lock", "sensor", policy=LEARNED)
        echo(port, after_s=0.01, silent=("abc",))
        port.open()

        async def people():
            while True:
                await asked(bus, "lock", "open", Priority.LOCK)
                await asyncio.sleep(0.03)

        coming = asyncio.create_task(people())
        for _ in range(LEARNED.quarantine_after):
            with pytest.raises(DeviceTimeout, match=r"no answer in 0\.3"):
                await asked(bus, "sensor")
        await asyncio.sleep(0)
        assert told == {"lock": [Health.ONLINE], "sensor": [Health.OFFLINE]}
        coming.cancel()
        await asyncio.wait([coming])

    run_virtual(scenario())


def test_an_answer_that_has_begun_gives_way_to_nobody(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", "sensor", policy=LEARNED)

        def on_write(data):
            if data != b"abc":
                port.answer(data + b"\n", 0.02)
                return
            port.answer(b"a", 0.04)
            port.answer(b"bc\n", 0.15)

        port.on_write = on_write
        port.open()
        await asyncio.sleep(1)
        reading = asyncio.create_task(asked(bus, "sensor"))
        await asyncio.sleep(0.02)
        await asked(bus, "lock", "open", Priority.LOCK)
        assert reading.done()
        assert bus.stats("sensor").late == 0

    run_virtual(scenario())


def test_a_babbler_cannot_keep_the_lock_from_the_line(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        echo(port, after_s=0.01)
        port.open()
        loop = asyncio.get_running_loop()

        async def babble():
            while True:
                port.hear(b"?", loop.time())
                await asyncio.sleep(0.002)

        babbling = asyncio.create_task(babble())
        await asyncio.sleep(1)
        began = loop.time()
        await asyncio.wait({request(bus, "lock", "open", Priority.LOCK)}, timeout=1)
        assert next(at for at, data in port.written if data == b"open") - began <= 0.021
        babbling.cancel()
        await asyncio.wait([babbling])
        assert bus.stats("lock").line.stray_bytes > 400

    run_virtual(scenario())


def test_a_garbled_answer_is_given_up_when_the_line_falls_silent(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=1.0))
        answers = iter((b"????", b"abc\n"))
        port.on_write = lambda data: port.answer(next(answers), 0.02)
        port.open()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        began = loop.time()
        assert await asked(bus, "lock", priority=Priority.LOCK) == "abc\n"
        assert loop.time() - began == pytest.approx(0.02 + 0.02 + 0.02)
        assert bus.stats("lock").retries == 1

    run_virtual(scenario())


def test_the_line_rests_after_what_nobody_answers(run_virtual, bus, port):
    async def scenario():
        attach(bus, "everybody")
        attach(bus, "sensor")
        echo(port)
        port.open()
        shout = Exchange((b"off",), None, rest_s=0.1)
        await bus.request("everybody", shout, priority=Priority.ALARM, deadline_s=1)
        await bus.request("sensor", ask("read"), priority=Priority.TELEMETRY, deadline_s=1)
        starts = [at for at, _ in port.written]
        assert starts[1] - starts[0] == pytest.approx(0.003 + 0.1 + 0.004)

    run_virtual(scenario())


def test_whatever_waits_for_a_device_fails_when_it_is_found_silent(run_virtual, bus, port):
    async def scenario():
        attach(bus, "dead", "lock", policy=LEARNED)
        echo(port, silent=("read",))
        port.open()
        waiting = [request(bus, "dead", "read") for _ in range(8)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, DeviceTimeout) for outcome in outcomes)
        # Two attempts until it is in doubt, and from then on one a request.
        assert len(port.frames) == LEARNED.quarantine_after + LEARNED.retries
        stats = bus.stats("dead")
        assert (stats.requests, stats.failed) == (8, 8)

    run_virtual(scenario())


def test_of_many_who_ask_a_silent_device_again_one_costs_the_line_its_time(run_virtual, bus, port):
    async def scenario():
        attach(bus, "dead", policy=LEARNED)
        port.open()
        for _ in range(LEARNED.quarantine_after):
            with pytest.raises(DeviceTimeout):
                await request(bus, "dead", "read")
        await asyncio.sleep(2 * LEARNED.quarantine_s_first)
        sent = len(port.frames)
        await asyncio.gather(*(request(bus, "dead", "read") for _ in range(8)), return_exceptions=True)
        assert len(port.frames) - sent == 1

    run_virtual(scenario())


class Nameless:
    """Answers say nothing of what was asked, as bits of one unit say nothing of their addresses."""

    discarded = 0

    def feed(self, data):
        return data.decode()


def test_a_late_answer_to_a_poll_is_not_the_state_of_a_lock(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=0.1, retries=0))
        answers = iter((("inputs", 0.11), ("released", 0.02)))

        def on_write(data):
            text, after_s = next(answers)
            port.answer(text.encode(), port.wire_s(len(data)) + after_s)

        port.on_write = on_write
        port.open()
        poll = request(bus, "lock", "poll", Priority.READER)
        with pytest.raises(DeviceTimeout):
            await poll
        state = Exchange((b"state",), Nameless)
        assert await bus.request("lock", state, priority=Priority.LOCK, deadline_s=1) == "released"

    run_virtual(scenario())


def test_a_release_whose_answer_cannot_be_mistaken_follows_a_silence_at_once(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=0.1, retries=0))
        echo(port, after_s=0.01, silent=("poll",))
        port.open()
        with pytest.raises(DeviceTimeout):
            await request(bus, "lock", "poll", Priority.READER)
        began = asyncio.get_running_loop().time()
        release = Exchange((b"open",), lambda: Addressed(b"open"), told_apart=True)
        await bus.request("lock", release, priority=Priority.LOCK, deadline_s=1)
        assert port.written[-1][0] == began

    run_virtual(scenario())


def test_however_long_a_request_waited_it_does_not_start_into_bytes_that_are_coming(run_virtual, bus, port):
    async def scenario():
        attach(bus, "slow", policy=DevicePolicy(timeout_s=0.3, retries=0))
        attach(bus, "sensor")
        echo(port, silent=("slow",))
        port.open()
        loop = asyncio.get_running_loop()
        asked_slow = request(bus, "slow", "slow", Priority.READER)
        waited = request(bus, "sensor", "read")
        await asyncio.sleep(0.307)  # 4 ms of gap, 4 ms of frame and 0.3 s of silence, less a millisecond
        began = loop.time()
        for after_s in (0.0005, 0.0025, 0.0045):
            port.answer(b"?", after_s)
        await asyncio.wait([asked_slow])
        assert await waited == "read\n"
        assert port.written[-1][0] >= began + 0.0045 + 0.004

    run_virtual(scenario())


def test_a_question_for_a_lock_is_asked_again_at_once_by_whoever_asks(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=0.1, retries=0))
        echo(port, after_s=0.01, silent=("state",))
        port.open()
        with pytest.raises(DeviceTimeout):
            await request(bus, "lock", "state", Priority.LOCK)
        echo(port, after_s=0.01)
        began = asyncio.get_running_loop().time()
        await request(bus, "lock", "state", Priority.LOCK)
        assert port.written[-1][0] == began

    run_virtual(scenario())


def test_a_poll_that_gave_way_does_not_answer_what_a_lock_is_asked(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=LEARNED)
        answers = {b"poll": (b"inputs", 0.15), b"state": (b"released", 0.01)}
        port.on_write = lambda data: port.answer(answers[data][0], port.wire_s(len(data)) + answers[data][1])
        port.open()
        await asyncio.sleep(1)
        poll = Exchange((b"poll",), Nameless, kind="read")
        polling = asyncio.create_task(bus.request("lock", poll, priority=Priority.READER, deadline_s=1))
        await asyncio.sleep(0.01)
        state = Exchange((b"state",), Nameless, kind="read")
        assert await bus.request("lock", state, priority=Priority.LOCK, deadline_s=1) == "released"
        assert await polling == "inputs"
        assert port.frames == [b"poll", b"state"]

    run_virtual(scenario())

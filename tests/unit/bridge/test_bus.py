"""The bus in virtual time: order, deadlines, retries, quarantine, and what a lost line does."""

import asyncio
import itertools

import pytest

from firmware_bridge.bus import FAREWELL_S_MAX
from firmware_bridge.capabilities import DeviceTimeout, Health, Priority
from firmware_bridge.codecs import FrameError
from firmware_bridge.exchange import BusOverloaded, DevicePolicy, Exchange, LineLost
from firmware_bridge.jobs import KEEP_CLEAR_S_MAX, QUEUE_MAX

POLICY = DevicePolicy(timeout_s=0.1, retries=1, quarantine_after=2, quarantine_s_first=1.0, quarantine_s_max=8.0)
DEADLINE_S = 5.0


class LineOfText:
    """Answers are texts that end with a newline; `!` cannot be in one."""

    def __init__(self):
        self._data = b""
        self.discarded = 0

    def feed(self, data):
        if b"!" in data:
            raise FrameError("an exclamation")
        self._data += data
        return self._data.decode() if self._data.endswith(b"\n") else None


def ask(text):
    return Exchange((text.encode(),), LineOfText)


def tell(*parts, pause_s=0.0):
    return Exchange(tuple(part.encode() for part in parts), None, pause_s)


def echo(port, *, after_s=0.02, silent=()):
    """Every device answers with what it was asked, except the silent ones."""

    def on_write(data):
        if data.decode() not in silent:
            port.answer(data + b"\n", port.wire_s(len(data)) + after_s)

    port.on_write = on_write


def attach(bus, *names, policy=POLICY):
    told = {name: [] for name in names}
    for name in names:
        bus.attach(name, policy, lambda health, detail, name=name: told[name].append(health))
    return told


def request(bus, device, text, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S):
    return asyncio.create_task(bus.request(device, ask(text), priority=priority, deadline_s=deadline_s))


def test_a_request_on_an_idle_line_is_written_before_anything_else_runs(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock")
        port.open()
        await asyncio.sleep(1)
        asked = bus.request("lock", ask("open"), priority=Priority.LOCK, deadline_s=1)
        waiting = asked.send(None)
        assert port.frames == [b"open"]
        port.hear(b"open\n", 0.0)
        assert waiting.done()
        with pytest.raises(StopIteration):
            asked.send(None)

    run_virtual(scenario())


def test_requests_are_served_by_priority_and_then_by_age(run_virtual, bus, port):
    async def scenario():
        attach(bus, "a", "b", "lock")
        echo(port)
        port.open()
        asked = [
            request(bus, "a", "first"),
            request(bus, "a", "telemetry 1"),
            request(bus, "b", "telemetry 2"),
            request(bus, "b", "alarm", Priority.ALARM),
            request(bus, "a", "reader", Priority.READER),
            request(bus, "lock", "lock", Priority.LOCK),
        ]
        await asyncio.gather(*asked)
        # The line had its opening gap to keep, so all of them were there when the first one started.
        assert port.frames == [b"lock", b"reader", b"alarm", b"first", b"telemetry 1", b"telemetry 2"]

    run_virtual(scenario())


def test_a_lock_request_waits_for_at_most_the_transaction_on_the_wire(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", "lock")
        echo(port, silent=("read",))
        port.open()
        await asyncio.sleep(1)
        sensors = [request(bus, "sensor", "read") for _ in range(5)]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await bus.request("lock", ask("open"), priority=Priority.LOCK, deadline_s=1) == "open\n"
        written = [at for at, data in port.written if data == b"open"]
        # One attempt of the mute sensor: four bytes of request and its timeout.
        assert written[0] - began <= 0.004 + POLICY.timeout_s + 1e-9
        assert port.frames[:2] == [b"read", b"open"]
        await asyncio.gather(*sensors, return_exceptions=True)

    run_virtual(scenario())


def test_frames_are_apart_by_the_gap_of_the_line(run_virtual, bus, port):
    async def scenario():
        attach(bus, "a")
        echo(port, after_s=0.02)
        port.open()
        await asyncio.gather(*(request(bus, "a", "abcd") for _ in range(3)))
        starts = [at for at, _ in port.written]
        for earlier, later in itertools.pairwise(starts):
            # Four bytes out, 20 ms of thought, the answer's arrival, then 4 ms of silence.
            assert later - earlier == pytest.approx(0.004 + 0.02 + 0.004)

    run_virtual(scenario())


def test_a_device_with_a_gap_of_its_own_holds_back_nobody_else(run_virtual, bus, port):
    async def scenario():
        attach(bus, "slow", policy=DevicePolicy(gap_s=1.0))
        attach(bus, "quick")
        echo(port)
        port.open()
        slow = request(bus, "slow", "slow", Priority.READER)
        quick = request(bus, "quick", "quick")
        await asyncio.gather(slow, quick)
        assert port.frames == [b"quick", b"slow"]

    run_virtual(scenario())


def test_a_silent_device_is_retried_and_then_named_in_the_error(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        port.open()
        with pytest.raises(DeviceTimeout, match=r"sensor: no answer in 0\.1 s; check its power, wiring and address"):
            await request(bus, "sensor", "read")
        assert port.frames == [b"read", b"read"]
        stats = bus.stats("sensor")
        assert (stats.requests, stats.timeouts, stats.retries, stats.failed) == (1, 2, 1, 1)

    run_virtual(scenario())


def test_an_answer_that_is_long_on_the_wire_is_waited_for(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sign")
        echo(port, after_s=2.0)
        port.open()
        await asyncio.sleep(1)
        picture = Exchange((b"picture",), LineOfText, reply_s=3.0)
        reply = await bus.request("sign", picture, priority=Priority.TELEMETRY, deadline_s=DEADLINE_S)
        assert reply == "picture\n"
        assert bus.stats("sign").retries == 0

    run_virtual(scenario())


def test_a_silent_device_is_left_alone_and_told_of_once(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "sensor")
        port.open()
        for _ in range(POLICY.quarantine_after):
            with pytest.raises(DeviceTimeout):
                await request(bus, "sensor", "read")
        assert told["sensor"] == [Health.OFFLINE]
        sent = len(port.written)
        with pytest.raises(DeviceTimeout, match="silent; asked again in"):
            await request(bus, "sensor", "read")
        assert len(port.written) == sent
        assert bus.quarantined("sensor")
        assert told["sensor"] == [Health.OFFLINE]

    run_virtual(scenario())


def test_the_pause_for_a_silent_device_grows_to_its_bound(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        port.open()
        loop = asyncio.get_running_loop()
        while loop.time() < 1100:
            with pytest.raises(DeviceTimeout):
                await request(bus, "sensor", "read")
            await asyncio.sleep(0.05)
        probes = [at for at, _ in port.written][2:]
        pauses = [later - earlier for earlier, later in itertools.pairwise(probes)]
        assert pauses[0] < 1.6
        assert all(pause <= POLICY.quarantine_s_max * 1.25 + 0.3 for pause in pauses)
        assert max(pauses) > POLICY.quarantine_s_max * 0.75

    run_virtual(scenario())


def test_a_device_that_answers_again_is_online_at_once(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "sensor")
        port.open()
        for _ in range(POLICY.quarantine_after):
            with pytest.raises(DeviceTimeout):
                await request(bus, "sensor", "read")
        echo(port)
        await asyncio.sleep(2.0)
        assert await request(bus, "sensor", "read") == "read\n"
        assert await request(bus, "sensor", "read") == "read\n"
        assert told["sensor"] == [Health.OFFLINE, Health.ONLINE]

    run_virtual(scenario())


def test_a_lock_is_asked_even_while_it_is_held_for_silent(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock")
        port.open()
        for _ in range(POLICY.quarantine_after):
            with pytest.raises(DeviceTimeout):
                await request(bus, "lock", "poll", Priority.READER)
        assert bus.quarantined("lock")
        echo(port)
        assert await request(bus, "lock", "open", Priority.LOCK) == "open\n"

    run_virtual(scenario())


def test_a_request_that_waits_past_its_deadline_fails_without_being_sent(run_virtual, bus, port):
    async def scenario():
        attach(bus, "mute", "sensor")
        port.open()
        mute = request(bus, "mute", "read", Priority.READER)
        await asyncio.sleep(0.01)
        with pytest.raises(DeviceTimeout, match="not served within its deadline"):
            await request(bus, "sensor", "late", deadline_s=0.05)
        with pytest.raises(DeviceTimeout):
            await mute
        assert b"late" not in port.frames

    run_virtual(scenario())


def test_the_queue_is_bounded_and_a_lock_request_still_gets_in(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", "lock")
        echo(port)
        port.open()
        waiting = [request(bus, "sensor", "read", deadline_s=60) for _ in range(QUEUE_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(BusOverloaded, match=f"{QUEUE_MAX} requests already wait"):
            await request(bus, "sensor", "one more")
        assert await request(bus, "lock", "open", Priority.LOCK) == "open\n"
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(result, BusOverloaded) for result in results) == 1
        assert sum(result == "read\n" for result in results) == QUEUE_MAX - 1
        stats = bus.stats("sensor")
        assert (stats.requests, stats.answered, stats.failed) == (QUEUE_MAX + 1, QUEUE_MAX - 1, 2)

    run_virtual(scenario())


def test_a_bad_frame_is_counted_and_asked_for_again(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        answers = iter((b"b!d\n", b"good\n"))
        port.on_write = lambda data: port.answer(next(answers), 0.02)
        port.open()
        assert await request(bus, "sensor", "read") == "good\n"
        stats = bus.stats("sensor")
        assert (stats.bad_frames, stats.retries, stats.answered, stats.failed) == (1, 1, 1, 0)

    run_virtual(scenario())


def test_a_late_answer_is_not_taken_for_the_next_one(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", policy=DevicePolicy(timeout_s=0.1, retries=0))
        answers = iter((("temperature\n", 0.15), ("humidity\n", 0.02)))

        def on_write(data):
            text, after_s = next(answers)
            port.answer(text.encode(), after_s)

        port.on_write = on_write
        port.open()
        first = request(bus, "sensor", "t")
        second = request(bus, "sensor", "h")
        with pytest.raises(DeviceTimeout):
            await first
        assert await second == "humidity\n"
        assert bus.stray_bytes == len("temperature\n")

    run_virtual(scenario())


def test_a_lost_line_fails_what_waits_and_says_so(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "lock", "sensor")
        port.open()
        on_wire = request(bus, "lock", "open", Priority.LOCK)
        queued = request(bus, "sensor", "read")
        await asyncio.sleep(0.01)
        port.lose("unplugged")
        for waiting in (on_wire, queued):
            with pytest.raises(LineLost, match="line memory went away: unplugged"):
                await waiting
        with pytest.raises(LineLost, match="is not there; check its cable and its url"):
            await request(bus, "lock", "open", Priority.LOCK)
        assert told == {"lock": [Health.OFFLINE], "sensor": [Health.OFFLINE]}
        echo(port)
        port.open()
        assert await request(bus, "lock", "open", Priority.LOCK) == "open\n"
        assert told["lock"] == [Health.OFFLINE, Health.ONLINE]

    run_virtual(scenario())


def test_while_a_code_arrives_only_the_lock_may_start(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor", "lock")
        echo(port)
        port.open()
        await asyncio.sleep(1)
        bus.keep_clear(0.2)
        sensor = request(bus, "sensor", "read")
        await asyncio.sleep(0.15)
        assert port.frames == []
        await request(bus, "lock", "open", Priority.LOCK)
        await sensor
        # The release is what the line was kept clear for: nobody waits for the rest of the 0.2 s.
        (opened, _), (read, _) = port.written
        assert port.frames == [b"open", b"read"]
        assert read - opened == pytest.approx(0.004 + 0.02 + 0.004)

    run_virtual(scenario())


def test_a_code_that_opens_nothing_holds_the_line_no_longer_than_asked(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        echo(port)
        port.open()
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        bus.keep_clear(0.2)
        await request(bus, "sensor", "read")
        assert port.written[0][0] - began == pytest.approx(0.2)

    run_virtual(scenario())


def test_a_chattering_reader_starves_nobody(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        echo(port)
        port.open()
        await asyncio.sleep(1)

        async def chatter():
            while True:
                bus.keep_clear(0.1)
                await asyncio.sleep(0.01)

        noise = asyncio.create_task(chatter())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        waits = []
        for _ in range(4):
            began = loop.time()
            await request(bus, "sensor", "read")
            waits.append(loop.time() - began)
        noise.cancel()
        assert max(waits) <= KEEP_CLEAR_S_MAX + 0.05

    run_virtual(scenario())


def test_a_frame_in_parts_is_sent_with_its_pauses_and_holds_the_line(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sign", "sensor")
        echo(port, silent=("head", "rows"))
        port.open()
        await asyncio.sleep(1)
        sign = asyncio.create_task(
            bus.request("sign", tell("head", "rows", pause_s=0.1), priority=Priority.TELEMETRY, deadline_s=1)
        )
        await asyncio.sleep(0.01)
        sensor = request(bus, "sensor", "read", Priority.READER)
        assert await sign is None
        await sensor
        (head, _), (rows, _), (read, _) = port.written
        assert port.frames == [b"head", b"rows", b"read"]
        assert rows - head == pytest.approx(0.004 + 0.1)
        assert read - rows == pytest.approx(0.004 + 0.004)

    run_virtual(scenario())


def test_a_caller_that_gives_up_leaves_the_line_in_order(run_virtual, bus, port):
    async def scenario():
        attach(bus, "sensor")
        echo(port)
        port.open()
        await asyncio.sleep(1)
        given_up = request(bus, "sensor", "first")
        await asyncio.sleep(0.001)
        given_up.cancel()
        assert await request(bus, "sensor", "second") == "second\n"
        assert port.written[1][0] - port.written[0][0] >= 0.005 + 0.02

    run_virtual(scenario())


def test_bytes_nobody_waits_for_go_to_who_listens(run_virtual, bus, port):
    async def scenario():
        heard = []
        bus.attach(
            "scanner", POLICY, lambda health, detail: heard.append(health), listens=lambda *got: heard.append(got)
        )
        port.open()
        await asyncio.sleep(0.01)
        port.hear(b"code\r", 12.5)
        assert heard == [Health.ONLINE, (b"code\r", 12.5)]
        assert bus.stray_bytes == 0

    run_virtual(scenario())


def test_what_is_asked_before_the_line_was_tried_waits_for_it(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "sensor")
        echo(port)
        waiting = request(bus, "sensor", "read")
        await asyncio.sleep(0.1)
        assert not waiting.done()
        port.open()
        assert await waiting == "read\n"
        assert told["sensor"] == [Health.ONLINE]

    run_virtual(scenario())


def test_a_pause_ends_when_the_line_opens_again(run_virtual, bus, port):
    async def scenario():
        port.open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await bus.pause(2.0) is False
        assert loop.time() - began == pytest.approx(2.0)
        port.lose("pulled")
        loop.call_later(1.0, port.open)
        assert await bus.pause(3600.0) is True
        assert loop.time() - began == pytest.approx(3.0)

    run_virtual(scenario())


def test_stopping_the_bus_ends_what_waits_without_calling_the_devices_offline(run_virtual, bus, port):
    async def scenario():
        told = attach(bus, "sensor")
        running = asyncio.create_task(bus.run())
        await asyncio.sleep(0.01)
        waiting = request(bus, "sensor", "read")
        await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(LineLost, match="the station is stopping"):
            await waiting
        assert told["sensor"] == []

    run_virtual(scenario())


def test_a_lock_has_the_last_word_when_everything_is_stopped_together(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock")
        echo(port)

        async def driver():
            try:
                await asyncio.Event().wait()
            finally:
                await bus.request("lock", ask("secure"), priority=Priority.LOCK, deadline_s=1)

        services = [asyncio.create_task(bus.run()), asyncio.create_task(driver())]
        await asyncio.sleep(0.1)
        for service in services:
            service.cancel()
        results = await asyncio.gather(*services, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert port.frames == [b"secure"]

    run_virtual(scenario())


def test_a_mute_lock_delays_the_stop_by_no_more_than_its_bound(run_virtual, bus, port):
    async def scenario():
        attach(bus, "lock", policy=DevicePolicy(timeout_s=60.0))
        running = asyncio.create_task(bus.run())
        await asyncio.sleep(0.1)
        waiting = request(bus, "lock", "open", Priority.LOCK, deadline_s=100)
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        running.cancel()
        with pytest.raises(LineLost):
            await waiting
        assert asyncio.get_running_loop().time() - began == pytest.approx(FAREWELL_S_MAX)

    run_virtual(scenario())


def test_a_name_is_on_a_line_once(bus):
    attach(bus, "lock")
    with pytest.raises(ValueError, match="lock is already on line memory"):
        attach(bus, "lock")

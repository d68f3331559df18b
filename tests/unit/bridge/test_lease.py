"""A line that is one device's alone for a while: granted last, ended by itself, never in the way for good."""

import asyncio

import pytest

from firmware_bridge.capabilities import DeviceTimeout, Priority
from firmware_bridge.exchange import DevicePolicy, Exchange, LineLost
from firmware_bridge.lease import HEARD_BYTES_MAX


class Echo:
    """Takes the first bytes that come as the answer."""

    discarded = 0

    def feed(self, data):
        return data


@pytest.fixture
def attached(bus):
    bus.attach("board", DevicePolicy(), lambda health, detail: None)
    bus.attach("lock", DevicePolicy(retries=0), lambda health, detail: None)
    return bus


def ask(bus, device, priority, deadline_s=2.0):
    return asyncio.ensure_future(
        bus.request(device, Exchange((device.encode(),), Echo), priority=priority, deadline_s=deadline_s)
    )


def test_what_is_written_goes_out_and_what_comes_is_the_holders(run_virtual, attached, port):
    async def scenario():
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            lease.write(b"hello")
            port.answer(b"C", 0.5)
            port.answer(b"\x06", 0.6)
            assert await lease.read(1.0) == b"C"
            assert await lease.read(1.0) == b"\x06"
            assert await lease.read(1.0) == b""
        assert port.frames == [b"hello"]

    run_virtual(scenario())


def test_everything_that_waits_goes_first_and_what_comes_later_waits(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05) if data in (b"lock", b"board") else None
        port.open()
        telemetry = ask(attached, "board", Priority.TELEMETRY)
        lock = ask(attached, "lock", Priority.LOCK)
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            assert telemetry.done()
            assert lock.done()
            late = ask(attached, "lock", Priority.LOCK)
            lease.write(b"block")
            await asyncio.sleep(0.5)
            assert not late.done()
        await late
        assert port.frames == [b"lock", b"board", b"block", b"lock"]

    run_virtual(scenario())


def test_a_lock_request_that_meets_a_lease_misses_its_deadline_and_no_more(run_virtual, attached, port):
    async def scenario():
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1):
            with pytest.raises(DeviceTimeout, match="not served"):
                await ask(attached, "lock", Priority.LOCK, deadline_s=0.5)

    run_virtual(scenario())


def test_a_lease_ends_by_itself(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05)
        port.open()
        async with attached.lease("board", for_s=2, deadline_s=1) as lease:
            lock = ask(attached, "lock", Priority.LOCK, deadline_s=5)
            with pytest.raises(LineLost, match="2 s are over"):
                await lease.read(5)
            with pytest.raises(LineLost):
                lease.write(b"too late")
            assert await lock == b"lock"

    run_virtual(scenario())


def test_a_line_that_goes_ends_its_lease(run_virtual, attached, port):
    async def scenario():
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            asyncio.get_running_loop().call_later(0.5, port.lose, "unplugged")
            with pytest.raises(LineLost, match="unplugged"):
                await lease.read(5)
        with pytest.raises(LineLost):
            async with attached.lease("board", for_s=10, deadline_s=1):
                pass
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1):
            pass

    run_virtual(scenario())


def test_a_lease_that_is_not_granted_in_time_is_not_granted_later(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05)
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1):
            with pytest.raises(DeviceTimeout, match="not served"):
                async with attached.lease("lock", for_s=10, deadline_s=1):
                    pass
        assert await ask(attached, "lock", Priority.LOCK) == b"lock"

    run_virtual(scenario())


def test_a_holder_that_is_cancelled_gives_the_line_back(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05)
        port.open()

        async def hold():
            async with attached.lease("board", for_s=100, deadline_s=1) as lease:
                await lease.read(100)

        holder = asyncio.ensure_future(hold())
        await asyncio.sleep(0.1)
        holder.cancel()
        await asyncio.wait([holder])
        assert await ask(attached, "lock", Priority.LOCK) == b"lock"

    run_virtual(scenario())


def test_noise_is_kept_up_to_a_bound_and_the_newest_of_it(run_virtual, attached, port):
    async def scenario():
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            port.answer(bytes(HEARD_BYTES_MAX), 0.1)
            port.answer(b"C", 0.2)
            await asyncio.sleep(0.3)
            heard = await lease.read(1)
            assert len(heard) == HEARD_BYTES_MAX
            assert heard.endswith(b"C")

    run_virtual(scenario())


def test_a_lease_is_not_granted_while_a_lock_waits_for_its_own_gap(run_virtual, bus, port):
    async def scenario():
        bus.attach("board", DevicePolicy(), lambda health, detail: None)
        bus.attach("lock", DevicePolicy(gap_s=0.1), lambda health, detail: None)
        port.on_write = lambda data: port.answer(data, 0.05)
        port.open()
        lock = ask(bus, "lock", Priority.LOCK)
        async with bus.lease("board", for_s=10, deadline_s=1):
            assert lock.done()
        assert port.frames == [b"lock"]

    run_virtual(scenario())


def test_nobody_speaks_before_what_the_lease_wrote_is_on_the_wire(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05) if data == b"lock" else None
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            lease.write(bytes(300))
            lease.write(bytes(700))
        await ask(attached, "lock", Priority.LOCK)
        (begun, _), _, (asked, _) = port.written
        assert asked - begun == pytest.approx(1000 * port.BYTE_S + 0.004)
        assert attached.stats("lock").retries == 0

    run_virtual(scenario())


def test_a_lease_does_not_keep_a_lock_from_its_last_word(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(data, 0.05)
        running = asyncio.ensure_future(attached.run())
        await asyncio.sleep(0.1)
        async with attached.lease("board", for_s=100, deadline_s=1) as lease:
            running.cancel()
            assert await ask(attached, "lock", Priority.LOCK) == b"lock"
            with pytest.raises(LineLost, match="the station is stopping"):
                lease.write(b"more")
        await asyncio.wait([running])

    run_virtual(scenario())


def test_whoever_answers_in_a_lease_has_heard_all_of_it(run_virtual, attached, port):
    async def scenario():
        port.on_write = lambda data: port.answer(b"lock" if data == b"lock" else b"\x06", 0.05)
        port.open()
        async with attached.lease("board", for_s=10, deadline_s=1) as lease:
            lease.write(bytes(1000))  # the wire is faster than its baud says
            await lease.read(1)
        given_back = asyncio.get_running_loop().time()
        await ask(attached, "lock", Priority.LOCK)
        assert port.written[-1][0] - given_back == pytest.approx(0.004)

    run_virtual(scenario())

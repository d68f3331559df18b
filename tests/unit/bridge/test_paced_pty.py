"""The paced pty keeps the time of a wire, both ways, and its faults come from the seed."""

import asyncio
import os
import random
import time

import pytest

from firmware_bridge.simulators.paced_pty import Faults, PacedPty

BYTE_S = 10 / 9600


@pytest.fixture
async def open_pty():
    """Makes an open PacedPty and a descriptor of its slave side."""
    made = []

    def make(seed=1):
        pty = PacedPty("test", BYTE_S, rng=random.Random(seed))
        slave = os.open(pty.open(), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        made.append((pty, slave))
        return pty, slave

    yield make
    for pty, slave in made:
        pty.close()
        os.close(slave)


async def read_until(slave, count):
    """What arrives, with the time of the last byte."""
    loop = asyncio.get_running_loop()
    data, whole = bytearray(), loop.create_future()

    def readable():
        data.extend(os.read(slave, 4096))
        if len(data) >= count:
            loop.remove_reader(slave)
            whole.set_result(time.monotonic())

    loop.add_reader(slave, readable)
    return bytes(data), await asyncio.wait_for(whole, 5), data


async def test_a_frame_to_the_agent_takes_its_time_on_the_wire(open_pty):
    pty, slave = open_pty()
    sent = []
    began = time.monotonic()
    pty.send(b"x" * 50, sent.append)
    _, ended, data = await read_until(slave, 50)
    assert bytes(data) == b"x" * 50
    assert 50 * BYTE_S <= ended - began < 50 * BYTE_S + 0.1
    assert abs(sent[0] - ended) < 0.05


async def test_two_frames_follow_each_other(open_pty):
    pty, slave = open_pty()
    began = time.monotonic()
    pty.send(b"a" * 20)
    pty.send(b"b" * 20)
    _, ended, data = await read_until(slave, 40)
    assert bytes(data) == b"a" * 20 + b"b" * 20
    assert ended - began >= 40 * BYTE_S


async def test_a_frame_from_the_agent_is_heard_when_its_last_byte_would_have_come(open_pty):
    pty, slave = open_pty()
    heard = asyncio.get_running_loop().create_future()
    pty.listen(lambda data, first_byte_s: heard.set_result((data, first_byte_s, time.monotonic())))
    began = time.monotonic()
    os.write(slave, b"y" * 40)
    data, first_byte_s, ended = await asyncio.wait_for(heard, 5)
    assert data == b"y" * 40
    assert began <= first_byte_s < began + 0.05
    assert ended - began >= 40 * BYTE_S


@pytest.mark.parametrize(
    ("faults", "counter"),
    [
        (Faults(drop=0.2), "dropped"),
        (Faults(flip=0.2), "flipped"),
        (Faults(split=1.0, split_s=0.01), "split"),
        (Faults(late=1.0, late_s=0.01), "late"),
        (Faults(overlap=1.0), "overlapped"),
    ],
)
async def test_a_fault_is_counted_and_the_same_seed_does_the_same(open_pty, faults, counter):
    seen = []
    for _ in range(2):
        pty, slave = open_pty(seed=9)
        pty.faults = faults
        pty.send(b"\r" * 20)
        pty.faults = Faults()
        pty.send(b"end")
        loop = asyncio.get_running_loop()
        data, ended = bytearray(), loop.create_future()

        def readable(slave=slave, data=data, ended=ended):
            data.extend(os.read(slave, 4096))
            if data.endswith(b"end"):
                ended.set_result(None)

        loop.add_reader(slave, readable)
        await asyncio.wait_for(ended, 5)
        loop.remove_reader(slave)
        assert getattr(pty.counters, counter) > 0
        seen.append(bytes(data))
    assert seen[0] == seen[1]


async def test_a_muted_frame_never_comes(open_pty):
    pty, slave = open_pty()
    pty.faults = Faults(mute=1.0)
    pty.send(b"never")
    pty.faults = Faults()
    pty.send(b"then")
    _, _, data = await read_until(slave, 4)
    assert bytes(data) == b"then"
    assert pty.counters.muted == 1


async def test_a_dead_agent_costs_no_memory(open_pty):
    pty, _ = open_pty()
    for _ in range(100):
        pty.send(b"z" * 1000)
    assert pty.counters.lost >= 80_000

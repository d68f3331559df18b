"""A line on real descriptors: ptys and a loopback socket."""

import asyncio
import os
import random
import termios
import time
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.config import LineConfig
from firmware_bridge.line import WRITE_BUFFER_BYTES_MAX, Line
from firmware_bridge.simulators.paced_net import PacedTcp, PacedUdp


class Watched:
    """A line and what it told, its tap included."""

    def __init__(self, url, **settings):
        config = LineConfig(url=str(url), **settings)
        self.tapped = []
        self.line = Line("test", config, clock=SystemClock(), rng=random.Random(1), tap=self._tap)
        self.data = bytearray()
        self.arrivals = []
        self.openings = 0
        self.losses = []
        self._changed = asyncio.Event()
        self.line.bind(self._bytes, self._open, self._lost)

    def _tap(self, direction, data, mono_s):
        self.tapped.append((direction.value, data))

    def _bytes(self, data, mono_s):
        self.data += data
        self.arrivals.append(mono_s)
        self._changed.set()

    def _open(self):
        self.openings += 1
        self._changed.set()

    def _lost(self, why):
        self.losses.append(why)
        self._changed.set()

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(url, **settings):
    watched = Watched(url, **settings)
    task = asyncio.create_task(watched.line.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def pty(tmp_path):
    """Master descriptor and a stable path to the slave."""
    master, slave = os.openpty()
    link = tmp_path / "line"
    link.symlink_to(os.ttyname(slave))
    yield master, link
    for descriptor in (master, slave):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def test_bytes_go_both_ways_and_arrivals_are_stamped(pty):
    master, path = pty
    async with running(path) as watched:
        await watched.until(lambda: watched.openings)
        before = time.monotonic()
        os.write(master, b"\x00\x11\x13\xff\r\n")
        await watched.until(lambda: len(watched.data) == 6)
        assert bytes(watched.data) == b"\x00\x11\x13\xff\r\n"
        assert before <= watched.arrivals[-1] <= time.monotonic()
        watched.line.write(b"\x03\x04\x1a\r")
        assert os.read(master, 10) == b"\x03\x04\x1a\r"


async def test_a_pty_is_opened_raw_whatever_its_parity_and_as_often_as_needed(pty):
    _, path = pty
    for _ in range(3):
        async with running(path, data_bits=7, parity="E", baud=9600) as watched:
            await watched.until(lambda: watched.openings)
    assert watched.losses == []


async def test_what_came_before_the_line_was_open_is_not_read(pty):
    master, path = pty
    os.write(master, b"a code shown to nobody\r")
    async with running(path) as watched:
        await watched.until(lambda: watched.openings)
        os.write(master, b"now\r")
        await watched.until(lambda: watched.data)
        assert bytes(watched.data) == b"now\r"


async def test_a_second_master_is_kept_off_the_line(pty):
    _, path = pty
    async with running(path) as first, running(path) as second:
        await first.until(lambda: first.openings)
        await second.until(lambda: second.losses)
        assert "cannot be opened" in second.losses[0]
        assert (first.openings, second.openings) == (1, 0)


async def test_a_lost_line_is_told_and_opened_again_when_it_is_back(tmp_path):
    link = tmp_path / "line"
    master, slave = os.openpty()
    link.symlink_to(os.ttyname(slave))
    async with running(link) as watched:
        await watched.until(lambda: watched.openings)
        link.unlink()
        os.close(slave)
        os.close(master)
        await watched.until(lambda: watched.losses)
        assert not watched.line.is_open
        watched.line.write(b"into nothing")
        master, slave = os.openpty()
        link.symlink_to(os.ttyname(slave))
        try:
            await watched.until(lambda: watched.openings == 2)
            os.write(master, b"back")
            await watched.until(lambda: watched.data)
            assert bytes(watched.data) == b"back"
        finally:
            os.close(slave)
            os.close(master)


async def test_a_line_that_is_not_there_is_told_and_waited_for(tmp_path):
    async with running(tmp_path / "nowhere") as watched:
        await watched.until(lambda: len(watched.losses) >= 2)
        assert "cannot be opened" in watched.losses[0]
        assert watched.openings == 0


async def test_a_line_that_takes_nothing_is_given_up_at_its_bound(pty):
    master, path = pty
    async with running(path) as watched:
        await watched.until(lambda: watched.openings)
        termios.tcflow(master, termios.TCOOFF)
        for _ in range(WRITE_BUFFER_BYTES_MAX // 4096 + 40):
            watched.line.write(b"x" * 4096)
        await watched.until(lambda: watched.losses)
        assert "the line takes none" in watched.losses[0]


async def test_what_does_not_fit_at_once_is_sent_as_it_drains(pty):
    master, path = pty
    os.set_blocking(master, False)
    sent = bytes(range(256)) * 120
    async with running(path) as watched:
        await watched.until(lambda: watched.openings)
        watched.line.write(sent)
        loop = asyncio.get_running_loop()
        received = bytearray()
        whole = asyncio.Event()

        def readable():
            received.extend(os.read(master, 4096))
            if len(received) >= len(sent):
                whole.set()

        loop.add_reader(master, readable)
        async with asyncio.timeout(5):
            await whole.wait()
        loop.remove_reader(master)
        assert bytes(received) == sent


async def test_a_tcp_line_is_a_line():
    heard = asyncio.Queue()

    async def serve(reader, writer):
        await heard.put(await reader.readexactly(4))
        writer.write(b"pong")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(f"tcp://127.0.0.1:{port}") as watched:
        await watched.until(lambda: watched.openings)
        watched.line.write(b"ping")
        assert await asyncio.wait_for(heard.get(), 5) == b"ping"
        await watched.until(lambda: watched.losses)
        assert bytes(watched.data) == b"pong"
        assert watched.losses[0] == "the other end closed it"
        assert watched.tapped == [(">", b"ping"), ("<", b"pong")]


async def test_a_udp_line_carries_datagrams_whole_and_survives_an_empty_one():
    device = PacedUdp("device", rng=random.Random(1))
    heard = []
    device.listen(lambda data, first_byte_s: heard.append(data))
    device.listen(lambda data, first_byte_s: device.send(data[::-1]))
    async with running(device.open()) as watched:
        await watched.until(lambda: watched.openings)
        watched.line.write(b"one")
        watched.line.write(b"two")
        await watched.until(lambda: len(watched.arrivals) == 2)
        assert heard == [b"one", b"two"]
        assert [data for direction, data in watched.tapped if direction == "<"] == [b"eno", b"owt"]
        device.send_to(b"", device._partner)
        watched.line.write(b"three")
        await watched.until(lambda: len(watched.arrivals) == 3)
        device.close()
        watched.line.write(b"four")
        await watched.until(lambda: watched.losses)
        assert "refused" in watched.losses[0]
        device.open()
        await watched.until(lambda: watched.openings == 2)
    device.close()


async def test_a_simulated_device_on_tcp_keeps_its_port_and_serves_the_newest():
    device = PacedTcp("device", rng=random.Random(1))
    device.listen(lambda data, first_byte_s: device.send(b"<" + data))
    url = device.open()
    async with running(url) as watched:
        await watched.until(lambda: watched.openings)
        watched.line.write(b"hello")
        await watched.until(lambda: bytes(watched.data) == b"<hello")
        device.close()
        await watched.until(lambda: watched.losses)
        assert device.open() == url
        await watched.until(lambda: watched.openings == 2)
        async with running(url) as newer:
            await watched.until(lambda: len(watched.losses) >= 2)
            await newer.until(lambda: newer.openings)
    device.close()


def test_a_line_without_bytes_of_its_own_is_refused():
    with pytest.raises(ValueError, match="no bytes of its own"):
        Line("it", LineConfig(url="mqtt://broker"), clock=SystemClock(), rng=random.Random(1))


async def test_a_serial_port_is_set_up_by_pyserial(pty, monkeypatch):
    master, path = pty
    # To pyserial a pty is a port like any other, as long as nobody wants a parity of it.
    monkeypatch.setattr("firmware_bridge.line.PTY_DIRECTORY", "/no/such/directory/")
    async with running(f"serial://{path}", baud=19200) as watched:
        await watched.until(lambda: watched.openings)
        os.write(master, b"\x00\xffcode\r")
        await watched.until(lambda: len(watched.data) == 7)
        assert bytes(watched.data) == b"\x00\xffcode\r"
        watched.line.write(b"\x01\x0a")
        assert os.read(master, 10) == b"\x01\x0a"
        assert termios.tcgetattr(master)[4] == termios.B19200


async def test_a_file_that_is_no_port_is_said_so(tmp_path):
    (tmp_path / "file").write_text("not a port")
    async with running(tmp_path / "file") as watched:
        await watched.until(lambda: watched.losses)
        assert "cannot be opened" in watched.losses[0]

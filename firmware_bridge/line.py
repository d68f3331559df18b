"""One bus line by its URL: the only code that holds its descriptor. Opens it, reads, writes, opens it again.

A serial port is set up by pyserial. A pty has no baud and no parity: asking one for 8E1 works once and then
fails with EINVAL, so everything under /dev/pts is opened raw, as 8N1. A TCP line ends in a serial server or in a
device with a port of its own. On a UDP line every write is one datagram, and every read hands one on.

The descriptor is non-blocking and read by the loop's `add_reader`; what arrives is stamped with the
monotonic clock at the read. A serial line is locked (flock) while it is open: a second master on it would
lose every frame of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import socket
import termios
import tty
from collections.abc import Callable
from typing import Protocol

import serial

from firmware_bridge.capture import Direction, Tap
from firmware_bridge.clock import Clock
from firmware_bridge.config import BUS_KINDS, LineConfig, SerialEndpoint, TcpEndpoint, UdpEndpoint, parse_url

log = logging.getLogger(__name__)

READ_BYTES = 4096
# Bytes that may wait for a line that does not take them: more than the largest picture of a sign (8.2 kB).
WRITE_BUFFER_BYTES_MAX = 32 * 1024
REOPEN_S_FIRST = 0.2
REOPEN_S_MAX = 10.0
# A line that stayed open this long was healthy: the next loss starts from the first pause again.
HEALTHY_S = 10.0
CONNECT_S_MAX = 5.0

PTY_DIRECTORY = "/dev/pts/"


class _Handle(Protocol):
    """An open descriptor and whatever owns it."""

    @property
    def fd(self) -> int: ...

    def close(self) -> None: ...


class _SerialHandle:
    def __init__(self, path: str, config: LineConfig) -> None:
        self._port = serial.Serial(
            path,
            baudrate=config.baud,
            bytesize=config.data_bits,
            parity=config.parity,
            stopbits=config.stop_bits,
            timeout=0,
            exclusive=True,
        )
        self.fd: int = self._port.fileno()

    def close(self) -> None:
        self._port.close()


class _PtyHandle:
    def __init__(self, path: str, baud: int) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Not by TCSAFLUSH, which waits for a reader that may never come.
            tty.setraw(self.fd, termios.TCSANOW)
            _say_baud(self.fd, baud)
            termios.tcflush(self.fd, termios.TCIOFLUSH)
        except termios.error as error:
            os.close(self.fd)
            raise OSError(*error.args) from None
        except BaseException:
            os.close(self.fd)
            raise

    def close(self) -> None:
        os.close(self.fd)


class _SocketHandle:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.fd = connection.fileno()
        self.address: tuple[str, int] = connection.getsockname()[:2]

    def close(self) -> None:
        self._connection.close()


class Line:
    """A line that keeps itself open while `run` runs. Callbacks come on the loop and must return at once."""

    def __init__(
        self, name: str, config: LineConfig, *, clock: Clock, rng: random.Random, tap: Tap | None = None
    ) -> None:
        if config.kind not in BUS_KINDS:
            raise ValueError(f"line {name}: {config.url} has no bytes of its own")
        self.name = name
        self.config = config
        self._endpoint = parse_url(config.url)
        self._tap = tap
        self._clock = clock
        self._rng = rng
        self._handle: _Handle | None = None
        self._unsent = bytearray()
        self._lost: asyncio.Future[str] | None = None
        self._on_bytes: Callable[[bytes, float], None] = lambda data, mono_s: None
        self._on_open: Callable[[], None] = lambda: None
        self._on_lost: Callable[[str], None] = lambda why: None
        self.bytes_read = 0
        self.bytes_written = 0
        self.opened = 0

    def bind(
        self,
        on_bytes: Callable[[bytes, float], None],
        on_open: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Say who hears of bytes (with their arrival in monotonic seconds), of opening and of loss."""
        self._on_bytes, self._on_open, self._on_lost = on_bytes, on_open, on_lost

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    @property
    def local_address(self) -> tuple[str, int] | None:
        """This end of a network line, where a device can send to; None on a serial line and while it is closed."""
        return self._handle.address if isinstance(self._handle, _SocketHandle) else None

    def wire_s(self, count: int) -> float:
        """Seconds that `count` bytes take at the line's baud."""
        return count * self.config.byte_s

    async def run(self) -> None:
        """Open the line, and open it again with a jittered, growing pause whenever it goes."""
        pause_s = REOPEN_S_FIRST
        told = ""
        while True:
            why, open_s = await self._open_once()
            if open_s >= HEALTHY_S:
                pause_s = REOPEN_S_FIRST
            if why != told or open_s > 0:
                log.warning("line %s (%s): %s", self.name, self.config.url, why)
                told = why
            self._on_lost(why)
            await asyncio.sleep(pause_s * self._rng.uniform(0.75, 1.25))
            pause_s = min(REOPEN_S_MAX, pause_s * 2)

    async def _open_once(self) -> tuple[str, float]:
        """Hold the line open until it is lost: why, and for how many seconds it was open."""
        try:
            handle = await self._open()
        except (OSError, serial.SerialException, TimeoutError) as error:
            return f"cannot be opened: {error}", 0.0
        loop = asyncio.get_running_loop()
        self._lost = loop.create_future()
        self._handle = handle
        self.opened += 1
        since = self._clock.monotonic()
        try:
            loop.add_reader(handle.fd, self._readable)
            log.info("line %s (%s) is open", self.name, self.config.url)
            self._on_open()
            why = await self._lost
        finally:
            self._detach(loop)
        return why, self._clock.monotonic() - since

    async def _open(self) -> _Handle:
        match self._endpoint:
            case SerialEndpoint(path):
                return _open_character_device(path, self.config)
            case TcpEndpoint(host, port):
                async with asyncio.timeout(CONNECT_S_MAX):
                    return _SocketHandle(await _connect(host, port, socket.SOCK_STREAM))
            case UdpEndpoint(host, port):
                async with asyncio.timeout(CONNECT_S_MAX):
                    return _SocketHandle(await _connect(host, port, socket.SOCK_DGRAM))
            case _:
                raise AssertionError(f"{self.config.url} is no bus line")  # barred by the constructor

    def _detach(self, loop: asyncio.AbstractEventLoop) -> None:
        handle, self._handle = self._handle, None
        self._unsent.clear()
        if handle is None:
            return
        loop.remove_reader(handle.fd)
        loop.remove_writer(handle.fd)
        with contextlib.suppress(OSError):
            handle.close()

    def write(self, data: bytes) -> None:
        """Send now what the descriptor takes and the rest as it drains. A lost line is told by `on_lost`."""
        if self._handle is None:
            return
        if self._tap is not None:
            self._tap(Direction.OUT, data, self._clock.monotonic())
        if self._unsent:
            self._unsent += data
            if len(self._unsent) > WRITE_BUFFER_BYTES_MAX:
                self._lose(f"{len(self._unsent)} bytes wait and the line takes none")
            return
        sent = self._write_some(self._handle.fd, data)
        if isinstance(self._endpoint, UdpEndpoint):
            return  # a datagram goes as a whole or not at all
        if sent < len(data) and self._handle is not None:
            self._unsent += data[sent:]
            asyncio.get_running_loop().add_writer(self._handle.fd, self._writable)

    def _write_some(self, fd: int, data: bytes | bytearray) -> int:
        try:
            sent = os.write(fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(f"writing failed: {error.strerror}")
            return len(data)
        self.bytes_written += sent
        return sent

    def _writable(self) -> None:
        if self._handle is None:
            return
        del self._unsent[: self._write_some(self._handle.fd, self._unsent)]
        if not self._unsent:
            asyncio.get_running_loop().remove_writer(self._handle.fd)

    def _readable(self) -> None:
        if self._handle is None:
            return
        try:
            data = os.read(self._handle.fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"reading failed: {error.strerror}")
            return
        if not data:
            if not isinstance(self._endpoint, UdpEndpoint):  # there, an empty datagram
                self._lose("the other end closed it")
            return
        self.bytes_read += len(data)
        now_s = self._clock.monotonic()
        if self._tap is not None:
            self._tap(Direction.IN, data, now_s)
        self._on_bytes(data, now_s)

    def _lose(self, why: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(why)
        if self._handle is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._handle.fd)
            loop.remove_writer(self._handle.fd)


def _say_baud(fd: int, baud: int) -> None:
    """A pty is as fast as it is; whoever holds its other end can see the baud that was meant."""
    speed = getattr(termios, f"B{baud}", None)
    if speed is not None:
        attributes = termios.tcgetattr(fd)
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _open_character_device(path: str, config: LineConfig) -> _Handle:
    real = os.path.realpath(path)
    return _PtyHandle(real, config.baud) if real.startswith(PTY_DIRECTORY) else _SerialHandle(path, config)


async def _connect(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=kind)
    family, _, protocol, _, address = found[0]
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, address)
        if kind is socket.SOCK_STREAM:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection

"""Network ends of simulated devices on loopback, with the seeded faults of every wire: TCP and UDP.

A TCP end serves its newest connection, as small devices do: an older one is closed. A UDP end answers whoever
spoke last. Both keep their port when they are closed and opened again.
"""

from __future__ import annotations

import asyncio
import random
import socket

from firmware_bridge.simulators.paced import PacedWire

READ_BYTES = 65536
LOOPBACK = "127.0.0.1"


class PacedTcp(PacedWire):
    """A listening TCP port; `url` is tcp://..., or of another scheme that the caller names."""

    def __init__(self, name: str, *, rng: random.Random, byte_s: float = 0.0, scheme: str = "tcp") -> None:
        super().__init__(name, byte_s, rng=rng)
        self._scheme = scheme
        self._port = 0
        self._server: socket.socket | None = None
        self._client: socket.socket | None = None
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{self._scheme}://{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """0 before it was first opened."""
        return self._port

    def open(self) -> str:
        """Listen; the url. A port is chosen the first time and kept."""
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setblocking(False)
        server.bind((LOOPBACK, self._port))
        server.listen(4)
        self._port = server.getsockname()[1]
        self._server = server
        asyncio.get_running_loop().add_reader(server, self._accept)
        return self.url

    def close(self) -> None:
        """Nobody listens, and the connection is cut."""
        if self._server is None:
            return
        self.hang_up()
        asyncio.get_running_loop().remove_reader(self._server)
        self._server.close()
        self._server = None

    def hang_up(self) -> None:
        """Cut the connection; the next one is welcome."""
        self._forget()
        client, self._client = self._client, None
        if client is not None:
            asyncio.get_running_loop().remove_reader(client)
            client.close()

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def _put(self, data: bytes) -> int:
        assert self._client is not None
        return self._client.send(data)

    def _accept(self) -> None:
        assert self._server is not None
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        self.hang_up()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self.connections += 1
        asyncio.get_running_loop().add_reader(client, self._readable)
        self.connected()

    def connected(self) -> None:
        """A connection has begun: a protocol in which the device speaks first does so here."""

    def _readable(self) -> None:
        assert self._client is not None
        try:
            data = self._client.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._came(data)
        else:
            self.hang_up()


class PacedUdp(PacedWire):
    """A bound UDP port; each `send` is one datagram to whoever spoke last."""

    def __init__(self, name: str, *, rng: random.Random) -> None:
        super().__init__(name, 0.0, rng=rng)
        self._port = 0
        self._socket: socket.socket | None = None
        self._partner: tuple[str, int] | None = None

    @property
    def url(self) -> str:
        return f"udp://{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """0 before it was first opened."""
        return self._port

    def open(self) -> str:
        """Bind; the url. A port is chosen the first time and kept."""
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.setblocking(False)
        end.bind((LOOPBACK, self._port))
        self._port = end.getsockname()[1]
        self._socket = end
        asyncio.get_running_loop().add_reader(end, self._readable)
        return self.url

    def close(self) -> None:
        """Datagrams to it are refused."""
        if self._socket is None:
            return
        self._forget()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self._partner = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None and self._partner is not None

    def send_to(self, data: bytes, address: tuple[str, int]) -> None:
        """A datagram to somebody who did not ask (an event), without faults."""
        if self._socket is not None:
            self._socket.sendto(data, address)

    def _put(self, data: bytes) -> int:
        assert self._socket is not None
        assert self._partner is not None
        return self._socket.sendto(data, self._partner)

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data, self._partner = self._socket.recvfrom(READ_BYTES)
        except OSError:
            return
        if data:
            self._came(data)

"""A small HTTP/1.1 server on loopback for simulated devices: one request a connection, plain or TLS.

It can vanish and come back on its port between two events of the loop, as a device does whose cable is pulled.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 32


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpEnd:
    """Listens while it is open; `answer` makes the reply of each request."""

    def __init__(
        self, answer: Callable[[HttpRequest], Awaitable[HttpReply]], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._server: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0  # until it is opened for the first time, then it stays the same

    def open(self) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setblocking(False)
        server.bind((LOOPBACK, self.port))
        server.listen(CONNECTIONS_MAX)
        self.port = server.getsockname()[1]
        self._server = server
        asyncio.get_running_loop().add_reader(server, self._accept)

    def close(self) -> None:
        """Nobody listens, and every connection is cut."""
        if self._server is None:
            return
        asyncio.get_running_loop().remove_reader(self._server)
        self._server.close()
        self._server = None
        self.hang_up()

    def hang_up(self) -> None:
        """Cut every connection."""
        for task in self._serving:
            task.cancel()

    async def closed(self) -> None:
        """Until the last connection is gone."""
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self) -> None:
        assert self._server is not None
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        if len(self._serving) >= CONNECTIONS_MAX:
            client.close()
            return
        client.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEAD_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=self._tls)
        except OSError:  # no TLS came of it
            client.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            request = await _read(reader)
            reply = await self._answer(request)
            writer.write(_head(reply) + reply.body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or spoke no HTTP
        finally:
            transport.abort()


async def _read(reader: asyncio.StreamReader) -> HttpRequest:
    """Raises ValueError for what is no request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = int(headers.get("content-length", 0))
    if not 0 <= length <= BODY_BYTES_MAX:
        raise ValueError(length)
    return HttpRequest(method, path, headers, await reader.readexactly(length))


def _head(reply: HttpReply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} -", f"Content-Length: {len(reply.body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

"""A paho client on our own loop, for one connection: what a device's broker and the hub's broker both need.

```
 connect (in a thread: names, TCP and TLS block) --> attach: the loop reads and writes paho's socket --> until_lost
```
No thread of paho's runs. Whoever makes the client sets its callbacks; this owns its socket hooks and the socket.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paho.mqtt.client as paho

MISC_S = 1.0
"""How often paho looks at its keep-alive."""


class ClosingSocket(ssl.SSLSocket):
    """paho leaves a socket open whose hand-shake failed: one more at every try."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Checks the broker against these authorities (PEM), or against what the machine trusts. Raises ssl.SSLError."""
    if cadata is not None:
        # A PEM file may carry remarks in any language, and ssl takes texts of ASCII only.
        cadata = cadata.encode("ascii", "ignore").decode()
    context = ssl.create_default_context(cafile=cafile, cadata=cadata)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = ClosingSocket
    return context


class LoopedClient:
    """`connect`, `attach`, `until_lost`, and `close` whatever came of it."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Why the connection ended."""

    def end(self, why: str) -> None:
        """The first reason counts."""
        if not self.lost.done():
            self.lost.set_result(why)

    async def connect(self, connect: Callable[[], object], thread: str) -> None:
        """Call `connect` in a thread that nobody has to wait for: a silent name server must not hold up a shutdown.

        Raises what it raises: OSError or ValueError, unless paho is broken.
        """
        connected: asyncio.Future[None] = self._loop.create_future()

        def settle(error: Exception | None) -> None:
            if connected.cancelled():
                self._drop_socket()
            elif error is None:
                connected.set_result(None)
            else:
                connected.set_exception(error)

        def work() -> None:
            outcome: Exception | None = None
            try:
                connect()
            except Exception as error:  # the boundary of the thread
                outcome = error
            with suppress(RuntimeError):  # the loop is gone, and the process with it
                self._loop.call_soon_threadsafe(settle, outcome)

        threading.Thread(target=work, name=thread, daemon=True).start()
        await connected

    def attach(self) -> None:
        """From here on the loop carries the bytes. `lost` is set when there is no connection any more."""
        client = self._client
        found: Any = client.socket()
        self._socket = found
        if found is None:
            self.end("closed at once")
            return
        found.setblocking(False)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        self._loop.add_reader(found, self._readable)
        if client.want_write():
            self._loop.add_writer(found, client.loop_write)

    async def answered(self, answer: asyncio.Future[None], within_s: float) -> str | None:
        """None once the broker has answered, otherwise why it will not."""
        waiting: list[asyncio.Future[Any]] = [answer, self.lost]
        await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if self.lost.done():
            return self.lost.result()
        return None if answer.done() else f"the broker did not answer within {within_s:g} s"

    async def until_lost(self) -> str:
        """Keeps the connection alive; returns why it ended."""
        while not self.lost.done():
            self._client.loop_misc()
            await asyncio.wait([self.lost], timeout=MISC_S)
        return self.lost.result()

    def close(self) -> None:
        """Says goodbye if it can, and leaves no socket behind."""
        self._detach()
        self._client.disconnect()
        # paho closes its socket when DISCONNECT is written; nobody writes any more, so do it here.
        self._client.loop_write()
        self.end("closed")
        self._drop_socket()

    def _drop_socket(self) -> None:
        left: Any = self._client.socket()
        if left is not None:
            self._loop.remove_writer(left)
            left.close()

    def _detach(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self._socket = None

    # paho's socket hooks.

    def _readable(self) -> None:
        self._client.loop_read()
        # TLS may hold decrypted bytes that select() knows nothing of.
        while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self._client.loop_read()

    def _on_want_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._loop.add_writer(sock, client.loop_write)

    def _on_written(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._detach()
        self.end("the connection was closed")

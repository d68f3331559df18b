"""One MQTT connection from its first packet to its last: paho's protocol on our own loop, no thread of paho's.

```
 connect (in a thread: names, TCP and TLS block) --> CONNACK --> opened --> messages, acknowledgements --> lost
```
A client lives for one connection: a command that was not sent when the line went is never sent later. Nothing is
retained, and nothing is queued for us at the broker (clean session).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firmware_bridge.exchange import LineLost

if TYPE_CHECKING:
    import paho.mqtt.client as paho

KEEPALIVE_S = 15
CONNECT_S_MAX = 5.0
ANSWER_S_MAX = 5.0
"""How long CONNACK may take."""

MISC_S = 1.0
"""How often paho looks at its keep-alive."""

COMMANDS_MAX = 20
"""Commands under way; beyond these one fails at once."""

PENDING_MAX = 100
"""Messages that may wait in paho for a slow line."""


@dataclass(frozen=True, slots=True)
class Account:
    """How to come to the broker. `tls` None is plain."""

    host: str
    port: int
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


class ClosingSocket(ssl.SSLSocket):
    """paho leaves a socket open whose hand-shake failed: one more at every try."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(ca: str | None) -> ssl.SSLContext:
    """Checks the broker against `ca` (PEM), or against what the machine trusts. Raises ssl.SSLError."""
    context = ssl.create_default_context(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = ClosingSocket
    return context


class Listener(Protocol):
    """Who hears of the connection; called on the loop, must return at once."""

    def opened(self, connection: MqttConnection) -> None: ...

    def heard(self, topic: str, payload: bytes, retained: bool) -> None: ...


class MqttConnection:
    """`live` once."""

    def __init__(self, account: Account, listener: Listener) -> None:
        self._account = account
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._connack: asyncio.Future[None] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._client: paho.Client | None = None
        self._socket: socket.socket | None = None

    async def live(self, goodbye: Callable[[], Any]) -> str:
        """Returns why it ended; raises nothing that a network can do. `goodbye` is awaited before it is cancelled."""
        client = self._new_client()
        try:
            await self._connect(client)
        except (OSError, ValueError) as error:
            return f"cannot connect: {error}"
        try:
            self._attach(client)
            waiting: list[asyncio.Future[Any]] = [self._connack, self._lost]
            await asyncio.wait(waiting, timeout=ANSWER_S_MAX, return_when=asyncio.FIRST_COMPLETED)
            if not self._connack.done():
                return self._lost.result() if self._lost.done() else f"the broker was silent for {ANSWER_S_MAX:g} s"
            self._client = client
            self._listener.opened(self)
            return await self._until_lost(client)
        except asyncio.CancelledError:
            await goodbye()
            raise
        finally:
            self._client = None
            self._close(client)

    def subscribe(self, topics: Iterable[str]) -> None:
        """At most one copy of what is retained comes for each topic, marked as such."""
        wanted = [(topic, 1) for topic in topics]
        if self._client is not None and wanted:
            self._client.subscribe(wanted)

    def unsubscribe(self, topics: Iterable[str]) -> None:
        gone = list(topics)
        if self._client is not None and gone:
            self._client.unsubscribe(gone)

    def tell(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """QoS 0, and nobody waits."""
        if self._client is not None:
            self._client.publish(topic, payload, qos=0, retain=retain)

    async def command(self, topic: str, payload: bytes, *, device: str) -> None:
        """QoS 1, never retained; returns when the broker has it. Raises LineLost."""
        if self._client is None or self._lost.done():
            raise LineLost(device, "the broker is gone")
        if len(self._acks) >= COMMANDS_MAX:
            raise LineLost(device, f"{COMMANDS_MAX} commands already wait for the broker")
        info = self._client.publish(topic, payload, qos=1, retain=False)
        ack: asyncio.Future[None] = self._loop.create_future()
        self._acks[info.mid] = ack
        try:
            waiting: list[asyncio.Future[Any]] = [ack, self._lost]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._acks.pop(info.mid, None)
        if not ack.done():
            raise LineLost(device, f"the broker went before it had the command: {self._lost.result()}")

    def _new_client(self) -> paho.Client:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._account.client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        if self._account.user is not None:
            client.username_pw_set(self._account.user, self._account.password)
        if self._account.tls is not None:
            client.tls_set_context(self._account.tls)
        client.connect_timeout = CONNECT_S_MAX
        client.max_inflight_messages_set(COMMANDS_MAX)
        client.max_queued_messages_set(PENDING_MAX)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    async def _connect(self, client: paho.Client) -> None:
        """In a thread that nobody has to wait for: a silent name server must not hold up a shutdown."""
        connected: asyncio.Future[None] = self._loop.create_future()

        def settle(error: OSError | ValueError | None) -> None:
            if connected.cancelled():
                self._drop_socket(client)
            elif error is None:
                connected.set_result(None)
            else:
                connected.set_exception(error)

        def work() -> None:
            outcome: OSError | ValueError | None = None
            try:
                client.connect(self._account.host, self._account.port, keepalive=KEEPALIVE_S)
            except (OSError, ValueError) as error:
                outcome = error
            with suppress(RuntimeError):  # the loop is gone, and the process with it
                self._loop.call_soon_threadsafe(settle, outcome)

        threading.Thread(target=work, name=f"connect to {self._account.host}", daemon=True).start()
        await connected

    async def _until_lost(self, client: paho.Client) -> str:
        while not self._lost.done():
            client.loop_misc()
            await asyncio.wait([self._lost], timeout=MISC_S)
        return self._lost.result()

    def _close(self, client: paho.Client) -> None:
        self._detach()
        client.disconnect()
        # paho closes its socket when DISCONNECT is written; nobody writes any more, so do it here.
        client.loop_write()
        self._end("closed")
        self._drop_socket(client)

    def _drop_socket(self, client: paho.Client) -> None:
        left: Any = client.socket()
        if left is not None:
            self._loop.remove_writer(left)
            left.close()

    # paho's socket on our loop.

    def _attach(self, client: paho.Client) -> None:
        found: Any = client.socket()
        self._socket = found
        if found is None:
            self._end("closed at once")
            return
        found.setblocking(False)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        self._loop.add_reader(found, self._readable, client)
        if client.want_write():
            self._loop.add_writer(found, client.loop_write)

    def _readable(self, client: paho.Client) -> None:
        client.loop_read()
        # TLS may hold decrypted bytes that select() knows nothing of.
        while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            client.loop_read()

    def _on_want_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._loop.add_writer(sock, client.loop_write)

    def _on_written(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._detach()
        self._end("the connection was closed")

    def _detach(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self._socket = None

    # paho's callbacks; an exception in one would be lost or would break paho, so they only take note.

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._end(f"the broker refuses: {reason}; check user and password")
        elif not self._connack.done():
            self._connack.set_result(None)

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._end(f"disconnected: {reason}")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon(self._listener.heard, message.topic, bytes(message.payload), bool(message.retain))

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        ack = self._acks.get(mid)
        if ack is not None and not ack.done():
            ack.set_result(None)

    def _end(self, why: str) -> None:
        if not self._lost.done():
            self._lost.set_result(why)

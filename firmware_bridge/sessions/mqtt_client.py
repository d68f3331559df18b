"""One MQTT connection from its first packet to its last: paho's protocol on our own loop, no thread of paho's.

```
 connect (in a thread: names, TCP and TLS block) --> CONNACK --> opened --> messages, acknowledgements --> lost
```
A client lives for one connection: a command that was not sent when the line went is never sent later. Nothing is
retained, and nothing is queued for us at the broker (clean session).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firmware_bridge.exchange import LineLost
from firmware_bridge.sessions.paho_loop import LoopedClient

if TYPE_CHECKING:
    import paho.mqtt.client as paho

KEEPALIVE_S = 15
CONNECT_S_MAX = 5.0
ANSWER_S_MAX = 5.0
"""How long CONNACK may take."""

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
        self._connack: asyncio.Future[None] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._raw = self._new_client()
        self._wire = LoopedClient(self._raw)
        self._client: paho.Client | None = None
        """While the broker has let us in."""

    async def live(self, goodbye: Callable[[], Any]) -> str:
        """Returns why it ended; raises nothing that a network can do. `goodbye` is awaited before it is cancelled."""
        host, port = self._account.host, self._account.port
        try:
            await self._wire.connect(
                lambda: self._raw.connect(host, port, keepalive=KEEPALIVE_S), thread=f"connect to {host}"
            )
        except (OSError, ValueError) as error:
            return f"cannot connect: {error}"
        try:
            self._wire.attach()
            why = await self._wire.answered(self._connack, ANSWER_S_MAX)
            if why is not None:
                return why
            self._client = self._raw
            self._listener.opened(self)
            return await self._wire.until_lost()
        except asyncio.CancelledError:
            await goodbye()
            raise
        finally:
            self._client = None
            self._wire.close()

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
        if self._client is None or self._wire.lost.done():
            raise LineLost(device, "the broker is gone")
        if len(self._acks) >= COMMANDS_MAX:
            raise LineLost(device, f"{COMMANDS_MAX} commands already wait for the broker")
        info = self._client.publish(topic, payload, qos=1, retain=False)
        ack: asyncio.Future[None] = self._loop.create_future()
        self._acks[info.mid] = ack
        try:
            waiting: list[asyncio.Future[Any]] = [ack, self._wire.lost]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._acks.pop(info.mid, None)
        if not ack.done():
            raise LineLost(device, f"the broker went before it had the command: {self._wire.lost.result()}")

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

    # paho's callbacks; an exception in one would be lost or would break paho, so they only take note.

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._wire.end(f"the broker refuses: {reason}; check user and password")
        elif not self._connack.done():
            self._connack.set_result(None)

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._wire.end(f"disconnected: {reason}")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon(self._listener.heard, message.topic, bytes(message.payload), bool(message.retain))

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        ack = self._acks.get(mid)
        if ack is not None and not ack.done():
            ack.set_result(None)

"""A broker, and the nodes behind it that describe themselves by Home Assistant's discovery.

```
 run(): account --> connect --> <prefix>/status "online", <prefix>/#/config --> nodes --> ... --> lost --> pause, again
```
A command goes by QoS 1 and is never retained; what the broker kept of a state is told as old, and confirms nothing. A
password travels in clear text on mqtt://, and whoever reads along can open the door: beyond this machine that line is
refused unless its devices say `allow_plain`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import ha_discovery as ha
from firmware_bridge.config import LineKind, ServiceEndpoint, parse_url
from firmware_bridge.entities import Agreement, Entity, Node, Value, farewell
from firmware_bridge.exchange import LineLost
from firmware_bridge.secrets import SecretError
from firmware_bridge.session import SessionContext
from firmware_bridge.sessions.mqtt_client import Account, MqttConnection
from firmware_bridge.sessions.mqtt_node import DiscoveredNode
from firmware_bridge.sessions.paho_loop import tls_context
from firmware_bridge.sessions.reconnect import is_this_machine, keep_connected

log = logging.getLogger(__name__)

# A broker may lose what is published in the moment of a subscription (nats-server does): it is asked again for what
# it keeps, once in any case, and then with growing pauses while something is missing.
LOOK_AGAIN_S_FIRST = 1.0
LOOK_AGAIN_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """What one device says about its broker; secrets by name."""

    user: str | None = None
    password: str | None = None
    ca: str | None = None
    allow_plain: bool = False


class MqttSession:
    """One connection for all devices of the line."""

    def __init__(self, context: SessionContext) -> None:
        self.name = context.name
        endpoint = parse_url(context.line.url)
        assert isinstance(endpoint, ServiceEndpoint)
        self._endpoint = endpoint
        self._tls = context.line.kind is LineKind.MQTTS
        self._clock = context.clock
        self._rng = context.rng
        self._secrets = context.secrets
        # Whoever connects with a client's id ends its session: nobody must be able to guess it.
        self._client_id = f"yizhan-{secrets.token_hex(8)}"
        self._said: dict[str, Mapping[str, object]] = {}
        self._nodes: dict[tuple[str, str], DiscoveredNode] = {}
        self._topics: set[str] = set()
        self._connection: MqttConnection | None = None
        self._look_again: asyncio.TimerHandle | None = None
        self._look_again_s = LOOK_AGAIN_S_FIRST
        self.connections = 0

    def attach(self, device: str, login: Login, *, prefix: str, node: str) -> Node:
        """A device of this line, and what it says about the broker: the node that it lives on."""
        self._said[device] = {
            "user": login.user,
            "password": login.password,
            "ca": login.ca,
            "allow_plain": login.allow_plain or None,
        }
        known = self._nodes.get((prefix, node))
        if known is None:
            known = DiscoveredNode(prefix, node, Node(f"node {node}"), self._clock, self._listen)
            known.node.send = lambda entity, value: self._send(known, entity, value)
            self._nodes[prefix, node] = known
        return known.node

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        name = f"line {self.name} ({self._endpoint.host}:{self._endpoint.port})"
        try:
            await keep_connected(name, self._live, self._lost, clock=self._clock, rng=self._rng)
        finally:
            self._stop_looking()
            for node in self._nodes.values():
                node.stop()

    async def _live(self) -> str:
        try:
            account = self._account()
        except (SecretError, ValueError) as error:
            return str(error)
        return await MqttConnection(account, self).live(self._farewell)

    async def _farewell(self) -> None:
        await farewell([node.node for node in self._nodes.values()])
        self._connection = None
        for node in self._nodes.values():
            node.node.close("the station is stopping")

    def _lost(self, why: str) -> None:
        self._connection = None
        self._stop_looking()
        for node in self._nodes.values():
            node.lost(why)

    # Told by the connection.

    def opened(self, connection: MqttConnection) -> None:
        self.connections += 1
        log.info("line %s (%s:%d) is open", self.name, self._endpoint.host, self._endpoint.port)
        self._connection = connection
        self._topics.clear()
        connection.subscribe(self._discovery_topics())
        for prefix in sorted({prefix for prefix, _ in self._nodes}):
            # Devices describe themselves anew, and say their states, when somebody comes who understands them.
            connection.tell(f"{prefix}/status", b"online")
        for node in self._nodes.values():
            node.connected()
        self._look_soon()

    def _discovery_topics(self) -> list[str]:
        prefixes = sorted({prefix for prefix, _ in self._nodes})
        return [topic for prefix in prefixes for topic in (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")]

    def _look_soon(self) -> None:
        self._stop_looking()
        self._look_again_s = LOOK_AGAIN_S_FIRST
        self._look_again = asyncio.get_running_loop().call_later(self._look_again_s, self._look)

    def _look(self) -> None:
        """Ask the broker once more for everything that it keeps."""
        self._look_again = None
        if self._connection is None:
            return
        self._connection.subscribe([*self._discovery_topics(), *sorted(self._topics)])
        if not all(node.complete for node in self._nodes.values()):
            self._look_again_s = min(LOOK_AGAIN_S_MAX, 2 * self._look_again_s)
            self._look_again = asyncio.get_running_loop().call_later(self._look_again_s, self._look)

    def _stop_looking(self) -> None:
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        if self._connection is None:
            return
        if topic in self._topics:
            for node in self._nodes.values():
                node.heard(topic, payload, retained)
        for prefix in {prefix for prefix, _ in self._nodes}:
            parsed = ha.parse_topic(topic, prefix)
            if parsed is not None:
                self._described(prefix, topic, parsed, payload)

    def _described(self, prefix: str, topic: str, parsed: ha.ConfigTopic, payload: bytes) -> None:
        nodes = [node for node in self._nodes.values() if node.prefix == prefix]
        try:
            decoded = ha.decode_config(parsed, payload)
        except FrameError as error:
            log.info("line %s: %s: %s", self.name, topic, error)
            for node in nodes:
                if node.wanted in (parsed.node_id, parsed.object_id):
                    node.node.garbled()
            return
        for node in nodes:
            node.described(topic, decoded)
            if node.wanted in decoded.node:
                for text in decoded.refused:
                    node.refused(text)

    def _listen(self) -> None:
        """Listen to what the nodes have now, and no more to what they had."""
        wanted: set[str] = set()
        for node in self._nodes.values():
            wanted |= node.topics
        if self._connection is not None:
            self._connection.unsubscribe(sorted(self._topics - wanted))
            fresh = sorted(wanted - self._topics)
            self._connection.subscribe(fresh)
            if fresh:
                self._look_soon()
        self._topics = wanted

    async def _send(self, node: DiscoveredNode, entity: Entity, value: Value) -> None:
        if self._connection is None:
            raise LineLost(self.name, node.node.down or "the broker is gone")
        config = node.config(entity)
        assert config.command_topic is not None
        await self._connection.command(config.command_topic, config.encode_command(value), device=node.node.name)

    def _account(self) -> Account:
        """How to come to the broker. Raises ValueError saying what to do, SecretError."""
        agreement = Agreement(self._said)
        if (conflict := agreement.conflict()) is not None:
            raise ValueError(conflict)
        if not (self._tls or is_this_machine(self._endpoint.host) or agreement.value("allow_plain")):
            raise ValueError(
                "mqtt:// has no encryption, so everybody on the network could open the door: use mqtts://, or say "
                "`allow_plain = true`"
            )
        user = agreement.value("user")
        password = self._secret(agreement.value("password"))
        if password is not None and user is None:
            raise ValueError("a password is named and no user: name it in option `user`")
        context: ssl.SSLContext | None = None
        if self._tls:
            try:
                context = tls_context(cadata=self._secret(agreement.value("ca")))
            except ssl.SSLError as error:
                raise ValueError(f"the broker's `ca` is no certificate: {error}") from None
        endpoint = self._endpoint
        said_user = user if isinstance(user, str) else None
        return Account(endpoint.host, endpoint.port, self._client_id, said_user, password, context)

    def _secret(self, name: object) -> str | None:
        if not isinstance(name, str):
            return None
        data = self._secrets.read(name)
        if data is None:
            raise ValueError(f"secret {name!r} is not there: write it to {self._secrets.where(name)}")
        try:
            return data.decode().strip()
        except UnicodeDecodeError:
            raise ValueError(f"secret {name!r} is no text; check {self._secrets.where(name)}") from None

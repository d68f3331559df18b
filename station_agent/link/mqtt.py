"""The MQTT connection: paho's protocol on our own loop, through its socket hooks. No thread of paho's runs.

    run(): connect --> subscribe to down/... --> told `connected` --> ... --> lost --> jittered pause --> again

Clean session, nothing retained, a will that says offline. A new paho client is made for each connection, so
nothing of an old one is sent late: what must arrive is repeated from the spool. Name look-up, TCP and TLS
hand-shakes block, so they happen in a worker thread; everything after happens on the loop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from firmware_bridge.sessions.paho_loop import LoopedClient
from station_agent.clock import Clock
from station_agent.link.tls import broker_context
from station_agent.wire import topics
from station_agent.wire.link import BrokerLink
from station_agent.wire.topics import Down, Up

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 5.0
ANSWER_S = 5.0
"""How long CONNACK and SUBACK may take."""

BACK_OFF_S_FIRST = 0.25
BACK_OFF_S_MAX = 60.0
"""With jitter: thousands of stations come back after a broker's restart."""

HEALTHY_S = 30.0
"""A connection that lived this long was a good one: the next pause is short again."""

IN_FLIGHT_MAX = 20
PENDING_MAX = 200
"""Bytes wait in paho when the line is slow; beyond this many messages the connection is given up."""


class LinkRefused(Exception):
    """The link cannot be used as it is configured. Says what to do."""


class Listener(Protocol):
    """Who is told what happens on the link; called on the loop, must return at once."""

    def link_up(self) -> None: ...

    def link_down(self, why: str) -> None: ...

    def received(self, leaf: Down, payload: bytes) -> None: ...


def check_transport(link: BrokerLink) -> None:
    """Plain MQTT carries a password, so it is for loopback only; and the files must be there. Raises LinkRefused."""
    _check_clear(link)
    if link.ca_file is not None and not link.ca_file.is_file():
        raise LinkRefused(f"the broker's ca_file {link.ca_file} is not there; copy it from the hub")
    if link.certificate_file is not None and not link.certificate_file.is_file():
        raise LinkRefused(f"the station's certificate {link.certificate_file} is not there; claim the station anew")


def _check_clear(link: BrokerLink) -> None:
    if link.ca_file is not None:
        return
    host = link.host
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host == "localhost":
        return
    raise LinkRefused(
        f"broker {host}:{link.port} is not on this machine and the link file names no ca_file: without TLS the "
        "station's password would travel in the clear. Add broker.ca_file to the link file"
    )


class MqttLink:
    """`run` keeps one connection alive for ever; `publish` sends on it while it is up."""

    def __init__(
        self,
        station: str,
        link: BrokerLink,
        will: Callable[[], bytes],
        *,
        clock: Clock,
        rng: random.Random,
        hears: Sequence[Down] = (Down.ACK, Down.COMMAND, Down.DOCUMENT),
    ) -> None:
        _check_clear(link)
        self._station = station
        # Whoever connects with a client's id ends its session: another station must not be able to guess it. It is
        # kept for the life of the process, so that a reconnect ends our own half-dead session.
        self._client_id = f"{station}-{secrets.token_hex(8)}"
        self._link = link
        self._will = will
        self._clock = clock
        self._rng = rng
        self.hears = hears
        self._client: paho.Client | None = None
        self.up = False
        self.connections = 0

    def publish(self, leaf: Up, payload: bytes) -> bool:
        """Send now; False when the link is down. Events and telemetry by QoS 1, the rest by QoS 0."""
        if self._client is None or not self.up:
            return False
        qos = 1 if leaf in (Up.EVENTS, Up.TELEMETRY) else 0
        info = self._client.publish(topics.up(self._station, leaf), payload, qos=qos, retain=False)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def run(self, listener: Listener) -> None:
        pause_s = BACK_OFF_S_FIRST
        while True:
            began = self._clock.monotonic()
            why = await self._connection(listener)
            if self._clock.monotonic() - began >= HEALTHY_S:
                pause_s = BACK_OFF_S_FIRST
            log.info("no link to the hub (%s); next try in about %.1f s", why, pause_s)
            await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, BACK_OFF_S_MAX)

    async def _connection(self, listener: Listener) -> str:
        """Why it ended. Files that are gone or damaged cost the link, not the door: they are looked for again."""
        try:
            check_transport(self._link)
            connection = _Connection(self, listener)
        except (LinkRefused, OSError) as error:
            return f"{error}"
        return await connection.live()

    def new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        if self._link.username:
            client.username_pw_set(self._link.username, self._link.password.get_secret_value())
        if self._link.ca_file is not None:
            # Read anew for each connection: a renewal may have changed the certificate, and the clock may be right now.
            trusted = self._clock.trusted()
            client.tls_set_context(broker_context(self._link.ca_file, self._link.certificate_file, trusted))
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(IN_FLIGHT_MAX)
        client.max_queued_messages_set(PENDING_MAX)
        client.will_set(topics.up(self._station, Up.STATE), self._will(), qos=0, retain=False)
        return client

    def connect(self, client: paho.Client) -> None:
        """Blocks: for a worker thread. Raises OSError."""
        client.connect(self._link.host, self._link.port, keepalive=KEEPALIVE_S)

    @property
    def refused_hint(self) -> str:
        if self._link.certificate_file is None:
            return ""
        return "; was the station revoked, or claimed by another box? Then `yizhan-station claim` it anew"

    @property
    def station(self) -> str:
        return self._station

    def opened(self, client: paho.Client) -> None:
        self._client = client
        self.up = True
        self.connections += 1

    def closed(self) -> None:
        self._client = None
        self.up = False


class _Connection:
    """One connection, from the first packet to the last."""

    def __init__(self, owner: MqttLink, listener: Listener) -> None:
        self._owner = owner
        self._listener = listener
        loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[None] = loop.create_future()
        self._suback: asyncio.Future[None] = loop.create_future()
        self._client = owner.new_client()
        self._wire = LoopedClient(self._client)

    async def live(self) -> str:
        """Returns why it ended; never raises what a network can do."""
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        try:
            await self._wire.connect(lambda: self._owner.connect(client), thread="connect to the hub")
        except (OSError, ValueError) as error:
            return f"cannot connect: {error}"
        told = False
        try:
            self._wire.attach()
            why = await self._open()
            if why is not None:
                return why
            self._owner.opened(client)
            told = True
            self._listener.link_up()
            return await self._wire.until_lost()
        finally:
            self._owner.closed()
            self._wire.close()
            if told:
                self._listener.link_down("lost")

    async def _open(self) -> str | None:
        why = await self._wire.answered(self._connack, ANSWER_S)
        if why is None:
            # One by one: the broker's rules name each topic, and a wildcard would be more than they allow.
            self._client.subscribe([(topics.down(self._owner.station, leaf), 0) for leaf in self._owner.hears])
            why = await self._wire.answered(self._suback, ANSWER_S)
        return why

    # --- paho's callbacks; an exception in one would be lost or would break paho, so they only take note ---

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, props: Any) -> None:
        if reason.is_failure:
            self._wire.end(f"the broker refuses: {reason}{self._owner.refused_hint}")
        elif not self._connack.done():
            self._connack.set_result(None)

    def _on_subscribe(self, client: paho.Client, userdata: Any, mid: int, reasons: list[ReasonCode], p: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._wire.end("the broker does not let this station listen to its own topics")
        elif not self._suback.done():
            self._suback.set_result(None)

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, props: Any) -> None:
        self._wire.end(f"disconnected: {reason}")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        leaf = message.topic.rpartition("/")[2]
        if leaf in set(Down) and not message.retain:
            self._listener.received(Down(leaf), bytes(message.payload))

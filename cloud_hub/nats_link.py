"""The hub's own connection to its broker. One life per `run()`: when it is lost, the supervisor makes the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import nats
from nats.aio.client import Client

from cloud_hub.broker import HUB_USER, Broker
from cloud_hub.supervisor import Transient
from station_agent.wire.topics import Down, down, subject

_CONNECT_TIMEOUT_S = 5


class BrokerLost(Transient):
    """The connection to the broker ended."""


@dataclass(frozen=True, slots=True)
class Connection:
    client: Client
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class NatsLink:
    """A Downlink; and `connection()` for who takes in."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection: Connection | None = None
        self._there = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def connection(self) -> Connection:
        """Waits until there is one. Whoever uses it watches its `lost`."""
        while self._connection is None:
            self._there.clear()
            await self._there.wait()
        return self._connection

    async def send(self, station: str, leaf: Down, payload: bytes) -> bool:
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.client.publish(subject(down(station, leaf)), payload)
        except nats.errors.Error:
            return False
        return True

    async def run(self) -> None:
        """Raises BrokerLost when the connection ends."""
        await self._broker.ready.wait()
        lost = asyncio.Event()

        async def on_lost() -> None:
            lost.set()

        async def on_error(_: Exception) -> None:
            return  # each call that fails says so itself

        try:
            client = await nats.connect(
                f"nats://127.0.0.1:{self._broker.ports.client}",
                user=HUB_USER,
                password=self._broker.password,
                name="yizhan-hub",
                allow_reconnect=False,
                connect_timeout=_CONNECT_TIMEOUT_S,
                disconnected_cb=on_lost,
                closed_cb=on_lost,
                error_cb=on_error,
            )
        except (nats.errors.Error, OSError) as error:
            raise BrokerLost(f"no connection to the broker: {error}") from error
        self._connection = Connection(client, lost)
        self._there.set()
        try:
            await lost.wait()
            raise BrokerLost("the connection to the broker ended")
        finally:
            self._connection = None
            lost.set()
            await client.close()

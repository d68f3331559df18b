"""How the hub's services say something to a station: plain NATS, which the broker hands on by MQTT QoS 0."""

from __future__ import annotations

from typing import Protocol

from station_agent.wire.topics import Down


class Downlink(Protocol):
    async def send(self, station: str, leaf: Down, payload: bytes) -> bool:
        """Hands `payload` to the broker. False when there is no broker now: say it again later."""

"""A line whose connection a library holds (MQTT, ESPHome, ONVIF), or that is a device file of its own.

A bus line carries bytes that our bus arbitrates. A session line carries whole conversations: the session keeps
the connection, and the devices of the line share it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.clock import Clock
from firmware_bridge.config import LineConfig
from firmware_bridge.exchange import DeviceStats
from firmware_bridge.secrets import Secrets


class Session(Protocol):
    """One connection, shared by the devices of its line."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Keep the connection until cancelled: it is made again with jittered, growing pauses."""
        ...


class Counted(Protocol):
    """A driver that counts for itself, because no bus does it."""

    @property
    def stats(self) -> DeviceStats: ...


@dataclass(frozen=True, slots=True)
class SessionContext:
    """All that a session may use."""

    name: str
    line: LineConfig
    clock: Clock
    rng: random.Random
    secrets: Secrets

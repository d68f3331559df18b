"""What a bus keeps in mind: the devices that it knows, the requests that wait, and its own state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from firmware_bridge.capabilities import Health
from firmware_bridge.exchange import DevicePolicy, DeviceStats, Exchange, HealthListener, ReplyParser
from firmware_bridge.lease import Lease


class State(Enum):
    OPENING = "opening"  # not yet tried: requests wait, since a station starts everything at once
    DOWN = "down"
    IDLE = "idle"
    SENDING = "sending"
    WAITING = "waiting"
    LEASED = "leased"
    GAP = "gap"


@dataclass(slots=True)
class Attached:
    name: str
    policy: DevicePolicy
    on_health: HealthListener
    listens: Callable[[bytes, float], None] | None
    online_with_line: bool
    stats: DeviceStats = field(default_factory=DeviceStats)
    health: Health | None = None
    failures: int = 0
    quarantine_until: float = 0.0
    quarantine_s: float = 0.0
    # An answer that comes too late must not be taken for the next one's: after a failed attempt the device
    # is left alone until then, except for lock requests, whose answers name what was written.
    settled_s: float = 0.0


@dataclass(slots=True)
class Job:
    device: Attached
    exchange: Exchange[Any]
    priority: int
    asked: float
    deadline: float
    attempts_left: int
    future: asyncio.Future[Any]
    expiry: asyncio.TimerHandle | None = None
    parser: ReplyParser[Any] | None = None
    next_part: int = 0
    lease: Lease | None = None
    lease_s: float = 0.0

"""What the sessions of libraries have in common: a connection that is made again, and who may hear it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
from collections.abc import Awaitable, Callable

from firmware_bridge.clock import Clock

log = logging.getLogger(__name__)

BACK_OFF_S_FIRST = 0.25
BACK_OFF_S_MAX = 10.0
HEALTHY_S = 30.0
"""A connection that lived this long was a good one: the next pause is short again."""


async def keep_connected(
    name: str, live: Callable[[], Awaitable[str]], lost: Callable[[str], None], *, clock: Clock, rng: random.Random
) -> None:
    """Call `live` for ever, with jittered, growing pauses; it returns why it ended, and `lost` is told.

    A reason is logged once, and not again at every try.
    """
    pause_s = BACK_OFF_S_FIRST
    told = ""
    while True:
        began = clock.monotonic()
        why = await live()
        if clock.monotonic() - began >= HEALTHY_S:
            pause_s = BACK_OFF_S_FIRST
        if why != told:
            log.warning("%s: %s", name, why)
            told = why
        lost(why)
        await asyncio.sleep(pause_s * rng.uniform(0.5, 1.5))
        pause_s = min(BACK_OFF_S_MAX, pause_s * 2)


def is_this_machine(host: str) -> bool:
    """Nobody else can listen."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

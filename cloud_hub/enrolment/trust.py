"""Leads stations to the hub's newest signing keys: whoever tells an older version gets the link to the next one.

    heartbeat (trust_version) --> behind? --> link to the version after it --> Downlink     signing_keys.py

A station takes one link at a time and tells its new version at once, so one that slept through three rotations is there
after three heartbeats. Version 0 is a station that knows no such document.
"""

from __future__ import annotations

import asyncio

from cloud_hub.clock import Clock
from cloud_hub.downlink import Downlink
from cloud_hub.signing_keys import SigningKeys
from station_agent.wire.topics import Down

AGAIN_S = 1.0
"""Time for a station to take a link before it is sent again."""


class TrustService:
    """`run()` is the service."""

    def __init__(self, signing: SigningKeys, clock: Clock, downlink: Downlink) -> None:
        self._signing = signing
        self._clock = clock
        self._downlink = downlink
        self._behind: dict[str, int] = {}
        self._sent: dict[str, tuple[int, float]] = {}  # station -> the version it had, and when; of those behind
        self._woken = asyncio.Event()

    def reported(self, station: str, version: int) -> None:
        """A station told which version it has."""
        if not 0 < version < self._signing.version:
            self._sent.pop(station, None)
            return
        had, at_s = self._sent.get(station, (0, 0.0))
        if had != version or self._clock.monotonic() - at_s >= AGAIN_S:
            self._behind[station] = version
            self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.send_due()

    async def send_due(self) -> None:
        behind, self._behind = self._behind, {}
        for station, version in behind.items():
            link = self._signing.link_to(version + 1)
            if link is not None and await self._downlink.send(station, Down.DOCUMENT, link.encode()):
                self._sent[station] = (version, self._clock.monotonic())

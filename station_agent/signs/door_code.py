"""Keeps a fresh door code on its display: another one every period, at once when one was used, none without a hub.

linked:     challenge (random) --> remembered as shown --> QR of the link --> display
not linked: a sentence, since a knock could not come here
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from firmware_bridge.capabilities import Bitmap, DeviceError, Sign
from station_agent.access.door_codes import DoorCodes
from station_agent.clock import Clock
from station_agent.signs import qr
from station_agent.signs.render import pages
from station_agent.wire.door_code import CHALLENGE_BYTES, PERIOD_S, DoorCode

log = logging.getLogger(__name__)

WITHOUT_HUB = "请亮码"
RETRY_S = 2.0


class DoorCodeScreen:
    """`run` keeps the display. `random_bytes` gives what nobody can guess (secrets.token_bytes)."""

    def __init__(
        self,
        sign: Sign,
        station: str,
        hub: str,
        codes: DoorCodes,
        *,
        pages_max: int,
        linked: Callable[[], bool],
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Raises ValueError for a display on which the link's QR has no room."""
        self._sign = sign
        self._station = station
        self._hub = hub
        self._codes = codes
        self._pages_max = pages_max
        self._linked = linked
        self._clock = clock
        self._random_bytes = random_bytes
        self._turn = asyncio.Event()
        self.shown = 0
        """How many have stood on the display since the start."""
        self.on_shown: Callable[[], None] = lambda: None
        qr.picture(DoorCode(bytes(CHALLENGE_BYTES), station).link(hub), sign.size)

    @property
    def reader(self) -> str:
        """As what a knock's attempt is told."""
        return self._sign.name

    def turn(self) -> None:
        """The one on the display was used, or the link has changed: show another."""
        self._turn.set()

    async def run(self) -> None:
        failing = False
        while True:
            self._turn.clear()
            try:
                await self._sign.show_pages(self._wanted())
            except DeviceError as error:
                if not failing:  # once, not every time it is tried again
                    log.warning("the door code is not on its display: %s", error)
                failing = True
                await self._clock.sleep(RETRY_S)
                continue
            failing = False
            self.shown += 1
            self.on_shown()
            await self._pause()

    def _wanted(self) -> list[Bitmap]:
        if not self._linked():
            return pages(WITHOUT_HUB, self._sign.size, self._pages_max)
        code = DoorCode(self._random_bytes(CHALLENGE_BYTES), self._station)
        self._codes.show(code.challenge, self._clock.monotonic())  # before it can be seen
        return [qr.picture(code.link(self._hub), self._sign.size)]

    async def _pause(self) -> None:
        """For a period, or until `turn`."""
        waiting = [asyncio.ensure_future(self._turn.wait()), asyncio.ensure_future(self._clock.sleep(PERIOD_S))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

"""Erases what the hub's document asks for and answers each entry with a receipt.

    Erasures --entry--> templates deleted, remembered in the store --> FaceErased(member, templates, erasure), spooled

The hub sends the document whenever the station is there, until the receipt has arrived; that may be weeks after the
member asked, and it does not matter how often. The receipt is an event like others: its place in the hash chain of the
spool is the proof that it was given, and when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from station_agent.clock import Clock
from station_agent.faces.templates import TemplateStore, TemplatesUnusable
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import StoreClosed, StoreFull
from station_agent.wire.documents import Erasure, read_erasures
from station_agent.wire.events import FaceErased

log = logging.getLogger(__name__)

ANSWER_AGAIN_S = 600.0
"""The hub asks every few seconds while a receipt is on its way; asked later than this, it has lost it."""

ANSWERS_KEPT = 2000  # a document has 500 entries at most

Erase = Callable[[Erasure], Awaitable[int]]


def without_faces(store: TemplateStore) -> Erase:
    """For a station whose faces are switched off: what was enrolled before is still there, and is erased."""

    async def erase(erasure: Erasure) -> int:
        return await asyncio.to_thread(store.erase_asked, erasure) if store.path.exists() else 0

    return erase


class Erasures:
    """`take` is what the uplink gives such a document to."""

    def __init__(self, station: str, erase: Erase, spool: Spool, clock: Clock) -> None:
        self._station = station
        self._erase = erase
        self._spool = spool
        self._clock = clock
        self._answered: dict[UUID, float] = {}

    async def take(self, body: str) -> None:
        """Raises DocumentRefused."""
        now = self._clock.monotonic()
        for erasure in read_erasures(body, self._station).erasures:
            if now - self._answered.get(erasure.id, float("-inf")) < ANSWER_AGAIN_S:
                continue
            try:
                templates = await self._erase(erasure)
                receipt = FaceErased(member=erasure.member, templates=templates, erasure=erasure.id)
                await self._spool.commit(receipt)
            except (TemplatesUnusable, StoreClosed, StoreFull) as error:
                log.error("the face of member %s is not erased, the hub will ask again: %s", erasure.member, error)
                continue
            if len(self._answered) >= ANSWERS_KEPT:
                del self._answered[next(iter(self._answered))]
            self._answered[erasure.id] = now

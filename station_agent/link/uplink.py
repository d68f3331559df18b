"""What comes from the hub and what goes to it, sorted by leaf; the link's listener.

ack -> outbox        command -> orders        document -> by its kind: roster, or who takes it (`takers`)
knock -> `on_knock`, where the station shows a door code
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError
from sqlite_utils import Database

from station_agent.access import roster as rosters
from station_agent.access import roster_store
from station_agent.access.roster import HeldRoster, RosterHeld, RosterRefused
from station_agent.clock import SystemClock
from station_agent.link.orders import Orders
from station_agent.telemetry.outbox import Outbox
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import keep_value
from station_agent.wire.documents import DocumentRefused, kind_of
from station_agent.wire.envelope import Eack
from station_agent.wire.events import RosterApplied
from station_agent.wire.signed import Forged, open_signed, unpacked
from station_agent.wire.topics import Down

log = logging.getLogger(__name__)

DOCUMENTS_WAITING_MAX = 4
"""The newest is the one that counts; the hub sends again what was dropped."""

CLOCK_FLOOR = "clock.floor"


class Uplink:
    """`run` applies documents; acknowledgements and orders are handled where they arrive."""

    def __init__(
        self,
        station: str,
        keys: Mapping[str, Ed25519PublicKey],
        *,
        outbox: Outbox,
        orders: Orders,
        spool: Spool,
        clock: SystemClock,
        reject: Callable[[str, str], None],
    ) -> None:
        self._station = station
        self._keys = keys
        self._outbox = outbox
        self._orders = orders
        self._spool = spool
        self._clock = clock
        self._reject = reject
        self._documents: asyncio.Queue[bytes] = asyncio.Queue(DOCUMENTS_WAITING_MAX)
        self.roster: HeldRoster | None = None
        self.on_roster: Callable[[HeldRoster], None] = lambda roster: None
        self.on_link: Callable[[], None] = lambda: None
        self.on_knock: Callable[[bytes], None] = lambda payload: None
        self.takers: dict[str, Callable[[str], Awaitable[None]]] = {}
        """Kind of a document -> what takes its body; it raises DocumentRefused."""
        self.taking = True

    def link_up(self) -> None:
        log.info("linked to the hub")
        self._outbox.connected()
        self.on_link()

    def link_down(self, why: str) -> None:
        self._outbox.lost()

    def received(self, leaf: Down, payload: bytes) -> None:
        if not self.taking:
            return
        if leaf is Down.ACK:
            first = self._outbox.eacks == 0
            try:
                self._outbox.acknowledged(Eack.model_validate_json(payload))
            except ValidationError:
                self._reject("ack", "no acknowledgement of this version")
            if first:
                self.on_link()
        elif leaf is Down.COMMAND:
            self._orders.received(payload)
        elif leaf is Down.KNOCK:
            self.on_knock(payload)
        elif self._documents.full():
            self._reject("document", "more documents at once than are taken")
        else:
            self._documents.put_nowait(payload)

    async def run(self) -> None:
        while True:
            await self._apply(await self._documents.get())

    async def _apply(self, payload: bytes) -> None:
        """A large roster takes longer to read than a door may wait, so that happens in a thread."""
        held = self.roster.version if self.roster else 0
        try:
            body = await asyncio.to_thread(_opened, payload, self._keys)
            taker = self.takers.get(await asyncio.to_thread(kind_of, body))
            if taker is not None:
                await taker(body)
                return
            roster = await asyncio.to_thread(rosters.read, body, self._station, held)
        except RosterHeld as held_already:
            log.debug("%s", held_already)
            return
        except (Forged, RosterRefused, DocumentRefused) as error:
            log.warning("a document is refused: %s", error)
            self._reject("document", str(error))
            return
        floor = max(self._clock.floor, roster.issued_at)

        def keep(db: Database) -> None:
            roster_store.keep(db, roster)
            keep_value(db, CLOCK_FLOOR, floor.isoformat())

        await self._spool.commit(RosterApplied(version=roster.version, members=len(roster.members)), also=keep)
        self._clock.passed(roster.issued_at)
        self.roster = roster
        self.on_roster(self.roster)
        log.info("roster version %d with %d members", roster.version, len(roster.members))


def _opened(payload: bytes, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Raises Forged."""
    return open_signed("document", unpacked(payload), keys)

"""Consents are recorded before a face is enrolled, and erasures are brought to stations until each has answered.

    asked (member, manager) or noticed (suspended, removed) -> a row a station -> signed document, again every RESEND_S
    while the station is online -> its receipt, an event -> the row is the proof

Unlike a command, which is for somebody who stands at the door now, an erasure does not expire: a station that comes
back after a month is asked then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_hub.clock import Clock
from cloud_hub.downlink import Downlink
from cloud_hub.faces import queries
from cloud_hub.faces.models import FaceData, Why
from cloud_hub.problems import Problem
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import face_consents, members, stations
from station_agent.wire.commands import FaceEnrol
from station_agent.wire.documents import Erasures
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down

LOOK_S = 2.0  # a station that has come back is asked within this
RESEND_S = 10.0
ENTRIES_MAX = 500  # of one document; the next ones follow when these are answered
NOTICE_S = 60.0
"""Whoever was suspended or removed without our being told, or whose station enrolled them while it was offline."""


class FaceService:
    """`run()` brings erasures to stations; every other method may be called while it runs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        key: Ed25519PrivateKey,
        downlink: Downlink,
        online: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._downlink = downlink
        self._online = online
        self._sent: dict[str, tuple[float, list[str]]] = {}  # station -> when, and which entries
        self._notice = True
        self._wake = asyncio.Event()

    def changed(self) -> None:
        """Members changed: whoever may not enter any more has no face to keep."""
        self._notice = True
        self._wake.set()

    async def of(self, member: str, *, for_staff: bool) -> FaceData:
        """Raises Problem 404."""

        def read(connection: sa.Connection) -> FaceData:
            _known(connection, member)
            return queries.face_data(connection, member, for_staff=for_staff)

        return await self._database.read(read)

    async def erase(self, member: str, actor: str, *, for_staff: bool) -> FaceData:
        """Asks every station that may hold the member's face to erase it. Asking twice changes nothing more.

        Raises Problem 404.
        """

        def ask(connection: sa.Connection) -> FaceData:
            _known(connection, member)
            queries.ask(connection, member, Why.ASKED, actor, self._clock.now())
            return queries.face_data(connection, member, for_staff=for_staff)

        data = await self._database.write(ask)
        self._wake.set()
        return data

    async def consented(self, station: str, order: FaceEnrol, actor: str) -> FaceEnrol:
        """Records the consent, at the hub's time; the order to send. Raises Problem 404, 409 and 422."""
        elsewhere = sorted(set(order.consent.stations) - {station})
        if elsewhere:
            detail = (
                f"Station {elsewhere[0]}: this station cannot receive templates yet. Let the consent name {station} "
                "alone, and enrol the member at the other station too."
            )
            raise Problem(422, "station-cannot-receive-templates", detail)
        now = self._clock.now()
        if order.consent.expires_at <= now:
            raise Problem(422, "consent-expired", "The consent has ended already: ask the member for a new one.")
        consent = order.consent.model_copy(update={"given_at": now, "stations": (station,)})

        def record(connection: sa.Connection) -> None:
            if connection.scalar(sa.select(stations.c.id).where(stations.c.id == station)) is None:
                raise Problem(404, "no-such-station", f"There is no station {station}.")
            if not _known(connection, order.member).active:
                raise Problem(409, "member-suspended", "A suspended member's face is not enrolled: restore them first.")
            connection.execute(
                face_consents.insert().values(
                    member=order.member,
                    station=station,
                    stations=list(consent.stations),
                    purpose=consent.purpose,
                    given_at=now,
                    expires_at=consent.expires_at,
                    recorded_by=actor,
                )
            )

        await self._database.write(record)
        return order.model_copy(update={"consent": consent})

    async def run(self) -> None:
        noticed_s = float("-inf")
        while True:
            self._wake.clear()
            if self._notice or self._clock.monotonic() - noticed_s > NOTICE_S:
                self._notice, noticed_s = False, self._clock.monotonic()
                await self._database.write(partial(queries.forgotten, now=self._clock.now()))
            await self._send_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def _send_due(self) -> None:
        now_s = self._clock.monotonic()
        waiting = await self._database.read(queries.waiting)
        self._sent = {station: sent for station, sent in self._sent.items() if station in waiting}
        for station, erasures in waiting.items():
            erasures = erasures[:ENTRIES_MAX]
            entries = [str(erasure.id) for erasure in erasures]
            at_s, before = self._sent.get(station, (float("-inf"), []))
            if not self._online(station) or (before == entries and now_s - at_s < RESEND_S):
                continue
            document = Erasures(station=station, erasures=tuple(erasures))
            payload = sign("document", document.model_dump_json(), self._key)
            if await self._downlink.send(station, Down.DOCUMENT, payload):
                self._sent[station] = now_s, entries


def _known(connection: sa.Connection, member: str) -> sa.Row[Any]:
    row = connection.execute(members.select().where(members.c.id == member)).first()
    if row is None:
        raise Problem(404, "no-such-member", f"There is no member {member}.")
    return row

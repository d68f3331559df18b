"""Makes the roster of every station and brings it there.

A roster's version rises when what it says has changed (its digest tells), and once a day, because a station stops
trusting one that is too old. It is pushed when it changes, and whenever a station reports an older version.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloud_hub.clock import Clock
from cloud_hub.documents import Courier
from cloud_hub.downlink import Downlink
from cloud_hub.keys import Keys
from cloud_hub.storage.bulk import upsert
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import members, phone_keys, rosters, stations
from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey, RevokedKey, Roster, RosterMember
from station_agent.wire.membership_code import public_sha256
from station_agent.wire.signed import packed, sign

log = logging.getLogger(__name__)

ROSTER_KEYS_MAX = 4  # of one member: phones that people really use
ROSTER_REVOKED_MAX = 5000

RENEWED_AFTER = timedelta(days=1)
_LOOK_EVERY_S = 600.0
_ISSUERS_LOOK_EVERY_S = 5.0  # an issuer key that was stolen is withdrawn on the command line, beside this process


@dataclass(frozen=True, slots=True)
class Contents:
    """What every station's roster says."""

    issuers: tuple[IssuerKey, ...]
    members: tuple[RosterMember, ...]
    revoked: tuple[RevokedKey, ...]

    def digest(self) -> str:
        text = hashlib.sha256()
        for row in (*self.issuers, *self.members, *self.revoked):
            text.update(row.model_dump_json().encode() + b"\n")
        return text.hexdigest()


def contents(connection: sa.Connection, keys: Keys, now: datetime) -> Contents:
    phones: dict[str, list[PhoneKey]] = {}
    revoked = []
    query = phone_keys.select().where(phone_keys.c.not_after > now)
    for row in connection.execute(query.order_by(phone_keys.c.created_at.desc(), phone_keys.c.public)):
        if row.revoked_at is not None:
            revoked.append(RevokedKey(sha256=public_sha256(bytes.fromhex(row.public)), until=row.not_after))
            continue
        known = phones.setdefault(row.member, [])
        if len(known) < ROSTER_KEYS_MAX:  # an older one opens by its certificate
            key = PhoneKey(kid=row.kid, algorithm=Algorithm(row.algorithm), public=row.public, not_after=row.not_after)
            known.append(key)
    if len(revoked) > ROSTER_REVOKED_MAX:
        log.error("%d revoked phone keys, a roster holds %d: the oldest open again", len(revoked), ROSTER_REVOKED_MAX)
    return Contents(
        keys.issuers.known(now),
        tuple(
            RosterMember(id=row.id, active=row.active, valid_until=row.valid_until, keys=tuple(phones.get(row.id, ())))
            for row in connection.execute(members.select().order_by(members.c.id))
        ),
        tuple(revoked[:ROSTER_REVOKED_MAX]),
    )


class RosterService:
    """`run()` makes and pushes; `changed()` and `reported()` only note what it has to do."""

    def __init__(
        self, database: Database, clock: Clock, keys: Keys, downlink: Downlink, online: Callable[[str], bool]
    ) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._courier = Courier(clock, downlink, online, self._signed)
        self._stale = True
        self._renewed_s = 0.0
        self._issuers_seen = keys.issuers.stamp

    def changed(self) -> None:
        """Members, keys or stations changed."""
        self._stale = True
        self._courier.wake()

    def reported(self, station: str, version: int) -> None:
        """A station told which roster it runs."""
        self._courier.reported(station, version)

    async def run(self) -> None:
        while True:
            self._courier.begin()
            if self._issuers_seen != self._keys.issuers.stamp:
                self._issuers_seen = self._keys.issuers.stamp
                self._stale = True
            if self._stale:
                self._stale = False
                await self._renew()
            await self._courier.push_due()
            if self._clock.monotonic() - self._renewed_s > _LOOK_EVERY_S:
                self._stale = True
                continue
            await self._courier.wait(_ISSUERS_LOOK_EVERY_S)

    async def _renew(self) -> None:
        now = self._clock.now()
        text = await self._database.read(lambda c: contents(c, self._keys, now).digest())

        def renew(connection: sa.Connection) -> dict[str, int]:
            old = {row.station: row for row in connection.execute(rosters.select())}
            new = []
            for station in connection.scalars(sa.select(stations.c.id)):
                known = old.get(station)
                if known and known.digest == text and now - known.issued_at < RENEWED_AFTER:
                    continue
                version = known.version + 1 if known else 1
                new.append({"station": station, "version": version, "digest": text, "issued_at": now})
            upsert(connection, rosters, new)
            return {row.station: row.version for row in connection.execute(rosters.select())}

        versions = await self._database.write(renew)
        self._renewed_s = self._clock.monotonic()
        self._courier.newest(versions)

    async def _signed(self, station: str) -> bytes | None:
        def build(connection: sa.Connection) -> bytes | None:
            row = connection.execute(rosters.select().where(rosters.c.station == station)).one()
            says = contents(connection, self._keys, self._clock.now())
            if says.digest() != row.digest:
                return None  # it changed in this moment; another version is about to be made
            roster = Roster(
                station=station,
                version=row.version,
                issued_at=row.issued_at,
                issuers=says.issuers,
                members=says.members,
                revoked=says.revoked,
            )
            return packed(sign("document", roster.model_dump_json(), self._keys.hub))

        payload = await self._database.read(build)
        if payload is None:
            self.changed()
        return payload

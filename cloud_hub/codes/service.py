"""The member's phone: one-time tickets, sessions, certified keys. The private key never leaves the phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.codes.issuers import CERTIFICATE_LIFETIME
from cloud_hub.codes.models import (
    DemoMember,
    NewPhoneKey,
    PhoneKeyCertificate,
    PhoneKeyRow,
    PhoneMember,
    PhoneTicket,
    Visit,
    Visits,
)
from cloud_hub.keys import Keys
from cloud_hub.members.models import Occupation
from cloud_hub.problems import Problem
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import members, phone_keys, phone_sessions, phone_tickets, stations, visits
from cloud_hub.tokens import new_token, token_hash
from station_agent.wire import membership_code
from station_agent.wire.documents import Algorithm
from station_agent.wire.kinds import Credential

TICKET_LIFETIME = timedelta(seconds=60)
PHONE_LIFETIME = timedelta(days=30)
KEYS_MAX = 50  # of one member, made within CERTIFICATE_LIFETIME; a roster holds the newest four that are not revoked
VISITS_SHOWN = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CodeService:
    def __init__(self, database: Database, clock: Clock, keys: Keys, changed: Callable[[], None]) -> None:
        """`changed` is called when a key was registered, so that the rosters follow."""
        self._database = database
        self._clock = clock
        self._keys = keys
        self._changed = changed

    async def issue_ticket(self, member: str, issuer: str) -> PhoneTicket:
        """Raises Problem 404."""
        token = new_token()
        now = self._clock.now()

        def insert(connection: sa.Connection) -> None:
            _member(connection, member)
            connection.execute(phone_tickets.delete().where(phone_tickets.c.expires_at <= now))
            connection.execute(
                phone_tickets.insert().values(
                    token_hash=token_hash(token), member=member, expires_at=now + TICKET_LIFETIME
                )
            )
            audit.record(connection, now, issuer, "phone.ticket", member)

        await self._database.write(insert)
        return PhoneTicket(url=f"/m?t={token}", expires_at=now + TICKET_LIFETIME)

    async def use_ticket(self, ticket: str) -> tuple[str, str]:
        """The member and a new phone session's token. Raises Problem 401 for a used, old or unknown ticket."""
        token = new_token()
        now = self._clock.now()

        def begin(connection: sa.Connection) -> str:
            used = connection.execute(
                phone_tickets.delete()
                .where(phone_tickets.c.token_hash == token_hash(ticket))
                .returning(phone_tickets.c.member, phone_tickets.c.expires_at)
            ).first()
            if used is None or used.expires_at <= now:
                raise Problem(401, "ticket-used-up", "This link was used or is too old: open the page again.")
            connection.execute(phone_sessions.delete().where(phone_sessions.c.expires_at <= now))
            connection.execute(
                phone_sessions.insert().values(
                    token_hash=token_hash(token), member=used.member, expires_at=now + PHONE_LIFETIME
                )
            )
            return str(used.member)

        return await self._database.write(begin), token

    async def member_of(self, token: str) -> str | None:
        query = sa.select(phone_sessions.c.member).where(
            phone_sessions.c.token_hash == token_hash(token), phone_sessions.c.expires_at > self._clock.now()
        )
        return await self._database.read(lambda c: c.scalar(query))

    async def phone_member(self, member: str) -> PhoneMember:
        row = await self._database.read(lambda c: _member(c, member))
        return PhoneMember(
            member=row.id,
            name=row.name,
            occupation=Occupation(row.occupation),
            active=row.active,
            valid_until=row.valid_until,
            server_time=self._clock.now(),
        )

    async def register_key(self, member: str, new: NewPhoneKey) -> PhoneKeyCertificate:
        """Certifies the key. Raises Problem 422 for what is no public key."""
        public = bytes.fromhex(new.public)
        if not _is_public(new.algorithm, public):
            raise Problem(422, "not-a-key", f"public is not the 33 bytes of an {new.algorithm} key (see /docs).")
        now = self._clock.now()
        day = (now + CERTIFICATE_LIFETIME - _EPOCH).days
        issuer = self._keys.issuers.current(now)
        certificate = membership_code.certify(issuer.key, issuer.kid, member, public, day)
        kid = membership_code.public_kid(public)
        key = phone_keys.c

        def replace(connection: sa.Connection) -> None:
            connection.execute(phone_keys.delete().where(key.member == member, key.not_after <= now))
            kept = {row.public: row for row in connection.execute(phone_keys.select().where(key.member == member))}
            if new.public in kept and kept[new.public].revoked_at is not None:
                raise Problem(409, "key-revoked", "This key was revoked: the phone needs a new one.")
            if len(kept) >= KEYS_MAX and new.public not in kept:
                raise Problem(
                    429, "too-many-keys", f"{KEYS_MAX} phones of this member are known: try again in some days."
                )
            connection.execute(phone_keys.delete().where(key.member == member, key.public == new.public))
            connection.execute(
                phone_keys.insert().values(
                    member=member,
                    public=new.public,
                    kid=kid,
                    algorithm=new.algorithm,
                    not_after=certificate.not_after,
                    created_at=now,
                )
            )
            audit.record(connection, now, f"member:{member}", "phone.key", member, {"kid": kid})

        await self._database.write(replace)
        self._changed()
        return PhoneKeyCertificate(
            kid=kid,
            certificate=membership_code.certificate_bytes(certificate).hex(),
            not_after=certificate.not_after,
        )

    async def keys(self, member: str) -> list[PhoneKeyRow]:
        """Keys whose certificates may still be shown, newest first. Raises Problem 404."""
        key = phone_keys.c
        query = phone_keys.select().where(key.member == member, key.not_after > self._clock.now())

        def read(connection: sa.Connection) -> list[PhoneKeyRow]:
            _member(connection, member)
            return [
                PhoneKeyRow(
                    public=row.public,
                    kid=row.kid,
                    algorithm=Algorithm(row.algorithm),
                    created_at=row.created_at,
                    not_after=row.not_after,
                    revoked_at=row.revoked_at,
                )
                for row in connection.execute(query.order_by(key.created_at.desc(), key.public))
            ]

        return await self._database.read(read)

    async def revoke_key(self, member: str, public: str, actor: str, keep_session: str | None = None) -> None:
        """The phone was lost: its key opens nothing any more, and whoever has it can register no other.

        Every phone session of the member ends, except the one with the token `keep_session`. Raises Problem 404.
        """
        now, key, session = self._clock.now(), phone_keys.c, phone_sessions.c

        def revoke(connection: sa.Connection) -> None:
            found = connection.execute(
                phone_keys.update()
                .where(key.member == member, key.public == public, key.not_after > now)
                .values(revoked_at=sa.func.coalesce(key.revoked_at, sa.bindparam("now", now, key.revoked_at.type)))
            )
            if found.rowcount == 0:
                raise Problem(404, "no-such-key", "This member has no such phone key.")
            kept = token_hash(keep_session) if keep_session else ""
            connection.execute(phone_sessions.delete().where(session.member == member, session.token_hash != kept))
            kid = membership_code.public_kid(bytes.fromhex(public))
            audit.record(connection, now, actor, "phone.revoke", member, {"kid": kid})

        await self._database.write(revoke)
        self._changed()

    async def visits(self, member: str) -> Visits:
        query = (
            sa.select(visits, stations.c.profile)
            .join(stations, stations.c.id == visits.c.station)
            .where(visits.c.member == member)
            .order_by(visits.c.at.desc())
            .limit(VISITS_SHOWN)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return Visits(
            items=[
                Visit(
                    station=row.station,
                    station_name=row.profile["station"]["name"],
                    at=row.at,
                    credential=Credential(row.credential),
                )
                for row in rows
            ]
        )

    async def demo_members(self) -> list[DemoMember]:
        query = members.select().where(members.c.active).order_by(members.c.name).limit(200)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [DemoMember(member=row.id, name=row.name, occupation=Occupation(row.occupation)) for row in rows]


def _member(connection: sa.Connection, member: str) -> sa.Row[tuple[object, ...]]:
    row = connection.execute(members.select().where(members.c.id == member)).first()
    if row is None:
        raise Problem(404, "no-such-member", f"There is no member {member}.")
    return row


def _is_public(algorithm: Algorithm, public: bytes) -> bool:
    if algorithm is Algorithm.ED25519:
        return public[0] == 0
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        return False
    return True

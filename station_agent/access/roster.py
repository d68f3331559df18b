"""The roster (名册): the members that this station knows, in memory for the door, in the store over a restart.

A new one comes as a signed document. It is taken whole or not at all, and only when its version is above the
version held: an old one that somebody replays changes nothing. Until the store has committed it the last good
one stays in force.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError
from sqlite_utils import Database

from station_agent.wire.documents import IssuerKey, PhoneKey, Roster, RosterMember
from station_agent.wire.signed import open_signed

_KEYS = TypeAdapter(tuple[PhoneKey, ...])
_ISSUERS = TypeAdapter(tuple[IssuerKey, ...])


class RosterRefused(Exception):
    """A roster that is not for here or not newer; the message says which."""


@dataclass(frozen=True, slots=True)
class HeldRoster:
    """The roster as decisions use it."""

    version: int
    issued_at: datetime
    issuers: Mapping[int, IssuerKey]
    members: Mapping[str, RosterMember]

    @classmethod
    def of(cls, roster: Roster) -> HeldRoster:
        return cls(
            version=roster.version,
            issued_at=roster.issued_at,
            issuers={issuer.kid: issuer for issuer in roster.issuers},
            members={member.id: member for member in roster.members},
        )


def read_signed(payload: bytes, keys: Mapping[str, Ed25519PublicKey], station: str, held: int) -> Roster:
    """A roster that may be applied over version `held` (0: none). Raises Forged, RosterRefused."""
    body = open_signed("document", payload, keys)
    try:
        roster = Roster.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RosterRefused(f"no roster: {where}: {first['msg']}") from error
    if roster.station != station:
        raise RosterRefused(f"a roster of station {roster.station}")
    if roster.version <= held:
        raise RosterRefused(f"roster version {roster.version}, version {held} is held")
    return roster


def prepare(db: Database) -> None:
    """Store job: make the tables."""
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS roster (version INTEGER NOT NULL, issued_at TEXT NOT NULL, issuers TEXT NOT NULL)"
    )
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS roster_members (id TEXT PRIMARY KEY, active INTEGER NOT NULL,"
        " valid_until TEXT, keys TEXT NOT NULL) WITHOUT ROWID"
    )


def keep(db: Database, roster: Roster) -> None:
    """Within a store job: replace what is held."""
    db.conn.execute("DELETE FROM roster")
    db.conn.execute("DELETE FROM roster_members")
    db.conn.execute(
        "INSERT INTO roster VALUES (?, ?, ?)",
        (roster.version, roster.issued_at.isoformat(), _ISSUERS.dump_json(roster.issuers).decode()),
    )
    db.conn.executemany(
        "INSERT INTO roster_members VALUES (?, ?, ?, ?)",
        (
            (
                member.id,
                member.active,
                member.valid_until.isoformat() if member.valid_until else None,
                _KEYS.dump_json(member.keys).decode(),
            )
            for member in roster.members
        ),
    )


def load(db: Database) -> HeldRoster | None:
    """Store job: what was kept; None before the first roster."""
    head = db.conn.execute("SELECT version, issued_at, issuers FROM roster").fetchone()
    if head is None:
        return None
    version, issued_at, issuers = head
    members = {
        id: RosterMember(
            id=id,
            active=bool(active),
            valid_until=datetime.fromisoformat(valid_until) if valid_until else None,
            keys=_KEYS.validate_python(json.loads(keys)),
        )
        for id, active, valid_until, keys in db.conn.execute("SELECT id, active, valid_until, keys FROM roster_members")
    }
    return HeldRoster(
        version=version,
        issued_at=datetime.fromisoformat(issued_at),
        issuers={issuer.kid: issuer for issuer in _ISSUERS.validate_json(issuers)},
        members=members,
    )

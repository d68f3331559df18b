"""The roster over a restart: tables of the station's store, written and read by its jobs only.

Until the store has committed a new roster the last good one stays in force.
"""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import TypeAdapter
from sqlite_utils import Database

from station_agent.access.roster import HeldRoster
from station_agent.wire.documents import IssuerKey, PhoneKey, Roster, RosterMember

_KEYS = TypeAdapter(tuple[PhoneKey, ...])
_ISSUERS = TypeAdapter(tuple[IssuerKey, ...])


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

"""The roster over a restart: tables of the station's store, written and read by its jobs only.

Until the store has committed a new roster the last good one stays in force.
"""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import TypeAdapter
from sqlite_utils import Database

from station_agent.access.members import Members
from station_agent.access.roster import HeldRoster
from station_agent.wire.documents import IssuerKey, PhoneKey
from station_agent.wire.rules import MEMBER_ROLE

_KEYS = TypeAdapter(tuple[PhoneKey, ...])
_ISSUERS = TypeAdapter(tuple[IssuerKey, ...])
_ROLE = f"role TEXT NOT NULL DEFAULT '{MEMBER_ROLE}'"


def prepare(db: Database) -> None:
    """Store job: make the tables."""
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS roster (version INTEGER NOT NULL, issued_at TEXT NOT NULL, issuers TEXT NOT NULL)"
    )
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS roster_members (id TEXT PRIMARY KEY, active INTEGER NOT NULL,"
        " valid_until TEXT, keys TEXT NOT NULL) WITHOUT ROWID"
    )
    for table, column in (("roster", "revoked TEXT NOT NULL DEFAULT ''"), ("roster_members", _ROLE)):  # from 0.2 on
        if column.split()[0] not in {row[1] for row in db.conn.execute(f"PRAGMA table_info({table})")}:
            db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def keep(db: Database, roster: HeldRoster) -> None:
    """Within a store job: replace what is held."""
    db.conn.execute("DELETE FROM roster")
    db.conn.execute("DELETE FROM roster_members")
    db.conn.execute(
        "INSERT INTO roster (version, issued_at, issuers, revoked) VALUES (?, ?, ?, ?)",
        (
            roster.version,
            roster.issued_at.isoformat(),
            _ISSUERS.dump_json(tuple(roster.issuers.values())).decode(),
            " ".join(sorted(roster.revoked)),
        ),
    )
    db.conn.executemany(
        "INSERT INTO roster_members (id, active, valid_until, keys, role) VALUES (?, ?, ?, ?, ?)",
        (
            (
                member.id,
                member.active,
                member.valid_until.isoformat() if member.valid_until else None,
                _KEYS.dump_json(member.keys).decode(),
                member.role,
            )
            for member in roster.members.values()
        ),
    )


def load(db: Database) -> HeldRoster | None:
    """Store job: what was kept; None before the first roster."""
    head = db.conn.execute("SELECT version, issued_at, issuers, revoked FROM roster").fetchone()
    if head is None:
        return None
    version, issued_at, issuers, revoked = head
    # What stands there was checked when it was written: the rows become JSON again, and no model is made of them.
    members = {
        id: (
            f'{{"id":"{id}","active":{"true" if active else "false"},'
            f'"valid_until":{json.dumps(valid_until)},"keys":{keys},"role":{json.dumps(role)}}}'
        ).encode()
        for id, active, valid_until, keys, role in db.conn.execute(
            "SELECT id, active, valid_until, keys, role FROM roster_members"
        )
    }
    return HeldRoster(
        version=version,
        issued_at=datetime.fromisoformat(issued_at),
        issuers={issuer.kid: issuer for issuer in _ISSUERS.validate_json(issuers)},
        members=Members(members),
        revoked=frozenset(revoked.split()),
    )

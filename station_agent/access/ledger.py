"""Grants on disk: what must outlive a crash between a decision and its consequences.

One row a grant, written right after the release frame has left (docs/decisions/0003): from it a restart knows
which codes are used, which grants still wait for their opening, and which decisions nobody has told yet.
Everything here runs within a store job; a row goes minutes after nothing depends on it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlite_utils import Database

from station_agent.access.attempts import UsedCode
from station_agent.access.door import Pass
from station_agent.telemetry.spool import Stamp
from station_agent.wire.kinds import Credential, Reason, Remark

KEPT = timedelta(minutes=5)
"""Far longer than a code or a release lives."""

_COLUMNS = (
    "attempt, credential, member, reader, reason, detail, head, made_at, at, boot, mono_ms, told, waiting,"
    " person, remarks, hold_s"
)


@dataclass(frozen=True, slots=True)
class KeptGrant:
    entry: Pass
    reader: str
    reason: Reason
    detail: str
    code: UsedCode | None
    stamp: Stamp
    told: bool = False  # its AccessDecided is in the spool
    waiting: bool = True  # for an opening
    person: str | None = None
    remarks: tuple[Remark, ...] = ()


def prepare(db: Database) -> None:
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS grants (attempt TEXT PRIMARY KEY, credential TEXT NOT NULL, member TEXT,"
        " reader TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, head BLOB, made_at TEXT,"
        " at TEXT NOT NULL, boot TEXT NOT NULL, mono_ms INTEGER NOT NULL,"
        " told INTEGER NOT NULL, waiting INTEGER NOT NULL) WITHOUT ROWID"
    )
    # Not there in older stores.
    for column in ("person TEXT", "remarks TEXT NOT NULL DEFAULT ''", "hold_s REAL"):
        if column.split()[0] not in {row[1] for row in db.conn.execute("PRAGMA table_info(grants)")}:
            db.conn.execute(f"ALTER TABLE grants ADD COLUMN {column}")


def add(db: Database, grant: KeptGrant) -> None:
    code, stamp = grant.code, grant.stamp
    db.conn.execute("DELETE FROM grants WHERE told AND NOT waiting AND at < ?", ((stamp.at - KEPT).isoformat(),))
    db.conn.execute(
        f"INSERT INTO grants ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            str(grant.entry.attempt),
            grant.entry.credential,
            grant.entry.member,
            grant.reader,
            grant.reason,
            grant.detail,
            code.head if code else None,
            code.made_at.isoformat() if code else None,
            stamp.at.isoformat(),
            stamp.boot,
            stamp.mono_ms,
            grant.told,
            grant.waiting,
            grant.person,
            " ".join(grant.remarks),
            grant.entry.hold_s,
        ),
    )


def told(db: Database, attempt: UUID) -> None:
    """The decision is an event in the spool (in this very commit)."""
    db.conn.execute("UPDATE grants SET told = 1 WHERE attempt = ?", (str(attempt),))


def settled(db: Database, attempt: UUID) -> None:
    """An opening has confirmed the grant, or none came."""
    db.conn.execute("UPDATE grants SET waiting = 0 WHERE attempt = ?", (str(attempt),))


def load(db: Database) -> list[KeptGrant]:
    """Every grant that is kept, oldest first."""
    return [
        KeptGrant(
            entry=Pass(UUID(attempt), Credential(credential), member, hold_s),
            reader=reader,
            reason=Reason(reason),
            detail=detail,
            code=UsedCode(head, datetime.fromisoformat(made_at)) if head is not None else None,
            stamp=Stamp(datetime.fromisoformat(at), boot, mono_ms),
            told=bool(was_told),
            waiting=bool(waiting),
            person=person,
            remarks=tuple(map(Remark, remarks.split())),
        )
        for (
            attempt,
            credential,
            member,
            reader,
            reason,
            detail,
            head,
            made_at,
            at,
            boot,
            mono_ms,
            was_told,
            waiting,
            person,
            remarks,
            hold_s,
        ) in db.conn.execute(f"SELECT {_COLUMNS} FROM grants ORDER BY at")  # noqa: S608
    ]

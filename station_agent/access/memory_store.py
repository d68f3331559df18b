"""What the door remembers (memory.py, presence.py), over a restart: jobs of the station's store.

    bad_tries    who failed how often, and how long they wait
    entries      who was let in, and whether the door opened after it; a day at most
    guest_uses   how often each guest's code has let somebody in

Monotonic times mean nothing to another boot of the machine: an entry is kept by the time of day, a wait by how much
of it was left.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlite_utils import Database

from station_agent.access.attempts import Now
from station_agent.access.memory import Failures
from station_agent.access.presence import ENTRIES_MAX, Entry

KEPT = timedelta(days=1)
"""The longest stay that rules may assume."""


def prepare(db: Database) -> None:
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS bad_tries (name TEXT PRIMARY KEY, count INTEGER NOT NULL, waits INTEGER NOT NULL,"
        " wait_s REAL NOT NULL, at TEXT NOT NULL) WITHOUT ROWID"
    )
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS entries (attempt TEXT PRIMARY KEY, who TEXT, key TEXT NOT NULL, at TEXT NOT NULL,"
        " entered INTEGER NOT NULL, left_at TEXT) WITHOUT ROWID"
    )
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS guest_uses (guest TEXT PRIMARY KEY, uses INTEGER NOT NULL, until TEXT NOT NULL)"
        " WITHOUT ROWID"
    )


# --- within the commit of a denial ---


def failed(db: Database, found: Mapping[str, Failures], now: Now) -> None:
    for name, one in found.items():
        db.conn.execute(
            "INSERT OR REPLACE INTO bad_tries VALUES (?, ?, ?, ?, ?)",
            (name, one.count, one.waits, max(0.0, one.locked_until - now.mono_s), now.utc.isoformat()),
        )
    db.conn.execute("DELETE FROM bad_tries WHERE at < ?", ((now.utc - KEPT).isoformat(),))


def forgiven(db: Database, name: str) -> None:
    db.conn.execute("DELETE FROM bad_tries WHERE name = ?", (name,))


# --- within the commit of a grant ---


def granted(db: Database, entry: Entry, at: datetime) -> None:
    db.conn.execute("DELETE FROM entries WHERE at < ?", ((at - KEPT).isoformat(),))
    db.conn.execute(
        "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, 0, NULL)",
        (str(entry.attempt), entry.who, entry.key, at.isoformat()),
    )


def guest_used(db: Database, guest: str, until: datetime, now: datetime) -> None:
    db.conn.execute("DELETE FROM guest_uses WHERE until < ?", (now.isoformat(),))
    db.conn.execute(
        "INSERT INTO guest_uses VALUES (?, 1, ?) ON CONFLICT (guest) DO UPDATE SET uses = uses + 1, until = ?2",
        (guest, until.isoformat()),
    )


# --- what became of it ---


def entered(db: Database, attempt: UUID) -> None:
    db.conn.execute("UPDATE entries SET entered = 1 WHERE attempt = ?", (str(attempt),))


def lapsed(db: Database, attempt: UUID, guest: str | None) -> None:
    db.conn.execute("DELETE FROM entries WHERE attempt = ?", (str(attempt),))
    if guest is not None:
        db.conn.execute("UPDATE guest_uses SET uses = max(0, uses - 1) WHERE guest = ?", (guest,))


def left(db: Database, attempt: UUID, at: datetime) -> None:
    db.conn.execute("UPDATE entries SET left_at = ? WHERE attempt = ?", (at.isoformat(), str(attempt)))


# --- at the start ---


def load_failures(db: Database, now: Now) -> dict[str, Failures]:
    """Whoever still had to wait waits on: as long as was left when it was written, and from now."""
    found = {}
    for name, count, waits, wait_s, at in db.conn.execute("SELECT name, count, waits, wait_s, at FROM bad_tries"):
        gone_s = max(0.0, (now.utc - datetime.fromisoformat(at)).total_seconds()) if now.trusted else 0.0
        last = now.mono_s - gone_s
        found[name] = Failures(count, waits, last + wait_s if wait_s else 0.0, last)
    return found


def load_entries(db: Database, now: Now) -> list[tuple[Entry, float | None]]:
    """Whoever entered, oldest first, and when somebody was seen to leave in their stead. Never in the future."""

    def mono(at: str) -> float:
        return now.mono_s - max(0.0, (now.utc - datetime.fromisoformat(at)).total_seconds())

    rows = db.conn.execute(
        "SELECT attempt, who, key, at, left_at FROM entries WHERE entered ORDER BY at DESC LIMIT ?", (ENTRIES_MAX,)
    ).fetchall()
    return [
        (Entry(UUID(attempt), who, key, mono(at), True), mono(left_at) if left_at else None)
        for attempt, who, key, at, left_at in reversed(rows)
    ]


def load_guest_uses(db: Database) -> list[tuple[str, int, datetime]]:
    return [
        (guest, uses, datetime.fromisoformat(until))
        for guest, uses, until in db.conn.execute("SELECT guest, uses, until FROM guest_uses")
    ]

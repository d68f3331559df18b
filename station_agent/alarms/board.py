"""The alarms that stand. Raised once, cleared once; an alarm that stood before a restart still stands after it."""

from __future__ import annotations

from sqlite_utils import Database

from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store
from station_agent.wire.events import AlarmCleared, AlarmRaised
from station_agent.wire.kinds import AlarmKind

Standing = frozenset[tuple[AlarmKind, str]]


def prepare(db: Database) -> Standing:
    """Store job: make the table; the alarms that stand."""
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS alarms (alarm TEXT NOT NULL, subject TEXT NOT NULL, PRIMARY KEY (alarm, subject))"
        " WITHOUT ROWID"
    )
    return frozenset(
        (AlarmKind(alarm), subject) for alarm, subject in db.conn.execute("SELECT alarm, subject FROM alarms")
    )


class AlarmBoard:
    """Made by `AlarmBoard.open`. The change of the table and its event are one commit."""

    def __init__(self, spool: Spool, standing: Standing) -> None:
        self._spool = spool
        self._standing = set(standing)

    @classmethod
    async def open(cls, store: Store, spool: Spool) -> AlarmBoard:
        return cls(spool, await store.submit(prepare))

    def standing(self, subject: str) -> frozenset[AlarmKind]:
        return frozenset(alarm for alarm, of in self._standing if of == subject)

    def all_standing(self) -> Standing:
        return frozenset(self._standing)

    def raise_alarm(self, alarm: AlarmKind, subject: str, detail: str) -> None:
        if (alarm, subject) in self._standing:
            return
        self._standing.add((alarm, subject))
        self._spool.record(
            AlarmRaised(alarm=alarm, subject=subject, detail=detail[:500]),
            also=lambda db: db.conn.execute("INSERT OR IGNORE INTO alarms VALUES (?, ?)", (alarm, subject)),
        )

    def clear_alarm(self, alarm: AlarmKind, subject: str) -> None:
        if (alarm, subject) not in self._standing:
            return
        self._standing.discard((alarm, subject))
        self._spool.record(
            AlarmCleared(alarm=alarm, subject=subject),
            also=lambda db: db.conn.execute("DELETE FROM alarms WHERE alarm = ? AND subject = ?", (alarm, subject)),
        )

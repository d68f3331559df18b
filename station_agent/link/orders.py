"""Carries out the hub's orders: the shell of the inbox.

    judge --> ACCEPTED and the id, one commit --> expiry once more --> do it --> final progress

The id is on disk *before* the effect: an order whose station died in the middle is never begun a second time. At
the next start it is told as failed, because nobody can say what it did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlite_utils import Database

from station_agent.clock import SystemClock
from station_agent.link.inbox import Execute, Ignore, Refuse, Seen, expired, judge
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import Store, StoreClosed, StoreFull
from station_agent.wire.commands import Command
from station_agent.wire.events import CommandProgress
from station_agent.wire.kinds import CommandKind, CommandStatus

log = logging.getLogger(__name__)

AT_ONCE_MAX = 16
"""Orders under way; a manager's click is one, and an enrolment takes ten seconds."""

DETAIL_MAX = 500


@dataclass(frozen=True, slots=True)
class Done:
    """What a handler says when the effect is confirmed."""

    detail: str = ""
    result: dict[str, Any] = field(default_factory=dict)


class OrderRefused(Exception):
    """The station will not do this, and the message says why."""


class OrderFailed(Exception):
    """The station tried; the message says what was in the way."""

    def __init__(self, detail: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.result = result or {}


Handler = Callable[[Command], Awaitable[Done]]


def prepare(db: Database, now: datetime) -> tuple[Seen, list[UUID]]:
    """Store job: the ids that are still remembered, and those whose end was never told."""
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, expires_at TEXT NOT NULL, ended INTEGER NOT NULL)"
        " WITHOUT ROWID"
    )
    seen, unended = Seen(), []
    for id, expires_at, ended in db.conn.execute("SELECT id, expires_at, ended FROM orders"):
        seen.add(UUID(id), datetime.fromisoformat(expires_at), now)
        if not ended:
            unended.append(UUID(id))
    return seen, unended


class Orders:
    """`received` takes what came on the command topic; everything else follows by itself."""

    def __init__(
        self,
        station: str,
        keys: Mapping[str, Ed25519PublicKey],
        *,
        store: Store,
        spool: Spool,
        clock: SystemClock,
        reject: Callable[[str, str], None],
    ) -> None:
        self._station = station
        self._keys = keys
        self._store = store
        self._spool = spool
        self._clock = clock
        self._reject = reject
        self._seen = Seen()
        self._tasks: set[asyncio.Task[None]] = set()
        self.handlers: dict[CommandKind, Handler] = {}

    async def load(self) -> None:
        """Remember the ids of before the restart; tell what became of orders that it cut short."""
        now = self._clock.now()
        self._seen, unended = await self._store.submit(lambda db: prepare(db, now))
        for id in unended:
            self._end(id, CommandStatus.FAILED, "the station restarted before the outcome was known", {})

    def received(self, payload: bytes) -> None:
        """Judge and begin; called on the loop, returns at once."""
        now = self._clock.now()
        verdict = judge(
            payload,
            station=self._station,
            keys=self._keys,
            seen=self._seen,
            now=now,
            clock_trusted=self._clock.trusted(),
        )
        match verdict:
            case Ignore(reason):
                log.warning("an order is ignored: %s", reason)
                self._reject("command", reason)
            case Refuse(id, status, detail, expires_at):
                log.warning("order %s is %s: %s", id, status, detail)
                self._seen.add(id, expires_at, now)
                self._end(id, status, detail, {}, expires_at)
            case Execute(command):
                self._clock.passed(command.issued_at)
                self._seen.add(command.id, command.expires_at, now)
                self._begin(command)

    async def close(self) -> None:
        """Orders under way are cut short; the next start tells them as failed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, command: Command) -> None:
        handler = self.handlers.get(command.order.kind)
        if handler is None:
            self._end(
                command.id,
                CommandStatus.REFUSED,
                f"this station has nothing that does {command.order.kind}",
                {},
                command.expires_at,
            )
        elif len(self._tasks) >= AT_ONCE_MAX:
            detail = f"{AT_ONCE_MAX} orders are under way already"
            self._end(command.id, CommandStatus.REFUSED, detail, {}, command.expires_at)
        else:
            task = asyncio.create_task(self._carry_out(command, handler), name=f"order {command.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, command: Command, handler: Handler) -> None:
        accepted = CommandProgress(command=command.id, status=CommandStatus.ACCEPTED)
        try:
            await self._spool.commit(accepted, also=lambda db: _add(db, command.id, command.expires_at, ended=False))
        except (StoreClosed, StoreFull) as error:
            log.error("order %s is not begun, its id cannot be kept: %s", command.id, error)
            return
        if expired(command, self._clock.now()):
            self._end(command.id, CommandStatus.EXPIRED, "expired while it was being written down", {})
            return
        log.info("order %s: %s by %s: %s", command.id, command.order.kind, command.actor, command.reason)
        try:
            done = await handler(command)
        except OrderRefused as refused:
            self._end(command.id, CommandStatus.REFUSED, str(refused), {})
        except OrderFailed as failed:
            self._end(command.id, CommandStatus.FAILED, str(failed), failed.result)
        except Exception as error:  # the boundary of the task: the hub must hear of a bug as well
            log.exception("order %s failed by a fault of ours", command.id)
            self._end(command.id, CommandStatus.FAILED, f"a fault of the station's software: {error}", {})
        else:
            self._end(command.id, CommandStatus.DONE, done.detail, done.result)

    def _end(
        self,
        id: UUID,
        status: CommandStatus,
        detail: str,
        result: dict[str, Any],
        expires_at: datetime | None = None,
    ) -> None:
        """The final word. `expires_at` for an order that was never accepted, so that its id is kept as well."""
        progress = CommandProgress(command=id, status=status, detail=detail[:DETAIL_MAX], result=result)
        now = self._clock.now()

        def job(db: Database) -> None:
            if expires_at is not None:
                _add(db, id, expires_at, ended=True)
            db.conn.execute("UPDATE orders SET ended = 1 WHERE id = ?", (str(id),))
            db.conn.execute("DELETE FROM orders WHERE ended AND expires_at < ?", (now.isoformat(),))

        self._spool.record(progress, also=job)


def _add(db: Database, id: UUID, expires_at: datetime, *, ended: bool) -> None:
    db.conn.execute(
        "INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", (str(id), expires_at.astimezone(UTC).isoformat(), ended)
    )

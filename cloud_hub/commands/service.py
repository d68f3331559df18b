"""Sends commands: row, signature, publish, again every second until the station answers or time is over.

A command is in the table before it is on the wire, so a hub that dies in between sends it after its restart, if it
is still in time. It is never retained, and the station refuses it after `expires_at` and a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.commands import queries
from cloud_hub.commands.models import Command
from cloud_hub.downlink import Downlink
from cloud_hub.live.feed import Feed, Message
from cloud_hub.live.models import Topic
from cloud_hub.problems import Problem
from cloud_hub.rules.queries import second_person_needed
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import commands, stations
from station_agent.wire import commands as wire
from station_agent.wire.kinds import CommandKind, CommandStatus
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down

RESEND_S = 1.0
CONFIRM_WITHIN = timedelta(seconds=60)  # the second person is called, and looks; whoever is outside stands in the cold
GRACE = timedelta(seconds=2)  # an answer given at the last moment may still be on its way
OUTSTANDING_MAX = 5_000  # ~1 kB each; more unanswered orders than that is a fault elsewhere

LIFETIMES = {
    CommandKind.DOOR_OPEN: timedelta(seconds=10),
    CommandKind.DOOR_SERVICE: timedelta(seconds=30),
    CommandKind.SIGN_TEXT: timedelta(seconds=30),
    CommandKind.CAMERA_PICTURE: timedelta(seconds=10),
    CommandKind.VIDEO_PUSH: timedelta(seconds=10),
    CommandKind.FACE_ENROL: timedelta(seconds=30),
    CommandKind.FACE_ERASE: timedelta(seconds=60),
}


@dataclass(slots=True)
class _Outstanding:
    station: str
    payload: bytes
    expires_at: datetime
    next_s: float
    sent: bool


class CommandService:
    """`run()` is the courier; every other method may be called while it runs."""

    def __init__(
        self, database: Database, clock: Clock, key: Ed25519PrivateKey, downlink: Downlink, feed: Feed
    ) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._downlink = downlink
        self._feed = feed
        self._outstanding: dict[str, _Outstanding] = {}
        self._unconfirmed: dict[str, datetime] = {}  # command -> until when a second person may confirm it
        self._answers: dict[str, asyncio.Future[Command]] = {}
        self._wake = asyncio.Event()

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    async def carry_out(self, station: str, order: wire.Order, actor: str, reason: str) -> None:
        """Sends the order and returns when the station has done it. Raises Problem when it will not be done."""
        command = await self.send(station, order, actor, reason)
        answer = self._answers.setdefault(str(command.id), asyncio.get_running_loop().create_future())
        try:
            settled = await answer
        finally:
            del self._answers[str(command.id)]
        if settled.status is CommandStatus.EXPIRED:
            raise Problem(504, "no-answer", f"Station {station} did not answer in time: is it online?")
        if settled.status is not CommandStatus.DONE:
            raise Problem(502, f"command-{settled.status}", f"Station {station}: {settled.detail or settled.status}.")

    async def send(
        self, station: str, order: wire.Order, actor: str, reason: str, lifetime: timedelta | None = None
    ) -> Command:
        """Queues the order and sends it at once, or when a second person has confirmed it where the station's rules ask
        for one. `lifetime` None: LIFETIMES'. Raises Problem 404 or 503.
        """
        if len(self._outstanding) + len(self._unconfirmed) >= OUTSTANDING_MAX:
            raise Problem(503, "too-many-commands", f"{OUTSTANDING_MAX} commands wait for an answer: try again soon.")
        now = self._clock.now()
        lifetime = min(lifetime or LIFETIMES[order.kind], wire.LIFETIME_MAX)
        command = wire.Command(
            id=uuid4(),
            station=station,
            order=order,
            actor=actor,
            reason=reason,
            issued_at=now,
            expires_at=now + lifetime,
        )

        def insert(connection: sa.Connection) -> Command:
            if not connection.scalar(sa.select(stations.c.id).where(stations.c.id == station)):
                raise Problem(404, "no-such-station", f"There is no station {station}.")
            needs_second = order.kind is CommandKind.DOOR_OPEN and second_person_needed(connection, station, now)
            confirm_until = now + CONFIRM_WITHIN if needs_second else None
            connection.execute(
                commands.insert().values(
                    id=str(command.id),
                    station=station,
                    kind=order.kind,
                    order=order.model_dump(mode="json"),
                    actor=actor,
                    reason=command.reason,
                    issued_at=now,
                    expires_at=confirm_until or command.expires_at,
                    confirm_until=confirm_until,
                    status=CommandStatus.QUEUED,
                    told_by_station=False,
                    detail="",
                    result={},
                )
            )
            detail = {"command": str(command.id), "kind": order.kind, "reason": command.reason}
            audit.record(connection, now, actor, "command.send", station, detail)
            queued = queries.get(connection, str(command.id))
            assert queued is not None
            return queued

        queued = await self._database.write(insert)
        if queued.confirm_until is None:
            self._take(command)
        else:
            self._unconfirmed[str(command.id)] = queued.confirm_until
            self._wake.set()
        self.tell([queued])
        return queued

    async def confirm(self, command: UUID, confirmer: str) -> Command:
        """Sends a command that waited for a second person. Raises Problem 403, 404 and 409."""
        now, id_ = self._clock.now(), str(command)

        def confirm(connection: sa.Connection) -> Any:
            row = queries.confirm(connection, id_, confirmer, now, now + LIFETIMES[CommandKind.DOOR_OPEN])
            audit.record(connection, now, confirmer, "command.confirm", row.station, {"command": id_, "of": row.actor})
            return row

        row = await self._database.write(confirm)
        self._unconfirmed.pop(id_, None)
        self._take(_command(row))
        confirmed = queries.shown(row)
        self.tell([confirmed])
        return confirmed

    async def get(self, command: UUID) -> Command:
        """Raises Problem 404."""
        found = await self._database.read(lambda c: queries.get(c, str(command)))
        if found is None:
            raise Problem(404, "no-such-command", f"There is no command {command}.")
        return found

    async def of_station(self, station: str, limit: int) -> list[Command]:
        return await self._database.read(lambda c: queries.of_station(c, station, limit))

    def tell(self, changed: Iterable[Command]) -> None:
        """Shows changed commands to whoever watches, and stops sending those that were answered."""
        for command in changed:
            if command.status not in (CommandStatus.QUEUED, CommandStatus.SENT):
                self._outstanding.pop(str(command.id), None)
            answer = self._answers.get(str(command.id))
            if queries.is_settled(command) and answer is not None and not answer.done():
                answer.set_result(command)
            self._feed.publish(Message(Topic.COMMAND, command.station, command.model_dump_json()))

    async def run(self) -> None:
        """Sends what is due; what a hub before us left unanswered comes first."""
        for row in await self._database.read(queries.unanswered):
            if row.confirm_until is not None and row.confirmer is None:
                self._unconfirmed.setdefault(row.id, row.confirm_until)
            elif row.id not in self._outstanding:
                self._take(_command(row), sent=row.status == CommandStatus.SENT)
        while True:
            self._wake.clear()
            await self._send_due()
            await self._expire()
            now_s = self._clock.monotonic()
            waits_s = [o.next_s - now_s for o in self._outstanding.values()]
            waits_s += [(until - self._clock.now()).total_seconds() for until in self._unconfirmed.values()]
            wait_s = min(waits_s, default=None)
            try:
                async with asyncio.timeout(None if wait_s is None else max(wait_s, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, command: wire.Command, sent: bool = False) -> None:
        payload = sign("command", command.model_dump_json(), self._key)
        self._outstanding[str(command.id)] = _Outstanding(
            command.station, payload, command.expires_at, self._clock.monotonic(), sent
        )
        self._wake.set()

    async def _send_due(self) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        for name, waiting in list(self._outstanding.items()):
            if waiting.next_s > now_s:
                continue
            waiting.next_s = now_s + RESEND_S
            if now >= waiting.expires_at:
                continue
            reached = await self._downlink.send(waiting.station, Down.COMMAND, waiting.payload)
            if reached and not waiting.sent:
                waiting.sent = True
                changed = await self._database.write(partial(queries.sent, command=name))
                if changed is not None:
                    self.tell([changed])

    async def _expire(self) -> None:
        now = self._clock.now()
        over = [name for name, o in self._outstanding.items() if now >= o.expires_at + GRACE]
        over += [name for name, until in self._unconfirmed.items() if now >= until]
        for name in over:
            changed = await self._database.write(partial(queries.expire, command=name, at=now))
            self._outstanding.pop(name, None)
            self._unconfirmed.pop(name, None)
            if changed is not None:
                self.tell([changed])


def _command(row: Any) -> wire.Command:
    return wire.Command.model_validate(
        {
            "id": UUID(row.id),
            "station": row.station,
            "order": row.order,
            "actor": row.actor,
            "confirmer": row.confirmer,
            "reason": row.reason,
            "issued_at": row.issued_at,
            "expires_at": row.expires_at,
        }
    )

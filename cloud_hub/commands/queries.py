"""Reading and writing the commands table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloud_hub.commands.models import Command
from cloud_hub.commands.rules import Standing, advance, give_up
from cloud_hub.problems import Problem
from cloud_hub.storage.schema import commands
from station_agent.wire.events import CommandProgress
from station_agent.wire.kinds import FINAL_STATUSES, CommandKind, CommandStatus


def get(connection: sa.Connection, command: str) -> Command | None:
    row = connection.execute(commands.select().where(commands.c.id == command)).first()
    return None if row is None else shown(row)


def of_station(connection: sa.Connection, station: str, limit: int) -> list[Command]:
    query = (
        commands.select()
        .where(commands.c.station == station)
        .order_by(commands.c.issued_at.desc(), commands.c.id)
        .limit(limit)
    )
    return [shown(row) for row in connection.execute(query)]


def unanswered(connection: sa.Connection) -> list[Any]:
    """Rows of the commands that no station has answered and the hub has not given up."""
    waiting = (CommandStatus.QUEUED, CommandStatus.SENT)
    return list(connection.execute(commands.select().where(commands.c.status.in_(waiting))))


def progress(connection: sa.Connection, station: str, told: CommandProgress, at: datetime) -> Command | None:
    """Applies a station's report; None when it changes nothing or the command is not this station's."""
    row = connection.execute(commands.select().where(commands.c.id == str(told.command))).first()
    if row is None or row.station != station:
        return None
    if told.status is CommandStatus.ACCEPTED and row.status == CommandStatus.ACCEPTED and row.told_by_station:
        return _set(connection, row.id, Standing(told.status, True), {"detail": told.detail, "result": told.result})
    standing = advance(Standing(CommandStatus(row.status), row.told_by_station), told.status)
    if standing is None:
        return None
    values: dict[str, Any] = {"detail": told.detail, "result": told.result}
    if standing.status is CommandStatus.ACCEPTED:
        values |= {"accepted_at": at, "settled_at": None}
    else:
        values["settled_at"] = at
    return _set(connection, row.id, standing, values)


def sent(connection: sa.Connection, command: str) -> Command | None:
    row = connection.execute(commands.select().where(commands.c.id == command)).first()
    if row is None or row.status != CommandStatus.QUEUED:
        return None
    return _set(connection, command, Standing(CommandStatus.SENT, False), {})


def confirm(connection: sa.Connection, command: str, confirmer: str, now: datetime, expires_at: datetime) -> Any:
    """The row of a command that waited for a second person, as it is to be sent now. Raises Problem."""
    row = connection.execute(commands.select().where(commands.c.id == command)).first()
    if row is None:
        raise Problem(404, "no-such-command", f"There is no command {command}.")
    if row.confirm_until is None:
        raise Problem(409, "needs-no-confirmation", "This command needed no second person.")
    if row.confirmer is not None:
        raise Problem(409, "confirmed-already", f"{row.confirmer} has confirmed this command already.")
    if row.status != CommandStatus.QUEUED or now >= row.confirm_until:
        raise Problem(409, "confirmed-too-late", "Nobody confirmed this command in time: order it again.")
    if row.actor == confirmer:
        raise Problem(403, "same-person", f"{confirmer} ordered this: somebody else has to confirm it.")
    values = {"confirmer": confirmer, "issued_at": now, "expires_at": expires_at}
    connection.execute(commands.update().where(commands.c.id == command).values(values))
    return connection.execute(commands.select().where(commands.c.id == command)).one()


def expire(connection: sa.Connection, command: str, at: datetime) -> Command | None:
    row = connection.execute(commands.select().where(commands.c.id == command)).first()
    standing = None if row is None else give_up(Standing(CommandStatus(row.status), row.told_by_station))
    if standing is None:
        return None
    detail = "the station did not answer in time; it will not be done"
    if row is not None and row.confirm_until is not None and row.confirmer is None:
        detail = "no second person confirmed it in time; it will not be done"
    return _set(connection, command, standing, {"detail": detail, "settled_at": at})


def _set(connection: sa.Connection, command: str, standing: Standing, values: dict[str, Any]) -> Command | None:
    connection.execute(
        commands.update()
        .where(commands.c.id == command)
        .values(status=standing.status, told_by_station=standing.told_by_station, **values)
    )
    return get(connection, command)


def shown(row: Any) -> Command:
    return Command(
        id=row.id,
        station=row.station,
        kind=CommandKind(row.kind),
        order={name: value for name, value in row.order.items() if name != "ticket"},
        actor=row.actor,
        reason=row.reason,
        status=CommandStatus(row.status),
        detail=row.detail,
        result=row.result,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        accepted_at=row.accepted_at,
        settled_at=row.settled_at,
        confirm_until=row.confirm_until,
        confirmer=row.confirmer,
    )


def is_settled(command: Command) -> bool:
    return command.status in FINAL_STATUSES

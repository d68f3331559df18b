"""What `yizhan-hub users` and `stations` do: work on the database of a hub that may run at the same time."""

from __future__ import annotations

from typing import TypedDict

from pydantic import TypeAdapter, ValidationError

from cloud_hub.clock import SystemClock
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import Where
from cloud_hub.storage.schema import stations
from cloud_hub.users.models import Role, UserName
from cloud_hub.users.service import PASSWORD_LENGTH_MIN, UserExists, Users


class BadUser(Exception):
    """The user cannot be added; the message says why."""


async def add_user(where: Where, user: str, name: str, role: Role, password: str) -> None:
    """Raises BadUser."""
    try:
        TypeAdapter(UserName).validate_python(user)
    except ValidationError:
        raise BadUser(f"{user!r} is no log-in name: lower-case letters, digits, '.', '_', '-', at most 40") from None
    if len(password) < PASSWORD_LENGTH_MIN:
        raise BadUser(f"the password needs at least {PASSWORD_LENGTH_MIN} characters")
    async with Database.open(where) as database:
        users = Users(database, SystemClock())
        try:
            await users.add(user, name, role, password, "command line")
        except UserExists as error:
            raise BadUser(str(error)) from None
        finally:
            users.close()


class StationLine(TypedDict):
    id: str
    name: str
    address: str
    last_seen: str | None


async def list_stations(where: Where) -> list[StationLine]:
    """The stations by id."""
    async with Database.open(where) as database:
        rows = await database.read(lambda c: c.execute(stations.select().order_by(stations.c.id)).all())
    return [
        StationLine(
            id=row.id,
            name=row.profile["station"]["name"],
            address=row.profile["station"]["place"]["address"],
            last_seen=row.last_seen.isoformat() if row.last_seen else None,
        )
        for row in rows
    ]

"""Reading the rules and the codes of stations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloud_hub.members.models import Occupation
from cloud_hub.problems import Problem
from cloud_hub.rules import compose
from cloud_hub.rules.compose import Registered
from cloud_hub.rules.models import AccessCode, AccessKind, Body
from cloud_hub.storage.schema import access_codes, events, members, station_rules, stations
from station_agent.wire.kinds import Reason

READ_WITHIN = timedelta(minutes=2)
_READ_ROWS_MAX = 200  # a desk tells no more than sixty refusals a minute


def known(connection: sa.Connection, station: str) -> None:
    """Raises Problem 404."""
    time_zone(connection, station)


def time_zone(connection: sa.Connection, station: str) -> str:
    """Raises Problem 404."""
    profile = connection.execute(sa.select(stations.c.profile).where(stations.c.id == station)).first()
    if profile is None:
        raise Problem(404, "no-such-station", f"There is no station {station}.")
    return str(profile.profile["station"]["time_zone"])


def member_names(connection: sa.Connection, ids: Iterable[str]) -> dict[str, str]:
    query = sa.select(members.c.id, members.c.name).where(members.c.id.in_(list(ids)))
    return {one.id: one.name for one in connection.execute(query)}


def row(connection: sa.Connection, station: str) -> Any | None:
    return connection.execute(station_rules.select().where(station_rules.c.station == station)).first()


def body(connection: sa.Connection, station: str) -> Body:
    """Of a station without rules: none."""
    found = connection.scalar(sa.select(station_rules.c.body).where(station_rules.c.station == station))
    return Body() if found is None else Body.model_validate(found)


def versions(connection: sa.Connection) -> dict[str, int]:
    return {one.station: one.version for one in connection.execute(station_rules.select())}


def as_expected(connection: sa.Connection, station: str, version: int) -> None:
    """Raises Problem 409 when somebody changed the rules since they were looked at."""
    found = row(connection, station)
    newest = found.version if found else 0
    if newest != version:
        detail = f"{found.changed_by if found else 'Somebody'} changed the rules of {station} meanwhile (version "
        raise Problem(409, "rules-changed", f"{detail}{newest}): look at them, and make your change again.")


def second_person_needed(connection: sa.Connection, station: str, now: datetime) -> bool:
    return compose.second_person_needed(body(connection, station), now)


def registered(connection: sa.Connection, station: str, now: datetime) -> list[Registered]:
    """What is neither revoked nor over, oldest first."""
    return [
        Registered(
            AccessKind(one.kind),
            one.hash,
            one.person,
            one.member,
            one.role,
            one.occupation,
            one.not_before,
            one.not_after,
            one.uses,
        )
        for one in _living(connection, station, now)
    ]


def codes(connection: sa.Connection, station: str, now: datetime) -> list[AccessCode]:
    """What is neither revoked nor over, newest first."""
    rows = list(_living(connection, station, now))
    names = member_names(connection, (one.member for one in rows if one.member is not None))
    return [shown(one, names.get(one.member or "", "")) for one in reversed(rows)]


def shown(one: Any, member_name: str = "") -> AccessCode:
    return AccessCode(
        id=one.id,
        kind=AccessKind(one.kind),
        name=one.name or member_name,
        person=one.person,
        member=one.member,
        role=one.role,
        occupation=Occupation(one.occupation) if one.occupation else None,
        phone=one.phone,
        not_before=one.not_before,
        not_after=one.not_after,
        uses=one.uses,
        created_at=one.created_at,
        created_by=one.created_by,
        reason=one.reason,
    )


def cards_read(connection: sa.Connection, station: str, now: datetime) -> set[str]:
    """Hashes of the unknown cards that the station has just read."""
    query = (
        sa.select(events.c.body)
        .where(events.c.station == station, events.c.at > now - READ_WITHIN, events.c.kind == "access.decided")
        .order_by(events.c.at.desc())
        .limit(_READ_ROWS_MAX)
    )
    bodies: Iterable[dict[str, Any]] = connection.execute(query).scalars()
    return {
        told["card"] for told in bodies if told.get("reason") == Reason.CARD_UNKNOWN and told.get("card") is not None
    }


def _living(connection: sa.Connection, station: str, now: datetime) -> Iterable[Any]:
    return connection.execute(
        access_codes.select()
        .where(
            access_codes.c.station == station,
            access_codes.c.revoked_at.is_(None),
            sa.or_(access_codes.c.not_after.is_(None), access_codes.c.not_after > now),
        )
        .order_by(access_codes.c.created_at, access_codes.c.id)
    )

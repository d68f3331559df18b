"""Members: kept here with their names; stations know them by pseudonym only."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.faces.queries import waiting_of
from cloud_hub.members.models import EnrolledFace, Member, MemberChange, Members, NewMember, Occupation
from cloud_hub.problems import Problem
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import faces, members, phone_keys


class MemberService:
    def __init__(self, database: Database, clock: Clock, changed: Callable[[], None]) -> None:
        """`changed` is called after every change that rosters must follow."""
        self._database = database
        self._clock = clock
        self._changed = changed

    async def page(self, query: str, cursor: str | None, limit: int) -> Members:
        after = _decoded(cursor) if cursor else None

        def read(connection: sa.Connection) -> list[Member]:
            select = members.select().order_by(members.c.name, members.c.id).limit(limit + 1)
            if query.strip():
                select = select.where(
                    members.c.name.contains(query.strip(), autoescape=True) | (members.c.id == query.strip())
                )
            if after:
                select = select.where(sa.tuple_(members.c.name, members.c.id) > sa.tuple_(*after))
            return _with_details(connection, connection.execute(select).all(), self._clock)

        found = await self._database.read(read)
        more = len(found) > limit
        found = found[:limit]
        return Members(items=found, next=_encoded(found[-1]) if more else None)

    async def get(self, member: str) -> Member:
        """Raises Problem 404."""
        return await self._database.read(lambda c: _one(c, member, self._clock))

    async def add(self, new: NewMember, actor: str) -> Member:
        member = secrets.token_hex(8)
        await self._database.write(lambda c: self._insert(c, member, new, actor))
        self._changed()
        return await self.get(member)

    def _insert(self, connection: sa.Connection, member: str, new: NewMember, actor: str) -> None:
        now = self._clock.now()
        connection.execute(
            members.insert().values(
                id=member,
                name=new.name,
                occupation=new.occupation,
                active=True,
                valid_until=new.valid_until,
                created_at=now,
            )
        )
        audit.record(connection, now, actor, "member.add", member)

    async def change(self, member: str, change: MemberChange, actor: str) -> Member:
        """Raises Problem 404, or 422 when a field that cannot be empty is set to null."""
        values: dict[str, Any] = change.model_dump(exclude_unset=True)
        for field in ("name", "occupation", "active"):
            if field in values and values[field] is None:
                raise Problem(422, "invalid-request", f"{field} cannot be null: leave it out to keep it.")

        def update(connection: sa.Connection) -> Member:
            if values:
                connection.execute(members.update().where(members.c.id == member).values(values))
                fields = sorted(values)
                audit.record(connection, self._clock.now(), actor, "member.change", member, {"fields": fields})
            return _one(connection, member, self._clock)

        changed = await self._database.write(update)
        self._changed()
        return changed


def _one(connection: sa.Connection, member: str, clock: Clock) -> Member:
    rows = connection.execute(members.select().where(members.c.id == member)).all()
    if not rows:
        raise Problem(404, "no-such-member", f"There is no member {member}.")
    return _with_details(connection, rows, clock)[0]


def _with_details(connection: sa.Connection, rows: Sequence[Any], clock: Clock) -> list[Member]:
    ids = [row.id for row in rows]
    phones_query = (
        sa.select(phone_keys.c.member, sa.func.count())
        .where(phone_keys.c.member.in_(ids), phone_keys.c.not_after > clock.now(), phone_keys.c.revoked_at.is_(None))
        .group_by(phone_keys.c.member)
    )
    phones: dict[str, int] = dict(connection.execute(phones_query).all())
    waiting = waiting_of(connection, ids)
    enrolled: dict[str, list[EnrolledFace]] = {}
    for face in connection.execute(faces.select().where(faces.c.member.in_(ids)).order_by(faces.c.station)):
        enrolled.setdefault(face.member, []).append(
            EnrolledFace(station=face.station, templates=face.templates, consent_until=face.consent_until)
        )
    return [
        Member(
            id=row.id,
            name=row.name,
            occupation=Occupation(row.occupation),
            active=row.active,
            valid_until=row.valid_until,
            created_at=row.created_at,
            phones=phones.get(row.id, 0),
            faces=enrolled.get(row.id, []),
            face_erasures_waiting=waiting.get(row.id, 0),
        )
        for row in rows
    ]


def _encoded(member: Member) -> str:
    return base64.urlsafe_b64encode(json.dumps([member.name, member.id]).encode()).decode()


def _decoded(cursor: str) -> tuple[str, str]:
    try:
        name, member = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise Problem(422, "invalid-cursor", "The cursor is not one that this hub gave.") from error
    return str(name), str(member)

"""Reading and writing what is known of faces: consents, erasures, receipts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa

from cloud_hub import audit
from cloud_hub.faces.models import ConsentRecord, Erasure, FaceData, FaceHere, Receipt, Why
from cloud_hub.storage.schema import commands, events, face_consents, face_erasures, faces, members, stations
from station_agent.wire.documents import Erasure as WireErasure
from station_agent.wire.events import FaceErased
from station_agent.wire.kinds import CommandKind

SHOWN_MAX = 100
CLOCK_SKEW_MAX = timedelta(minutes=5)  # between the hub and a station


def face_data(connection: sa.Connection, member: str, *, for_staff: bool) -> FaceData:
    names = {row.id: row.profile["station"]["name"] for row in connection.execute(sa.select(stations))}
    here = connection.execute(faces.select().where(faces.c.member == member).order_by(faces.c.station))
    consents = connection.execute(
        face_consents.select()
        .where(face_consents.c.member == member)
        .order_by(face_consents.c.given_at.desc())
        .limit(SHOWN_MAX)
    )
    erasures = connection.execute(
        face_erasures.select()
        .where(face_erasures.c.member == member)
        .order_by(face_erasures.c.asked_at.desc(), face_erasures.c.station)
        .limit(SHOWN_MAX)
    )
    return FaceData(
        member=member,
        faces=[
            FaceHere(
                station=row.station,
                station_name=names.get(row.station, row.station),
                templates=row.templates,
                enrolled_at=row.enrolled_at,
                consent_until=row.consent_until,
            )
            for row in here
        ],
        consents=[
            ConsentRecord(
                station=row.station,
                stations=row.stations,
                purpose=row.purpose,
                given_at=row.given_at,
                expires_at=row.expires_at,
                recorded_by=row.recorded_by if for_staff else None,
            )
            for row in consents
        ],
        erasures=[
            Erasure(
                id=row.id,
                station=row.station,
                station_name=names.get(row.station, row.station),
                why=Why(row.why),
                asked_at=row.asked_at,
                asked_by=row.asked_by if for_staff else None,
                receipt=None
                if row.done_at is None
                else Receipt(at=row.done_at, templates=row.templates, spool=row.spool, seq=row.seq, chain=row.chain),
            )
            for row in erasures
        ],
    )


def ask(connection: sa.Connection, member: str, why: Why, actor: str, now: datetime) -> int:
    """Orders the erasure at every station that may hold the member's face and has not been asked since; how many."""
    wanted = sorted(_may_hold(connection, member))
    if wanted:
        row = {"member": member, "why": why, "asked_at": now, "asked_by": actor}
        connection.execute(
            face_erasures.insert(), [row | {"id": str(uuid4()), "station": station} for station in wanted]
        )
        audit.record(connection, now, actor, "face.erase", member, {"why": why, "stations": wanted})
    return len(wanted)


def _may_hold(connection: sa.Connection, member: str) -> set[str]:
    """Where the face is enrolled, was ever, or was ever ordered to be: a station that is offline may have enrolled it
    without the hub's having heard. Not where an erasure was asked for after the order and answered after the enrolment.
    """
    columns = face_erasures.c
    asked = {
        row.station: row
        for row in connection.execute(
            sa.select(
                columns.station,
                sa.func.max(columns.asked_at).label("asked_at"),
                sa.func.max(columns.done_at).label("done_at"),
                sa.func.count().filter(columns.done_at.is_(None)).label("waiting"),
            )
            .where(columns.member == member)
            .group_by(columns.station)
        )
    }
    enrolled = sa.select(events.c.station, sa.func.max(events.c.at).label("at")).where(
        events.c.kind == "face.enrolled", events.c.member == member
    )
    ordered = sa.select(commands.c.station, sa.func.max(commands.c.issued_at).label("at")).where(
        commands.c.kind == CommandKind.FACE_ENROL,
        sa.cast(commands.c.order, sa.Text).contains(f'"member":"{member}"'),
    )
    found: set[str] = set(connection.scalars(sa.select(faces.c.station).where(faces.c.member == member)))
    for row in connection.execute(enrolled.group_by(events.c.station)):
        known = asked.get(row.station)
        if known is None or known.done_at is None or known.done_at < row.at:
            found.add(row.station)
    for row in connection.execute(ordered.group_by(commands.c.station)):
        known = asked.get(row.station)
        if known is None or known.asked_at < row.at:
            found.add(row.station)
    return {station for station in found if station not in asked or not asked[station].waiting}


def waiting(connection: sa.Connection) -> dict[str, list[WireErasure]]:
    """What each station has not answered yet, oldest first."""
    query = face_erasures.select().where(face_erasures.c.done_at.is_(None)).order_by(face_erasures.c.asked_at)
    found: dict[str, list[WireErasure]] = {}
    for row in connection.execute(query):
        found.setdefault(row.station, []).append(WireErasure(id=UUID(row.id), member=row.member, asked_at=row.asked_at))
    return found


def forgotten(connection: sa.Connection, now: datetime) -> int:
    """Orders the erasure of whoever may not enter any more and still has a face somewhere; how many orders."""
    query = (
        sa.select(faces.c.member, members.c.id.label("known"))
        .outerjoin(members, members.c.id == faces.c.member)
        .where(sa.or_(members.c.id.is_(None), members.c.active.is_(False)))
        .distinct()
    )
    rows = connection.execute(query).all()
    return sum(ask(connection, row.member, Why.SUSPENDED if row.known else Why.REMOVED, "hub", now) for row in rows)


def receipt(
    connection: sa.Connection, station: str, told: FaceErased, at: datetime, spool: str, seq: int, chain: str | None
) -> None:
    """A station says that it holds no template of the member any more. The first receipt of an order stands."""
    asked_at = None
    if told.erasure is not None:
        order = (face_erasures.c.id == str(told.erasure), face_erasures.c.station == station)
        asked_at = connection.scalar(sa.select(face_erasures.c.asked_at).where(*order))
        connection.execute(
            face_erasures.update()
            .where(*order, face_erasures.c.done_at.is_(None))
            .values(done_at=at, templates=told.templates, spool=spool, seq=seq, chain=chain)
        )
    here = (faces.c.member == told.member, faces.c.station == station)
    if asked_at is not None and _enrolled_since(connection, told.member, station, asked_at):
        return  # by a consent that is newer than the order, which left it alone
    connection.execute(faces.delete().where(*here))


def _enrolled_since(connection: sa.Connection, member: str, station: str, asked_at: datetime) -> bool:
    given_at = connection.scalar(
        sa.select(sa.func.max(face_consents.c.given_at)).where(
            face_consents.c.member == member, face_consents.c.station == station, face_consents.c.given_at > asked_at
        )
    )
    enrolled_at = connection.scalar(
        sa.select(faces.c.enrolled_at).where(faces.c.member == member, faces.c.station == station)
    )
    return given_at is not None and enrolled_at is not None and enrolled_at > given_at - CLOCK_SKEW_MAX


def waiting_of(connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """How many stations have not answered yet, by member."""
    query = (
        sa.select(face_erasures.c.member, sa.func.count())
        .where(face_erasures.c.member.in_(list(ids)), face_erasures.c.done_at.is_(None))
        .group_by(face_erasures.c.member)
    )
    return dict(connection.execute(query).all())

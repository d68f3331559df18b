"""Claims and certificates in the database. Every change is one transaction with its row of the audit log.

What changes who may connect writes one of CHANGES into that log: a hub that runs beside a command line learns of it
there (`newest_change`), within seconds.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloud_hub import audit
from cloud_hub.enrolment.authority import StationCertificate, station_user
from cloud_hub.enrolment.models import CertificateRow, CertificateState, ClaimRow, ClaimState, Identity
from cloud_hub.problems import Problem
from cloud_hub.storage.schema import audit as audit_rows
from cloud_hub.storage.schema import claims, restores, station_certificates, stations
from station_agent.wire.claim import ALPHABET, ID_LENGTH
from station_agent.wire.profile import StationProfile

CHANGES = ("station.add", "station.claim", "station.renew", "station.revoke")
SHOWN = 20
REPEATED_WITHIN = timedelta(days=1)
"""A station whose answer was lost may ask again for so long, whatever else has ended."""


@dataclass(frozen=True, slots=True)
class NewClaimRow:
    id: str
    created_at: datetime
    expires_at: datetime


def add_station(connection: sa.Connection, profile: StationProfile, now: datetime, actor: str) -> None:
    """A station that comes by a claim: it has no password. Raises Problem 409 when its id is taken."""
    station = profile.station.id
    check_new(connection, station)
    connection.execute(
        stations.insert().values(id=station, profile=profile.model_dump(mode="json"), broker_secret="", created_at=now)
    )
    audit.record(connection, now, actor, "station.add", station)


def is_station(connection: sa.Connection, station: str) -> bool:
    return connection.scalar(sa.select(stations.c.id).where(stations.c.id == station)) is not None


def add_claim(
    connection: sa.Connection, station: str, now: datetime, lifetime: timedelta, actor: str, reason: str
) -> NewClaimRow:
    """A new claim; one that waits already ends. Raises Problem 404."""
    if not is_station(connection, station):
        raise Problem(404, "no-such-station", f"There is no station {station}.")
    end_claims(connection, station, now)
    row = NewClaimRow(_free_id(connection), now, now + lifetime)
    connection.execute(
        claims.insert().values(
            id=row.id,
            station=station,
            created_at=row.created_at,
            created_by=actor,
            reason=reason,
            expires_at=row.expires_at,
        )
    )
    audit.record(connection, now, actor, "station.claim.new", station, {"claim": row.id, "reason": reason})
    return row


def end_claims(connection: sa.Connection, station: str, now: datetime) -> int:
    waiting = (claims.c.station == station, claims.c.used_at.is_(None), claims.c.withdrawn_at.is_(None))
    return connection.execute(
        claims.update().where(*waiting, claims.c.expires_at > now).values(withdrawn_at=now)
    ).rowcount


def claim(connection: sa.Connection, id: str) -> Any:
    """The row, or None. No other hub uses the claim meanwhile."""
    return connection.execute(claims.select().where(claims.c.id == id).with_for_update()).first()


def use_claim(
    connection: sa.Connection, id: str, station: str, certificate: StationCertificate, now: datetime, address: str
) -> None:
    """The claim is used by this certificate; whatever the station had before ends."""
    connection.execute(
        claims.update().where(claims.c.id == id).values(used_at=now, key=certificate.key, serial=certificate.serial)
    )
    _revoke(connection, station, now, f"claim:{id}", "replaced by a claim")
    add_certificate(connection, certificate, now, f"claim:{id}")
    detail = {"claim": id, "serial": certificate.serial, "address": address}
    audit.record(connection, now, f"station:{station}", "station.claim", station, detail)


def was_lost(connection: sa.Connection, at: datetime) -> bool:
    """Whether what this hub did at that moment is lost, because it was restored from a backup of before."""
    gap = (restores.c.made_at <= at, restores.c.at >= at)
    return connection.scalar(sa.select(sa.literal(1)).select_from(restores).where(*gap).limit(1)) is not None


def add_certificate(connection: sa.Connection, made: StationCertificate, now: datetime, issued_by: str) -> None:
    connection.execute(
        station_certificates.insert().values(
            serial=made.serial,
            station=made.station,
            key=made.key,
            certificate=made.pem,
            issued_at=now,
            not_after=made.not_after,
            issued_by=issued_by,
            reason="",
        )
    )


def certificate(connection: sa.Connection, serial: str) -> Any:
    """The row, or None. No other hub renews or revokes it meanwhile."""
    query = station_certificates.select().where(station_certificates.c.serial == serial).with_for_update()
    return connection.execute(query).first()


def certificate_of_key(connection: sa.Connection, station: str, key: str, now: datetime) -> Any:
    """The valid certificate of this station's key, or None."""
    table = station_certificates
    valid = (table.c.station == station, table.c.key == key, table.c.revoked_at.is_(None), table.c.not_after > now)
    return connection.execute(table.select().where(*valid).order_by(table.c.not_after.desc())).first()


def revoke(connection: sa.Connection, station: str, now: datetime, actor: str, reason: str) -> tuple[int, int]:
    """End every certificate and waiting claim: how many. Raises Problem 404."""
    if not is_station(connection, station):
        raise Problem(404, "no-such-station", f"There is no station {station}.")
    certificates = _revoke(connection, station, now, actor, reason)
    ended = end_claims(connection, station, now)
    detail = {"reason": reason, "certificates": certificates, "claims": ended}
    audit.record(connection, now, actor, "station.revoke", station, detail)
    return certificates, ended


def _revoke(connection: sa.Connection, station: str, now: datetime, actor: str, reason: str) -> int:
    table = station_certificates
    living = (table.c.station == station, table.c.revoked_at.is_(None))
    changed = {"revoked_at": now, "revoked_by": actor, "reason": reason}
    return connection.execute(table.update().where(*living).values(**changed)).rowcount


def broker_users(connection: sa.Connection, now: datetime) -> dict[str, str]:
    """Who may connect by a certificate: the broker's name of it -> station."""
    table = station_certificates
    query = sa.select(table.c.station, table.c.serial).where(table.c.revoked_at.is_(None), table.c.not_after > now)
    return {station_user(row.station, row.serial): row.station for row in connection.execute(query)}


def ending(connection: sa.Connection, before: datetime) -> list[str]:
    """Stations whose last certificate has ended or will end before that time; revoked ones do not count."""
    table = station_certificates
    query = (
        sa.select(table.c.station)
        .where(table.c.revoked_at.is_(None))
        .group_by(table.c.station)
        .having(sa.func.max(table.c.not_after) < before)
        .order_by(table.c.station)
    )
    return list(connection.scalars(query))


def next_end(connection: sa.Connection, now: datetime) -> datetime | None:
    """When the next certificate ends by itself."""
    table = station_certificates
    query = sa.select(sa.func.min(table.c.not_after)).where(table.c.revoked_at.is_(None), table.c.not_after > now)
    ends: datetime | None = connection.scalar(query)
    return ends


def newest_change(connection: sa.Connection, after: int) -> int:
    """The last row of the audit log that changed who may connect; `after` when there is none after it."""
    query = sa.select(sa.func.max(audit_rows.c.id)).where(audit_rows.c.id > after, audit_rows.c.action.in_(CHANGES))
    return connection.scalar(query) or after


def identity(connection: sa.Connection, station: str, now: datetime) -> Identity:
    """Raises Problem 404."""
    if not is_station(connection, station):
        raise Problem(404, "no-such-station", f"There is no station {station}.")
    table = station_certificates
    made = table.select().where(table.c.station == station).order_by(table.c.issued_at.desc()).limit(SHOWN)
    asked = claims.select().where(claims.c.station == station).order_by(claims.c.created_at.desc()).limit(SHOWN)
    return Identity(
        station=station,
        certificates=[_certificate_row(row, now) for row in connection.execute(made)],
        claims=[_claim_row(row, now) for row in connection.execute(asked)],
    )


def _certificate_row(row: Any, now: datetime) -> CertificateRow:
    state = CertificateState.VALID if row.not_after > now else CertificateState.EXPIRED
    return CertificateRow(
        serial=row.serial,
        state=CertificateState.REVOKED if row.revoked_at is not None else state,
        issued_at=row.issued_at,
        not_after=row.not_after,
        issued_by=row.issued_by,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        reason=row.reason,
    )


def _claim_row(row: Any, now: datetime) -> ClaimRow:
    return ClaimRow(
        id=row.id,
        state=claim_state(row, now),
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def claim_state(row: Any, now: datetime) -> ClaimState:
    if row.used_at is not None:
        return ClaimState.USED
    if row.withdrawn_at is not None:
        return ClaimState.WITHDRAWN
    return ClaimState.WAITING if row.expires_at > now else ClaimState.EXPIRED


def _free_id(connection: sa.Connection) -> str:
    while True:
        id = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
        if connection.scalar(sa.select(claims.c.id).where(claims.c.id == id)) is None:
            return id


def living(connection: sa.Connection, station: str, now: datetime) -> int:
    """How many certificates of the station are valid."""
    table = station_certificates
    valid = (table.c.station == station, table.c.revoked_at.is_(None), table.c.not_after > now)
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*valid)) or 0


def renewed(connection: sa.Connection, made: StationCertificate, before: Any, now: datetime, address: str) -> None:
    """One more certificate; the one of before stays valid until its own end, so that nothing is cut off."""
    add_certificate(connection, made, now, f"renewal:{before.serial}")
    detail = {"serial": made.serial, "of": before.serial, "address": address, "was_over": before.not_after <= now}
    audit.record(connection, now, f"station:{made.station}", "station.renew", made.station, detail)


def check_new(connection: sa.Connection, station: str) -> None:
    """Raises Problem 409 when the id is taken."""
    if is_station(connection, station):
        raise Problem(409, "station-exists", f"There is a station {station} already.")

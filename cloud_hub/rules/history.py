"""Earlier versions of the rules: what managers set, who, and why. Whoever goes back publishes an old one anew."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cloud_hub.rules.models import Body
from cloud_hub.rules.questions import OldRules, RulesVersion
from cloud_hub.storage.schema import station_rules_history as history

HISTORY_MAX = 200
"""Of a station, newest kept. The audit names all of them; what older ones said, nobody goes back to."""


def keep(
    connection: sa.Connection,
    station: str,
    version: int,
    body: Body,
    at: datetime,
    actor: str,
    action: str,
    reason: str,
) -> None:
    """In the transaction of the change."""
    connection.execute(
        history.insert().values(
            station=station,
            version=version,
            body=body.model_dump(mode="json"),
            changed_at=at,
            changed_by=actor,
            action=action,
            reason=reason,
        )
    )
    newest = sa.select(history.c.version).where(history.c.station == station).order_by(history.c.version.desc())
    oldest = connection.scalar(newest.offset(HISTORY_MAX - 1).limit(1))
    if oldest is not None:
        connection.execute(history.delete().where(history.c.station == station, history.c.version < oldest))


def versions(connection: sa.Connection, station: str) -> list[RulesVersion]:
    """Newest first."""
    columns = [history.c[name] for name in RulesVersion.model_fields]
    query = sa.select(*columns).where(history.c.station == station).order_by(history.c.version.desc())
    return [RulesVersion(**row._mapping) for row in connection.execute(query)]


def version(connection: sa.Connection, station: str, number: int) -> OldRules | None:
    row = connection.execute(history.select().where(history.c.station == station, history.c.version == number)).first()
    if row is None:
        return None
    told = {name: getattr(row, name) for name in RulesVersion.model_fields}
    return OldRules(**told, parts=Body.model_validate(row.body).parts)

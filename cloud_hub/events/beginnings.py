"""Why a station has several logs. A new box begins a new spool, and so a new chain; so does one whose disk was wiped.

    spool 1 ......................|
                       claim --------- spool 2 ..........|
                                                              (no claim)  spool 3 ....     unexplained

A beginning that follows a claim is explained by who made that claim and why. One that follows nothing is no proof of a
deed, since disks die; but events that the hub never had may have gone with it, so it is named. `explained` is PURE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloud_hub.storage.schema import chain_anchors, claims, events

FIRST = "the station's first"
UNEXPLAINED = "no claim before it: the box's disk was lost, or wiped"


@dataclass(frozen=True, slots=True)
class Used:
    """A claim that was used."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """`began_at`: when the hub got the spool's first event."""

    station: str
    spool: str
    began_at: datetime
    why: str

    @property
    def explained(self) -> bool:
        return self.why != UNEXPLAINED


def explained(station: str, spools: Iterable[tuple[str, datetime]], used: Iterable[Used]) -> list[Beginning]:
    """In the order in which they began. `spools`: each with when the hub got its first event."""
    found: list[Beginning] = []
    waiting = sorted(used, key=lambda one: one.at)
    for spool, began_at in sorted(spools, key=lambda one: (one[1], one[0])):
        before = [one for one in waiting if one.at <= began_at]
        waiting = waiting[len(before) :]
        if before:
            last = before[-1]
            why = f"claimed {last.at:%Y-%m-%d %H:%M} UTC by a code of {last.by}: {last.reason}"
        else:
            why = UNEXPLAINED if found else FIRST
        found.append(Beginning(station, spool, began_at, why))
    return found


def beginnings(connection: sa.Connection, station: str | None) -> list[Beginning]:
    """Of every station that has events, or of one."""
    first = sa.select(events.c.station, events.c.spool, sa.func.min(events.c.received_at).label("began_at"))
    of_claims = claims.select().where(claims.c.used_at.is_not(None))
    if station is not None:
        first = first.where(events.c.station == station)
        of_claims = of_claims.where(claims.c.station == station)
    first = first.group_by(events.c.station, events.c.spool)
    used: dict[str, list[Used]] = {}
    for row in connection.execute(of_claims):
        used.setdefault(row.station, []).append(Used(row.used_at, row.created_by, row.reason))
    archived = sa.select(chain_anchors.c.station, chain_anchors.c.spool, chain_anchors.c.began_at)
    began = {(row.station, row.spool): row.began_at for row in connection.execute(first)}
    for row in connection.execute(archived.where(chain_anchors.c.began_at.is_not(None))):
        if station in (None, row.station):
            began[row.station, row.spool] = row.began_at
    spools: dict[str, list[tuple[str, datetime]]] = {}
    for (name, spool), began_at in sorted(began.items()):
        spools.setdefault(name, []).append((spool, began_at))
    return [one for name in sorted(spools) for one in explained(name, spools[name], used.get(name, ()))]

"""What the database knows of stations: counts, open alarms, readings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from cloud_hub.stations.models import Alarm, LatestReading, LatestReadings
from cloud_hub.stations.rows import Counts
from cloud_hub.storage.schema import alarms, latest_readings, rosters, station_rules, visits
from station_agent.wire.kinds import AlarmKind

_CHINA = timezone(timedelta(hours=8))
_CLIMATE = {"temperature": "temperature_c", "humidity": "humidity_pct"}


def counts(connection: sa.Connection, zones: Mapping[str, str], now: datetime) -> dict[str, Counts]:
    """For each station of `zones` (id -> its time zone, which says when its day began)."""
    names = list(zones)
    today: dict[str, int] = {}
    for zone in set(zones.values()):
        query = (
            sa.select(visits.c.station, sa.func.count())
            .where(visits.c.station.in_([n for n in names if zones[n] == zone]), visits.c.at >= midnight(now, zone))
            .group_by(visits.c.station)
        )
        today |= dict(connection.execute(query).all())
    open_query = (
        sa.select(alarms.c.station, sa.func.count())
        .where(alarms.c.station.in_(names), alarms.c.cleared_at.is_(None))
        .group_by(alarms.c.station)
    )
    alarms_open: dict[str, int] = dict(connection.execute(open_query).all())
    climate: dict[str, dict[str, float]] = {}
    points = latest_readings.select().where(
        latest_readings.c.station.in_(names),
        latest_readings.c.point.in_(list(_CLIMATE)),
        latest_readings.c.quality == "good",
    )
    for row in connection.execute(points.order_by(latest_readings.c.device)):
        if isinstance(row.value, int | float):
            climate.setdefault(row.station, {}).setdefault(_CLIMATE[row.point], float(row.value))
    return {
        name: Counts(
            visits_today=today.get(name, 0),
            alarms_open=alarms_open.get(name, 0),
            temperature_c=climate.get(name, {}).get("temperature_c"),
            humidity_pct=climate.get(name, {}).get("humidity_pct"),
        )
        for name in names
    }


def midnight(now: datetime, zone: str) -> datetime:
    """When the day of `now` began in `zone`; a zone that this machine does not know counts as China's."""
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = now.astimezone(_CHINA)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def open_alarms(connection: sa.Connection, station: str) -> list[Alarm]:
    query = (
        alarms.select()
        .where(alarms.c.station == station, alarms.c.cleared_at.is_(None))
        .order_by(alarms.c.raised_at.desc(), alarms.c.alarm, alarms.c.subject)
    )
    return [
        Alarm(alarm=AlarmKind(row.alarm), subject=row.subject, detail=row.detail, raised_at=row.raised_at)
        for row in connection.execute(query)
    ]


def roster_version(connection: sa.Connection, station: str) -> int:
    """The newest roster made for the station; 0 before the first."""
    return connection.scalar(sa.select(rosters.c.version).where(rosters.c.station == station)) or 0


def rules_version(connection: sa.Connection, station: str) -> int:
    """The newest rules made for the station; 0 before the first."""
    return connection.scalar(sa.select(station_rules.c.version).where(station_rules.c.station == station)) or 0


def latest(connection: sa.Connection, station: str) -> LatestReadings:
    query = (
        latest_readings.select()
        .where(latest_readings.c.station == station)
        .order_by(latest_readings.c.device, latest_readings.c.point)
    )
    return LatestReadings(
        station=station,
        readings=[
            LatestReading(
                device=row.device, point=row.point, value=row.value, unit=row.unit, quality=row.quality, at=row.at
            )
            for row in connection.execute(query)
        ],
    )

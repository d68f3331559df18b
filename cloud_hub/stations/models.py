"""Stations as the interface shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from cloud_hub.model import Api
from station_agent.wire.kinds import AlarmKind, DoorState
from station_agent.wire.profile import Place


class Camera(Api):
    camera: str
    name: str


class Station(Api):
    """One row of the list. What was never heard of is null, never 0; `door` is `unknown` then."""

    id: str
    name: str
    place: Place
    online: bool
    last_seen: datetime | None
    door: DoorState
    contact_open: bool | None
    roster_version: int | None
    rules_version: int | None
    spooled: int | None
    sign_text: str | None
    visits_today: int
    alarms_open: int
    temperature_c: float | None
    humidity_pct: float | None
    cameras: list[Camera]
    faces_enabled: bool
    virtual_door_url: str | None


class Device(Api):
    """`online` is null until the station has told."""

    device: str
    driver: str
    online: bool | None
    detail: str


class Alarm(Api):
    alarm: AlarmKind
    subject: str
    detail: str
    raised_at: datetime


class ProfileSummary(Api):
    lines: list[str]
    lock: str
    scanner: str | None
    face_button: str | None
    hold_s: float
    held_open_after_s: float
    sign: str | None
    faces_people_max: int | None
    telemetry_period_s: float
    heartbeat_s: float


class StationDetail(Station):
    """`roster_wanted` and `rules_wanted` are the newest that the hub has for the station."""

    time_zone: str
    agent_version: str | None
    clock_trusted: bool | None
    roster_wanted: int
    rules_wanted: int
    devices: list[Device]
    alarms: list[Alarm]
    profile: ProfileSummary


class StationLink(Api):
    """In the demo: the station's secret link file (wire.link.HubLink), shown once: keep it as JSON on the station,
    mode 0600."""

    station: str
    link: dict[str, object] | None


Value = Annotated[bool | float | str | None, Field(description="null where there was none: never 0")]

Point = tuple[datetime, Value, str]
"""When, value, quality (good, stale, invalid, missing)."""


class Series(Api):
    device: str
    point: str
    unit: str
    points: list[Point]


class ReadingSeries(Api):
    series: list[Series]


class LatestReading(Api):
    device: str
    point: str
    value: Value
    unit: str
    quality: str
    at: datetime


class LatestReadings(Api):
    station: str
    readings: list[LatestReading]

"""Members (会员) as the interface shows and takes them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from cloud_hub.model import Api
from station_agent.wire.model import UtcTime

PersonName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Occupation(StrEnum):
    """The groups that the union counts separately."""

    SANITATION = "sanitation"
    COURIER = "courier"
    RIDER = "rider"
    DRIVER = "driver"
    TRAFFIC_POLICE = "traffic_police"
    SECURITY = "security"
    CONSTRUCTION = "construction"
    OTHER = "other"


class NewMember(Api):
    name: PersonName
    occupation: Occupation
    valid_until: UtcTime | None = None


class MemberChange(Api):
    """Only what is given changes; an explicit null takes `valid_until` away."""

    name: PersonName | None = None
    occupation: Occupation | None = None
    active: bool | None = None
    valid_until: UtcTime | None = None


class EnrolledFace(Api):
    """At which station a member's face is enrolled. The templates themselves never leave the station."""

    station: str
    templates: int
    consent_until: datetime


class Member(Api):
    id: str
    name: str
    occupation: Occupation
    active: bool
    valid_until: datetime | None
    created_at: datetime
    phones: int
    faces: list[EnrolledFace]
    face_erasures_waiting: int = 0  # stations that have not answered yet


class Members(Api):
    """By name. `next` is the `cursor` of the following page; null at the end."""

    items: list[Member]
    next: str | None

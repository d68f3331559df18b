"""What can be asked of a station's rules before and after they are published: who may enter when, what earlier
versions said, and the same rules for other stations."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, NaiveDatetime

from cloud_hub.model import Api
from cloud_hub.rules.models import RulesParts
from station_agent.wire.commands import Reason as Words
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.model import Name, StationId

COPIES_MAX = 200
"""Stations in one copy: each is a transaction and a document to send."""

DAY_MIN = 1440

Minutes = Annotated[tuple[int, int], Field(description="from, until: minutes of the day, 0 to 1440")]


class RulesQuestion(Api):
    """`parts` null: the rules in force. `at` is the station's own wall clock. Extreme cold and lockdown are as they
    are switched now."""

    parts: RulesParts | None = None
    role: Name
    at: NaiveDatetime


class WayIn(Api):
    """What the door answers to one way of entering. `reason` null: as this role."""

    credential: Credential
    allowed: bool
    reason: Reason | None
    detail: str


class RulesAnswer(Api):
    """`next_change` is when any of the answers differs for the first time within a week; null: not within it.
    `when_full` says that a full station would let nobody of this role in."""

    role: str
    at: datetime
    ways: list[WayIn]
    both_needed: bool
    when_full: bool
    hold_s: float | None
    next_change: datetime | None


class WeekQuestion(Api):
    """`parts` null: the rules in force. `first` is the first of seven days."""

    parts: RulesParts | None = None
    first: date


class RoleWeek(Api):
    """When the role may enter by at least one way: the spans of each of the seven days."""

    role: str
    days: list[list[Minutes]]


class RulesWeek(Api):
    days: list[date]
    opening: list[list[Minutes]]
    roles: list[RoleWeek]


class RulesVersion(Api):
    """A version that changed what managers set; codes and cards that were given out meanwhile make no row."""

    version: int
    changed_at: datetime
    changed_by: str
    action: str
    reason: str


class OldRules(RulesVersion):
    parts: RulesParts


class CopyPart(StrEnum):
    """`hours`: the opening hours; `roles`: with the schedules that they name."""

    HOURS = "hours"
    ROLES = "roles"
    CAPACITY = "capacity"
    SECURITY = "security"  # entering twice, waits after bad tries, the second person


class RulesCopy(Api):
    """`expected_version` is that of the rules which were looked at."""

    expected_version: int = Field(ge=1)
    to: tuple[StationId, ...] = Field(min_length=1, max_length=COPIES_MAX)
    what: tuple[CopyPart, ...] = Field(min_length=1, max_length=len(CopyPart))
    reason: Words


class CopyOutcome(Api):
    """`version` is the station's newest, null where it got none; `problem` says why not. Not `changed`: it had the
    same rules already."""

    station: str
    version: int | None
    changed: bool
    problem: str | None


class RulesProgress(Api):
    """How far a station is: the newest version, and the one that it told it applies."""

    station: str
    version: int
    running: int | None

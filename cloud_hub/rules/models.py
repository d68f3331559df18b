"""The rules of a station as managers see and change them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from cloud_hub.members.models import Occupation, PersonName
from cloud_hub.model import Api
from station_agent.wire.commands import Reason
from station_agent.wire.model import MemberId, Name, UtcTime, Wire
from station_agent.wire.rules import HOLDS_MAX, Capacity, ColdOpen, HoldS, Lockdown, LockOut, Passback, RemoteOpen
from station_agent.wire.rules import Role as WireRole
from station_agent.wire.schedule import Schedule

GUEST_HOURS_MAX = 72
GUEST_USES_MAX = 20


class RoleRule(WireRole):
    """A role of the rules; not one of the hub's users."""


Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class Labels(Wire):
    """What people call schedules and roles; stations know the names alone."""

    schedules: dict[Name, Label] = Field(default_factory=dict, max_length=32)
    roles: dict[Name, Label] = Field(default_factory=dict, max_length=32)


class RulesParts(Wire):
    """What is set as a whole. Extreme cold and lockdown have switches of their own, codes and cards are registered."""

    schedules: dict[Name, Schedule] = Field(default_factory=dict, max_length=32)
    opening: Name | None = None
    roles: dict[Name, RoleRule] = Field(default_factory=dict, max_length=32)
    capacity: Capacity | None = None
    passback: Passback = Passback()
    lock_out: LockOut | None = None
    remote: RemoteOpen = RemoteOpen()
    hold_s: dict[MemberId, HoldS] = Field(
        default_factory=dict, max_length=HOLDS_MAX, exclude_if=lambda value: not value
    )
    labels: Labels = Labels()


class Body(Wire):
    """What the hub keeps of a station's rules."""

    parts: RulesParts = RulesParts()
    cold: ColdOpen | None = None
    lockdown: Lockdown | None = None


class StationRules(Api):
    """`version` is the newest, 0 before the first; `running` the one that the station told it applies, null when it
    was never heard of. `roles` are all that codes and cards may have, the built-in ones included; `names` those of
    the members in `parts.hold_s`."""

    station: str
    version: int
    running: int | None
    people: int | None
    parts: RulesParts
    cold: ColdOpen | None
    lockdown: Lockdown | None
    roles: list[str]
    names: dict[MemberId, str]
    time_zone: str
    changed_at: datetime | None
    changed_by: str | None
    reason: str | None


class RulesChange(Api):
    """`expected_version` is that of the rules which were looked at: whoever changed them meanwhile loses nothing."""

    expected_version: int = Field(ge=0)
    parts: RulesParts
    reason: Reason


class ColdChange(Api):
    """`until` null: off."""

    until: UtcTime | None
    reason: Reason


class LockdownChange(Api):
    """`until` null: until it is switched off."""

    on: bool
    until: UtcTime | None = None
    exempt: tuple[Name, ...] = Field(default=(), max_length=32)
    reason: Reason


class AccessKind(StrEnum):
    PIN = "pin"
    CARD = "card"
    GUEST = "guest"


class AccessCode(Api):
    """A PIN, card or guest's code at a station, without what opens. `name` is the staff person's or the member's."""

    id: str
    kind: AccessKind
    name: str
    person: str | None
    member: str | None
    role: str | None
    occupation: Occupation | None
    phone: str | None
    not_before: datetime | None
    not_after: datetime | None
    uses: int | None
    created_at: datetime
    created_by: str
    reason: str


class NewGuestCode(Api):
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{6,15}$")]
    occupation: Occupation
    hours: int = Field(default=24, ge=1, le=GUEST_HOURS_MAX)
    uses: int = Field(default=1, ge=1, le=GUEST_USES_MAX)
    reason: Reason


class NewPin(Api):
    """`digits` null: they are made."""

    name: PersonName
    role: Name = "staff"
    digits: SecretStr | None = None
    not_after: UtcTime | None = None
    reason: Reason


class RawCard(Api):
    """A card's raw bits as a number, decimal or 0x…, its parity bits included."""

    bits: int = Field(ge=8, le=256)
    number: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,78}|0x[0-9A-Fa-f]{1,64})$")]


class NewCard(Api):
    """Of a member, or of a staff person by name and role. `raw` null: the one unknown card that the station read
    within the last two minutes."""

    member: MemberId | None = None
    name: PersonName | None = None
    role: Name | None = None
    raw: RawCard | None = None
    not_after: UtcTime | None = None
    reason: Reason


class CodeUntil(Api):
    """The new end of a PIN or card; null: it lasts."""

    not_after: UtcTime | None
    reason: Reason


class Revocation(Api):
    reason: Reason


class GivenCode(Api):
    """`digits` are shown this once: the hub keeps their hash only. `qr` is what a guest may hold to the scanner."""

    code: AccessCode
    digits: str | None
    qr: str | None

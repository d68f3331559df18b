"""PURE: what a decision goes by, besides the attempt and the roster: the rules in force and what the door remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from station_agent.access.door_codes import DoorCodes
from station_agent.access.memory import BadTries, GuestUses, Halves, UsedCodes
from station_agent.access.presence import Presence
from station_agent.access.rules import NO_RULES, HeldRules


@dataclass(frozen=True, slots=True)
class Policy:
    """The station's rules, and what it remembers."""

    roster_age_max: timedelta
    used: UsedCodes
    tries: BadTries
    rules: HeldRules = NO_RULES
    zone: tzinfo = UTC
    presence: Presence = field(default_factory=Presence)
    halves: Halves = field(default_factory=Halves)
    guests: GuestUses = field(default_factory=GuestUses)
    door_codes: DoorCodes = field(default_factory=DoorCodes)

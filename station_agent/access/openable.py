"""PURE: could a member be let in now? Every reason why not, as a sentence for the manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from station_agent.access.door_model import Door, Resistance
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import AlarmKind, DoorState

ALARM_REASONS = {
    AlarmKind.DOOR_JAMMED: "the bolt does not move",
    AlarmKind.DOOR_NEVER_OPENED: "people were let in and could not open: ice, a padlock or something before the door",
    AlarmKind.LOCK_FAULT: "the lock does not do what it is told",
    AlarmKind.LOCK_OFFLINE: "the lock does not answer",
}


def should_be_open(rules: HeldRules, utc: datetime, zone: ZoneInfo, trusted: bool) -> bool:
    """Whether members are to be let in now: always, unless the rules have opening hours or a lockdown."""
    if rules.lockdown_now(utc, trusted) is not None:
        return False
    return rules.opening is None or not trusted or rules.opening.covers(utc.astimezone(zone))


@dataclass(frozen=True, slots=True)
class Ways:
    """By what members can ask: readers with whether they answer (None: not heard of yet), and what codes need."""

    readers: Mapping[str, bool | None]
    has_roster: bool
    clock_trusted: bool


def why_not(door: Door, ways: Ways) -> tuple[str, ...]:
    """Empty when a member could come in."""
    found = [reason for alarm, reason in ALARM_REASONS.items() if alarm in door.alarms]
    if door.state is DoorState.UNKNOWN and AlarmKind.LOCK_OFFLINE not in door.alarms:
        found.append("the door's contact cannot be read")
    if door.out_of_service:
        found.append("the door is out of service")
    if not ways.readers:
        found.append("there is no reader of codes and no camera for faces")
    elif all(online is False for online in ways.readers.values()):
        found.append(f"no reader answers: {', '.join(sorted(ways.readers))}")
    if not ways.has_roster:
        found.append("the station has had no roster yet")
    elif not ways.clock_trusted:
        found.append("the clock cannot be believed, so that codes are refused")
    return tuple(found)


def lock_reasons(door: Door, released: bool | None, contact_open: bool | None) -> tuple[str, ...]:
    """What a live look at the lock adds. The door is taken to be at rest."""
    if released is None:
        return ("the lock did not answer the self-test",)
    found = []
    if released and not door.released:
        found.append("the lock is released and should be secured")
    if contact_open is not None and door.contact_open is not None and contact_open is not door.contact_open:
        found.append("the lock tells another state of the contact than its inputs")
    if Resistance.LOCK in door.resisting:
        found.append("the lock says that it is jammed")
    return tuple(found)

"""PURE: the door machine's alarms: raised once, cleared once."""

from __future__ import annotations

from dataclasses import replace

from station_agent.access.door_model import ClearAlarm, Door, Effect, RaiseAlarm, Step
from station_agent.wire.kinds import AlarmKind


def raised(door: Door, alarm: AlarmKind, detail: str) -> Step:
    """The alarm stands, and is told if it did not stand before."""
    if alarm in door.alarms:
        return door, ()
    return replace(door, alarms=door.alarms | {alarm}), (RaiseAlarm(alarm, detail),)


def cleared(door: Door, *alarms: AlarmKind) -> Step:
    """The alarms do not stand; told of those that did."""
    effects: tuple[Effect, ...] = tuple(ClearAlarm(alarm) for alarm in alarms if alarm in door.alarms)
    return replace(door, alarms=door.alarms - set(alarms)), effects


def follow(door: Door, alarm: AlarmKind, active: bool, detail: str) -> Step:
    """An alarm that is what an input says."""
    return raised(door, alarm, detail) if active else cleared(door, alarm)

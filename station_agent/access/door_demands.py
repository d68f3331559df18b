"""PURE: what demands that the door be released, beside grants: fire, a low battery, somebody who leaves.

fire, battery   count as they are: active means released, renewed until inactive, also after a restart
exit button     counts when it becomes active: releases for hold_s, renewed while pressed, EGRESS_HELD_MAX_S long
handle signal   moves nothing: it explains the opening that follows
open deadbolt   after a rightful opening, until the door is closed
"""

from __future__ import annotations

from dataclasses import replace

from station_agent.access.door_alarms import cleared, follow, raised
from station_agent.access.door_model import (
    DEMAND_HOLD_S,
    EGRESS_HELD_MAX_S,
    GRACE_S,
    RENEW_FAILED_S,
    RENEW_S,
    Cause,
    Door,
    DoorSettings,
    Egress,
    Pass,
    Release,
    Step,
)
from station_agent.wire.kinds import AlarmKind


def held(door: Door, settings: DoorSettings) -> bool:
    """Whether an input holds the door released, whoever comes."""
    return bool(door.fire) or (settings.fail_safe and bool(door.battery_low))


def fire_seen(door: Door, active: bool, settings: DoorSettings, now: float) -> Step:
    before = door
    door, told = follow(
        replace(door, fire=active), AlarmKind.FIRE, active, "the fire input is active: the door is released"
    )
    door, moved = _held_changed(before, door, Cause.FIRE, settings, now)
    return door, moved + told


def battery_seen(door: Door, low: bool, settings: DoorSettings, now: float) -> Step:
    """A fail-safe door is released while we still can, in order; a fail-secure one is left alone."""
    if settings.fail_safe:
        detail = "the battery is nearly empty: this fail-safe door is released, and stays open to everybody"
    else:
        detail = "the battery is nearly empty: when it is, nobody can be let in; whoever is inside can leave"
    before = door
    door, told = follow(replace(door, battery_low=low), AlarmKind.BATTERY_LOW, low, detail)
    door, moved = _held_changed(before, door, Cause.BATTERY_LOW, settings, now)
    return door, moved + told


def _held_changed(before: Door, door: Door, cause: Cause, settings: DoorSettings, now: float) -> Step:
    was, holds = held(before, settings), held(door, settings)
    if holds and not was:
        door = replace(door, secure_at=None, warn_at=None, held_at=None, retry_at=None, again_at=None)
        door, release = keep_released(door, cause, now)
        return door, (release,)
    if holds or not was:
        return door, ()  # another holds it, or none did: what was before a restart ends by the lock's own timer
    door = replace(door, renew_at=None)
    if door.contact_open is False and door.expected_until is None:
        return replace(door, secure_at=now + settings.settle_s), ()
    if door.contact_open:
        return replace(door, held_at=now + settings.held_open_after_s), ()
    return door, ()


def egress_seen(door: Door, active: bool | None, settings: DoorSettings, now: float) -> Step:
    """None: it can no longer be read. Active as it is first read is a button of before: it moves nothing."""
    if active is door.egress:
        return door, ()
    pressed = active is True and door.egress is False
    door = replace(door, egress=active, egress_stuck_at=now + EGRESS_HELD_MAX_S if active else None)
    if pressed:
        return _pressed(door, settings, now)
    door, effects = cleared(door, AlarmKind.EGRESS_STUCK) if active is False else (door, ())
    return _let_go(door, settings, now), effects


def _pressed(door: Door, settings: DoorSettings, now: float) -> Step:
    until = now + settings.hold_s + GRACE_S
    door = replace(door, exit_until=until)
    if settings.egress is not Egress.BUTTON:
        return door, ()  # the handle opens by itself
    door = replace(door, expected_until=max(door.expected_until or 0.0, until), secure_at=None)
    if held(door, settings) or (door.contact_open and door.renew_at is not None):
        door, release = keep_released(door, Cause.EGRESS, now)
        return door, (release,)
    return _egress_release(door, settings, now)


def _egress_release(door: Door, settings: DoorSettings, now: float) -> Step:
    """For hold_s, and again while the button stays pressed and nobody has opened."""
    hold_s = max(settings.hold_s, (door.expected_until or 0.0) - GRACE_S - now)
    door = replace(
        door,
        released=True,
        seen_closed=False,
        again_at=None,
        renew_at=None if door.contact_open else now + settings.hold_s / 2,
        secured_by=max(door.secured_by, now + hold_s + GRACE_S),
    )
    return door, (Release(hold_s, Cause.EGRESS),)


def _let_go(door: Door, settings: DoorSettings, now: float) -> Door:
    """The button is no longer pressed: what it released ends when the lock's own timer ends it."""
    if door.renew_at is None or _keeps(door, settings):
        return door
    return replace(door, renew_at=None, expected_until=door.expected_until or max(now, door.secured_by))


def egress_stuck(door: Door, settings: DoorSettings, now: float) -> Step:
    """A Tick: the button is pressed too long."""
    if door.egress_stuck_at is None or now < door.egress_stuck_at:
        return door, ()
    detail = f"the exit input has been active for {EGRESS_HELD_MAX_S:g} s: it releases no longer"
    door, effects = raised(replace(door, egress_stuck_at=None), AlarmKind.EGRESS_STUCK, detail)
    return _let_go(door, settings, now), effects


def keep_released(door: Door, cause: Cause, now: float, entry: Pass | None = None) -> tuple[Door, Release]:
    """Released for as long as something demands it, and to be renewed."""
    door = replace(
        door,
        released=True,
        seen_closed=False,
        renew_at=now + RENEW_S,
        secured_by=max(door.secured_by, now + DEMAND_HOLD_S + GRACE_S),
    )
    return door, Release(DEMAND_HOLD_S, cause, entry)


def renew(door: Door, settings: DoorSettings, now: float) -> Step:
    """A Tick: what demanded it still does."""
    if door.renew_at is None or now < door.renew_at:
        return door, ()
    if door.fire:
        cause = Cause.FIRE
    elif held(door, settings):
        cause = Cause.BATTERY_LOW
    elif door.contact_open:
        cause = Cause.OPEN_BOLT
    else:
        return _egress_release(door, settings, now)
    door, release = keep_released(door, cause, now)
    return door, (release,)


def renewal_failed(door: Door, settings: DoorSettings, now: float) -> Door:
    """The lock did not answer; who is in danger does not wait ten seconds for the next time."""
    return replace(door, released=True, renew_at=now + RENEW_FAILED_S) if held(door, settings) else door


def _keeps(door: Door, settings: DoorSettings) -> bool:
    """Whether something beside the exit button demands the release."""
    return held(door, settings) or bool(door.contact_open)

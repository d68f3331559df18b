"""PURE: a lock that does not do what it is told, a door that does not give way, and a bolt that does not come out.

released --- RETRY_AFTER_S, and the bolt is out, the lock says jammed, or somebody pushes in vain
         --> Secure --- RETRY_PAUSE_S --> Release (the same grant)     at most RETRIES_MAX times
         --> jammed, until the bolt moves or somebody has opened
closed, secured --- BOLT_OUT_S, and the bolt's contact says that it is still in --> unbolted, until it is out
"""

from __future__ import annotations

from dataclasses import replace

from station_agent.access.door_alarms import cleared, raised
from station_agent.access.door_demands import held
from station_agent.access.door_model import (
    BOLT_OUT_S,
    DEMAND_HOLD_S,
    GRACE_S,
    RENEW_FAILED_S,
    RETRIES_MAX,
    RETRY_AFTER_S,
    RETRY_PAUSE_S,
    Cause,
    Door,
    DoorSettings,
    Effect,
    Release,
    Resistance,
    Retried,
    Secure,
    Step,
)
from station_agent.wire.kinds import AlarmKind

BOLT_SIGNS = frozenset({Resistance.BOLT, Resistance.LOCK})

SAID = {
    Resistance.BOLT: "the bolt stays out",
    Resistance.LOCK: "the lock says that it is jammed",
    Resistance.PUSHED: "somebody pushes in vain",
}


def lock_seen(door: Door, released: bool, settings: DoorSettings, now: float) -> Step:
    """What the relay really is."""
    if not released:
        door, effects = cleared(door, AlarmKind.LOCK_FAULT)
        if _at_rest(door, settings):  # no timer of its own still holds it
            door = replace(door, secured_by=min(door.secured_by, now))
        if held(door, settings) and door.renew_at is not None:  # it should be released: not in ten seconds, now
            door = replace(door, renew_at=min(door.renew_at, now + RENEW_FAILED_S))
        return door, effects
    if door.contact_open is None:
        if door.expected_until is None and not held(door, settings):
            # Left by a release of before the restart; the board's own timer will secure it.
            expected = now + settings.hold_s + GRACE_S
            door = replace(
                door,
                released=True,
                seen_closed=False,
                expected_until=expected,
                secured_by=max(door.secured_by, expected),
            )
        return door, ()
    if not _at_rest(door, settings) or now < door.secured_by:
        return door, ()
    door, effects = raised(door, AlarmKind.LOCK_FAULT, "the lock is released and should be secured")
    return door, (Secure(), *effects)


def _at_rest(door: Door, settings: DoorSettings) -> bool:
    """Closed, and the lock should be secured."""
    released = door.released or door.secure_at is not None or door.again_at is not None
    return door.contact_open is False and not released and not held(door, settings)


def resistance_seen(door: Door, sign: Resistance, active: bool | None, now: float) -> Step:
    if sign is Resistance.BOLT:
        door = replace(door, bolt_out=active)
    if active is None:
        return door, ()
    if active:
        door = replace(door, resisting=door.resisting | {sign})
        if door.released and door.waiting and door.retry_at is None and not door.contact_open:
            door = replace(door, retry_at=now + RETRY_AFTER_S)
        return cleared(door, AlarmKind.DOOR_UNBOLTED) if sign is Resistance.BOLT else (door, ())
    door = replace(door, resisting=door.resisting - {sign})
    if sign in BOLT_SIGNS and not door.resisting & BOLT_SIGNS:
        return cleared(door, AlarmKind.DOOR_JAMMED)  # it has moved
    return door, ()


def bolt_watched(door: Door, settings: DoorSettings, now: float) -> Door:
    """When a bolt that is in becomes an alarm; never where no contact tells of it."""
    missing = door.bolt_out is False and AlarmKind.DOOR_UNBOLTED not in door.alarms
    if not missing or not _at_rest(door, settings):
        return door if door.bolt_due_at is None else replace(door, bolt_due_at=None)
    due = max(now, door.secured_by) + BOLT_OUT_S
    return replace(door, bolt_due_at=min(door.bolt_due_at or due, due))


def bolt_missing(door: Door, settings: DoorSettings, now: float) -> Step:
    """A Tick: it has had its time."""
    if door.bolt_due_at is None or now < door.bolt_due_at:
        return door, ()
    detail = "closed and secured, and the bolt has not come out: the door can be pushed open"
    return raised(replace(door, bolt_due_at=None), AlarmKind.DOOR_UNBOLTED, detail)


def retry(door: Door, settings: DoorSettings, now: float) -> Step:
    """A Tick: it has been released for a while, and nobody has opened."""
    if door.retry_at is None or now < door.retry_at:
        return door, ()
    door = replace(door, retry_at=None)
    if not (door.released and door.waiting and door.resisting) or door.contact_open is not False:
        return door, ()
    left_s = (door.expected_until or now) - GRACE_S - now
    if door.retries >= RETRIES_MAX or left_s < RETRY_PAUSE_S + RETRY_AFTER_S:
        if door.retries == 0 and not door.resisting & BOLT_SIGNS:
            return door, ()  # somebody pushes late: the next grant tries again
        signs = ", ".join(SAID[sign] for sign in sorted(door.resisting))
        detail = f"after {door.retries} retry pulses {signs}: ice, or a bent bolt"
        return raised(door, AlarmKind.DOOR_JAMMED, detail)
    effects: tuple[Effect, ...] = (Secure(), Retried(door.retries + 1, door.resisting))
    return replace(door, released=False, renew_at=None, retries=door.retries + 1, again_at=now + RETRY_PAUSE_S), effects


def release_again(door: Door, settings: DoorSettings, now: float) -> Step:
    """A Tick: the second half of a retry pulse, for what is left of the grant."""
    if door.again_at is None or now < door.again_at:
        return door, ()
    door = replace(door, again_at=None)
    if not door.waiting or door.expected_until is None:
        return door, ()
    hold_s = DEMAND_HOLD_S if held(door, settings) else door.expected_until - GRACE_S - now
    if hold_s <= 0:
        return door, ()
    door = replace(door, released=True, retry_at=now + RETRY_AFTER_S)
    return door, (Release(hold_s, Cause.RETRY),)

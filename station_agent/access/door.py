"""PURE: what the door is doing. Inputs in, the next door and effects out. The words: door_model.py.

The state follows from what is known, in this order:

    fire, or low battery at a fail-safe door  ->  EMERGENCY        held released, renewed while the input is active
    the contact cannot be read                ->  UNKNOWN
    open:    opened without a right           ->  FORCED (alarm)   until it closes
             for held_open_after_s            ->  HELD_OPEN (alarm, after a warning)   until it closes
             else                             ->  OPEN
    closed:  released, or settling            ->  RELEASED         until it is opened, or the time is over: Secure
             out of service                   ->  OUT_OF_SERVICE
             it does not do what it should    ->  JAMMED (alarm)   still tried at every grant: nobody is stranded
             else                             ->  SECURED

    granted: Release --- contact opens: count the visit --- closes, settles: Secure
                 |-- resists: Secure, wait, Release, at most twice -- resists still: jammed
                 +-- nobody opens in time: Secure, lapse -- three times in a row: never opened
    secured: the bolt comes out, or the alarm says that it did not

Release has six causes (`Cause`) and no other: a restart, a reconnect, an alarm or a late answer never moves the
lock. A door that is found open or released stays as it is found. An egress input counts when it *becomes* active;
fire and battery count as they are. What a contact alone can know of leaving: docs/decisions/0015.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from station_agent.access.door_alarms import cleared, follow, raised
from station_agent.access.door_demands import (
    battery_seen,
    egress_seen,
    egress_stuck,
    fire_seen,
    held,
    keep_released,
    renew,
    renewal_failed,
)
from station_agent.access.door_jam import (
    bolt_missing,
    bolt_watched,
    lock_seen,
    release_again,
    resistance_seen,
    retry,
)
from station_agent.access.door_model import (
    ALARMS,
    GRACE_S,
    JAMS,
    NEVER_OPENED_AFTER,
    RETRY_AFTER_S,
    WAITING_MAX,
    BatterySeen,
    Bolt,
    Cause,
    ClearAlarm,
    ContactSeen,
    CountVisit,
    Door,
    DoorSettings,
    Effect,
    Egress,
    EgressSeen,
    Exit,
    Exited,
    FireSeen,
    Granted,
    Input,
    Lapse,
    LockOnline,
    LockSeen,
    Pass,
    PowerSeen,
    RaiseAlarm,
    Release,
    ReleaseFailed,
    Resistance,
    ResistanceSeen,
    Retried,
    Secure,
    ServiceSet,
    Step,
    TamperSeen,
    Tick,
    Warn,
)
from station_agent.wire.kinds import AlarmKind, DoorState

__all__ = [
    "ALARMS",
    "GRACE_S",
    "JAMS",
    "NEVER_OPENED_AFTER",
    "BatterySeen",
    "Bolt",
    "Cause",
    "ClearAlarm",
    "ContactSeen",
    "CountVisit",
    "Door",
    "DoorSettings",
    "Effect",
    "Egress",
    "EgressSeen",
    "Exit",
    "Exited",
    "FireSeen",
    "Granted",
    "Input",
    "Lapse",
    "LockOnline",
    "LockSeen",
    "Pass",
    "PowerSeen",
    "RaiseAlarm",
    "Release",
    "ReleaseFailed",
    "Resistance",
    "ResistanceSeen",
    "Retried",
    "Secure",
    "ServiceSet",
    "TamperSeen",
    "Tick",
    "Warn",
    "due",
    "step",
]


POWER_LOST = "the mains are gone, and the battery carries the station"
TAMPERED = "the tamper contact is open: somebody is at the housing or its wiring"


def step(door: Door, given: Input, settings: DoorSettings, now: float) -> Step:
    """The door after `given` at `now`, and what is to be done, in order."""
    door, effects = _answer(door, given, settings, now)
    door = bolt_watched(door, settings, now)
    return replace(door, state=_state(door, settings)), effects


def due(door: Door) -> float | None:
    """When a Tick will change something; None while none can."""
    times = (
        door.expected_until,
        door.secure_at,
        door.warn_at,
        door.held_at,
        door.renew_at,
        door.retry_at,
        door.again_at,
        door.egress_stuck_at,
        door.bolt_due_at,
    )
    return min((time for time in times if time is not None), default=None)


def _state(door: Door, settings: DoorSettings) -> DoorState:
    if held(door, settings):
        return DoorState.EMERGENCY
    if door.contact_open is None:
        return DoorState.UNKNOWN
    if door.contact_open:
        if AlarmKind.DOOR_FORCED in door.alarms:
            return DoorState.FORCED
        return DoorState.HELD_OPEN if AlarmKind.DOOR_HELD_OPEN in door.alarms else DoorState.OPEN
    if door.released or door.secure_at is not None or door.again_at is not None:
        return DoorState.RELEASED
    if door.out_of_service:
        return DoorState.OUT_OF_SERVICE
    return DoorState.JAMMED if door.alarms & JAMS else DoorState.SECURED


def _answer(door: Door, given: Input, settings: DoorSettings, now: float) -> Step:
    match given:
        case Granted(entry):
            return _granted(door, entry, settings, now)
        case ContactSeen(None):
            return _lost_sight(door, settings), ()
        case ContactSeen(is_open):
            return _opened(door, settings, now) if is_open else _closed(door, settings, now)
        case LockSeen(released):
            return lock_seen(door, released, settings, now)
        case LockOnline(online, detail):
            return follow(door, AlarmKind.LOCK_OFFLINE, not online, detail)
        case ReleaseFailed():
            return _release_failed(door, given, settings, now)
        case EgressSeen(active):
            return egress_seen(door, active, settings, now)
        case FireSeen(active):
            return fire_seen(door, active, settings, now)
        case BatterySeen(low):
            return battery_seen(door, low, settings, now)
        case PowerSeen(on_battery):
            return follow(door, AlarmKind.POWER_LOST, on_battery, POWER_LOST)
        case TamperSeen(active):
            return follow(door, AlarmKind.DOOR_TAMPERED, active, TAMPERED)
        case ResistanceSeen(sign, active):
            return resistance_seen(door, sign, active, now)
        case ServiceSet(out_of_service):
            return replace(door, out_of_service=out_of_service), ()
        case Tick():
            return _passed(door, settings, now)
        case _:
            assert_never(given)


def _granted(door: Door, entry: Pass, settings: DoorSettings, now: float) -> Step:
    hold_s = max(settings.hold_s, entry.hold_s or 0.0)
    if door.expected_until is not None:  # a shorter hold does not take from who was let in before
        hold_s = max(hold_s, door.expected_until - GRACE_S - now)
    expected = now + hold_s + GRACE_S
    door = replace(
        door,
        released=True,
        seen_closed=False,
        expected_until=expected,
        secured_by=max(door.secured_by, expected),
        secure_at=None,
        retries=0,
        again_at=None,
        retry_at=None if door.contact_open or held(door, settings) else now + RETRY_AFTER_S,
    )
    release = Release(hold_s, Cause.GRANT, entry)
    if held(door, settings) or (door.contact_open and door.renew_at is not None):
        # It is released for longer than this grant asks; the lock's timer must not be set to less.
        door, release = keep_released(door, Cause.GRANT, now, entry)
    if door.contact_open:
        # They walk in through the open door; released all the same, in case it is falling shut at this moment.
        return door, (release, CountVisit(entry))
    waiting: tuple[Pass, ...] = (*door.waiting, entry)
    lapsed: tuple[Effect, ...] = ()
    if len(waiting) > WAITING_MAX:
        lapsed, waiting = (Lapse(waiting[0]),), waiting[1:]
    return replace(door, waiting=waiting), (release, *lapsed)


def _opened(door: Door, settings: DoorSettings, now: float) -> Step:
    if door.contact_open:
        return door, ()
    expected = door.expected_until is not None and now <= door.expected_until
    found = door.contact_open is None and not door.seen_closed
    exited = _exit(door, settings, now)
    settling = door.secure_at is not None  # it swung back: the same opening
    unlocked = expected or held(door, settings) or (settling and door.released)
    waiting: tuple[Effect, ...]
    waiting = tuple(CountVisit(entry) if expected else Lapse(entry) for entry in door.waiting)
    door = replace(
        door,
        contact_open=True,
        seen_closed=False,
        waiting=(),
        expected_until=None,
        secure_at=None,
        retry_at=None,
        again_at=None,
        renew_at=door.renew_at if held(door, settings) else None,
    )
    if not (unlocked or found or exited or settling):
        door, effects = raised(door, AlarmKind.DOOR_FORCED, "the door opened and nobody had been let in or out")
        return replace(door, released=False), (*effects, *waiting)
    effects = waiting
    if unlocked:  # proof that it gives way
        door, ended = cleared(replace(door, unopened=0), AlarmKind.DOOR_JAMMED, AlarmKind.DOOR_NEVER_OPENED)
        effects += ended
    if exited and not (settling or found) and not (expected and waiting):
        effects += (Exited(exited),)
    forced = AlarmKind.DOOR_FORCED in door.alarms  # and seen again
    if settings.bolt is Bolt.DEADBOLT and unlocked and not forced and not held(door, settings):
        door, release = keep_released(door, Cause.OPEN_BOLT, now)
        effects = (release, *effects)
    return _stands_open(door, settings, now), effects


def _exit(door: Door, settings: DoorSettings, now: float) -> Exit | None:
    """How somebody leaves by this opening, if that can be."""
    if held(door, settings):
        return Exit.EMERGENCY
    if door.egress or now <= door.exit_until:
        return Exit.BUTTON if settings.egress is Egress.BUTTON else Exit.SIGNAL
    if settings.egress is Egress.HANDLE and Resistance.BOLT not in door.resisting:
        # A handle draws the bolt before the door moves; a crowbar does not.
        return Exit.HANDLE
    return None


def _stands_open(door: Door, settings: DoorSettings, now: float) -> Door:
    """From now on it counts as standing open, unless an alarm of earlier says so already."""
    if door.alarms & {AlarmKind.DOOR_FORCED, AlarmKind.DOOR_HELD_OPEN} or held(door, settings):
        return door
    held_at = now + settings.held_open_after_s
    warn_at = held_at - settings.warn_before_s if settings.warn_before_s > 0 else None
    return replace(door, held_at=held_at, warn_at=warn_at)


def _closed(door: Door, settings: DoorSettings, now: float) -> Step:
    if door.contact_open is False:
        return door, ()
    was_open = door.contact_open is True
    forced = AlarmKind.DOOR_FORCED in door.alarms
    expected = door.expected_until is not None and now <= door.expected_until
    door, effects = cleared(door, AlarmKind.DOOR_FORCED, AlarmKind.DOOR_HELD_OPEN)
    door = replace(door, contact_open=False, held_at=None, warn_at=None)
    if held(door, settings):
        return door, effects
    door = replace(door, renew_at=None)  # the deadbolt may come out
    if expected:
        # Somebody was let in or out while it was open, or it is the first reading after a grant.
        return door, effects
    door = replace(door, expected_until=None)
    if not was_open:
        return replace(door, released=False, seen_closed=True), effects
    if settings.settle_s > 0 and not forced:  # what swings back after a break-in is told again
        return replace(door, secure_at=now + settings.settle_s), effects
    door, secure = _secured(door)
    return door, (*secure, *effects)


def _lost_sight(door: Door, settings: DoorSettings) -> Door:
    """What the door does now is not known. What stood before stands until it is seen again."""
    at_rest = door.contact_open is False and not door.released and door.secure_at is None
    return replace(
        door,
        contact_open=None,
        seen_closed=at_rest and not held(door, settings),
        secure_at=None,
        held_at=None,
        warn_at=None,
        retry_at=None,
        again_at=None,
        renew_at=door.renew_at if held(door, settings) else None,
    )


def _secured(door: Door) -> Step:
    """A closed door's lock is to be secured from here on."""
    return replace(door, released=False, seen_closed=True, secure_at=None, renew_at=None), (Secure(),)


def _release_failed(door: Door, failed: ReleaseFailed, settings: DoorSettings, now: float) -> Step:
    """The window stays open: the answer may be what was lost, and then the door does open."""
    waiting = tuple(entry for entry in door.waiting if entry.attempt != failed.attempt)
    lapsed: tuple[Effect, ...] = tuple(Lapse(entry) for entry in door.waiting if entry.attempt == failed.attempt)
    door = replace(door, waiting=waiting)
    if not waiting and not door.contact_open:
        door = replace(door, released=False, retry_at=None, again_at=None)
    door, effects = raised(renewal_failed(door, settings, now), AlarmKind.LOCK_FAULT, failed.detail)
    return door, lapsed + effects


def _passed(door: Door, settings: DoorSettings, now: float) -> Step:
    door, effects = egress_stuck(door, settings, now)
    if door.expected_until is not None and now >= door.expected_until:
        door, more = _release_over(door, settings, now)
        effects += more
    if door.secure_at is not None and now >= door.secure_at:
        door, more = _secured(door)
        effects += more
    if door.warn_at is not None and now >= door.warn_at:
        door = replace(door, warn_at=None)
        effects += (Warn(),)
    if door.held_at is not None and now >= door.held_at:
        door, more = raised(replace(door, held_at=None), AlarmKind.DOOR_HELD_OPEN, "the door stands open")
        effects += more
    for topic in (renew, release_again, retry, bolt_missing):
        door, more = topic(door, settings, now)
        effects += more
    return door, effects


def _release_over(door: Door, settings: DoorSettings, now: float) -> Step:
    lapsed: tuple[Effect, ...] = tuple(Lapse(entry) for entry in door.waiting)
    unopened = door.unopened
    if door.waiting and door.contact_open is False:
        unopened = min(unopened + 1, NEVER_OPENED_AFTER)
    door = replace(door, waiting=(), expected_until=None, unopened=unopened, retry_at=None, again_at=None)
    if door.contact_open is not False or held(door, settings):
        return door, lapsed
    effects: tuple[Effect, ...] = ()
    if unopened >= NEVER_OPENED_AFTER:
        detail = f"let in {NEVER_OPENED_AFTER} times in a row and nobody opened: ice, a padlock or something before it"
        door, effects = raised(door, AlarmKind.DOOR_NEVER_OPENED, detail)
    if door.renew_at is not None:  # the exit button is still pressed
        return door, lapsed + effects
    door, secure = _secured(door)
    return door, (*secure, *lapsed, *effects)

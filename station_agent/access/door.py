"""PURE: what the door is doing. Inputs in, the next state and effects out.

                     granted: Release
      SECURED  ------------------------->  RELEASED
       ^ ^ ^                                 |   | time is over: Secure, lapse
       | | +---------------------------------+---+
       | |                                   | contact opens: count the visit
       | |   contact closes: Secure          v
       | +--------------------------------  OPEN  ---- held_open_after_s ----> HELD_OPEN (alarm)
       |                                                                          |
       +------ contact closes: Secure, clear ----------- FORCED (alarm) <---------+-- never; see below
      SECURED -- contact opens without a grant --> FORCED
      JAMMED: the lock does not do what it was told (no answer, still released when it should be secured, or
              JAM_AFTER grants after which nobody could open). It is still tried at every grant: nobody is stranded.
      UNKNOWN: since the start, until the contact has been read once.

Release comes from Granted and from nothing else: no restart, reconnect, alarm or tick ever opens. A door that is
found open or released at the start stays as it is found. Time is monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from station_agent.wire.kinds import AlarmKind, Credential, DoorState

JAM_AFTER = 3
"""One grant without an opening is somebody who walked away; three in a row are ice, a padlock or a bolt."""

GRACE_S = 1.0
"""The contact is polled: an opening in the last moment of a release is seen this much later at most."""

WAITING_MAX = 8
"""Grants that wait for one opening: a group that shows its codes one after the other."""

ALARMS = frozenset({AlarmKind.DOOR_FORCED, AlarmKind.DOOR_HELD_OPEN, AlarmKind.DOOR_JAMMED})


@dataclass(frozen=True, slots=True)
class Pass:
    """An entry that was granted."""

    attempt: UUID
    credential: Credential
    member: str | None = None


@dataclass(frozen=True, slots=True)
class DoorSettings:
    hold_s: float
    held_open_after_s: float


@dataclass(frozen=True, slots=True)
class Door:
    """`waiting` are grants that no opening has confirmed yet; `expected_until` ends the time in which an opening
    is nobody's crime; until `secured_by` the relay may still be released by its own timer; `unopened` counts releases
    in a row after which nobody opened."""

    state: DoorState = DoorState.UNKNOWN
    contact_open: bool | None = None
    waiting: tuple[Pass, ...] = ()
    expected_until: float | None = None
    held_at: float | None = None
    secured_by: float = 0.0
    unopened: int = 0
    alarms: frozenset[AlarmKind] = frozenset()


# --- inputs ---


@dataclass(frozen=True, slots=True)
class Granted:
    entry: Pass


@dataclass(frozen=True, slots=True)
class ContactSeen:
    open: bool


@dataclass(frozen=True, slots=True)
class LockSeen:
    """The relay, read from the device."""

    released: bool


@dataclass(frozen=True, slots=True)
class ReleaseFailed:
    attempt: UUID
    detail: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `due` says when one is needed."""


Input = Granted | ContactSeen | LockSeen | ReleaseFailed | Tick

# --- effects ---


@dataclass(frozen=True, slots=True)
class Release:
    entry: Pass


@dataclass(frozen=True, slots=True)
class Secure:
    pass


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    alarm: AlarmKind
    detail: str


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    alarm: AlarmKind


@dataclass(frozen=True, slots=True)
class CountVisit:
    entry: Pass


@dataclass(frozen=True, slots=True)
class Lapse:
    """The grant was not used: nobody opened in time."""

    entry: Pass


Effect = Release | Secure | RaiseAlarm | ClearAlarm | CountVisit | Lapse


def step(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """The door after `given` at `now`, and what is to be done, in order."""
    match given:
        case Granted(entry):
            return _granted(door, entry, settings, now)
        case ContactSeen(is_open):
            return _opened(door, settings, now) if is_open else _closed(door, now)
        case LockSeen(released):
            return _lock_seen(door, released, settings, now)
        case ReleaseFailed(attempt, detail):
            return _release_failed(door, attempt, detail)
        case Tick():
            return _passed(door, now)
        case _:
            assert_never(given)


def due(door: Door) -> float | None:
    """When a Tick will change something; None while none can."""
    times = [time for time in (door.expected_until, door.held_at) if time is not None]
    return min(times) if times else None


def _granted(door: Door, entry: Pass, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    expected = now + settings.hold_s + GRACE_S
    door = replace(door, secured_by=expected)
    if door.contact_open:
        # They walk in through the open door; released all the same, in case it is falling shut at this moment.
        return replace(door, expected_until=expected), (Release(entry), CountVisit(entry))
    waiting: tuple[Pass, ...] = (*door.waiting, entry)
    lapsed: tuple[Effect, ...] = ()
    if len(waiting) > WAITING_MAX:
        lapsed, waiting = (Lapse(waiting[0]),), waiting[1:]
    state = DoorState.UNKNOWN if door.contact_open is None else DoorState.RELEASED
    return replace(door, state=state, waiting=waiting, expected_until=expected), (Release(entry), *lapsed)


def _opened(door: Door, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    if door.contact_open:
        return door, ()
    found = door.contact_open is None
    expected = door.expected_until is not None and now <= door.expected_until
    if found and not expected:
        return _found_open(door, settings, now)
    if not expected:
        forced, effects = _raise(door, AlarmKind.DOOR_FORCED, "the door opened and nobody had been let in")
        lapsed = tuple(Lapse(entry) for entry in door.waiting)
        return replace(
            forced, state=DoorState.FORCED, contact_open=True, waiting=(), expected_until=None, held_at=None
        ), effects + lapsed
    visits = tuple(CountVisit(entry) for entry in door.waiting)
    door, cleared = _clear(door, AlarmKind.DOOR_JAMMED)
    opened = replace(
        door,
        state=DoorState.OPEN,
        contact_open=True,
        waiting=(),
        expected_until=None,
        held_at=now + settings.held_open_after_s,
        unopened=0,
    )
    return opened, visits + cleared


def _found_open(door: Door, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """The first reading of the contact, and it is open: an alarm of before the restart goes on."""
    if AlarmKind.DOOR_FORCED in door.alarms:
        return replace(door, state=DoorState.FORCED, contact_open=True), ()
    if AlarmKind.DOOR_HELD_OPEN in door.alarms:
        return replace(door, state=DoorState.HELD_OPEN, contact_open=True), ()
    return replace(door, state=DoorState.OPEN, contact_open=True, held_at=now + settings.held_open_after_s), ()


def _closed(door: Door, now: float) -> tuple[Door, tuple[Effect, ...]]:
    if door.contact_open is False:
        return door, ()
    was_open = door.contact_open is True
    door, forced = _clear(door, AlarmKind.DOOR_FORCED)
    door, held = _clear(door, AlarmKind.DOOR_HELD_OPEN)
    door = replace(door, contact_open=False, held_at=None)
    if door.expected_until is not None and now <= door.expected_until:
        # Somebody was let in while it was open, or it is the first reading after a grant.
        return replace(door, state=DoorState.RELEASED), forced + held
    state = DoorState.JAMMED if AlarmKind.DOOR_JAMMED in door.alarms else DoorState.SECURED
    secure: tuple[Effect, ...] = (Secure(),) if was_open else ()
    return replace(door, state=state, expected_until=None), secure + forced + held


def _lock_seen(door: Door, released: bool, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    if door.state is DoorState.UNKNOWN:
        if released and door.expected_until is None:
            # Left by a grant of before the restart; the board's own timer will secure it.
            expected = now + settings.hold_s + GRACE_S
            return replace(door, expected_until=expected, secured_by=expected), ()
        return door, ()
    if released and door.state is DoorState.SECURED and now >= door.secured_by:
        jammed, effects = _raise(door, AlarmKind.DOOR_JAMMED, "the lock is released and should be secured")
        return replace(jammed, state=DoorState.JAMMED), (Secure(), *effects)
    if not released and door.state is DoorState.JAMMED and door.unopened < JAM_AFTER:
        cleared, effects = _clear(door, AlarmKind.DOOR_JAMMED)
        return replace(cleared, state=DoorState.SECURED), effects
    return door, ()


def _release_failed(door: Door, attempt: UUID, detail: str) -> tuple[Door, tuple[Effect, ...]]:
    """The window stays open: the answer may be what was lost, and then the door does open."""
    waiting = tuple(entry for entry in door.waiting if entry.attempt != attempt)
    lapsed = tuple(Lapse(entry) for entry in door.waiting if entry.attempt == attempt)
    door, effects = _raise(replace(door, waiting=waiting), AlarmKind.DOOR_JAMMED, detail)
    if door.state is DoorState.SECURED or (door.state is DoorState.RELEASED and not waiting):
        door = replace(door, state=DoorState.JAMMED)
    return door, lapsed + effects


def _passed(door: Door, now: float) -> tuple[Door, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    if door.expected_until is not None and now >= door.expected_until:
        door, effects = _release_over(door)
    if door.held_at is not None and now >= door.held_at:
        door = replace(door, held_at=None)
        if door.state is DoorState.OPEN:
            door, held = _raise(door, AlarmKind.DOOR_HELD_OPEN, "the door stands open")
            door, effects = replace(door, state=DoorState.HELD_OPEN), effects + held
    return door, effects


def _release_over(door: Door) -> tuple[Door, tuple[Effect, ...]]:
    lapsed = tuple(Lapse(entry) for entry in door.waiting)
    unopened = min(door.unopened + 1, JAM_AFTER) if door.waiting and door.contact_open is False else door.unopened
    door = replace(door, waiting=(), expected_until=None, unopened=unopened)
    if door.contact_open is not False:
        return door, lapsed
    effects: tuple[Effect, ...] = ()
    if unopened >= JAM_AFTER:
        detail = f"released {JAM_AFTER} times and nobody could open: ice, a padlock or a stuck bolt"
        door, effects = _raise(door, AlarmKind.DOOR_JAMMED, detail)
    state = DoorState.JAMMED if AlarmKind.DOOR_JAMMED in door.alarms else DoorState.SECURED
    return replace(door, state=state), (Secure(), *lapsed, *effects)


def _raise(door: Door, alarm: AlarmKind, detail: str) -> tuple[Door, tuple[Effect, ...]]:
    if alarm in door.alarms:
        return door, ()
    return replace(door, alarms=door.alarms | {alarm}), (RaiseAlarm(alarm, detail),)


def _clear(door: Door, alarm: AlarmKind) -> tuple[Door, tuple[Effect, ...]]:
    if alarm not in door.alarms:
        return door, ()
    return replace(door, alarms=door.alarms - {alarm}), (ClearAlarm(alarm),)

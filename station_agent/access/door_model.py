"""PURE: the words of the door machine: what it is told, what it answers, what it knows. The rules: door.py."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from station_agent.wire.kinds import AlarmKind, Credential, DoorState

NEVER_OPENED_AFTER = 3
"""One grant without an opening is somebody who walked away; three in a row are ice, a padlock or a bolt."""

GRACE_S = 1.0
"""The contact is polled: an opening in the last moment of a release is seen this much later at most."""

WAITING_MAX = 8
"""Grants that wait for one opening: a group that shows its codes one after the other."""

RETRIES_MAX = 2
RETRY_AFTER_S = 1.2
"""A released bolt that still resists after this does not come by waiting: strikes and motors need 0.2 to 1 s. Two
pulses and a last look fit into a hold of 5 s."""
RETRY_PAUSE_S = 0.4
"""Secured for so long between two pulses, so that a motor or a spring really goes back."""

BOLT_OUT_S = 5.0
"""A bolt that is not out so long after the door was closed and secured does not come: a spring or a motor needs 0.2 to
3 s, and a hand that holds the handle down lets go."""

DEMAND_HOLD_S = 30.0
"""How long a release lasts that an input demands (fire, low battery) or an open deadbolt needs. The lock's own timer
ends it so late when the agent has died; every lock has a timer of at least this length."""
RENEW_S = 10.0
"""Such a release is renewed this often, so that two renewals may be lost."""
RENEW_FAILED_S = 1.0

EGRESS_HELD_MAX_S = 60.0
"""An exit button that is pressed for so long is stuck: it releases no longer, and still explains an opening."""


class Egress(StrEnum):
    """How people leave."""

    UNKNOWN = "unknown"  # the profile does not say: an opening without a grant is forced
    BUTTON = "button"  # an input releases the lock
    HANDLE = "handle"  # mechanical, and nothing tells when it is used
    HANDLE_SIGNALLED = "handle_signalled"  # mechanical, and an input tells


class Bolt(StrEnum):
    """What holds the door. A deadbolt that comes out while the door is open hits the frame."""

    LATCH = "latch"
    DEADBOLT = "deadbolt"
    MAGNET = "magnet"


class Resistance(StrEnum):
    """Signs that a released door does not give way."""

    BOLT = "bolt"  # the bolt's own contact: it is out
    LOCK = "lock"  # the lock says that it is jammed
    PUSHED = "pushed"  # somebody pushes


class Cause(StrEnum):
    """Why a lock is released. There is no other reason."""

    GRANT = "grant"
    RETRY = "retry"  # of a grant that could not be used
    EGRESS = "egress"
    FIRE = "fire"
    BATTERY_LOW = "battery_low"  # at a fail-safe door only
    OPEN_BOLT = "open_bolt"  # the door is open, and its deadbolt would hit the frame


class Exit(StrEnum):
    """How somebody left, as far as the door can know."""

    BUTTON = "button"
    SIGNAL = "signal"
    HANDLE = "handle"  # nothing tells, and the handle inside is free
    EMERGENCY = "emergency"


JAMS = frozenset({AlarmKind.DOOR_JAMMED, AlarmKind.DOOR_NEVER_OPENED, AlarmKind.DOOR_UNBOLTED, AlarmKind.LOCK_FAULT})
"""While one of these stands, the door at rest is JAMMED."""

ALARMS = JAMS | {
    AlarmKind.DOOR_FORCED,
    AlarmKind.DOOR_HELD_OPEN,
    AlarmKind.DOOR_TAMPERED,
    AlarmKind.EGRESS_STUCK,
    AlarmKind.FIRE,
    AlarmKind.POWER_LOST,
    AlarmKind.BATTERY_LOW,
    AlarmKind.LOCK_OFFLINE,
}
"""The machine's own. Each has one cause, so that whoever comes after a restart knows when it ends."""


@dataclass(frozen=True, slots=True)
class Pass:
    """An entry that was granted; `hold_s` for who needs longer than the door's own time (a wheelchair, a cart)."""

    attempt: UUID
    credential: Credential
    member: str | None = None
    hold_s: float | None = None


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """`fail_safe`: without power the lock is released."""

    hold_s: float
    held_open_after_s: float
    warn_before_s: float = 0.0
    settle_s: float = 0.0
    egress: Egress = Egress.UNKNOWN
    bolt: Bolt = Bolt.LATCH
    fail_safe: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """What is known, at one moment. Times are monotonic seconds; an input is None until it has been read.

    `released` is what we believe of the lock; `waiting` are grants that no opening has confirmed; `expected_until`
    ends the time in which an opening is an entry; until `secured_by` the relay may still be released by its own timer.
    """

    state: DoorState = DoorState.UNKNOWN
    contact_open: bool | None = None
    fire: bool | None = None
    battery_low: bool | None = None
    egress: bool | None = None
    resisting: frozenset[Resistance] = frozenset()
    bolt_out: bool | None = None  # its contact now; `resisting` keeps its last word
    out_of_service: bool = False
    alarms: frozenset[AlarmKind] = frozenset()

    released: bool = False
    waiting: tuple[Pass, ...] = ()
    unopened: int = 0  # grants in a row after which nobody opened
    retries: int = 0
    seen_closed: bool = False  # was last known closed and secured, though the contact may be silent now
    exit_until: float = float("-inf")  # an opening until then was asked for from inside
    secured_by: float = 0.0

    # when a Tick does something
    expected_until: float | None = None
    secure_at: float | None = None  # closed, and settling
    warn_at: float | None = None
    held_at: float | None = None
    renew_at: float | None = None
    retry_at: float | None = None  # looks whether the door resists
    again_at: float | None = None  # within a retry pulse: the second release
    egress_stuck_at: float | None = None
    bolt_due_at: float | None = None  # closed and secured, and the bolt is still in


# --- what it is told ---


@dataclass(frozen=True, slots=True)
class Granted:
    entry: Pass


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """None: it can no longer be read."""

    open: bool | None


@dataclass(frozen=True, slots=True)
class LockSeen:
    """The relay, read from the device."""

    released: bool


@dataclass(frozen=True, slots=True)
class LockOnline:
    online: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseFailed:
    """`attempt` is None when it was no grant's."""

    attempt: UUID | None
    detail: str


@dataclass(frozen=True, slots=True)
class EgressSeen:
    active: bool | None


@dataclass(frozen=True, slots=True)
class FireSeen:
    active: bool


@dataclass(frozen=True, slots=True)
class BatterySeen:
    low: bool


@dataclass(frozen=True, slots=True)
class PowerSeen:
    on_battery: bool


@dataclass(frozen=True, slots=True)
class TamperSeen:
    active: bool


@dataclass(frozen=True, slots=True)
class ResistanceSeen:
    """None: the bolt's contact can no longer be read."""

    sign: Resistance
    active: bool | None


@dataclass(frozen=True, slots=True)
class ServiceSet:
    out_of_service: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `due` says when one is needed."""


Input = (
    Granted
    | ContactSeen
    | LockSeen
    | LockOnline
    | ReleaseFailed
    | EgressSeen
    | FireSeen
    | BatterySeen
    | PowerSeen
    | TamperSeen
    | ResistanceSeen
    | ServiceSet
    | Tick
)

# --- what it answers ---


@dataclass(frozen=True, slots=True)
class Release:
    hold_s: float
    cause: Cause
    entry: Pass | None = None  # whose grant, when it is one's first release


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


@dataclass(frozen=True, slots=True)
class Exited:
    how: Exit


@dataclass(frozen=True, slots=True)
class Retried:
    pulse: int
    signs: frozenset[Resistance]


@dataclass(frozen=True, slots=True)
class Warn:
    """The door should be closed soon, or it is an alarm."""


Effect = Release | Secure | RaiseAlarm | ClearAlarm | CountVisit | Lapse | Exited | Retried | Warn

Step = tuple[Door, tuple[Effect, ...]]

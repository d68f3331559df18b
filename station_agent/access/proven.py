"""PURE: what the lock has been seen to do. Nobody makes a relay click to test it: that would release the door.

    releases   within a release the bolt went in; where no contact tells of it: a secured door was opened by a grant
    secures    the bolt came out of a lock that had been secured; a door's contact alone proves nothing of that

So every opening by whoever comes is the test, and what has not been seen for long is said (selftest.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from station_agent.access.door_model import ContactSeen, CountVisit, Door, Effect, Input, Resistance, ResistanceSeen
from station_agent.wire.kinds import AlarmKind

SEEN_WITHIN = timedelta(days=7)
"""A station whose door nobody opens for a week is closed, or nobody can come in."""


class Proof(StrEnum):
    RELEASES = "releases"
    SECURES = "secures"


Proven = Mapping[Proof, datetime]
"""When it was seen last."""


def proof(before: Door, given: Input, effects: Sequence[Effect]) -> Proof | None:
    """What a step of the door machine from `before` has shown of the lock."""
    match given:
        case ResistanceSeen(Resistance.BOLT, False):
            moved = before.bolt_out is True and before.released and before.contact_open is False
            return Proof.RELEASES if moved else None
        case ResistanceSeen(Resistance.BOLT, True):
            secured = before.bolt_out is False and not before.released and before.contact_open is False
            return Proof.SECURES if secured else None
        case ContactSeen(True):
            entered = before.contact_open is False and any(isinstance(effect, CountVisit) for effect in effects)
            untold = before.bolt_out is None and AlarmKind.DOOR_UNBOLTED not in before.alarms
            return Proof.RELEASES if entered and untold else None
    return None


SAID = {
    Proof.RELEASES: ("release", "somebody should come in by a code"),
    Proof.SECURES: ("bolt the door again", "look at the bolt and at its contact"),
}


def unproven(proven: Proven, wanted: Sequence[Proof], now: datetime) -> tuple[str, ...]:
    """A sentence for each that has not been seen for long. A time that lies ahead proves nothing."""
    found = []
    for one in wanted:
        does, help = SAID[one]
        at = proven.get(one)
        if at is None or at > now:
            found.append(f"the lock has never been seen to {does}: {help}")
        elif now - at > SEEN_WITHIN:
            found.append(f"the lock has not been seen to {does} for {(now - at).days} days: {help}")
    return tuple(found)

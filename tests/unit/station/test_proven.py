"""What openings prove of the lock: nothing is exercised, and what was not seen for long is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from station_agent.access.door import step
from station_agent.access.door_model import (
    ContactSeen,
    Door,
    DoorSettings,
    Egress,
    EgressSeen,
    FireSeen,
    Granted,
    Input,
    Pass,
    Resistance,
    ResistanceSeen,
    Tick,
)
from station_agent.access.proven import SEEN_WITHIN, Proof, proof, unproven
from station_agent.wire.kinds import AlarmKind, Credential

SETTINGS = DoorSettings(hold_s=5.0, held_open_after_s=60.0, egress=Egress.BUTTON)
ANNA = Pass(UUID(int=1), Credential.CODE)
IN, OUT = ResistanceSeen(Resistance.BOLT, False), ResistanceSeen(Resistance.BOLT, True)
OPEN, SHUT, GRANT = ContactSeen(True), ContactSeen(False), Granted(ANNA)


def seen(*given: Input, door: Door | None = None) -> list[Proof]:
    """One second apart, at a door that is shut."""
    door, found = step(door or Door(), SHUT, SETTINGS, 0.0)[0], []
    for now, one in enumerate(given, 1):
        after, effects = step(door, one, SETTINGS, float(now))
        if (shown := proof(door, one, effects)) is not None:
            found.append(shown)
        door = after
    return found


RELEASES, SECURES = Proof.RELEASES, Proof.SECURES


@pytest.mark.parametrize(
    ("given", "proofs"),
    [
        ((OUT, GRANT, IN, OPEN, SHUT, OUT), [RELEASES, SECURES]),
        ((OUT, GRANT, OPEN, SHUT), []),  # a bolt's contact that does not move: the lock, or the contact
        ((GRANT, OPEN, SHUT), [RELEASES]),  # no contact at the bolt: a secured door gave way to a grant
        ((GRANT, *[Tick()] * 8), []),  # nobody came
        ((OPEN, SHUT), []),  # a break-in
        ((GRANT, OPEN, GRANT), [RELEASES]),  # who walks in through the open door proves nothing more
        ((OUT, IN, OUT), [SECURES]),  # a handle: nobody had asked the lock, and yet the bolt comes out
        ((OUT, FireSeen(True), IN), [RELEASES]),
        ((OUT, EgressSeen(False), EgressSeen(True), IN), [RELEASES]),
        ((EgressSeen(False), EgressSeen(True), OPEN), []),  # an exit: perhaps by the handle
    ],
    ids=lambda value: None,
)
def test_what_the_contacts_show(given: tuple[Input, ...], proofs: list[Proof]) -> None:
    assert seen(*given) == proofs


def test_a_door_that_was_not_bolted_proves_nothing_by_opening() -> None:
    assert seen(GRANT, OPEN, door=Door(alarms=frozenset({AlarmKind.DOOR_UNBOLTED}))) == []


NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def test_what_was_not_seen_for_long_is_said() -> None:
    both = tuple(Proof)
    assert unproven({RELEASES: NOW - SEEN_WITHIN, SECURES: NOW}, both, NOW) == ()
    told = unproven({RELEASES: NOW - timedelta(days=9)}, both, NOW)
    assert told == (
        "the lock has not been seen to release for 9 days: somebody should come in by a code",
        "the lock has never been seen to bolt the door again: look at the bolt and at its contact",
    )
    assert unproven({}, (RELEASES,), NOW) == (
        "the lock has never been seen to release: somebody should come in by a code",
    )
    assert unproven({RELEASES: NOW + timedelta(days=1)}, (RELEASES,), NOW), "a time that lies ahead proves nothing"

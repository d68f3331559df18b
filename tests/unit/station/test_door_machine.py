"""The door machine: first as sentences, then as properties of every sequence of inputs."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from station_agent.access import door as machine
from station_agent.access.door import (
    GRACE_S,
    JAM_AFTER,
    ClearAlarm,
    ContactSeen,
    CountVisit,
    Door,
    DoorSettings,
    Effect,
    Granted,
    Input,
    Lapse,
    LockSeen,
    Pass,
    RaiseAlarm,
    Release,
    ReleaseFailed,
    Secure,
    Tick,
    due,
    step,
)
from station_agent.wire.kinds import AlarmKind, Credential, DoorState

SETTINGS = DoorSettings(hold_s=5.0, held_open_after_s=60.0)
ANNA = Pass(UUID(int=1), Credential.CODE, "00" * 8)
BORIS = Pass(UUID(int=2), Credential.FACE, "01" * 8)


def run(door: Door, *timed: tuple[float, Input]) -> tuple[Door, list[Effect]]:
    effects: list[Effect] = []
    for now, given in timed:
        door, more = step(door, given, SETTINGS, now)
        effects += more
    return door, effects


@pytest.fixture
def secured() -> Door:
    return run(Door(), (0, ContactSeen(False)))[0]


def test_a_grant_releases_and_the_opening_counts_one_visit(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (4, ContactSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects == [Release(ANNA), CountVisit(ANNA), Secure()]


def test_two_grants_and_one_opening_are_two_visits(secured: Door) -> None:
    _, effects = run(secured, (1, Granted(ANNA)), (2, Granted(BORIS)), (3, ContactSeen(True)))
    assert effects == [Release(ANNA), Release(BORIS), CountVisit(ANNA), CountVisit(BORIS)]


def test_a_grant_while_the_door_stands_open_is_a_visit_at_once(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (3, Granted(BORIS)))
    assert effects[-2:] == [Release(BORIS), CountVisit(BORIS)]
    # It was falling shut in front of Boris: it stays released for him.
    door, effects = run(door, (3.2, ContactSeen(False)), (4, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert effects == []


def test_nobody_opens_and_it_is_secured_again(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)))
    assert due(door) == 1 + SETTINGS.hold_s + GRACE_S
    door, effects = run(door, (due(door) or 0, Tick()))
    assert door.state is DoorState.SECURED
    assert effects == [Secure(), Lapse(ANNA)]


def test_an_opening_without_a_grant_is_forced_until_it_closes(secured: Door) -> None:
    door, effects = run(secured, (1, ContactSeen(True)))
    assert door.state is DoorState.FORCED
    assert [type(effect) for effect in effects] == [RaiseAlarm]
    door, effects = run(door, (9, ContactSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects == [Secure(), ClearAlarm(AlarmKind.DOOR_FORCED)]


def test_an_opening_after_the_release_is_over_is_forced(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)), (7, Tick()), (7.5, ContactSeen(True)))
    assert door.state is DoorState.FORCED


def test_a_door_left_open_is_held_open_and_clears_when_it_closes(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)))
    assert due(door) == 62
    door, effects = run(door, (62, Tick()))
    assert door.state is DoorState.HELD_OPEN
    door, effects = run(door, (70, ContactSeen(False)))
    assert effects == [Secure(), ClearAlarm(AlarmKind.DOOR_HELD_OPEN)]


def test_three_grants_in_a_row_that_nobody_could_use_are_a_jam_and_the_next_grant_still_releases(secured: Door) -> None:
    door = secured
    for number in range(JAM_AFTER):
        door, effects = run(door, (number * 10, Granted(ANNA)), (number * 10 + 6, Tick()))
    assert door.state is DoorState.JAMMED
    assert RaiseAlarm in {type(effect) for effect in effects}
    door, effects = run(door, (40, Granted(BORIS)))
    assert effects == [Release(BORIS)]
    door, effects = run(door, (41, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert ClearAlarm(AlarmKind.DOOR_JAMMED) in effects


def test_a_lock_that_does_not_answer_is_a_jam_until_it_answers(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ReleaseFailed(ANNA.attempt, "silent")))
    assert door.state is DoorState.JAMMED
    assert effects == [Release(ANNA), Lapse(ANNA), RaiseAlarm(AlarmKind.DOOR_JAMMED, "silent")]
    door, effects = run(door, (9, Tick()), (10, LockSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects[-1] == ClearAlarm(AlarmKind.DOOR_JAMMED)


def test_a_lock_that_stays_released_is_a_jam(secured: Door) -> None:
    door, effects = run(secured, (1, LockSeen(True)))
    assert door.state is DoorState.JAMMED
    assert effects[0] == Secure()


def test_a_relay_that_its_own_timer_still_holds_is_no_jam(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (3, ContactSeen(False)), (4, LockSeen(True)))
    assert door.state is DoorState.SECURED
    door, _ = run(door, (8, LockSeen(True)))
    assert door.state is DoorState.JAMMED


def test_found_open_after_a_restart_is_open_and_no_alarm() -> None:
    door, effects = run(Door(), (0, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert effects == []


def test_an_alarm_of_before_the_restart_goes_on_or_is_cleared() -> None:
    before = Door(alarms=frozenset({AlarmKind.DOOR_FORCED}))
    door, effects = run(before, (0, ContactSeen(True)))
    assert (door.state, effects) == (DoorState.FORCED, [])
    door, effects = run(before, (0, ContactSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects == [ClearAlarm(AlarmKind.DOOR_FORCED)]


def test_a_lock_found_released_after_a_restart_stays_as_it_is_and_its_opening_is_no_break_in() -> None:
    door, effects = run(Door(), (0, LockSeen(True)), (0.1, ContactSeen(False)), (2, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert effects == []


def test_a_grant_of_before_the_restart_is_counted_when_the_door_opens() -> None:
    door = Door(waiting=(ANNA,), expected_until=6.0)
    door, effects = run(door, (1, ContactSeen(False)), (2, ContactSeen(True)))
    assert effects == [CountVisit(ANNA)]


class AnyDay(RuleBasedStateMachine):
    """Whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.door = Door()
        self.grants = 0
        self.effects: list[Effect] = []
        self.settled: set[UUID] = set()
        self.standing: set[AlarmKind] = set()

    def feed(self, given: Input) -> None:
        before = self.door
        self.door, effects = step(self.door, given, SETTINGS, self.now)
        released = [effect for effect in effects if isinstance(effect, Release)]
        if isinstance(given, Granted):
            assert released == [Release(given.entry)], "a grant releases, whatever state the door is in"
        else:
            assert not released, f"{given} released the door in {before}"
        for effect in effects:
            match effect:
                case CountVisit(entry) | Lapse(entry):
                    assert entry.attempt not in self.settled, "a grant ends once"
                    self.settled.add(entry.attempt)
                case RaiseAlarm(alarm, _):
                    assert alarm not in self.standing
                    self.standing.add(alarm)
                case ClearAlarm(alarm):
                    self.standing.remove(alarm)

    @rule()
    def grant(self) -> None:
        self.grants += 1
        self.feed(Granted(Pass(UUID(int=self.grants), Credential.CODE)))

    @rule(is_open=st.booleans())
    def contact(self, is_open: bool) -> None:
        self.feed(ContactSeen(is_open))

    @rule(released=st.booleans())
    def look(self, released: bool) -> None:
        self.feed(LockSeen(released))

    @precondition(lambda self: self.grants > 0)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self.feed(ReleaseFailed(UUID(int=data.draw(st.integers(1, self.grants))), "silent"))

    @rule(seconds=st.floats(0.01, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.feed(Tick())

    @rule()
    def wait_until_due(self) -> None:
        time = due(self.door)
        if time is not None:
            self.now = max(self.now, time)
            self.feed(Tick())
            assert (due(self.door) or self.now + 1) > self.now, "a tick that is due does something"

    @invariant()
    def alarms_are_those_told(self) -> None:
        assert self.door.alarms == self.standing

    @invariant()
    def states_and_alarms_agree(self) -> None:
        door = self.door
        if door.state is DoorState.FORCED:
            assert AlarmKind.DOOR_FORCED in door.alarms
        if door.state is DoorState.HELD_OPEN:
            assert AlarmKind.DOOR_HELD_OPEN in door.alarms
        if door.state is DoorState.JAMMED:
            assert AlarmKind.DOOR_JAMMED in door.alarms
        if door.state in (DoorState.OPEN, DoorState.HELD_OPEN, DoorState.FORCED):
            assert door.contact_open
        if door.state in (DoorState.SECURED, DoorState.RELEASED, DoorState.JAMMED):
            assert door.contact_open is False

    @invariant()
    def every_grant_is_waiting_or_settled(self) -> None:
        waiting = {entry.attempt for entry in self.door.waiting}
        assert len(waiting) + len(self.settled) == self.grants
        assert len(waiting) <= machine.WAITING_MAX

    def teardown(self) -> None:
        """However the day went: closed, the lock answers, time passes: secured, and nothing stands."""
        self.feed(ContactSeen(False))
        while (time := due(self.door)) is not None:
            self.now = max(self.now, time)
            self.feed(Tick())
        self.feed(LockSeen(False))
        if self.door.unopened < JAM_AFTER:
            assert self.door.state is DoorState.SECURED
            assert not self.standing
        else:
            assert self.door.state is DoorState.JAMMED
        assert len(self.settled) == self.grants


AnyDay.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAnyDay = AnyDay.TestCase

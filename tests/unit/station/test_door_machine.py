"""The door machine as sentences. Properties of every sequence of inputs: test_door_model.py."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from station_agent.access.door import due, step
from station_agent.access.door_model import (
    BOLT_OUT_S,
    DEMAND_HOLD_S,
    EGRESS_HELD_MAX_S,
    GRACE_S,
    NEVER_OPENED_AFTER,
    RENEW_S,
    RETRIES_MAX,
    RETRY_AFTER_S,
    RETRY_PAUSE_S,
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
    TamperSeen,
    Tick,
    Warn,
)
from station_agent.wire.kinds import AlarmKind, Credential, DoorState

SETTINGS = DoorSettings(hold_s=5.0, held_open_after_s=60.0)
ANNA = Pass(UUID(int=1), Credential.CODE, "00" * 8)
BORIS = Pass(UUID(int=2), Credential.FACE, "01" * 8)


def let_in(entry: Pass, hold_s: float = 5.0) -> Release:
    return Release(hold_s, Cause.GRANT, entry)


def run(door: Door, *timed: tuple[float, Input], settings: DoorSettings = SETTINGS) -> tuple[Door, list[Effect]]:
    """Feeds each input at its time, and before it every tick that is due."""
    effects: list[Effect] = []
    for now, given in timed:
        while (time := due(door)) is not None and time < now:
            door, more = step(door, Tick(), settings, time)
            effects += more
        door, more = step(door, given, settings, now)
        effects += more
    return door, effects


def raised(effects: list[Effect]) -> list[AlarmKind]:
    return [effect.alarm for effect in effects if isinstance(effect, RaiseAlarm)]


def released(effects: list[Effect]) -> list[Cause]:
    return [effect.cause for effect in effects if isinstance(effect, Release)]


@pytest.fixture
def secured() -> Door:
    return run(Door(), (0, ContactSeen(False)))[0]


def test_a_grant_releases_and_the_opening_counts_one_visit(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (4, ContactSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects == [let_in(ANNA), CountVisit(ANNA), Secure()]


def test_two_grants_and_one_opening_are_two_visits(secured: Door) -> None:
    _, effects = run(secured, (1, Granted(ANNA)), (2, Granted(BORIS)), (3, ContactSeen(True)))
    assert effects == [let_in(ANNA), let_in(BORIS), CountVisit(ANNA), CountVisit(BORIS)]


def test_a_grant_while_the_door_stands_open_is_a_visit_at_once(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (3, Granted(BORIS)))
    assert effects[-2:] == [let_in(BORIS), CountVisit(BORIS)]
    # It was falling shut in front of Boris: it stays released for him.
    door, effects = run(door, (3.2, ContactSeen(False)), (4, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert effects == []


def test_nobody_opens_and_it_is_secured_again(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)))
    over = 1 + SETTINGS.hold_s + GRACE_S
    door, effects = run(door, (over, Tick()))
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
    for number in range(NEVER_OPENED_AFTER):
        door, effects = run(door, (number * 10, Granted(ANNA)), (number * 10 + 6, Tick()))
    assert door.state is DoorState.JAMMED
    assert raised(effects) == [AlarmKind.DOOR_NEVER_OPENED]
    door, effects = run(door, (40, Granted(BORIS)))
    assert effects == [let_in(BORIS)]
    door, effects = run(door, (41, ContactSeen(True)))
    assert door.state is DoorState.OPEN
    assert ClearAlarm(AlarmKind.DOOR_NEVER_OPENED) in effects


def test_a_lock_that_does_not_answer_is_a_jam_until_it_answers(secured: Door) -> None:
    door, effects = run(secured, (1, Granted(ANNA)), (2, ReleaseFailed(ANNA.attempt, "silent")))
    assert door.state is DoorState.JAMMED
    assert effects == [let_in(ANNA), Lapse(ANNA), RaiseAlarm(AlarmKind.LOCK_FAULT, "silent")]
    door, effects = run(door, (9, Tick()), (10, LockSeen(False)))
    assert door.state is DoorState.SECURED
    assert effects[-1] == ClearAlarm(AlarmKind.LOCK_FAULT)


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


# --- leaving ---

BUTTON = DoorSettings(hold_s=5.0, held_open_after_s=60.0, egress=Egress.BUTTON)
HANDLE = DoorSettings(hold_s=5.0, held_open_after_s=60.0, egress=Egress.HANDLE)
SIGNALLED = DoorSettings(hold_s=5.0, held_open_after_s=60.0, egress=Egress.HANDLE_SIGNALLED)


def test_the_exit_button_releases_and_the_opening_is_an_exit(secured: Door) -> None:
    given = ((1, EgressSeen(False)), (2, EgressSeen(True)), (2.3, EgressSeen(False)), (4, ContactSeen(True)))
    door, effects = run(secured, *given, settings=BUTTON)
    assert effects == [Release(5.0, Cause.EGRESS), Exited(Exit.BUTTON)]
    door, effects = run(door, (6, ContactSeen(False)), settings=BUTTON)
    assert (door.state, effects) == (DoorState.SECURED, [Secure()])


def test_an_exit_that_nobody_uses_is_secured_again(secured: Door) -> None:
    door, effects = run(
        secured, (1, EgressSeen(False)), (2, EgressSeen(True)), (2.3, EgressSeen(False)), settings=BUTTON
    )
    door, effects = run(door, (9, Tick()), settings=BUTTON)
    assert (door.state, effects) == (DoorState.SECURED, [Secure()])
    door, effects = run(door, (10, ContactSeen(True)), settings=BUTTON)
    assert door.state is DoorState.FORCED


def test_a_button_that_is_pressed_at_the_start_or_after_a_silence_moves_nothing(secured: Door) -> None:
    door, effects = run(secured, (1, EgressSeen(True)), settings=BUTTON)
    assert released(effects) == []
    door, effects = run(door, (2, EgressSeen(None)), (3, EgressSeen(True)), settings=BUTTON)
    assert released(effects) == []
    door, effects = run(door, (4, EgressSeen(False)), (5, EgressSeen(True)), settings=BUTTON)
    assert released(effects) == [Cause.EGRESS]


def test_a_button_held_keeps_it_released_until_it_is_stuck(secured: Door) -> None:
    door, effects = run(secured, (1, EgressSeen(False)), (2, EgressSeen(True)), (60, Tick()), settings=BUTTON)
    assert door.state is DoorState.RELEASED
    assert len(released(effects)) > 10
    door, effects = run(door, (2 + EGRESS_HELD_MAX_S + 2 * GRACE_S + 5, Tick()), settings=BUTTON)
    assert door.state is DoorState.SECURED
    assert raised(effects) == [AlarmKind.EGRESS_STUCK]
    door, effects = run(door, (100, ContactSeen(True)), settings=BUTTON)
    assert (door.state, effects) == (DoorState.OPEN, [Exited(Exit.BUTTON)])
    _, effects = run(door, (101, EgressSeen(False)), settings=BUTTON)
    assert effects == [ClearAlarm(AlarmKind.EGRESS_STUCK)]


def test_a_free_handle_that_nothing_tells_of_makes_every_opening_an_exit(secured: Door) -> None:
    door, effects = run(secured, (1, ContactSeen(True)), settings=HANDLE)
    assert (door.state, effects) == (DoorState.OPEN, [Exited(Exit.HANDLE)])


def test_a_bolt_that_is_out_while_the_door_opens_is_no_handle(secured: Door) -> None:
    door, _ = run(secured, (1, ResistanceSeen(Resistance.BOLT, True)), (2, ContactSeen(True)), settings=HANDLE)
    assert door.state is DoorState.FORCED


def test_the_signal_of_a_handle_explains_the_opening_and_moves_nothing(secured: Door) -> None:
    signal = ((1, EgressSeen(False)), (2, EgressSeen(True)), (2.2, EgressSeen(False)))
    door, effects = run(secured, *signal, (3, ContactSeen(True)), settings=SIGNALLED)
    assert (door.state, effects) == (DoorState.OPEN, [Exited(Exit.SIGNAL)])
    door, _ = run(secured, *signal, (20, ContactSeen(True)), settings=SIGNALLED)
    assert door.state is DoorState.FORCED


def test_a_visit_and_an_exit_through_one_opening_count_the_visit(secured: Door) -> None:
    given = ((1, EgressSeen(False)), (2, Granted(ANNA)), (3, EgressSeen(True)), (4, ContactSeen(True)))
    _, effects = run(secured, *given, settings=BUTTON)
    assert CountVisit(ANNA) in effects
    assert not any(isinstance(effect, Exited) for effect in effects)


# --- fire, power, tamper ---


def test_fire_releases_at_once_and_again_until_it_is_over(secured: Door) -> None:
    door, effects = run(secured, (1, FireSeen(True)))
    assert door.state is DoorState.EMERGENCY
    assert effects[0] == Release(DEMAND_HOLD_S, Cause.FIRE)
    assert raised(effects) == [AlarmKind.FIRE]
    door, effects = run(door, (1 + 3 * RENEW_S + 1, Tick()))
    assert released(effects) == [Cause.FIRE] * 3
    door, effects = run(door, (40, ContactSeen(True)), (50, ContactSeen(False)), (60, FireSeen(False)), (61, Tick()))
    assert effects[0] == Exited(Exit.EMERGENCY)
    assert effects[-2:] == [ClearAlarm(AlarmKind.FIRE), Secure()]
    assert door.state is DoorState.SECURED


def test_fire_after_a_restart_is_an_emergency_again_and_its_alarm_is_not_told_twice() -> None:
    before = Door(alarms=frozenset({AlarmKind.FIRE}))
    door, effects = run(before, (0, ContactSeen(False)), (0.1, FireSeen(True)))
    assert (door.state, effects) == (DoorState.EMERGENCY, [Release(DEMAND_HOLD_S, Cause.FIRE)])


def test_a_fire_that_ended_while_no_agent_ran_is_cleared_and_nothing_is_moved() -> None:
    before = Door(alarms=frozenset({AlarmKind.FIRE}))
    door, effects = run(before, (0, ContactSeen(False)), (0.1, FireSeen(False)), (99, Tick()))
    assert (door.state, effects) == (DoorState.SECURED, [ClearAlarm(AlarmKind.FIRE)])


def test_a_grant_in_an_emergency_does_not_shorten_it(secured: Door) -> None:
    _, effects = run(secured, (1, FireSeen(True)), (2, Granted(ANNA)))
    assert effects[-1] == Release(DEMAND_HOLD_S, Cause.GRANT, ANNA)


def test_a_lock_found_secured_in_an_emergency_is_released_at_once(secured: Door) -> None:
    door, _ = run(secured, (1, FireSeen(True)), (1.5, LockSeen(False)))
    _, effects = run(door, (3, Tick()))
    assert released(effects) == [Cause.FIRE]


def test_a_low_battery_releases_a_fail_safe_door_and_no_other(secured: Door) -> None:
    door, effects = run(secured, (1, PowerSeen(True)), (2, BatterySeen(True)))
    assert (door.state, released(effects)) == (DoorState.SECURED, [])
    assert raised(effects) == [AlarmKind.POWER_LOST, AlarmKind.BATTERY_LOW]
    fail_safe = DoorSettings(hold_s=5.0, held_open_after_s=60.0, fail_safe=True)
    door, effects = run(secured, (2, BatterySeen(True)), settings=fail_safe)
    assert (door.state, released(effects)) == (DoorState.EMERGENCY, [Cause.BATTERY_LOW])
    door, effects = run(door, (3, BatterySeen(False)), (4, Tick()), settings=fail_safe)
    assert door.state is DoorState.SECURED


def test_tamper_and_a_silent_lock_are_alarms_as_long_as_they_last(secured: Door) -> None:
    door, effects = run(secured, (1, TamperSeen(True)), (2, LockOnline(False, "no answer")))
    assert raised(effects) == [AlarmKind.DOOR_TAMPERED, AlarmKind.LOCK_OFFLINE]
    _, effects = run(door, (3, TamperSeen(False)), (4, LockOnline(True)))
    assert effects == [ClearAlarm(AlarmKind.DOOR_TAMPERED), ClearAlarm(AlarmKind.LOCK_OFFLINE)]


# --- a door that does not give way ---


def test_a_bolt_that_stays_out_gets_two_retry_pulses_within_the_grant_and_is_then_a_jam(secured: Door) -> None:
    stuck, _ = run(secured, (1, ResistanceSeen(Resistance.BOLT, True)))
    door, effects = run(stuck, (2, Granted(ANNA)), (2 + 5, Tick()))
    signs = frozenset({Resistance.BOLT})
    pulses = [effect for effect in effects if isinstance(effect, Secure | Release | Retried)]
    retry_s = RETRY_AFTER_S + RETRY_PAUSE_S
    assert pulses == [
        *(let_in(ANNA), Secure(), Retried(1, signs), Release(pytest.approx(5 - retry_s), Cause.RETRY)),
        *(Secure(), Retried(2, signs), Release(pytest.approx(5 - 2 * retry_s), Cause.RETRY)),
    ]
    assert door.retries == RETRIES_MAX
    assert raised(effects) == [AlarmKind.DOOR_JAMMED]
    door, effects = run(door, (9, Tick()))
    assert door.state is DoorState.JAMMED
    _, effects = run(door, (10, ResistanceSeen(Resistance.BOLT, False)))
    assert effects == [ClearAlarm(AlarmKind.DOOR_JAMMED)]


BOLT_IN = ResistanceSeen(Resistance.BOLT, False)
BOLT_OUT = ResistanceSeen(Resistance.BOLT, True)


def test_a_bolt_that_does_not_come_out_again_is_an_alarm_until_it_does(secured: Door) -> None:
    let_in_and_closed = ((1, Granted(ANNA)), (1.2, BOLT_IN), (2, ContactSeen(True)), (4, ContactSeen(False)))
    door, effects = run(secured, *let_in_and_closed, (4.9, LockSeen(False)), (9.8, Tick()))
    assert raised(effects) == []
    door, effects = run(door, (4.9 + BOLT_OUT_S, Tick()))
    assert raised(effects) == [AlarmKind.DOOR_UNBOLTED]
    assert door.state is DoorState.JAMMED
    door, effects = run(door, (20, Granted(BORIS)), (21, ContactSeen(True)), (24, ContactSeen(False)))
    assert released(effects) == [Cause.GRANT], "nobody is stranded"
    assert AlarmKind.DOOR_UNBOLTED in door.alarms, "and it is told once"
    door, effects = run(door, (25, BOLT_OUT))
    assert effects == [ClearAlarm(AlarmKind.DOOR_UNBOLTED)]
    assert door.state is DoorState.SECURED


def test_the_locks_own_timer_is_awaited_before_the_bolt_is_missed(secured: Door) -> None:
    """The frame that secures may be lost; a relay that was read as secured needs no such patience."""
    door, effects = run(secured, (1, Granted(ANNA)), (1.2, BOLT_IN), (2, ContactSeen(True)), (3, ContactSeen(False)))
    assert due(door) == 1 + 5 + GRACE_S + BOLT_OUT_S
    door, effects = run(door, (1 + 5 + GRACE_S, BOLT_OUT), (99, Tick()))
    assert raised(effects) == []


def test_a_bolt_that_nothing_tells_of_or_that_can_no_longer_be_read_is_never_missed(secured: Door) -> None:
    for unread in ((), ((1.2, BOLT_IN), (3, ResistanceSeen(Resistance.BOLT, None)))):
        door, effects = run(
            secured, (1, Granted(ANNA)), *unread, (4, ContactSeen(True)), (5, ContactSeen(False)), (500, Tick())
        )
        assert raised(effects) == []
        assert door.state is DoorState.SECURED


def test_a_bolt_that_a_handle_draws_for_a_moment_or_an_open_door_keeps_in_is_not_missed(secured: Door) -> None:
    _, effects = run(secured, (40, BOLT_IN), (43, BOLT_OUT), (60, Tick()))
    assert raised(effects) == []
    handle = replace(SETTINGS, egress=Egress.HANDLE)
    _, effects = run(secured, (40, BOLT_IN), (41, ContactSeen(True)), (55, Tick()), settings=handle)
    assert raised(effects) == []


def test_a_bolt_that_comes_at_the_second_pulse_lets_them_in(secured: Door) -> None:
    stuck, _ = run(secured, (1, ResistanceSeen(Resistance.BOLT, True)))
    given = ((2, Granted(ANNA)), (3.9, ResistanceSeen(Resistance.BOLT, False)), (5, ContactSeen(True)))
    _, effects = run(stuck, *given)
    assert released(effects) == [Cause.GRANT, Cause.RETRY]
    assert effects[-1] == CountVisit(ANNA)
    assert raised(effects) == []


def test_who_pushes_in_vain_gets_a_retry_and_who_does_not_push_gets_none(secured: Door) -> None:
    _, effects = run(secured, (2, Granted(ANNA)), (2.5, ResistanceSeen(Resistance.PUSHED, True)), (4, Tick()))
    assert released(effects) == [Cause.GRANT, Cause.RETRY]
    _, effects = run(secured, (2, Granted(ANNA)), (7.9, Tick()))
    assert released(effects) == [Cause.GRANT]


def test_an_answer_that_comes_late_moves_nothing(secured: Door) -> None:
    door, _ = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (3, ContactSeen(False)))
    for late in (ReleaseFailed(ANNA.attempt, "late"), LockSeen(False), LockSeen(True), ReleaseFailed(None, "late")):
        _, effects = run(door, (4, late))
        assert released(effects) == []


# --- securing ---


def test_after_closing_it_settles_before_it_is_secured_and_a_door_that_swings_back_is_no_break_in(
    secured: Door,
) -> None:
    settling = DoorSettings(hold_s=5.0, held_open_after_s=60.0, settle_s=0.5)
    door, _ = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (3, ContactSeen(False)), settings=settling)
    assert door.state is DoorState.RELEASED
    door, effects = run(door, (3.2, ContactSeen(True)), (3.4, ContactSeen(False)), settings=settling)
    assert effects == []
    door, effects = run(door, (3.9, Tick()), settings=settling)
    assert (door.state, effects) == (DoorState.SECURED, [Secure()])


def test_a_deadbolt_stays_in_while_the_door_is_open(secured: Door) -> None:
    deadbolt = DoorSettings(hold_s=5.0, held_open_after_s=60.0, bolt=Bolt.DEADBOLT)
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (40, Tick()), settings=deadbolt)
    assert released(effects) == [Cause.GRANT] + [Cause.OPEN_BOLT] * 4
    assert Secure() not in effects
    door, effects = run(door, (41, ContactSeen(False)), (42, Tick()), settings=deadbolt)
    assert (door.state, effects) == (DoorState.SECURED, [Secure()])


def test_nobody_has_less_time_than_the_door_gives_to_everybody(secured: Door) -> None:
    hasty = Pass(UUID(int=3), Credential.CARD, hold_s=1.0)
    _, effects = run(secured, (1, Granted(hasty)))
    assert effects == [let_in(hasty)]


def test_a_credential_may_have_a_hold_of_its_own_and_the_next_one_does_not_shorten_it(secured: Door) -> None:
    cart = Pass(UUID(int=3), Credential.CARD, hold_s=20.0)
    door, effects = run(secured, (1, Granted(cart)), (2, Granted(BORIS)))
    assert effects == [let_in(cart, 20.0), let_in(BORIS, 19.0)]
    assert door.expected_until == 22.0


def test_somebody_is_warned_before_a_door_counts_as_held_open(secured: Door) -> None:
    warning = DoorSettings(hold_s=5.0, held_open_after_s=60.0, warn_before_s=15.0)
    _, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(True)), (63, Tick()), settings=warning)
    assert [type(effect) for effect in effects[-2:]] == [Warn, RaiseAlarm]


def test_out_of_service_is_told_and_whoever_is_inside_can_leave(secured: Door) -> None:
    door, effects = run(secured, (1, ServiceSet(True)), (2, EgressSeen(False)), settings=BUTTON)
    assert (door.state, effects) == (DoorState.OUT_OF_SERVICE, [])
    door, effects = run(door, (3, EgressSeen(True)), (4, ContactSeen(True)), (5, ContactSeen(False)), settings=BUTTON)
    assert Exited(Exit.BUTTON) in effects
    assert door.state is DoorState.OUT_OF_SERVICE
    door, _ = run(door, (6, ServiceSet(False)), settings=BUTTON)
    assert door.state is DoorState.SECURED


# --- silence ---


def test_a_contact_that_cannot_be_read_is_unknown_and_alarms_wait_for_it(secured: Door) -> None:
    door, _ = run(secured, (1, ContactSeen(True)))
    door, effects = run(door, (2, ContactSeen(None)))
    assert (door.state, effects) == (DoorState.UNKNOWN, [])
    again, effects = run(door, (3, ContactSeen(True)))
    assert (again.state, effects) == (DoorState.FORCED, [])
    again, effects = run(door, (3, ContactSeen(False)))
    assert effects == [ClearAlarm(AlarmKind.DOOR_FORCED)]


def test_a_door_that_was_opened_while_the_line_was_cut_was_forced_all_the_same(secured: Door) -> None:
    door, effects = run(secured, (1, ContactSeen(None)), (60, ContactSeen(True)))
    assert door.state is DoorState.FORCED
    door, effects = run(secured, (1, Granted(ANNA)), (2, ContactSeen(None)), (60, ContactSeen(True)))
    assert (door.state, raised(effects)) == (DoorState.OPEN, [])

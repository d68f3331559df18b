"""The door machine in its doorway's place, with a lock, a door and people, and an agent that dies in between.

    hypothesis: people, weather, fire ---> World: lock with its own timer, bolt, contact, inputs
                crashes, silence            |  inputs as they are read        ^ Release, Secure, some of them lost
                                            v                                |
                                     step(Door, ...), remembered as the doorway remembers: alarms, grants, service

`Claims` are what must hold whatever happens. The machine is a parameter, so that broken ones can be tried: each must
be found out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from station_agent.access import door as machine
from station_agent.access.door_model import (
    ALARMS,
    BOLT_OUT_S,
    DEMAND_HOLD_S,
    EGRESS_HELD_MAX_S,
    GRACE_S,
    NEVER_OPENED_AFTER,
    RETRIES_MAX,
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
    FireSeen,
    Granted,
    Input,
    Lapse,
    LockOnline,
    LockSeen,
    Pass,
    RaiseAlarm,
    Release,
    ReleaseFailed,
    Resistance,
    ResistanceSeen,
    Secure,
    ServiceSet,
    TamperSeen,
    Tick,
)
from station_agent.wire.kinds import AlarmKind, Credential, DoorState

Step = Callable[[Door, Input, DoorSettings, float], tuple[Door, tuple[Effect, ...]]]

QUIET_S = EGRESS_HELD_MAX_S + DEMAND_HOLD_S + 2 * GRACE_S + 10.0
"""Nobody does anything, the door is shut and nothing demands its release: within this it is secured."""


@dataclass
class World:
    """What is really there."""

    now: float = 0.0
    is_open: bool = False
    released_until: float = -1.0  # the lock's own timer
    bolt_stuck: bool = False  # frozen where it is out
    bolt_broken: bool = False  # its spring: it never comes out
    fire: bool = False
    battery_low: bool = False
    tamper: bool = False
    egress: bool = False
    line_up: bool = True
    standing: set[AlarmKind] = field(default_factory=set)  # as told, and kept on the disk
    granted: dict[UUID, float] = field(default_factory=dict)  # attempt -> end of its window
    settled: dict[UUID, bool] = field(default_factory=dict)
    pressed_at: float = float("-inf")  # the last press that the agent saw
    retries: dict[UUID | None, int] = field(default_factory=dict)
    rightful: bool = False  # the door was opened by right, and has not been closed since

    @property
    def released(self) -> bool:
        return self.now < self.released_until

    @property
    def bolt_out(self) -> bool:
        return not self.is_open and not self.bolt_broken and (self.bolt_stuck or not self.released)


class DoorWorld(RuleBasedStateMachine):
    machine: Step = staticmethod(machine.step)
    bolt_broken = False  # from the beginning

    def __init__(self) -> None:
        super().__init__()
        self.world = World(bolt_broken=self.bolt_broken)
        self.settings = DoorSettings(hold_s=5.0, held_open_after_s=60.0)
        self.door = Door()
        self.out_of_service = False
        self.last_grant: UUID | None = None
        self.open_since: float | None = None
        self.unbolted_since: float | None = None

    @initialize(
        egress=st.sampled_from([*Egress, Egress.BUTTON, Egress.BUTTON]),
        pressed=st.booleans(),
        bolt=st.sampled_from(Bolt),
        fail_safe=st.booleans(),
        settle_s=st.sampled_from([0.0, 0.3]),
    )
    def wire(self, egress: Egress, pressed: bool, bolt: Bolt, fail_safe: bool, settle_s: float) -> None:
        self.settings = replace(
            self.settings, egress=egress, bolt=bolt, fail_safe=fail_safe, settle_s=settle_s, warn_before_s=15.0
        )
        self.world.egress = pressed
        self.read_all()

    # --- the agent ---

    def feed(self, given: Input, *, lost: bool = False) -> None:
        """Tell the machine and do what it says. `lost`: what it sends does not reach the lock."""
        world, before = self.world, self.door
        self.door, effects = self.machine(before, given, self.settings, world.now)
        for effect in effects:
            match effect:
                case Release():
                    self.check_release(effect, given, before)
                    self.unbolted_since = None  # its bolt may be drawn from here on, whatever is acknowledged
                    if world.line_up and not lost:
                        world.released_until = world.now + effect.hold_s
                case Secure():
                    assert self.door.contact_open is not True, "no bolt comes out of an open door"
                    if world.line_up and not lost:
                        world.released_until = world.now
                case CountVisit(entry) | Lapse(entry):
                    assert entry.attempt in world.granted, "only what was granted is settled"
                    assert entry.attempt not in world.settled, "a grant ends once"
                    world.settled[entry.attempt] = isinstance(effect, CountVisit)
                case RaiseAlarm(alarm, detail):
                    assert alarm not in world.standing, f"{alarm} is told twice"
                    assert detail
                    if alarm is AlarmKind.DOOR_UNBOLTED:
                        assert world.line_up
                        assert not world.released, "a lock that its own timer holds has no bolt out"
                        assert not world.bolt_out
                    world.standing.add(alarm)
                case ClearAlarm(alarm):
                    assert alarm is not AlarmKind.DOOR_UNBOLTED or world.bolt_out, "it has come out"
                    assert alarm in world.standing, f"{alarm} is cleared and did not stand"
                    world.standing.remove(alarm)
                case _:
                    pass
        if lost and any(isinstance(effect, Release) for effect in effects):
            attempt = next(
                (effect.entry.attempt for effect in effects if isinstance(effect, Release) and effect.entry), None
            )
            self.feed(ReleaseFailed(attempt, "silent"))
        self.check()

    def check_release(self, release: Release, given: Input, before: Door) -> None:
        """Released by a grant, an exit, fire, a low battery by the profile: by nothing else."""
        world = self.world
        match release.cause:
            case Cause.GRANT:
                assert isinstance(given, Granted)
                assert release.entry == given.entry
            case Cause.RETRY:
                assert self.last_grant is not None
                assert before.waiting, "a retry for somebody who waits"
                assert world.now < max(world.granted.values()), "a retry within its grant"
                world.retries[self.last_grant] = world.retries.get(self.last_grant, 0) + 1
                assert world.retries[self.last_grant] <= RETRIES_MAX
            case Cause.EGRESS:
                assert self.settings.egress is Egress.BUTTON
                assert world.now <= world.pressed_at + EGRESS_HELD_MAX_S, "a press, and not for ever"
            case Cause.FIRE:
                assert world.fire or before.fire
            case Cause.BATTERY_LOW:
                assert self.settings.fail_safe
                assert world.battery_low or before.battery_low
            case Cause.OPEN_BOLT:
                assert self.settings.bolt is Bolt.DEADBOLT
                assert world.rightful, "an open door, opened by right"

    def check(self) -> None:
        door, world = self.door, self.world
        if door.state is not DoorState.OPEN:
            self.open_since = None
        elif self.open_since is None:
            self.open_since = world.now
        if self.open_since is not None:
            assert world.now <= self.open_since + self.settings.held_open_after_s, "held open is told"
        at_rest = door.state in (DoorState.SECURED, DoorState.JAMMED, DoorState.OUT_OF_SERVICE)
        if not (world.line_up and at_rest and door.bolt_out is False and not world.bolt_out):
            self.unbolted_since = None
        elif self.unbolted_since is None:
            self.unbolted_since = world.now
        if self.unbolted_since is not None and AlarmKind.DOOR_UNBOLTED not in world.standing:
            patience_s = DEMAND_HOLD_S + GRACE_S + BOLT_OUT_S  # the lock's own timer, and the bolt
            assert world.now <= self.unbolted_since + patience_s, "a bolt that does not come out is told"
        assert door.alarms == world.standing, "what stands is what was told"
        waiting = {entry.attempt for entry in door.waiting}
        assert waiting.isdisjoint(world.settled)
        assert waiting | set(world.settled) == set(world.granted), "no grant is forgotten"
        assert len(waiting) <= WAITING_MAX
        if door.fire:
            assert door.state is DoorState.EMERGENCY
        if door.contact_open is False:
            assert not world.standing & {AlarmKind.DOOR_FORCED, AlarmKind.DOOR_HELD_OPEN}, (
                "closed: their cause has ended"
            )
        if door.fire is not None:
            assert (AlarmKind.FIRE in world.standing) is door.fire
        if door.battery_low is not None:
            assert (AlarmKind.BATTERY_LOW in world.standing) is door.battery_low
        if door.state in (DoorState.OPEN, DoorState.HELD_OPEN, DoorState.FORCED):
            assert door.contact_open
        if door.state in (DoorState.SECURED, DoorState.RELEASED, DoorState.JAMMED, DoorState.OUT_OF_SERVICE):
            assert door.contact_open is False
        if door.state is DoorState.FORCED:
            assert AlarmKind.DOOR_FORCED in world.standing

    def read_all(self) -> None:
        """The line is there (again): every input is told as it is, the lock is looked at."""
        world = self.world
        self.feed(LockOnline(True))
        self.feed(ContactSeen(world.is_open))
        self.see_egress()
        self.feed(FireSeen(world.fire))
        self.feed(BatterySeen(world.battery_low))
        self.feed(TamperSeen(world.tamper))
        self.see_bolt()
        assert AlarmKind.LOCK_OFFLINE not in world.standing
        assert (AlarmKind.DOOR_TAMPERED in world.standing) is world.tamper

    def see_egress(self) -> None:
        if self.settings.egress in (Egress.BUTTON, Egress.HANDLE_SIGNALLED):
            if self.world.egress and self.door.egress is False:
                self.world.pressed_at = self.world.now
            self.feed(EgressSeen(self.world.egress))

    def see_bolt(self) -> None:
        self.feed(ResistanceSeen(Resistance.BOLT, self.world.bolt_out))

    # --- what happens ---

    @rule(hold_s=st.sampled_from([None, None, 12.0]), lost=st.booleans())
    def grant(self, hold_s: float | None, lost: bool) -> None:
        world = self.world
        attempt = UUID(int=len(world.granted) + 1)
        hold = hold_s or self.settings.hold_s
        if self.last_grant is not None:
            hold = max(hold, world.granted[self.last_grant] - world.now)
        if not world.line_up:
            lost = True
        world.granted[attempt] = world.now + hold
        self.last_grant = attempt
        if world.is_open and AlarmKind.DOOR_FORCED not in world.standing:
            world.rightful = True  # for all that can be known when it is seen open within a grant
        self.feed(Granted(Pass(attempt, Credential.CODE, hold_s=hold_s)), lost=lost)
        if world.line_up:
            self.see_bolt()

    @rule(by_force=st.booleans())
    def open(self, by_force: bool) -> None:
        world = self.world
        if world.is_open or (not by_force and (world.bolt_stuck or not world.released)):
            return
        world.rightful = world.released or self.within_a_grant()
        before = self.door
        world.is_open = True
        if world.line_up:
            self.feed(ContactSeen(True))
            if self.nobody_was_let_through(before):
                assert AlarmKind.DOOR_FORCED in world.standing, "a break-in is told"
            self.see_bolt()

    def within_a_grant(self) -> bool:
        """Also of one whose release was not acknowledged: the answer may be what was lost."""
        return any(self.world.now <= end + GRACE_S for end in self.world.granted.values())

    def nobody_was_let_through(self, before: Door) -> bool:
        """The machine had it at rest, and neither a grant nor somebody inside explains the opening."""
        world = self.world
        if before.state not in (DoorState.SECURED, DoorState.OUT_OF_SERVICE) or self.settings.egress is Egress.HANDLE:
            return False
        granted = self.within_a_grant()
        leaving = before.egress or world.now <= world.pressed_at + self.settings.hold_s + GRACE_S
        return not (granted or leaving)

    @rule()
    def close(self) -> None:
        world = self.world
        world.is_open = world.rightful = False
        if world.line_up:
            self.feed(ContactSeen(False))
            self.see_bolt()

    @rule(pressed=st.booleans())
    def exit_button(self, pressed: bool) -> None:
        self.world.egress = pressed
        if self.world.line_up:
            self.see_egress()

    @rule(fire=st.booleans(), battery_low=st.booleans(), tamper=st.booleans())
    def inputs(self, fire: bool, battery_low: bool, tamper: bool) -> None:
        world = self.world
        world.fire, world.battery_low, world.tamper = fire, battery_low, tamper
        if world.line_up:
            self.feed(FireSeen(fire))
            self.feed(BatterySeen(battery_low))
            self.feed(TamperSeen(tamper))
            assert (AlarmKind.DOOR_TAMPERED in world.standing) is tamper

    @rule(bolt=st.sampled_from(["frozen", "broken", "well"]))
    def freeze(self, bolt: str) -> None:
        self.world.bolt_stuck, self.world.bolt_broken = bolt == "frozen", bolt == "broken"
        if self.world.line_up:
            self.see_bolt()

    @rule(out=st.booleans())
    def service(self, out: bool) -> None:
        self.out_of_service = out
        self.feed(ServiceSet(out))

    @rule()
    def cut_the_line(self) -> None:
        if self.world.line_up:
            self.world.line_up = False
            self.feed(LockOnline(False, "no answer"))
            self.feed(ContactSeen(None))
            self.feed(EgressSeen(None))
            self.feed(ResistanceSeen(Resistance.BOLT, None))
            assert AlarmKind.LOCK_OFFLINE in self.world.standing

    @rule()
    def mend_the_line(self) -> None:
        if not self.world.line_up:
            self.world.line_up = True
            before = self.world.released_until
            self.read_all()
            self.unmoved(before)

    @rule()
    def look(self) -> None:
        if self.world.line_up:
            self.feed(LockSeen(self.world.released))

    @rule(seconds=st.sampled_from([0.05, 0.4, 1.3, 3.0, 7.0, 31.0, 61.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.pass_by(seconds)

    @rule(within_s=st.floats(0, 60), same_boot=st.booleans())
    def restart(self, within_s: float, same_boot: bool) -> None:
        """kill -9: nothing is left but what the doorway keeps, and it comes back later."""
        world = self.world
        waiting, until = self.door.waiting, self.door.expected_until
        world.now += within_s
        before, self.open_since = world.released_until, None
        alarms = frozenset(world.standing) & ALARMS
        secured_by = world.now + DEMAND_HOLD_S + GRACE_S
        self.door = Door(alarms=alarms, secured_by=secured_by, out_of_service=self.out_of_service)
        if waiting and same_boot and until is not None and until > world.now:
            self.door = replace(self.door, waiting=waiting, expected_until=until, released=True)
        else:
            for entry in waiting:
                world.settled[entry.attempt] = False
        self.check()
        if world.line_up:
            self.read_all()
            self.unmoved(before)

    def unmoved(self, released_until: float) -> None:
        """No restart and no line that is back has released anything that fire or a low battery do not demand."""
        world = self.world
        if not (world.fire or (self.settings.fail_safe and world.battery_low)):
            later = world.released_until > max(released_until, world.now)
            assert not later or self.settings.bolt is Bolt.DEADBOLT, "released by a restart or a reconnect"

    def pass_by(self, seconds: float) -> None:
        world, until = self.world, self.world.now + seconds
        while (time := self.next_event()) <= until:
            world.now = max(world.now, time)
            before, due = self.door, machine.due(self.door)
            if due is not None and due <= world.now:
                self.feed(Tick())
                assert (machine.due(self.door) or until + 1) > world.now or self.door != before, "a tick does something"
            if world.line_up:
                self.see_bolt()
        world.now = until
        if world.line_up:
            self.see_bolt()

    def next_event(self) -> float:
        """When the machine is due, or the lock's own timer ends and the bolt moves."""
        timer = self.world.released_until if self.world.released else float("inf")
        due = machine.due(self.door)
        return timer if due is None else min(due, timer)

    def teardown(self) -> None:
        """However the day went: everybody goes, the line is mended: secured in time, and no alarm without a cause."""
        world = self.world
        world.fire = world.battery_low = world.tamper = world.egress = world.bolt_stuck = world.bolt_broken = False
        self.mend_the_line()
        self.inputs(False, False, False)
        self.see_egress()
        self.close()
        self.pass_by(QUIET_S)
        self.feed(LockSeen(world.released))
        assert not world.released, "the lock is secured"
        assert set(world.settled) == set(world.granted), "every grant has ended"
        if self.out_of_service:
            self.service(False)
        if self.door.state is not DoorState.SECURED:
            assert self.door.state is DoorState.JAMMED
            assert self.door.alarms <= {AlarmKind.DOOR_JAMMED, AlarmKind.DOOR_NEVER_OPENED}
        # Somebody comes in: whatever was wrong with it has ended.
        self.grant(None, False)
        self.open(False)
        self.close()
        self.pass_by(QUIET_S)
        assert self.door.state is DoorState.SECURED
        assert not world.standing, "no alarm outlives its cause"
        assert world.settled[UUID(int=len(world.granted))], "the visit was counted"
        assert self.door.unopened < NEVER_OPENED_AFTER


DAYS = hypothesis_settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
DoorWorld.TestCase.settings = DAYS
TestDoorWorld = DoorWorld.TestCase


# --- machines with one thing wrong: the claims must find each of them out ---


def releases_at_the_start(
    door: Door, given: Input, settings: DoorSettings, now: float
) -> tuple[Door, tuple[Effect, ...]]:
    """A controller that opens when it comes back, as many do."""
    after, effects = machine.step(door, given, settings, now)
    if isinstance(given, ContactSeen) and given.open is False and door.contact_open is None:
        return after, (*effects, Release(settings.hold_s, Cause.FIRE))
    return after, effects


def trusts_a_button_that_is_held(
    door: Door, given: Input, settings: DoorSettings, now: float
) -> tuple[Door, tuple[Effect, ...]]:
    """An exit button that is pressed when it is first read opens."""
    if isinstance(given, EgressSeen) and given.active and door.egress is None:
        door = replace(door, egress=False)
    return machine.step(door, given, settings, now)


def never_secures(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """A deadbolt's renewal that goes on after the door is closed."""
    after, effects = machine.step(door, given, settings, now)
    if isinstance(given, ContactSeen) and given.open is False and door.renew_at is not None:
        after = replace(after, renew_at=door.renew_at, secure_at=None, expected_until=None)
    return after, tuple(effect for effect in effects if not isinstance(effect, Secure))


def forgets_alarms(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """The contact's closing clears nothing."""
    after, effects = machine.step(door, given, settings, now)
    if isinstance(given, ContactSeen) and given.open is False and door.contact_open is not False:
        kept = {effect.alarm for effect in effects if isinstance(effect, ClearAlarm)}
        effects = tuple(effect for effect in effects if not isinstance(effect, ClearAlarm))
        return replace(after, alarms=after.alarms | kept), effects
    return after, effects


def counts_twice(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """A walk-in through the open door also waits for an opening."""
    after, effects = machine.step(door, given, settings, now)
    if isinstance(given, Granted) and door.contact_open:
        after = replace(after, waiting=(*after.waiting, given.entry))
    return after, effects


def misses_break_ins(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """Every opening is taken for one that was found."""
    if isinstance(given, ContactSeen) and given.open and door.contact_open is False and not door.released:
        door = replace(door, contact_open=None, seen_closed=False)
    return machine.step(door, given, settings, now)


def trusts_every_bolt(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    """A closed door whose lock was told to secure counts as locked."""
    after, effects = machine.step(door, given, settings, now)
    return replace(after, bolt_due_at=None), effects


def never_held_open(door: Door, given: Input, settings: DoorSettings, now: float) -> tuple[Door, tuple[Effect, ...]]:
    after, effects = machine.step(door, given, settings, now)
    return replace(after, held_at=None, warn_at=None), effects


@pytest.mark.parametrize(
    "broken",
    [
        misses_break_ins,
        never_held_open,
        trusts_every_bolt,
        releases_at_the_start,
        trusts_a_button_that_is_held,
        never_secures,
        forgets_alarms,
        counts_twice,
    ],
)
def test_a_machine_with_one_thing_wrong_is_found_out(broken: Step) -> None:
    class Broken(DoorWorld):
        machine = staticmethod(broken)
        bolt_broken = broken is trusts_every_bolt  # else the hunt is long

    hunt = hypothesis_settings(
        DAYS,
        stateful_step_count=25,
        max_examples=1000,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(Broken, settings=hunt)

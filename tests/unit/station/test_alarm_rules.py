"""Alarms of inputs and readings: limits with a band, times, and what a value that is missing must not do."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.alarms import watch as machine
from station_agent.alarms.kinds import KINDS, Rule, Side, rule_of
from station_agent.alarms.watch import BLIND_S, Effect, Sight, Watch, begin, device_answers, saw, tick
from station_agent.wire.kinds import AlarmKind
from station_agent.wire.profile import AlarmRow

COLD = rule_of("cold", AlarmRow(kind="temperature_low", when="climate.temperature", for_s=60, clear_for_s=30))
SMOKE = rule_of("smoke", AlarmRow(kind="smoke", when="detector.smoke"))
LOOP = rule_of("loop", AlarmRow(kind="smoke", when="!detector.rest"))


class Follow:
    """One rule, followed from second 0."""

    def __init__(self, rule: Rule, *, standing: bool = False, blind: bool = False) -> None:
        self.rule = rule
        self.watch: Watch = begin(standing, blind, 0.0)
        self.told: list[tuple[float, str]] = []

    def see(self, at: float, value: float | bool | str | None) -> None:
        self.watch, effects = saw(self.watch, self.rule, value, "°C", at)
        self.told += [(at, effect.value) for effect in effects]

    def wait(self, at: float) -> None:
        self.watch, effects = tick(self.watch, self.rule, at)
        self.told += [(at, effect.value) for effect in effects]

    def device(self, at: float, answers: bool) -> None:
        self.watch = device_answers(self.watch, answers, at)


def test_the_profile_knows_the_kinds_that_there_are() -> None:
    written = typing.get_args(AlarmRow.model_fields["kind"].annotation)
    assert set(written) == {kind.value for kind in KINDS}


def test_smoke_is_an_alarm_at_once_and_ends_when_it_has_been_away_for_a_minute() -> None:
    follow = Follow(SMOKE)
    follow.see(1, False)
    follow.see(2, True)
    assert follow.told == [(2, "raise")]
    follow.see(10, False)
    follow.see(30, True)  # it was only thinner
    follow.see(40, False)
    follow.wait(99)
    assert follow.told == [(2, "raise")]
    follow.wait(100)
    assert follow.told == [(2, "raise"), (100, "clear")]


def test_an_input_that_is_closed_at_rest_is_an_alarm_when_its_wire_is_cut() -> None:
    follow = Follow(LOOP)
    follow.see(1, True)
    assert follow.told == []
    follow.see(2, False)
    assert follow.told == [(2, "raise")]
    assert machine.detail(follow.watch, LOOP) == "detector.rest says no"


def test_cold_must_last_and_warmth_must_pass_the_band() -> None:
    follow = Follow(COLD)
    follow.see(0, 4.9)
    follow.see(30, 6.0)  # within the band: still cold
    follow.wait(59)
    assert follow.told == []
    follow.see(60, 4.5)
    assert follow.told == [(60, "raise")]
    assert machine.detail(follow.watch, COLD) == "climate.temperature is 4.5 °C, below 5 for 60 s"
    follow.see(70, 7.9)
    follow.wait(200)
    assert len(follow.told) == 1
    follow.see(210, 8.1)
    follow.see(239, 8.2)
    follow.see(240, 8.2)
    assert follow.told[1:] == [(240, "clear")]


def test_a_short_cold_is_none() -> None:
    follow = Follow(COLD)
    follow.see(0, 4.0)
    follow.see(50, 8.5)
    follow.see(55, 4.0)
    follow.wait(114)
    assert follow.told == []
    follow.wait(115)
    assert follow.told == [(115, "raise")]


@pytest.mark.parametrize("nothing", [None, float("nan"), "cold"])
def test_what_is_no_value_ends_no_alarm_and_stops_none_that_is_about_to_be_raised(nothing: float | str | None) -> None:
    follow = Follow(COLD)
    follow.see(0, 4.0)
    follow.see(10, nothing)
    follow.wait(60)
    assert follow.told == [(60, "raise")]
    assert machine.detail(follow.watch, COLD).endswith("that was the last value")
    follow.see(70, 20.0)
    follow.see(80, nothing)
    follow.wait(400)
    assert len(follow.told) == 1
    follow.see(500, 20.0)  # warm again, and that has to be so for its time
    follow.wait(529)
    assert len(follow.told) == 1
    follow.wait(530)
    assert follow.told[1:] == [(530, "clear")]


def test_a_silent_device_ends_nothing_and_is_no_blind_sensor_since_it_has_an_alarm_of_its_own() -> None:
    follow = Follow(SMOKE)
    follow.see(0, True)
    follow.see(1, False)
    follow.device(10, False)
    follow.see(20, None)  # drivers go on to say that they have no value
    follow.wait(20 + 2 * BLIND_S)
    assert follow.told == [(0, "raise")]
    follow.device(3000, True)
    follow.wait(3000 + BLIND_S - 1)
    assert len(follow.told) == 1
    follow.wait(3000 + BLIND_S)
    assert follow.told[1:] == [(3000 + BLIND_S, "raise_blind")]
    follow.see(5000, False)
    assert follow.told[2:] == [(5000, "clear_blind")]
    follow.wait(5060)
    assert follow.told[3:] == [(5060, "clear")]


def test_a_value_that_comes_before_its_device_is_told_to_be_back_counts() -> None:
    follow = Follow(SMOKE)
    follow.device(1, False)
    follow.see(2, False)
    follow.device(3, True)
    assert follow.watch.sight is Sight.SEEN


def test_a_point_that_never_says_anything_is_told() -> None:
    follow = Follow(COLD)
    follow.wait(BLIND_S - 1)
    assert follow.told == []
    follow.wait(BLIND_S)
    follow.wait(BLIND_S + 1)
    assert follow.told == [(BLIND_S, "raise_blind")]


def test_a_number_says_nothing_to_a_rule_of_yes_and_no() -> None:
    follow = Follow(SMOKE)
    follow.see(1, 1.0)
    assert (follow.told, follow.watch.sight) == ([], Sight.UNSEEN)


def test_a_contact_can_say_that_it_is_too_cold_in_place_of_a_number() -> None:
    follow = Follow(COLD)
    follow.see(0, True)
    follow.wait(60)
    assert follow.told == [(60, "raise")]


def test_what_stood_before_the_start_stands_until_a_value_ends_it() -> None:
    follow = Follow(COLD, standing=True, blind=True)
    follow.wait(100)
    assert follow.told == []
    follow.see(200, 6.0)  # within the band
    assert follow.told == [(200, "clear_blind")]
    follow.see(300, 9.0)
    follow.wait(330)
    assert follow.told[1:] == [(330, "clear")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "tamper", "limit": 3}, "limit: tamper is yes or no"),
        ({"kind": "smoke", "clear_at": 3}, "clear_at: goes with a limit"),
        ({"kind": "temperature_low", "limit": 5, "clear_at": 4}, "clear_at: 4 would be an alarm again"),
        ({"kind": "co2_high", "clear_at": 1600}, "clear_at: 1600 would be an alarm again"),
    ],
)
def test_a_limit_that_cannot_be_is_a_mistake(row: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule_of("x", AlarmRow.model_validate({"when": "a.b", **row}))


@pytest.mark.parametrize(("kind", "known"), KINDS.items())
def test_every_limit_of_ours_has_its_band_on_the_right_side(kind: AlarmKind, known: object) -> None:
    rule = rule_of("x", AlarmRow.model_validate({"kind": kind.value, "when": "a.b"}))
    if rule.limit is not None:
        apart = rule.limit.trips - rule.limit.clears
        assert apart > 0 if rule.limit.side is Side.ABOVE else apart < 0


VALUES = st.one_of(st.none(), st.booleans(), st.floats(-40, 60), st.just(float("nan")))
STEPS = st.lists(st.tuples(st.floats(0, 400), st.one_of(VALUES, st.just("silent"), st.just("there"))), max_size=40)


@given(STEPS, st.booleans())
def test_an_alarm_is_raised_and_ended_in_turn_and_never_ended_while_it_is_unseen(
    steps: list[tuple[float, float | bool | str | None]], standing: bool
) -> None:
    follow, at = Follow(COLD, standing=standing), 0.0
    for pause, given_ in steps:
        at += pause
        before = len(follow.told)
        if given_ in ("silent", "there"):
            follow.device(at, given_ == "there")
        else:
            follow.see(at, given_)
        follow.wait(at)
        if follow.watch.sight is not Sight.SEEN:
            assert Effect.CLEAR.value not in [what for _, what in follow.told[before:]]
    for pair in (("raise", "clear"), ("raise_blind", "clear_blind")):
        told = [what for _, what in follow.told if what in pair]
        first = pair[1] if standing and pair[0] == "raise" else pair[0]
        wanted = [first if number % 2 == 0 else pair[first is pair[0]] for number in range(len(told))]
        assert told == wanted

"""Who may enter when: what the page tells before publishing is what the door says afterwards."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.rules import asking
from cloud_hub.rules.compose import compose
from cloud_hub.rules.models import Body, RulesParts
from station_agent.access import rights
from station_agent.access.attempts import Now
from station_agent.access.presence import Presence
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.rules import ColdOpen, Hashing, Lockdown

CHINA = ZoneInfo("Asia/Shanghai")
MONDAY = date(2027, 2, 1)
FEAST = date(2027, 2, 5)
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
PARTS = {
    "schedules": {
        "day": {
            "periods": [
                {"days": WEEKDAYS, "start": "06:00", "end": "11:30"},
                {"days": WEEKDAYS, "start": "13:00", "end": "22:00"},
            ],
            "exceptions": [{"date": "2027-02-05", "spans": [{"start": "09:00", "end": "12:00"}]}],
        },
        "night": {"periods": [{"days": ["tue"], "start": "22:00", "end": "06:00"}]},
    },
    "opening": "day",
    "roles": {
        "cleaner": {"schedule": "night", "opening_hours": False, "credentials": ["card"]},
        "heavy": {"code_and_face": True, "hold_s": 20, "capacity": False},
    },
    "capacity": {"people_max": 3},
}


def held(parts: object = PARTS, **switches: object) -> HeldRules:
    body = Body(parts=RulesParts.model_validate(parts), **switches)
    return HeldRules.of(compose("demo-01", 1, body, [], Hashing(salt="0" * 32), datetime(2027, 1, 1, tzinfo=UTC)))


def ask(role: str, at: str, rules: HeldRules | None = None) -> dict[Credential, Reason | bool | None]:
    answer = asking.answer(rules or held(), role, datetime.fromisoformat(at), CHINA)
    return {way.credential: way.allowed or way.reason for way in answer.ways}


def test_the_opening_hours_bind_and_the_next_change_is_told() -> None:
    assert ask("member", "2027-02-01T10:00")[Credential.CODE] is True
    assert ask("member", "2027-02-01T12:00")[Credential.CODE] is Reason.STATION_CLOSED
    answer = asking.answer(held(), "member", datetime.fromisoformat("2027-02-01T12:00"), CHINA)
    assert answer.next_change == datetime.fromisoformat("2027-02-01T13:00")
    assert asking.answer(held({}), "member", datetime.fromisoformat("2027-02-01T12:00"), CHINA).next_change is None


def test_a_role_enters_by_its_own_ways_and_hours() -> None:
    assert ask("cleaner", "2027-02-03T05:59") == {
        Credential.CODE: Reason.CREDENTIAL_NOT_ALLOWED,
        Credential.FACE: Reason.CREDENTIAL_NOT_ALLOWED,
        Credential.CARD: True,
        Credential.PIN: Reason.CREDENTIAL_NOT_ALLOWED,
        Credential.GUEST: Reason.CREDENTIAL_NOT_ALLOWED,
    }
    assert ask("cleaner", "2027-02-03T06:00")[Credential.CARD] is Reason.OUTSIDE_SCHEDULE
    assert set(ask("nobody", "2027-02-01T10:00").values()) == {Reason.ROLE_UNKNOWN}


def test_what_else_holds_is_told() -> None:
    heavy = asking.answer(held(), "heavy", datetime.fromisoformat("2027-02-01T10:00"), CHINA)
    assert (heavy.both_needed, heavy.hold_s, heavy.when_full) == (True, 20, False)
    assert asking.answer(held(), "member", datetime.fromisoformat("2027-02-01T10:00"), CHINA).when_full


def test_lockdown_and_cold_end_by_the_stations_clock() -> None:
    locked = held(lockdown=Lockdown(until=datetime(2027, 2, 1, 2, tzinfo=UTC), ordered_by="li"))
    assert ask("member", "2027-02-01T09:59", locked)[Credential.CODE] is Reason.LOCKDOWN
    assert ask("member", "2027-02-01T10:00", locked)[Credential.CODE] is True
    cold = held(cold=ColdOpen(until=datetime(2027, 2, 1, 16, 30, tzinfo=UTC), ordered_by="li"))
    answer = asking.answer(cold, "member", datetime.fromisoformat("2027-02-01T23:00"), CHINA)
    assert {way.reason for way in answer.ways} == {Reason.COLD_OPEN}
    assert answer.next_change == datetime.fromisoformat("2027-02-02T00:30")


def test_a_week_has_feast_days_and_nights_that_end_the_next_morning() -> None:
    week = asking.week(held(), MONDAY, ["member", "cleaner"], CHINA)
    member, cleaner = week.roles
    assert week.days[4] == FEAST
    assert member.days[0] == [(360, 690), (780, 1320)]
    assert member.days[4] == [(540, 720)]
    assert member.days[5] == []
    assert week.opening == member.days
    assert cleaner.days[1:3] == [[(1320, 1440)], [(0, 360)]]


def test_without_rules_everybody_enters_all_day() -> None:
    week = asking.week(held({}), MONDAY, ["member"], CHINA)
    assert week.opening == week.roles[0].days == [[(0, 1440)]] * 7


TIME = st.times().map(lambda at: at.strftime("%H:%M"))
SPAN = st.tuples(TIME, TIME).filter(lambda span: span[0] != span[1] and span[1] != "00:00")


@given(
    spans=st.lists(st.tuples(st.sampled_from([*WEEKDAYS, "sat", "sun"]), SPAN), max_size=5),
    minute=st.integers(0, 7 * 1440 - 1),
)
@pytest.mark.timeout(60)
def test_the_plotted_week_says_what_the_door_says(spans: list[tuple[str, tuple[str, str]]], minute: int) -> None:
    periods = [{"days": [day], "start": start, "end": end} for day, (start, end) in spans]
    rules = held({"schedules": {"day": {"periods": periods}}, "opening": "day"})
    week = asking.week(rules, MONDAY, ["member"], CHINA)
    day, at_min = divmod(minute, 1440)
    plotted = any(start <= at_min < end for start, end in week.roles[0].days[day])
    utc = (datetime.combine(MONDAY, datetime.min.time(), CHINA) + timedelta(minutes=minute)).astimezone(UTC)
    known = rights.Known("0" * 16, "member", Credential.CODE)
    said = rights.ask(known, rules, Presence(), Now(utc, 0.0, trusted=True), CHINA)
    assert plotted is isinstance(said, rights.Allowed)

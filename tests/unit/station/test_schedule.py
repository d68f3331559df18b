"""Hours by the wall clock: weekdays, midnight, exceptions, the two odd nights of a year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from station_agent.wire.schedule import Day, DayException, Period, Schedule, Span

WEEKDAYS = (Day.MON, Day.TUE, Day.WED, Day.THU, Day.FRI)
DAYTIME = Schedule(periods=(Period(days=WEEKDAYS, start="06:00", end="22:00"),))
NIGHT = Schedule(periods=(Period(days=(Day.FRI,), start="22:00", end="06:00"),))
SPRING_FESTIVAL = date(2027, 2, 5)  # a Friday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("schedule", "moment", "inside"),
    [
        (DAYTIME, "2026-12-01T05:59", False),  # a Tuesday
        (DAYTIME, "2026-12-01T06:00", True),
        (DAYTIME, "2026-12-01T21:59:59", True),
        (DAYTIME, "2026-12-01T22:00", False),
        (DAYTIME, "2026-12-05T12:00", False),  # a Saturday
        (NIGHT, "2026-12-04T21:59", False),  # a Friday
        (NIGHT, "2026-12-04T22:00", True),
        (NIGHT, "2026-12-05T00:00", True),
        (NIGHT, "2026-12-05T05:59", True),
        (NIGHT, "2026-12-05T06:00", False),
        (NIGHT, "2026-12-05T22:00", False),
        (NIGHT, "2026-12-04T03:00", False),  # the night before belongs to Thursday
    ],
)
def test_periods_belong_to_the_day_on_which_they_begin(schedule: Schedule, moment: str, inside: bool) -> None:
    assert schedule.covers(at(moment)) is inside


@pytest.mark.parametrize(
    ("spans", "moment", "inside"),
    [
        ((), "2027-02-05T12:00", False),
        ((), "2027-02-04T12:00", True),
        ((Span(start="10:00", end="12:00"),), "2027-02-05T11:00", True),
        ((Span(start="10:00", end="12:00"),), "2027-02-05T09:00", False),
        ((Span(start="20:00", end="02:00"),), "2027-02-06T01:00", True),  # past midnight into a Saturday
    ],
)
def test_an_exception_replaces_its_day(spans: tuple[Span, ...], moment: str, inside: bool) -> None:
    schedule = DAYTIME.model_copy(update={"exceptions": (DayException(date=SPRING_FESTIVAL, spans=spans),)})
    assert schedule.covers(at(moment)) is inside


def test_a_night_that_began_before_a_closed_day_goes_on_to_its_end() -> None:
    schedule = NIGHT.model_copy(update={"exceptions": (DayException(date=date(2026, 12, 5)),)})
    assert schedule.covers(at("2026-12-05T05:00"))


def test_the_night_without_an_hour_and_the_night_with_one_more() -> None:
    """Berlin 2026: 02:00 -> 03:00 on 29 March, 03:00 -> 02:00 on 25 October. China has had neither since 1991."""
    zone = ZoneInfo("Europe/Berlin")
    every_night = Schedule(periods=(Period(days=tuple(Day), start="01:00", end="03:00"),))

    def minutes_inside(day: datetime) -> int:
        moments = (day + timedelta(minutes=n) for n in range(12 * 60))
        return sum(every_night.covers(moment.astimezone(zone)) for moment in moments)

    assert minutes_inside(datetime(2026, 3, 28, 22, tzinfo=UTC)) == 60
    assert minutes_inside(datetime(2026, 10, 24, 22, tzinfo=UTC)) == 180
    assert minutes_inside(datetime(2026, 6, 1, 22, tzinfo=UTC)) == 120


def test_the_same_moment_is_another_hour_elsewhere() -> None:
    moment = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)  # Tuesday; 07:30 on Wednesday in Changchun
    assert DAYTIME.covers(moment.astimezone(ZoneInfo("Asia/Shanghai")))
    assert not DAYTIME.covers(moment)


@pytest.mark.parametrize(
    ("start", "end"), [("06:00", "06:00"), ("06:00", "00:00"), ("24:00", "06:00"), ("6:00", "7:00")]
)
def test_what_is_no_span_is_refused(start: str, end: str) -> None:
    with pytest.raises(ValidationError):
        Span(start=start, end=end)


def test_a_date_has_one_exception() -> None:
    with pytest.raises(ValidationError, match="two exceptions"):
        Schedule(exceptions=(DayException(date=SPRING_FESTIVAL), DayException(date=SPRING_FESTIVAL)))


@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    minute=st.integers(0, 7 * 1440 - 1),
    days=st.sets(st.sampled_from(list(Day)), min_size=1),
)
def test_a_period_is_what_a_row_of_minutes_says(start: int, length: int, minute: int, days: set[Day]) -> None:
    """Against the plain picture: each period is a run of minutes in a ring of seven days."""
    stop = start + length
    ends = stop if stop <= 1440 else stop - 1440
    if ends == start:
        return

    def text(value: int) -> str:
        return f"{value // 60:02d}:{value % 60:02d}"

    period = Period(days=tuple(sorted(days)), start=text(start), end=text(ends))
    week = [datetime(2026, 11, 30) + timedelta(minutes=minute)]  # noqa: DTZ001 - a Monday, wall clock
    ring = {(list(Day).index(day) * 1440 + start + n) % (7 * 1440) for day in days for n in range(length)}
    assert Schedule(periods=(period,)).covers(week[0]) is (minute in ring)

"""Buckets of minutes and hours: the same whatever comes first, and as they were after being stored."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.rollups.buckets import HOUR, MINUTE, Bucket, beginning, decoded, encoded, gathered, merge, shown
from cloud_hub.rollups.tables import span_for
from station_agent.wire.events import PointReading, Readings

START = datetime(2026, 1, 31, 8, tzinfo=UTC)

VALUES = st.one_of(st.none(), st.booleans(), st.sampled_from(["heat", "off"]), st.integers(-400, 800).map(float))
QUALITIES = st.sampled_from(["good", "good", "stale", "invalid", "missing"])


def one(value: float | bool | str | None, quality: str = "good", point: str = "temperature") -> PointReading:
    return PointReading(device="climate", point=point, value=value, unit="°C", quality=quality, at=START)


def bucket_of(*rows: tuple[int, PointReading]) -> Bucket:
    """Of the minute at START; a row is (milliseconds, what was read)."""
    placed = [("s", START + timedelta(milliseconds=ms), Readings(readings=(reading,))) for ms, reading in rows]
    return gathered(placed, MINUTE).get(("s", START), {})


@st.composite
def readings(draw: st.DrawFn) -> list[tuple[int, PointReading]]:
    """Of one minute, each at another millisecond."""
    times = draw(st.sets(st.integers(0, 59_999), max_size=12))
    return [(ms, one(draw(VALUES), draw(QUALITIES), draw(st.sampled_from(["temperature", "mode"])))) for ms in times]


@given(readings(), st.randoms())
def test_a_bucket_is_the_same_in_whatever_order_and_parts_it_was_made(
    rows: list[tuple[int, PointReading]], random: object
) -> None:
    whole = encoded(bucket_of(*rows))
    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    cut = len(mixed) // 2
    first = json.loads(json.dumps(encoded(bucket_of(*mixed[:cut]))))
    assert encoded(merge(decoded(first), bucket_of(*mixed[cut:]))) == whole


@given(readings())
def test_a_bucket_comes_back_as_it_was_stored(rows: list[tuple[int, PointReading]]) -> None:
    bucket = bucket_of(*rows)
    assert decoded(json.loads(json.dumps(encoded(bucket)))) == bucket


def test_only_good_numbers_are_in_the_mean_and_a_missing_one_is_no_zero() -> None:
    bucket = bucket_of(
        (0, one(10.0)), (1, one(None, "missing")), (2, one(99.0, "invalid")), (3, one(20.0)), (4, one(True))
    )
    cell = bucket["climate", "temperature"]
    assert (cell.count, cell.total, cell.low, cell.high, cell.last) == (2, 30.0, 10.0, 20.0, True)
    (stored,) = encoded(bucket)
    assert shown(stored, START, MINUTE) == (START + MINUTE / 2, 15.0, "good")


def test_without_a_good_number_the_last_reading_is_shown_with_its_quality() -> None:
    (stored,) = encoded(bucket_of((0, one(7.0, "stale")), (250, one(None, "missing"))))
    assert shown(stored, START, MINUTE) == (START + timedelta(milliseconds=250), None, "missing")
    (mode,) = encoded(bucket_of((0, one("heat"))))
    assert shown(mode, START, MINUTE) == (START, "heat", "good")


def test_one_reading_a_minute_is_shown_as_it_was_and_stored_in_few_bytes() -> None:
    (stored,) = encoded(bucket_of((1500, one(21.5))))
    assert stored == ["climate", "temperature", "°C", "good", 21.5, 1500]
    assert shown(stored, START, MINUTE) == (START + timedelta(seconds=1.5), 21.5, "good")


@given(st.datetimes(timezones=st.just(UTC)))
def test_spans_follow_each_other_without_a_gap(at: datetime) -> None:
    for span in (MINUTE, HOUR):
        start = beginning(at, span)
        assert start <= at < start + span
        assert beginning(start, span) == start


def test_a_day_is_charted_by_minutes_and_a_month_by_hours() -> None:
    assert [span_for(hours) for hours in (1, 24, 25, 26, 744)] == [MINUTE, MINUTE, MINUTE, HOUR, HOUR]
